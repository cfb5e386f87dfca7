/*
 * aws_mapping.c
 *	  The operations of aws() on event source mappings: Lambda's.
 *
 * A function's ARN reads arn:aws:lambda:<region>:<account>:function:<name>.
 * Region and account are those of the event source; the name has its schema
 * and a dot in front unless the schema is public, as names of tables do.  A
 * request may name a function by such an ARN or by its name
 * (mapping_function_find_named).
 *
 * Parameters of other kinds of event sources are refused, and so are
 * parameters for what ddbstreams does not do.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/statement_snapshot.h"
#include "aws/aws_mapping.h"
#include "aws/aws_response.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_change.h"
#include "mapping/mapping_filter.h"
#include "mapping/mapping_function.h"
#include "mapping/mapping_params.h"
#include "mapping/mapping_state.h"

#define MAX_PAGE	  100 /* mappings that one answer lists */
#define MAX_MAX_ITEMS 10000

#define FUNCTION_MARK ":function:"
#define UUID_LENGTH	  36

/*
 * Parameters for other kinds of event sources, and what ddbstreams does not do
 */
static const char *const unsupported[] = {
	"AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
	"KMSKeyArn", "LoggingConfig", "ProvisionedPollerConfig",
	"Queues", "ScalingConfig", "SelfManagedEventSource",
	"SelfManagedKafkaEventSourceConfig", "SourceAccessConfigurations",
	"StartingPositionTimestamp", "Topics"};

static void
refuse_unsupported(AwsRequest *request)
{
	for (int i = 0; i < (int) lengthof(unsupported); i++)
	{
		if (aws_request_has(request, unsupported[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("Unsupported %s parameter for given event source mapping type.",
							unsupported[i])));
	}
}

static char *
function_member(AwsRequest *request, AwsPresence presence)
{
	return aws_request_string(request, "FunctionName", presence, 1, 256);
}

static char *
uuid_member(AwsRequest *request)
{
	return aws_request_string(request, "UUID", AWS_REQUIRED, UUID_LENGTH,
							  UUID_LENGTH);
}

pg_uuid_t *
aws_mapping_parse_uuid(const char *text)
{
	if (strlen(text) != UUID_LENGTH)
		mapping_catalog_not_found();
	for (int i = 0; i < UUID_LENGTH; i++)
	{
		bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_hyphen ? text[i] != '-' :
						!isxdigit((unsigned char) text[i]))
			mapping_catalog_not_found();
	}
	return DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

/* Finds the function that a member names; an error if there is none. */
static Oid
find_function(const char *member)
{
	Oid function = mapping_function_find_named(member);

	if (!OidIsValid(function))
		mapping_function_not_found(ERRCODE_INVALID_PARAMETER_VALUE);
	return function;
}

/*
 * Sets the parameters that need no look-up.  check_params calls it with a
 * mapping that it throws away, only to find what is wrong with the request.
 */
static void
set_values(AwsRequest *request, MappingInfo *mapping)
{
	AwsRequest *metrics;
	int			count;
	char	  **types;

	if (aws_request_has(request, "BatchSize"))
		mapping_params_set_batch_size(mapping,
									  aws_request_integer(request, "BatchSize",
														  MAPPING_DEFAULT_BATCH_SIZE, 1,
														  MAPPING_MAX_BATCH_SIZE));
	if (aws_request_has(request, "MaximumBatchingWindowInSeconds"))
		mapping_params_set_maximum_batching_window(mapping,
												   aws_request_integer(request, "MaximumBatchingWindowInSeconds",
																	   0, 0,
																	   MAPPING_MAX_BATCHING_WINDOW) *
													   USECS_PER_SEC);
	if (aws_request_has(request, "ParallelizationFactor"))
		mapping_params_set_parallelization_factor(mapping,
												  aws_request_integer(request, "ParallelizationFactor",
																	  1, 1,
																	  MAPPING_MAX_PARALLELIZATION_FACTOR));
	if (aws_request_has(request, "MaximumRecordAgeInSeconds"))
		mapping_params_set_maximum_record_age(mapping,
											  aws_request_integer(request, "MaximumRecordAgeInSeconds",
																  -1, -1,
																  MAPPING_MAX_RECORD_AGE) *
												  USECS_PER_SEC);
	if (aws_request_has(request, "MaximumRetryAttempts"))
		mapping_params_set_maximum_retry_attempts(mapping,
												  aws_request_integer(request, "MaximumRetryAttempts",
																	  -1, -1,
																	  MAPPING_MAX_RETRY_ATTEMPTS));
	if (aws_request_has(request, "TumblingWindowInSeconds"))
		mapping_params_set_tumbling_window(mapping,
										   aws_request_integer(request, "TumblingWindowInSeconds",
															   0, 0,
															   MAPPING_MAX_TUMBLING_WINDOW) *
											   USECS_PER_SEC);
	mapping->bisect_batch_on_function_error =
		aws_request_boolean(request, "BisectBatchOnFunctionError", AWS_OPTIONAL,
							mapping->bisect_batch_on_function_error);
	metrics = aws_request_object(request, "MetricsConfig", AWS_OPTIONAL);
	if (metrics != NULL)
	{
		char **names = aws_request_strings(metrics, "Metrics", &count);

		mapping_params_set_metrics(mapping, names, count);
	}
	types = aws_request_strings(request, "FunctionResponseTypes", &count);
	if (types != NULL)
		mapping_params_set_function_response_types(mapping, types, count);
	if (aws_request_has(request, "Enabled"))
		mapping_change_set_enabled(mapping,
								   aws_request_boolean(request, "Enabled", AWS_OPTIONAL,
													   true));
}

static void
unsupported_destination(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("Unsupported DestinationConfig parameter for given event source mapping type."),
			 errhint("OnFailure.Destination is the name or the ARN of a function f(failure jsonb).")));
}

