/*
 * json_container.c
 *	  Arrays, json and jsonb as typed JSON.
 *
 * A json or jsonb value may be nested as deep as the stack allowed in the
 * session that made it, and that may have been larger than the stack of the
 * session that reads.  So neither is walked by recursion.  A value that is
 * nested deeper than MAX_JSON_DEPTH is written as text: a client that parses
 * typed JSON has to go twice as deep.
 */
#include "postgres.h"

#include "access/tupmacs.h"
#include "miscadmin.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "typed_json/json_container.h"
#include "typed_json/json_scan.h"

#define MAX_JSON_DEPTH 1000

/* --- arrays -------------------------------------------------------------- */

typedef struct ArrayWalk
{
	JsonWriter		 *writer;
	JsonElementWriter write;
	Oid				  element_type;
	int				  ndim;
	int				 *dims;
	int16			  typlen;
	bool			  typbyval;
	char			  typalign;

	/* the next element */
	char  *data;
	char  *end;
	uint8 *nulls; /* NULL if there is none */
	int	   index;
} ArrayWalk;

static int64
write_element(ArrayWalk *walk)
{
	int	  index = walk->index++;
	Datum value;

	if (walk->nulls != NULL && att_isnull(index, walk->nulls))
		return json_writer_write_null(walk->writer);
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

/*
 * Writes a dimension and those below it: a recursion of MAXDIM levels at most.
 */
static int64
write_dimension(ArrayWalk *walk, int dim)
{
	int64 size = JSON_CONTAINER_SIZE;

	json_writer_put_literal(walk->writer, "{\"L\":[");
	for (int i = 0; i < walk->dims[dim] && walk->writer->failure == NULL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			json_writer_put_literal(walk->writer, ",");
		size += JSON_ELEMENT_SIZE;
		if (dim + 1 < walk->ndim)
			size += write_dimension(walk, dim + 1);
		else
			size += write_element(walk);
	}
	json_writer_put_literal(walk->writer, "]}");
	return size;
}

int64
json_container_write_array(JsonWriter *writer, ArrayType *array,
						   int16 typlen, bool typbyval, char typalign,
						   JsonElementWriter write)
{
	ArrayWalk walk;

	if (ARR_NDIM(array) == 0)
	{
		json_writer_put_literal(writer, "{\"L\":[]}");
		return JSON_CONTAINER_SIZE;
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

/* --- json ---------------------------------------------------------------- */

/* Puts the string at hand as it stands there; returns its size. */
static int64
put_json_string(JsonWriter *writer, JsonScan *scan)
{
	json_writer_put(writer, scan->start, scan->length);

	/* Escapes are ASCII, and count as what they stand for. */
	return json_writer_utf8_length(scan->start, scan->length) -
		   2 - (int64) scan->escaped + (int64) scan->unescaped;
}

/*
 * Puts the key at hand and moves to its value; returns false if the token at
 * hand is no key that can be used.
 */
static bool
put_json_key(JsonWriter *writer, JsonScan *scan, int64 *size)
{
	if (scan->token != JSON_SCAN_STRING || scan->unusable)
		return false;
	*size += put_json_string(writer, scan);
	json_writer_put_literal(writer, ":");
	if (json_scan_next(scan) != JSON_SCAN_COLON)
		return false;
	json_scan_next(scan);
	return true;
}

/* Writes the scalar at hand; returns false if there is none. */
static bool
write_json_scalar(JsonWriter *writer, JsonScan *scan, int64 *size)
{
	switch (scan->token)
	{
		case JSON_SCAN_STRING:
			if (scan->unusable)
				return false;
			json_writer_put_literal(writer, "{\"S\":");
			*size += put_json_string(writer, scan);
			json_writer_put_literal(writer, "}");
			return true;
		case JSON_SCAN_NUMBER:
			*size += json_writer_write_number(writer, scan->start,
											  scan->length);
			return true;
		case JSON_SCAN_TRUE:
		case JSON_SCAN_FALSE:
			*size += json_writer_write_bool(writer,
											scan->token == JSON_SCAN_TRUE);
			return true;
		case JSON_SCAN_NULL:
			*size += json_writer_write_null(writer);
			return true;
		default:
			return false;
	}
}

/*
 * Writes what a JSON text holds.  Returns false if it is nested too deep, or
 * if jsonb would refuse it; something may have been written then.
 */
static bool
write_json_content(JsonWriter *writer, const char *text, Size length,
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
				json_writer_put_literal(writer, "{\"M\":{");
				closers[depth++] = '}';
			}
			else
			{
				json_writer_put_literal(writer, "{\"L\":[");
				closers[depth++] = ']';
			}
			*size += JSON_CONTAINER_SIZE;
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

				json_writer_put(writer, close, sizeof(close));
				opened = false;
				continue;
			}
			if (!opened)
			{
				if (scan.token != JSON_SCAN_COMMA)
					return false;
				json_writer_put_literal(writer, ",");
				json_scan_next(&scan);
			}
			*size += JSON_ELEMENT_SIZE;
			if (closers[depth - 1] == '}' &&
				!put_json_key(writer, &scan, size))
				return false;
			break;
		}
	}
	return true;
}

