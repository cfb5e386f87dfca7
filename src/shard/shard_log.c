/*
 * shard_log.c
 *	  The log that a shard is: appending under a lock, numbers that rise.
 *
 * A shard is a heap without an index.  Its physical order is number order,
 * page by page, because records are numbered and appended under one lock,
 * always at the end of the heap (page_writer.c).
 *
 * The append lock is an LWLock out of an array in shared memory, chosen by a
 * hash of database and shard; backends that append to two shards which share a
 * lock only wait for each other a little.  A backend holds one append lock at
 * most.  Under it there is only page work on the shard's main fork: nothing is
 * opened, toasted, compressed or looked up, because a backend that waits for
 * the lock can be neither cancelled nor terminated.
 *
 * A record's number is the last one plus one, or the clock's if that is
 * higher.  The last number is remembered beside the lock; if another shard has
 * used the slot since, it is read from the heap's last page.  A crash may lose
 * the tail of the heap if its transactions committed asynchronously, and
 * readers may have seen that tail already.  Its numbers must not be given
 * again: after a crash, or on a promoted standby, numbers start a second ahead
 * of the clock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/smgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/server_start.h"
#include "shard/frame.h"
#include "shard/page_writer.h"
#include "shard/shard_log.h"
#include "shard/shard_slot.h"
#include "shard/xid_times.h"

/* An append lock, and what it guards */
typedef struct ShardLogSlot
{
	LWLock append_lock;
	Oid	   database; /* of the shard that was appended to last */
	Oid	   shard_table;
	int64  last_number; /* of that shard */
} ShardLogSlot;

typedef union ShardLogSlotPadded
{
	ShardLogSlot slot;
	char		 pad[TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ShardLogSlot))];
} ShardLogSlotPadded;

typedef struct ShardLogShared
{
	int				   tranche_id;
	bool			   recovers; /* this server's start includes a recovery */
	pg_atomic_uint64   floor;	 /* no number is below it; 0: not set yet */
	ShardLogSlotPadded slots[FLEXIBLE_ARRAY_MEMBER];
} ShardLogShared;

static ShardLogShared *shared = NULL;

Size
shard_log_shmem_size(void)
{
	return add_size(offsetof(ShardLogShared, slots),
					mul_size(SHARD_SLOTS, sizeof(ShardLogSlotPadded)));
}

void
shard_log_shmem_init(void)
{
	FullTransactionId next_xid;
	bool			  found;

	shared = ShmemInitStruct("ddbstreams shard log", shard_log_shmem_size(),
							 &found);
	if (!found)
	{
		shared->tranche_id = compat_new_tranche("DdbstreamsAppend");
		/* A recovery may have lost an asynchronous tail. */
		shared->recovers = !server_start_is_clean(&next_xid);
		pg_atomic_init_u64(&shared->floor, 0);
		for (int i = 0; i < SHARD_SLOTS; i++)
		{
			ShardLogSlot *slot = &shared->slots[i].slot;

			memset(slot, 0, sizeof(ShardLogSlot));
			LWLockInitialize(&slot->append_lock, shared->tranche_id);
		}
	}
	compat_register_tranche(shared->tranche_id, "DdbstreamsAppend");
}

static ShardLogSlot *
slot_of(Oid shard_table)
{
	return &shared->slots[shard_slot_number(shard_table)].slot;
}

bool
shard_log_page_numbers(Relation shard, BlockNumber block, int64 *lowest,
					   int64 *highest)
{
	Buffer		 buffer = ReadBuffer(shard, block);
	bool		 found = false;
	Page		 page;
	OffsetNumber last;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId			  item = PageGetItemId(page, offset);
		const RecordData *data;

		if (!ItemIdIsNormal(item))
			continue;
		data = RECORD_DATA(PageGetItem(page, item));
		*lowest = found ? Min(*lowest, data->number) : data->number;
		*highest = found ? Max(*highest, frame_last_number(data)) :
						   frame_last_number(data);
		found = true;
	}
	UnlockReleaseBuffer(buffer);
	return found;
}

int64
shard_log_last_number(Relation shard)
{
	BlockNumber block = RelationGetNumberOfBlocks(shard);
	int64		lowest;
	int64		highest;

	/* A vacuum may have emptied pages. */
	while (block > 0)
	{
		if (shard_log_page_numbers(shard, --block, &lowest, &highest))
			return highest;
	}
	return 0;
}

int64
shard_log_now(void)
{
	int64 number = NUMBER_AT_TIME(clock_now());

	if (shared->recovers)
	{
		uint64 floor = pg_atomic_read_u64(&shared->floor);

		if (floor == 0)
		{
			uint64 first = NUMBER_AT_TIME(clock_now() + USECS_PER_SEC);

			if (pg_atomic_compare_exchange_u64(&shared->floor, &floor, first))
				floor = first;
		}
		number = Max(number, (int64) floor);
	}
	return number;
}

/*
 * Gives numbers to a batch, and returns the first one.  The caller holds the
 * append lock.
 */
static int64
take_numbers(ShardLogSlot *slot, Relation shard, int64 starting_number,
			 int64 now, int count)
{
	int64 number;

	if (slot->database != MyDatabaseId ||
		slot->shard_table != RelationGetRelid(shard))
	{
		slot->last_number = Max(shard_log_last_number(shard),
								starting_number - 1);
		slot->database = MyDatabaseId;
		slot->shard_table = RelationGetRelid(shard);
	}
	number = Max(slot->last_number + 1, now);

	/* This comes before the insertion, which may fail after some pages. */
	slot->last_number = number + count - 1;
	return number;
}

/*
 * Takes the append lock, and returns when.  The clock is read before, and once
 * more only after waiting.
 */
static instr_time
lock_slot(ShardLogSlot *slot, AppendCounts *counts)
{
	instr_time locked;

	INSTR_TIME_SET_CURRENT(locked);
	if (!LWLockConditionalAcquire(&slot->append_lock, LW_EXCLUSIVE))
	{
		instr_time asked = locked;

		LWLockAcquire(&slot->append_lock, LW_EXCLUSIVE);
		INSTR_TIME_SET_CURRENT(locked);
		INSTR_TIME_ACCUM_DIFF(counts->wait_time, locked, asked);
		counts->lock_waits++;
	}
	return locked;
}

void
shard_log_await_appends(Oid shard_table)
{
	ShardLogSlot *slot = slot_of(shard_table);

	LWLockAcquire(&slot->append_lock, LW_SHARED);
	LWLockRelease(&slot->append_lock);
}

void
shard_log_append(Relation shard, int64 starting_number, uint64 transaction_id,
				 const NewRecord *records, int count, AppendCounts *counts,
				 ShardPlace *place)
{
	ShardLogSlot *slot = slot_of(RelationGetRelid(shard));
	int64		  number;
	int64		  now;
	instr_time	  locked;

	Assert(count > 0);

	/* The file must not be opened under the lock. */
	if (RelationGetSmgr(shard)->md_num_open_segs[MAIN_FORKNUM] == 0)
		(void) RelationGetNumberOfBlocks(shard);

	locked = lock_slot(slot, counts);
	now = shard_log_now();
	xid_times_check(now);
	number = take_numbers(slot, shard, starting_number, now, count);
	place->last_block = page_writer_append(shard, records, count, number,
										   transaction_id);
	LWLockRelease(&slot->append_lock);
	if (place->last_number == 0)
		place->first_block = place->last_block;
	place->last_number = number + count - 1;

	INSTR_TIME_SET_CURRENT(counts->ended);
	INSTR_TIME_ACCUM_DIFF(counts->lock_time, counts->ended, locked);
	counts->records += count;
}
