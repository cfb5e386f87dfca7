/*
 * delivery_event.h
 *	  The documents that handlers are called with.
 *
 * What is returned is JSON text, palloc'd.
 */
#ifndef DDBSTREAMS_DELIVERY_EVENT_H
#define DDBSTREAMS_DELIVERY_EVENT_H

#include "base/ddbstreams.h"

#include "delivery/delivery_batch.h"
#include "delivery/delivery_position.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"

/* Conditions under which a batch is given up, as Lambda names them */
#define CONDITION_RETRIES "RetryAttemptsExhausted"
#define CONDITION_AGE	  "RecordAgeExceeded"

/* Returns the event of a batch: {"Records":[…]}. */
extern char *delivery_event(const DeliveryBatch *batch);

/* Returns the event of a batch in the position's tumbling window. */
extern char *delivery_event_of_window(const DeliveryBatch	 *batch,
									  const MappingInfo		 *mapping,
									  const ShardInfo		 *shard,
									  const DeliveryPosition *position, bool is_final);

/*
 * Returns Lambda's record of a batch that is given up, without the payload.
 * The batch is empty if it is the last call of a tumbling window that is given
 * up.  attempts is the number of its calls; unhandled tells whether the last
 * one has raised an error, and not answered.
 */
extern char *delivery_event_failure(const DeliveryBatch *batch, const MappingInfo *mapping,
									const ShardInfo *shard, const char *condition,
									int attempts, bool unhandled);

/* Returns a record of failure with the batch's records as its payload. */
extern char *delivery_event_failure_with_payload(const char *failure, const DeliveryBatch *batch);

#endif /* DDBSTREAMS_DELIVERY_EVENT_H */
