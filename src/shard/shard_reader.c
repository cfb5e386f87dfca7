/*
 * shard_reader.c
 *	  Reading a shard forward from a position.
 *
 * There is no index.  Physical order is number order, page by page, so a
 * position is found by binary search over the pages, and the walk goes forward
 * from there.  Within a page the records may be in any order: they are sorted.
 *
 * Under the reader's snapshot a record is
 *
 *		visible		its transaction had committed
 *		aborted		its transaction has aborted, by a crash too
 *		unresolved	its transaction is in progress, or has committed after the
 *					snapshot; the reader's own transaction counts as one that
 *					is in progress
 *
 * The walk returns the visible records and stops at the first unresolved one.
 * Nothing before it can change any more, and whatever will be appended has a
 * higher number than what is in the heap already; so a reader that goes on
 * behind the last record that it got loses nothing and reads nothing twice.
 *
 * Whether a record's transaction has aborted is asked in this order: is it in
 * progress, and only then, did it commit?  A transaction that a crash has
 * ended has neither committed nor aborted in the commit log.
 *
 * LATEST is behind the last record before the first unresolved one.  What was
 * appended after the snapshot was taken is not visible in it; so a visible
 * record tells that all pages before its own were appended before that, and
 * the last page with a visible record is found by binary search too.  In the
 * pages before it only those records can be unresolved that were in flight
 * when the snapshot was taken.  The walk begins where the first of these may
 * be (in_flight.c, settled_marks.c), or at that page if there are none.
 *
 * A page's records are copied under a share lock on its buffer and decoded
 * after that; the reader holds an AccessShareLock on the shard's table, and no
 * other lock.  Reading takes no part in serializable isolation, on purpose: it
 * takes no predicate locks, and a writer's append conflicts with no reader.
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

#include "shard/in_flight.h"
#include "shard/latest_hint.h"
#include "shard/settled_marks.h"
#include "shard/shard_log.h"
#include "shard/shard_reader.h"

/*
 * Returns the page to begin at: the last one of those from low on, and before
 * high, whose first record's number is not above the position, or low.
 */
static BlockNumber
seek_block(Relation rel, BlockNumber low, BlockNumber high, int64 position)
{
	/* low is first, or begins at or below the position; high is above it. */
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
			high = middle; /* there is nothing from here to high */
		else if (lowest <= position)
			low = probe;
		else
			high = middle;
	}
	return low;
}

/* On the way to LATEST so few pages are walked, and not searched. */
#define WALKED_PAGES 8

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

BlockNumber
shard_reader_block_of(ShardReader *reader, int64 position)
{
	return reader->block_count == 0 ?
			   0 :
			   seek_block(reader->rel, 0, reader->block_count, position);
}

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
	reader->block = position < shard->starting_number ?
						0 :
						shard_reader_block_of(reader, position);
	reader->count = 0;
	reader->next = 0;
	reader->stop_behind = false;
	reader->stop = PG_INT64_MAX;
	return reader;
}

/* Is a record that the snapshot does not show aborted, not unresolved? */
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

/* Has this transaction appended a record? */
static bool
is_own(HeapTupleHeader tuple)
{
	return !HeapTupleHeaderXminCommitted(tuple) &&
		   !HeapTupleHeaderXminInvalid(tuple) &&
		   TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple));
}

static void
add_record(ShardReader *reader, int64 number, OffsetNumber offset, Size entry)
{
	int i = reader->count++;

	Assert(i < MAX_RECORDS_PER_PAGE);

	/* The records of a page are nearly always in order already. */
	while (i > 0 && reader->records[i - 1].number > number)
	{
		reader->records[i] = reader->records[i - 1];
		i--;
	}
	reader->records[i].number = number;
	reader->records[i].offset = offset;
	reader->records[i].entry = entry;
}

/* Adds the records of a frame that are behind the reader's position. */
static void
add_frame(ShardReader *reader, const char *tuple, Size length, OffsetNumber offset)
{
	const RecordData *data = RECORD_DATA(tuple);
	Size			  entry = RECORD_IMAGES;

	for (int i = 0; i < frame_count(data); i++)
	{
		Size next = frame_next_entry(tuple, length, entry);

		if (data->number + i > reader->position)
			add_record(reader, data->number + i, offset, entry);
		entry = next;
	}
}

/* Adds what can be read of a row of the reader's copy of the page. */
static void
add_row(ShardReader *reader, OffsetNumber offset)
{
	char			 *page = reader->page.data;
	ItemId			  item = PageGetItemId(page, offset);
	const char		 *tuple = PageGetItem(page, item);
	const RecordData *data = RECORD_DATA(tuple);

	if (frame_is(data))
		add_frame(reader, tuple, ItemIdGetLength(item), offset);
	else
		add_record(reader, data->number, offset, 0);
}

