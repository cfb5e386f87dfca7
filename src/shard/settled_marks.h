/*
 * settled_marks.h
 *	  Marks of writers: what was settled in a shard when they had appended.
 */
#ifndef DDBSTREAMS_SETTLED_MARKS_H
#define DDBSTREAMS_SETTLED_MARKS_H

#include "base/ddbstreams.h"

#include "shard/shard_log.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

extern Size settled_marks_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void settled_marks_shmem_init(void);

/*
 * Leaves a mark, if the last one is some pages behind.  Called when this
 * transaction has appended all that it has for a shard, at this place, and
 * holds the lock with which it has appended.
 */
extern void settled_marks_leave(Relation shard, const ShardPlace *place);

/*
 * Returns a number up to which all records of a shard are resolved in the
 * snapshot, or 0 if no mark tells.
 */
extern int64 settled_marks_position(Relation shard, Snapshot snapshot);

#endif /* DDBSTREAMS_SETTLED_MARKS_H */