/* Returns OnFailure.Destination, or NULL if the request has none. */
static char *
destination_member(AwsRequest *request)
{
	AwsRequest *config = aws_request_object(request, "DestinationConfig",
											AWS_OPTIONAL);
	AwsRequest *on_failure;
	char	   *destination;

	if (config == NULL)
		return NULL;
	if (aws_request_has(config, "OnSuccess"))
		unsupported_destination();
	on_failure = aws_request_object(config, "OnFailure", AWS_OPTIONAL);
	if (on_failure == NULL)
		return NULL;
	destination = aws_request_string(on_failure, "Destination", AWS_OPTIONAL, 0,
									 350);
	if (destination != NULL && strncmp(destination, "arn:", 4) == 0 &&
		strstr(destination, FUNCTION_MARK) == NULL)
		unsupported_destination();
	return destination;
}

/* Raises an error if the parameters of a request are wrong in themselves. */
static void
check_params(AwsRequest *request)
{
	MappingInfo scratch = {0};

	(void) destination_member(request);
	(void) aws_request_jsonb(request, "FilterCriteria");
	set_values(request, &scratch);
	aws_request_check(request);
}

/* Sets all parameters that a request has. */
static void
set_params(AwsRequest *request, MappingInfo *mapping)
{
	char  *destination = destination_member(request);
	Jsonb *criteria = aws_request_jsonb(request, "FilterCriteria");

	set_values(request, mapping);
	if (destination != NULL)
		mapping_change_set_on_failure(mapping, destination[0] == '\0' ?
												   InvalidOid :
												   find_function(destination));
	if (criteria != NULL)
	{
		mapping_params_set_filter_criteria(mapping, criteria);
		mapping_filter_warn(mapping);
	}
}

static void
append_destination(StringInfo response, const MappingInfo *mapping)
{
	aws_response_open(response, "DestinationConfig", '{');
	aws_response_open(response, "OnFailure", '{');
	if (mapping->on_failure != NULL)
		aws_response_string(response, "Destination",
							mapping_function_arn(mapping, mapping->on_failure));
	appendStringInfoString(response, "}}");
}

