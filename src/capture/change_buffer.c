/*
 * change_buffer.c
 *	  The changes that the present transaction has made to captured tables.
 *
 * Nothing may be appended to a shard before the transaction commits: a record
 * would carry the xid of a subtransaction, and readers would stop at it for as
 * long as the transaction runs.  So changes wait here, in one bucket for each
 * shard that was open when the transaction first changed the stream's table.
 * Shards are split later, and never merged, so a bucket covers one or more
 * whole shards at the append.
 *
 * In a large transaction a change says where a row version of the table is,
 * instead of having the image, if that is nothing but a copy of the version:
 * row_reference.c says why that is enough.
 *
 * Everything is in TopTransactionContext.  Items are kept in chunks of memory.
 * When the chunks would take more than ddbstreams.buffer_memory, all items
 * move to temporary files, one for each bucket; later items go to memory
 * again, until that is used up.
 *
 * The files belong to the resource owner of the top-level transaction: if they
 * belonged to the statement's, they would be gone with the statement.  A
 * bucket has an end of its own, which moves only when an item is complete, so
 * that a failed write leaves nothing behind.  The files are plain ones, no
 * BufFiles: a BufFile keeps in its buffer what it could not write, and every
 * later seek would fail, that of the commit included.
 *
 * Runs of items bear the id of the subtransaction that has made them.  These
 * ids rise, and while a subtransaction is open no run gets a lower one.  So
 * when it is aborted, each bucket is cut at the first run with its id or a
 * higher one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "base/prefetch.h"
#include "base/settings.h"
#include "capture/change_buffer.h"
#include "capture/change_source.h"

#define FIRST_CHUNK_SIZE ((Size) 1024)
#define LAST_CHUNK_SIZE	 ((Size) 256 * 1024)
#define WINDOW_SIZE		 ((Size) 256 * 1024)

/* Values of this size or more are written to the file at once. */
#define LONG_VALUE ((Size) 512 * 1024)

/* As long as items take less memory, they do not refer to the table. */
#define COPIED_MEMORY ((Size) 256 * 1024)

static StreamBuffer *stream_buffers = NULL;
static Size			 memory_used = 0; /* by all chunks, also spare ones */
static ChangeChunk	*spare_chunks = NULL;

static uint32 last_ordinal = 0;
static uint64 referred_bytes = 0;
static uint64 buffer_serial = 1;

StreamBuffer *
change_buffer_streams(void)
{
	return stream_buffers;
}

StreamBuffer *
change_buffer_find(int64 stream_id)
{
	StreamBuffer *buffer;

	for (buffer = stream_buffers; buffer != NULL; buffer = buffer->next)
	{
		if (buffer->stream_id == stream_id)
			break;
	}
	return buffer;
}

StreamBuffer *
change_buffer_create(int64 stream_id, int bucket_count, const uint64 *hash_first)
{
	StreamBuffer *buffer = MemoryContextAllocZero(TopTransactionContext,
												  sizeof(StreamBuffer));

	Assert(bucket_count > 0 && hash_first[0] == 0);
	buffer->stream_id = stream_id;
	buffer->bucket_count = bucket_count;
	buffer->buckets = MemoryContextAllocZero(TopTransactionContext,
											 bucket_count * sizeof(ChangeBucket));
	for (int i = 0; i < bucket_count; i++)
	{
		buffer->buckets[i].hash_first = hash_first[i];
		buffer->buckets[i].hash_last =
			i + 1 < bucket_count ? hash_first[i + 1] - 1 : PG_UINT64_MAX;
	}
	buffer->next = stream_buffers;
	stream_buffers = buffer;
	return buffer;
}

ChangeBucket *
change_buffer_bucket(StreamBuffer *buffer, uint64 hash)
{
	int low = 0;
	int high = buffer->bucket_count - 1;
	int guess = (int) (((hash >> 32) * (uint64) buffer->bucket_count) >> 32);

	/* Ranges are mostly of one size. */
	if (buffer->buckets[guess].hash_first <= hash &&
		buffer->buckets[guess].hash_last >= hash)
		return &buffer->buckets[guess];

	while (low < high)
	{
		int middle = (low + high + 1) / 2;

		if (buffer->buckets[middle].hash_first <= hash)
			low = middle;
		else
			high = middle - 1;
	}
	return &buffer->buckets[low];
}

