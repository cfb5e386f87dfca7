/*
 * filter_sql.c
 *	  filter_matches(): tries a filter on a record.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "filter/filter_match.h"
#include "filter/filter_parse.h"
#include "filter/filter_set.h"

PG_FUNCTION_INFO_V1(ddbstreams_filter_matches);
PG_FUNCTION_INFO_V1(ddbstreams_filter_criteria_verdicts);

/* The pattern that an expression has compiled last */
typedef struct CachedPattern
{
	MemoryContext  context;
	Jsonb		  *source;
	FilterPattern *pattern;
} CachedPattern;

/* Returns the compiled pattern, compiled anew only if it is another one. */
static FilterPattern *
compiled_pattern(FmgrInfo *flinfo, Jsonb *source)
{
	CachedPattern *cache = flinfo->fn_extra;
	MemoryContext  old;

	if (cache == NULL)
		flinfo->fn_extra = cache = MemoryContextAllocZero(flinfo->fn_mcxt,
														  sizeof(CachedPattern));
	if (cache->pattern != NULL &&
		VARSIZE(cache->source) == VARSIZE(source) &&
		memcmp(cache->source, source, VARSIZE(source)) == 0)
		return cache->pattern;

	cache->pattern = NULL;
	if (cache->context == NULL)
		cache->context = AllocSetContextCreate(flinfo->fn_mcxt, "filter pattern",
											   ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(cache->context);
	old = MemoryContextSwitchTo(cache->context);
	cache->source = palloc(VARSIZE(source));
	memcpy(cache->source, source, VARSIZE(source));
	cache->pattern = filter_parse_pattern(source);
	MemoryContextSwitchTo(old);
	return cache->pattern;
}

/* filter_matches(pattern jsonb, record jsonb) returns bool */
Datum
ddbstreams_filter_matches(PG_FUNCTION_ARGS)
{
	FilterPattern *pattern;
	Jsonb		  *record;

	if (PG_ARGISNULL(0))
		error_null_argument("pattern");
	if (PG_ARGISNULL(1))
		error_null_argument("record");
	pattern = compiled_pattern(fcinfo->flinfo, PG_GETARG_JSONB_P(0));
	record = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(record))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("record is not a JSON object"),
				 errhint("A record is what a handler finds in Records of its event, such as {\"eventName\": \"INSERT\", \"dynamodb\": {\"Keys\": {\"id\": {\"N\": \"1\"}}}}.")));
	PG_RETURN_BOOL(filter_match_pattern(pattern, record));
}

/*
 * For tests, which declare the function themselves: how a mapping's filter
 * criteria judge a record by its event's name, by name and key, and as a
 * whole.
 */
Datum
ddbstreams_filter_criteria_verdicts(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"NO", "MAYBE", "YES"};
	FilterSet				*set = filter_set_compile(PG_GETARG_JSONB_P(0));
	Jsonb					*record = PG_GETARG_JSONB_P(1);
	char					*event_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Jsonb					*keys = PG_GETARG_JSONB_P(3);
	char					*result;

	result = psprintf("%s %s %s", names[filter_set_pretest(set, event_name)],
					  names[filter_set_pretest_keys(set, event_name, keys)],
					  filter_set_matches(set, record) ? "YES" : "NO");
	filter_set_free(set);
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
