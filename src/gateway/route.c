/*
 * route.c
 *	  What a request asks for, and the statement that answers it.
 *
 * X-Amz-Target decides if it is there, and then the path, in front of which
 * anything may stand: an endpoint URL can have a path.
 *
 * The JSON of Lambda's requests is spread over path, query and body.  The
 * statements put it together.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/answer.h"
#include "gateway/route.h"
#include "gateway/text_buffer.h"

#define MAPPINGS_PATH "/2015-03-31/event-source-mappings"
#define TAGS_PATH	  "/2017-03-31/tags/"

/* DynamoDB's answer to a plain GET; load balancers look for it. */
#define HEALTHY "healthy: dynamodb.us-east-1.amazonaws.com "

const Operation route_operations[] = {
	{"ListStreams", OPERATION_AWS, PROTOCOL_STREAMS, 200},
	{"DescribeStream", OPERATION_AWS, PROTOCOL_STREAMS, 200},
	{"GetShardIterator", OPERATION_AWS, PROTOCOL_STREAMS, 200},
	{"GetRecords", OPERATION_AWS, PROTOCOL_STREAMS, 200},
	{"DescribeTable", OPERATION_AWS, PROTOCOL_DYNAMODB, 200},
	{"ListTables", OPERATION_AWS, PROTOCOL_DYNAMODB, 200},
	{"UpdateTable", OPERATION_AWS, PROTOCOL_DYNAMODB, 200},
	{"CreateEventSourceMapping", OPERATION_AWS, PROTOCOL_LAMBDA, 202},
	{"GetEventSourceMapping", OPERATION_AWS, PROTOCOL_LAMBDA, 200},
	{"ListEventSourceMappings", OPERATION_AWS, PROTOCOL_LAMBDA, 200},
	{"UpdateEventSourceMapping", OPERATION_AWS, PROTOCOL_LAMBDA, 202},
	{"DeleteEventSourceMapping", OPERATION_AWS, PROTOCOL_LAMBDA, 202},
	{"ListTags", OPERATION_AWS, PROTOCOL_LAMBDA, 200},
	{"TagResource", OPERATION_AWS, PROTOCOL_LAMBDA, 204},
	{"UntagResource", OPERATION_AWS, PROTOCOL_LAMBDA, 204},
	{"healthz", OPERATION_HEALTH, PROTOCOL_OTHER, 200},
	{"metrics", OPERATION_METRICS, PROTOCOL_OTHER, 200},
	{"console", OPERATION_CONSOLE, PROTOCOL_OTHER, 200},
	{NULL, OPERATION_AWS, PROTOCOL_OTHER, 0}};

/* The request is the body. */
static const Statement body_statement = {
	.number = STATEMENT_BODY,
	.name = "gateway_body",
	.sql = "SELECT ddbstreams.aws($1, $2)",
	.n_params = 2,
	.types = {TEXTOID, JSONOID}};

/* The request is one member, from the path. */
static const Statement member_statement = {
	.number = STATEMENT_MEMBER,
	.name = "gateway_member",
	.sql = "SELECT ddbstreams.aws($1, pg_catalog.json_build_object($2, $3))",
	.n_params = 3,
	.types = {TEXTOID, TEXTOID, TEXTOID}};

/* The request is the body, and one member from the path. */
static const Statement update_statement = {
	.number = STATEMENT_UPDATE,
	.name = "gateway_update",
	.sql = "SELECT ddbstreams.aws($1, pg_catalog.jsonb_concat($2::pg_catalog.jsonb,"
		   " pg_catalog.jsonb_build_object($3, $4))::pg_catalog.json)",
	.n_params = 4,
	.types = {TEXTOID, JSONOID, TEXTOID, TEXTOID}};

/*
 * The request is the query.  MaxItems is a number there, if it looks like one;
 * if not, aws() tells what is wrong.
 */
