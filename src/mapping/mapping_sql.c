/*
 * mapping_sql.c
 *	  The SQL functions on event source mappings.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/statement_snapshot.h"
#include "mapping/mapping_change.h"
#include "mapping/mapping_filter.h"
#include "mapping/mapping_function.h"
#include "mapping/mapping_params.h"
#include "mapping/mapping_state.h"
#include "registry/row.h"

PG_FUNCTION_INFO_V1(ddbstreams_create_event_source_mapping);
PG_FUNCTION_INFO_V1(ddbstreams_update_event_source_mapping);
PG_FUNCTION_INFO_V1(ddbstreams_delete_event_source_mapping);
PG_FUNCTION_INFO_V1(ddbstreams_list_event_source_mappings);

/* The parameters that both create and update have, in the order of both */
typedef enum ParamArgument
{
	ARG_BATCH_SIZE,
	ARG_MAXIMUM_BATCHING_WINDOW,
	ARG_PARALLELIZATION_FACTOR,
	ARG_MAXIMUM_RECORD_AGE,
	ARG_MAXIMUM_RETRY_ATTEMPTS,
	ARG_BISECT_BATCH_ON_FUNCTION_ERROR,
	ARG_ON_FAILURE,
	ARG_TUMBLING_WINDOW,
	ARG_FUNCTION_RESPONSE_TYPES,
	ARG_FILTER_CRITERIA,
	ARG_ENABLED,
	ARG_COUNT
} ParamArgument;

/*
 * AWS's names of those that must not be null in create_event_source_mapping,
 * because their default there is not null
 */
static const char *const not_null_in_create[ARG_COUNT] = {
	[ARG_BATCH_SIZE] = "batchSize",
	[ARG_MAXIMUM_BATCHING_WINDOW] = "maximumBatchingWindowInSeconds",
	[ARG_PARALLELIZATION_FACTOR] = "parallelizationFactor",
	[ARG_MAXIMUM_RETRY_ATTEMPTS] = "maximumRetryAttempts",
	[ARG_BISECT_BATCH_ON_FUNCTION_ERROR] = "bisectBatchOnFunctionError",
	[ARG_FUNCTION_RESPONSE_TYPES] = "functionResponseTypes",
	[ARG_ENABLED] = "enabled"};

static void
require_not_null(FunctionCallInfo fcinfo, int n, const char *member)
{
	if (PG_ARGISNULL(n))
		error_null_argument(member);
}

static int64
usec_argument(FunctionCallInfo fcinfo, int n)
{
	return clock_interval_usec(PG_GETARG_INTERVAL_P(n));
}

static void
set_response_types(MappingInfo *mapping, ArrayType *array)
{
	Datum *elems;
	bool  *nulls;
	int	   count;
	char **values;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("function_response_types must have one dimension")));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &count);
	values = palloc(count * sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			error_null_argument("functionResponseTypes");
		values[i] = TextDatumGetCString(elems[i]);
	}
	mapping_params_set_function_response_types(mapping, values, count);
}

/*
 * Sets one parameter from argument n, which is not null.  In an update a
 * negative interval takes a limit or a window away.
 */
