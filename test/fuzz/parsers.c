/*
 * parsers.c
 *	  A fuzzer for what ddbstreams' functions read: patterns, typed JSON,
 *	  values, iterators, names, and requests of aws().
 *
 * test/fuzz/parsers builds it into the library, with the instrumentation of
 * clang's libFuzzer, and calls ddbstreams_fuzz in a server that runs in
 * single-user mode.  So the parsers have all that they use of PostgreSQL.
 *
 * Each input is a text in UTF-8.  It is read in a subtransaction that is
 * rolled back.  An error is what most inputs should end with; an internal one
 * (class XX) is a fault, and so is an answer that contradicts another one.
 *
 * The sanitizer knows where a block of malloc begins and ends, and nothing of
 * the chunks into which PostgreSQL divides one.  So, where the version lets a
 * memory context have functions of its own, each chunk of the parsers is a
 * block of malloc.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/memnodes.h"
#include "parser/parse_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "aws/aws_table_name.h"
#include "base/sequence_number.h"
#include "filter/filter_match.h"
#include "filter/filter_parse.h"
#include "filter/filter_set.h"
#include "mapping/mapping_function.h"
#include "reading/iterator.h"
#include "reading/stream_access.h"
#include "typed_json/json_to_jsonb.h"
#include "typed_json/rendered_value.h"
#include "typed_json/typed_json.h"

#define MAX_DEPTH		 100
#define INPUTS_OF_CACHES 500

/* Reads one input, in a memory context and subtransaction of its own. */
typedef void (*Target)(char *input);

extern int	 LLVMFuzzerRunDriver(int *argc, char ***argv,
								 int (*callback)(const uint8_t *data, size_t size));
extern Datum ddbstreams_aws(PG_FUNCTION_ARGS);
extern Datum ddbstreams_unmarshal(PG_FUNCTION_ARGS);

PG_FUNCTION_INFO_V1(ddbstreams_fuzz);

static Target		 target;
static MemoryContext input_context;

/* Words of inputs, and what they stand for in this database, by turns */
static char **words;
static int	  word_count;

/* Ends the process; libFuzzer keeps the input. */
static void
report_fault(const char *what)
{
	fprintf(stderr, "FAULT: %s\n", what);
	abort();
}

/* --- chunks of malloc ----------------------------------------------------- */

#if PG_VERSION_NUM < 160000

/* PostgreSQL looks for the context right before a chunk. */
typedef struct Chunk
{
	struct Chunk *previous;
	struct Chunk *next;
	Size		  size;
	MemoryContext context;
} Chunk;

typedef struct ChunkContext
{
	MemoryContextData header;
	Chunk			  list; /* its own previous and next if there is none */
} ChunkContext;

extern MemoryContext __wrap_AllocSetContextCreateInternal(MemoryContext parent,
														  const char   *name,
														  Size			min_size,
														  Size			first_size,
														  Size			max_size);

static void *
chunk_alloc(MemoryContext context, Size size)
{
	Chunk *list = &((ChunkContext *) context)->list;
	Chunk *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->context = context;
	chunk->previous = list;
	chunk->next = list->next;
	list->next->previous = chunk;
	list->next = chunk;
	context->mem_allocated += size;
	return chunk + 1;
}

static void
chunk_free(MemoryContext context, void *pointer)
{
	Chunk *chunk = (Chunk *) pointer - 1;

	context->mem_allocated -= chunk->size;
	chunk->previous->next = chunk->next;
	chunk->next->previous = chunk->previous;
	free(chunk);
}

/* The chunk always moves: pointers to its old place are found out. */
static void *
chunk_realloc(MemoryContext context, void *pointer, Size size)
{
	Size  old_size = ((Chunk *) pointer - 1)->size;
	void *moved = chunk_alloc(context, size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, pointer, Min(old_size, size));
	chunk_free(context, pointer);
	return moved;
}

