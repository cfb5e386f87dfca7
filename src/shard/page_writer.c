/*
 * page_writer.c
 *	  Filling the pages at a shard's end.
 *
 * This takes the place of heap_insert and heap_multi_insert for shards.  The
 * pages and the WAL records are such as heap makes, so VACUUM, redo, amcheck
 * and whatever else reads a heap find nothing new.  Less is done, though:
 *
 * - A tuple goes behind the last one of the last page, or to a new page.
 *	 Neither room elsewhere nor a freed line pointer is used: VACUUM
 *	 FULL copies a page in the order of its line pointers and may spread it
 *	 over two pages, which would then not be in the order of numbers.
 * - The WAL record has no flag that it holds new tuples.  Without the flag
 *	 logical decoding passes the record over, at every wal_level, and a
 *	 full-page image takes the place of the tuples.
 * - A page that a vacuum has marked all-visible is left as it is, and the next
 *	 one is begun.  So the visibility map, which would have to be read and
 *	 written under the append lock, is not touched.
 * - Serializable isolation is not told: reading a shard takes no part in it.
 *
 * All records that fit on a page go there as one tuple, a frame (frame.c), in
 * one critical section and with one WAL record.  New pages hold zeros until
 * they are filled.  If an error or a crash comes before that, they stay:
 * readers pass over them, and the next append begins with the last one.
 *
 * Only the holder of the append lock extends a shard, so PostgreSQL's lock for
 * that is not taken.
 */
#include "postgres.h"

#include "access/heapam_xlog.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#include "base/compat.h"
#include "shard/frame.h"
#include "shard/page_writer.h"

/* New pages that are added at once, at most */
#define NEW_PAGES 16

/* What an append has still to write */
typedef struct PageWriter
{
	Relation		 shard;
	const NewRecord *records;
	int				 count;
	int64			 number; /* of the first of these */
	uint64			 transaction_id;
	TransactionId	 xid;
	CommandId		 cid;
} PageWriter;

/* Puts a tuple of count records behind the others of a page. */
static OffsetNumber
put_tuple(PageWriter *writer, Page page, BlockNumber block, const char *tuple,
		  Size length, int count)
{
	OffsetNumber	offset = OffsetNumberNext(PageGetMaxOffsetNumber(page));
	HeapTupleHeader header;

	if (PageAddItemExtended(page, unconstify(char *, tuple), length, offset,
							PAI_IS_HEAP) != offset)
		elog(PANIC, "could not add a record to a page");

	header = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
	header->t_infomask |= HEAP_XMAX_INVALID;
	HeapTupleHeaderSetXmin(header, writer->xid);
	HeapTupleHeaderSetCmin(header, writer->cid);
	ItemPointerSet(&header->t_ctid, block, offset);
	RECORD_DATA(header)->number = writer->number;
	RECORD_DATA(header)->transaction_id = writer->transaction_id;

	writer->records += count;
	writer->count -= count;
	writer->number += count;
	return offset;
}

/* Logs the tuple that a page has got. */
static XLogRecPtr
log_tuple(Page page, Buffer buffer, OffsetNumber offset, bool is_new)
{
	ItemId			item = PageGetItemId(page, offset);
	HeapTupleHeader tuple = (HeapTupleHeader) PageGetItem(page, item);
	xl_heap_insert	insert;
	xl_heap_header	header;

	insert.offnum = offset;
	insert.flags = 0;
	header.t_infomask2 = tuple->t_infomask2;
	header.t_infomask = tuple->t_infomask;
	header.t_hoff = tuple->t_hoff;

	XLogBeginInsert();
	XLogRegisterData((char *) &insert, SizeOfHeapInsert);
	XLogRegisterBuffer(0, buffer,
					   REGBUF_STANDARD | (is_new ? REGBUF_WILL_INIT : 0));
	XLogRegisterBufData(0, (char *) &header, SizeOfHeapHeader);
	XLogRegisterBufData(0, (char *) tuple + SizeofHeapTupleHeader,
						ItemIdGetLength(item) - SizeofHeapTupleHeader);
	return XLogInsert(RM_HEAP_ID, XLOG_HEAP_INSERT |
									  (is_new ? XLOG_HEAP_INIT_PAGE : 0));
}

/*
 * Returns how long a tuple may be that is to be put on a page.  Line pointers
 * that vacuums have freed count, so that there may be too many of them.
 */
static Size
room_on(Page page)
{
	if (PageIsNew(page))
		return RECORD_MAX_LENGTH;
	if (PageIsAllVisible(page) ||
		PageGetMaxOffsetNumber(page) >= MaxHeapTuplesPerPage)
		return 0;
	return MAXALIGN_DOWN(PageGetFreeSpace(page));
}

/* Puts as many records as fit on a page, perhaps none, and unpins it. */
static void
fill_page(PageWriter *writer, Buffer buffer)
{
	Page		   page = BufferGetPage(buffer);
	BlockNumber	   block = BufferGetBlockNumber(buffer);
	PGAlignedBlock frame;
	Size		   length;
	int			   count;

	Assert(writer->count > 0);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	count = frame_measure(writer->records, writer->count, room_on(page), &length);
	if (count > 0)
	{
		bool		 is_new = PageIsNew(page);
		OffsetNumber offset;

		frame_build(writer->records, count, length, frame.data);
		START_CRIT_SECTION();
		if (is_new)
			PageInit(page, BLCKSZ, 0);
		offset = put_tuple(writer, page, block, frame.data, length, count);
		MarkBufferDirty(buffer);
		if (RelationNeedsWAL(writer->shard))
		{
			XLogRecPtr lsn = log_tuple(page, buffer, offset, is_new);

			PageSetLSN(page, lsn); /* a macro, which looks at lsn twice */
		}
		END_CRIT_SECTION();
	}
	UnlockReleaseBuffer(buffer);
}

/* Returns how many new pages the records will fill. */
static int
pages_needed(const PageWriter *writer)
{
	int pages = 0;

	for (int i = 0; i < writer->count; pages++)
	{
		Size length;

		i += Max(1, frame_measure(writer->records + i, writer->count - i,
								  RECORD_MAX_LENGTH, &length));
	}
	return pages;
}

BlockNumber
page_writer_append(Relation shard, const NewRecord *records, int count,
				   int64 first_number, uint64 transaction_id)
{
	BlockNumber block_count = RelationGetNumberOfBlocks(shard);
	PageWriter	writer = {
		.shard = shard,
		.records = records,
		.count = count,
		.number = first_number,
		.transaction_id = transaction_id,
		.xid = GetTopTransactionId(),
		.cid = GetCurrentCommandId(true),
	};

	/* The WAL record gets the current transaction's xid. */
	Assert(TransactionIdEquals(writer.xid, GetCurrentTransactionId()));

	if (block_count > 0)
		fill_page(&writer, ReadBuffer(shard, block_count - 1));
	while (writer.count > 0)
	{
		Buffer buffers[NEW_PAGES];
		int	   added = compat_add_pages(shard,
										Min(pages_needed(&writer), NEW_PAGES),
										buffers);

		for (int i = 0; i < added; i++)
			fill_page(&writer, buffers[i]);
	}
	pgstat_count_heap_insert(shard, count);
	return block_count;
}
