/*
 * record_decode.c
 *	  From a record back to the row's values, and to typed JSON.
 *
 * Nothing here looks at the stream's table: the row descriptor tells all that
 * is needed.  Values point into the reader's copy of the page; large ones are
 * fetched from the side table when they are asked for.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/relation.h"
#include "access/tupmacs.h"
#include "utils/memutils.h"

#include "shard/record_decode.h"
#include "shard/side_table.h"
#include "typed_json/rendered_value.h"
#include "typed_json/typed_json.h"

/*
 * What both images of a record may take as jsonb, which is what handlers,
 * filters and failed batches get them as.  A container of jsonb has less than
 * 256 MB; the rest is for the key and for what stands around the images.
 */
#define IMAGES_LIMIT ((Size) 248 * 1024 * 1024)

/* What jsonb takes, at most, beside the text */
#define ENTRY_SIZE	   4 /* of each string, literal and container */
#define CONTAINER_SIZE 7 /* a header, and padding */

/* The size of a container with a text of this length is not looked at. */
#define SMALL_LENGTH (1024 * 1024)

/* No container takes more than this times its text. */
#define MAX_GROWTH 3

/* A value whose text is not longer is shown, whatever the room is. */
#define MARKER_LENGTH 1024

/* Called when a decoder's memory is freed, be it after an error */
static void
unpin_descriptor(void *argument)
{
	RecordDecoder *decoder = argument;

	if (decoder->stored != NULL)
		row_descriptor_unpin(decoder->stored);
	decoder->stored = NULL;
	decoder->descriptor = NULL;
}

RecordDecoder *
record_decoder_create(const ShardInfo *shard, Snapshot snapshot)
{
	MemoryContext		   own_context = AllocSetContextCreate(CurrentMemoryContext,
															   "ddbstreams decoder",
															   ALLOCSET_SMALL_SIZES);
	RecordDecoder		  *decoder = MemoryContextAllocZero(own_context,
															sizeof(RecordDecoder));
	MemoryContextCallback *callback = MemoryContextAlloc(own_context,
														 sizeof(MemoryContextCallback));

	decoder->shard = shard;
	decoder->snapshot = snapshot;
	decoder->is_quick = quick_value_is_usable();
	decoder->own_context = own_context;
	decoder->context = AllocSetContextCreate(own_context, "ddbstreams record",
											 ALLOCSET_DEFAULT_SIZES);
	callback->func = unpin_descriptor;
	callback->arg = decoder;
	MemoryContextRegisterResetCallback(own_context, callback);
	return decoder;
}

void
record_decoder_close(RecordDecoder *decoder)
{
	if (decoder->side != NULL)
		relation_close(decoder->side, AccessShareLock);
	MemoryContextDelete(decoder->own_context);
}

/*
 * Reads a value from the side table, in the current memory context.  A
 * transaction of 0 is the record's.
 */
static Datum
fetch_aside(RecordDecoder *decoder, uint64 transaction_id, uint32 ordinal)
{
	if (decoder->side == NULL)
		decoder->side = relation_open(decoder->shard->side_table, AccessShareLock);
	return side_table_fetch(decoder->side,
							transaction_id != 0 ? transaction_id : decoder->transaction_id,
							ordinal, decoder->snapshot);
}

