/*
 * shard_log.c
 *	  The log that a shard is: appending under a lock, numbers that rise.
 *
 * A shard is a heap without an index.  Physical order is number order, page by
 * page, because records are appended and numbered under one lock, always at the
 * end of the heap: the free space map is not asked, the last page is made the
 * relation's target block first, its free line pointers stay free, and there is
 * never a BulkInsertState, which from PostgreSQL 16 on fills pages that were
 * added in advance.
 *
 * The append lock is an LWLock out of an array in shared memory, chosen by a
 * hash of database and shard; two shards that share one only wait a little.  At
 * most one is held at a time.  Under it there is only page work on the shard's
 * main fork: nothing is opened, toasted, compressed or looked up, for a wait
 * there could be ended by neither cancel nor terminate.
 *
 * A record's number is the last one plus one, or the clock if that is more.
 * The last number is remembered with the lock, and read from the heap's last
 * page when the slot was in use for another shard.  After a crash (or a
 * promotion) an asynchronously committed tail may be lost that readers have
 * seen; its numbers must not be given again, so numbers start a second ahead
 * of the clock then.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/heapam.h"
#include "access/hio.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "catalog/pg_type.h"
#include "common/controldata_utils.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "storage/shmem.h"
#include "storage/smgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "shard/record.h"
#include "shard/shard_log.h"
#include "shard/shard_watch.h"

/* What one append lock guards, and what is kept per shard beside it */
typedef struct ShardLogSlot
{
	LWLock append_lock;
	Oid	   database; /* whose last number this is */
	Oid	   shard_table;
	int64  last_number;

	slock_t	   hint_mutex;
	Oid		   hint_database;
	Oid		   hint_shard_table;
	LatestHint hint;

	ConditionVariable waiters; /* readers that wait for a record */
} ShardLogSlot;

typedef union ShardLogSlotPadded
{
	ShardLogSlot slot;
	char		 pad[TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ShardLogSlot))];
} ShardLogSlotPadded;

typedef struct ShardLogShared
{
	int				   tranche_id;
	bool			   recovers; /* the server starts with a recovery */
	pg_atomic_uint64   floor;	 /* no number below, once it is set */
	ShardLogSlotPadded slots[FLEXIBLE_ARRAY_MEMBER];
} ShardLogShared;

static ShardLogShared *shared = NULL;

static TupleTableSlot **batch_slots = NULL;

Size
shard_log_shmem_size(void)
{
	return add_size(offsetof(ShardLogShared, slots),
					mul_size(SHARD_SLOTS, sizeof(ShardLogSlotPadded)));
}

/*
 * Will this server's first own write follow a recovery that may have lost an
 * asynchronous tail: was it not shut down cleanly, or is it a standby?
 */
static bool
starts_with_recovery(void)
{
	struct stat		 st;
	bool			 crc_ok;
	ControlFileData *control = get_controlfile(DataDir, &crc_ok);
	bool			 unclean = !crc_ok || control->state != DB_SHUTDOWNED;

	pfree(control);
	return unclean || stat(STANDBY_SIGNAL_FILE, &st) == 0 ||
		   stat(RECOVERY_SIGNAL_FILE, &st) == 0;
}

/* Called in the postmaster, at its start and after a crash of a backend. */
void
shard_log_shmem_init(void)
{
	bool found;

	shared = ShmemInitStruct("ddbstreams shard log", shard_log_shmem_size(),
							 &found);
	if (!found)
	{
		shared->tranche_id = LWLockNewTrancheId();
		shared->recovers = starts_with_recovery();
		pg_atomic_init_u64(&shared->floor, 0);
		for (int i = 0; i < SHARD_SLOTS; i++)
		{
			ShardLogSlot *slot = &shared->slots[i].slot;

			memset(slot, 0, sizeof(ShardLogSlot));
			LWLockInitialize(&slot->append_lock, shared->tranche_id);
			SpinLockInit(&slot->hint_mutex);
			ConditionVariableInit(&slot->waiters);
		}
	}
	LWLockRegisterTranche(shared->tranche_id, "DdbstreamsAppend");
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
		ItemId item = PageGetItemId(page, offset);
		int64  number;

		if (!ItemIdIsNormal(item))
			continue;
		number = RECORD_DATA(PageGetItem(page, item))->number;
		*lowest = found ? Min(*lowest, number) : number;
		*highest = found ? Max(*highest, number) : number;
		found = true;
	}
	UnlockReleaseBuffer(buffer);
	return found;
}

