/*
 * filter_set.c
 *	  The filters of an event source mapping.
 *
 * FilterCriteria read as AWS's do, {"Filters":[{"Pattern":"<JSON text>"}]};
 * the pattern may be a JSON object, too.  A record that matches one of the
 * filters is delivered.
 *
 * A set can tell from the event's name, or from name and key, that no filter
 * matches: then the caller need not build the rest of the record.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "filter/filter_match.h"
#include "filter/filter_parse.h"
#include "filter/filter_set.h"

#define EVENT_NAME_PATH "eventName"
#define KEYS_PATH		"dynamodb.Keys"

static const char *const event_names[] = {"INSERT", "MODIFY", "REMOVE"};

struct FilterSet
{
	MemoryContext	context; /* of the set itself */
	int				count;
	FilterPattern **patterns;
	FilterVerdict	verdicts[lengthof(event_names)]; /* by the name alone */
};

/* Finds a member that is not null. */
static bool
get_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, (int) strlen(name), value) != NULL &&
		   value->type != jbvNull;
}

/*
 * Returns how many names of members a JSON text has: each is followed by the
 * only colon that stands outside of strings.
 */
static int64
count_names_in_text(const char *text)
{
	bool  in_string = false;
	int64 count = 0;

	for (const char *c = text; *c != '\0'; c++)
	{
		if (*c == '"')
			in_string = !in_string;
		else if (in_string && *c == '\\' && c[1] != '\0')
			c++;
		else if (!in_string && *c == ':')
			count++;
	}
	return count;
}

static int64
count_names(Jsonb *jsonb)
{
	JsonbIterator	  *it = JsonbIteratorInit(&jsonb->root);
	JsonbValue		   value;
	JsonbIteratorToken token;
	int64			   count = 0;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			count++;
	}
	return count;
}

/*
 * Returns a JSON text as jsonb; a text that jsonb refuses is no pattern.
 * Neither is one with an object that has a name twice: AWS wants what both
 * members say, and jsonb keeps only the last one.
 */
static Jsonb *
pattern_from_text(char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile result = NULL;
	char *volatile detail = NULL;

	/* jsonb_in holds nothing but memory, so its errors can be caught here. */
	PG_TRY();
	{
		result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		ErrorData *error;
		int		   category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_DATA_EXCEPTION &&
			category != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		detail = error->detail != NULL ? error->detail : psprintf("%s.", error->message);
	}
	PG_END_TRY();

	if (detail != NULL)
		filter_parse_invalid("The pattern is no usable JSON: %s", detail);
	if (count_names(result) != count_names_in_text(text))
		filter_parse_invalid("An object of the pattern has two members of the same name.");
	return result;
}

/* Returns the pattern of a filter, whose number is counted from 1. */
static Jsonb *
filter_pattern(const JsonbValue *filter, int number)
{
	JsonbValue value;
	Jsonb	  *pattern = NULL;
	char	  *text;
	int		   length;

	if (filter->type != jbvBinary ||
		!JsonContainerIsObject(filter->val.binary.data) ||
		!get_member(filter->val.binary.data, "Pattern", &value))
		filter_parse_invalid("Filter %d is not an object with a Pattern.", number);

	if (value.type == jbvString)
	{
		text = pnstrdup(value.val.string.val, value.val.string.len);
		length = value.val.string.len;
	}
	else
	{
		pattern = JsonbValueToJsonb(&value);
		text = JsonbToCString(NULL, &pattern->root, VARSIZE(pattern));
		length = (int) strlen(text);
	}
	if (pg_mbstrlen_with_len(text, length) > FILTER_MAX_PATTERN_LENGTH)
		error_constraint(text,
						 psprintf("filterCriteria.filters.%d.member.pattern", number),
						 psprintf("have length less than or equal to %d",
								  FILTER_MAX_PATTERN_LENGTH));
	return pattern != NULL ? pattern : pattern_from_text(text);
}

/* Judges by known parts: FILTER_YES if they alone make an alternative true. */
static FilterVerdict
verdict_by_parts(const FilterSet *set, const FilterKnownPart *parts, int count)
{
	FilterVerdict verdict = FILTER_NO;

	for (int i = 0; i < set->count; i++)
	{
		for (int j = 0; j < set->patterns[i]->count; j++)
		{
			bool decided;

			if (!filter_match_may_match(&set->patterns[i]->alternatives[j],
										parts, count, &decided))
				continue;
			if (decided)
				return FILTER_YES;
			verdict = FILTER_MAYBE;
		}
	}
	return verdict;
}

static JsonbValue
string_value(const char *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) strlen(text);
	return value;
}

