/*
 * aws.c
 *	  aws(): DynamoDB's, DynamoDB Streams' and Lambda's operations by name.
 *
 * Requests, responses and errors have the members and texts that AWS's have.
 * An operation reads the members of its request (aws_request.c), checks them
 * all at once (aws_request_check), and appends the members of its response to
 * a buffer (aws_response.c).
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "aws/aws_mapping.h"
#include "aws/aws_stream.h"
#include "aws/aws_table.h"
#include "aws/aws_tag.h"
#include "base/errors.h"

PG_FUNCTION_INFO_V1(ddbstreams_aws);

/*
 * What clients of AWS write before an operation's name, in the header
 * X-Amz-Target.  Clients of Lambda write none: its operations have paths.
 */
#define STREAMS_TARGET	"DynamoDBStreams_20120810."
#define TABLES_TARGET	"DynamoDB_20120810."
#define MAPPINGS_TARGET ""

/* Reads a request and appends the members of its response, without braces. */
typedef void (*AwsOperation)(AwsRequest *request, StringInfo response);

typedef struct AwsOperationEntry
{
	const char	*target; /* the caller may write it before the name */
	const char	*name;
	AwsOperation run;
} AwsOperationEntry;

static const AwsOperationEntry operations[] = {
	{STREAMS_TARGET, "ListStreams", aws_stream_list},
	{STREAMS_TARGET, "DescribeStream", aws_stream_describe},
	{STREAMS_TARGET, "GetShardIterator", aws_stream_get_shard_iterator},
	{STREAMS_TARGET, "GetRecords", aws_stream_get_records},
	{TABLES_TARGET, "DescribeTable", aws_table_describe},
	{TABLES_TARGET, "ListTables", aws_table_list},
	{TABLES_TARGET, "UpdateTable", aws_table_update},
	{MAPPINGS_TARGET, "CreateEventSourceMapping", aws_mapping_create},
	{MAPPINGS_TARGET, "GetEventSourceMapping", aws_mapping_get},
	{MAPPINGS_TARGET, "ListEventSourceMappings", aws_mapping_list},
	{MAPPINGS_TARGET, "UpdateEventSourceMapping", aws_mapping_update},
	{MAPPINGS_TARGET, "DeleteEventSourceMapping", aws_mapping_delete},
	{MAPPINGS_TARGET, "ListTags", aws_tag_list},
	{MAPPINGS_TARGET, "TagResource", aws_tag_resource},
	{MAPPINGS_TARGET, "UntagResource", aws_tag_untag_resource},
};

static void
unknown_operation(const char *operation, AwsErrors *errors)
{
	StringInfoData names;
	char		  *similar;

	errors->name = AWS_ERROR_UNKNOWN_OPERATION;
	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(operations); i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ",
						 operations[i].name);
	similar = error_similar_value(operation, names.data);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown operation \"%.*s\"",
					pg_mbcliplen(operation, strlen(operation), 100),
					operation),
			 similar != NULL ?
				 errhint("Perhaps you meant %s. The operations are %s.", similar, names.data) :
				 errhint("The operations are %s.", names.data)));
}

static const AwsOperationEntry *
find_operation(const char *operation, AwsErrors *errors)
{
	for (int i = 0; i < (int) lengthof(operations); i++)
	{
		const char *target = operations[i].target;
		const char *name = operation;

		if (strncmp(operation, target, strlen(target)) == 0)
			name += strlen(target);
		if (strcmp(name, operations[i].name) == 0)
			return &operations[i];
	}
	unknown_operation(operation, errors);
	return NULL; /* keep compiler quiet */
}

/* aws(operation text, request json) returns json */
Datum
ddbstreams_aws(PG_FUNCTION_ARGS)
{
	const AwsOperationEntry *operation;
	AwsRequest				*request;
	AwsErrors				 errors;
	StringInfoData			 response;

	aws_error_begin(&errors);
	if (PG_ARGISNULL(0))
		error_null_argument("operation");
	if (PG_ARGISNULL(1))
		error_null_argument("request");
	operation = find_operation(text_to_cstring(PG_GETARG_TEXT_PP(0)), &errors);
	errors.is_lambda = strcmp(operation->target, MAPPINGS_TARGET) == 0;
	request = aws_request_parse(PG_GETARG_TEXT_PP(1), &errors);

	/* The buffer becomes the result: it begins with room for the header. */
	initStringInfo(&response);
	appendStringInfoSpaces(&response, VARHDRSZ);
	appendStringInfoChar(&response, '{');
	operation->run(request, &response);
	appendStringInfoChar(&response, '}');
	aws_error_end(&errors);
	SET_VARSIZE(response.data, response.len);
	PG_RETURN_TEXT_P((text *) response.data);
}
