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
#include "typed_json/plain_number.h"
#include "typed_json/plain_text.h"

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

/* So many levels need no memory. */
#define FEW_LEVELS 16

/*
 * An array or object that has been opened.  The entries of an object are those
 * of all keys, and then those of all values.
 */
typedef struct JsonbLevel
{
	const char	 *data;	 /* where offsets count from */
	const JEntry *value; /* the next value's entry, or element's */
	const JEntry *key;	 /* the next key's, of an object */
	uint32		  value_offset;
	uint32		  key_offset;
	int			  left; /* elements or pairs */
	bool		  is_object;
	bool		  is_first; /* none has been written */
} JsonbLevel;

static void
open_level(JsonbLevel *level, const JsonbContainer *container)
{
	int count = JsonContainerSize(container);

	level->left = count;
	level->is_object = JsonContainerIsObject(container);
	level->is_first = true;
	level->key = container->children;
	level->key_offset = 0;
	if (level->is_object)
	{
		level->data = (const char *) &container->children[2 * count];
		level->value = &container->children[count];
		level->value_offset = getJsonbOffset(container, count);
	}
	else
	{
		level->data = (const char *) &container->children[count];
		level->value = container->children;
		level->value_offset = 0;
	}
}

/* Takes the next value; *data is set to where it lies, and *length. */
static JEntry
next_value(JsonbLevel *level, const char **data, Size *length)
{
	JEntry entry = *level->value++;
	uint32 offset = level->value_offset;

	JBE_ADVANCE_OFFSET(level->value_offset, entry);
	if (!JBE_ISSTRING(entry))
		offset = INTALIGN(offset);
	*data = level->data + offset;
	*length = level->value_offset - offset;
	return entry;
}

/* Takes the next key of an object. */
static const char *
next_key(JsonbLevel *level, Size *length)
{
	JEntry entry = *level->key++;
	uint32 offset = level->key_offset;

	JBE_ADVANCE_OFFSET(level->key_offset, entry);
	*length = level->key_offset - offset;
	return level->data + offset;
}

static int64
write_jsonb_scalar(JsonWriter *writer, JEntry entry, const char *data, Size length)
{
	if (JBE_ISSTRING(entry))
		return json_writer_write_text(writer, data, length);
	if (JBE_ISNUMERIC(entry))
		return json_writer_write_numeric(writer, PointerGetDatum(data));
	if (JBE_ISBOOL(entry))
		return json_writer_write_bool(writer, JBE_ISBOOL_TRUE(entry));
	if (JBE_ISNULL(entry))
		return json_writer_write_null(writer);
	writer->failure = "malformed jsonb";
	return 0;
}

/* Writes a string with quotes to out; NULL if something is to be escaped. */
static inline char *
put_quickly(char *out, const char *text, Size length)
{
	*out++ = '"';
	if (!plain_text_copy(out, text, length))
		return NULL;
	out += length;
	*out = '"';
	return out + 1;
}

/* More than a member takes, but for its key and its value */
#define MEMBER_ROOM 128

/*
 * Writes a member with a scalar value, if that needs few steps.  An element of
 * an array has no key.  Returns its size, or -1 if nothing was written.
 */
static int64
write_member_quickly(JsonWriter *writer, const char *key, Size key_length,
					 JEntry entry, const char *data, Size length)
{
	StringInfo buf = writer->buf;
	char	  *out = buf->data + buf->len;
	int64	   size = 0;

	if (!writer->is_quick ||
		!json_writer_has_room(writer, MEMBER_ROOM + key_length + length))
		return -1;
	if (key != NULL)
	{
		out = put_quickly(out, key, key_length);
		if (out == NULL)
			return -1;
		*out++ = ':';
	}
	if (JBE_ISSTRING(entry))
	{
		memcpy(out, "{\"S\":", 5);
		out = put_quickly(out + 5, data, length);
		size = length;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		memcpy(out, "{\"N\":\"", 6);
		out = plain_number_put_numeric(out + 6, VARDATA_ANY(data),
									   VARSIZE_ANY_EXHDR(data), &size);
		if (out != NULL)
			*out++ = '"';
	}
	else
		return -1;
	if (out == NULL)
		return -1;
	*out++ = '}';
	buf->len = (int) (out - buf->data);
	return size + key_length;
}

/* Puts what opens or closes a level. */
static void
put_bracket(JsonWriter *writer, const JsonbLevel *level, bool opens)
{
	if (!opens)
		json_writer_put(writer, level->is_object ? "}}" : "]}", 2);
	else if (level->is_object)
		json_writer_put_literal(writer, "{\"M\":{");
	else
		json_writer_put_literal(writer, "{\"L\":[");
}

/*
 * Writes what a jsonb holds.  Returns false if it is nested too deep;
 * something has been written then.  JsonbIterator allocates memory for each
 * level, and looks at all entries of an object twice; the format itself is
 * what pg_upgrade relies on.
 */
static bool
write_jsonb_content(JsonWriter *writer, Jsonb *jsonb, int64 *size)
{
	JsonbLevel	few[FEW_LEVELS];
	JsonbLevel *levels = few;
	int			room = FEW_LEVELS;
	int			depth = 1;
	const char *data;
	Size		length;
	JEntry		entry;

	open_level(&levels[0], &jsonb->root);
	if (JB_ROOT_IS_SCALAR(jsonb))
	{
		/* It is stored as an array of one element. */
		entry = next_value(&levels[0], &data, &length);
		*size += write_jsonb_scalar(writer, entry, data, length);
		return true;
	}
	put_bracket(writer, &levels[0], true);
	*size += JSON_CONTAINER_SIZE;
	while (depth > 0 && writer->failure == NULL)
	{
		JsonbLevel *level = &levels[depth - 1];
		const char *key = NULL;
		Size		key_length = 0;
		int64		member_size;

		if (level->left == 0)
		{
			put_bracket(writer, level, false);
			depth--;
			continue;
		}
		CHECK_FOR_INTERRUPTS();
		level->left--;
		if (!level->is_first)
			json_writer_put_literal(writer, ",");
		level->is_first = false;
		*size += JSON_ELEMENT_SIZE;
		if (level->is_object)
			key = next_key(level, &key_length);
		entry = next_value(level, &data, &length);
		member_size = write_member_quickly(writer, key, key_length, entry, data, length);
		if (member_size >= 0)
		{
			*size += member_size;
			continue;
		}
		if (key != NULL)
		{
			json_writer_put_string(writer, key, key_length);
			json_writer_put_literal(writer, ":");
			*size += json_writer_utf8_length(key, key_length);
		}
		if (!JBE_ISCONTAINER(entry))
		{
			*size += write_jsonb_scalar(writer, entry, data, length);
			continue;
		}
		if (depth == MAX_JSON_DEPTH)
			break;
		if (depth == room)
		{
			JsonbLevel *more = palloc(2 * room * sizeof(JsonbLevel));

			memcpy(more, levels, room * sizeof(JsonbLevel));
			if (levels != few)
				pfree(levels);
			levels = more;
			room *= 2;
		}
		open_level(&levels[depth], (const JsonbContainer *) data);
		put_bracket(writer, &levels[depth], true);
		*size += JSON_CONTAINER_SIZE;
		depth++;
	}
	if (levels != few)
		pfree(levels);
	return depth < MAX_JSON_DEPTH || writer->failure != NULL;
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
