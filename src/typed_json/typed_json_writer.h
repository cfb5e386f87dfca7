/*
 * typed_json_writer.h
 *	  Writing typed JSON: what all types are made of.
 */
#ifndef DDBSTREAMS_TYPED_JSON_WRITER_H
#define DDBSTREAMS_TYPED_JSON_WRITER_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "utils/array.h"

/*
 * What follows is for typed_json*.c, rendered_value.c and unmarshal.c.
 *
 * A writer appends to a buffer up to a limit.  The first thing that cannot be
 * written sets "failure" and makes every later call do nothing; whoever
 * created the writer then cuts the buffer back.  A write function returns the
 * size of what it wrote by the item-size rules.
 */
typedef struct TypedJsonWriter
{
	StringInfo	buf;
	Size		limit;	 /* buf->len never passes this */
	const char *failure; /* why the value cannot be written, or NULL */
} TypedJsonWriter;

/* By the item-size rules, a list or map costs this much and its contents ... */
#define TYPED_JSON_CONTAINER_SIZE 3
/* ... and every element or pair costs this much and its contents. */
#define TYPED_JSON_ELEMENT_SIZE 1

extern int64 typed_json_append_null(StringInfo buf);
extern int64 typed_json_append_marker(StringInfo buf, const char *reason);
extern void	 typed_json_append_string(StringInfo buf, const char *text,
									  Size length);

typedef int64 (*TypedJsonElementWriter)(TypedJsonWriter *writer, Oid type,
										Datum value);

/*
 * Room for a short varlena with a four-byte header, as types demand that are
 * read as a struct.
 */
typedef union AlignedVarlena
{
	struct varlena header;
	char		   data[VARATT_SHORT_MAX + VARHDRSZ];
	int64		   force_align_int64;
	double		   force_align_double;
} AlignedVarlena;

extern void			   typed_json_release(Datum value, struct varlena *varlena, const AlignedVarlena *space);
extern struct varlena *typed_json_align(Datum value, AlignedVarlena *space);
extern int64		   typed_json_write_numeric(TypedJsonWriter *writer, Datum value);

extern void	 typed_json_start(TypedJsonWriter *writer, StringInfo buf,
							  Size limit);
extern int64 typed_json_finish(TypedJsonWriter *writer, int start, int64 size);
extern bool	 typed_json_reserve_slow(TypedJsonWriter *writer, Size length);
extern void	 typed_json_put_plain(TypedJsonWriter *writer, char tag,
								  const char *text, Size length);
extern void	 typed_json_put_string(TypedJsonWriter *writer, const char *text,
								   Size length);
extern int64 typed_json_write_text(TypedJsonWriter *writer, const char *text,
								   Size length);
extern int64 typed_json_write_number(TypedJsonWriter *writer,
									 const char *digits, Size length);
extern int64 typed_json_write_bool(TypedJsonWriter *writer, bool value);
extern int64 typed_json_write_null(TypedJsonWriter *writer);
extern int64 typed_json_utf8_length(const char *text, Size length);

/* Makes room for length more bytes; false if that would pass the limit. */
static inline bool
typed_json_reserve(TypedJsonWriter *writer, Size length)
{
	StringInfo buf = writer->buf;

	if (likely(writer->failure == NULL &&
			   length < (Size) (buf->maxlen - buf->len) &&
			   (Size) buf->len + length <= writer->limit))
		return true;
	return typed_json_reserve_slow(writer, length);
}

static inline void
typed_json_put(TypedJsonWriter *writer, const char *data, Size length)
{
	if (typed_json_reserve(writer, length))
	{
		memcpy(writer->buf->data + writer->buf->len, data, length);
		writer->buf->len += (int) length;
	}
}

#define typed_json_put_literal(writer, literal) \
	typed_json_put(writer, "" literal, sizeof(literal) - 1)

#endif /* DDBSTREAMS_TYPED_JSON_WRITER_H */
