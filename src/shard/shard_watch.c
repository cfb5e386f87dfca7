/*
 * shard_watch.c
 *	  Being woken when a record may have become readable in any of many shards.
 *
 * A process says which shards it watches.  When a transaction that has
 * appended to one of them ends, the process's latch is set, and a bit tells
 * which shard it was.  Shards share bits as they share slots (shard_slot.h),
 * so that a set bit only tells where to look.  Some thousand shards have all
 * bits; so a process also says which database and which streams it watches,
 * and transactions that write to others do not wake it.  A process that waits
 * does it in this order:
 *
 *		shard_watch_set(keys, count);		register
 *		shard_watch_take(&bits);			forget what was before
 *		... look, with a new snapshot ...
 *		shard_watch_wait(timeout, reason);	returns at once if a bit was set
 *		...
 *		shard_watch_end();					also after an error
 *
 * or, instead of calling shard_watch_wait, it sleeps on MyLatch in a way of
 * its own and looks at the bits whenever it wakes.  A committing transaction
 * makes its commit visible and only then looks for watchers, so that no
 * wake-up is missed.  If no process watches its shards, it reads one counter
 * for each.
 *
 * What is watched need not be a shard: any key and number will do on which all
 * agree that call shard_wake_at_end for it, if no shard has both.
 *
 * On a standby there are no commits, so nobody is woken there.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "shard/shard_watch.h"

/* More streams are not told apart. */
#define MAX_STREAMS 32
#define ANY_STREAM	(-1)

/* What a process watches, and which of it was touched: a bit for each slot */
typedef struct Watcher
{
	pg_atomic_uint32 changes; /* odd while the next three are being changed */
	Oid				 database;
	int				 stream_count; /* or ANY_STREAM */
	int64			 streams[MAX_STREAMS];
	pg_atomic_uint64 watched[SHARD_WATCH_WORDS];
	pg_atomic_uint64 touched[SHARD_WATCH_WORDS];
} Watcher;

typedef struct ShardWatchShared
{
	pg_atomic_uint32 counts[SHARD_SLOTS]; /* of processes that watch a slot */
	int				 watcher_count;

	/* Both by a process's place in ProcGlobal->allProcs */
	pg_atomic_uint64 *active; /* bits of processes that watch */
	Watcher			 *watchers;
} ShardWatchShared;

static ShardWatchShared *shared = NULL;

/* What this process watches */
static uint64 own_bits[SHARD_WATCH_WORDS];
static bool	  is_watching = false;
static bool	  exit_registered = false;

static int
active_words(void)
{
	return (MaxBackends + 63) / 64;
}

Size
shard_watch_shmem_size(void)
{
	Size size = MAXALIGN(sizeof(ShardWatchShared));

	size = add_size(size, MAXALIGN(mul_size(active_words(), sizeof(pg_atomic_uint64))));
	return add_size(size, mul_size(MaxBackends, sizeof(Watcher)));
}

void
shard_watch_shmem_init(void)
{
	bool  found;
	char *next;

	shared = ShmemInitStruct("ddbstreams shard watch", shard_watch_shmem_size(),
							 &found);
	if (found)
		return;
	next = (char *) shared + MAXALIGN(sizeof(ShardWatchShared));
	shared->active = (pg_atomic_uint64 *) next;
	next += MAXALIGN(active_words() * sizeof(pg_atomic_uint64));
	shared->watchers = (Watcher *) next;
	shared->watcher_count = MaxBackends;

	for (int i = 0; i < SHARD_SLOTS; i++)
		pg_atomic_init_u32(&shared->counts[i], 0);
	for (int i = 0; i < active_words(); i++)
		pg_atomic_init_u64(&shared->active[i], 0);
	for (int i = 0; i < shared->watcher_count; i++)
	{
		pg_atomic_init_u32(&shared->watchers[i].changes, 0);
		shared->watchers[i].database = InvalidOid;
		shared->watchers[i].stream_count = 0;
		for (int word = 0; word < SHARD_WATCH_WORDS; word++)
		{
			pg_atomic_init_u64(&shared->watchers[i].watched[word], 0);
			pg_atomic_init_u64(&shared->watchers[i].touched[word], 0);
		}
	}
}