Datum
record_decoder_value(RecordDecoder *decoder, Datum value)
{
	MemoryContext oldcontext;

	if (!VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		return value;
	oldcontext = MemoryContextSwitchTo(decoder->context);
	value = fetch_aside(decoder, side_table_reference_transaction(value),
						side_table_reference_ordinal(value));
	MemoryContextSwitchTo(oldcontext);
	return value;
}

static bool
bit_is_set(const uint8 *bits, int i)
{
	return (bits[i >> 3] & (1 << (i & 7))) != 0;
}

/* Makes room for the values of the descriptor's columns. */
static void
make_arrays(RecordDecoder *decoder)
{
	int natts = decoder->descriptor->natts;

	if (decoder->array_room >= natts)
		return;
	for (int i = 0; i < (int) lengthof(decoder->arrays); i++)
	{
		DecodedImage *image = &decoder->arrays[i];

		image->values = MemoryContextAlloc(decoder->own_context, natts * sizeof(Datum));
		image->nulls = MemoryContextAlloc(decoder->own_context, natts * sizeof(bool));
	}
	decoder->shown = MemoryContextAlloc(decoder->own_context, natts * sizeof(ShownColumn));
	decoder->array_room = natts;
}

/*
 * Finds the values in an image's bytes, as heap_deform_tuple does in a tuple.
 * The image has its arrays.
 */
static void
deform_image(RecordDecoder *decoder, const char *bytes, bool has_nulls,
			 bool is_delta, DecodedImage *image)
{
	int			 natts = decoder->descriptor->natts;
	Size		 one = BITMAPLEN(natts);
	const uint8 *same = is_delta ? (const uint8 *) bytes : NULL;
	const uint8 *not_null = has_nulls ?
								(const uint8 *) bytes + (is_delta ? one : 0) :
								NULL;
	const char	*data = bytes + MAXALIGN((is_delta ? one : 0) + (has_nulls ? one : 0));
	Size		 offset = 0;

	if (is_delta)
		decoder->same = same;
	for (int i = 0; i < natts; i++)
	{
		const RowColumn *column = &decoder->descriptor->columns[i];

		if (same != NULL && bit_is_set(same, i))
		{
			image->values[i] = decoder->old.values[i];
			image->nulls[i] = decoder->old.nulls[i];
			continue;
		}
		if (not_null != NULL && !bit_is_set(not_null, i))
		{
			image->values[i] = (Datum) 0;
			image->nulls[i] = true;
			continue;
		}
		image->nulls[i] = false;
		if (column->attlen == -1)
		{
			/* No padding byte begins a short header, which is unaligned. */
			if (!VARATT_NOT_PAD_BYTE(data + offset))
				offset = TYPEALIGN(column->alignment, offset);
			image->values[i] = PointerGetDatum(data + offset);
			offset += VARSIZE_ANY(data + offset);
		}
		else
		{
			offset = TYPEALIGN(column->alignment, offset);
			image->values[i] = fetch_att(data + offset, column->attbyval, column->attlen);
			offset = att_addlength_pointer(offset, column->attlen, data + offset);
		}
	}
}

static void
decode_image(RecordDecoder *decoder, const char *bytes, bool is_aside,
			 bool has_nulls, bool is_delta, DecodedImage *image)
{
	if (is_aside)
	{
		uint32 ordinal;
		bytea *stored;
		char  *aligned;

		memcpy(&ordinal, bytes, sizeof(ordinal));
		stored = (bytea *) detoast_attr((struct varlena *)
											DatumGetPointer(fetch_aside(decoder, 0, ordinal)));
		aligned = palloc(VARSIZE_ANY_EXHDR(stored));
		memcpy(aligned, VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored));
		bytes = aligned;
	}
	deform_image(decoder, bytes, has_nulls, is_delta, image);
}

/* Finds the identity, if there is one; returns where the images begin. */
static const char *
decode_identity(RecordDecoder *decoder, const ShardRecord *record)
{
	const RecordIdentity *identity = (const RecordIdentity *) record->images;

	decoder->identity = NULL;
	if (!(record->event & RECORD_HAS_IDENTITY))
		return record->images;
	decoder->identity = identity->text;
	decoder->identity_length = identity->length;
	return record->images + RECORD_IDENTITY_SIZE(identity->length);
}