static const Statement list_statement = {
	.number = STATEMENT_LIST,
	.name = "gateway_list",
	.sql = "SELECT ddbstreams.aws($1, pg_catalog.json_strip_nulls("
		   "pg_catalog.json_build_object('EventSourceArn', $2, 'FunctionName', $3,"
		   " 'Marker', $4, 'MaxItems',"
		   " CASE WHEN pg_catalog.textregexeq($5, '^-?[0-9]{1,20}$')"
		   " THEN pg_catalog.to_json($5::pg_catalog.numeric)"
		   " ELSE pg_catalog.to_json($5) END)))",
	.n_params = 5,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

/* The request is the resource from the path, and the keys of the query. */
static const Statement untag_statement = {
	.number = STATEMENT_UNTAG,
	.name = "gateway_untag",
	.sql = "SELECT ddbstreams.aws($1, pg_catalog.json_strip_nulls("
		   "pg_catalog.json_build_object('Resource', $2, 'TagKeys', $3)))",
	.n_params = 3,
	.types = {TEXTOID, TEXTOID, TEXTARRAYOID}};

static const Operation *
find_route(Protocol protocol, const char *name)
{
	for (const Operation *operation = route_operations; operation->name != NULL;
		 operation++)
	{
		if (operation->protocol == protocol && strcmp(operation->name, name) == 0)
			return operation;
	}
	return NULL;
}

static int
hex_digit(char c)
{
	if (!isxdigit((unsigned char) c))
		return -1;
	return isdigit((unsigned char) c) ? c - '0' : tolower((unsigned char) c) - 'a' + 10;
}

/*
 * Decodes percent-encoded text into malloc'd memory.  NULL if it is not well
 * formed, or has a zero byte in it.
 */
static char *
decode(const char *text, size_t length)
{
	char  *result = malloc(length + 1);
	size_t n = 0;

	for (size_t i = 0; result != NULL && i < length; i++)
	{
		int high;
		int low;

		if (text[i] != '%')
		{
			result[n++] = text[i];
			continue;
		}
		if (i + 2 >= length || (high = hex_digit(text[i + 1])) < 0 ||
			(low = hex_digit(text[i + 2])) < 0 || (high == 0 && low == 0))
		{
			free(result);
			return NULL;
		}
		result[n++] = (char) (high * 16 + low);
		i += 2;
	}
	if (result != NULL)
		result[n] = '\0';
	return result;
}

/* Sets a parameter to text that must live as long as the request. */
static void
set_param(Request *request, int i, const char *text)
{
	request->params[i].bytes = text;
	request->params[i].length = text != NULL ? strlen(text) : 0;
}

/* Sets a parameter to decoded text; false if it cannot be decoded. */
static bool
set_decoded(Request *request, int i, const char *text, size_t length)
{
	free(request->owned[i]);
	request->owned[i] = decode(text, length);
	set_param(request, i, request->owned[i]);
	return request->owned[i] != NULL;
}

static void
set_body(Request *request, int i, const char *if_empty)
{
	request->params[i].is_binary = true;
	request->params[i].bytes = request->body_length > 0 ? request->body : if_empty;
	request->params[i].length = request->body_length > 0 ? request->body_length :
														   strlen(if_empty);
}

static bool
reject_encoding(Request *request)
{
	answer_error(request, "InvalidParameterValueException",
				 "The URL is not percent-encoded correctly.");
	return false;
}

static bool
use_operation(Request *request, const char *name, const Statement *statement)
{
	request->operation = find_route(request->protocol, name);
	request->statement = statement;
	set_param(request, 0, name);
	return true;
}

static bool
route_target(Request *request, const char *target)
{
	static const char streams[] = "DynamoDBStreams_20120810.";
	static const char tables[] = "DynamoDB_20120810.";

	if (strncmp(target, streams, sizeof(streams) - 1) == 0)
	{
		request->protocol = PROTOCOL_STREAMS;
		target += sizeof(streams) - 1;
	}
	else if (strncmp(target, tables, sizeof(tables) - 1) == 0)
	{
		request->protocol = PROTOCOL_DYNAMODB;
		target += sizeof(tables) - 1;
	}
	if (request->protocol != PROTOCOL_OTHER)
		use_operation(request, target, &body_statement);
	set_body(request, 1, "");
	if (request->operation == NULL)
	{
		answer_error(request, "UnknownOperationException", NULL);
		return false;
	}
	return true;
}

/* Reads the parameters of ListEventSourceMappings. */
static bool
route_list(Request *request)
{
	static const char *const names[] = {"EventSourceArn", "FunctionName", "Marker",
										"MaxItems"};
	const char				*at = request->query;

	while (at != NULL && *at != '\0')
	{
		size_t length = strcspn(at, "&");
		size_t name_length = strcspn(at, "=&");

		for (int i = 0; i < 4; i++)
		{
			size_t skip = name_length + (name_length < length);

			if (strlen(names[i]) == name_length &&
				strncmp(at, names[i], name_length) == 0 &&
				!set_decoded(request, i + 1, at + skip, length - skip))
				return reject_encoding(request);
		}
		at += length + (at[length] == '&');
	}
	return use_operation(request, "ListEventSourceMappings", &list_statement);
}

static bool
reject_lambda(Request *request)
{
	answer_error(request, "UnknownOperationException", NULL);
	return false;
}

/* rest: what stands behind MAPPINGS_PATH */
static bool
route_mappings(Request *request, const char *rest)
{
	const char *method = request->method;
	size_t		length;

	if (rest[0] != '\0' && rest[0] != '/')
		return reject_lambda(request);
	rest += rest[0] == '/';
	length = strcspn(rest, "/");
	if (rest[length] != '\0' && rest[length + 1] != '\0')
		return reject_lambda(request);
	if (length == 0)
	{
		if (strcmp(method, "GET") == 0)
			return route_list(request);
		if (strcmp(method, "POST") != 0)
			return reject_lambda(request);
		set_body(request, 1, "");
		return use_operation(request, "CreateEventSourceMapping", &body_statement);
	}
	if (strcmp(method, "PUT") == 0)
	{
		set_body(request, 1, "{}");
		set_param(request, 2, "UUID");
		return set_decoded(request, 3, rest, length) ?
				   use_operation(request, "UpdateEventSourceMapping",
								 &update_statement) :
				   reject_encoding(request);
	}
	set_param(request, 1, "UUID");
	if (!set_decoded(request, 2, rest, length))
		return reject_encoding(request);
	if (strcmp(method, "GET") == 0)
		return use_operation(request, "GetEventSourceMapping", &member_statement);
	if (strcmp(method, "DELETE") == 0)
		return use_operation(request, "DeleteEventSourceMapping", &member_statement);
	return reject_lambda(request);
}

/* Appends a text to an array in PostgreSQL's form. */
static void
append_element(TextBuffer *array, const char *text)
{
	text_append(array, array->length > 1 ? ",\"" : "\"");
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			text_append_char(array, '\\');
		text_append_char(array, *text);
	}
	text_append_char(array, '"');
}

