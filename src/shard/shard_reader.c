/*
 * shard_reader.c
 *	  Reading a shard forward from a position.
 *
 * There is no index.  Physical order is number order page by page, so a
 * position is found by binary search over the pages, and the walk goes forward
 * from there.  Inside a page nothing is taken for granted: what a page yields is
 * sorted.
 *
 * Under the reader's snapshot a record is visible, or aborted, or unresolved:
 * its transaction is in progress, or has committed after the snapshot.  The
 * walk stops at the first unresolved one.  All that comes before it is settled
 * for good, and all that will ever be appended has a higher number than what is
 * in the heap already; so a reader that goes on behind the last record it got
 * loses nothing and reads nothing twice.
 *
 * Whether a record's transaction has aborted is asked in this order: is it in
 * progress, and only then, did it commit?  A transaction that a crash has ended
 * has neither committed nor aborted in the commit log.
 *
 * Reading takes no part in serializable isolation, on purpose: it takes no
 * predicate locks, and a writer's append conflicts with nobody.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "shard/shard_log.h"
#include "shard/shard_reader.h"

/*
 * Returns the page to begin at: the last one whose first record's number is not
 * above the position, or the first page.
 */
static BlockNumber
seek_block(Relation rel, BlockNumber block_count, int64 position)
{
	BlockNumber low = 0;			/* begins at or below the position, or is first */
	BlockNumber high = block_count; /* begins above it, or is the end */

	while (high - low > 1)
	{
		BlockNumber middle = low + (high - low) / 2;
		BlockNumber probe = middle;
		int64		lowest = 0;
		int64		highest;

		CHECK_FOR_INTERRUPTS();
		/* A vacuum may have emptied pages: probe those behind it. */
		while (probe < high &&
			   !shard_log_page_numbers(rel, probe, &lowest, &highest))
			probe++;
		if (probe == high)
			high = middle; /* nothing from here to high */
		else if (lowest <= position)
			low = probe;
		else
			high = middle;
	}
	return low;
}

static Relation
open_shard_table(const ShardInfo *shard)
{
	Relation rel = try_relation_open(shard->shard_table, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Shard does not exist")));
	return rel;
}

/* Returns the page where reading behind a position would begin. */
BlockNumber
shard_reader_block_of(ShardReader *reader, int64 position)
{
	return reader->block_count == 0 ?
			   0 :
			   seek_block(reader->rel, reader->block_count, position);
}

/*
 * Begins to read a shard behind a position.  The reader and its records live in
 * CurrentMemoryContext; the snapshot stays the caller's.
 *
 * The caller has looked the shard up before: that it is closed must have been
 * known before the heap's length is.
 */
ShardReader *
shard_reader_open(const ShardInfo *shard, Snapshot snapshot, int64 position)
{
	ShardReader *reader = palloc(sizeof(ShardReader));

	reader->shard = shard;
	reader->rel = open_shard_table(shard);
	reader->snapshot = snapshot;
	reader->position = position;
	reader->end = READER_NOT_AT_END;
	reader->block_count = RelationGetNumberOfBlocks(reader->rel);
	reader->block = shard_reader_block_of(reader, position);
	reader->count = 0;
	reader->next = 0;
	reader->stop_behind = false;
	reader->stop = PG_INT64_MAX;
	return reader;
}

/* Will nobody ever see this record?  Its xmin is not visible to the snapshot. */
static bool
is_aborted(HeapTupleHeader tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple);

	if (HeapTupleHeaderXminInvalid(tuple))
		return true;
	if (TransactionIdIsCurrentTransactionId(xmin) ||
		TransactionIdIsInProgress(xmin))
		return false;
	return !TransactionIdDidCommit(xmin);
}

static bool
is_own(HeapTupleHeader tuple)
{
	return !HeapTupleHeaderXminCommitted(tuple) &&
		   !HeapTupleHeaderXminInvalid(tuple) &&
		   TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple));
}

static void
add_record(ShardReader *reader, int64 number, OffsetNumber offset)
{
	int i = reader->count++;

	/* Nearly always in order already */
	while (i > 0 && reader->records[i - 1].number > number)
	{
		reader->records[i] = reader->records[i - 1];
		i--;
	}
	reader->records[i].number = number;
	reader->records[i].offset = offset;
}

/*
 * Copies the next page and finds what can be read of it.  Returns false if
 * there is no further page.
 */
