/*
 * typed_json_container.c
 *		PostgreSQL values as DynamoDB typed JSON: arrays, json and jsonb.
 *
 * json and jsonb may be nested as deep as the stack once allowed, in a session
 * with a larger stack than ours.  Neither is walked by recursion here, and
 * beyond MAX_JSON_DEPTH they are written as the text they are, since whoever
 * parses typed JSON has to go twice as deep.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "common/jsonapi.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "typed_json/typed_json_container.h"

#define MAX_JSON_DEPTH 1000

/*
 * Arrays
 */

typedef struct ArrayWalk
{
	TypedJsonWriter		  *writer;
	TypedJsonElementWriter write;
	Oid					   element_type;
	int					   ndim;
	int					  *dims;
	int16				   typlen;
	bool				   typbyval;
	char				   typalign;

	/* the next element */
	char  *data;
	char  *end;
	bits8 *nulls; /* NULL if there is none */
	int	   index;
} ArrayWalk;

static int64
write_element(ArrayWalk *walk)
{
	int	  index = walk->index++;
	Datum value;

	if (walk->nulls != NULL && att_isnull(index, walk->nulls))
		return typed_json_write_null(walk->writer);
	if (walk->data >= walk->end)
	{
		walk->writer->failure = "malformed array";
		return 0;
	}
	value = fetch_att(walk->data, walk->typbyval, walk->typlen);
	walk->data = att_addlength_pointer(walk->data, walk->typlen, walk->data);
	walk->data = (char *) att_align_nominal(walk->data, walk->typalign);
	return walk->write(walk->writer, walk->element_type, value);
}

/* At most MAXDIM levels deep. */
static int64
write_dimension(ArrayWalk *walk, int dim)
{
	int64 size = TYPED_JSON_CONTAINER_SIZE;

	typed_json_put_literal(walk->writer, "{\"L\":[");
	for (int i = 0; i < walk->dims[dim] && walk->writer->failure == NULL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			typed_json_put_literal(walk->writer, ",");
		size += TYPED_JSON_ELEMENT_SIZE;
		if (dim + 1 < walk->ndim)
			size += write_dimension(walk, dim + 1);
		else
			size += write_element(walk);
	}
	typed_json_put_literal(walk->writer, "]}");
	return size;
}

/*
 * Writes an L attribute value, nested for more dimensions, with "write" for
 * each non-null element.
 */
int64
typed_json_write_array(TypedJsonWriter *writer, ArrayType *array,
					   int16 typlen, bool typbyval, char typalign,
					   TypedJsonElementWriter write)
{
	ArrayWalk walk;

	if (ARR_NDIM(array) == 0)
	{
		typed_json_put_literal(writer, "{\"L\":[]}");
		return TYPED_JSON_CONTAINER_SIZE;
	}
	if (ARR_NDIM(array) < 0 || ARR_NDIM(array) > MAXDIM)
	{
		writer->failure = "malformed array";
		return 0;
	}
	walk.writer = writer;
	walk.write = write;
	walk.element_type = ARR_ELEMTYPE(array);
	walk.ndim = ARR_NDIM(array);
	walk.dims = ARR_DIMS(array);
	walk.typlen = typlen;
	walk.typbyval = typbyval;
	walk.typalign = typalign;
	walk.data = (char *) array +
				(ARR_HASNULL(array) ? (Size) array->dataoffset :
									  ARR_OVERHEAD_NONULLS(ARR_NDIM(array)));
	walk.end = (char *) array + ARR_SIZE(array);
	walk.nulls = ARR_NULLBITMAP(array);
	walk.index = 0;
	return write_dimension(&walk, 0);
}

/*
 * Scanning JSON text
 */

void
json_scan_start(JsonScan *scan, const char *text, Size length)
{
	scan->next = text;
	scan->end = text + length;
	scan->token = JSON_SCAN_INVALID;
	scan->start = text;
	scan->length = 0;
}