static int
own_place(void)
{
	int place = MyProc - ProcGlobal->allProcs;

	/* Places of auxiliary processes and prepared transactions come behind. */
	Assert(place >= 0 && place < shared->watcher_count);
	return place;
}

static void
end_at_exit(int code, Datum arg)
{
	shard_watch_end();
}

/* From now on this process watches the slots of these bits. */
static void
watch_bits(const uint64 *bits)
{
	int		 place = own_place();
	Watcher *watcher = &shared->watchers[place];

	if (!exit_registered)
	{
		before_shmem_exit(end_at_exit, (Datum) 0);
		exit_registered = true;
	}
	if (!is_watching)
	{
		is_watching = true;
		pg_atomic_fetch_or_u64(&shared->active[place / 64], UINT64CONST(1) << (place % 64));
	}
	for (int word = 0; word < SHARD_WATCH_WORDS; word++)
	{
		uint64 changed = own_bits[word] ^ bits[word];

		if (changed == 0)
			continue;
		pg_atomic_write_u64(&watcher->watched[word], bits[word]);
		while (changed != 0)
		{
			int bit = pg_rightmost_one_pos64(changed);

			if (bits[word] & (UINT64CONST(1) << bit))
				pg_atomic_fetch_add_u32(&shared->counts[word * 64 + bit], 1);
			else
				pg_atomic_fetch_sub_u32(&shared->counts[word * 64 + bit], 1);
			changed &= changed - 1;
		}
		own_bits[word] = bits[word];
	}
	pg_memory_barrier();
}

static void
set_bit(uint64 *bits, Oid shard_table)
{
	int slot = shard_slot_number(shard_table);

	bits[slot / 64] |= UINT64CONST(1) << (slot % 64);
}

static bool
has_stream(const int64 *streams, int count, int64 stream_id)
{
	for (int i = 0; i < count; i++)
	{
		if (streams[i] == stream_id)
			return true;
	}
	return false;
}

/*
 * From now on this process watches these streams.  A transaction that looks
 * while they are being changed wakes the process: a stream that it watches
 * before and after must not be missed.
 */
static void
watch_streams(const ShardWatchKey *keys, int count)
{
	Watcher *watcher = &shared->watchers[own_place()];
	uint32	 changes = pg_atomic_read_u32(&watcher->changes);
	int64	 streams[MAX_STREAMS];
	int		 stream_count = 0;

	for (int i = 0; i < count && stream_count != ANY_STREAM; i++)
	{
		if (has_stream(streams, stream_count, keys[i].stream_id))
			continue;
		if (stream_count < MAX_STREAMS)
			streams[stream_count++] = keys[i].stream_id;
		else
			stream_count = ANY_STREAM;
	}
	if (watcher->database == MyDatabaseId && watcher->stream_count == stream_count &&
		(stream_count <= 0 ||
		 memcmp(watcher->streams, streams, stream_count * sizeof(int64)) == 0))
		return;
	pg_atomic_write_u32(&watcher->changes, changes + 1);
	pg_memory_barrier();
	watcher->database = MyDatabaseId;
	watcher->stream_count = stream_count;
	if (stream_count > 0)
		memcpy(watcher->streams, streams, stream_count * sizeof(int64));
	pg_memory_barrier();
	pg_atomic_write_u32(&watcher->changes, changes + 2);
}

void
shard_watch_set(const ShardWatchKey *keys, int count)
{
	uint64 bits[SHARD_WATCH_WORDS] = {0};

	for (int i = 0; i < count; i++)
		set_bit(bits, keys[i].shard_table);
	watch_streams(keys, count);
	watch_bits(bits);
}

