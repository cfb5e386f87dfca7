/*
 * typed_json_writer.c
 *		Writing typed JSON: what all types are made of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "access/detoast.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "typed_json/typed_json_writer.h"

/* What may be appended behind a limit without checking: a marker. */
#define LIMIT_SLACK 1024

/* For tests on eight bytes at a time; all true only of what they say. */
#define BYTES(c)		(UINT64CONST(0x0101010101010101) * (c))
#define ANY_ZERO(w)		(((w) - BYTES(1)) & ~(w) & BYTES(0x80))
#define ANY_BELOW(w, c) (((w) - BYTES(c)) & ~(w) & BYTES(0x80))
#define ANY_EQUAL(w, c) ANY_ZERO((w) ^ BYTES(c))

#define NEEDS_ESCAPE(c) \
	((unsigned char) (c) < 0x20 || (c) == '"' || (c) == '\\')

void
typed_json_start(TypedJsonWriter *writer, StringInfo buf, Size limit)
{
	writer->buf = buf;
	writer->limit = Min(limit, MaxAllocSize - LIMIT_SLACK);
	writer->failure = NULL;
}

/*
 * Ends what began at buf->len = start.  Returns its size, or after a failure
 * that of the marker which takes its place.
 */
int64
typed_json_finish(TypedJsonWriter *writer, int start, int64 size)
{
	if (unlikely(writer->failure != NULL))
	{
		writer->buf->len = start;
		return typed_json_append_marker(writer->buf, writer->failure);
	}
	writer->buf->data[writer->buf->len] = '\0';
	return size;
}

/* Either the buffer must grow, or the writer has failed or fails now. */
bool
typed_json_reserve_slow(TypedJsonWriter *writer, Size length)
{
	if (writer->failure != NULL)
		return false;
	if (length > writer->limit ||
		(Size) writer->buf->len > writer->limit - length)
	{
		writer->failure = "value too large";
		return false;
	}
	enlargeStringInfo(writer->buf, (int) length);
	return true;
}

/* How many bytes at the start of text a JSON string can hold as they are. */
static Size
plain_length(const char *text, Size length)
{
	Size i = 0;

	while (i + sizeof(uint64) <= length)
	{
		uint64 word;

		memcpy(&word, text + i, sizeof(word));
		if (ANY_BELOW(word, 0x20) | ANY_EQUAL(word, '"') |
			ANY_EQUAL(word, '\\'))
			break;
		i += sizeof(uint64);
	}
	while (i < length && !NEEDS_ESCAPE(text[i]))
		i++;
	return i;
}

static void
put_escape(TypedJsonWriter *writer, char c)
{
	switch (c)
	{
		case '"':
			typed_json_put_literal(writer, "\\\"");
			break;
		case '\\':
			typed_json_put_literal(writer, "\\\\");
			break;
		case '\b':
			typed_json_put_literal(writer, "\\b");
			break;
		case '\f':
			typed_json_put_literal(writer, "\\f");
			break;
		case '\n':
			typed_json_put_literal(writer, "\\n");
			break;
		case '\r':
			typed_json_put_literal(writer, "\\r");
			break;
		case '\t':
			typed_json_put_literal(writer, "\\t");
			break;
		default:
		{
			static const char digits[] = "0123456789abcdef";
			char			  escape[] = {'\\', 'u', '0', '0',
										  digits[(unsigned char) c >> 4], digits[c & 0xF]};

			typed_json_put(writer, escape, sizeof(escape));
		}
	}
}

/* Puts text between quotes. */
void
typed_json_put_string(TypedJsonWriter *writer, const char *text, Size length)
{
	typed_json_put_literal(writer, "\"");
	while (writer->failure == NULL)
	{
		Size plain = plain_length(text, length);

		typed_json_put(writer, text, plain);
		if (plain == length)
			break;
		put_escape(writer, text[plain]);
		text += plain + 1;
		length -= plain + 1;
	}
	typed_json_put_literal(writer, "\"");
}

/* Puts an attribute value that is a string without anything to escape. */
void
typed_json_put_plain(TypedJsonWriter *writer, char tag, const char *text,
					 Size length)
{
	/* {"T":"..."} */
	if (typed_json_reserve(writer, length + 8))
	{
		char *out = writer->buf->data + writer->buf->len;

		memcpy(out, "{\"S\":\"", 6);
		out[2] = tag;
		memcpy(out + 6, text, length);
		memcpy(out + 6 + length, "\"}", 2);
		writer->buf->len += (int) length + 8;
	}
}

/*
 * The number of bytes of text in UTF-8.  Of a database in another encoding
 * this needs a conversion; a character that UTF-8 lacks counts as it is.
 */
