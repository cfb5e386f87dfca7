/*
 * delivery_failed.h
 *	  Batches that were given up.
 */
#ifndef DDBSTREAMS_DELIVERY_FAILED_H
#define DDBSTREAMS_DELIVERY_FAILED_H

#include "base/ddbstreams.h"

#include "delivery/delivery_batch.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"

extern void	 delivery_failed_insert(const MappingInfo *mapping, const ShardInfo *shard,
									const char *failure, const DeliveryBatch *batch);
extern char *delivery_failed_tell(const MappingInfo *mapping, const char *failure,
								  const DeliveryBatch *batch);

#endif /* DDBSTREAMS_DELIVERY_FAILED_H */