static void
chunk_reset(MemoryContext context)
{
	Chunk *list = &((ChunkContext *) context)->list;

	while (list->next != list)
		chunk_free(context, list->next + 1);
}

static void
chunk_delete_context(MemoryContext context)
{
	chunk_reset(context);
	free(context);
}

static Size
chunk_space(MemoryContext context, void *pointer)
{
	return ((Chunk *) pointer - 1)->size;
}

static bool
chunk_context_is_empty(MemoryContext context)
{
	return context->isReset;
}

static void
chunk_stats(MemoryContext context, MemoryStatsPrintFunc print, void *passthru,
			MemoryContextCounters *totals, bool print_to_stderr)
{
}

#ifdef MEMORY_CONTEXT_CHECKING
static void
chunk_check(MemoryContext context)
{
}
#endif

static const MemoryContextMethods chunk_methods = {
	.alloc = chunk_alloc,
	.free_p = chunk_free,
	.realloc = chunk_realloc,
	.reset = chunk_reset,
	.delete_context = chunk_delete_context,
	.get_chunk_space = chunk_space,
	.is_empty = chunk_context_is_empty,
	.stats = chunk_stats,
#ifdef MEMORY_CONTEXT_CHECKING
	.check = chunk_check,
#endif
};

/* The linker lets the library call this in place of PostgreSQL's function. */
MemoryContext
__wrap_AllocSetContextCreateInternal(MemoryContext parent, const char *name,
									 Size min_size, Size first_size, Size max_size)
{
	ChunkContext *context = malloc(sizeof(ChunkContext));

	context->list.previous = context->list.next = &context->list;
	MemoryContextCreate(&context->header, T_AllocSetContext, &chunk_methods,
						parent, name);
	return &context->header;
}

#endif

/* --- inputs --------------------------------------------------------------- */

/* Takes a line off a text, and terminates it. */
static char *
take_line(char **input)
{
	char *line = *input;
	char *feed = strchr(line, '\n');

	*input = feed != NULL ? feed + 1 : line + strlen(line);
	if (feed != NULL)
		*feed = '\0';
	return line;
}

/* Puts what they stand for in the place of words. */
static char *
replace_words(char *input)
{
	for (int i = 0; i < word_count; i += 2)
	{
		if (strstr(input, words[i]) != NULL)
			input = text_to_cstring(DatumGetTextPP(
				DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, CStringGetTextDatum(input),
										CStringGetTextDatum(words[i]),
										CStringGetTextDatum(words[i + 1]))));
	}
	return input;
}

/* Appends the string that *input begins with, and moves *input behind it. */
static void
append_string(StringInfo json, const char **input)
{
	appendStringInfoChar(json, '"');
	for (++*input; **input != '\0' && **input != '"'; ++*input)
	{
		const char *c = *input;

		if ((unsigned char) *c < ' ')
			appendStringInfoChar(json, ' ');
		else if (*c != '\\')
			appendStringInfoChar(json, *c);
		else if (c[1] == 'u' && strspn(c + 2, "0123456789abcdefABCDEF") >= 4)
		{
			appendBinaryStringInfo(json, c, 6);
			*input += 5;
		}
		else if (c[1] != '\0' && strchr("\"\\/bfnrt", c[1]) != NULL)
		{
			appendBinaryStringInfo(json, c, 2);
			++*input;
		}
		else
			appendStringInfoString(json, "\\\\");
	}
	if (**input != '\0')
		++*input;
	appendStringInfoChar(json, '"');
}

/* Appends the number or word that *input begins with; false if there is none. */
static bool
append_scalar(StringInfo json, const char **input)
{
	static const char *const scalars[] = {"true", "false", "null"};
	int						 length = (int) strspn(*input, "0123456789+-.eE");

	for (int i = 0; i < (int) lengthof(scalars); i++)
	{
		if (strncmp(*input, scalars[i], strlen(scalars[i])) == 0)
		{
			appendStringInfoString(json, scalars[i]);
			*input += strlen(scalars[i]);
			return true;
		}
	}
	for (int used = length; used > 0; used--)
	{
		if (IsValidJsonNumber(*input, used))
		{
			appendBinaryStringInfo(json, *input, used);
			*input += length;
			return true;
		}
	}
	return false;
}

