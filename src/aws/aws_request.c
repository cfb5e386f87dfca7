/*
 * aws_request.c
 *	  Reading the members of a request to aws(), under AWS's constraints.
 *
 * The rules are AWS's: a member that is null counts as absent, unknown members
 * are ignored, lengths are counted in characters, a value of the wrong type is
 * an error before any constraint is looked at, and one message names all
 * constraints that are violated.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "aws/aws_request.h"
#include "base/errors.h"

/* A message shows at most this many bytes of a value. */
#define SHOWN_LENGTH 1100

/* What AWS's service, which is written in Java, takes a member for */
typedef enum MemberType
{
	MEMBER_STRING,
	MEMBER_INTEGER,
	MEMBER_BOOLEAN,
	MEMBER_DATE,
	MEMBER_LIST,
	MEMBER_STRUCTURE /* its class has the member's name */
} MemberType;

/* What its messages call these types; NULL where they do not name them */
static const struct
{
	const char *name; /* of a type that is no container */
	const char *java; /* the class of that */
} member_types[] = {
	[MEMBER_STRING] = {"String", "java.lang.String"},
	[MEMBER_INTEGER] = {"Integer", "java.lang.Integer"},
	[MEMBER_BOOLEAN] = {"Boolean", "java.lang.Boolean"},
	[MEMBER_DATE] = {"Date", "java.util.Date"},
	[MEMBER_LIST] = {NULL, NULL},
	[MEMBER_STRUCTURE] = {NULL, NULL}};

/*
 * jsonb refuses some valid JSON, such as \u0000 or 1e999999: for a request
 * that is an invalid parameter, too.
 */
static void
parse_error_callback(void *arg)
{
	if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_DATA_EXCEPTION)
		errcode(ERRCODE_INVALID_PARAMETER_VALUE);
}

AwsRequest *
aws_request_parse(text *json, AwsErrors *errors)
{
	AwsRequest			*request = palloc(sizeof(AwsRequest));
	ErrorContextCallback callback;
	char				*string = text_to_cstring(json);
	Jsonb				*jsonb;

	callback.callback = parse_error_callback;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	errors->name = AWS_ERROR_SERIALIZATION;
	jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(string)));
	error_context_stack = callback.previous;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("request is not a JSON object"),
				 errhint("A request without members is written {}.")));
	errors->name = NULL;
	request->members = &jsonb->root;
	request->path = "";
	request->errors = errors;
	request->violations = palloc0(sizeof(AwsViolations));
	request->violations->count = 0;
	initStringInfo(&request->violations->text);
	return request;
}

/* Finds a member that is not null. */
static JsonbValue *
find_member(AwsRequest *request, const char *name, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(request->members, name, strlen(name),
									 value) == NULL ||
		value->type == jbvNull)
		return NULL;
	return value;
}

/* AWS's name for a member in messages: streamSpecification.streamEnabled */
static char *
member_path(AwsRequest *request, const char *name)
{
	return psprintf("%s%c%s", request->path,
					pg_ascii_tolower((unsigned char) name[0]), name + 1);
}

/* Remembers that the value of a member, NULL if absent, violates a rule. */
static void
note_violation(AwsRequest *request, const char *name, const char *value,
			   const char *rule)
{
	StringInfo text = &request->violations->text;

	request->violations->has_full_stop = false;
	if (request->violations->count++ > 0)
		appendStringInfoString(text, "; ");
	if (value == NULL)
		appendStringInfoString(text, "Value null");
	else if (strlen(value) <= SHOWN_LENGTH)
		appendStringInfo(text, "Value '%s'", value);
	else
		appendStringInfo(text, "Value '%.*s...'",
						 pg_mbcliplen(value, strlen(value), SHOWN_LENGTH),
						 value);
	appendStringInfo(text, " at '%s' failed to satisfy constraint: Member must %s",
					 member_path(request, name), rule);
}

/* Notes that a member is absent, which is a violation if it is required. */
static void
note_absence(AwsRequest *request, const char *name, AwsPresence presence)
{
	if (presence != AWS_REQUIRED)
		return;
	note_violation(request, name, NULL, "not be null");
	request->violations->has_full_stop = request->errors->is_lambda;
}