/* Appends the members of a mapping; the caller knows its state. */
static void
append_members(StringInfo response, const MappingInfo *mapping,
			   const char *state)
{
	char *uuid = mapping_uuid_text(mapping);

	aws_response_string(response, "UUID", uuid);
	aws_response_string(response, "StartingPosition", mapping->starting_position);
	aws_response_integer(response, "BatchSize", mapping->batch_size);
	aws_response_integer(response, "MaximumBatchingWindowInSeconds",
						 mapping->maximum_batching_window_usec / USECS_PER_SEC);
	aws_response_integer(response, "ParallelizationFactor",
						 mapping->parallelization_factor);
	aws_response_string(response, "EventSourceArn", mapping->event_source_arn);
	if (mapping->filter_criteria != NULL)
	{
		aws_response_name(response, "FilterCriteria");
		JsonbToCString(response, &mapping->filter_criteria->root, -1);
	}
	if (mapping->counts_events)
	{
		aws_response_open(response, "MetricsConfig", '{');
		aws_response_open(response, "Metrics", '[');
		aws_response_string(response, NULL, MAPPING_EVENT_COUNT);
		appendStringInfoString(response, "]}");
	}
	aws_response_string(response, "FunctionArn",
						mapping_function_arn(mapping, mapping->function_name));
	aws_response_time(response, "LastModified", mapping->last_modified);
	aws_response_string(response, "LastProcessingResult",
						mapping_state_processing_result(mapping));
	aws_response_string(response, "State", state);
	aws_response_string(response, "StateTransitionReason", "User action");
	append_destination(response, mapping);
	aws_response_integer(response, "MaximumRecordAgeInSeconds",
						 mapping->maximum_record_age_usec < 0 ?
							 -1 :
							 mapping->maximum_record_age_usec / USECS_PER_SEC);
	aws_response_boolean(response, "BisectBatchOnFunctionError",
						 mapping->bisect_batch_on_function_error);
	aws_response_integer(response, "MaximumRetryAttempts",
						 mapping->maximum_retry_attempts);
	aws_response_integer(response, "TumblingWindowInSeconds",
						 mapping->tumbling_window_usec / USECS_PER_SEC);
	aws_response_open(response, "FunctionResponseTypes", '[');
	if (mapping->report_batch_item_failures)
		aws_response_string(response, NULL, MAPPING_REPORT_BATCH_ITEM_FAILURES);
	appendStringInfoChar(response, ']');
	aws_response_string(response, "EventSourceMappingArn",
						mapping_function_lambda_arn(mapping, "event-source-mapping", uuid));
}

void
aws_mapping_create(AwsRequest *request, StringInfo response)
{
	static const char *const positions[] = {"LATEST", "AT_TIMESTAMP",
											"TRIM_HORIZON"};
	char					*function = function_member(request, AWS_REQUIRED);
	char					*arn = aws_request_string(request, "EventSourceArn",
													  AWS_OPTIONAL, 0, PG_INT32_MAX);
	char					*position;
	Jsonb					*tags = aws_request_jsonb(request, "Tags");
	MappingInfo				*mapping;

	/* Lambda looks at the source before it misses a position. */
	if (arn == NULL && request->violations->count == 0)
		mapping_change_check_event_source_arn("");
	position = aws_request_enum(request, "StartingPosition", AWS_REQUIRED,
								positions, lengthof(positions));
	check_params(request);
	mapping = mapping_change_begin_create(arn == NULL ? "" : arn, position,
										  statement_snapshot());
	refuse_unsupported(request);
	mapping_change_set_function(mapping, find_function(function));
	set_params(request, mapping);
	if (tags != NULL)
		mapping_params_set_tags(mapping, tags);
	mapping_change_finish_create(mapping, statement_snapshot());
	append_members(response, mapping, "Creating");
}

void
aws_mapping_get(AwsRequest *request, StringInfo response)
{
	char		*uuid = uuid_member(request);
	MappingInfo *mapping;

	aws_request_check(request);
	mapping = mapping_change_find_mine(aws_mapping_parse_uuid(uuid));
	append_members(response, mapping, mapping_state(mapping));
}