/*
 * Returns the number of the last record in a shard's heap, committed or not, or
 * 0 if it is empty; walks back over pages that a vacuum has emptied.
 */
int64
shard_log_last_number(Relation shard)
{
	BlockNumber block = RelationGetNumberOfBlocks(shard);
	int64		lowest;
	int64		highest;

	while (block > 0)
	{
		if (shard_log_page_numbers(shard, --block, &lowest, &highest))
			return highest;
	}
	return 0;
}

/* Has the server been shut down in good order, and started, since a time? */
bool
shard_log_was_shut_down_since(TimestampTz time)
{
	return !shared->recovers && PgStartTime > time;
}

/* Returns the number that the clock gives now, never below the floor. */
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
 * Makes the last page the one that the next insertion goes to, and pins it, if
 * there is one.  Sees to it that line pointers which a
 * vacuum has freed are not used again: VACUUM FULL copies a page in the order of
 * its line pointers and may spread it over two, which would no longer be in the
 * order of numbers.  A vacuum frees line pointers under a cleanup lock only, so
 * there will be no more of them while the pin is held.  The flag is but a hint,
 * and is not logged.
 */
static Buffer
pin_last_page(Relation shard)
{
	BlockNumber block_count = RelationGetNumberOfBlocks(shard);
	Buffer		buffer;

	/* What this backend remembers as its target may not be the last page. */
	RelationSetTargetBlock(shard, block_count > 0 ? block_count - 1 :
													InvalidBlockNumber);
	if (block_count == 0)
		return InvalidBuffer;
	buffer = ReadBuffer(shard, block_count - 1);
	if (PageHasFreeLinePointers(BufferGetPage(buffer)))
	{
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		PageClearHasFreeLinePointers(BufferGetPage(buffer));
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	}
	return buffer;
}

/* Numbers a batch.  The append lock is held. */
static void
number_records(ShardLogSlot *slot, Relation shard, int64 starting_number,
			   int64 now, HeapTuple *tuples, int count)
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
	for (int i = 0; i < count; i++)
		RECORD_DATA(tuples[i]->t_data)->number = number++;

	/* Before the insertion, which may fail after some pages. */
	slot->last_number = number - 1;
}

static void
insert_singly(Relation shard, HeapTuple *tuples, int count)
{
	CommandId cid = GetCurrentCommandId(true);

	for (int i = 0; i < count; i++)
		heap_insert(shard, tuples[i], cid,
					HEAP_INSERT_SKIP_FSM | HEAP_INSERT_NO_LOGICAL, NULL);
}

/*
 * Puts tuples into slots for heap_multi_insert.  It would copy a tuple that its
 * slot does not own, under the lock; so the slots seem to own them until
 * release_slots.
 */