/*
 * Sets a parameter to the array of all tagKeys in the query; to null if there
 * is none, so that aws() misses them.  False if one cannot be decoded.
 */
static bool
set_tag_keys(Request *request, int i)
{
	static const char name[] = "tagKeys=";
	const char		 *at = request->query;
	bool			  is_decoded = true;
	TextBuffer		  array;

	text_init(&array);
	text_append_char(&array, '{');
	while (at != NULL && *at != '\0' && is_decoded)
	{
		size_t length = strcspn(at, "&");

		if (strncmp(at, name, sizeof(name) - 1) == 0)
		{
			char *key = decode(at + sizeof(name) - 1, length - (sizeof(name) - 1));

			is_decoded = key != NULL;
			if (is_decoded)
				append_element(&array, key);
			free(key);
		}
		at += length + (at[length] == '&');
	}
	is_decoded = is_decoded && !text_is_broken(&array);
	if (is_decoded && array.length > 1)
	{
		text_append_char(&array, '}');
		request->owned[i] = array.data;
		set_param(request, i, array.data);
	}
	else
		text_free(&array);
	return is_decoded;
}

/* rest: what stands behind TAGS_PATH, an ARN */
static bool
route_tags(Request *request, const char *rest)
{
	const char *method = request->method;
	size_t		length = strlen(rest);

	if (strcmp(method, "GET") == 0)
	{
		set_param(request, 1, "Resource");
		return set_decoded(request, 2, rest, length) ?
				   use_operation(request, "ListTags", &member_statement) :
				   reject_encoding(request);
	}
	if (strcmp(method, "POST") == 0)
	{
		set_body(request, 1, "{}");
		set_param(request, 2, "Resource");
		return set_decoded(request, 3, rest, length) ?
				   use_operation(request, "TagResource", &update_statement) :
				   reject_encoding(request);
	}
	if (strcmp(method, "DELETE") == 0)
		return set_decoded(request, 1, rest, length) && set_tag_keys(request, 2) ?
				   use_operation(request, "UntagResource", &untag_statement) :
				   reject_encoding(request);
	return reject_lambda(request);
}