static void
set_param_from_argument(MappingInfo *mapping, ParamArgument param,
						FunctionCallInfo fcinfo, int n, bool is_update)
{
	int64 usec;

	switch (param)
	{
		case ARG_BATCH_SIZE:
			mapping_params_set_batch_size(mapping, PG_GETARG_INT32(n));
			break;
		case ARG_MAXIMUM_BATCHING_WINDOW:
			usec = usec_argument(fcinfo, n);
			mapping_params_set_maximum_batching_window(mapping,
													   is_update && usec < 0 ? 0 : usec);
			break;
		case ARG_PARALLELIZATION_FACTOR:
			mapping_params_set_parallelization_factor(mapping, PG_GETARG_INT32(n));
			break;
		case ARG_MAXIMUM_RECORD_AGE:
			usec = usec_argument(fcinfo, n);
			mapping_params_set_maximum_record_age(mapping,
												  is_update && usec < 0 ? -USECS_PER_SEC : usec);
			break;
		case ARG_MAXIMUM_RETRY_ATTEMPTS:
			mapping_params_set_maximum_retry_attempts(mapping, PG_GETARG_INT32(n));
			break;
		case ARG_BISECT_BATCH_ON_FUNCTION_ERROR:
			mapping->bisect_batch_on_function_error = PG_GETARG_BOOL(n);
			break;
		case ARG_ON_FAILURE:
			mapping_change_set_on_failure(mapping, PG_GETARG_OID(n));
			break;
		case ARG_TUMBLING_WINDOW:
			usec = usec_argument(fcinfo, n);
			mapping_params_set_tumbling_window(mapping,
											   is_update && usec < 0 ? 0 : usec);
			break;
		case ARG_FUNCTION_RESPONSE_TYPES:
			set_response_types(mapping, PG_GETARG_ARRAYTYPE_P(n));
			break;
		case ARG_FILTER_CRITERIA:
			mapping_params_set_filter_criteria(mapping, PG_GETARG_JSONB_P(n));
			mapping_filter_warn(mapping);
			break;
		case ARG_ENABLED:
			mapping_change_set_enabled(mapping, PG_GETARG_BOOL(n));
			break;
		case ARG_COUNT:
			break;
	}
}

/*
 * create_event_source_mapping(function_name regproc, event_source_arn text,
 *							   starting_position text, …) returns uuid
 */
Datum
ddbstreams_create_event_source_mapping(PG_FUNCTION_ARGS)
{
	const int	 first = 3;
	MappingInfo *mapping;

	require_not_null(fcinfo, 0, "functionName");
	require_not_null(fcinfo, 1, "eventSourceArn");
	require_not_null(fcinfo, 2, "startingPosition");
	for (int i = 0; i < ARG_COUNT; i++)
	{
		if (not_null_in_create[i] != NULL)
			require_not_null(fcinfo, first + i, not_null_in_create[i]);
	}

	mapping = mapping_change_begin_create(text_to_cstring(PG_GETARG_TEXT_PP(1)),
										  text_to_cstring(PG_GETARG_TEXT_PP(2)),
										  statement_snapshot());
	mapping_change_set_function(mapping, PG_GETARG_OID(0));
	for (int i = 0; i < ARG_COUNT; i++)
	{
		if (!PG_ARGISNULL(first + i))
			set_param_from_argument(mapping, i, fcinfo, first + i, false);
	}
	mapping_change_finish_create(mapping, statement_snapshot());
	PG_RETURN_UUID_P(&mapping->uuid);
}

/*
 * update_event_source_mapping(uuid uuid, function_name regproc, …)
 * returns void
 */
Datum
ddbstreams_update_event_source_mapping(PG_FUNCTION_ARGS)
{
	const int	 first = 2;
	MappingInfo *mapping;
	bool		 was_active;

	require_not_null(fcinfo, 0, "uuid");
	mapping = mapping_change_begin_update(PG_GETARG_UUID_P(0));
	was_active = mapping_is_active(mapping);
	if (!PG_ARGISNULL(1))
		mapping_change_set_function(mapping, PG_GETARG_OID(1));
	for (int i = 0; i < ARG_COUNT; i++)
	{
		if (!PG_ARGISNULL(first + i))
			set_param_from_argument(mapping, i, fcinfo, first + i, true);
	}
	mapping_change_finish_update(mapping, was_active);
	PG_RETURN_VOID();
}

/* delete_event_source_mapping(uuid uuid) returns void */
Datum
ddbstreams_delete_event_source_mapping(PG_FUNCTION_ARGS)
{
	require_not_null(fcinfo, 0, "uuid");
	(void) mapping_change_delete(PG_GETARG_UUID_P(0));
	PG_RETURN_VOID();
}

