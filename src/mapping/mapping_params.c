/*
 * mapping_params.c
 *	  The parameters of a mapping: defaults and ranges, as Lambda has them.
 *
 * Times are microseconds here, but only whole seconds are allowed, because AWS
 * counts in seconds.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "filter/filter_set.h"
#include "mapping/mapping_params.h"

#define MAX_METRICS	  3 /* that there are, of all kinds of sources */
#define MAX_TAGS	  50
#define MAX_TAG_KEY	  128 /* characters */
#define MAX_TAG_VALUE 256 /* characters */

void
mapping_params_defaults(MappingInfo *mapping)
{
	mapping->batch_size = MAPPING_DEFAULT_BATCH_SIZE;
	mapping->maximum_batching_window_usec = 0;
	mapping->parallelization_factor = 1;
	mapping->maximum_record_age_usec = -1;
	mapping->maximum_retry_attempts = -1;
	mapping->bisect_batch_on_function_error = false;
	mapping->on_failure = NULL;
	mapping->tumbling_window_usec = 0;
	mapping->report_batch_item_failures = false;
	mapping->filter_criteria = NULL;
	mapping->counts_events = false;
	mapping->tags = NULL;
	mapping->enabled = true;
}

static void
check_range(int64 value, const char *text, const char *member, int min, int max)
{
	if (value < min)
		error_constraint(text, member,
						 psprintf("have value greater than or equal to %d", min));
	if (value > max)
		error_constraint(text, member,
						 psprintf("have value less than or equal to %d", max));
}

static int
check_integer(int64 value, const char *member, int min, int max)
{
	check_range(value, psprintf(INT64_FORMAT, value), member, min, max);
	return (int) value;
}

static int64
check_seconds(int64 usec, const char *member, int min, int max)
{
	int64 seconds = usec / USECS_PER_SEC;

	check_range(seconds, psprintf(INT64_FORMAT, seconds), member, min, max);
	if (usec % USECS_PER_SEC != 0)
		error_constraint(psprintf("%.6f", (double) usec / USECS_PER_SEC), member,
						 "be a whole number of seconds");
	return usec;
}

void
mapping_params_set_batch_size(MappingInfo *mapping, int64 value)
{
	mapping->batch_size = check_integer(value, "batchSize", 1,
										MAPPING_MAX_BATCH_SIZE);
}

void
mapping_params_set_maximum_batching_window(MappingInfo *mapping, int64 usec)
{
	mapping->maximum_batching_window_usec =
		check_seconds(usec, "maximumBatchingWindowInSeconds", 0,
					  MAPPING_MAX_BATCHING_WINDOW);
}

void
mapping_params_set_parallelization_factor(MappingInfo *mapping, int64 value)
{
	mapping->parallelization_factor = check_integer(value,
													"parallelizationFactor", 1,
													MAPPING_MAX_PARALLELIZATION_FACTOR);
}

void
mapping_params_set_maximum_record_age(MappingInfo *mapping, int64 usec)
{
	if (usec == -USECS_PER_SEC)
		mapping->maximum_record_age_usec = -1;
	else
		mapping->maximum_record_age_usec =
			check_seconds(usec, "maximumRecordAgeInSeconds",
						  usec < 0 ? -1 : MAPPING_MIN_RECORD_AGE,
						  MAPPING_MAX_RECORD_AGE);
}

void
mapping_params_set_maximum_retry_attempts(MappingInfo *mapping, int64 value)
{
	mapping->maximum_retry_attempts = check_integer(value,
													"maximumRetryAttempts", -1,
													MAPPING_MAX_RETRY_ATTEMPTS);
}

void
mapping_params_set_tumbling_window(MappingInfo *mapping, int64 usec)
{
	mapping->tumbling_window_usec = check_seconds(usec,
												  "tumblingWindowInSeconds", 0,
												  MAPPING_MAX_TUMBLING_WINDOW);
}

/*
 * Returns a list as AWS shows one in messages, palloc'd; of a long list, its
 * beginning.
 */