void
record_decode(RecordDecoder *decoder, const ShardRecord *record)
{
	const char	 *images = decode_identity(decoder, record);
	uint8		  flags = record->flags;
	MemoryContext oldcontext;

	MemoryContextReset(decoder->context);
	oldcontext = MemoryContextSwitchTo(decoder->context);

	decoder->images_size = 0;
	decoder->transaction_id = record->transaction_id;
	decoder->event = record->event & ~RECORD_HAS_IDENTITY;
	if (decoder->stored == NULL || decoder->descriptor->id != record->descriptor_id)
	{
		unpin_descriptor(decoder);
		decoder->stored = row_descriptor_pin(record->descriptor_id);
		decoder->descriptor = decoder->stored->descriptor;
	}

	decoder->shown_image = NULL;
	decoder->same = NULL;
	decoder->old.values = decoder->new.values = NULL;
	make_arrays(decoder);
	if (flags & RECORD_HAS_OLD)
	{
		decoder->old = decoder->arrays[0];
		decode_image(decoder, images, (flags & RECORD_OLD_ASIDE) != 0,
					 (flags & RECORD_OLD_NULLS) != 0, false, &decoder->old);
	}
	if (flags & RECORD_HAS_NEW)
	{
		decoder->new = decoder->arrays[1];
		decode_image(decoder, images + record->old_size,
					 (flags & RECORD_NEW_ASIDE) != 0,
					 (flags & RECORD_NEW_NULLS) != 0,
					 (flags & RECORD_NEW_DELTA) != 0, &decoder->new);
	}
	decoder->keyed = decoder->new.values ? &decoder->new : &decoder->old;
	decoder->has_old = decoder->old.values && !(flags & RECORD_KEYS_ONLY);
	decoder->has_new = decoder->new.values && !(flags & RECORD_KEYS_ONLY);

	MemoryContextSwitchTo(oldcontext);
}

const char *
record_decode_event_name(RecordEvent event)
{
	switch (event)
	{
		case RECORD_INSERT:
			return "INSERT";
		case RECORD_MODIFY:
			return "MODIFY";
		case RECORD_REMOVE:
			return "REMOVE";
	}
	elog(ERROR, "unknown event of a record: %d", (int) event);
}

void
record_decode_append_identity(const RecordDecoder *decoder, StringInfo buf,
							  const char *type_name, const char *principal_name)
{
	const char *text = decoder->identity;
	const char *colon = memchr(text, ':', decoder->identity_length);

	appendStringInfo(buf, "{\"%s\":", type_name);
	json_writer_append_string(buf, text, colon - text);
	appendStringInfo(buf, ",\"%s\":", principal_name);
	json_writer_append_string(buf, colon + 1,
							  text + decoder->identity_length - colon - 1);
	appendStringInfoChar(buf, '}');
}

/* Returns what a JSON text takes as jsonb, at most. */
static Size
measure_as_jsonb(const char *json, Size length)
{
	Size size = length;
	bool in_string = false;

	for (Size i = 0; i < length; i++)
	{
		switch (json[i])
		{
			case '"':
				in_string = !in_string;
				if (in_string)
					size += ENTRY_SIZE;
				break;
			case '\\':
				i++; /* only strings have them */
				break;
			case '{':
			case '[':
				if (!in_string)
					size += ENTRY_SIZE + CONTAINER_SIZE;
				break;
			case ':':
			case ',':
				/* A literal may follow.  A string is counted again. */
				if (!in_string)
					size += ENTRY_SIZE;
				break;
		}
	}
	return size;
}

/* The same of an attribute value, without looking at all of it if possible */
static Size
size_as_jsonb(const char *json, Size length)
{
	/* {"S":"..."}, or N, or B, but neither L and M nor BOOL and NULL */
	bool is_scalar = length > 3 && json[3] == '"' && json[2] != 'L' && json[2] != 'M';

	if (is_scalar || length <= SMALL_LENGTH)
		return length + 4 * ENTRY_SIZE + CONTAINER_SIZE +
			   (is_scalar ? 0 : (MAX_GROWTH - 1) * length);
	return measure_as_jsonb(json, length);
}

/* Is a value of a column kept in the side table? */
static inline bool
is_aside(const RecordDecoder *decoder, int i, Datum value)
{
	return TupleDescAttr(decoder->descriptor->stored_desc, i)->attlen == -1 &&
		   VARATT_IS_EXTERNAL(DatumGetPointer(value));
}