uint64
change_buffer_serial(void)
{
	return buffer_serial;
}

bool
change_buffer_is_filled(const StreamBuffer *buffer)
{
	for (int i = 0; i < buffer->bucket_count; i++)
	{
		if (buffer->buckets[i].end > 0)
			return true;
	}
	return false;
}

bool
change_buffer_has_changes(int64 stream_id)
{
	StreamBuffer *buffer = change_buffer_find(stream_id);

	return buffer != NULL && change_buffer_is_filled(buffer);
}

uint32
change_buffer_next_ordinal(void)
{
	if (last_ordinal == PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many large values in one transaction")));
	return ++last_ordinal;
}

/*
 * A copy is cheaper than a look into the table later, as long as there are
 * few.  Nor is it worth while to look where most pages may have gone from
 * shared buffers, which is why references have a limit.
 */
bool
change_buffer_may_refer(uint32 source, Size size)
{
	Size copied = Min(COPIED_MEMORY, (Size) setting_buffer_memory * 1024 / 2);

	if (memory_used < copied || !change_source_get(source)->keeps_rows ||
		referred_bytes + size > (uint64) NBuffers * BLCKSZ / 2)
		return false;
	referred_bytes += size;
	return true;
}

static void
free_chunk(ChangeChunk *chunk)
{
	memory_used -= chunk->size;
	pfree(chunk);
}

/*
 * Gives up a list of chunks.  Those of full size are kept for the next items:
 * to return memory to the kernel and get it again costs more than to fill it.
 */
static void
release_chunks(ChangeChunk *chunk)
{
	while (chunk != NULL)
	{
		ChangeChunk *next = chunk->next;

		if (chunk->size == LAST_CHUNK_SIZE)
		{
			chunk->next = spare_chunks;
			spare_chunks = chunk;
		}
		else
			free_chunk(chunk);
		chunk = next;
	}
}

static void
release_all_chunks(ChangeBucket *bucket)
{
	release_chunks(bucket->first_chunk);
	bucket->first_chunk = bucket->last_chunk = NULL;
}

/* Writes to a bucket's file at a position, and advances the position. */
static void
write_bucket_file(ChangeBucket *bucket, uint64 *position, const void *data,
				  Size length)
{
	while (length > 0)
	{
		int written;

		errno = 0;
		written = compat_file_write(bucket->file, data, Min(length, MaxAllocSize),
									(off_t) *position);
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write to temporary file of the change buffer: %m")));
		}
		*position += written;
		data = (const char *) data + written;
		length -= written;
	}
}

static void
open_bucket_file(ChangeBucket *bucket)
{
	if (bucket->file == NO_FILE)
	{
		ResourceOwner oldowner = CurrentResourceOwner;

		CurrentResourceOwner = TopTransactionResourceOwner;
		PG_TRY();
		{
			bucket->file = OpenTemporaryFile(false);
		}
		PG_FINALLY();
		{
			CurrentResourceOwner = oldowner;
		}
		PG_END_TRY();
	}
}

/* Moves a bucket's items from memory to its file. */
static void
spill_bucket(ChangeBucket *bucket)
{
	if (bucket->end > bucket->memory_start)
	{
		uint64 position = bucket->memory_start;

		open_bucket_file(bucket);
		for (ChangeChunk *chunk = bucket->first_chunk; chunk; chunk = chunk->next)
			write_bucket_file(bucket, &position, chunk->data, chunk->used);
		bucket->memory_start = bucket->end;
	}
	release_all_chunks(bucket);
}

static void
spill_all(void)
{
	for (StreamBuffer *buffer = stream_buffers; buffer; buffer = buffer->next)
	{
		for (int i = 0; i < buffer->bucket_count; i++)
			spill_bucket(&buffer->buckets[i]);
	}
}

/*
 * Returns a chunk for at least size bytes.  If that would take more memory
 * than allowed, all items move to the files first.
 */
