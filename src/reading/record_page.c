/*
 * record_page.c
 *	  One page of GetRecords: the records after an iterator, as JSON texts.
 *
 * A page has at most PAGE_MAX_RECORDS records and PAGE_MAX_BYTES by the
 * item-size rules.  The first record is returned whatever its size: a page has
 * one if there is one to read.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"

#include "base/errors.h"
#include "base/hex_digits.h"
#include "base/kept_memory.h"
#include "base/sequence_number.h"
#include "reading/iterator_position.h"
#include "reading/record_page.h"
#include "shard/horizon.h"
#include "shard/reader_slots.h"

/* Finds the region in the stream's ARN. */
static void
find_region(RecordPage *page)
{
	page->region = page->iterator->stream->arn + strlen("arn:aws:dynamodb:");
	page->region_length = (int) (strchr(page->region, ':') - page->region);
}

/*
 * The reader slot comes first: while a backend waits for one, it has opened
 * nothing.
 */
void
record_page_open(RecordPage *page, int64 position, ReaderKind kind,
				 Snapshot snapshot)
{
	ShardInfo *shard = page->iterator->shard;

	page->has_reader_slot = reader_slots_take(shard->shard_table, kind,
											  &page->reader_slot);
	page->reader = shard_reader_open(shard, snapshot, position);
	page->decoder = record_decoder_create(shard, snapshot);
	find_region(page);
	initStringInfo(&page->keys);
	initStringInfo(&page->old_image);
	initStringInfo(&page->new_image);
}

/* Opens a page whose records have iterators. */
static void
open_with_iterators(RecordPage *page, int64 position, ReaderKind kind,
					Snapshot snapshot)
{
	kept_memory_begin();
	record_page_open(page, position, kind, snapshot);
	iterator_writer_init(&page->writer, page->iterator->stream,
						 page->iterator->shard);
}

void
record_page_begin(RecordPage *page, const char *iterator, int max_records,
				  Snapshot snapshot)
{
	if (max_records < 1)
		error_constraint(psprintf("%d", max_records), "limit",
						 "have value greater than or equal to 1");
	if (max_records > PAGE_MAX_RECORDS)
		error_constraint(psprintf("%d", max_records), "limit",
						 "have value less than or equal to 1000");

	memset(page, 0, sizeof(RecordPage));
	page->iterator = iterator_parse(iterator, snapshot);
	page->max_records = max_records;
	page->horizon = horizon_of_shard_by_age(page->iterator->stream,
											page->iterator->shard);
	open_with_iterators(page, iterator_position_resolve(page->iterator, snapshot),
						READER_RAISES_ERROR, snapshot);
}

void
record_page_begin_at(RecordPage *page, StreamInfo *stream, ShardInfo *shard,
					 int64 position, int64 horizon, int max_records,
					 Snapshot snapshot)
{
	memset(page, 0, sizeof(RecordPage));
	page->iterator = palloc0(sizeof(ShardIterator));
	page->iterator->stream = stream;
	page->iterator->shard = shard;
	page->iterator->kind = ITERATOR_AFTER;
	page->iterator->position = position;
	page->max_records = max_records;
	page->horizon = horizon;
	open_with_iterators(page, position, READER_WAITS, snapshot);
}

void
record_page_decode_texts(RecordPage *page)
{
	resetStringInfo(&page->keys);
	resetStringInfo(&page->old_image);
	resetStringInfo(&page->new_image);
	page->size_bytes = 0;
	/* If there is no room for all large values, the new ones are shown. */
	if (page->decoder->has_new)
		page->size_bytes += record_decode_append_new_image(page->decoder,
														   &page->new_image);
	if (page->decoder->has_old)
		page->size_bytes += record_decode_append_old_image(page->decoder,
														   &page->old_image);
	/* The keys are copied from the image. */
	page->size_bytes += record_decode_append_keys(page->decoder, &page->keys);
}

/*
 * Raises an error if the present record has passed its retention.  The page's
 * horizon is that of age, which costs nothing; only a record below it makes it
 * worth while to look for unresolved records, which keep the horizon back.
 */
static void
check_horizon(RecordPage *page)
{
	if (page->record.number >= page->horizon)
		return;
	page->horizon = horizon_of_shard(page->iterator->stream, page->iterator->shard,
									 page->reader->snapshot);
	if (page->record.number < page->horizon)
		ereport(ERROR,
				(errcode(ERRCODE_TRIMMED_DATA_ACCESS),
				 errmsg("The data you are trying to access has been trimmed"),
				 errdetail("Record %s is older than the stream's retention.",
						   sequence_number_text(page->record.number)),
				 errhint("Get a new iterator at TRIM_HORIZON.")));
}

bool
record_page_next(RecordPage *page)
{
	int64 position = page->reader->position;

	if (page->is_done)
		return false;
	if (page->count >= page->max_records ||
		!shard_reader_next(page->reader, &page->record))
	{
		page->is_done = true;
		return false;
	}
	check_horizon(page);

	record_decode(page->decoder, &page->record);
	record_page_decode_texts(page);
	if (page->count > 0 && page->bytes + page->size_bytes > PAGE_MAX_BYTES)
	{
		/* This record begins the next page. */
		page->reader->position = position;
		page->is_done = true;
		return false;
	}
	page->count++;
	page->bytes += page->size_bytes;
	return true;
}

const char *
record_page_next_iterator(RecordPage *page)
{
	const ShardInfo *shard = page->iterator->shard;
	int64			 position = page->reader->position;

	if (!ShardIsOpen(shard) &&
		(page->reader->end == READER_AT_HEAP_END ||
		 position >= shard->ending_number))
		return NULL;
	if (page->count == 0 && page->iterator->kind == ITERATOR_AT_HORIZON)
		return iterator_writer_write(&page->writer, ITERATOR_AT_HORIZON, 0);
	return iterator_writer_write(&page->writer, ITERATOR_AFTER, position);
}

void
record_page_end(RecordPage *page)
{
	record_decoder_close(page->decoder);
	shard_reader_close(page->reader);
	if (page->has_reader_slot)
		reader_slots_release(&page->reader_slot);
}

/* Writes a number with sixteen hexadecimal digits. */
static void
put_hex(char *out, uint64 value)
{
	uint64 bytes = pg_hton64(value);

	(void) hex_digits_put(out, &bytes, sizeof(bytes));
}

/*
 * The id is a hash of the shard's id, database and number, which no other
 * shard in the world is likely to have, followed by the record's number.
 */
static void
make_shard_part(RecordPage *page)
{
	const ShardInfo *shard = page->iterator->shard;

	put_hex(page->shard_part,
			hash_bytes_extended((const unsigned char *) shard->shard_id,
								strlen(shard->shard_id),
								((uint64) MyDatabaseId << 32) ^ shard->shard_no));
	page->has_shard_part = true;
}

void
record_page_event_id(RecordPage *page, char *out)
{
	if (!page->has_shard_part)
		make_shard_part(page);
	memcpy(out, page->shard_part, sizeof(page->shard_part));
	put_hex(out + sizeof(page->shard_part), page->record.number);
}
