/*
 * json_scan.c
 *	  The tokens of a JSON text, one after the other.
 *
 * PostgreSQL's own parser recurses and raises errors.  This one does neither:
 * json values may be nested as deep as the stack once allowed in another
 * session, and a value that cannot be scanned must not fail a page.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#include "typed_json/json_scan.h"

void
json_scan_start(JsonScan *scan, const char *text, Size length)
{
	scan->next = text;
	scan->end = text + length;
	scan->token = JSON_SCAN_INVALID;
	scan->start = text;
	scan->length = 0;
}

/* Returns the value of four hexadecimal digits, or -1. */
static int
hex4(const char *digits, const char *end)
{
	int value = 0;

	if (end - digits < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char c = digits[i];

		value <<= 4;
		if (c >= '0' && c <= '9')
			value |= c - '0';
		else if (c >= 'a' && c <= 'f')
			value |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			value |= c - 'A' + 10;
		else
			return -1;
	}
	return value;
}

/*
 * Has the database's encoding the character of that code point?  If not,
 * jsonb, and functions that look into a json value, raise an error for it.
 */
static bool
encoding_has(int code)
{
	int			  encoding = GetDatabaseEncoding();
	unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1] = {0};
	unsigned char converted[MAX_MULTIBYTE_CHAR_LEN * MAX_CONVERSION_GROWTH + 1];
	Oid			  conversion = InvalidOid;
	int			  length;

	if (code < 0x80 || encoding == PG_UTF8)
		return true;
	if (encoding != PG_SQL_ASCII && IsTransactionState())
		conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return false;
	(void) unicode_to_utf8((pg_wchar) code, utf8);
	length = pg_utf_mblen(utf8);
	return pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, utf8,
										 length, converted, sizeof(converted),
										 true) == length;
}

/*
 * Steps over the escape sequence whose backslash is at *pos; returns false if
 * there is none.
 */
static bool
scan_escape(JsonScan *scan, const char **pos)
{
	const char *escape = *pos;
	int			code;

	if (scan->end - escape < 2)
		return false;
	if (escape[1] != 'u')
	{
		if (escape[1] == '\0' || strchr("\"\\/bfnrt", escape[1]) == NULL)
			return false;
		scan->escaped += 2;
		scan->unescaped += 1;
		*pos += 2;
		return true;
	}

	code = hex4(escape + 2, scan->end);
	if (code < 0)
		return false;
	*pos += 6;
	if (code >= 0xD800 && code < 0xDC00)
	{
		int low = -1;

		if (scan->end - *pos >= 6 && (*pos)[0] == '\\' && (*pos)[1] == 'u')
			low = hex4(*pos + 2, scan->end);
		if (low >= 0xDC00 && low < 0xE000)
		{
			*pos += 6;
			scan->unescaped += 4;
			code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
			if (!encoding_has(code))
				scan->unusable = true;
		}
		else
			scan->unusable = true;
	}
	else if (code == 0 || (code >= 0xDC00 && code < 0xE000))
		scan->unusable = true;
	else
	{
		scan->unescaped += code < 0x80 ? 1 : code < 0x800 ? 2 :
															3;
		if (!encoding_has(code))
			scan->unusable = true;
	}
	scan->escaped += *pos - escape;
	return true;
}

static JsonScanToken
scan_string(JsonScan *scan)
{
	const char *pos = scan->next + 1;

	scan->escaped = 0;
	scan->unescaped = 0;
	scan->unusable = false;
	while (pos < scan->end && *pos != '"')
	{
		if ((unsigned char) *pos < 0x20)
			return JSON_SCAN_INVALID;
		if (*pos != '\\')
			pos++;
		else if (!scan_escape(scan, &pos))
			return JSON_SCAN_INVALID;
	}
	if (pos == scan->end)
		return JSON_SCAN_INVALID;
	scan->next = pos + 1;
	return JSON_SCAN_STRING;
}

static JsonScanToken
scan_word(JsonScan *scan, const char *word, JsonScanToken token)
{
	Size length = strlen(word);

	if ((Size) (scan->end - scan->next) < length ||
		memcmp(scan->next, word, length) != 0)
		return JSON_SCAN_INVALID;
	scan->next += length;
	return token;
}

static JsonScanToken
scan_number(JsonScan *scan)
{
	const char *pos = scan->next;

	while (pos < scan->end &&
		   ((*pos >= '0' && *pos <= '9') || *pos == '-' || *pos == '+' ||
			*pos == '.' || *pos == 'e' || *pos == 'E'))
		pos++;
	if (pos == scan->next ||
		!IsValidJsonNumber(scan->next, (int) (pos - scan->next)))
		return JSON_SCAN_INVALID;
	scan->next = pos;
	return JSON_SCAN_NUMBER;
}

/*
 * A word or number ends where it is complete, even if a letter follows: no
 * valid JSON has a token there, and so the caller finds the fault.
 */
JsonScanToken
json_scan_next(JsonScan *scan)
{
	while (scan->next < scan->end &&
		   (*scan->next == ' ' || *scan->next == '\t' ||
			*scan->next == '\n' || *scan->next == '\r'))
		scan->next++;

	scan->start = scan->next;
	if (scan->next == scan->end)
		scan->token = JSON_SCAN_END;
	else
	{
		static const char		   marks[] = "{}[],:";
		static const JsonScanToken mark_tokens[] = {
			JSON_SCAN_OBJECT_START, JSON_SCAN_OBJECT_END,
			JSON_SCAN_ARRAY_START, JSON_SCAN_ARRAY_END,
			JSON_SCAN_COMMA, JSON_SCAN_COLON};
		const char *mark;

		switch (*scan->next)
		{
			case '"':
				scan->token = scan_string(scan);
				break;
			case 't':
				scan->token = scan_word(scan, "true", JSON_SCAN_TRUE);
				break;
			case 'f':
				scan->token = scan_word(scan, "false", JSON_SCAN_FALSE);
				break;
			case 'n':
				scan->token = scan_word(scan, "null", JSON_SCAN_NULL);
				break;
			default:
				mark = memchr(marks, *scan->next, sizeof(marks) - 1);
				if (mark == NULL)
					scan->token = scan_number(scan);
				else
				{
					scan->token = mark_tokens[mark - marks];
					scan->next++;
				}
		}
	}
	scan->length = scan->next - scan->start;
	return scan->token;
}