/* The columns of list_event_source_mappings */
#define LISTED_COLUMNS(COLUMN)                                         \
	COLUMN(listed, uuid, UUIDOID, ROW_FIXED)                           \
	COLUMN(listed, function_name, TEXTOID, ROW_FIXED)                  \
	COLUMN(listed, event_source_arn, TEXTOID, ROW_FIXED)               \
	COLUMN(listed, starting_position, TEXTOID, ROW_FIXED)              \
	COLUMN(listed, state, TEXTOID, ROW_FIXED)                          \
	COLUMN(listed, last_processing_result, TEXTOID, ROW_FIXED)         \
	COLUMN(listed, batch_size, INT4OID, ROW_FIXED)                     \
	COLUMN(listed, maximum_batching_window, INTERVALOID, ROW_FIXED)    \
	COLUMN(listed, parallelization_factor, INT4OID, ROW_FIXED)         \
	COLUMN(listed, maximum_record_age, INTERVALOID, ROW_FIXED)         \
	COLUMN(listed, maximum_retry_attempts, INT4OID, ROW_FIXED)         \
	COLUMN(listed, bisect_batch_on_function_error, BOOLOID, ROW_FIXED) \
	COLUMN(listed, on_failure, TEXTOID, ROW_FIXED)                     \
	COLUMN(listed, tumbling_window, INTERVALOID, ROW_FIXED)            \
	COLUMN(listed, function_response_types, TEXTARRAYOID, ROW_FIXED)   \
	COLUMN(listed, filter_criteria, JSONBOID, ROW_FIXED)               \
	COLUMN(listed, enabled, BOOLOID, ROW_FIXED)
ROW_TABLE(listed, LISTED_COLUMNS);

/* Fills a row of the list, which points into the mapping. */
static void
fill_listed_row(TableRow *row, const MappingInfo *mapping)
{
	char *response_type = MAPPING_REPORT_BATCH_ITEM_FAILURES;

	row_init(row, &listed_table);
	row_set_uuid(row, Anum_listed_uuid, &mapping->uuid);
	row_set_text(row, Anum_listed_function_name, mapping->function_name);
	row_set_text(row, Anum_listed_event_source_arn, mapping->event_source_arn);
	row_set_text(row, Anum_listed_starting_position,
				 mapping->starting_position);
	row_set_text(row, Anum_listed_state, mapping_state(mapping));
	row_set_text(row, Anum_listed_last_processing_result,
				 mapping_state_processing_result(mapping));
	row_set_int32(row, Anum_listed_batch_size, mapping->batch_size);
	row_set_usec(row, Anum_listed_maximum_batching_window,
				 mapping->maximum_batching_window_usec);
	row_set_int32(row, Anum_listed_parallelization_factor,
				  mapping->parallelization_factor);
	if (mapping->maximum_record_age_usec >= 0)
		row_set_usec(row, Anum_listed_maximum_record_age,
					 mapping->maximum_record_age_usec);
	row_set_int32(row, Anum_listed_maximum_retry_attempts,
				  mapping->maximum_retry_attempts);
	row_set_bool(row, Anum_listed_bisect_batch_on_function_error,
				 mapping->bisect_batch_on_function_error);
	row_set_text(row, Anum_listed_on_failure, mapping->on_failure);
	if (mapping->tumbling_window_usec > 0)
		row_set_usec(row, Anum_listed_tumbling_window,
					 mapping->tumbling_window_usec);
	row_set_texts(row, Anum_listed_function_response_types, &response_type,
				  mapping->report_batch_item_failures ? 1 : 0);
	row_set_jsonb(row, Anum_listed_filter_criteria, mapping->filter_criteria);
	row_set_bool(row, Anum_listed_enabled, mapping_is_active(mapping));
}

/*
 * list_event_source_mappings(event_source_arn text, function_name regproc)
 * returns setof record
 *
 * Returns the mappings that the caller may see, in the order of their
 * creation.
 */
Datum
ddbstreams_list_event_source_mappings(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		  *arn = NULL;
	char		  *function_name = NULL;
	ListCell	  *lc;

	if (!PG_ARGISNULL(0))
	{
		arn = text_to_cstring(PG_GETARG_TEXT_PP(0));
		mapping_change_check_event_source_arn(arn);
	}
	if (!PG_ARGISNULL(1))
	{
		function_name = mapping_function_name(PG_GETARG_OID(1));
		if (function_name == NULL)
			mapping_function_not_found(ERRCODE_UNDEFINED_OBJECT);
	}
	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, mapping_change_list_mine(arn, function_name))
	{
		TableRow row;

		fill_listed_row(&row, lfirst(lc));
		row_put(rsinfo, &row);
	}
	return (Datum) 0;
}