void
aws_request_check(AwsRequest *request)
{
	int count = request->violations->count;

	if (count == 0)
		return;

	/* Lambda itself misses a member; all else is found before it is asked. */
	if (!request->violations->has_full_stop)
		request->errors->name = AWS_ERROR_VALIDATION;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%d validation error%s detected: %s%s", count,
					count == 1 ? "" : "s",
					request->violations->text.data,
					request->violations->has_full_stop ? "." : "")));
}

/* Is this number an integer?  10.0 and 1e1 are integers, too. */
static bool
is_integer(Numeric number)
{
	Datum truncated = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number),
										  Int32GetDatum(0));

	return DatumGetBool(DirectFunctionCall2(numeric_eq, truncated,
											NumericGetDatum(number)));
}

/* Returns AWS's name for the JSON type of a value that is no container. */
static const char *
scalar_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return "STRING_VALUE";
		case jbvNumeric:
			return is_integer(value->val.numeric) ? "NUMBER_VALUE" : "DECIMAL_VALUE";
		default:
			return value->val.boolean ? "TRUE_VALUE" : "FALSE_VALUE";
	}
}

/* Raises AWS's error for a value of another JSON type than the member has. */
static void
report_wrong_type(AwsRequest *request, const char *name, const JsonbValue *value,
				  MemberType type, const char *wanted_json)
{
	const char *package = type == MEMBER_STRUCTURE && !request->errors->is_lambda ?
							  "com.amazonaws.dynamodb.v20120810." :
							  "";
	const char *hint = psprintf("Member '%s' must be %s.",
								member_path(request, name), wanted_json);

	request->errors->name = AWS_ERROR_SERIALIZATION;
	if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Start of structure or map found where not expected"),
				 errhint("%s", hint)));
	if (value->type == jbvBinary)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Unrecognized collection type class %s%s", package,
						type == MEMBER_STRUCTURE ? name : member_types[type].java),
				 errhint("%s", hint)));
	if (member_types[type].name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Unexpected field type"),
				 errhint("%s", hint)));
	if (type == MEMBER_BOOLEAN && value->type == jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Unexpected token received from parser"),
				 errhint("%s", hint)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s cannot be converted to %s", scalar_name(value),
					member_types[type].name),
			 errhint("%s", hint)));
}

bool
aws_request_has(AwsRequest *request, const char *name)
{
	JsonbValue value;

	return find_member(request, name, &value) != NULL;
}

/* Returns a member's characters, palloc'd, or NULL if it is absent. */
static char *
string_member(AwsRequest *request, const char *name, AwsPresence presence)
{
	JsonbValue value;

	if (find_member(request, name, &value) == NULL)
	{
		note_absence(request, name, presence);
		return NULL;
	}
	if (value.type != jbvString)
		report_wrong_type(request, name, &value, MEMBER_STRING, "a JSON string");
	return pnstrdup(value.val.string.val, value.val.string.len);
}

char *
aws_request_string(AwsRequest *request, const char *name,
				   AwsPresence presence, int min_length, int max_length)
{
	char *string = string_member(request, name, presence);
	int	  length;

	if (string == NULL)
		return NULL;
	length = pg_mbstrlen(string);
	if (length < min_length)
		note_violation(request, name, string,
					   psprintf("have length greater than or equal to %d",
								min_length));
	if (length > max_length)
		note_violation(request, name, string,
					   psprintf("have length less than or equal to %d",
								max_length));
	return string;
}

char *
aws_request_enum(AwsRequest *request, const char *name, AwsPresence presence,
				 const char *const *values, int count)
{
	char		  *string = string_member(request, name, presence);
	StringInfoData rule;

	if (string == NULL)
		return NULL;
	initStringInfo(&rule);
	appendStringInfoString(&rule, "satisfy enum value set: [");
	for (int i = 0; i < count; i++)
	{
		if (strcmp(string, values[i]) == 0)
			return string;
		appendStringInfo(&rule, "%s%s", i == 0 ? "" : ", ", values[i]);
	}
	appendStringInfoChar(&rule, ']');
	note_violation(request, name, string, rule.data);
	return string;
}

/* Compares a numeric with an integer, as qsort's functions do. */
static int
compare_with(Datum number, int64 bound)
{
	Datum other = NumericGetDatum(int64_to_numeric(bound));

	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, number, other));
}

