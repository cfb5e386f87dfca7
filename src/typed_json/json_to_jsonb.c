/*
 * json_to_jsonb.c
 *	  From a JSON text to jsonb, for texts that ddbstreams has written.
 *
 * jsonb_in makes a tree of allocated values, a copy of each string, and then
 * the jsonb from it; most of the time of a delivery was spent in it.  Here the
 * text is read once into a flat array of nodes, which point into the text, and
 * the jsonb is written from that into memory of the right size.
 *
 * What is rare is left to jsonb_in: texts that are not valid, a scalar alone,
 * keys that come twice, \u escapes of other than ASCII characters, and what
 * jsonb has no room for.  So all errors are jsonb_in's.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "typed_json/json_to_jsonb.h"

/* Numbers with so many digits fit into an int64. */
#define MAX_INTEGER_DIGITS 18

/* What a numeric takes, at most, beside its digits */
#define NUMERIC_SLACK 24

/* Nodes that there is room for at first, at most */
#define FIRST_NODES 65536

/* Fewer keys than this are sorted by insertion. */
#define MANY_KEYS 24

typedef enum NodeKind
{
	NODE_STRING,
	NODE_NUMBER,
	NODE_TRUE,
	NODE_FALSE,
	NODE_NULL,
	NODE_ARRAY,
	NODE_OBJECT
} NodeKind;

/*
 * A value.  The nodes of its contents follow it; those of an object are a key
 * and a value by turns.
 */
typedef struct JsonNode
{
	const char *start;	/* of a string, without quotes, or of a number */
	uint32		length; /* likewise; elements or pairs of a container */
	uint32		kind;
	uint32		next; /* the index of the node behind its contents */
} JsonNode;

typedef struct Parser
{
	const char *at;
	JsonNode   *nodes;
	uint32		count;
	uint32		room;
	Size		size; /* of the jsonb, at most */
} Parser;

typedef struct Output
{
	const JsonNode *nodes;
	char		   *start;
	char		   *end;

	/* The last number that was no integer, and what numeric_in made of it */
	const char *number;
	uint32		number_length;
	Numeric		numeric;
	bool		failed;
} Output;

/* --- reading ------------------------------------------------------------- */

static bool parse_value(Parser *parser);

static inline uint32
add_node(Parser *parser, NodeKind kind, const char *start, Size length)
{
	JsonNode *node;

	if (unlikely(parser->count == parser->room))
	{
		parser->room *= 2;
		parser->nodes = repalloc_huge(parser->nodes, parser->room * sizeof(JsonNode));
	}
	node = &parser->nodes[parser->count];
	node->start = start;
	node->length = (uint32) length;
	node->kind = kind;
	node->next = parser->count + 1;
	return parser->count++;
}

static inline void
skip_space(Parser *parser)
{
	while (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\t' ||
		   *parser->at == '\r')
		parser->at++;
}

static inline bool
skip_char(Parser *parser, char c)
{
	skip_space(parser);
	if (*parser->at != c)
		return false;
	parser->at++;
	return true;
}

static inline int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Undoes an escape sequence behind its backslash; 0 if that is not done. */
static char
unescape(const char **at)
{
	int high;
	int low;

	switch (*(*at)++)
	{
		case '"':
			return '"';
		case '\\':
			return '\\';
		case '/':
			return '/';
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case 'u':
			if ((*at)[0] != '0' || (*at)[1] != '0')
				return 0;
			high = hex_value((*at)[2]);
			low = high < 0 ? -1 : hex_value((*at)[3]);
			if (high < 0 || high > 7 || low < 0)
				return 0;
			*at += 4;
			return (char) (high << 4 | low);
		default:
			return 0;
	}
}

/* Parses a string from its first escape on; a copy without escapes is made. */
static bool
parse_escaped(Parser *parser, const char *start, const char *at)
{
	const char *end = at;
	char	   *copy;
	char	   *out;

	while (*end != '"' && *end != '\0')
		end += *end == '\\' && end[1] != '\0' ? 2 : 1;
	copy = palloc(end - start + 1);
	memcpy(copy, start, at - start);
	out = copy + (at - start);
	while (*at != '"')
	{
		if ((unsigned char) *at < ' ')
			return false;
		if (*at != '\\')
		{
			*out++ = *at++;
			continue;
		}
		at++;
		*out = unescape(&at);
		if (*out++ == '\0')
			return false;
	}
	parser->at = at + 1;
	add_node(parser, NODE_STRING, copy, out - copy);
	parser->size += out - copy;
	return true;
}

/* The text is behind the quote. */
static inline bool
parse_string(Parser *parser)
{
	/* What ends a run of plain characters: quote, backslash, and controls */
	static const bool ends[256] = {
		[0 ... ' ' - 1] = true, ['"'] = true, ['\\'] = true};
	const char *start = parser->at;
	const char *at = start;

	while (!ends[(unsigned char) *at])
		at++;
	if (unlikely(*at != '"'))
		return *at == '\\' && parse_escaped(parser, start, at);
	parser->at = at + 1;
	add_node(parser, NODE_STRING, start, at - start);
	parser->size += at - start;
	return true;
}

