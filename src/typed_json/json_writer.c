/*
 * json_writer.c
 *	  Writing typed JSON: what all types are made of.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "typed_json/aligned_varlena.h"
#include "typed_json/json_writer.h"
#include "typed_json/plain_number.h"
#include "typed_json/plain_text.h"

/* A marker is appended behind the limit; so much room is kept for it. */
#define LIMIT_SLACK 1024

/*
 * DynamoDB's numbers have so many digits, the first of which stands for one of
 * these powers of ten.
 */
#define DYNAMODB_DIGITS		  38
#define DYNAMODB_MIN_EXPONENT (-130)
#define DYNAMODB_MAX_EXPONENT 125

/* An exponent that is written is not read further than this. */
#define MAX_EXPONENT 100000000

void
json_writer_start(JsonWriter *writer, StringInfo buf, Size limit)
{
	writer->buf = buf;
	writer->limit = Min(limit, MaxAllocSize - LIMIT_SLACK);
	writer->failure = NULL;
	writer->dynamodb_numbers = false;
	writer->is_quick = false;
}

int64
json_writer_finish(JsonWriter *writer, int start, int64 size)
{
	if (unlikely(writer->failure != NULL))
	{
		writer->buf->len = start;
		return json_writer_append_marker(writer->buf, writer->failure);
	}
	writer->buf->data[writer->buf->len] = '\0';
	return size;
}

bool
json_writer_reserve_slow(JsonWriter *writer, Size length)
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

static void
put_escape(JsonWriter *writer, char c)
{
	switch (c)
	{
		case '"':
			json_writer_put_literal(writer, "\\\"");
			break;
		case '\\':
			json_writer_put_literal(writer, "\\\\");
			break;
		case '\b':
			json_writer_put_literal(writer, "\\b");
			break;
		case '\f':
			json_writer_put_literal(writer, "\\f");
			break;
		case '\n':
			json_writer_put_literal(writer, "\\n");
			break;
		case '\r':
			json_writer_put_literal(writer, "\\r");
			break;
		case '\t':
			json_writer_put_literal(writer, "\\t");
			break;
		default:
		{
			static const char digits[] = "0123456789abcdef";
			char			  escape[] = {'\\', 'u', '0', '0',
										  digits[(unsigned char) c >> 4], digits[c & 0xF]};

			json_writer_put(writer, escape, sizeof(escape));
		}
	}
}

/*
 * Puts a string that has nothing to escape, if there is room for it.  Returns
 * false if it has; then nothing is put.
 */
static inline bool
put_plain_string(JsonWriter *writer, const char *text, Size length)
{
	char *out = writer->buf->data + writer->buf->len;

	if (unlikely(!json_writer_has_room(writer, length + 2)) ||
		!plain_text_copy(out + 1, text, length))
		return false;
	out[0] = out[length + 1] = '"';
	writer->buf->len += (int) length + 2;
	return true;
}

void
json_writer_put_string(JsonWriter *writer, const char *text, Size length)
{
	if (put_plain_string(writer, text, length))
		return;
	json_writer_put_literal(writer, "\"");
	while (writer->failure == NULL)
	{
		Size plain = plain_text_length(text, length);

		json_writer_put(writer, text, plain);
		if (plain == length)
			break;
		put_escape(writer, text[plain]);
		text += plain + 1;
		length -= plain + 1;
	}
	json_writer_put_literal(writer, "\"");
}

void
json_writer_put_plain(JsonWriter *writer, char tag, const char *text,
					  Size length)
{
	/* {"T":"..."} */
	if (json_writer_reserve(writer, length + 8))
	{
		char *out = writer->buf->data + writer->buf->len;

		memcpy(out, "{\"S\":\"", 6);
		out[2] = tag;
		memcpy(out + 6, text, length);
		memcpy(out + 6 + length, "\"}", 2);
		writer->buf->len += (int) length + 8;
	}
}

int64
json_writer_utf8_length(const char *text, Size length)
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

int64
json_writer_write_text(JsonWriter *writer, const char *text, Size length)
{
	json_writer_put_literal(writer, "{\"S\":");
	json_writer_put_string(writer, text, length);
	json_writer_put_literal(writer, "}");
	return json_writer_utf8_length(text, length);
}

/*
 * Splits the digits of a number into its significant ones, without leading and
 * trailing zeros, and the exponent of the first of them.  Returns how many
 * there are: 0 for zero, and DYNAMODB_DIGITS + 1 if there are more.
 */
static int
split_number(const char *digits, Size length, char *significant, int *exponent)
{
	const char *end = digits + length;
	int			count = 0;
	int			zeros = 0;	  /* behind the last digit that counts */
	int			position = 0; /* of the next digit before the point */
	bool		has_point = false;
	int64		written = 0;

	*exponent = 0;
	for (; digits < end && *digits != 'e' && *digits != 'E'; digits++)
	{
		if (*digits == '.')
			has_point = true;
		else if (*digits >= '0' && *digits <= '9')
		{
			if (count == 0 && *digits == '0')
				position -= has_point ? 1 : 0;
			else if (*digits == '0')
				zeros++;
			else
			{
				if (count == 0)
					*exponent = has_point ? position - 1 : -1;
				for (; zeros > 0 && count < DYNAMODB_DIGITS; zeros--)
					significant[count++] = '0';
				if (zeros > 0 || count == DYNAMODB_DIGITS)
					return DYNAMODB_DIGITS + 1;
				significant[count++] = *digits;
			}
			if (count > 0 && !has_point)
				++*exponent;
		}
	}
	if (digits < end)
	{
		bool is_negative = *++digits == '-';

		if (is_negative || *digits == '+')
			digits++;
		for (; digits < end && written < MAX_EXPONENT; digits++)
			written = written * 10 + (*digits - '0');
		*exponent += is_negative ? -written : written;
	}
	return count;
}

