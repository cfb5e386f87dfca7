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
#include "registry/stream_catalog.h"

/*
 * Writes a batch down in failed_batch, with Lambda's record of its failure.
 * It does not fail for what the records are: if jsonb cannot hold them, they
 * are left out, and the server's log says so.
 */
extern void delivery_failed_insert(const MappingInfo *mapping, const StreamInfo *stream,
								   const ShardInfo *shard, const char *failure,
								   const DeliveryBatch *batch);

/*
 * Calls the mapping's on_failure, as the current user.  Returns NULL; or, if
 * it has failed, the error's message, palloc'd, and all that it did is undone.
 */
extern char *delivery_failed_tell(const MappingInfo *mapping, const char *failure,
								  const DeliveryBatch *batch);

/*
 * Deletes batches that are older than ddbstreams.failed_batch_retention, or
 * whose mapping is gone, some of them at a time.  It is a maintenance task.
 */
extern void delivery_failed_tidy(void);

#endif /* DDBSTREAMS_DELIVERY_FAILED_H */
