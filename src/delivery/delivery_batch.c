/*
 * delivery_batch.c
 *	  The records that a handler is called with.
 *
 * A batch is read forward from a number.  Records that belong to another lane,
 * or that the mapping's filter does not want, are passed over; the batch tells
 * how far it has come (through), so that the checkpoint can pass them too.
 *
 * The lane of a record is a hash of its key columns.  Equal keys must have
 * equal hashes although they are written in different ways (1.0 and 1.00): all
 * records of a key must be in one lane, because lanes run side by side.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/guarded_call.h"
#include "delivery/delivery.h"
#include "delivery/delivery_batch.h"
#include "delivery/delivery_call.h"
#include "reading/record_json.h"
#include "reading/record_page.h"
#include "shard/reader_slots.h"

/* An empty batch ends after so many records, so that the checkpoint moves. */
#define MAX_PASSED 20000

#define UNIX_EPOCH_USECS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

bool
delivery_batch_is_error_of_record(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return false;
		default:
			return true;
	}
}

TimestampTz
delivery_batch_window_start(int64 number, int64 window_usec)
{
	int64 since_epoch = NUMBER_TIME(number) + UNIX_EPOCH_USECS;

	return since_epoch - since_epoch % window_usec - UNIX_EPOCH_USECS;
}

/*
 * Hashes the value of a key column: by the hash function of its type if there
 * is one, else by its bytes.
 */
static uint64
hash_key_value(RecordDecoder *decoder, const RowColumn *column, Datum value, int attlen)
{
	if (attlen == -1)
		value = record_decoder_value(decoder, value);
	if (column->form == COLUMN_RAW)
	{
		TypeCacheEntry *type = lookup_type_cache(column->type,
												 TYPECACHE_HASH_EXTENDED_PROC_FINFO);

		if (OidIsValid(type->hash_extended_proc_finfo.fn_oid))
			return DatumGetUInt64(FunctionCall2Coll(&type->hash_extended_proc_finfo,
													C_COLLATION_OID, value,
													UInt64GetDatum(0)));
	}
	if (attlen != -1)
		return 0;
	return hash_bytes_extended((unsigned char *) VARDATA_ANY(DatumGetPointer(value)),
							   VARSIZE_ANY_EXHDR(DatumGetPointer(value)), 0);
}

/* Returns the lane of the record that the decoder has decoded. */
static int
lane_of_record(RecordDecoder *decoder, int lanes)
{
	const RowDescriptor *descriptor = decoder->descriptor;
	MemoryContext		 oldcontext = MemoryContextSwitchTo(decoder->context);
	uint64				 hash = 0;

	for (int k = 0; k < descriptor->key_count; k++)
	{
		int i = descriptor->key_attnums[k] - 1;

		if (!decoder->keyed->nulls[i])
			hash = hash_combine64(hash,
								  hash_key_value(decoder, &descriptor->columns[i],
												 decoder->keyed->values[i],
												 TupleDescAttr(descriptor->stored_desc, i)->attlen));
	}
	MemoryContextSwitchTo(oldcontext);
	return hash % lanes;
}

/*
 * Sets up the parts of a page that reading and record_json need; the batch
 * does without an iterator's position and a page's limits.
 *
 * If records are to be decoded in subtransactions, the side table is opened
 * here: the end of a subtransaction closes what was opened in it, and the
 * decoder keeps the table open for the records that follow.
 */
static void
open_page(RecordPage *page, const BatchRequest *request, Snapshot snapshot)
{
	memset(page, 0, sizeof(RecordPage));
	page->iterator = palloc0(sizeof(ShardIterator));
	page->iterator->stream = unconstify(StreamInfo *, request->stream);
	page->iterator->shard = unconstify(ShardInfo *, request->shard);
	record_page_open(page, request->after, READER_DELIVERS, snapshot);
	if (request->careful_to > 0)
		page->decoder->side = try_relation_open(request->shard->side_table,
												AccessShareLock);
}

