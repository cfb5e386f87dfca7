/*
 * latest_hint.h
 *	  How far a shard was resolved when somebody looked last.
 */
#ifndef DDBSTREAMS_LATEST_HINT_H
#define DDBSTREAMS_LATEST_HINT_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "utils/snapshot.h"

extern Size latest_hint_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void latest_hint_shmem_init(void);

/*
 * Returns a position up to which all records of a shard are resolved in the
 * snapshot: that of a hint, if there is one that holds in this snapshot, or
 * the one just before the shard's start.
 */
extern int64 latest_hint_position(const ShardInfo *shard, Snapshot snapshot);

/*
 * Leaves a hint: a walk has found that all is resolved in the snapshot up to
 * this position.  A hint that reaches further stays.
 */
extern void latest_hint_leave(const ShardInfo *shard, Snapshot snapshot,
							  int64 position);

#endif /* DDBSTREAMS_LATEST_HINT_H */
