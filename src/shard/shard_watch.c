/*
 * shard_watch.c
 *	  Being woken when something may have become readable in any of many shards.
 *
 * A process says which shards it watches.  When a transaction that has appended
 * to one of them ends, the process's latch is set and a bit tells which shard it
 * was; shards share bits as they share slots of the log (shard_slot_number),
 * so that a set bit means "look", no more.  Who waits does it in this order:
 *
 *		shard_watch_set(shards, count);		register
 *		shard_watch_take(&bits);			forget what was before
 *		... look, with a new snapshot ...
 *		shard_watch_wait(timeout);			returns at once if a bit was set
 *		...
 *		shard_watch_end();					also after an error
 *
 * or, instead of shard_watch_wait, sleeps on MyLatch in its own way unless
 * shard_watch_pending().  A committing transaction makes its commit visible
 * and only then looks for watchers, so that no wake-up is missed.  Where nobody
 * watches, it reads one counter.
 *
 * What is watched need not be a shard: any number that all agree on, which may
 * be mistaken for a shard at times, will do (shard_wake_at_end).
 *
 * On a standby there are no commits; nobody is woken there.
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

typedef struct Watcher
{
	pg_atomic_uint64 watched[SHARD_WATCH_WORDS];
	pg_atomic_uint64 touched[SHARD_WATCH_WORDS];
} Watcher;

typedef struct ShardWatchShared
{
	pg_atomic_uint32 counts[SHARD_SLOTS]; /* of watchers */
	int				 watcher_count;
	/* Bits of processes that watch, by their place in ProcGlobal->allProcs */
	pg_atomic_uint64 *active;
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

/* Called in the postmaster, at its start and after a crash of a backend. */
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

	/* Auxiliary processes and prepared transactions come behind. */
	Assert(place >= 0 && place < shared->watcher_count);
	return place;
}

static void
end_at_exit(int code, Datum arg)
{
	shard_watch_end();
}

/* Makes a set of bits the one that this process watches. */
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

/* This process watches these shards from now on, and no others. */
void
shard_watch_set(const Oid *shard_tables, int count)
{
	uint64 bits[SHARD_WATCH_WORDS] = {0};

	for (int i = 0; i < count; i++)
		set_bit(bits, shard_tables[i]);
	watch_bits(bits);
}

/* This process watches one shard more. */
void
shard_watch_add(Oid shard_table)
{
	uint64 bits[SHARD_WATCH_WORDS];

	memcpy(bits, own_bits, sizeof(bits));
	set_bit(bits, shard_table);
	watch_bits(bits);
}

/* This process watches nothing.  Called again it does nothing. */
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
bool
shard_watch_pending(void)
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

/*
 * Takes the bits of shards that were touched since they were taken last, and
 * returns whether there are any; of those that are wanted, unless that is NULL:
 * the others stay, and do not set the latch again.  bits may be NULL.
 */
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
	/* What the caller looks at now is not older than the bits. */
	pg_memory_barrier();
	return any;
}

bool
shard_watch_take(ShardWatchBits *bits)
{
	return shard_watch_take_wanted(NULL, bits);
}

/* Adds a shard's bit to bits. */
void
shard_watch_mark(ShardWatchBits *bits, Oid shard_table)
{
	set_bit(bits->words, shard_table);
}

/* Is a shard among those that taken bits are of? */
bool
shard_watch_touched(const ShardWatchBits *bits, Oid shard_table)
{
	int slot = shard_slot_number(shard_table);

	return (bits->words[slot / 64] >> (slot % 64)) & 1;
}

/*
 * Sleeps until a watched shard is touched (true) or the time is over (false).
 * The bits stay to be taken.
 */
bool
shard_watch_wait(long timeout_ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	for (;;)
	{
		long remaining;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (shard_watch_pending())
			return true;
		remaining = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (remaining <= 0)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 remaining, PG_WAIT_EXTENSION);
	}
}

/*
 * Wakes those who watch a shard with that slot.  Called behind a memory barrier
 * by shard_log_wake, in callbacks that must not fail.
 */
void
shard_watch_wake(int slot_number)
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

			if ((pg_atomic_read_u64(&watcher->watched[word]) & bit) == 0)
				continue;
			/* Who has set the bit before sets the latch too. */
			if ((pg_atomic_fetch_or_u64(&watcher->touched[word], bit) & bit) == 0)
				SetLatch(&ProcGlobal->allProcs[place].procLatch);
		}
	}
}