/* Is there a segment as /2015-03-31/, which begins a path of Lambda's? */
static bool
has_version(const char *path)
{
	static const char form[] = "/20dd-dd-dd/";

	for (; (path = strchr(path, '/')) != NULL; path++)
	{
		size_t i;

		for (i = 0; form[i] != '\0'; i++)
		{
			if (form[i] == 'd' ? !isdigit((unsigned char) path[i]) :
								 path[i] != form[i])
				break;
		}
		if (form[i] == '\0')
			return true;
	}
	return false;
}

/* Returns what stands behind the last place of part in text, or NULL. */
static const char *
behind_last(const char *text, const char *part)
{
	const char *found = NULL;

	while ((text = strstr(text, part)) != NULL)
	{
		text += strlen(part);
		found = text;
	}
	return found;
}

static bool
route_lambda(Request *request)
{
	const char *rest;

	request->protocol = PROTOCOL_LAMBDA;
	if ((rest = behind_last(request->path, MAPPINGS_PATH)) != NULL)
		return route_mappings(request, rest);
	if ((rest = behind_last(request->path, TAGS_PATH)) != NULL)
		return route_tags(request, rest);
	return reject_lambda(request);
}

static bool
ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Answers the browser's question before a request from another site. */
static bool
answer_options(Request *request)
{
	const char *headers = request_header(request, "Access-Control-Request-Headers");
	const char *methods = request_header(request, "Access-Control-Request-Method");

	answer_text(request, MHD_HTTP_OK, "text/plain", "", 0);
	if (headers != NULL)
		answer_header(request, "Access-Control-Allow-Headers", headers);
	if (methods != NULL)
		answer_header(request, "Access-Control-Allow-Methods", methods);
	answer_header(request, "Access-Control-Max-Age", "172800");
	return false;
}

/* Is the body said to be JSON? */
static bool
is_json(const Request *request)
{
	static const char *const types[] = {"application/json", "application/x-amz-json-1.0"};
	const char				*type = request_header(request, "Content-Type");
	size_t					 length;

	if (type == NULL)
		return false;
	type += strspn(type, " \t");
	length = strcspn(type, "; \t");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		if (strlen(types[i]) == length && strncmp(type, types[i], length) == 0)
			return true;
	}
	return false;
}

static bool
is_get(const Request *request)
{
	return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

/* A request for nothing that AWS has, or for nothing at all */
static bool
route_other(Request *request)
{
	const char *path = request->path;

	if (is_get(request) && ends_with(path, "/healthz"))
		return use_operation(request, "healthz", NULL);
	if (is_get(request) && ends_with(path, "/metrics"))
		return use_operation(request, "metrics", NULL);
	if (strncmp(path, "/console", 8) == 0 && (path[8] == '\0' || path[8] == '/'))
		return use_operation(request, "console", NULL);
	if (is_get(request) && strcmp(path, "/") == 0)
		answer_text(request, MHD_HTTP_OK, "text/plain", HEALTHY, strlen(HEALTHY));
	else if (strcmp(request->method, "POST") == 0 &&
			 (request->body_length == 0 || is_json(request)))
		answer_error(request, "UnknownOperationException", NULL);
	else
		answer_not_found(request);
	return false;
}

bool
route_request(Request *request)
{
	const char *target = request_header(request, "X-Amz-Target");
	bool		go_on;

	if (strcmp(request->method, "OPTIONS") == 0 &&
		request_header(request, "Origin") != NULL)
		go_on = answer_options(request);
	else if (target != NULL && strcmp(request->method, "POST") == 0)
		go_on = route_target(request, target);
	else if (has_version(request->path))
		go_on = route_lambda(request);
	else
		go_on = route_other(request);
	if (request->is_too_large)
	{
		if (request->response != NULL)
			MHD_destroy_response(request->response);
		request->response = NULL;
		answer_error(request, "RequestEntityTooLargeException",
					 "Request must be smaller than 1048576 bytes.");
		return false;
	}
	return go_on;
}