int
aws_request_integer(AwsRequest *request, const char *name, int default_value,
					int min, int max)
{
	JsonbValue	value;
	Datum		number;
	const char *rule;

	if (find_member(request, name, &value) == NULL)
		return default_value;
	if (value.type != jbvNumeric)
		report_wrong_type(request, name, &value, MEMBER_INTEGER, "a JSON number");
	if (!is_integer(value.val.numeric))
		report_wrong_type(request, name, &value, MEMBER_INTEGER,
						  "a number without a fraction");

	number = DirectFunctionCall2(numeric_trunc,
								 NumericGetDatum(value.val.numeric),
								 Int32GetDatum(0));
	if (compare_with(number, min) < 0)
		rule = psprintf("have value greater than or equal to %d", min);
	else if (compare_with(number, max) > 0)
		rule = psprintf("have value less than or equal to %d", max);
	else
		return DatumGetInt32(DirectFunctionCall1(numeric_int4, number));
	note_violation(request, name,
				   DatumGetCString(DirectFunctionCall1(numeric_out, number)), rule);
	return default_value;
}

bool
aws_request_time(AwsRequest *request, const char *name, TimestampTz *time)
{
	int64	   epoch = (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	JsonbValue value;
	Datum	   seconds;
	Datum	   microseconds;

	if (find_member(request, name, &value) == NULL)
		return false;
	if (value.type != jbvNumeric)
		report_wrong_type(request, name, &value, MEMBER_DATE,
						  "a JSON number of seconds since 1970");
	seconds = DirectFunctionCall2(numeric_sub,
								  NumericGetDatum(value.val.numeric),
								  NumericGetDatum(int64_to_numeric(epoch)));
	if (compare_with(seconds, END_TIMESTAMP / USECS_PER_SEC) >= 0)
		*time = DT_NOEND;
	else if (compare_with(seconds, MIN_TIMESTAMP / USECS_PER_SEC) <= 0)
		*time = DT_NOBEGIN;
	else
	{
		microseconds = DirectFunctionCall2(numeric_mul, seconds,
										   NumericGetDatum(int64_to_numeric(USECS_PER_SEC)));
		microseconds = DirectFunctionCall1(numeric_ceil, microseconds);
		*time = DatumGetInt64(DirectFunctionCall1(numeric_int8, microseconds));
	}
	return true;
}

bool
aws_request_boolean(AwsRequest *request, const char *name,
					AwsPresence presence, bool default_value)
{
	JsonbValue value;

	if (find_member(request, name, &value) == NULL)
	{
		note_absence(request, name, presence);
		return default_value;
	}
	if (value.type != jbvBool)
		report_wrong_type(request, name, &value, MEMBER_BOOLEAN, "true or false");
	return value.val.boolean;
}

AwsRequest *
aws_request_object(AwsRequest *request, const char *name, AwsPresence presence)
{
	AwsRequest *object;
	JsonbValue	value;

	if (find_member(request, name, &value) == NULL)
	{
		note_absence(request, name, presence);
		return NULL;
	}
	if (value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		report_wrong_type(request, name, &value, MEMBER_STRUCTURE, "a JSON object");
	object = palloc(sizeof(AwsRequest));
	object->members = value.val.binary.data;
	object->path = psprintf("%s.", member_path(request, name));
	object->violations = request->violations;
	object->errors = request->errors;
	return object;
}

Jsonb *
aws_request_jsonb(AwsRequest *request, const char *name)
{
	JsonbValue value;

	if (find_member(request, name, &value) == NULL)
		return NULL;
	if (value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		report_wrong_type(request, name, &value, MEMBER_STRUCTURE, "a JSON object");
	return JsonbValueToJsonb(&value);
}

char **
aws_request_strings(AwsRequest *request, const char *name, int *count)
{
	JsonbValue value;
	char	 **strings;

	*count = 0;
	if (find_member(request, name, &value) == NULL)
		return NULL;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data))
		report_wrong_type(request, name, &value, MEMBER_LIST, "a JSON array");
	*count = JsonContainerSize(value.val.binary.data);
	strings = palloc(Max(*count, 1) * sizeof(char *));
	for (int i = 0; i < *count; i++)
	{
		JsonbValue *elem = getIthJsonbValueFromContainer(value.val.binary.data, i);

		if (elem->type == jbvNull)
			error_null_argument(member_path(request, name));
		if (elem->type != jbvString)
			report_wrong_type(request, name, elem, MEMBER_STRING, "an array of JSON strings");
		strings[i] = pnstrdup(elem->val.string.val, elem->val.string.len);
	}
	return strings;
}