/*
 * Makes JSON of any text: what is missing is added, what cannot be there is
 * left out.  JSON remains as it is.  The parser of JSON is PostgreSQL's, and
 * few changes of a text pass it.
 */
static char *
mend_json(const char *input)
{
	StringInfoData json;
	char		   ends[MAX_DEPTH]; /* of what is open */
	int			   depth = 0;
	enum
	{
		AT_VALUE, /* a value has to follow */
		AT_NAME,  /* a name, or the end of the object */
		AT_COLON, /* a colon has to follow */
		AFTER_VALUE
	} state = AT_VALUE;
	bool first = true; /* of what is open, nothing is there yet */

	initStringInfo(&json);
	while (*input != '\0' && !(depth == 0 && state == AFTER_VALUE))
	{
		char c = *input;
		bool closes = c == ']' || c == '}';

		if (state == AT_COLON)
		{
			appendStringInfoChar(&json, ':');
			input += c == ':';
			state = AT_VALUE;
		}
		else if (closes && depth > 0 &&
				 (state == AFTER_VALUE || (first && (state == AT_NAME || ends[depth - 1] == ']'))))
		{
			appendStringInfoChar(&json, ends[--depth]);
			input++;
			state = AFTER_VALUE;
			first = false;
		}
		else if (state == AFTER_VALUE && (c == ',' || c == '"' || c == '{' || c == '['))
		{
			appendStringInfoChar(&json, ',');
			input += c == ',';
			state = ends[depth - 1] == '}' ? AT_NAME : AT_VALUE;
			first = false;
		}
		else if (state == AT_NAME && c == '"')
		{
			append_string(&json, &input);
			state = AT_COLON;
			first = false;
		}
		else if (state == AT_VALUE && (c == '{' || c == '[') && depth < MAX_DEPTH)
		{
			appendStringInfoChar(&json, c);
			ends[depth++] = c == '{' ? '}' : ']';
			input++;
			state = c == '{' ? AT_NAME : AT_VALUE;
			first = true;
		}
		else if (state == AT_VALUE && c == '"')
		{
			append_string(&json, &input);
			state = AFTER_VALUE;
		}
		else if (state == AT_VALUE && append_scalar(&json, &input))
			state = AFTER_VALUE;
		else
			input++;
	}

	if (state == AT_COLON)
		appendStringInfoString(&json, ":null");
	else if (state == AT_NAME && !first)
		appendStringInfoString(&json, "\"\":null");
	else if (state == AT_VALUE && !(first && depth > 0))
		appendStringInfoString(&json, "null");
	while (depth > 0)
		appendStringInfoChar(&json, ends[--depth]);
	return json.data;
}

static Jsonb *
mended_jsonb(const char *input)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(mend_json(input))));
}

/* --- running what may raise an error -------------------------------------- */

static void
run_target(Target run, char *input)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run(input);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR)
			report_fault(psprintf("%s: %s (%s:%d)", unpack_sql_state(error->sqlerrcode),
								  error->message, error->filename, error->lineno));
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static int
read_input(const uint8_t *data, size_t size)
{
	static int	  count = 0;
	MemoryContext old;
	char		 *input;

	if (memchr(data, '\0', size) != NULL ||
		!pg_verify_mbstr(PG_UTF8, (const char *) data, (int) size, true))
		return -1;
	old = MemoryContextSwitchTo(input_context);
	input = pnstrdup((const char *) data, size);
	run_target(target, input);
	MemoryContextSwitchTo(old);
	MemoryContextReset(input_context);
	/* Each name that is looked up stays there, and slows the next ones down. */
	if (++count % INPUTS_OF_CACHES == 0)
		ResetCatalogCaches();
	return 0;
}

/* --- targets -------------------------------------------------------------- */

