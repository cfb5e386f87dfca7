/*
 * shard_wake.c
 *	  Waking readers of shards at the end of a transaction.
 *
 * A transaction remembers the shards that it has appended to, or whose state it
 * has changed, by their slots in shared memory.  When it ends, by commit or by
 * abort, the readers that wait for records of these shards are woken.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "shard/shard_log.h"
#include "shard/shard_slot.h"
#include "shard/shard_wake.h"

/* Slots of the shards that this transaction has appended to */
static int *touched_slots = NULL;
static int	touched_count = 0;
static int	touched_capacity = 0;

void
shard_wake_at_end(Oid shard_table)
{
	if (touched_count == touched_capacity)
	{
		int capacity = Max(16, touched_capacity * 2);

		if (touched_slots == NULL)
			touched_slots = MemoryContextAlloc(TopMemoryContext,
											   capacity * sizeof(int));
		else
			touched_slots = repalloc(touched_slots, capacity * sizeof(int));
		touched_capacity = capacity;
	}
	touched_slots[touched_count++] = shard_slot_number(shard_table);
}

void
shard_wake_readers(void)
{
	for (int i = 0; i < touched_count; i++)
		shard_log_wake(touched_slots[i]);
	touched_count = 0;
}
