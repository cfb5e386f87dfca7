/*
 * shard_watch.h
 *	  Being woken when something may have become readable in any of many shards.
 */
#ifndef DDBSTREAMS_SHARD_WATCH_H
#define DDBSTREAMS_SHARD_WATCH_H

#include "base/ddbstreams.h"

#include "shard/shard_slot.h"

#define SHARD_WATCH_WORDS (SHARD_SLOTS / 64)

/* Which shards were touched: several may share a bit */
typedef struct ShardWatchBits
{
	uint64 words[SHARD_WATCH_WORDS];
} ShardWatchBits;

extern Size shard_watch_shmem_size(void);
extern void shard_watch_shmem_init(void);

extern void shard_watch_set(const Oid *shard_tables, int count);
extern void shard_watch_add(Oid shard_table);
extern void shard_watch_end(void);

extern bool shard_watch_pending(void);
extern bool shard_watch_take(ShardWatchBits *bits);
extern bool shard_watch_take_wanted(const ShardWatchBits *wanted,
									ShardWatchBits		 *bits);
extern void shard_watch_mark(ShardWatchBits *bits, Oid shard_table);
extern bool shard_watch_touched(const ShardWatchBits *bits, Oid shard_table);
extern bool shard_watch_wait(long timeout_ms);

extern void shard_watch_wake(int slot_number);

#endif /* DDBSTREAMS_SHARD_WATCH_H */