/* Lines: a pattern, and a record */
static void
read_filter(char *input)
{
	char		  *pattern_text = mend_json(take_line(&input));
	Jsonb		  *record = mended_jsonb(input);
	Jsonb		  *pattern = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pattern_text)));
	StringInfoData criteria;
	FilterSet	  *set;
	JsonbValue	   value;
	char		  *event_name;
	FilterVerdict  verdict;
	bool		   matches;

	if (!JB_ROOT_IS_OBJECT(record))
		return;
	matches = filter_match_pattern(filter_parse_pattern(pattern), record);

	/* A mapping has the pattern as a text, and judges by parts, too. */
	initStringInfo(&criteria);
	appendStringInfoString(&criteria, "{\"Filters\": [{\"Pattern\": ");
	escape_json(&criteria, pattern_text);
	appendStringInfoString(&criteria, "}]}");
	set = filter_set_compile(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(criteria.data))));
	if (filter_set_matches(set, record) != matches)
		report_fault("a set of one filter judges otherwise than its pattern");
	if (getKeyJsonValueFromContainer(&record->root, "eventName", strlen("eventName"), &value) != NULL &&
		value.type == jbvString)
	{
		event_name = pnstrdup(value.val.string.val, value.val.string.len);
		verdict = filter_set_pretest(set, event_name);
		if (verdict != FILTER_MAYBE && (verdict == FILTER_YES) != matches)
			report_fault("an event's name tells what is not true of the record");
	}
	filter_set_free(set);
}

/* Is a text JSON? */
static void
check_json(const char *what, const char *json)
{
	JsonLexContext *lex = makeJsonLexContextCstringLen((char *) json, (int) strlen(json), PG_UTF8, false);

	if (pg_parse_json(lex, &nullSemAction) != JSON_SUCCESS)
		report_fault(psprintf("%s is not JSON: %s", what, json));
}

static char *
unmarshal(const char *json)
{
	LOCAL_FCINFO(fcinfo, 1);

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(json);
	fcinfo->args[0].isnull = false;
	return TextDatumGetCString(ddbstreams_unmarshal(fcinfo));
}

/* An image */
static void
read_typed_json(char *input)
{
	char  *json = mend_json(input);
	Jsonb *ours = json_to_jsonb(json);
	Jsonb *theirs = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));

	if (VARSIZE(ours) != VARSIZE(theirs) || memcmp(ours, theirs, VARSIZE(ours)) != 0)
		report_fault("json_to_jsonb makes another jsonb than jsonb_in");
	check_json("what unmarshal returns", unmarshal(json));
}

/* Lines: a type's name, and a value of it */
static void
read_value(char *input)
{
	Oid			   type;
	int32		   typmod;
	Oid			   function;
	Oid			   type_param;
	Datum		   value;
	StringInfoData json;

	parseTypeString(take_line(&input), &type, &typmod, true);
	if (!OidIsValid(type) || get_typtype(type) == TYPTYPE_PSEUDO ||
		getBaseType(type) == REGCLASSOID)
		return;
	getTypeInputInfo(type, &function, &type_param);
	value = OidInputFunctionCall(function, input, type_param, typmod);

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"value\":");
	if (typed_json_is_raw(type))
		typed_json_append(&json, type, value, MaxAllocSize / 2);
	else
		rendered_value_append_json(&json, PointerGetDatum(rendered_value_make(type, value)),
								   MaxAllocSize / 2);
	appendStringInfoChar(&json, '}');
	check_json("an image", json.data);
	check_json("an unmarshaled image", unmarshal(json.data));
}

static Datum
aws(const char *operation, const char *request)
{
	LOCAL_FCINFO(fcinfo, 2);

	InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(operation);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = CStringGetTextDatum(request);
	fcinfo->args[1].isnull = false;
	return ddbstreams_aws(fcinfo);
}

