/*
 * append.c
 *	  From the change buffer to the shards, at commit.
 *
 * Before the commit, or before PREPARE TRANSACTION, the changes in the buffer
 * are appended to the shards that are open then.  For each shard of a stream
 * the writers' lock is taken (writable_shards.c), large values are inserted
 * into the side table, and only then the first batch of records goes to the
 * log (shard_log.c); further batches follow by turns.  With the commit the
 * records become visible, together with the changes that they tell of.  The
 * readers of these shards are woken at the end of the transaction
 * (shard_wake.c).
 *
 * All transactions lock shards in the order of streams and, within a stream,
 * of hash ranges, so writers never wait for each other in a circle.  Those of
 * several streams are all locked before the first record is appended.
 *
 * Commit callbacks of libraries that were loaded before ddbstreams run after
 * this one, and may change rows.  What is captured after the append is
 * appended at once.
 *
 * xact_callbacks.c calls this file.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/snapmgr.h"

#include "base/client_wait.h"
#include "capture/append.h"
#include "capture/captured_relation.h"
#include "capture/change_buffer.h"
#include "capture/change_order.h"
#include "capture/change_source.h"
#include "capture/large_value.h"
#include "capture/row_reference.h"
#include "capture/writable_shards.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/row_descriptor.h"
#include "registry/stream_catalog.h"
#include "shard/append_counts.h"
#include "shard/frame.h"
#include "shard/record.h"
#include "shard/settled_marks.h"
#include "shard/shard_log.h"
#include "shard/shard_wake.h"
#include "shard/side_table.h"
#include "shard/xid_times.h"

/*
 * How much of a bucket's file is read at once, at least: what fills a page of
 * its shard.  A batch ends where the window does, so that smaller ones would
 * make small frames.
 */
#define MIN_WINDOW (2 * BLCKSZ)

/* Room for the entries of a batch that are not in the buffer as they are */
#define BATCH_COPIES (SHARD_LOG_BATCH_BYTES + BLCKSZ)

/* The changes of a bucket that go to one shard */
typedef struct AppendPart
{
	ChangeBucket *bucket;
	uint64		  first; /* of the hash range, inclusive */
	uint64		  last;
	Relation	  shard;
	int64		  starting_number;
	ShardPlace	  place; /* of what has been appended */
	ChangeScan	  scan;
	ChangeItem	 *next; /* NULL: all are appended */
} AppendPart;

/* Records that go to the log together */
typedef struct AppendBatch
{
	AppendPart	 *part;
	uint64		  transaction_id;
	int			  count;
	Size		  bytes;
	AppendCounts  counts; /* of the stream */
	NewRecord	  records[SHARD_LOG_BATCH_RECORDS];
	char		 *copies; /* BATCH_COPIES bytes, or NULL */
	Size		  copied;
	int			  pending; /* records whose rows have not been copied yet */
	RowReference  rows[SHARD_LOG_BATCH_RECORDS];
	RowReferences references;
} AppendBatch;

/* Has the append of the present transaction run? */
static bool appended = false;

/* Copies the rows that records refer to. */
static void
batch_copy_rows(AppendBatch *batch)
{
	row_reference_resolve(&batch->references, batch->rows, batch->pending);
	batch->pending = 0;
}

static void
batch_flush(AppendBatch *batch)
{
	if (batch->count > 0)
	{
		CHECK_FOR_INTERRUPTS();
		batch_copy_rows(batch);
		shard_log_append(batch->part->shard, batch->part->starting_number,
						 batch->transaction_id, batch->records, batch->count,
						 &batch->counts, &batch->part->place);
		batch->counts.bytes += batch->bytes;
	}
	batch->count = 0;
	batch->bytes = 0;
	batch->copied = 0;
}

static Size
entry_length(const ChangeItem *item)
{
	const FrameEntry *entry = (const FrameEntry *) change_item_body(item);

	return FRAME_ENTRY_SIZE + entry->size;
}

static bool
batch_has_room(const AppendBatch *batch, const ChangeItem *item)
{
	return batch->count < SHARD_LOG_BATCH_RECORDS &&
		   (batch->count == 0 ||
			(batch->bytes + entry_length(item) <= SHARD_LOG_BATCH_BYTES &&
			 batch->copied + entry_length(item) <= BATCH_COPIES));
}

/*
 * Adds a change to a batch that has room for it.  If the item does not stay
 * where it is until the batch is flushed, the batch keeps a copy.
 */