static inline const char *
skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

static bool
parse_number(Parser *parser)
{
	const char *start = parser->at;
	const char *at = start + (*start == '-');
	const char *digits = at;

	at = skip_digits(at);
	if (at == digits || (*digits == '0' && at > digits + 1))
		return false;
	if (*at == '.')
	{
		digits = at + 1;
		at = skip_digits(digits);
		if (at == digits)
			return false;
	}
	/* An exponent of a few characters can stand for many digits. */
	if (*at == 'e' || *at == 'E')
		return false;
	add_node(parser, NODE_NUMBER, start, at - start);
	parser->size += at - start + NUMERIC_SLACK;
	parser->at = at;
	return true;
}

static bool
parse_word(Parser *parser, const char *word, NodeKind kind)
{
	size_t length = strlen(word);

	if (strncmp(parser->at, word, length) != 0)
		return false;
	add_node(parser, kind, NULL, 0);
	parser->at += length;
	return true;
}

/* The text is behind the bracket. */
static bool
parse_array(Parser *parser)
{
	uint32 array = add_node(parser, NODE_ARRAY, NULL, 0);
	uint32 count = 0;

	if (!skip_char(parser, ']'))
	{
		do
		{
			if (!parse_value(parser))
				return false;
			count++;
		} while (skip_char(parser, ','));
		if (!skip_char(parser, ']'))
			return false;
	}
	parser->nodes[array].length = count;
	parser->nodes[array].next = parser->count;
	return true;
}

/* The text is behind the brace. */
static bool
parse_object(Parser *parser)
{
	uint32 object = add_node(parser, NODE_OBJECT, NULL, 0);
	uint32 count = 0;

	if (!skip_char(parser, '}'))
	{
		do
		{
			if (!skip_char(parser, '"') || !parse_string(parser) ||
				!skip_char(parser, ':') || !parse_value(parser))
				return false;
			count++;
		} while (skip_char(parser, ','));
		if (!skip_char(parser, '}'))
			return false;
	}
	parser->nodes[object].length = count;
	parser->nodes[object].next = parser->count;
	return true;
}

static bool
parse_value(Parser *parser)
{
	check_stack_depth();
	skip_space(parser);
	/* An entry, and what a container has in front: padding and its header */
	parser->size += 2 * sizeof(JEntry) + 2 * sizeof(uint32);
	switch (*parser->at)
	{
		case '"':
			parser->at++;
			return parse_string(parser);
		case '{':
			parser->at++;
			return parse_object(parser);
		case '[':
			parser->at++;
			return parse_array(parser);
		case 't':
			return parse_word(parser, "true", NODE_TRUE);
		case 'f':
			return parse_word(parser, "false", NODE_FALSE);
		case 'n':
			return parse_word(parser, "null", NODE_NULL);
		default:
			return parse_number(parser);
	}
}

/* --- writing ------------------------------------------------------------- */

static JEntry write_value(Output *output, uint32 index);

static inline void
pad(Output *output)
{
	while ((output->end - output->start) % sizeof(uint32) != 0)
		*output->end++ = '\0';
}

static Numeric
numeric_of(Output *output, const JsonNode *node)
{
	const char *digits = node->start;
	int64		value = 0;
	uint32		i = digits[0] == '-';

	if (node->length <= MAX_INTEGER_DIGITS)
	{
		for (; i < node->length && digits[i] != '.'; i++)
			value = value * 10 + (digits[i] - '0');
		if (i == node->length)
			return int64_to_numeric(digits[0] == '-' ? -value : value);
	}
	if (output->numeric == NULL || output->number_length != node->length ||
		memcmp(output->number, digits, node->length) != 0)
	{
		output->numeric =
			DatumGetNumeric(DirectFunctionCall3(numeric_in,
												CStringGetDatum(pnstrdup(digits, node->length)),
												ObjectIdGetDatum(InvalidOid),
												Int32GetDatum(-1)));
		output->number = digits;
		output->number_length = node->length;
	}
	return output->numeric;
}

/*
 * Sets an entry of a container.  Each JB_OFFSET_STRIDEth has the end of its
 * data in place of the length.
 */
static inline void
set_entry(JEntry *entries, uint32 i, JEntry entry, Size end)
{
	if (i % JB_OFFSET_STRIDE == 0)
		entry = (entry & JENTRY_TYPEMASK) | (JEntry) end | JENTRY_HAS_OFF;
	entries[i] = entry;
}

/* Begins a container; returns its entries, which are to be filled. */
static JEntry *
begin_container(Output *output, uint32 header, uint32 count)
{
	JEntry *entries;

	pad(output);
	memcpy(output->end, &header, sizeof(header));
	entries = (JEntry *) (output->end + sizeof(header));
	output->end += sizeof(header) + count * sizeof(JEntry);
	return entries;
}

static void
write_array(Output *output, uint32 index)
{
	const JsonNode *array = &output->nodes[index];
	JEntry		   *entries = begin_container(output, array->length | JB_FARRAY, array->length);
	const char	   *data = output->end;
	uint32			at = index + 1;

	for (uint32 i = 0; i < array->length; i++)
	{
		JEntry entry = write_value(output, at);

		set_entry(entries, i, entry, output->end - data);
		at = output->nodes[at].next;
	}
}