static char *
list_text(char **values, int count)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	for (int i = 0; i < count && text.len < 1000; i++)
		appendStringInfo(&text, "%s%.*s", i == 0 ? "" : ", ",
						 pg_mbcliplen(values[i], strlen(values[i]), 1000),
						 values[i]);
	appendStringInfoChar(&text, ']');
	return text.data;
}

void
mapping_params_set_function_response_types(MappingInfo *mapping, char **values,
										   int count)
{
	const char *member = "functionResponseTypes";
	const char *rule = "satisfy constraint: [Member must satisfy enum value set: [" MAPPING_REPORT_BATCH_ITEM_FAILURES "]]";

	if (count > 1)
		error_constraint(list_text(values, count), member,
						 "have length less than or equal to 1");
	if (count == 1 &&
		strcmp(values[0], MAPPING_REPORT_BATCH_ITEM_FAILURES) != 0)
	{
		if (error_similar_value(values[0], MAPPING_REPORT_BATCH_ITEM_FAILURES))
			error_constraint_hint(list_text(values, count), member, rule,
								  "Perhaps you meant function_response_types => '{" MAPPING_REPORT_BATCH_ITEM_FAILURES "}'.");
		error_constraint(list_text(values, count), member, rule);
	}
	mapping->report_batch_item_failures = count == 1;
}

void
mapping_params_set_metrics(MappingInfo *mapping, char **values, int count)
{
	static const char *const of_kafka[] = {"ErrorCount", "KafkaMetrics"};
	const char				*member = "metricsConfig.metrics";

	if (count > MAX_METRICS)
		error_constraint(list_text(values, count), member,
						 psprintf("have length less than or equal to %d", MAX_METRICS));
	for (int i = 0; i < count; i++)
	{
		if (strcmp(values[i], MAPPING_EVENT_COUNT) == 0)
			continue;
		for (int j = 0; j < (int) lengthof(of_kafka); j++)
		{
			if (strcmp(values[i], of_kafka[j]) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("Unsupported MetricsConfig parameter for given event source mapping type."),
						 errhint("The metric of streams is %s.", MAPPING_EVENT_COUNT)));
		}
		error_constraint(list_text(values, count), member,
						 "satisfy constraint: [Member must satisfy enum value set: [EventCount, ErrorCount, KafkaMetrics]]");
	}
	mapping->counts_events = count > 0;
}

/* Raises an error unless a tag's key or value is a string of these lengths. */
static void
check_tag(const JsonbValue *value, int min, int max)
{
	char *text;
	int	  length;

	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the values of tags must be strings")));
	text = pnstrdup(value->val.string.val, value->val.string.len);
	length = pg_mbstrlen(text);
	if (length < min || length > max)
		error_constraint(text, "tags",
						 psprintf("satisfy constraint: [Member must have length less than or equal to %d, Member must have length greater than or equal to %d]",
								  max, min));
	pfree(text);
}

void
mapping_params_set_tags(MappingInfo *mapping, Jsonb *tags)
{
	JsonbIterator	  *it = JsonbIteratorInit(&tags->root);
	JsonbIteratorToken token;
	JsonbValue		   value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			check_tag(&value, 1, MAX_TAG_KEY);
		else if (token == WJB_VALUE)
			check_tag(&value, 0, MAX_TAG_VALUE);
	}
	if (JB_ROOT_COUNT(tags) > MAX_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an event source mapping has %d tags at most", MAX_TAGS)));
	mapping->tags = JB_ROOT_COUNT(tags) == 0 ? NULL : tags;
}

void
mapping_params_set_filter_criteria(MappingInfo *mapping, Jsonb *criteria)
{
	FilterSet *set = filter_set_compile(criteria);
	JsonbValue filters;

	mapping->filter_criteria = set == NULL ? NULL : criteria;
	if (set != NULL)
		filter_set_free(set);
	else if (JB_ROOT_COUNT(criteria) > 0 &&
			 getKeyJsonValueFromContainer(&criteria->root, "Filters",
										  strlen("Filters"), &filters) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter criteria have no member Filters"),
				 errhint("Criteria that let all records pass are written {}.")));
}