static bool
read_page(ShardReader *reader)
{
	int64		 stop = PG_INT64_MAX;
	Buffer		 buffer;
	Page		 page;
	OffsetNumber last;

	if (reader->block >= reader->block_count)
		return false;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBuffer(reader->rel, reader->block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	reader->count = 0;
	reader->next = 0;
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		  item = PageGetItemId(page, offset);
		HeapTupleData tuple;
		int64		  number;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(reader->rel);
		ItemPointerSet(&tuple.t_self, reader->block, offset);
		number = RECORD_DATA(tuple.t_data)->number;
		if (number <= reader->position)
			continue;
		if ((reader->snapshot->snapshot_type == SNAPSHOT_SELF ||
			 !is_own(tuple.t_data)) &&
			HeapTupleSatisfiesVisibility(&tuple, reader->snapshot, buffer))
			add_record(reader, number, offset);
		else if (!is_aborted(tuple.t_data))
			stop = Min(stop, number);
	}
	if (reader->count > 0)
		memcpy(reader->page.data, page, BLCKSZ);
	UnlockReleaseBuffer(buffer);

	while (reader->count > 0 && reader->records[reader->count - 1].number > stop)
		reader->count--;
	reader->stop_behind = stop != PG_INT64_MAX;
	reader->stop = stop;
	reader->block++;
	return true;
}

/*
 * Reads the next record.  Returns false if there is none to be read now; the
 * reader's end then tells why, and its position is the last record's.
 */
bool
shard_reader_next(ShardReader *reader, ShardRecord *record)
{
	HeapTupleHeader tuple;
	ItemId			item;

	while (reader->next >= reader->count)
	{
		if (reader->stop_behind)
			reader->end = READER_AT_UNRESOLVED;
		else if (reader->end == READER_NOT_AT_END && !read_page(reader))
			reader->end = READER_AT_HEAP_END;
		if (reader->end != READER_NOT_AT_END)
			return false;
	}

	item = PageGetItemId(reader->page.data,
						 reader->records[reader->next].offset);
	tuple = (HeapTupleHeader) PageGetItem(reader->page.data, item);
	record->number = reader->records[reader->next].number;
	record->data = RECORD_DATA(tuple);
	record->images_size = ItemIdGetLength(item) - RECORD_IMAGES;
	reader->position = record->number;
	reader->next++;
	return true;
}

/*
 * Returns how many records behind the reader's position can be read on a page;
 * the reader goes on behind that page.
 */
int
shard_reader_count_page(ShardReader *reader, BlockNumber block)
{
	reader->block = block;
	return read_page(reader) ? reader->count : 0;
}

void
shard_reader_close(ShardReader *reader)
{
	relation_close(reader->rel, AccessShareLock);
	pfree(reader);
}

/*
 * Returns the number of the last record that has been committed, or that this
 * transaction has appended (it may close a dropped table's shard behind its own
 * append), or the shard's starting number if there is none.  Only under a lock
 * that keeps writers out.
 */
int64
shard_reader_last_number(const ShardInfo *shard)
{
	ShardReader *reader = shard_reader_open(shard, SnapshotSelf, -1);
	int64		 number = shard->starting_number;

	for (BlockNumber block = reader->block_count; block > 0; block--)
	{
		reader->block = block - 1;
		if (read_page(reader) && reader->count > 0)
		{
			number = reader->records[reader->count - 1].number;
			break;
		}
	}
	shard_reader_close(reader);
	return number;
}

static const TransactionId *
running_xids(Snapshot snapshot, int *count)
{
	/* In recovery all running transactions are kept as subtransactions. */
	if (snapshot->takenDuringRecovery)
	{
		*count = snapshot->subxcnt;
		return snapshot->subxip;
	}
	*count = snapshot->xcnt;
	return snapshot->xip;
}

static bool
is_among(TransactionId xid, const TransactionId *xids, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (xids[i] == xid)
			return true;
	}
	return false;
}

/*
 * What was resolved in the hint's snapshot is resolved in this one too, if no
 * transaction that had ended by then is running in this one.
 */
static bool
hint_is_usable(const LatestHint *hint, Snapshot snapshot)
{
	int					 count;
	const TransactionId *xids = running_xids(snapshot, &count);

	if (snapshot->snapshot_type != SNAPSHOT_MVCC ||
		TransactionIdPrecedes(snapshot->xmax, hint->xmax) ||
		(snapshot->takenDuringRecovery && snapshot->suboverflowed))
		return false;
	for (int i = 0; i < count; i++)
	{
		if (TransactionIdPrecedes(xids[i], hint->xmax) &&
			!is_among(xids[i], hint->xids, hint->xid_count))
			return false;
	}
	return true;
}