static ChangeChunk *
allocate_chunk(Size size)
{
	Size		 limit = (Size) setting_buffer_memory * 1024;
	ChangeChunk *chunk;

	if (spare_chunks == NULL && memory_used + size > limit)
		spill_all();
	if (spare_chunks != NULL && size <= spare_chunks->size)
	{
		chunk = spare_chunks;
		spare_chunks = chunk->next;
		return chunk;
	}
	while (spare_chunks != NULL && memory_used + size > limit)
	{
		chunk = spare_chunks;
		spare_chunks = chunk->next;
		free_chunk(chunk);
	}

	chunk = MemoryContextAllocHuge(TopTransactionContext,
								   offsetof(ChangeChunk, data) + size);
	if (size == LAST_CHUNK_SIZE)
		populate_memory(chunk, size);
	chunk->size = size;
	memory_used += size;
	return chunk;
}

static ChangeChunk *
add_chunk(ChangeBucket *bucket, Size needed)
{
	ChangeChunk *chunk;
	Size		 size = FIRST_CHUNK_SIZE;

	if (bucket->last_chunk != NULL)
		size = Min(bucket->last_chunk->size * 2, LAST_CHUNK_SIZE);
	size = Max(size, needed);

	chunk = allocate_chunk(size);
	chunk->next = NULL;
	chunk->start = bucket->end;
	chunk->used = 0;
	if (bucket->last_chunk != NULL)
		bucket->last_chunk->next = chunk;
	else
		bucket->first_chunk = chunk;
	bucket->last_chunk = chunk;
	return chunk;
}

/* Stamps the item that is about to be added with the subtransaction. */
static void
stamp_run(ChangeBucket *bucket)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (bucket->run_count > 0 &&
		bucket->runs[bucket->run_count - 1].subid == subid)
		return;

	if (bucket->run_count == bucket->run_capacity)
	{
		int capacity = Max(4, bucket->run_capacity * 2);

		if (bucket->runs == NULL)
			bucket->runs = MemoryContextAlloc(TopTransactionContext,
											  capacity * sizeof(ChangeRun));
		else
			bucket->runs = repalloc_huge(bucket->runs,
										 capacity * sizeof(ChangeRun));
		bucket->run_capacity = capacity;
	}
	bucket->runs[bucket->run_count].subid = subid;
	bucket->runs[bucket->run_count].start = bucket->end;
	bucket->run_count++;
}

ChangeItem *
change_buffer_reserve(ChangeBucket *bucket, Size size)
{
	Size		 length = CHANGE_ITEM_HEADER + MAXALIGN(size);
	ChangeChunk *chunk = bucket->last_chunk;
	ChangeItem	*item;

	if (chunk == NULL || chunk->size - chunk->used < length)
		chunk = add_chunk(bucket, length);
	item = (ChangeItem *) (chunk->data + chunk->used);
	item->units = length / MAXIMUM_ALIGNOF;
	return item;
}

void
change_buffer_commit(ChangeBucket *bucket, ChangeItem *item)
{
	stamp_run(bucket);
	bucket->last_chunk->used += CHANGE_ITEM_LENGTH(item);
	bucket->end += CHANGE_ITEM_LENGTH(item);
}

