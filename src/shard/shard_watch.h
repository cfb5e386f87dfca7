/*
 * shard_watch.h
 *	  Being woken when a record may have become readable in any of many shards.
 */
#ifndef DDBSTREAMS_SHARD_WATCH_H
#define DDBSTREAMS_SHARD_WATCH_H

#include "base/ddbstreams.h"

#include "base/wait_event.h"
#include "shard/shard_slot.h"

#define SHARD_WATCH_WORDS (SHARD_SLOTS / 64)

/*
 * What is watched: a shard of a stream, by its table and the stream's id; or a
 * consumer or a stream as a whole, by a key and its number.
 */
typedef struct ShardWatchKey
{
	int64 stream_id;
	Oid	  shard_table;
} ShardWatchKey;

/*
 * The key of a stream, which tells that shards were opened, closed or dropped,
 * or of a consumer, which tells that leases were changed.  Both have their
 * numbers from one sequence.
 */
static inline ShardWatchKey
shard_watch_number_key(int64 number)
{
	ShardWatchKey key = {.stream_id = number, .shard_table = (Oid) (uint32) number};

	return key;
}

/* A set of shards, of which several may share a bit */
typedef struct ShardWatchBits
{
	uint64 words[SHARD_WATCH_WORDS];
} ShardWatchBits;

extern Size shard_watch_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void shard_watch_shmem_init(void);

/* From now on this process watches these shards, and no others. */
extern void shard_watch_set(const ShardWatchKey *keys, int count);

/* This process watches nothing any more.  Called again it does nothing. */
extern void shard_watch_end(void);

/*
 * Takes the bits of watched shards that were touched since they were taken
 * last, and returns whether there are any.  bits may be NULL.
 */
extern bool shard_watch_take(ShardWatchBits *bits);

/*
 * Does the same with those bits that are wanted.  The others stay, and do not
 * set the latch again.
 */
extern bool shard_watch_take_wanted(const ShardWatchBits *wanted,
									ShardWatchBits		 *bits);

/* Adds a shard's bit to bits. */
extern void shard_watch_mark(ShardWatchBits *bits, Oid shard_table);

/* Is a shard's bit among those that were taken? */
extern bool shard_watch_touched(const ShardWatchBits *bits, Oid shard_table);

/*
 * Sleeps until a watched shard is touched, and returns true, or until the time
 * is over, and returns false.  The bits stay to be taken.  The reason is for
 * the wait event.
 */
extern bool shard_watch_wait(long timeout_ms, WaitReason reason);

/*
 * Wakes the processes that watch a shard with this slot of this stream, or, if
 * stream_id is 0, of any stream of this database.  Called by shard_wake.c
 * behind a memory barrier, in callbacks that must not fail.
 */
extern void shard_watch_wake(int slot_number, int64 stream_id);

#endif /* DDBSTREAMS_SHARD_WATCH_H */
