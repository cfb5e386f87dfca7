/*
 * answer.c
 *	  Answers: the forms and statuses of AWS's protocols.
 *
 * DynamoDB's errors have the name in the body, with the namespace that AWS's
 * own servers put before it; Lambda's have it in a header.  Which member bears
 * the text differs, too.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/answer.h"
#include "gateway/crc32.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"
#include "gateway/text_buffer.h"

#define SERVICE	 "com.amazon.coral.service#"
#define VALIDATE "com.amazon.coral.validate#"
#define DYNAMODB "com.amazonaws.dynamodb.v20120810#"

#define TYPE_JSON	  "application/json"
#define TYPE_AMZ_JSON "application/x-amz-json-1.0"

#define UNKNOWN_OPERATION "<UnknownOperationException/>\n"

/* Milliseconds after which a client should try again */
#define RETRY_AFTER "500"

/*
 * Bytes of large answers that the clients of a role have not read, beyond
 * which there are no more of them.  One may always be, whatever its size: it
 * may be a single record.
 */
#define MAX_UNREAD	 (256 * 1024 * 1024)
#define LARGE_ANSWER (64 * 1024)

typedef struct ErrorForm
{
	const char *name;
	const char *name_in_lambda; /* NULL: the same */
	const char *space;
	const char *member; /* of DynamoDB's body: the text */
	unsigned	status;
	unsigned	status_in_lambda;
	bool		retry; /* clients may try again */
} ErrorForm;

static const ErrorForm forms[] = {
	{"InternalServerError", "ServiceException", DYNAMODB, "message", 500, 500, true},
	{"ValidationException", NULL, VALIDATE, "message", 400, 400, false},
	{"InvalidParameterValueException", NULL, SERVICE, "message", 400, 400, false},
	{"SerializationException", NULL, SERVICE, "Message", 400, 400, false},
	{"UnknownOperationException", NULL, SERVICE, "message", 400, 404, false},
	{"AccessDeniedException", NULL, SERVICE, "Message", 400, 403, false},
	{"ResourceNotFoundException", NULL, DYNAMODB, "message", 400, 404, false},
	{"ResourceInUseException", NULL, DYNAMODB, "message", 400, 400, false},
	{"ResourceConflictException", NULL, DYNAMODB, "message", 400, 409, false},
	{"ExpiredIteratorException", NULL, DYNAMODB, "message", 400, 400, false},
	{"TrimmedDataAccessException", NULL, DYNAMODB, "message", 400, 400, false},
	{"LimitExceededException", "TooManyRequestsException", DYNAMODB, "message", 400, 429, true},
	{"MissingAuthenticationTokenException", NULL, SERVICE, "message", 400, 403, false},
	{"IncompleteSignatureException", NULL, SERVICE, "message", 400, 403, false},
	{"InvalidSignatureException", NULL, SERVICE, "message", 400, 403, false},
	{"UnrecognizedClientException", NULL, SERVICE, "message", 400, 403, false},
	{"RequestEntityTooLargeException", NULL, SERVICE, "message", 413, 413, false},
};

/* The body of an error with any text */
static const Statement error_statement = {
	.number = STATEMENT_ERROR,
	.name = "gateway_error",
	.sql = "SELECT pg_catalog.json_build_object($1, $2, $3, $4)",
	.n_params = 4,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

/* Returns an InternalServerError's for a name that has no form of its own. */
static const ErrorForm *
find_form(const char *name)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
	{
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	}
	return &forms[0];
}

bool
answer_is_internal(const char *name)
{
	return find_form(name) == &forms[0];
}

/* Returns the name that the request's service has for an error. */
static const char *
name_for(const Request *request, const ErrorForm *form)
{
	return request->protocol == PROTOCOL_LAMBDA && form->name_in_lambda != NULL ?
			   form->name_in_lambda :
			   form->name;
}

void
answer_header(Request *request, const char *name, const char *value)
{
	if (request->response != NULL)
		MHD_add_response_header(request->response, name, value);
}

/*
 * Adds what every answer has.  DynamoDB's clients look at the checksum, those
 * of Streams and Lambda do not.
 */