void
change_buffer_add_value(ChangeBucket *bucket, uint64 hash,
						const BufferedValue *value, const void *content,
						Size length)
{
	char		start[CHANGE_ITEM_HEADER + MAXALIGN(sizeof(BufferedValue))] = {0};
	ChangeItem	header;
	ChangeItem *item;

	if (content != NULL)
		bucket->has_values = true;
	else
		bucket->has_mentions = true;
	memcpy(start + CHANGE_ITEM_HEADER, value, sizeof(BufferedValue));
	length += MAXALIGN(sizeof(BufferedValue));
	if (length < LONG_VALUE)
	{
		item = change_buffer_reserve(bucket, length);
		memcpy((char *) item + CHANGE_ITEM_HEADER, value, sizeof(BufferedValue));
		if (content != NULL)
			memcpy((char *) item + CHANGE_ITEM_HEADER +
					   MAXALIGN(sizeof(BufferedValue)),
				   content, length - MAXALIGN(sizeof(BufferedValue)));
	}
	else
	{
		item = &header;
		item->units = (CHANGE_ITEM_HEADER + MAXALIGN(length)) / MAXIMUM_ALIGNOF;
	}
	item->hash = hash;
	item->ordinal = value->copy.ordinal;
	item->source = 0;
	item->has_key_hash = false;
	ItemPointerSetInvalid(&item->old_tid);
	ItemPointerSetInvalid(&item->new_tid);
	item->kind = ITEM_VALUE;
	item->is_reference = false;
	item->follows_remove = false;

	if (item != &header)
		change_buffer_commit(bucket, item);
	else
	{
		char   padding[MAXIMUM_ALIGNOF] = {0};
		uint64 position = bucket->end;

		memcpy(start, item, sizeof(ChangeItem));
		spill_bucket(bucket);
		open_bucket_file(bucket);
		write_bucket_file(bucket, &position, start, sizeof(start));
		write_bucket_file(bucket, &position, content,
						  length - MAXALIGN(sizeof(BufferedValue)));
		write_bucket_file(bucket, &position, padding, MAXALIGN(length) - length);
		stamp_run(bucket);
		bucket->end += CHANGE_ITEM_LENGTH(item);
		bucket->memory_start = bucket->end;
	}
}

void
change_buffer_scan_begin(ChangeScan *scan, ChangeBucket *bucket,
						 ChangeScanKind kind)
{
	memset(scan, 0, sizeof(ChangeScan));
	scan->kind = kind;
	scan->bucket = bucket;
	scan->chunk = bucket->first_chunk;
	scan->window_size = WINDOW_SIZE;
}

void
change_buffer_scan_end(ChangeScan *scan)
{
	if (scan->window != NULL)
		pfree(scan->window);
	scan->window = NULL;
}