/*
 * Copies the next page and finds the records on it that can be read.  Returns
 * false if there is no further page.
 *
 * The copy is made first: it fetches the page from memory at full speed, which
 * a walk from record to record does not, and that walk goes through the copy,
 * without the buffer's lock.
 */
static bool
read_page(ShardReader *reader)
{
	OffsetNumber visible[MaxHeapTuplesPerPage];
	int			 visible_count = 0;
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
	if (last > 0)
		memcpy(reader->page.data, page, BLCKSZ);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId			  item = PageGetItemId(page, offset);
		HeapTupleData	  tuple;
		const RecordData *data;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(reader->rel);
		ItemPointerSet(&tuple.t_self, reader->block, offset);
		data = RECORD_DATA(tuple.t_data);
		if (frame_last_number(data) <= reader->position)
			continue;
		if ((reader->snapshot->snapshot_type == SNAPSHOT_SELF ||
			 !is_own(tuple.t_data)) &&
			HeapTupleSatisfiesVisibility(&tuple, reader->snapshot, buffer))
			visible[visible_count++] = offset;
		else if (!is_aborted(tuple.t_data))
			stop = Min(stop, Max(data->number, reader->position + 1));
	}
	UnlockReleaseBuffer(buffer);

	reader->count = 0;
	reader->next = 0;
	for (int i = 0; i < visible_count; i++)
		add_row(reader, visible[i]);
	while (reader->count > 0 && reader->records[reader->count - 1].number > stop)
		reader->count--;
	reader->stop_behind = stop != PG_INT64_MAX;
	reader->stop = stop;
	reader->block++;
	return true;
}

/* Points record to the reader's i-th record. */
static void
find_record(const ShardReader *reader, int i, ShardRecord *record)
{
	const char		 *page = reader->page.data;
	ItemId			  item = PageGetItemId(unconstify(char *, page),
										   reader->records[i].offset);
	const char		 *tuple = page + ItemIdGetOffset(item);
	const RecordData *data = RECORD_DATA(tuple);

	record->number = reader->records[i].number;
	record->transaction_id = data->transaction_id;
	record->descriptor_id = data->descriptor_id;
	if (reader->records[i].entry > 0)
	{
		const FrameEntry *entry = (const FrameEntry *) (tuple + reader->records[i].entry);

		record->event = entry->event;
		record->flags = entry->flags;
		record->old_size = entry->old_size;
		record->images = entry->images;
		if (entry->has_descriptor)
		{
			memcpy(&record->descriptor_id, record->images, sizeof(int64));
			record->images += sizeof(int64);
		}
	}
	else
	{
		record->event = data->event;
		record->flags = data->flags;
		record->old_size = data->old_size;
		record->images = data->images;
	}
}

bool
shard_reader_next(ShardReader *reader, ShardRecord *record)
{
	while (!shard_reader_has_next(reader))
	{
		if (reader->stop_behind)
			reader->end = READER_AT_UNRESOLVED;
		else if (reader->end == READER_NOT_AT_END && !read_page(reader))
			reader->end = READER_AT_HEAP_END;
		if (reader->end != READER_NOT_AT_END)
			return false;
	}
	find_record(reader, reader->next++, record);
	reader->position = record->number;
	return true;
}

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

/* What the records of a page are in a snapshot */
typedef enum PageState
{
	PAGE_VISIBLE,	 /* at least one is visible */
	PAGE_UNRESOLVED, /* none is, and at least one is unresolved or was */
	PAGE_SETTLED	 /* there is none, or all were aborted before */
} PageState;

static PageState
page_state(Relation rel, BlockNumber block, Snapshot snapshot)
{
	Buffer		 buffer = ReadBuffer(rel, block);
	PageState	 state = PAGE_SETTLED;
	Page		 page;
	OffsetNumber last;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	for (OffsetNumber offset = FirstOffsetNumber;
		 offset <= last && state != PAGE_VISIBLE; offset++)
	{
		ItemId		  item = PageGetItemId(page, offset);
		HeapTupleData tuple;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(rel);
		ItemPointerSet(&tuple.t_self, block, offset);
		if (!is_own(tuple.t_data) &&
			HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer))
			state = PAGE_VISIBLE;
		else if (is_own(tuple.t_data) ||
				 XidInMVCCSnapshot(HeapTupleHeaderGetRawXmin(tuple.t_data),
								   snapshot))
			state = PAGE_UNRESOLVED;
	}
	UnlockReleaseBuffer(buffer);
	return state;
}