/* Appends one column's attribute value; returns its size. */
static int64
append_column_value(RecordDecoder *decoder, int i, StringInfo buf, Datum value,
					Size limit)
{
	const RowColumn *column = &decoder->descriptor->columns[i];

	if (unlikely(is_aside(decoder, i, value)))
	{
		/* A value that cannot fit need not be fetched. */
		if (buf->len + side_table_reference_raw_size(value) > limit)
			return json_writer_append_marker(buf, psprintf("value of %zu bytes is too large to be shown",
														   side_table_reference_raw_size(value) - VARHDRSZ));
		value = record_decoder_value(decoder, value);
	}
	if (column->form == COLUMN_RENDERED)
		return rendered_value_append_json(buf, value, limit);
	return typed_json_append(buf, column->type, value, limit);
}

static int64
append_column(RecordDecoder *decoder, const DecodedImage *image, int i,
			  StringInfo buf, Size limit)
{
	const RowColumn *column = &decoder->descriptor->columns[i];

	appendBinaryStringInfo(buf, column->json_name, column->json_name_length);
	if (image->nulls[i])
		return column->name_length + json_writer_append_null(buf);
	return column->name_length +
		   append_column_value(decoder, i, buf, image->values[i], limit);
}

/*
 * Can a column be copied from the image that was appended first?  If the text
 * is short, and no value was left in the side table, it does not depend on how
 * much room there was.
 */
static inline bool
is_shown(const RecordDecoder *decoder, const DecodedImage *image, int i)
{
	return decoder->shown[i].length <= MARKER_LENGTH &&
		   (image->nulls[i] || !is_aside(decoder, i, image->values[i]));
}

/* Copies a column; returns its size. */
static inline int64
copy_shown(const RecordDecoder *decoder, int i, StringInfo buf)
{
	const ShownColumn *shown = &decoder->shown[i];

	appendBinaryStringInfo(buf, decoder->shown_text + shown->start, shown->length);
	return shown->size;
}

/*
 * Appends a column of an image.  A value for which jsonb has no room any more
 * becomes a marker.
 */
static int64
append_image_column(RecordDecoder *decoder, const DecodedImage *image, int i,
					bool may_copy, StringInfo buf)
{
	const RowColumn *column = &decoder->descriptor->columns[i];
	int				 start = buf->len;
	int				 value_start = start + column->json_name_length;
	Size			 room = IMAGES_LIMIT - Min(decoder->images_size, IMAGES_LIMIT);
	int64			 size;
	Size			 jsonb_size;

	if (may_copy && bit_is_set(decoder->same, i) && is_shown(decoder, image, i))
		size = copy_shown(decoder, i, buf);
	else
		size = append_column(decoder, image, i, buf, start + room);
	jsonb_size = size_as_jsonb(buf->data + value_start, buf->len - value_start);
	if (jsonb_size > room && buf->len - start > MARKER_LENGTH)
	{
		buf->len = value_start;
		size = column->name_length + json_writer_append_marker(buf, "value too large");
		jsonb_size = buf->len - value_start;
	}
	decoder->images_size += column->json_name_length + jsonb_size;
	return size;
}

/* No value in a record is so large, nor is a text that is copied. */
#define QUICK_ROOM ((Size) 1024 * 1024)

/*
 * May columns be appended quickly?  Only while there is so much room that no
 * value becomes a marker.
 */
static inline bool
is_quick(const RecordDecoder *decoder)
{
	return decoder->is_quick && decoder->images_size < IMAGES_LIMIT - QUICK_ROOM;
}

/*
 * Puts bytes that are padded to sixteen, and of which there is room for so
 * many.
 */
static inline char *
put_padded(char *out, const char *bytes, int length)
{
	for (int i = 0; i < length; i += 16)
		memcpy(out + i, bytes + i, 16);
	return out + length;
}

/*
 * Puts a column with the comma in front of it, as append_image_column does, if
 * that needs few steps and there is room up to end.  Returns its end and sets
 * *size, or returns NULL.
 */