static void
batch_add(AppendBatch *batch, const ChangeItem *item, bool item_stays)
{
	const FrameEntry *entry = (const FrameEntry *) change_item_body(item);
	FrameEntry		 *copy = NULL;
	NewRecord		 *record = &batch->records[batch->count++];

	if (item->is_reference || !item_stays)
	{
		if (batch->copies == NULL)
			batch->copies = palloc(BATCH_COPIES);
		copy = (FrameEntry *) (batch->copies + batch->copied);
		batch->copied += entry_length(item);
		if (item->is_reference)
		{
			batch->rows[batch->pending].item = item;
			batch->rows[batch->pending++].out = copy;
			if (!item_stays)
				batch_copy_rows(batch);
		}
		else
			memcpy(copy, entry, entry_length(item));
	}
	record->entry = copy != NULL ? copy : entry;
	record->descriptor_id = change_source_get(item->source)->descriptor_id;
	batch->bytes += frame_single_length(entry);
}

static bool
in_range(const ChangeItem *item, uint64 first, uint64 last)
{
	return item->hash >= first && item->hash <= last;
}

/*
 * Appends the next batch of a part's changes, in the order of capture.
 * Returns false if none are left.
 */
static bool
append_in_order(AppendBatch *batch, AppendPart *part)
{
	ChangeItem *item;

	batch->part = part;
	while ((item = part->next) != NULL)
	{
		if (in_range(item, part->first, part->last))
		{
			if (!batch_has_room(batch, item))
				break;
			batch_add(batch, item, true);
		}
		/* The batch points to items, which are gone when the window moves. */
		part->next = change_buffer_scan_next(&part->scan, batch->count == 0);
		if (part->next == NULL && batch->count > 0)
		{
			batch_flush(batch);
			part->next = change_buffer_scan_next(&part->scan, true);
			return part->next != NULL;
		}
	}
	batch_flush(batch);
	return part->next != NULL;
}

/* Appends all of a part's changes, in the order of row versions. */
static void
append_reordered(AppendBatch *batch, AppendPart *part)
{
	ChangeBucket *bucket = part->bucket;
	uint64		  count;
	uint64		 *positions = change_order_positions(bucket, &count);
	ChangeScan	  scan;

	batch->part = part;
	change_buffer_scan_begin(&scan, bucket, SCAN_CHANGES);
	for (uint64 i = 0; i < count; i++)
	{
		ChangeItem *item = change_buffer_item_at(&scan, positions[i]);

		if (!in_range(item, part->first, part->last))
			continue;
		if (!batch_has_room(batch, item))
			batch_flush(batch);
		batch_add(batch, item, false);
	}
	batch_flush(batch);
	change_buffer_scan_end(&scan);
	pfree(positions);
}

/*
 * Copies a value to a side table from the one where a bucket's changes have
 * found it, unless another change has done so.  It keeps its number and its
 * transaction.
 */
static void
copy_value(AppendBatch *batch, Relation side, const ChangeBucket *bucket,
		   const ValueCopy *copy)
{
	Relation from;
	Pointer	 content;

	if (side_table_has(side, copy->transaction_id, copy->ordinal))
		return;
	from = table_open(bucket->side_table, AccessShareLock);
	PushActiveSnapshot(GetLatestSnapshot());
	content = DatumGetPointer(side_table_fetch(from, copy->transaction_id,
											   copy->ordinal, GetActiveSnapshot()));
	side_table_insert(side, copy->transaction_id, copy->ordinal, content);
	PopActiveSnapshot();
	table_close(from, NoLock);
	batch->counts.bytes += VARSIZE_ANY(content);
	pfree(content);
}

/* Lists a value in the side table, if it may be looked for there. */
static void
list_value(const AppendBatch *batch, Relation side, const BufferedValue *value)
{
	ValueCopy copy = value->copy;

	if (value->value_xid == 0 || !TransactionIdIsValid(value->keeper))
		return;
	copy.transaction_id = batch->transaction_id;
	side_table_list(side, &value->identity, value->value_xid, &copy);
}

/*
 * Writes the large values that changes of a hash range refer to, and sees to
 * it that those that are only mentioned are in the shard's side table.
 */
static void
write_values(AppendBatch *batch, const WritableShard *shard,
			 ChangeBucket *bucket, uint64 first, uint64 last)
{
	Relation	side = table_open(shard->side_table, RowExclusiveLock);
	ChangeScan	scan;
	ChangeItem *item;

	change_buffer_scan_begin(&scan, bucket, SCAN_VALUES);
	while ((item = change_buffer_scan_next(&scan, true)) != NULL)
	{
		BufferedValue *value = (BufferedValue *) change_item_body(item);

		CHECK_FOR_INTERRUPTS();
		if (!in_range(item, first, last))
			continue;
		if (!BufferedValueIsMention(item))
		{
			char *content = BUFFERED_VALUE_CONTENT(value);

			side_table_insert(side, batch->transaction_id, item->ordinal, content);
			batch->counts.bytes += VARSIZE_ANY(content);
			list_value(batch, side, value);
		}
		else if (value->copy.transaction_id != 0 &&
				 bucket->side_number != shard->side_number)
			copy_value(batch, side, bucket, &value->copy);
		large_value_publish(value, batch->transaction_id, shard->side_table,
							shard->side_number);
	}
	change_buffer_scan_end(&scan);
	table_close(side, NoLock);
}