/*
 * Returns a page from low on, and before high, that has a visible record while
 * the next page which has records that count has none; or low.
 */
static BlockNumber
last_visible_block(Relation rel, BlockNumber low, BlockNumber high,
				   Snapshot snapshot)
{
	while (high - low > 1)
	{
		BlockNumber middle = low + (high - low) / 2;
		BlockNumber probe = middle;
		PageState	state = PAGE_SETTLED;

		CHECK_FOR_INTERRUPTS();
		while (probe < high &&
			   (state = page_state(rel, probe, snapshot)) == PAGE_SETTLED)
			probe++;
		if (state == PAGE_VISIBLE)
			low = probe;
		else
			high = middle;
	}
	return low;
}

/* Are there more pages from the reader's to this one than are walked? */
static bool
has_pages_to_skip(const ShardReader *reader, BlockNumber block)
{
	return block > reader->block && block - reader->block > WALKED_PAGES &&
		   reader->snapshot->snapshot_type == SNAPSHOT_MVCC;
}

/*
 * Moves a reader that stands at its position's page forward, to a page before
 * which all records are resolved in the snapshot.
 */
static void
skip_resolved(ShardReader *reader)
{
	BlockNumber block;
	int64		number;

	if (!has_pages_to_skip(reader, reader->block_count))
		return;
	number = settled_marks_position(reader->rel, reader->snapshot);
	if (number > reader->position)
		reader->block = seek_block(reader->rel, reader->block,
								   reader->block_count, number);
	if (!has_pages_to_skip(reader, reader->block_count))
		return;
	block = last_visible_block(reader->rel, reader->block, reader->block_count,
							   reader->snapshot);
	if (!has_pages_to_skip(reader, block))
		return;
	number = in_flight_first_number(reader->rel, reader->snapshot);
	if (number == 0)
		return;
	reader->block = number == PG_INT64_MAX ?
						block :
						seek_block(reader->rel, reader->block, block + 1, number - 1);
}

/*
 * Returns the number of the last visible record on the pages from first on and
 * before a page, or 0.  All records there are resolved.
 */
static int64
last_number_before(ShardReader *reader, BlockNumber first, BlockNumber block)
{
	while (block > first)
	{
		reader->block = --block;
		if (read_page(reader) && reader->count > 0)
			return reader->records[reader->count - 1].number;
	}
	return 0;
}

int64
shard_reader_latest(const ShardInfo *shard, Snapshot snapshot)
{
	int64		 position = latest_hint_position(shard, snapshot);
	ShardReader *reader = shard_reader_open(shard, snapshot, position);
	BlockNumber	 hinted = reader->block;
	BlockNumber	 first;
	ShardRecord	 record;
	int64		 number = 0;

	skip_resolved(reader);
	first = reader->block;
	while (shard_reader_next(reader, &record))
		number = record.number;
	if (number == 0)
		number = last_number_before(reader, hinted, first);
	shard_reader_close(reader);

	position = Max(position, number);
	latest_hint_leave(shard, snapshot, position);
	return position;
}

int
shard_reader_newest(const ShardInfo *shard, Snapshot snapshot, int64 after,
					int max_count, int64 *numbers)
{
	int64		 latest = shard_reader_latest(shard, snapshot);
	ShardReader *reader = shard_reader_open(shard, snapshot, after);
	BlockNumber	 first = reader->block;
	int			 count = 0;

	for (BlockNumber block = shard_reader_block_of(reader, latest) + 1;
		 latest > after && block > first && count < max_count; block--)
	{
		reader->block = block - 1;
		if (!read_page(reader))
			continue;
		for (int i = reader->count; i > 0 && count < max_count; i--)
			numbers[count++] = reader->records[i - 1].number;
	}
	shard_reader_close(reader);
	return count;
}

/*
 * Has a shard no record below a number?  One page tells, unless a vacuum has
 * emptied the first pages.
 */
static bool
begins_at_or_above(const ShardInfo *shard, int64 number)
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

int64
shard_reader_first_unresolved(const ShardInfo *shard, int64 limit,
							  Snapshot snapshot)
{
	int64		 position = latest_hint_position(shard, snapshot);
	int64		 number = 0;
	ShardReader *reader;
	ShardRecord	 record;
	int64		 first;

	if (position >= limit - 1 || begins_at_or_above(shard, limit))
		return limit;

	reader = shard_reader_open(shard, snapshot, position);
	skip_resolved(reader);
	while (number < limit && shard_reader_next(reader, &record))
		number = record.number;
	first = reader->end == READER_AT_UNRESOLVED ? Min(reader->stop, limit) : limit;
	shard_reader_close(reader);

	latest_hint_leave(shard, snapshot, Max(position, number));
	return first;
}
