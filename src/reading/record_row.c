/*
 * record_row.c
 *	  A record as a row: the columns of get_records.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/sequence_number.h"
#include "reading/record_row.h"
#include "registry/stream_catalog.h"

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

StaticAssertDecl(OUT_COUNT == RECORD_ROW_COLUMNS, "columns of get_records");

static Datum
text_of(StringInfo buf)
{
	return PointerGetDatum(cstring_to_text_with_len(buf->data, buf->len));
}

static Datum
identity_of(const RecordDecoder *decoder)
{
	StringInfoData buf;

	initStringInfo(&buf);
	record_decode_append_identity(decoder, &buf, "type", "principalId");
	return text_of(&buf);
}

void
record_row_begin(RecordRow *row, const RecordPage *page)
{
	const StreamInfo *stream = page->iterator->stream;
	int				  region_length;
	const char		 *region = record_page_region(stream, &region_length);

	row->version = CStringGetTextDatum("1.1");
	row->source = CStringGetTextDatum("aws:dynamodb");
	row->region = PointerGetDatum(cstring_to_text_with_len(region, region_length));
	row->view_type = CStringGetTextDatum(view_type_name(stream->view_type));
}

void
record_row_fill(const RecordRow *row, RecordPage *page, Datum *values, bool *nulls)
{
	const ShardRecord *record = &page->record;
	const char		  *next_iterator = record_page_next_iterator(page);
	char			   event_id[EVENT_ID_LENGTH];
	char			   number[NUMBER_DIGITS];

	memset(nulls, false, RECORD_ROW_COLUMNS * sizeof(bool));
	record_page_event_id(page, event_id);
	sequence_number_write(record->number, number);
	values[OUT_EVENT_ID] =
		PointerGetDatum(cstring_to_text_with_len(event_id, EVENT_ID_LENGTH));
	values[OUT_EVENT_NAME] =
		CStringGetTextDatum(record_decode_event_name(page->decoder->event));
	values[OUT_EVENT_VERSION] = row->version;
	values[OUT_EVENT_SOURCE] = row->source;
	values[OUT_AWS_REGION] = row->region;
	values[OUT_CREATION_TIME] = TimestampTzGetDatum(NUMBER_TIME(record->number));
	values[OUT_KEYS] = text_of(&page->keys);
	nulls[OUT_NEW_IMAGE] = page->new_image.len == 0;
	values[OUT_NEW_IMAGE] = nulls[OUT_NEW_IMAGE] ? (Datum) 0 : text_of(&page->new_image);
	nulls[OUT_OLD_IMAGE] = page->old_image.len == 0;
	values[OUT_OLD_IMAGE] = nulls[OUT_OLD_IMAGE] ? (Datum) 0 : text_of(&page->old_image);
	values[OUT_SEQUENCE_NUMBER] =
		PointerGetDatum(cstring_to_text_with_len(number, NUMBER_DIGITS));
	values[OUT_SIZE_BYTES] = Int64GetDatum(page->size_bytes);
	values[OUT_VIEW_TYPE] = row->view_type;
	nulls[OUT_USER_IDENTITY] = page->decoder->identity == NULL;
	values[OUT_USER_IDENTITY] = nulls[OUT_USER_IDENTITY] ? (Datum) 0 :
														   identity_of(page->decoder);
	values[OUT_TRANSACTION_ID] = UInt64GetDatum(record->data->transaction_id);
	nulls[OUT_NEXT_ITERATOR] = next_iterator == NULL;
	values[OUT_NEXT_ITERATOR] = nulls[OUT_NEXT_ITERATOR] ? (Datum) 0 :
														   CStringGetTextDatum(next_iterator);
}