static void
read_shard_iterator(char *input)
{
	StringInfoData request;

	initStringInfo(&request);
	appendStringInfoString(&request, "{\"ShardIterator\": ");
	escape_json(&request, input);
	appendStringInfoChar(&request, '}');
	check_json("a page of records", TextDatumGetCString(aws("GetRecords", request.data)));
}

/* An iterator; or "#", an ARN, and on the next line what is signed with it */
static void
read_iterator(char *input)
{
	IteratorWriter writer;
	StreamInfo	   stream = {0};
	ShardInfo	   shard = {0};
	char		   kind = '\0';
	long		   position = 0;
	long		   shard_no = 0;

	input = replace_words(input);
	if (input[0] == '#')
	{
		stream.arn = take_line(&input) + 1;
		if (sscanf(input, "%c %ld %ld", &kind, &shard_no, &position) < 2)
			return;
		shard.shard_no = shard_no;
		iterator_writer_init(&writer, &stream, &shard);
		input = pstrdup(iterator_writer_write(&writer, (IteratorKind) (uint8) kind, position));
	}
	run_target(read_shard_iterator, input);
}

static void
read_stream_arn(char *input)
{
	(void) stream_access_by_arn(input, NULL);
}

static void
read_table_name(char *input)
{
	Oid relid = aws_table_name_find(aws_table_name_or_arn(input));

	if (OidIsValid(relid) && get_rel_name(relid) == NULL)
		report_fault("a name means a relation that is not there");
}

static void
read_function_name(char *input)
{
	(void) mapping_function_find_named(input);
}

static void
read_normal_name(char *input)
{
	char *name = mapping_function_normal_name(input);

	if (strcmp(mapping_function_normal_name(name), name) != 0)
		report_fault("a normal name is not its own normal name");
	(void) mapping_function_find(input);
}

static void
read_sequence_number(char *input)
{
	char *number = sequence_number_text(sequence_number_parse(input));

	if (sequence_number_parse(number) != sequence_number_parse(input))
		report_fault("a sequence number is not that of its input");
}

/* The name of anything: a stream, table or function, a number */
static void
read_name(char *input)
{
	input = replace_words(input);
	run_target(read_stream_arn, input);
	run_target(read_table_name, input);
	run_target(read_function_name, input);
	run_target(read_normal_name, input);
	run_target(read_sequence_number, input);
}

/* Lines: an operation, and its request */
static void
read_request(char *input)
{
	char *operation = take_line(&input);

	check_json("an answer of aws()",
			   TextDatumGetCString(aws(operation, replace_words(mend_json(input)))));
}

static const struct
{
	const char *name;
	Target		target;
} targets[] = {
	{"filter", read_filter},
	{"typed_json", read_typed_json},
	{"value", read_value},
	{"iterator", read_iterator},
	{"name", read_name},
	{"request", read_request}};

/*
 * fuzz(target text, words text[], options text[]) returns void: gives these
 * options to libFuzzer, which ends the process when it is done.
 */
Datum
ddbstreams_fuzz(PG_FUNCTION_ARGS)
{
	char  *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum *values;
	int	   count;
	char **options;

	for (int i = 0; i < (int) lengthof(targets); i++)
	{
		if (strcmp(name, targets[i].name) == 0)
			target = targets[i].target;
	}
	if (target == NULL)
		elog(ERROR, "there is no target \"%s\"", name);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, NULL, &word_count);
	words = palloc(sizeof(char *) * word_count);
	for (int i = 0; i < word_count; i++)
		words[i] = TextDatumGetCString(values[i]);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, NULL, &count);
	options = palloc(sizeof(char *) * (count + 2));
	options[0] = name;
	for (int i = 0; i < count; i++)
		options[i + 1] = TextDatumGetCString(values[i]);
	count++;
	options[count] = NULL;

	input_context = AllocSetContextCreate(TopMemoryContext, "fuzzer's input",
										  ALLOCSET_DEFAULT_SIZES);
	LLVMFuzzerRunDriver(&count, &options, read_input);
	PG_RETURN_VOID();
}
