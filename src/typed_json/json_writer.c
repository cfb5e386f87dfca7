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

/*
 * Tests on eight bytes at a time: is any of them zero, below c, equal to c?
 * ANY_BELOW is right for c <= 0x80.
 */
#define BYTES(c)		(UINT64CONST(0x0101010101010101) * (c))
#define ANY_ZERO(w)		(((w) - BYTES(1)) & ~(w) & BYTES(0x80))
#define ANY_BELOW(w, c) (((w) - BYTES(c)) & ~(w) & BYTES(0x80))
#define ANY_EQUAL(w, c) ANY_ZERO((w) ^ BYTES(c))

#define NEEDS_ESCAPE(c) \
	((unsigned char) (c) < 0x20 || (c) == '"' || (c) == '\\')

void
json_writer_start(JsonWriter *writer, StringInfo buf, Size limit)
{
	writer->buf = buf;
	writer->limit = Min(limit, MaxAllocSize - LIMIT_SLACK);
	writer->failure = NULL;
	writer->dynamodb_numbers = false;
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

/* Returns how many bytes of a text come before the first one to escape. */
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

void
json_writer_put_string(JsonWriter *writer, const char *text, Size length)
{
	json_writer_put_literal(writer, "\"");
	while (writer->failure == NULL)
	{
		Size plain = plain_length(text, length);

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
	if (plain_length(text, length) == length)
		json_writer_put_plain(writer, 'S', text, length);
	else
	{
		json_writer_put_literal(writer, "{\"S\":");
		json_writer_put_string(writer, text, length);
		json_writer_put_literal(writer, "}");
	}
	return json_writer_utf8_length(text, length);
}

/*
 * By the item-size rules a number takes one byte, one more if it is negative,
 * and one for each two digits, leading and trailing zeros not counted.
 */
static inline int64
number_size(const char *digits, Size length)
{
	int64 significant = 0;
	int64 seen = 0;

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
	return number_size(digits, length);
}

int64
json_writer_write_number(JsonWriter *writer, const char *digits,
						 Size length)
{
	if (unlikely(writer->dynamodb_numbers))
		return write_dynamodb_number(writer, digits, length);
	json_writer_put_plain(writer, 'N', digits, length);
	return number_size(digits, length);
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
					  number_size(digits, quote - digits);
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

/*
 * How a numeric lies on disk, which numeric.c keeps to itself and pg_upgrade
 * relies on: a word with the sign and the scale, and in its short form the
 * weight; else a word with the weight; then digits of NUMERIC_BASE.
 */
#define NUMERIC_FORM		0xC000
#define NUMERIC_SPECIAL		0xC000
#define NUMERIC_NEGATIVE	0x4000
#define NUMERIC_IS_SHORT	0x8000
#define NUMERIC_LONG_SCALE	0x3FFF
#define SHORT_NEGATIVE		0x2000
#define SHORT_SCALE(word)	(((word) & 0x1F80) >> 7)
#define SHORT_WEIGHT(word)	((int) ((word) & 0x003F) - (int) ((word) & 0x0040))
#define NUMERIC_BASE_DIGITS 4
#define NUMERIC_BASE_LIMIT	10000

/* A numeric that is not larger goes straight from disk to text. */
#define PLAIN_WEIGHT 7
#define PLAIN_SCALE	 32
#define PLAIN_LENGTH \
	(1 + (PLAIN_WEIGHT + 1) * NUMERIC_BASE_DIGITS + 1 + PLAIN_SCALE + NUMERIC_BASE_DIGITS)

/* Returns one digit of NUMERIC_BASE; those that are not stored are zero. */
static inline int
base_digit(const char *digits, int count, int i)
{
	int16 digit = 0;

	if (i >= 0 && i < count)
		memcpy(&digit, digits + i * sizeof(digit), sizeof(digit));
	return digit;
}

static inline char *
put_base_digit(char *out, int digit)
{
	out[0] = '0' + digit / 1000;
	out[1] = '0' + digit / 100 % 10;
	out[2] = '0' + digit / 10 % 10;
	out[3] = '0' + digit % 10;
	return out + NUMERIC_BASE_DIGITS;
}

/*
 * Writes what numeric_out does to text, which has room for PLAIN_LENGTH.
 * Returns the length, or 0 for a numeric that is left to numeric_out.
 */
static int
plain_numeric(const char *data, Size length, char *text)
{
	char	   *out = text;
	char	   *end;
	const char *digits = data + sizeof(uint16);
	uint16		word;
	int16		long_weight;
	int			weight;
	int			scale;
	int			count;
	bool		is_negative;

	if (length < sizeof(word))
		return 0;
	memcpy(&word, data, sizeof(word));
	if ((word & NUMERIC_FORM) == NUMERIC_SPECIAL)
		return 0;
	if (word & NUMERIC_IS_SHORT)
	{
		is_negative = (word & SHORT_NEGATIVE) != 0;
		scale = SHORT_SCALE(word);
		weight = SHORT_WEIGHT(word);
	}
	else
	{
		if (length < sizeof(word) + sizeof(long_weight))
			return 0;
		memcpy(&long_weight, digits, sizeof(long_weight));
		is_negative = (word & NUMERIC_FORM) == NUMERIC_NEGATIVE;
		scale = word & NUMERIC_LONG_SCALE;
		weight = long_weight;
		digits += sizeof(long_weight);
	}
	if (weight > PLAIN_WEIGHT || scale > PLAIN_SCALE)
		return 0;
	count = (int) ((data + length - digits) / sizeof(int16));

	if (is_negative)
		*out++ = '-';
	if (weight < 0)
		*out++ = '0';
	for (int i = 0; i <= weight; i++)
	{
		int digit = base_digit(digits, count, i);

		if (digit < 0 || digit >= NUMERIC_BASE_LIMIT)
			return 0;
		if (i > 0)
			out = put_base_digit(out, digit);
		else
			out += pg_ltoa(digit, out);
	}
	if (scale > 0)
	{
		*out++ = '.';
		end = out + scale;
		for (int i = weight + 1; out < end; i++)
		{
			int digit = base_digit(digits, count, i);

			if (digit < 0 || digit >= NUMERIC_BASE_LIMIT)
				return 0;
			out = put_base_digit(out, digit);
		}
		out = end;
	}
	return (int) (out - text);
}

int64
json_writer_write_numeric(JsonWriter *writer, Datum value)
{
	AlignedVarlena	space;
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);
	char			plain[PLAIN_LENGTH];
	char		   *text;
	Size			length;
	int64			size;

	if (likely(VARATT_IS_SHORT(varlena) || VARATT_IS_4B_U(varlena)))
	{
		length = plain_numeric(VARDATA_ANY(varlena), VARSIZE_ANY_EXHDR(varlena), plain);
		if (length > 0)
			return json_writer_write_number(writer, plain, length);
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