int64
typed_json_utf8_length(const char *text, Size length)
{
	int			encoding = GetDatabaseEncoding();
	const char *end = text + length;
	int64		result = 0;
	Oid			conversion;

	if (likely(encoding == PG_UTF8) || encoding == PG_SQL_ASCII)
		return length;
	for (; text < end && !IS_HIGHBIT_SET(*text); text++)
		result++;
	if (text == end || !IsTransactionState())
		return result + (end - text);
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion))
		return result + (end - text);

	while (text < end)
	{
		unsigned char utf8[512 * MAX_CONVERSION_GROWTH + 1];
		int			  chunk = pg_mbcliplen(text, (int) (end - text), 500);
		int			  converted;

		CHECK_FOR_INTERRUPTS();
		converted = pg_do_encoding_conversion_buf(conversion, encoding,
												  PG_UTF8,
												  (unsigned char *) text,
												  chunk, utf8, sizeof(utf8),
												  true);
		if (converted > 0)
			result += strlen((char *) utf8);
		else
		{
			converted = Max(pg_mbcliplen(text, (int) (end - text),
										 pg_mblen(text)),
							1);
			result += converted;
		}
		text += converted;
	}
	return result;
}

/* Writes an S attribute value. */
int64
typed_json_write_text(TypedJsonWriter *writer, const char *text, Size length)
{
	if (plain_length(text, length) == length)
		typed_json_put_plain(writer, 'S', text, length);
	else
	{
		typed_json_put_literal(writer, "{\"S\":");
		typed_json_put_string(writer, text, length);
		typed_json_put_literal(writer, "}");
	}
	return typed_json_utf8_length(text, length);
}

/*
 * Writes an N attribute value.  It takes a byte, another one if negative, and
 * one per two digits, not counting leading and trailing zeros.
 */
int64
typed_json_write_number(TypedJsonWriter *writer, const char *digits,
						Size length)
{
	int64 significant = 0;
	int64 seen = 0;

	typed_json_put_plain(writer, 'N', digits, length);

	for (Size i = 0; i < length; i++)
	{
		char c = digits[i];

		if (c >= '0' && c <= '9')
		{
			if (seen > 0 || c != '0')
				seen++;
			if (c != '0')
				significant = seen;
		}
		else if (c == 'e' || c == 'E')
			break;
	}
	if (significant == 0)
		return 1;
	return (significant + 1) / 2 + 1 + (digits[0] == '-' ? 1 : 0);
}

int64
typed_json_write_bool(TypedJsonWriter *writer, bool value)
{
	if (value)
		typed_json_put_literal(writer, "{\"BOOL\":true}");
	else
		typed_json_put_literal(writer, "{\"BOOL\":false}");
	return 1;
}

int64
typed_json_write_null(TypedJsonWriter *writer)
{
	typed_json_put_literal(writer, "{\"NULL\":true}");
	return 1;
}

/* Appends the attribute value of a null; returns its size. */
int64
typed_json_append_null(StringInfo buf)
{
	appendBinaryStringInfo(buf, "{\"NULL\":true}", 13);
	return 1;
}

/* Appends what stands for a value that cannot be written; returns its size. */
int64
typed_json_append_marker(StringInfo buf, const char *reason)
{
	appendStringInfo(buf, "{\"S\":\"<ddbstreams: %s>\"}", reason);
	return strlen("<ddbstreams: >") + strlen(reason);
}

/* Appends text, in the server encoding, as a JSON string with its quotes. */
void
typed_json_append_string(StringInfo buf, const char *text, Size length)
{
	TypedJsonWriter writer;

	typed_json_start(&writer, buf, MaxAllocSize);
	writer.limit = SIZE_MAX; /* enlargeStringInfo complains */
	typed_json_put_string(&writer, text, length);
	buf->data[buf->len] = '\0';
}

/*
 * A value with a four-byte header, uncompressed and aligned: in place, in
 * space, or palloc'd.
 */
struct varlena *
typed_json_align(Datum value, AlignedVarlena *space)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_SHORT(varlena))
	{
		Size length = VARSIZE_SHORT(varlena) - VARHDRSZ_SHORT;

		SET_VARSIZE(space->data, length + VARHDRSZ);
		memcpy(space->data + VARHDRSZ, VARDATA_SHORT(varlena), length);
		return &space->header;
	}
	if (VARATT_IS_4B_U(varlena))
		return varlena;
	return detoast_attr(varlena);
}

void
typed_json_release(Datum value, struct varlena *varlena,
				   const AlignedVarlena *space)
{
	if (varlena != (struct varlena *) DatumGetPointer(value) &&
		(space == NULL || varlena != &space->header))
		pfree(varlena);
}

int64
typed_json_write_numeric(TypedJsonWriter *writer, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = typed_json_align(value, &space);
	char		   *text;
	Size			length;
	int64			size;

	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   PointerGetDatum(varlena)));
	length = strlen(text);

	/* Only NaN and the infinities have a letter at the end. */
	if (text[length - 1] >= '0' && text[length - 1] <= '9')
		size = typed_json_write_number(writer, text, length);
	else
		size = typed_json_write_text(writer, text, length);
	pfree(text);
	typed_json_release(value, varlena, &space);
	return size;
}