void
aws_mapping_update(AwsRequest *request, StringInfo response)
{
	char		*uuid = uuid_member(request);
	char		*function = function_member(request, AWS_OPTIONAL);
	MappingInfo *mapping;
	bool		 was_active;

	check_params(request);
	refuse_unsupported(request);
	mapping = mapping_change_begin_update(aws_mapping_parse_uuid(uuid));
	was_active = mapping_is_active(mapping);
	if (function != NULL)
		mapping_change_set_function(mapping, find_function(function));
	set_params(request, mapping);
	mapping_change_finish_update(mapping, was_active);
	append_members(response, mapping,
				   was_active && !mapping_is_active(mapping) ? "Disabling" :
															   mapping->change);
}

void
aws_mapping_delete(AwsRequest *request, StringInfo response)
{
	char *uuid = uuid_member(request);

	aws_request_check(request);
	append_members(response, mapping_change_delete(aws_mapping_parse_uuid(uuid)), "Deleting");
}

/*
 * Returns the mappings that the caller may see, of one stream and of one
 * function.  The function may be gone: then its mappings know its name.  A
 * stream or a function that is not there has no mappings.
 */
static List *
find_mappings(const char *arn, const char *function)
{
	List	 *mappings;
	ListCell *lc;
	Oid		  found;

	if (function == NULL)
		return mapping_change_list_mine(arn, NULL);
	found = mapping_function_find_named(function);
	if (OidIsValid(found))
		return mapping_change_list_mine(arn, mapping_function_name(found));
	mappings = mapping_change_list_mine(arn, NULL);
	foreach (lc, mappings)
	{
		const MappingInfo *mapping = lfirst(lc);

		if (!mapping_function_is_named(mapping->function_name, function))
			mappings = foreach_delete_current(mappings, lc);
	}
	return mappings;
}

/* Reads a marker: the number of the last mapping of the page before. */
static int64
parse_marker(const char *marker)
{
	int64 number = 0;

	for (const char *c = marker; *c != '\0'; c++)
	{
		if (*c < '0' || *c > '9' || number > (PG_INT64_MAX - 9) / 10)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("Invalid Marker"),
					 errhint("A marker is the NextMarker of an earlier answer.")));
		number = number * 10 + (*c - '0');
	}
	return number;
}

void
aws_mapping_list(AwsRequest *request, StringInfo response)
{
	char	 *arn = aws_request_string(request, "EventSourceArn", AWS_OPTIONAL,
									   0, PG_INT32_MAX);
	char	 *function = function_member(request, AWS_OPTIONAL);
	char	 *marker = aws_request_string(request, "Marker", AWS_OPTIONAL, 0,
										  PG_INT32_MAX);
	int		  limit = aws_request_integer(request, "MaxItems", MAX_PAGE, 1,
										  MAX_MAX_ITEMS);
	int64	  last = 0;
	bool	  has_more = false;
	int		  count = 0;
	ListCell *lc;

	aws_request_check(request);
	if (marker != NULL)
		last = parse_marker(marker);
	if (arn != NULL && strncmp(arn, "arn:", 4) != 0)
		mapping_change_check_event_source_arn(arn);
	limit = Min(limit, MAX_PAGE);

	aws_response_open(response, "EventSourceMappings", '[');
	foreach (lc, find_mappings(arn, function))
	{
		const MappingInfo *mapping = lfirst(lc);

		if (mapping->mapping_no <= last)
			continue;
		if (count == limit)
		{
			has_more = true;
			break;
		}
		aws_response_open(response, NULL, '{');
		append_members(response, mapping, mapping_state(mapping));
		appendStringInfoChar(response, '}');
		last = mapping->mapping_no;
		count++;
	}
	appendStringInfoChar(response, ']');
	if (has_more)
		aws_response_string(response, "NextMarker", psprintf(INT64_FORMAT, last));
}
