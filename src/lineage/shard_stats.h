/*
 * shard_stats.h
 *	  How much is in a shard, and how fast it comes in.
 */
#ifndef DDBSTREAMS_SHARD_STATS_H
#define DDBSTREAMS_SHARD_STATS_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

typedef struct ShardStats
{
	int64		records;	 /* that can be read now */
	bool		is_estimate; /* whether their number is one */
	int64		bytes;		 /* on disk */
	TimestampTz oldest;		 /* of them; 0 if there is none */
	TimestampTz newest;
	double		rate; /* records per second, over the last minute */
} ShardStats;

extern bool shard_stats_get(const StreamInfo *stream, const ShardInfo *shard,
							Snapshot snapshot, ShardStats *stats);

/* Records per second over the last minute */
extern double shard_stats_rate(const ShardInfo *shard, Snapshot snapshot);

#endif /* DDBSTREAMS_SHARD_STATS_H */
