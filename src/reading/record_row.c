/*
 * record_row.c
 *	  A record as a row: the columns of get_records.
 *
 * The row is written as the tuple that it becomes, column by column and
 * without datums, which would be allocated, filled and copied one by one.  Its
 * columns are what the functions in the install script declare.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/timestamp.h"

#include "base/sequence_number.h"
#include "reading/record_row.h"
#include "registry/stream_catalog.h"

/* The columns behind the shard id */
#define COLUMNS 15

/* Of all rows, with room for the bits of nulls */
#define TUPLE_HOFF MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(COLUMNS + 1))

/* What all columns take, but for texts without a limit */
#define FIXED_LENGTH 1024

/* The column that is written next */
typedef struct RowWriter
{
	HeapTupleHeader header;
	char		   *out;
	int				column;
} RowWriter;

static inline void
align_to(RowWriter *writer, int alignment)
{
	while ((writer->out - (char *) writer->header) % alignment != 0)
		*writer->out++ = '\0';
}

static inline void
begin_column(RowWriter *writer)
{
	writer->header->t_bits[writer->column >> 3] |= 1 << (writer->column & 7);
	writer->column++;
}

static inline void
put_null(RowWriter *writer)
{
	writer->column++;
}

/* Writes a text, or json. */
static inline void
put_text(RowWriter *writer, const char *text, Size length)
{
	begin_column(writer);
	if (length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(writer->out, length + VARHDRSZ_SHORT);
		writer->out += VARHDRSZ_SHORT;
	}
	else
	{
		align_to(writer, ALIGNOF_INT);
		SET_VARSIZE(writer->out, length + VARHDRSZ);
		writer->out += VARHDRSZ;
	}
	memcpy(writer->out, text, length);
	writer->out += length;
}

#define put_literal(writer, literal) \
	put_text(writer, "" literal, sizeof(literal) - 1)

static inline void
put_cstring(RowWriter *writer, const char *text)
{
	put_text(writer, text, strlen(text));
}

/* Writes an image, which is empty if there is none. */
static inline void
put_image(RowWriter *writer, const StringInfoData *image)
{
	if (image->len == 0)
		put_null(writer);
	else
		put_text(writer, image->data, image->len);
}

/* Writes a value of eight bytes. */
static inline void
put_int64(RowWriter *writer, int64 value)
{
	begin_column(writer);
	align_to(writer, ALIGNOF_DOUBLE);
	memcpy(writer->out, &value, sizeof(value));
	writer->out += sizeof(value);
}

/* Returns the identity as JSON, or an empty text. */
static StringInfoData
identity_of(const RecordDecoder *decoder)
{
	StringInfoData buf = {.data = NULL, .len = 0};

	if (decoder->identity != NULL)
	{
		initStringInfo(&buf);
		record_decode_append_identity(decoder, &buf, "type", "principalId");
	}
	return buf;
}

void
record_row_begin(RecordRow *row, RecordPage *page, const char *shard_id)
{
	row->page = page;
	row->shard_id = shard_id;
	initStringInfo(&row->tuple);
}

/* Begins the row's tuple, with room for all that follows. */
static RowWriter
begin_row(RecordRow *row, Size length)
{
	RowWriter writer = {.column = 0};

	resetStringInfo(&row->tuple);
	enlargeStringInfo(&row->tuple, (int) (TUPLE_HOFF + FIXED_LENGTH + length));
	memset(row->tuple.data, 0, TUPLE_HOFF);
	writer.header = (HeapTupleHeader) row->tuple.data;
	writer.header->t_hoff = TUPLE_HOFF;
	writer.header->t_infomask = HEAP_HASVARWIDTH | HEAP_HASNULL;
	HeapTupleHeaderSetNatts(writer.header, COLUMNS + (row->shard_id != NULL));
	writer.out = row->tuple.data + TUPLE_HOFF;
	return writer;
}

void
record_row_put(RecordRow *row, Tuplestorestate *store)
{
	RecordPage		  *page = row->page;
	const ShardRecord *record = &page->record;
	const StreamInfo  *stream = page->iterator->stream;
	const char		  *next_iterator = record_page_next_iterator(page);
	Size			   iterator_length = next_iterator == NULL ? 0 : page->writer.text.len;
	StringInfoData	   identity = identity_of(page->decoder);
	char			   event_id[EVENT_ID_LENGTH];
	char			   number[NUMBER_DIGITS];
	RowWriter		   writer;
	HeapTupleData	   tuple;

	record_page_event_id(page, event_id);
	sequence_number_write(record->number, number);

	writer = begin_row(row, (Size) page->keys.len + page->new_image.len +
								page->old_image.len + identity.len +
								page->region_length + iterator_length);
	if (row->shard_id != NULL)
		put_cstring(&writer, row->shard_id);
	put_text(&writer, event_id, EVENT_ID_LENGTH);
	put_cstring(&writer, record_decode_event_name(page->decoder->event));
	put_literal(&writer, "1.1");
	put_literal(&writer, "aws:dynamodb");
	put_text(&writer, page->region, page->region_length);
	put_int64(&writer, NUMBER_TIME(record->number));
	put_text(&writer, page->keys.data, page->keys.len);
	put_image(&writer, &page->new_image);
	put_image(&writer, &page->old_image);
	put_text(&writer, number, NUMBER_DIGITS);
	put_int64(&writer, page->size_bytes);
	put_cstring(&writer, view_type_name(stream->view_type));
	put_image(&writer, &identity);
	put_int64(&writer, (int64) record->transaction_id);
	if (next_iterator == NULL)
		put_null(&writer);
	else
		put_text(&writer, next_iterator, iterator_length);

	row->tuple.len = writer.out - row->tuple.data;
	Assert(row->tuple.len < row->tuple.maxlen);
	Assert(writer.column == (int) HeapTupleHeaderGetNatts(writer.header));
	tuple.t_len = row->tuple.len;
	tuple.t_data = writer.header;
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuplestore_puttuple(store, &tuple);
	if (identity.data != NULL)
		pfree(identity.data);
}