static int
compare_xids(const void *a, const void *b)
{
	TransactionId x = *(const TransactionId *) a;
	TransactionId y = *(const TransactionId *) b;

	return x == y ? 0 : TransactionIdPrecedes(x, y) ? -1 :
													  1;
}

static void
leave_hint(Oid shard_table, Snapshot snapshot, int64 position)
{
	LatestHint			 hint;
	int					 count;
	const TransactionId *xids = running_xids(snapshot, &count);

	if (snapshot->snapshot_type != SNAPSHOT_MVCC ||
		(snapshot->takenDuringRecovery && snapshot->suboverflowed))
		return;
	hint.position = position;
	hint.xmax = snapshot->xmax;
	hint.xid_count = Min(count, LATEST_HINT_XIDS);
	if (count > LATEST_HINT_XIDS)
	{
		/* The others make it of no use only until they have ended. */
		TransactionId *sorted = palloc(count * sizeof(TransactionId));

		memcpy(sorted, xids, count * sizeof(TransactionId));
		qsort(sorted, count, sizeof(TransactionId), compare_xids);
		memcpy(hint.xids, sorted, LATEST_HINT_XIDS * sizeof(TransactionId));
		pfree(sorted);
	}
	else if (count > 0)
		memcpy(hint.xids, xids, count * sizeof(TransactionId));
	shard_log_put_hint(shard_table, &hint);
}

/*
 * Returns a position up to which all is resolved in the snapshot: that of a hint
 * which an earlier walk has left, if it can be used, or the shard's start.
 */
static int64
resolved_position(const ShardInfo *shard, Snapshot snapshot)
{
	int64	   position = shard->starting_number - 1;
	LatestHint hint;

	if (shard_log_get_hint(shard->shard_table, &hint) &&
		hint_is_usable(&hint, snapshot))
		position = Max(position, hint.position);
	return position;
}

/*
 * Returns LATEST: the number of the last record before the first one that is
 * unresolved in the snapshot, or what is just before the shard's start if there
 * is none.  Never taken from the clock or from what is committed by now: a
 * table read in the same snapshot, and the stream from here, lose nothing
 * between them.
 */
int64
shard_reader_latest(const ShardInfo *shard, Snapshot snapshot)
{
	int64		 position = resolved_position(shard, snapshot);
	ShardReader *reader = shard_reader_open(shard, snapshot, position);
	ShardRecord	 record;

	while (shard_reader_next(reader, &record))
		position = record.number;
	shard_reader_close(reader);

	leave_hint(shard->shard_table, snapshot, position);
	return position;
}

/* Has a shard no record below a number?  A look at one page, nearly always. */
static bool
begins_at(const ShardInfo *shard, int64 number)
{
	Relation	rel = open_shard_table(shard);
	BlockNumber block_count = RelationGetNumberOfBlocks(rel);
	int64		lowest = PG_INT64_MAX;
	int64		highest;

	for (BlockNumber block = 0; block < block_count; block++)
	{
		CHECK_FOR_INTERRUPTS();
		if (shard_log_page_numbers(rel, block, &lowest, &highest))
			break;
	}
	relation_close(rel, AccessShareLock);
	return lowest >= number;
}

/*
 * Returns the number of the first record that is unresolved in the snapshot, if
 * it is below the limit, else the limit.  The walk that this takes goes on where
 * an earlier one has left its hint: over time each page is walked once.
 */
int64
shard_reader_first_unresolved(const ShardInfo *shard, int64 limit,
							  Snapshot snapshot)
{
	int64		 position = resolved_position(shard, snapshot);
	ShardReader *reader;
	ShardRecord	 record;
	int64		 first;

	if (position >= limit - 1 || begins_at(shard, limit))
		return limit;

	reader = shard_reader_open(shard, snapshot, position);
	while (position < limit && shard_reader_next(reader, &record))
		position = record.number;
	first = reader->end == READER_AT_UNRESOLVED ? Min(reader->stop, limit) : limit;
	shard_reader_close(reader);

	leave_hint(shard->shard_table, snapshot, position);
	return first;
}
