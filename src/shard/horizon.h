/*
 * horizon.h
 *	  What has passed its retention and is out of reach.
 */
#ifndef DDBSTREAMS_HORIZON_H
#define DDBSTREAMS_HORIZON_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/* A time that lies further in the future comes of a clock that ran ahead. */
#define CLOCK_TOLERANCE (USECS_PER_MINUTE)

/*
 * Returns the number below which a shard's records are out of reach, if none
 * of them is unresolved.  It reads no page.
 */
extern int64 horizon_of_shard_by_age(const StreamInfo *stream, const ShardInfo *shard);

/*
 * Returns the number below which a shard's records are out of reach, which is
 * not above the first record that is unresolved in the snapshot.  It may walk
 * pages that no walk has seen resolved yet (latest_hint.c).
 */
extern int64 horizon_of_shard(const StreamInfo *stream, const ShardInfo *shard,
							  Snapshot snapshot);

/*
 * Is all that a shard holds out of reach, so that it may be dropped?  It is if
 * it is closed, and as much time has gone by since the closing as its records
 * are kept: readers have had that long to follow it to its children.
 */
extern bool horizon_has_passed_shard(const StreamInfo *stream, const ShardInfo *shard);

/*
 * Is a stream gone, that is, disabled, and all its shards expired?  Looks at
 * the shards that there are now, not in a snapshot.
 */
extern bool horizon_has_passed_stream(const StreamInfo *stream);

#endif /* DDBSTREAMS_HORIZON_H */