/* Appends the page's present record as an element of Records. */
static void
append_record(StringInfo buf, const BatchRequest *request, RecordPage *page)
{
	appendStringInfoChar(buf, '{');
	record_json_append_members(buf, page, RECORD_OF_EVENT);
	appendStringInfoString(buf, ",\"eventSourceARN\":\"");
	appendStringInfoString(buf, request->mapping->event_source_arn);
	appendStringInfoString(buf, "\"}");
}

/*
 * Does the filter let the page's present record through?  The record has been
 * decoded.  If its texts were needed to decide, they are there: *has_texts.
 */
static bool
is_wanted(const BatchRequest *request, RecordPage *page, bool *has_texts)
{
	const char	  *event = record_decode_event_name(page->decoder->event);
	FilterVerdict  verdict;
	MemoryContext  oldcontext;
	StringInfoData text;

	*has_texts = false;
	if (request->filter == NULL)
		return true;
	verdict = filter_set_pretest(request->filter, event);
	if (verdict != FILTER_MAYBE)
		return verdict == FILTER_YES;

	/* This context is reset with the next record. */
	oldcontext = MemoryContextSwitchTo(page->decoder->context);
	initStringInfo(&text);
	(void) record_decode_append_keys(page->decoder, &text);
	verdict = filter_set_pretest_keys(request->filter, event, delivery_call_json(text.data));
	if (verdict == FILTER_MAYBE)
	{
		record_page_decode_texts(page);
		*has_texts = true;
		resetStringInfo(&text);
		append_record(&text, request, page);
		verdict = filter_set_matches(request->filter, delivery_call_json(text.data)) ?
					  FILTER_YES :
					  FILTER_NO;
	}
	MemoryContextSwitchTo(oldcontext);
	return verdict == FILTER_YES;
}

/*
 * Adds the page's present record if it is wanted.  Returns false if it is
 * wanted and there is no room for it.
 */
static bool
add_if_wanted(DeliveryBatch *batch, const BatchRequest *request, RecordPage *page)
{
	int	 length = batch->records.len;
	bool has_texts;

	record_decode(page->decoder, &page->record);
	if (request->lanes > 1 &&
		lane_of_record(page->decoder, request->lanes) != request->lane)
		return true;
	if (!is_wanted(request, page, &has_texts))
	{
		batch->filtered++;
		return true;
	}
	if (!request->count_only)
	{
		if (!has_texts)
			record_page_decode_texts(page);
		if (batch->count > 0)
			appendStringInfoChar(&batch->records, ',');
		append_record(&batch->records, request, page);
		if (batch->records.len > DELIVERY_MAX_PAYLOAD && batch->count > 0)
		{
			batch->records.len = length;
			batch->records.data[length] = '\0';
			return false;
		}
		batch->numbers[batch->count] = page->record.number;
	}
	batch->count++;
	return true;
}

/* What is done with the page's present record in a subtransaction */
typedef struct CarefulWork
{
	DeliveryBatch	   *batch;
	const BatchRequest *request;
	RecordPage		   *page;
	bool				added; /* the result of add_if_wanted */
	int					lane;  /* the record's */
} CarefulWork;

static void
add_in_subtransaction(void *argument)
{
	CarefulWork *work = argument;

	work->added = add_if_wanted(work->batch, work->request, work->page);
}

static void
find_lane_in_subtransaction(void *argument)
{
	CarefulWork *work = argument;

	record_decode(work->page->decoder, &work->page->record);
	work->lane = lane_of_record(work->page->decoder, work->request->lanes);
}

/* Runs a function in a subtransaction, and returns its error, or NULL. */
static ErrorData *
run_carefully(GuardedFunction function, CarefulWork *work)
{
	ErrorData *error = guarded_call_error(function, work);

	if (error != NULL && !delivery_batch_is_error_of_record(error))
		ReThrowError(error);
	return error;
}

/*
 * Does the page's present record, which cannot be read, belong to the lane of
 * the batch?  The first lane has those of which that cannot be found out.
 */