/* Fills the window with length bytes of the file from a position. */
static void
read_window(ChangeScan *scan, uint64 position, Size length)
{
	if (scan->window_capacity < length)
	{
		if (scan->window != NULL)
			pfree(scan->window);
		scan->window = NULL;
		scan->window_capacity = 0;
		scan->window = MemoryContextAllocHuge(CurrentMemoryContext, length);
		scan->window_capacity = length;
	}
	scan->window_length = 0;
	for (Size done = 0; done < length;)
	{
		int got;

		errno = 0;
		got = FileRead(scan->bucket->file, scan->window + done,
					   Min(length - done, MaxAllocSize),
					   (off_t) (position + done), WAIT_EVENT_BUFFILE_READ);
		if (got <= 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read temporary file of the change buffer: %m")));
		done += got;
	}
	scan->window_start = position;
	scan->window_length = length;
}

static bool
window_holds(ChangeScan *scan, uint64 position, Size length)
{
	return position >= scan->window_start &&
		   position + length <= scan->window_start + scan->window_length;
}

/*
 * Returns the item that begins at a position in the file: at least its header
 * and, if whole, its body.  Returns NULL if the window had to be read anew for
 * that, and may_refill is false.
 */
static ChangeItem *
item_in_file(ChangeScan *scan, uint64 position, bool whole, bool may_refill)
{
	uint64		file_end = scan->bucket->memory_start;
	ChangeItem *item;

	if (!window_holds(scan, position, CHANGE_ITEM_HEADER))
	{
		if (!may_refill)
			return NULL;
		read_window(scan, position,
					Min(Max(scan->window_size, CHANGE_ITEM_HEADER),
						file_end - position));
	}
	item = (ChangeItem *) (scan->window + (position - scan->window_start));
	if (whole && !window_holds(scan, position, CHANGE_ITEM_LENGTH(item)))
	{
		if (!may_refill)
			return NULL;
		read_window(scan, position,
					Min(Max(scan->window_size, CHANGE_ITEM_LENGTH(item)),
						file_end - position));
		item = (ChangeItem *) scan->window;
	}
	return item;
}

static bool
scan_wants(const ChangeScan *scan, const ChangeItem *item)
{
	switch (scan->kind)
	{
		case SCAN_CHANGES:
			return item->kind == ITEM_CHANGE;
		case SCAN_VALUES:
			return item->kind == ITEM_VALUE;
		case SCAN_VERSIONS:
			return item->kind != ITEM_VALUE;
	}
	return false;
}

ChangeItem *
change_buffer_scan_next(ChangeScan *scan, bool may_refill)
{
	ChangeBucket *bucket = scan->bucket;

	while (scan->position < bucket->end)
	{
		ChangeItem *item;
		bool		wanted;

		if (scan->position < bucket->memory_start)
		{
			item = item_in_file(scan, scan->position, false, may_refill);
			if (item == NULL)
				return NULL;
			wanted = scan_wants(scan, item);
			if (wanted)
			{
				item = item_in_file(scan, scan->position, true, may_refill);
				if (item == NULL)
					return NULL;
			}
		}
		else
		{
			while (scan->position >= scan->chunk->start + scan->chunk->used)
				scan->chunk = scan->chunk->next;
			item = (ChangeItem *) (scan->chunk->data +
								   (scan->position - scan->chunk->start));
			wanted = scan_wants(scan, item);
		}
		scan->item_position = scan->position;
		scan->position += CHANGE_ITEM_LENGTH(item);
		if (wanted)
			return item;
	}
	return NULL;
}

ChangeItem *
change_buffer_item_at(ChangeScan *scan, uint64 position)
{
	ChangeChunk *chunk;

	if (position < scan->bucket->memory_start)
		return item_in_file(scan, position, true, true);
	chunk = scan->chunk;
	if (chunk == NULL || position < chunk->start)
		chunk = scan->bucket->first_chunk;
	while (position >= chunk->start + chunk->used)
		chunk = chunk->next;
	scan->chunk = chunk;
	return (ChangeItem *) (chunk->data + (position - chunk->start));
}

/* Drops all items of a bucket from a position on. */
static void
cut_bucket(ChangeBucket *bucket, uint64 position)
{
	if (position <= bucket->memory_start)
	{
		release_all_chunks(bucket);
		bucket->memory_start = position;
	}
	else
	{
		ChangeChunk *chunk = bucket->first_chunk;

		while (position > chunk->start + chunk->used)
			chunk = chunk->next;
		chunk->used = position - chunk->start;
		release_chunks(chunk->next);
		chunk->next = NULL;
		bucket->last_chunk = chunk;
	}
	bucket->end = position;
}

void
change_buffer_cut(SubTransactionId subid)
{
	for (StreamBuffer *buffer = stream_buffers; buffer; buffer = buffer->next)
	{
		for (int i = 0; i < buffer->bucket_count; i++)
		{
			ChangeBucket *bucket = &buffer->buckets[i];
			int			  run = bucket->run_count;

			while (run > 0 && bucket->runs[run - 1].subid >= subid)
				run--;
			if (run < bucket->run_count)
			{
				cut_bucket(bucket, bucket->runs[run].start);
				bucket->run_count = run;
			}
			/* The lock may have been the subtransaction's. */
			bucket->keeps_side_table = false;
		}
	}
}

/* Drops all of the buffer but the ordinals, which the side tables have. */
static void
reset_buffer(void)
{
	stream_buffers = NULL;
	memory_used = 0;
	spare_chunks = NULL;
	referred_bytes = 0;
	buffer_serial++;
}

void
change_buffer_close(void)
{
	for (StreamBuffer *buffer = stream_buffers; buffer; buffer = buffer->next)
	{
		for (int i = 0; i < buffer->bucket_count; i++)
		{
			if (buffer->buckets[i].file != NO_FILE)
				FileClose(buffer->buckets[i].file);
			buffer->buckets[i].file = NO_FILE;
			release_all_chunks(&buffer->buckets[i]);
		}
	}
	while (spare_chunks != NULL)
	{
		ChangeChunk *chunk = spare_chunks;

		spare_chunks = chunk->next;
		free_chunk(chunk);
	}
	change_source_close();
	reset_buffer();
}

/* The memory and the files go with the transaction's context and owner. */
void
change_buffer_forget(void)
{
	change_source_forget();
	reset_buffer();
	last_ordinal = 0;
}