void
shard_watch_end(void)
{
	static const uint64 none[SHARD_WATCH_WORDS] = {0};
	int					place;

	if (!is_watching)
		return;
	watch_bits(none);
	place = own_place();
	pg_atomic_fetch_and_u64(&shared->active[place / 64],
							~(UINT64CONST(1) << (place % 64)));
	is_watching = false;
	for (int word = 0; word < SHARD_WATCH_WORDS; word++)
		pg_atomic_write_u64(&shared->watchers[place].touched[word], 0);
}

/* Has a watched shard been touched since the bits were taken last? */
static bool
is_touched(void)
{
	Watcher *watcher = &shared->watchers[own_place()];

	pg_memory_barrier();
	for (int word = 0; word < SHARD_WATCH_WORDS; word++)
	{
		if (pg_atomic_read_u64(&watcher->touched[word]) != 0)
			return true;
	}
	return false;
}

bool
shard_watch_take_wanted(const ShardWatchBits *wanted, ShardWatchBits *bits)
{
	Watcher *watcher = &shared->watchers[own_place()];
	bool	 any = false;

	for (int word = 0; word < SHARD_WATCH_WORDS; word++)
	{
		uint64 mask = wanted != NULL ? wanted->words[word] : PG_UINT64_MAX;
		uint64 taken = 0;

		if ((pg_atomic_read_u64(&watcher->touched[word]) & mask) != 0)
			taken = pg_atomic_fetch_and_u64(&watcher->touched[word], ~mask) & mask;
		if (bits != NULL)
			bits->words[word] = taken;
		any = any || taken != 0;
	}
	/* What the caller reads from here on is not older than the bits. */
	pg_memory_barrier();
	return any;
}

bool
shard_watch_take(ShardWatchBits *bits)
{
	return shard_watch_take_wanted(NULL, bits);
}

void
shard_watch_mark(ShardWatchBits *bits, Oid shard_table)
{
	set_bit(bits->words, shard_table);
}

bool
shard_watch_touched(const ShardWatchBits *bits, Oid shard_table)
{
	int slot = shard_slot_number(shard_table);

	return (bits->words[slot / 64] >> (slot % 64)) & 1;
}

bool
shard_watch_wait(long timeout_ms, WaitReason reason)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	for (;;)
	{
		long remaining;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (is_touched())
			return true;
		remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (remaining <= 0)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 remaining, wait_event_info(reason));
	}
}

/* Does a process watch a stream of this database, or any if that is 0? */
static bool
watches_stream(const Watcher *watcher, int64 stream_id)
{
	uint32 changes = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &watcher->changes));
	bool   found;

	pg_read_barrier();
	found = watcher->database == MyDatabaseId &&
			(stream_id == 0 || watcher->stream_count == ANY_STREAM ||
			 has_stream(watcher->streams, Min(watcher->stream_count, MAX_STREAMS),
						stream_id));
	pg_read_barrier();
	return found || changes % 2 != 0 ||
		   pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &watcher->changes)) != changes;
}

void
shard_watch_wake(int slot_number, int64 stream_id)
{
	int	   word = slot_number / 64;
	uint64 bit = UINT64CONST(1) << (slot_number % 64);

	if (pg_atomic_read_u32(&shared->counts[slot_number]) == 0)
		return;
	for (int i = 0; i < active_words(); i++)
	{
		uint64 active = pg_atomic_read_u64(&shared->active[i]);

		for (; active != 0; active &= active - 1)
		{
			int		 place = i * 64 + pg_rightmost_one_pos64(active);
			Watcher *watcher = &shared->watchers[place];

			if ((pg_atomic_read_u64(&watcher->watched[word]) & bit) == 0 ||
				!watches_stream(watcher, stream_id))
				continue;
			/* A process that has set the bit before sets the latch, too. */
			if ((pg_atomic_fetch_or_u64(&watcher->touched[word], bit) & bit) == 0)
				SetLatch(&ProcGlobal->allProcs[place].procLatch);
		}
	}
}