static bool
is_in_lane(CarefulWork *work)
{
	ErrorData *error = NULL;

	if (work->request->lanes > 1)
		error = run_carefully(find_lane_in_subtransaction, work);
	else
		work->lane = work->request->lane;
	if (error != NULL)
	{
		work->lane = 0;
		FreeErrorData(error);
	}
	return work->lane == work->request->lane;
}

/*
 * Makes a batch of the page's present record alone, without its keys and
 * images.  What event it is, record_decode has found out before it failed.
 */
static void
add_bare(CarefulWork *work, ErrorData *error)
{
	DeliveryBatch *batch = work->batch;
	RecordPage	  *page = work->page;

	resetStringInfo(&page->keys);
	appendStringInfoString(&page->keys, "{}");
	resetStringInfo(&page->old_image);
	resetStringInfo(&page->new_image);
	page->size_bytes = 0;
	append_record(&batch->records, work->request, page);
	batch->numbers[batch->count++] = page->record.number;
	batch->error = error;
}

/*
 * Adds the page's present record if it is wanted.  Returns false if the batch
 * ends before it.
 */
static bool
add_next_record(DeliveryBatch *batch, const BatchRequest *request, RecordPage *page)
{
	CarefulWork work = {batch, request, page};
	int			length = batch->records.len;
	ErrorData  *error;

	if (page->record.number > request->careful_to)
	{
		batch->reading = page->record.number;
		work.added = add_if_wanted(batch, request, page);
		batch->reading = 0;
		return work.added;
	}
	error = run_carefully(add_in_subtransaction, &work);
	if (error == NULL)
		return work.added;
	batch->records.len = length;
	batch->records.data[length] = '\0';
	if (request->count_only)
	{
		FreeErrorData(error);
		batch->count += is_in_lane(&work);
		return true;
	}
	if (batch->count > 0)
	{
		FreeErrorData(error);
		return false;
	}
	if (is_in_lane(&work))
		add_bare(&work, error);
	else
		FreeErrorData(error);
	return true;
}

void
delivery_batch_read(DeliveryBatch *batch, const BatchRequest *request,
					Snapshot snapshot)
{
	int64	   last = request->last;
	BatchEnd   end_at_last = BATCH_AT_LAST;
	int64	   read = 0;
	RecordPage page;

	memset(batch, 0, sizeof(DeliveryBatch));
	batch->through = request->after;
	initStringInfo(&batch->records);
	if (!request->count_only)
		batch->numbers = palloc(request->max_records * sizeof(int64));

	open_page(&page, request, snapshot);
	for (;;)
	{
		if (batch->count == request->max_records)
		{
			batch->end = BATCH_FULL;
			break;
		}
		if (batch->count == 0 && read++ == MAX_PASSED && !request->count_only)
		{
			batch->end = BATCH_PASSED_MANY;
			break;
		}
		if (!shard_reader_next(page.reader, &page.record))
		{
			batch->end = page.reader->end == READER_AT_HEAP_END ?
							 BATCH_AT_HEAP_END :
							 BATCH_AT_UNRESOLVED;
			break;
		}
		if (page.record.number > last)
		{
			batch->end = end_at_last;
			batch->through = last;
			break;
		}
		if (!add_next_record(batch, request, &page))
		{
			batch->end = BATCH_FULL;
			break;
		}
		batch->through = page.record.number;
		if (batch->error != NULL)
		{
			batch->end = BATCH_FULL;
			break;
		}
		if (batch->count == 1 && request->window_usec > 0 && end_at_last == BATCH_AT_LAST)
		{
			TimestampTz window_end = delivery_batch_window_start(page.record.number,
																 request->window_usec) +
									 request->window_usec;

			if (NUMBER_AT_TIME(window_end) - 1 < last)
			{
				last = NUMBER_AT_TIME(window_end) - 1;
				end_at_last = BATCH_AT_WINDOW;
			}
		}
	}
	record_page_end(&page);
	/* Its last record may be the one that it had to end at. */
	if (batch->end != BATCH_AT_LAST && batch->through >= request->last)
		batch->end = BATCH_AT_LAST;
}
