/*
 * shard_wake.c
 *	  Waking readers that wait for records, at the end of a transaction.
 *
 * A process that waits for records watches the shards (shard_watch.c).
 *
 * A transaction remembers the slots of the shards that it has appended to, or
 * whose state it has changed.  At its end the readers of these shards are
 * woken: also when it aborts, for what stands behind an aborted record becomes
 * readable then.  COMMIT PREPARED and ROLLBACK PREPARED know nothing of the
 * shards of their transaction; the utility hook wakes all readers
 * (ddl_hooks.c).  The worker of a subscription with two_phase comes past that
 * hook, and wakes them at its commit (xact_callbacks.c).
 */
#include "postgres.h"

#include "storage/shmem.h"
#include "utils/memutils.h"

#include "shard/shard_slot.h"
#include "shard/shard_wake.h"
#include "shard/shard_watch.h"

/* In shared memory, by slot: how many transactions that touched it ended */
static pg_atomic_uint64 *ends = NULL;

typedef struct TouchedShard
{
	int	  slot;
	int64 stream_id;
} TouchedShard;

/* The shards whose readers this transaction wakes at its end */
static TouchedShard *touched = NULL;
static int			 touched_count = 0;
static int			 touched_capacity = 0;

Size
shard_wake_shmem_size(void)
{
	return mul_size(SHARD_SLOTS, sizeof(pg_atomic_uint64));
}

void
shard_wake_shmem_init(void)
{
	bool found;

	ends = ShmemInitStruct("ddbstreams shard ends", shard_wake_shmem_size(), &found);
	for (int i = 0; i < SHARD_SLOTS && !found; i++)
		pg_atomic_init_u64(&ends[i], 0);
}

void
shard_wake_read_ends(uint64 *counts)
{
	for (int i = 0; i < SHARD_SLOTS; i++)
		counts[i] = pg_atomic_read_u64(&ends[i]);
	pg_memory_barrier();
}

void
shard_wake_at_end(Oid shard_table, int64 stream_id)
{
	if (touched_count == touched_capacity)
	{
		int capacity = Max(16, touched_capacity * 2);

		if (touched == NULL)
			touched = MemoryContextAlloc(TopMemoryContext,
										 capacity * sizeof(TouchedShard));
		else
			touched = repalloc(touched, capacity * sizeof(TouchedShard));
		touched_capacity = capacity;
	}
	touched[touched_count].slot = shard_slot_number(shard_table);
	touched[touched_count].stream_id = stream_id;
	touched_count++;
}

/* Wakes readers of a stream; of any stream of this database if that is 0. */
static void
wake_slot(int slot, int64 stream_id)
{
	/*
	 * A waiter watches before it looks for records, and the commit was made
	 * visible before this process looks for watchers.
	 */
	pg_memory_barrier();
	shard_watch_wake(slot, stream_id);
}

/*
 * All slots are counted before anybody is woken: a poll that wakes finds all
 * records of the transaction.
 */
void
shard_wake_readers(void)
{
	for (int i = 0; i < touched_count; i++)
		pg_atomic_fetch_add_u64(&ends[touched[i].slot], 1);
	for (int i = 0; i < touched_count; i++)
		wake_slot(touched[i].slot, touched[i].stream_id);
	touched_count = 0;
}

void
shard_wake_all(void)
{
	for (int i = 0; i < SHARD_SLOTS; i++)
		pg_atomic_fetch_add_u64(&ends[i], 1);
	for (int i = 0; i < SHARD_SLOTS; i++)
		wake_slot(i, 0);
}
