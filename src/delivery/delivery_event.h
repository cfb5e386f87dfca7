/*
 * delivery_event.h
 *	  The documents that handlers are called with.
 */
#ifndef DDBSTREAMS_DELIVERY_EVENT_H
#define DDBSTREAMS_DELIVERY_EVENT_H

#include "base/ddbstreams.h"

#include "delivery/delivery_batch.h"
#include "delivery/delivery_position.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"

/* Conditions under which a batch is given up */
#define CONDITION_RETRIES "RetryAttemptsExhausted"
#define CONDITION_AGE	  "RecordAgeExceeded"

extern char *delivery_event(const DeliveryBatch *batch);
extern char *delivery_event_of_window(const DeliveryBatch	 *batch,
									  const MappingInfo		 *mapping,
									  const ShardInfo		 *shard,
									  const DeliveryPosition *position, bool is_final);
extern char *delivery_event_failure(const DeliveryBatch *batch, const MappingInfo *mapping,
									const ShardInfo *shard, const char *condition,
									int attempts, bool unhandled);
extern char *delivery_event_failure_with_payload(const char *failure, const DeliveryBatch *batch);

#endif /* DDBSTREAMS_DELIVERY_EVENT_H */