/*
 * Writes a number as DynamoDB holds it: clients that count the digits that are
 * written raise an error at more than 38.  One that it cannot hold is a
 * string.
 */
static int64
write_dynamodb_number(JsonWriter *writer, const char *digits, Size length)
{
	char  significant[DYNAMODB_DIGITS];
	char  text[2 * DYNAMODB_DIGITS];
	char *out = text;
	int	  exponent;
	int	  count = split_number(digits, length, significant, &exponent);

	if (count > DYNAMODB_DIGITS ||
		(count > 0 && (exponent < DYNAMODB_MIN_EXPONENT ||
					   exponent > DYNAMODB_MAX_EXPONENT)))
	{
		json_writer_put_plain(writer, 'S', digits, length);
		return length;
	}
	if (count > 0 && digits[0] == '-')
		*out++ = '-';
	if (count == 0)
		*out++ = '0';
	else if (exponent >= DYNAMODB_DIGITS ||
			 Max(count, count - exponent) > DYNAMODB_DIGITS)
	{
		*out++ = significant[0];
		if (count > 1)
			*out++ = '.';
		memcpy(out, significant + 1, count - 1);
		out += count - 1;
		out += sprintf(out, "E%+d", exponent);
	}
	else
	{
		if (exponent < 0)
		{
			*out++ = '0';
			*out++ = '.';
			memset(out, '0', -exponent - 1);
			out += -exponent - 1;
		}
		for (int i = 0; i < Max(count, exponent + 1); i++)
		{
			if (i == exponent + 1 && i > 0)
				*out++ = '.';
			*out++ = i < count ? significant[i] : '0';
		}
	}
	json_writer_put_plain(writer, 'N', text, out - text);
	return plain_number_size(digits, length);
}

int64
json_writer_write_number(JsonWriter *writer, const char *digits,
						 Size length)
{
	if (unlikely(writer->dynamodb_numbers))
		return write_dynamodb_number(writer, digits, length);
	json_writer_put_plain(writer, 'N', digits, length);
	return plain_number_size(digits, length);
}

/*
 * A number is found by its tag: in a string the quotes would be escaped, and
 * the value of an attribute of the name N is no string.
 */
int64
json_writer_put_dynamodb(JsonWriter *writer, const char *json, Size length)
{
	static const char tag[] = "{\"N\":\"";
	const Size		  tag_length = sizeof(tag) - 1;
	const char		 *end = json + length;
	const char		 *rest = json;
	int64			  difference = 0;

	while (json + tag_length < end)
	{
		const char *digits = json + tag_length;
		const char *quote;

		if (memcmp(json, tag, tag_length) != 0)
		{
			json++;
			continue;
		}
		quote = memchr(digits, '"', end - digits);
		if (quote == NULL || quote + 1 >= end)
			break;
		json_writer_put(writer, rest, json - rest);
		difference += write_dynamodb_number(writer, digits, quote - digits) -
					  plain_number_size(digits, quote - digits);
		json = rest = quote + 2; /* "} */
	}
	json_writer_put(writer, rest, end - rest);
	return difference;
}

int64
json_writer_write_bool(JsonWriter *writer, bool value)
{
	if (value)
		json_writer_put_literal(writer, "{\"BOOL\":true}");
	else
		json_writer_put_literal(writer, "{\"BOOL\":false}");
	return 1;
}

int64
json_writer_write_null(JsonWriter *writer)
{
	json_writer_put_literal(writer, "{\"NULL\":true}");
	return 1;
}

int64
json_writer_append_null(StringInfo buf)
{
	appendBinaryStringInfo(buf, "{\"NULL\":true}", 13);
	return 1;
}

int64
json_writer_append_marker(StringInfo buf, const char *reason)
{
	appendStringInfo(buf, "{\"S\":\"<ddbstreams: %s>\"}", reason);
	return strlen("<ddbstreams: >") + strlen(reason);
}

void
json_writer_append_string(StringInfo buf, const char *text, Size length)
{
	JsonWriter writer;

	json_writer_start(&writer, buf, MaxAllocSize);
	writer.limit = SIZE_MAX; /* enlargeStringInfo raises the error */
	json_writer_put_string(&writer, text, length);
	buf->data[buf->len] = '\0';
}

int64
json_writer_write_numeric(JsonWriter *writer, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);
	char			plain[PLAIN_NUMERIC_ROOM];
	char		   *text;
	Size			length;
	int64			size;

	if (likely(VARATT_IS_SHORT(varlena) || VARATT_IS_4B_U(varlena)))
	{
		char *end = plain_number_put_numeric(plain, VARDATA_ANY(varlena),
											 VARSIZE_ANY_EXHDR(varlena), &size);

		if (end != NULL && likely(!writer->dynamodb_numbers))
		{
			json_writer_put_plain(writer, 'N', plain, end - plain);
			return size;
		}
		if (end != NULL)
			return json_writer_write_number(writer, plain, end - plain);
	}
	varlena = aligned_varlena_make(value, &space);
	text = DatumGetCString(DirectFunctionCall1(numeric_out,
											   PointerGetDatum(varlena)));
	length = strlen(text);

	/* Only NaN and the infinities end in a letter. */
	if (text[length - 1] >= '0' && text[length - 1] <= '9')
		size = json_writer_write_number(writer, text, length);
	else
		size = json_writer_write_text(writer, text, length);
	pfree(text);
	aligned_varlena_release(value, varlena, &space);
	return size;
}