/* Appends the first batch of a part, or all of it if it is disordered. */
static void
begin_part(AppendBatch *batch, AppendPart *part, int part_count)
{
	part->next = NULL;
	if (part->bucket->disordered)
		append_reordered(batch, part);
	else
	{
		change_buffer_scan_begin(&part->scan, part->bucket, SCAN_CHANGES);
		part->scan.window_size = Max(part->scan.window_size / part_count, MIN_WINDOW);
		part->next = change_buffer_scan_next(&part->scan, true);
		(void) append_in_order(batch, part);
	}
}

static void
end_part(AppendPart *part)
{
	if (!part->bucket->disordered)
		change_buffer_scan_end(&part->scan);
	if (part->place.last_number > 0)
		settled_marks_leave(part->shard, &part->place);
	table_close(part->shard, NoLock);
}

/*
 * Locks the shards that are open for a bucket's hash range now, writes their
 * large values, and begins the part of the bucket that goes to each of them.
 * Adds to a list those that have more than a batch.
 */
static List *
add_parts(List *parts, AppendBatch *batch, const StreamBuffer *buffer,
		  ChangeBucket *bucket)
{
	uint64 first = bucket->hash_first;

	for (;;)
	{
		WritableShard shard;
		AppendPart	 *part = palloc0(sizeof(AppendPart));
		bool		  is_last;

		/* A vacuum of the table must not wait for as long as this may. */
		row_reference_end(&batch->references);
		shard = writable_shards_lock(buffer, first);
		part->bucket = bucket;
		part->first = first;
		part->last = Min(bucket->hash_last, shard.hash_last);
		part->starting_number = shard.starting_number;
		if (bucket->has_values || bucket->has_mentions)
			write_values(batch, &shard, bucket, part->first, part->last);
		shard_wake_at_end(shard.shard_table, buffer->stream_id);
		part->shard = table_open(shard.shard_table, NoLock);
		begin_part(batch, part, buffer->bucket_count);

		first = part->last + 1;
		is_last = part->last == bucket->hash_last;
		if (part->next != NULL)
			parts = lappend(parts, part);
		else
		{
			end_part(part);
			pfree(part);
		}
		if (is_last)
			return parts;
	}
}

/*
 * Appends all changes of a stream.  Parts that have more than a batch get one
 * each by turns: what one of them has fetched of the table into the
 * processor's cache is used by the others soon.
 */
static void
append_stream(AppendBatch *batch, StreamBuffer *buffer)
{
	List	 *parts = NIL;
	ListCell *lc;
	bool	  some_left;

	for (int b = 0; b < buffer->bucket_count; b++)
	{
		if (buffer->buckets[b].end > 0)
			parts = add_parts(parts, batch, buffer, &buffer->buckets[b]);
	}
	some_left = parts != NIL;
	while (some_left)
	{
		some_left = false;
		foreach (lc, parts)
		{
			AppendPart *part = lfirst(lc);

			if (part->next != NULL && append_in_order(batch, part))
				some_left = true;
		}
	}
	foreach (lc, parts)
	{
		end_part(lfirst(lc));
	}
	list_free_deep(parts);
}

/*
 * If there are changes of several streams, locks their shards before the first
 * record is appended: from then on the readers of a stream stop at this
 * transaction, which must not have to wait for what the owner of another
 * stream does.
 */
static void
lock_shards(StreamBuffer *const *buffers, int count)
{
	if (count == 1)
		return;
	for (int i = 0; i < count; i++)
	{
		for (int b = 0; b < buffers[i]->bucket_count; b++)
		{
			const ChangeBucket *bucket = &buffers[i]->buckets[b];
			uint64				first = bucket->hash_first;
			WritableShard		shard;

			if (bucket->end == 0)
				continue;
			while ((shard = writable_shards_lock(buffers[i], first)).hash_last < bucket->hash_last)
				first = shard.hash_last + 1;
		}
	}
}

static int
compare_stream_buffers(const void *a, const void *b)
{
	const StreamBuffer *x = *(StreamBuffer *const *) a;
	const StreamBuffer *y = *(StreamBuffer *const *) b;

	return x->stream_id < y->stream_id ? -1 : x->stream_id > y->stream_id;
}