static void
report_malformed_criteria(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", what),
			 errhint("Filter criteria look like {\"Filters\": [{\"Pattern\": \"{\\\"eventName\\\": [\\\"INSERT\\\"]}\"}]}.")));
}

static void
compile_filters(FilterSet *set, JsonbContainer *filters)
{
	MemoryContext	   scratch = AllocSetContextCreate(CurrentMemoryContext,
													   "filter patterns",
													   ALLOCSET_DEFAULT_SIZES);
	JsonbIterator	  *it = JsonbIteratorInit(filters);
	JsonbIteratorToken token;
	JsonbValue		   filter;

	set->patterns = palloc(sizeof(FilterPattern *) * JsonContainerSize(filters));
	while ((token = JsonbIteratorNext(&it, &filter, true)) != WJB_DONE)
	{
		MemoryContext old;
		Jsonb		 *pattern;

		if (token != WJB_ELEM)
			continue;
		old = MemoryContextSwitchTo(scratch);
		pattern = filter_pattern(&filter, set->count + 1);
		MemoryContextSwitchTo(old);
		set->patterns[set->count++] = filter_parse_pattern(pattern);
	}
	MemoryContextDelete(scratch);

	for (int i = 0; i < (int) lengthof(event_names); i++)
	{
		JsonbValue		name = string_value(event_names[i]);
		FilterKnownPart part = {EVENT_NAME_PATH, &name};

		set->verdicts[i] = verdict_by_parts(set, &part, 1);
	}
}

FilterSet *
filter_set_compile(Jsonb *filter_criteria)
{
	JsonbValue	  filters;
	MemoryContext context;
	MemoryContext old;
	FilterSet	 *set;

	if (!JB_ROOT_IS_OBJECT(filter_criteria))
		report_malformed_criteria("filter criteria are not a JSON object");
	if (!get_member(&filter_criteria->root, "Filters", &filters))
		return NULL;
	if (filters.type != jbvBinary ||
		!JsonContainerIsArray(filters.val.binary.data))
		report_malformed_criteria("Filters of the filter criteria is not a JSON array");
	if (JsonContainerSize(filters.val.binary.data) == 0)
		return NULL;
	if (JsonContainerSize(filters.val.binary.data) > FILTER_MAX_FILTERS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter criteria have more than %d filters",
						FILTER_MAX_FILTERS),
				 errhint("One pattern can offer several choices with \"$or\".")));

	context = AllocSetContextCreate(CurrentMemoryContext, "filter set",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	set = palloc0(sizeof(FilterSet));
	set->context = context;
	compile_filters(set, filters.val.binary.data);
	MemoryContextSwitchTo(old);
	return set;
}

void
filter_set_free(FilterSet *set)
{
	if (set != NULL)
		MemoryContextDelete(set->context);
}

FilterVerdict
filter_set_pretest(const FilterSet *set, const char *event_name)
{
	if (set == NULL)
		return FILTER_YES;
	for (int i = 0; i < (int) lengthof(event_names); i++)
	{
		if (strcmp(event_name, event_names[i]) == 0)
			return set->verdicts[i];
	}
	return FILTER_MAYBE;
}

FilterVerdict
filter_set_pretest_keys(const FilterSet *set, const char *event_name,
						Jsonb *keys)
{
	JsonbValue		name = string_value(event_name);
	JsonbValue		key;
	FilterKnownPart parts[] = {{EVENT_NAME_PATH, &name}, {KEYS_PATH, &key}};

	if (set == NULL)
		return FILTER_YES;
	key.type = jbvBinary;
	key.val.binary.data = &keys->root;
	key.val.binary.len = VARSIZE(keys) - VARHDRSZ;
	return verdict_by_parts(set, parts, lengthof(parts));
}

bool
filter_set_matches(const FilterSet *set, Jsonb *record)
{
	if (set == NULL)
		return true;
	for (int i = 0; i < set->count; i++)
	{
		if (filter_match_pattern(set->patterns[i], record))
			return true;
	}
	return false;
}

int
filter_set_count(const FilterSet *set)
{
	return set == NULL ? 0 : set->count;
}

const char *
filter_set_problem(const FilterSet *set, int filter, FilterFieldJudge judge,
				   void *argument)
{
	const FilterPattern *pattern = set->patterns[filter];
	const char			*result = NULL;

	for (int i = 0; i < pattern->count; i++)
	{
		const FilterAlternative *alternative = &pattern->alternatives[i];
		const char				*problem = NULL;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < alternative->count && problem == NULL; j++)
		{
			if (!alternative->fields[j]->may_be_absent)
				problem = judge(alternative->fields[j], argument);
		}
		if (problem == NULL)
			return NULL;
		if (result == NULL)
			result = problem;
	}
	return result;
}
