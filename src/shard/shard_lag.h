/*
 * shard_lag.h
 *	  How far a reader of a shard is behind.
 */
#ifndef DDBSTREAMS_SHARD_LAG_H
#define DDBSTREAMS_SHARD_LAG_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "utils/snapshot.h"

typedef struct ShardLag
{
	int64  records; /* that can be read behind the checkpoint */
	double seconds; /* the age of the first of them, or 0 */
} ShardLag;

/*
 * Returns the lag of a reader that stands at a checkpoint.  Records that are
 * out of reach do not count; of more than 10,000 the number is estimated.
 * There is no lag in a shard that has been dropped.
 */
extern ShardLag shard_lag_behind(const StreamInfo *stream, const ShardInfo *shard,
								 int64 checkpoint, Snapshot snapshot);

#endif /* DDBSTREAMS_SHARD_LAG_H */
