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
	bool		is_estimate; /* whether their number is estimated */
	TimestampTz oldest;		 /* of the records; 0 if there is none */
	TimestampTz newest;
	double		rate; /* records per second, over the last minute */
} ShardStats;

/*
 * Fills stats in.  Returns false if the shard has been dropped meanwhile.
 * newest is found by a hint, or by one walk (latest_hint.c).
 */
extern bool shard_stats_get(const StreamInfo *stream, const ShardInfo *shard,
							Snapshot snapshot, ShardStats *stats);

/*
 * Returns how many records per second were written to a shard over the last
 * minute, or since it was opened if that is less.  What seems to have been
 * written in the future, because the clock was set back, does not count.
 * Reads at most 1,000 pages.
 */
extern double shard_stats_rate(const ShardInfo *shard, Snapshot snapshot);

/*
 * Do the views of statistics show a stream to the current user?  They do if
 * the user may read it, or is a member of pg_monitor.
 */
extern bool shard_stats_are_shown(const StreamInfo *stream);

#endif /* DDBSTREAMS_SHARD_STATS_H */