static void
fill_slots(HeapTuple *tuples, int count)
{
	if (batch_slots == NULL)
	{
		MemoryContext	 oldcontext = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc		 desc = CreateTemplateTupleDesc(RECORD_NATTS);
		TupleTableSlot **slots = palloc0(SHARD_LOG_BATCH_RECORDS *
										 sizeof(TupleTableSlot *));

		TupleDescInitEntry(desc, Anum_record_number, "sequence_number",
						   INT8OID, -1, 0);
		TupleDescInitEntry(desc, Anum_record_transaction_id, "transaction_id",
						   XID8OID, -1, 0);
		TupleDescInitEntry(desc, Anum_record_body, "body", BYTEAOID, -1, 0);
		for (int i = 0; i < SHARD_LOG_BATCH_RECORDS; i++)
			slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
		batch_slots = slots;
		MemoryContextSwitchTo(oldcontext);
	}
	for (int i = 0; i < count; i++)
	{
		/* What an error has left here belongs to a buffer that is gone. */
		batch_slots[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecStoreHeapTuple(tuples[i], batch_slots[i], true);
	}
}

static void
release_slots(int count)
{
	for (int i = 0; i < count; i++)
	{
		batch_slots[i]->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(batch_slots[i]);
	}
}

/*
 * Appends a batch of records to a shard that the caller has opened and locked
 * RowExclusive, in that order, and numbers them.
 */
void
shard_log_append(Relation shard, int64 starting_number, HeapTuple *tuples,
				 int count)
{
	ShardLogSlot *slot = slot_of(RelationGetRelid(shard));
	Buffer		  last_page;
	bool		  singly = count == 1 || XLogLogicalInfoActive();
	CommandId	  cid = GetCurrentCommandId(true);

	Assert(count > 0 && count <= SHARD_LOG_BATCH_RECORDS);
	if (!singly)
		fill_slots(tuples, count);

	/* Opening the file must not happen under the lock. */
	if (RelationGetSmgr(shard)->md_num_open_segs[MAIN_FORKNUM] == 0)
		(void) RelationGetNumberOfBlocks(shard);

	LWLockAcquire(&slot->append_lock, LW_EXCLUSIVE);
	number_records(slot, shard, starting_number, shard_log_now(), tuples, count);
	last_page = pin_last_page(shard);
	if (singly)
		insert_singly(shard, tuples, count);
	else
		heap_multi_insert(shard, batch_slots, count, cid,
						  HEAP_INSERT_SKIP_FSM, NULL);
	if (BufferIsValid(last_page))
		ReleaseBuffer(last_page);
	LWLockRelease(&slot->append_lock);

	if (!singly)
		release_slots(count);
}

/* Reads the hint where LATEST is; false if there is none for this shard. */
bool
shard_log_get_hint(Oid shard_table, LatestHint *hint)
{
	ShardLogSlot *slot = slot_of(shard_table);
	bool		  found;

	SpinLockAcquire(&slot->hint_mutex);
	found = slot->hint_database == MyDatabaseId &&
			slot->hint_shard_table == shard_table;
	if (found)
		*hint = slot->hint;
	SpinLockRelease(&slot->hint_mutex);
	return found;
}

/* Leaves a hint where LATEST is, unless a later one is there. */
void
shard_log_put_hint(Oid shard_table, const LatestHint *hint)
{
	ShardLogSlot *slot = slot_of(shard_table);

	SpinLockAcquire(&slot->hint_mutex);
	if (slot->hint_database != MyDatabaseId ||
		slot->hint_shard_table != shard_table ||
		slot->hint.position < hint->position)
	{
		slot->hint_database = MyDatabaseId;
		slot->hint_shard_table = shard_table;
		slot->hint = *hint;
	}
	SpinLockRelease(&slot->hint_mutex);
}

/* Returns what readers of a shard sleep on. */
ConditionVariable *
shard_log_waiters(Oid shard_table)
{
	return &slot_of(shard_table)->waiters;
}

/* Wakes those who wait for records of a shard with that slot, if any do. */
void
shard_log_wake(int slot_number)
{
	ConditionVariable *waiters = &shared->slots[slot_number].slot.waiters;

	/*
	 * A waiter is in the list before it looks for records, and the commit was
	 * made visible before we look at the list.
	 */
	pg_memory_barrier();
	if (!proclist_is_empty(&waiters->wakeup))
		ConditionVariableBroadcast(waiters);
	shard_watch_wake(slot_number);
}

/* Wakes all who wait for records of any shard. */
void
shard_log_wake_all(void)
{
	for (int i = 0; i < SHARD_SLOTS; i++)
		shard_log_wake(i);
}