static void
finish(Request *request, unsigned status, const char *content_type,
	   const char *body, size_t length)
{
	char text[40];

	request->status = status;
	if (request->response == NULL)
		return;
	answer_header(request, "Content-Type", content_type);
	answer_header(request, "x-amzn-RequestId",
				  request->protocol == PROTOCOL_LAMBDA ? request->uuid : request->id);
	if (request->protocol == PROTOCOL_DYNAMODB || request->protocol == PROTOCOL_OTHER)
	{
		snprintf(text, sizeof(text), "%lu", (unsigned long) crc32_of(body, length));
		answer_header(request, "x-amz-crc32", text);
	}
	/*
	 * As AWS does it.  Signatures keep strange pages out; where there are none
	 * the browser has to.
	 */
	if (!gateway_options.no_auth &&
		(request->operation == NULL || request->operation->kind == OPERATION_AWS) &&
		request_header(request, "Origin") != NULL)
		answer_header(request, "Access-Control-Allow-Origin", "*");
}

/* A client that sends DynamoDB's own type gets it back. */
static const char *
json_type(const Request *request)
{
	const char *type = request_header(request, "Content-Type");
	size_t		length;

	if (request->protocol == PROTOCOL_LAMBDA || type == NULL)
		return TYPE_JSON;
	type += strspn(type, " \t");
	length = strcspn(type, "; \t");
	return length == strlen(TYPE_AMZ_JSON) && strncmp(type, TYPE_AMZ_JSON, length) == 0 ?
			   TYPE_AMZ_JSON :
			   TYPE_JSON;
}

/* A result that is an answer, until that is sent */
typedef struct KeptResult
{
	PGresult	  *result;
	atomic_size_t *unread;
} KeptResult;

/* Those who have signed in to the console have no pools. */
static atomic_size_t unread_of_console;

static atomic_size_t *
unread_of(const Request *request)
{
	return request->pool != NULL ? &request->pool->unread : &unread_of_console;
}

/* What counts of a result */
static size_t
large_length(const PGresult *result)
{
	size_t length = (size_t) PQgetlength(result, 0, 0);

	return length > LARGE_ANSWER ? length : 0;
}

bool
answer_has_room(const Request *request, const PGresult *result)
{
	size_t length = large_length(result);
	size_t unread = *unread_of(request);

	if (length == 0 || unread == 0 || unread + length <= MAX_UNREAD)
		return true;
	gateway_log("%s: clients have not read %zu bytes of other answers",
				request->operation->name, unread);
	return false;
}

/* The answer has been sent, or its client has gone. */
static void
release_result(void *arg)
{
	KeptResult *kept = arg;

	*kept->unread -= large_length(kept->result);
	PQclear(kept->result);
	free(kept);
}

struct MHD_Response *
answer_response_of(const Request *request, PGresult *result)
{
	KeptResult			*kept = malloc(sizeof(KeptResult));
	struct MHD_Response *response;

	if (kept == NULL)
	{
		PQclear(result);
		return NULL;
	}
	kept->result = result;
	kept->unread = unread_of(request);
	*kept->unread += large_length(result);
	response = MHD_create_response_from_buffer_with_free_callback_cls(
		(size_t) PQgetlength(result, 0, 0), PQgetvalue(result, 0, 0), release_result,
		kept);
	if (response == NULL)
		release_result(kept);
	return response;
}

static void
respond_with_result(Request *request, unsigned status, PGresult *result)
{
	const char *body = PQgetvalue(result, 0, 0);
	size_t		length = (size_t) PQgetlength(result, 0, 0);

	request->response = answer_response_of(request, result);
	if (request->response != NULL)
		finish(request, status, json_type(request), body, length);
}

void
answer_result(Request *request, unsigned status, PGresult *result)
{
	request->result = "ok";
	if (status == MHD_HTTP_NO_CONTENT)
	{
		PQclear(result);
		answer_text(request, status, json_type(request), "", 0);
	}
	else if (answer_has_room(request, result))
		respond_with_result(request, status, result);
	else
	{
		PQclear(result);
		answer_error(request, "InternalServerError", NULL);
	}
}

static void
set_text_result(Request *request, unsigned status)
{
	if (request->result == NULL)
		request->result = status < 400 ? "ok" : "HTTPError";
}

void
answer_text(Request *request, unsigned status, const char *content_type,
			const char *text, size_t length)
{
	set_text_result(request, status);
	request->response =
		MHD_create_response_from_buffer(length, (void *) text,
										MHD_RESPMEM_MUST_COPY);
	finish(request, status, content_type, text, length);
}

