/*
 * horizon.h
 *	  What has passed its retention and is out of reach.
 */
#ifndef DDBSTREAMS_HORIZON_H
#define DDBSTREAMS_HORIZON_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/* How far in the future a clock is not yet taken for one that was set back */
#define CLOCK_TOLERANCE (USECS_PER_MINUTE)

extern int64 horizon_of_stream(const StreamInfo *stream);
extern int64 horizon_of_shard_by_age(const StreamInfo *stream, const ShardInfo *shard);
extern int64 horizon_of_shard(const StreamInfo *stream, const ShardInfo *shard,
							  Snapshot snapshot);

extern bool horizon_has_passed_shard(const StreamInfo *stream, const ShardInfo *shard);
extern bool horizon_has_passed_stream(const StreamInfo *stream);

#endif /* DDBSTREAMS_HORIZON_H */