static inline char *
put_quickly(RecordDecoder *decoder, const DecodedImage *image, int i,
			bool may_copy, char *out, const char *end, int64 *size)
{
	const RowColumn *column = &decoder->descriptor->columns[i];
	const char		*begin = out;
	const char		*value;

	if (may_copy && bit_is_set(decoder->same, i))
	{
		const ShownColumn *shown = &decoder->shown[i];

		if (!is_shown(decoder, image, i) || end - out <= shown->length + 1)
			return NULL;
		*out = ',';
		memcpy(out + 1, decoder->shown_text + shown->start, shown->length);
		value = out + 1 + column->json_name_length;
		out += 1 + shown->length;
		*size = shown->size;
		decoder->images_size += column->json_name_length + size_as_jsonb(value, out - value);
		return out;
	}
	if (column->quick == QUICK_NONE || image->nulls[i] ||
		end - out <= column->lead_length + 16)
		return NULL;
	out = quick_value_put(column->quick, image->values[i],
						  put_padded(out, column->lead, column->lead_length), end, size);
	if (out == NULL)
		return NULL;
	*size += column->name_length;
	value = begin + 1 + column->json_name_length;
	decoder->images_size += column->json_name_length + size_as_jsonb(value, out - value);
	return out;
}

/* Appends an image as a JSON object; returns its size. */
static int64
append_image(RecordDecoder *decoder, const DecodedImage *image, StringInfo buf)
{
	const RowDescriptor *descriptor = decoder->descriptor;
	MemoryContext		 oldcontext = MemoryContextSwitchTo(decoder->context);
	int					 begin = buf->len;
	int64				 size = 0;
	bool				 is_first = decoder->shown_image == NULL ||
									decoder->shown_image == image;
	bool				 may_copy = !is_first && decoder->same != NULL;
	bool				 quick = is_quick(decoder);

	for (int i = 0; i < descriptor->natts; i++)
	{
		int	  start = buf->len + 1;
		int64 column_size;
		char *out = NULL;

		if (descriptor->columns[i].form == COLUMN_DROPPED)
			continue;
		if (quick)
			out = put_quickly(decoder, image, i, may_copy, buf->data + buf->len,
							  buf->data + buf->maxlen, &column_size);
		if (out != NULL)
			buf->len = (int) (out - buf->data);
		else
		{
			appendStringInfoCharMacro(buf, ',');
			column_size = append_image_column(decoder, image, i, may_copy, buf);
			quick = is_quick(decoder);
		}
		if (is_first)
		{
			decoder->shown[i].start = start;
			decoder->shown[i].length = buf->len - start;
			decoder->shown[i].size = column_size;
		}
		size += column_size;
	}
	appendStringInfoCharMacro(buf, '}');
	/* A table has a key, so there was a first column. */
	buf->data[begin] = '{';
	if (is_first)
	{
		decoder->shown_image = image;
		decoder->shown_text = buf->data;
	}
	MemoryContextSwitchTo(oldcontext);
	return size;
}

int64
record_decode_append_old_image(RecordDecoder *decoder, StringInfo buf)
{
	return append_image(decoder, &decoder->old, buf);
}

int64
record_decode_append_new_image(RecordDecoder *decoder, StringInfo buf)
{
	return append_image(decoder, &decoder->new, buf);
}

int64
record_decode_append_keys(RecordDecoder *decoder, StringInfo buf)
{
	const RowDescriptor *descriptor = decoder->descriptor;
	Size				 limit = buf->len + IMAGES_LIMIT;
	MemoryContext		 oldcontext = MemoryContextSwitchTo(decoder->context);
	bool				 may_copy = decoder->shown_image == decoder->keyed;
	int64				 size = 0;

	for (int k = 0; k < descriptor->key_count; k++)
	{
		int i = descriptor->key_attnums[k] - 1;

		appendStringInfoCharMacro(buf, k == 0 ? '{' : ',');
		if (may_copy && is_shown(decoder, decoder->keyed, i))
			size += copy_shown(decoder, i, buf);
		else
			size += append_column(decoder, decoder->keyed, i, buf, limit);
	}
	appendStringInfoCharMacro(buf, '}');
	MemoryContextSwitchTo(oldcontext);
	return size;
}