void
answer_own_text(Request *request, unsigned status, const char *content_type,
				TextBuffer *text, void (*release)(void *text))
{
	set_text_result(request, status);
	request->response = MHD_create_response_from_buffer_with_free_callback_cls(
		text->length, text->data, release, text);
	finish(request, status, content_type, text->data, text->length);
	if (request->response == NULL)
		release(text);
}

/* Adds the headers of an error. */
static void
finish_error(Request *request, const ErrorForm *form)
{
	if (request->protocol == PROTOCOL_LAMBDA)
		answer_header(request, "x-amzn-ErrorType", name_for(request, form));
	if (form->retry)
	{
		answer_header(request, "x-amz-retry-after", RETRY_AFTER);
		answer_header(request, "Retry-After", "1");
	}
}

/* Appends a text to JSON, with what would need an escape replaced. */
static void
append_plain(TextBuffer *buffer, const char *text)
{
	for (; *text != '\0'; text++)
		text_append_char(buffer, (unsigned char) *text < ' ' || *text > '~' ||
										 *text == '"' || *text == '\\' ?
									 '?' :
									 *text);
}

static const char *
default_text(const ErrorForm *form, const char *text)
{
	return text == NULL && form == &forms[0] ?
			   "The request processing has failed because of an unknown error, exception or failure." :
			   text;
}

void
answer_error(Request *request, const char *name, const char *text)
{
	const ErrorForm *form = find_form(name);
	bool			 is_lambda = request->protocol == PROTOCOL_LAMBDA;
	TextBuffer		 body;

	text_init(&body);
	if (is_lambda)
		text_append_format(&body, "{\"Type\":\"%s\"",
						   form->status_in_lambda < 500 ? "User" : "Service");
	else
		text_append_format(&body, "{\"__type\":\"%s%s\"", form->space, form->name);
	text = default_text(form, text);
	if (text != NULL)
	{
		text_append_format(&body, ",\"%s\":\"",
						   is_lambda ? "Message" : form->member);
		append_plain(&body, text);
		text_append_char(&body, '"');
	}
	text_append_char(&body, '}');
	request->result = name_for(request, form);
	if (!text_is_broken(&body))
		answer_text(request, is_lambda ? form->status_in_lambda : form->status,
					json_type(request), body.data, body.length);
	finish_error(request, form);
	text_free(&body);
}

void
answer_error_by(Request *request, DatabaseConnection *connection,
				const char *name, const char *text)
{
	const ErrorForm *form = find_form(name);
	bool			 is_lambda = request->protocol == PROTOCOL_LAMBDA;
	char			 type[120];
	StatementParam	 params[4] = {{.bytes = is_lambda ? "Type" : "__type"},
								  {.bytes = type},
								  {.bytes = is_lambda ? "Message" : form->member},
								  {.bytes = default_text(form, text)}};
	PGresult		*result;

	if (is_lambda)
		snprintf(type, sizeof(type), "%s", form->status_in_lambda < 500 ? "User" : "Service");
	else
		snprintf(type, sizeof(type), "%s%s", form->space, form->name);
	result = database_query(connection, &error_statement, params);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		PQclear(result);
		answer_error(request, name, text);
		return;
	}
	if (!answer_has_room(request, result))
	{
		PQclear(result);
		answer_error(request, name, NULL);
		return;
	}
	request->result = name_for(request, form);
	respond_with_result(request, is_lambda ? form->status_in_lambda : form->status,
						result);
	finish_error(request, form);
}

void
answer_bad_request(Request *request, unsigned status, const char *text)
{
	TextBuffer body;

	text_init(&body);
	text_append(&body, "{\"__type\":\"" SERVICE "SerializationException\",\"Message\":\"");
	append_plain(&body, text);
	text_append(&body, "\"}");
	request->result = "SerializationException";
	if (!text_is_broken(&body))
		answer_text(request, status, TYPE_JSON, body.data, body.length);
	answer_header(request, "Connection", "close");
	text_free(&body);
}

void
answer_not_found(Request *request)
{
	request->result = "UnknownOperationException";
	answer_text(request, MHD_HTTP_NOT_FOUND, "text/xml", UNKNOWN_OPERATION,
				strlen(UNKNOWN_OPERATION));
}
