/*
 * delivery_failed.h
 *	  Batches that were given up.
 */
#ifndef DELIVERY_FAILED_H
#define DELIVERY_FAILED_H

#include "base/ddbstreams.h"

#include "delivery/delivery_batch.h"
#include "mapping/mapping.h"

extern void	 delivery_failed_insert(const MappingInfo *mapping, const ShardInfo *shard,
									const char *failure, const DeliveryBatch *batch);
extern char *delivery_failed_tell(const MappingInfo *mapping, const char *failure,
								  const DeliveryBatch *batch);

#endif /* DELIVERY_FAILED_H */
