/*
 * records_sql.c
 *	  The SQL functions that read records by iterators.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "iterator_position.h"
#include "record_page.h"
#include "stream_access.h"
#include "stream_time.h"

PG_FUNCTION_INFO_V1(ddbstreams_get_shard_iterator);
PG_FUNCTION_INFO_V1(ddbstreams_next_shard_iterator);
PG_FUNCTION_INFO_V1(ddbstreams_get_records);

enum
{
	OUT_EVENT_ID,
	OUT_EVENT_NAME,
	OUT_EVENT_VERSION,
	OUT_EVENT_SOURCE,
	OUT_AWS_REGION,
	OUT_CREATION_TIME,
	OUT_KEYS,
	OUT_NEW_IMAGE,
	OUT_OLD_IMAGE,
	OUT_SEQUENCE_NUMBER,
	OUT_SIZE_BYTES,
	OUT_VIEW_TYPE,
	OUT_USER_IDENTITY,
	OUT_TRANSACTION_ID,
	OUT_NEXT_ITERATOR,
	OUT_COUNT
};

/*
 * get_shard_iterator(stream_arn text, shard_id text, shard_iterator_type text,
 *					  sequence_number text, at timestamptz) returns text
 */
Datum
ddbstreams_get_shard_iterator(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = GetActiveSnapshot();
	StreamInfo *stream;
	ShardInfo  *shard;
	TimestampTz at = 0;
	const char *iterator;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	if (PG_ARGISNULL(1))
		error_null_argument("shardId");
	if (PG_ARGISNULL(2))
		error_null_argument("shardIteratorType");
	if (!PG_ARGISNULL(4))
		at = PG_GETARG_TIMESTAMPTZ(4);

	stream = stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)), snapshot);
	shard = stream_access_shard(stream, text_to_cstring(PG_GETARG_TEXT_PP(1)),
								snapshot);
	iterator = iterator_for_type(stream, shard,
								 text_to_cstring(PG_GETARG_TEXT_PP(2)),
								 PG_ARGISNULL(3) ? NULL :
												   text_to_cstring(PG_GETARG_TEXT_PP(3)),
								 PG_ARGISNULL(4) ? NULL : &at, true, snapshot);
	PG_RETURN_TEXT_P(cstring_to_text(iterator));
}

/*
 * next_shard_iterator(shard_iterator text) returns text
 *
 * The same position, issued now; null at the end of a closed shard.
 */
Datum
ddbstreams_next_shard_iterator(PG_FUNCTION_ARGS)
{
	ShardIterator *iterator;
	IteratorWriter writer;
	const char	  *written;
	bool		   at_end;

	if (PG_ARGISNULL(0))
		error_null_argument("shardIterator");
	iterator = iterator_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  GetActiveSnapshot());
	at_end = !ShardIsOpen(iterator->shard);
	if (at_end)
	{
		ShardReader *reader = shard_reader_open(iterator->shard,
												GetActiveSnapshot(),
												iterator_start(iterator,
															   GetActiveSnapshot()));
		ShardRecord	 record;

		at_end = !shard_reader_next(reader, &record) &&
				 reader->end == READER_AT_HEAP_END;
		shard_reader_close(reader);
	}
	if (at_end)
		PG_RETURN_NULL();
	iterator_writer(&writer, iterator->stream, iterator->shard);
	written = iterator_write(&writer, iterator->kind, iterator->position);
	iterator_writer_end(&writer);
	PG_RETURN_TEXT_P(cstring_to_text(written));
}

static Datum
text_of(StringInfo buf)
{
	return PointerGetDatum(cstring_to_text_with_len(buf->data, buf->len));
}

/* What all rows of a call share */
typedef struct ConstantColumns
{
	Datum version;
	Datum source;
	Datum region;
	Datum view_type;
} ConstantColumns;

static void
fill_row(RecordPage *page, const ConstantColumns *constants, Datum *values,
		 bool *nulls)
{
	const ShardRecord *record = &page->record;
	const char		  *next_iterator = record_page_next_iterator(page);
	char			   event_id[EVENT_ID_LENGTH];
	char			   number[NUMBER_DIGITS];

	record_event_id(page->iterator->shard, record->number, event_id);
	sequence_number_write(record->number, number);
	values[OUT_EVENT_ID] =
		PointerGetDatum(cstring_to_text_with_len(event_id, EVENT_ID_LENGTH));
	values[OUT_EVENT_NAME] =
		CStringGetTextDatum(record_event_name(page->decoder->event));
	values[OUT_EVENT_VERSION] = constants->version;
	values[OUT_EVENT_SOURCE] = constants->source;
	values[OUT_AWS_REGION] = constants->region;
	values[OUT_CREATION_TIME] = TimestampTzGetDatum(NUMBER_TIME(record->number));
	values[OUT_KEYS] = text_of(&page->keys);
	nulls[OUT_NEW_IMAGE] = page->new_image.len == 0;
	values[OUT_NEW_IMAGE] = nulls[OUT_NEW_IMAGE] ? (Datum) 0 : text_of(&page->new_image);
	nulls[OUT_OLD_IMAGE] = page->old_image.len == 0;
	values[OUT_OLD_IMAGE] = nulls[OUT_OLD_IMAGE] ? (Datum) 0 : text_of(&page->old_image);
	values[OUT_SEQUENCE_NUMBER] =
		PointerGetDatum(cstring_to_text_with_len(number, NUMBER_DIGITS));
	values[OUT_SIZE_BYTES] = Int64GetDatum(page->size_bytes);
	values[OUT_VIEW_TYPE] = constants->view_type;
	nulls[OUT_USER_IDENTITY] = true;
	values[OUT_TRANSACTION_ID] = UInt64GetDatum(record->data->transaction_id);
	nulls[OUT_NEXT_ITERATOR] = next_iterator == NULL;
	values[OUT_NEXT_ITERATOR] = nulls[OUT_NEXT_ITERATOR] ? (Datum) 0 :
														   CStringGetTextDatum(next_iterator);
}

/*
 * get_records(shard_iterator text, max_records int) returns setof record
 */
Datum
ddbstreams_get_records(PG_FUNCTION_ARGS)
{
	ReturnSetInfo  *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RecordPage		page;
	ConstantColumns constants;
	const char	   *region;
	int				region_length;
	MemoryContext	row_context;
	MemoryContext	oldcontext;

	if (PG_ARGISNULL(0))
		error_null_argument("shardIterator");
	if (PG_ARGISNULL(1))
		error_null_argument("limit");
	InitMaterializedSRF(fcinfo, 0);

	record_page_begin(&page, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  PG_GETARG_INT32(1), GetActiveSnapshot());
	constants.version = CStringGetTextDatum("1.1");
	constants.source = CStringGetTextDatum("aws:dynamodb");
	region = record_region(page.iterator->stream, &region_length);
	constants.region = PointerGetDatum(cstring_to_text_with_len(region, region_length));
	constants.view_type =
		CStringGetTextDatum(view_type_name(page.iterator->stream->view_type));

	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"ddbstreams get_records row",
										ALLOCSET_DEFAULT_SIZES);
	while (record_page_next(&page))
	{
		Datum values[OUT_COUNT];
		bool  nulls[OUT_COUNT] = {false};

		oldcontext = MemoryContextSwitchTo(row_context);
		fill_row(&page, &constants, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(row_context);
	}
	record_page_end(&page);
	return (Datum) 0;
}