/* The value of four hexadecimal digits, or -1. */
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
 * Steps over an escape sequence at *pos, which is a backslash; false if it is
 * none.
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
		}
		else
			scan->unusable = true;
	}
	else if (code == 0 || (code >= 0xDC00 && code < 0xE000))
		scan->unusable = true;
	else
		scan->unescaped += code < 0x80 ? 1 : code < 0x800 ? 2 :
															3;
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
 * Moves to the next token and returns what it is.  Words are not told apart
 * from what follows them; no valid JSON has two tokens there.
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

/*
 * json
 */

/* Puts the string at hand as it is; returns its size. */
static int64
put_json_string(TypedJsonWriter *writer, JsonScan *scan)
{
	typed_json_put(writer, scan->start, scan->length);

	/* Escapes are ASCII, and count as what they stand for. */
	return typed_json_utf8_length(scan->start, scan->length) -
		   2 - (int64) scan->escaped + (int64) scan->unescaped;
}

/*
 * Puts the object key at hand and moves to its value; false if there is no
 * usable key.
 */
static bool
put_json_key(TypedJsonWriter *writer, JsonScan *scan, int64 *size)
{
	if (scan->token != JSON_SCAN_STRING || scan->unusable)
		return false;
	*size += put_json_string(writer, scan);
	typed_json_put_literal(writer, ":");
	if (json_scan_next(scan) != JSON_SCAN_COLON)
		return false;
	json_scan_next(scan);
	return true;
}

static bool
write_json_scalar(TypedJsonWriter *writer, JsonScan *scan, int64 *size)
{
	switch (scan->token)
	{
		case JSON_SCAN_STRING:
			if (scan->unusable)
				return false;
			typed_json_put_literal(writer, "{\"S\":");
			*size += put_json_string(writer, scan);
			typed_json_put_literal(writer, "}");
			return true;
		case JSON_SCAN_NUMBER:
			*size += typed_json_write_number(writer, scan->start,
											 scan->length);
			return true;
		case JSON_SCAN_TRUE:
		case JSON_SCAN_FALSE:
			*size += typed_json_write_bool(writer,
										   scan->token == JSON_SCAN_TRUE);
			return true;
		case JSON_SCAN_NULL:
			*size += typed_json_write_null(writer);
			return true;
		default:
			return false;
	}
}

/*
 * Writes what a JSON text holds.  False if it is nested too deep or is not
 * what jsonb would accept; something may have been written then.
 */
static bool
write_json_content(TypedJsonWriter *writer, const char *text, Size length,
				   int64 *size)
{
	JsonScan scan;
	char	 closers[MAX_JSON_DEPTH]; /* of the open containers */
	int		 depth = 0;

	json_scan_start(&scan, text, length);
	json_scan_next(&scan);
	while (writer->failure == NULL)
	{
		bool opened = false;

		CHECK_FOR_INTERRUPTS();

		/* The token at hand begins a value. */
		if (scan.token == JSON_SCAN_OBJECT_START ||
			scan.token == JSON_SCAN_ARRAY_START)
		{
			if (depth == MAX_JSON_DEPTH)
				return false;
			if (scan.token == JSON_SCAN_OBJECT_START)
			{
				typed_json_put_literal(writer, "{\"M\":{");
				closers[depth++] = '}';
			}
			else
			{
				typed_json_put_literal(writer, "{\"L\":[");
				closers[depth++] = ']';
			}
			*size += TYPED_JSON_CONTAINER_SIZE;
			opened = true;
		}
		else if (!write_json_scalar(writer, &scan, size))
			return false;

		/* Close what ends here, and find the next value. */
		for (;;)
		{
			json_scan_next(&scan);
			if (depth == 0)
				return scan.token == JSON_SCAN_END;
			if (scan.token == (closers[depth - 1] == '}' ?
								   JSON_SCAN_OBJECT_END :
								   JSON_SCAN_ARRAY_END))
			{
				char close[] = {closers[--depth], '}'};

				typed_json_put(writer, close, sizeof(close));
				opened = false;
				continue;
			}
			if (!opened)
			{
				if (scan.token != JSON_SCAN_COMMA)
					return false;
				typed_json_put_literal(writer, ",");
				json_scan_next(&scan);
			}
			*size += TYPED_JSON_ELEMENT_SIZE;
			if (closers[depth - 1] == '}' &&
				!put_json_key(writer, &scan, size))
				return false;
			break;
		}
	}
	return true;
}