/* The order of jsonb's keys */
static inline int
compare_keys(const JsonNode *a, const JsonNode *b)
{
	if (a->length != b->length)
		return a->length > b->length ? 1 : -1;
	return memcmp(a->start, b->start, a->length);
}

static int
compare_indexes(const void *a, const void *b, void *nodes)
{
	return compare_keys((const JsonNode *) nodes + *(const uint32 *) a,
						(const JsonNode *) nodes + *(const uint32 *) b);
}

/* Sorts the indexes of an object's keys; false if one comes twice. */
static bool
sort_keys(const JsonNode *nodes, uint32 *keys, uint32 count)
{
	if (count >= MANY_KEYS)
		qsort_arg(keys, count, sizeof(uint32), compare_indexes, unconstify(JsonNode *, nodes));
	for (uint32 i = 1; i < count; i++)
	{
		uint32 key = keys[i];
		uint32 j = i;

		for (; j > 0; j--)
		{
			int order = compare_keys(&nodes[keys[j - 1]], &nodes[key]);

			if (order == 0)
				return false;
			if (order < 0)
				break;
			keys[j] = keys[j - 1];
		}
		keys[j] = key;
	}
	return true;
}

static void
write_object(Output *output, uint32 index)
{
	const JsonNode *nodes = output->nodes;
	uint32			count = nodes[index].length;
	JEntry		   *entries = begin_container(output, count | JB_FOBJECT, 2 * count);
	const char	   *data = output->end;
	uint32			few[MANY_KEYS];
	uint32		   *keys = count <= MANY_KEYS ? few : palloc(count * sizeof(uint32));
	uint32			at = index + 1;

	for (uint32 i = 0; i < count; i++)
	{
		keys[i] = at;
		at = nodes[at + 1].next;
	}
	if (!sort_keys(nodes, keys, count))
		output->failed = true;
	for (uint32 i = 0; i < count; i++)
	{
		const JsonNode *key = &nodes[keys[i]];

		memcpy(output->end, key->start, key->length);
		output->end += key->length;
		set_entry(entries, i, JENTRY_ISSTRING | key->length, output->end - data);
	}
	for (uint32 i = 0; i < count; i++)
	{
		JEntry entry = write_value(output, keys[i] + 1);

		set_entry(entries, count + i, entry, output->end - data);
	}
	if (keys != few)
		pfree(keys);
}

/* Writes a value; returns its entry. */
static JEntry
write_value(Output *output, uint32 index)
{
	const JsonNode *node = &output->nodes[index];
	const char	   *start = output->end;
	Numeric			numeric;

	switch ((NodeKind) node->kind)
	{
		case NODE_STRING:
			memcpy(output->end, node->start, node->length);
			output->end += node->length;
			return JENTRY_ISSTRING | node->length;
		case NODE_NUMBER:
			numeric = numeric_of(output, node);
			pad(output);
			memcpy(output->end, numeric, VARSIZE_ANY(numeric));
			output->end += VARSIZE_ANY(numeric);
			return JENTRY_ISNUMERIC | (JEntry) (output->end - start);
		case NODE_TRUE:
			return JENTRY_ISBOOL_TRUE;
		case NODE_FALSE:
			return JENTRY_ISBOOL_FALSE;
		case NODE_NULL:
			return JENTRY_ISNULL;
		case NODE_ARRAY:
			write_array(output, index);
			break;
		case NODE_OBJECT:
			write_object(output, index);
			break;
	}
	return JENTRY_ISCONTAINER | (JEntry) (output->end - start);
}

/* Returns NULL if the text is left to jsonb_in. */
static Jsonb *
convert(const char *text, Size length)
{
	Parser parser = {.at = text};
	Output output = {0};
	bool   parsed;

	/* A node of what is delivered has some nine characters. */
	parser.room = Min(Max(length / 8, 16), FIRST_NODES);
	parser.nodes = MemoryContextAllocHuge(CurrentMemoryContext, parser.room * sizeof(JsonNode));
	parsed = (*text == '{' || *text == '[') && parse_value(&parser);
	skip_space(&parser);
	/* The check is stricter than jsonb's: the sum of all, and not of parts */
	if (parsed && *parser.at == '\0' && parser.size < JENTRY_OFFLENMASK)
	{
		output.nodes = parser.nodes;
		output.start = palloc(VARHDRSZ + parser.size);
		output.end = output.start + VARHDRSZ;
		(void) write_value(&output, 0);
		Assert((Size) (output.end - output.start) <= VARHDRSZ + parser.size);
		SET_VARSIZE(output.start, output.end - output.start);
	}
	pfree(parser.nodes);
	return output.failed ? NULL : (Jsonb *) output.start;
}

Jsonb *
json_to_jsonb(const char *text)
{
	Size   length = strlen(text);
	Jsonb *jsonb = length < JENTRY_OFFLENMASK ? convert(text, length) : NULL;

	if (jsonb == NULL)
		jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	return jsonb;
}