/*
 * Has this transaction dropped the extension, and the stream with it?  Then
 * there is nothing to append to.
 */
static bool
stream_is_gone(const StreamBuffer *buffer)
{
	if (writable_shards_are_known(buffer))
		return false;
	if (!catalog_table_is_installed())
		return !OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true));
	return stream_catalog_by_id(buffer->stream_id, NULL) == NULL;
}

/* Are there large values for side tables? */
static bool
has_values(void)
{
	for (StreamBuffer *buffer = change_buffer_streams(); buffer != NULL;
		 buffer = buffer->next)
	{
		for (int i = 0; i < buffer->bucket_count; i++)
		{
			if (buffer->buckets[i].has_values)
				return true;
		}
	}
	return false;
}

/* Appends all that this transaction has captured, and empties the buffer. */
static void
append_all(void)
{
	static AppendBatch batch; /* too large for the stack */
	StreamBuffer	 **buffers;
	int				   count = 0;
	bool			   stores_descriptors;
	bool			   needs_snapshot;

	for (StreamBuffer *buffer = change_buffer_streams(); buffer != NULL;
		 buffer = buffer->next)
		count++;
	buffers = palloc(Max(count, 1) * sizeof(StreamBuffer *));
	count = 0;
	for (StreamBuffer *buffer = change_buffer_streams(); buffer != NULL;
		 buffer = buffer->next)
	{
		if (change_buffer_is_filled(buffer) && !stream_is_gone(buffer))
			buffers[count++] = buffer;
	}
	if (count == 0)
	{
		pfree(buffers);
		change_buffer_close();
		return;
	}
	/* The extension may have been updated since the changes were captured. */
	catalog_version_check();
	qsort(buffers, count, sizeof(StreamBuffer *), compare_stream_buffers);
	lock_shards(buffers, count);

	/* Only what may be toasted needs a snapshot, which is not cheap. */
	stores_descriptors = !row_descriptor_all_stored();
	needs_snapshot = stores_descriptors || has_values();
	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (stores_descriptors)
		row_descriptor_store_used();

	xid_times_note();
	batch.count = 0;
	batch.bytes = 0;
	batch.copied = 0;
	batch.pending = 0;
	batch.copies = NULL;
	row_reference_begin(&batch.references);
	batch.transaction_id =
		U64FromFullTransactionId(GetTopFullTransactionId());
	for (int i = 0; i < count; i++)
	{
		append_counts_begin(&batch.counts);
		append_stream(&batch, buffers[i]);
		append_counts_add(buffers[i]->stream_id, &batch.counts);
	}

	row_reference_end(&batch.references);
	if (batch.copies != NULL)
		pfree(batch.copies);
	pfree(buffers);
	if (needs_snapshot)
		PopActiveSnapshot();
	change_buffer_close();
}

/*
 * A COMMIT must not fail by the user's lock_timeout, so that is off for all
 * locks that are taken in it.  Nor must it be the victim of a deadlock with a
 * session that closes a shard: that session gives up after a shorter time than
 * this deadlock_timeout.
 */
void
append_without_lock_timeout(void (*work)(void))
{
	int save_lock_timeout = LockTimeout;
	int save_deadlock_timeout = DeadlockTimeout;

	PG_TRY();
	{
		LockTimeout = 0;
		DeadlockTimeout = Max(DeadlockTimeout, 1000);
		work();
	}
	PG_FINALLY();
	{
		LockTimeout = save_lock_timeout;
		DeadlockTimeout = save_deadlock_timeout;
	}
	PG_END_TRY();
}

/* From the first record on readers stop at this transaction. */
static void
append_changes(void)
{
	if (change_buffer_streams() == NULL)
		return;
	client_wait_forbid(CLIENT_WAIT_APPENDED);
	append_without_lock_timeout(append_all);
}

/*
 * An append cannot be undone for a subtransaction alone, so there it is
 * refused.
 */
void
append_changes_captured(void)
{
	if (!appended)
		return;
	if (GetCurrentTransactionNestLevel() > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a table with a stream cannot be changed in a subtransaction while the transaction commits"),
				 errdetail("A library's commit callback has changed the table."),
				 errhint("Load ddbstreams before that library in shared_preload_libraries.")));
	append_changes();
}

void
append_at_commit(void)
{
	append_changes();
	appended = true;
}

void
append_end_transaction(void)
{
	appended = false;
	change_buffer_forget();
	row_descriptor_forget_used();
	captured_relation_end_transaction();
	writable_shards_end_transaction();
}
