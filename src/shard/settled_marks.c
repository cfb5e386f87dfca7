/*
 * settled_marks.c
 *	  Marks of writers: what was settled in a shard when they had appended.
 *
 * A writer that has appended its last record to a shard, and has not ended
 * yet, looks which other transactions hold the lock with which records are
 * appended.  If there are none, all records up to its own last one are its
 * own, or of transactions that have ended.  If there are some, that is so for
 * what is below their first possible record (in_flight.c).
 *
 * A mark keeps this number, with the writer's transaction id.  It holds in
 * each snapshot in which that transaction is no longer running: such a
 * snapshot was taken after the writer's end, and so after the mark was left.
 * The writer's own snapshots are not among these, whatever they say of it.
 *
 * So a mark tells an old snapshot what no clock beside transaction ids can
 * (xid_times.c): that a large transaction which ended just before it has
 * nothing unresolved before its end, or that those which ran for long have
 * never written to this shard.
 *
 * Some pages lie between two marks of a shard, because to look for the holders
 * of a lock takes as long as a small transaction's append.  There is room for
 * a few marks: the one goes that lies close to its neighbours, for its age.
 * Shards share the marks as they share slots (shard_slot.h): those of a shard
 * give way to those of another.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/snapmgr.h"

#include "shard/in_flight.h"
#include "shard/settled_marks.h"
#include "shard/shard_slot.h"

#define MAX_MARKS  14
#define MARK_PAGES 8 /* from one mark to the next, at least */

typedef struct SettledMark
{
	int64		  number; /* up to here all was settled but the writer's own */
	TransactionId writer;
	BlockNumber	  block; /* where its last record was */
} SettledMark;

/* The marks of a shard, by number */
typedef struct SettledMarks
{
	Oid			database;
	Oid			shard_table;
	BlockNumber looked; /* where a writer has last looked for a mark */
	int			count;
	SettledMark marks[MAX_MARKS];
} SettledMarks;

typedef union SettledMarksSlot
{
	struct
	{
		slock_t		 mutex;
		SettledMarks marks;
	} slot;
	char pad[TYPEALIGN(PG_CACHE_LINE_SIZE,
					   sizeof(slock_t) + MAXIMUM_ALIGNOF + sizeof(SettledMarks))];
} SettledMarksSlot;

/* In shared memory, by slot */
static SettledMarksSlot *slots = NULL;

Size
settled_marks_shmem_size(void)
{
	return mul_size(SHARD_SLOTS, sizeof(SettledMarksSlot));
}

void
settled_marks_shmem_init(void)
{
	bool found;

	slots = ShmemInitStruct("ddbstreams settled marks",
							settled_marks_shmem_size(), &found);
	if (found)
		return;
	memset(slots, 0, settled_marks_shmem_size());
	for (int i = 0; i < SHARD_SLOTS; i++)
		SpinLockInit(&slots[i].slot.mutex);
}

static bool
are_of(const SettledMarks *marks, Relation shard)
{
	return marks->database == MyDatabaseId &&
		   marks->shard_table == RelationGetRelid(shard);
}

/*
 * Is a mark due?  Notes that a writer looks for one.  A slot that two shards
 * use by turns gets marks from large transactions alone.
 */
static bool
mark_is_due(Relation shard, const ShardPlace *place)
{
	SettledMarksSlot *slot = &slots[shard_slot_number(RelationGetRelid(shard))];
	SettledMarks	 *marks = &slot->slot.marks;
	bool			  due = place->last_block - place->first_block >= MARK_PAGES;

	SpinLockAcquire(&slot->slot.mutex);
	if (!are_of(marks, shard))
	{
		marks->database = MyDatabaseId;
		marks->shard_table = RelationGetRelid(shard);
		marks->looked = place->last_block;
		marks->count = 0;
	}
	else if (place->last_block < marks->looked || /* the table was rewritten */
			 place->last_block - marks->looked >= MARK_PAGES)
		due = true;
	if (due)
		marks->looked = place->last_block;
	SpinLockRelease(&slot->slot.mutex);
	return due;
}

/* Makes room for a mark at this block.  The caller holds the mutex. */
static void
remove_one(SettledMarks *marks, BlockNumber block)
{
	int	   least = 0;
	double least_gap = 0;

	for (int i = 0; i < marks->count; i++)
	{
		double before = i > 0 ? marks->marks[i - 1].block : 0;
		double behind = i < marks->count - 1 ? marks->marks[i + 1].block : block;
		double age = (double) block - marks->marks[i].block + 1;
		double gap = (behind - before) / age;

		if (i == 0 || gap < least_gap)
		{
			least = i;
			least_gap = gap;
		}
	}
	marks->count--;
	memmove(&marks->marks[least], &marks->marks[least + 1],
			(marks->count - least) * sizeof(SettledMark));
}

/* Adds a mark behind the others, unless another writer was faster. */
static void
add_mark(Relation shard, const SettledMark *mark)
{
	SettledMarksSlot *slot = &slots[shard_slot_number(RelationGetRelid(shard))];
	SettledMarks	 *marks = &slot->slot.marks;

	SpinLockAcquire(&slot->slot.mutex);
	if (are_of(marks, shard) &&
		(marks->count == 0 || marks->marks[marks->count - 1].number < mark->number))
	{
		if (marks->count == MAX_MARKS)
			remove_one(marks, mark->block);
		marks->marks[marks->count++] = *mark;
	}
	SpinLockRelease(&slot->slot.mutex);
}

void
settled_marks_leave(Relation shard, const ShardPlace *place)
{
	SettledMark mark;
	int64		others;

	if (!mark_is_due(shard, place))
		return;

	/* Min looks at what it is given twice: the others may end in between. */
	others = in_flight_others_first_number(shard);
	mark.number = Min(place->last_number, others - 1);
	mark.writer = GetTopTransactionId();
	mark.block = place->last_block;
	if (mark.number > 0)
		add_mark(shard, &mark);
}

int64
settled_marks_position(Relation shard, Snapshot snapshot)
{
	SettledMarksSlot *slot = &slots[shard_slot_number(RelationGetRelid(shard))];
	SettledMarks	  marks;

	SpinLockAcquire(&slot->slot.mutex);
	marks = slot->slot.marks;
	SpinLockRelease(&slot->slot.mutex);
	if (!are_of(&marks, shard) || snapshot->snapshot_type != SNAPSHOT_MVCC)
		return 0;
	for (int i = marks.count; i > 0; i--)
	{
		const SettledMark *mark = &marks.marks[i - 1];

		if (!TransactionIdIsCurrentTransactionId(mark->writer) &&
			!XidInMVCCSnapshot(mark->writer, snapshot))
			return mark->number;
	}
	return 0;
}
