/*
 * shard_slot.h
 *	  The slot in shared memory that a shard uses.
 *
 * There is a fixed number of slots, so shards of all databases share them: what
 * a slot says is true of one of its shards, and a hint for the others.
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
