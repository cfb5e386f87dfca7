/*
 * shard_slot.h
 *	  The slot in shared memory that a shard uses.
 *
 * There is a fixed number of slots, so that shards of all databases share
 * them.  What is kept for a slot names the shard that it is of (the last
 * number of shard_log.c, the hint of latest_hint.c), or may as well be meant
 * for another (a wake-up of shard_wake.c, a bit of shard_watch.c).
 */
#ifndef DDBSTREAMS_SHARD_SLOT_H
#define DDBSTREAMS_SHARD_SLOT_H

#include "base/ddbstreams.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#define SHARD_SLOTS 1024 /* a power of two */

/* Returns which slot a shard of this database uses. */
static inline int
shard_slot_number(Oid shard_table)
{
	return hash_combine(murmurhash32(MyDatabaseId), murmurhash32(shard_table)) &
		   (SHARD_SLOTS - 1);
}

#endif /* DDBSTREAMS_SHARD_SLOT_H */
