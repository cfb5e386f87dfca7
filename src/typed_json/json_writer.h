/*
 * json_writer.h
 *	  Writing typed JSON: what all types are made of.
 */
#ifndef DDBSTREAMS_JSON_WRITER_H
#define DDBSTREAMS_JSON_WRITER_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"

/*
 * A writer appends to a buffer up to a limit.  The first thing that cannot be
 * written sets "failure", and every later call does nothing then;
 * json_writer_finish cuts the buffer back.  Nothing raises an error for a
 * value.
 */
typedef struct JsonWriter
{
	StringInfo	buf;
	Size		limit;			  /* buf->len never passes this */
	const char *failure;		  /* why the value cannot be written, or NULL */
	bool		dynamodb_numbers; /* write numbers as DynamoDB holds them */
	bool		is_quick;		  /* no number and no size needs a second look */
} JsonWriter;

/*
 * By the item-size rules, a list or map costs this much and its contents ...
 */
#define JSON_CONTAINER_SIZE 3
/* ... and every element or pair costs this much and its contents. */
#define JSON_ELEMENT_SIZE 1

/*
 * Begins to append to a buffer, which is never to become longer than limit.
 * Numbers are written as they are, unless dynamodb_numbers is set then.
 */
extern void json_writer_start(JsonWriter *writer, StringInfo buf, Size limit);

/*
 * Ends what began when the buffer's length was start.  Returns size, or after
 * a failure the size of the marker that is appended in place of what was
 * written.
 */
extern int64 json_writer_finish(JsonWriter *writer, int start, int64 size);

/*
 * Puts typed JSON that a writer has made, with its numbers as DynamoDB holds
 * them.  Returns the difference that this makes to its size.
 */
extern int64 json_writer_put_dynamodb(JsonWriter *writer, const char *json,
									  Size length);

/*
 * Each writes an attribute value, for example {"N":"1.50"}, and returns its
 * size by the item-size rules.
 */
extern int64 json_writer_write_text(JsonWriter *writer, const char *text,
									Size length);
extern int64 json_writer_write_number(JsonWriter *writer, const char *digits,
									  Size length);
extern int64 json_writer_write_numeric(JsonWriter *writer, Datum value);
extern int64 json_writer_write_bool(JsonWriter *writer, bool value);
extern int64 json_writer_write_null(JsonWriter *writer);

/* Puts text between quotes, with escapes. */
extern void json_writer_put_string(JsonWriter *writer, const char *text,
								   Size length);

/* Puts {"<tag>":"<text>"} of a text that has nothing to escape. */
extern void json_writer_put_plain(JsonWriter *writer, char tag,
								  const char *text, Size length);

/*
 * Returns the number of bytes of a text in UTF-8.  In a database of another
 * encoding the text is converted for that; a character that UTF-8 lacks counts
 * with the bytes that it has.
 */
extern int64 json_writer_utf8_length(const char *text, Size length);

/*
 * Each appends to a buffer without a writer and without a limit: the attribute
 * value of a null, the marker of a value that cannot be written, and a text of
 * the server encoding as a JSON string.  The first two return the size.
 */
extern int64 json_writer_append_null(StringInfo buf);
extern int64 json_writer_append_marker(StringInfo buf, const char *reason);
extern void	 json_writer_append_string(StringInfo buf, const char *text,
									   Size length);

/* For json_writer_reserve: the buffer must grow, or the writer has failed. */
extern bool json_writer_reserve_slow(JsonWriter *writer, Size length);

/* Is there room for length more bytes, without the buffer having to grow? */
static inline bool
json_writer_has_room(const JsonWriter *writer, Size length)
{
	StringInfo buf = writer->buf;

	return writer->failure == NULL &&
		   length < (Size) (buf->maxlen - buf->len) &&
		   (Size) buf->len + length <= writer->limit;
}

/* Makes room for length more bytes; false if that would pass the limit. */
static inline bool
json_writer_reserve(JsonWriter *writer, Size length)
{
	if (likely(json_writer_has_room(writer, length)))
		return true;
	return json_writer_reserve_slow(writer, length);
}

/* Puts bytes as they are. */
static inline void
json_writer_put(JsonWriter *writer, const char *data, Size length)
{
	if (json_writer_reserve(writer, length))
	{
		memcpy(writer->buf->data + writer->buf->len, data, length);
		writer->buf->len += (int) length;
	}
}

#define json_writer_put_literal(writer, literal) \
	json_writer_put(writer, "" literal, sizeof(literal) - 1)

#endif /* DDBSTREAMS_JSON_WRITER_H */