int64
json_container_write_json(JsonWriter *writer, const char *text, Size length)
{
	int	  start = writer->buf->len;
	int64 size = 0;

	if (write_json_content(writer, text, length, &size))
		return size;

	/* The writer may have failed before the text proved to be unusable. */
	writer->buf->len = start;
	writer->failure = NULL;
	return json_writer_write_text(writer, text, length);
}

/* --- jsonb --------------------------------------------------------------- */

static int64
write_jsonb_scalar(JsonWriter *writer, JsonbValue *value)
{
	Datum number;

	switch (value->type)
	{
		case jbvNull:
			return json_writer_write_null(writer);
		case jbvString:
			return json_writer_write_text(writer, value->val.string.val,
										  value->val.string.len);
		case jbvNumeric:
			number = NumericGetDatum(value->val.numeric);
			return json_writer_write_numeric(writer, number);
		case jbvBool:
			return json_writer_write_bool(writer, value->val.boolean);
		default:
			writer->failure = "malformed jsonb";
			return 0;
	}
}

/*
 * Writes what a jsonb holds.  Returns false if it is nested too deep;
 * something has been written then.  A scalar is stored as an array of one
 * element, whose brackets are left out.
 */
static bool
write_jsonb_content(JsonWriter *writer, Jsonb *jsonb, int64 *size)
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
				json_writer_put_literal(writer, "]}");
			else
				json_writer_put_literal(writer, "}}");
			depth--;
			first = false;
			begins_member = true;
			continue;
		}

		/* The value after a key and the outermost one begin no member. */
		if (begins_member)
		{
			if (!first)
				json_writer_put_literal(writer, ",");
			*size += JSON_ELEMENT_SIZE;
		}
		first = false;
		begins_member = true;

		switch (token)
		{
			case WJB_KEY:
				json_writer_put_string(writer, value.val.string.val,
									   value.val.string.len);
				json_writer_put_literal(writer, ":");
				*size += json_writer_utf8_length(value.val.string.val,
												 value.val.string.len);
				begins_member = false;
				break;
			case WJB_BEGIN_ARRAY:
			case WJB_BEGIN_OBJECT:
				if (token == WJB_BEGIN_ARRAY)
					json_writer_put_literal(writer, "{\"L\":[");
				else
					json_writer_put_literal(writer, "{\"M\":{");
				*size += JSON_CONTAINER_SIZE;
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

int64
json_container_write_jsonb(JsonWriter *writer, struct varlena *value)
{
	Jsonb *jsonb = (Jsonb *) value;
	int	   start = writer->buf->len;
	int64  size = 0;
	char  *text;

	if (write_jsonb_content(writer, jsonb, &size))
		return size;

	writer->buf->len = start;
	writer->failure = NULL;

	/* The text may be six times as large: a byte becomes "\u0001". */
	if (VARSIZE(value) > MaxAllocSize / 8 || VARSIZE(value) > writer->limit)
	{
		writer->failure = "value too large";
		return 0;
	}
	text = JsonbToCString(NULL, &jsonb->root, VARSIZE(value));
	size = json_writer_write_text(writer, text, strlen(text));
	pfree(text);
	return size;
}