/*
 * Writes a json value by what it holds, numbers in their own digits.  What
 * jsonb would not accept, such as \u0000, is written as text.
 */
int64
typed_json_write_json(TypedJsonWriter *writer, const char *text, Size length)
{
	int	  start = writer->buf->len;
	int64 size = 0;

	if (write_json_content(writer, text, length, &size))
		return size;

	/* It may have become too large before it proved unusable. */
	writer->buf->len = start;
	writer->failure = NULL;
	return typed_json_write_text(writer, text, length);
}

/*
 * jsonb
 */

static int64
write_jsonb_scalar(TypedJsonWriter *writer, JsonbValue *value)
{
	Datum number;

	switch (value->type)
	{
		case jbvNull:
			return typed_json_write_null(writer);
		case jbvString:
			return typed_json_write_text(writer, value->val.string.val,
										 value->val.string.len);
		case jbvNumeric:
			number = NumericGetDatum(value->val.numeric);
			return typed_json_write_numeric(writer, number);
		case jbvBool:
			return typed_json_write_bool(writer, value->val.boolean);
		default:
			writer->failure = "malformed jsonb";
			return 0;
	}
}

/*
 * False if it is nested too deep; something has been written then.  What is in
 * no container is stored as an array that is none.
 */
static bool
write_jsonb_content(TypedJsonWriter *writer, Jsonb *jsonb, int64 *size)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue		   value;
	bool			   is_scalar = JB_ROOT_IS_SCALAR(jsonb);
	bool			   begins_member = false;
	bool			   first = true; /* member of its container */
	int				   depth = 0;

	while (writer->failure == NULL && depth <= MAX_JSON_DEPTH &&
		   (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_scalar && token != WJB_ELEM)
			continue;
		if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
		{
			if (token == WJB_END_ARRAY)
				typed_json_put_literal(writer, "]}");
			else
				typed_json_put_literal(writer, "}}");
			depth--;
			first = false;
			begins_member = true;
			continue;
		}

		/* Not so the value after a key, and what is outermost. */
		if (begins_member)
		{
			if (!first)
				typed_json_put_literal(writer, ",");
			*size += TYPED_JSON_ELEMENT_SIZE;
		}
		first = false;
		begins_member = true;

		switch (token)
		{
			case WJB_KEY:
				typed_json_put_string(writer, value.val.string.val,
									  value.val.string.len);
				typed_json_put_literal(writer, ":");
				*size += typed_json_utf8_length(value.val.string.val,
												value.val.string.len);
				begins_member = false;
				break;
			case WJB_BEGIN_ARRAY:
			case WJB_BEGIN_OBJECT:
				if (token == WJB_BEGIN_ARRAY)
					typed_json_put_literal(writer, "{\"L\":[");
				else
					typed_json_put_literal(writer, "{\"M\":{");
				*size += TYPED_JSON_CONTAINER_SIZE;
				depth++;
				first = true;
				break;
			default:
				*size += write_jsonb_scalar(writer, &value);
		}
	}

	while (iterator != NULL)
	{
		JsonbIterator *parent = iterator->parent;

		pfree(iterator);
		iterator = parent;
	}
	return depth <= MAX_JSON_DEPTH;
}

/* Writes a jsonb value, with an aligned four-byte header, by what it holds. */
int64
typed_json_write_jsonb(TypedJsonWriter *writer, struct varlena *value)
{
	Jsonb *jsonb = (Jsonb *) value;
	int	   start = writer->buf->len;
	int64  size = 0;
	char  *text;

	if (write_jsonb_content(writer, jsonb, &size))
		return size;

	writer->buf->len = start;
	writer->failure = NULL;

	/* Its text may be six times as large: "\u0001" */
	if (VARSIZE(value) > MaxAllocSize / 8 || VARSIZE(value) > writer->limit)
	{
		writer->failure = "value too large";
		return 0;
	}
	text = JsonbToCString(NULL, &jsonb->root, VARSIZE(value));
	size = typed_json_write_text(writer, text, strlen(text));
	pfree(text);
	return size;
}
