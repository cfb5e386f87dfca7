/*
 * gateway_console.c
 *	  The console: a page in a browser.
 *
 *	/console				the page
 *	/console/NAME			its scripts and its style sheet
 *	/console/data/NAME		what a statement returns: one value, which is JSON
 *	/console/redrive		POST: delivers a failed batch again
 *
 * Page and statements are files of console/ (console_files.c).  What a
 * statement shows is decided by the rights of the role that has signed in
 * (console_session.c), and by nothing else.
 *
 * The browser is told to run nothing that does not come from here, and
 * requests of pages from elsewhere are refused: the browser says where a page
 * is from in Sec-Fetch-Site and Origin.  What changes something needs a
 * header, too, that a page from elsewhere cannot send.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/answer.h"
#include "gateway/console_files.h"
#include "gateway/console_session.h"
#include "gateway/gateway_console.h"
#include "gateway/gateway_options.h"

#define TYPE_JSON "application/json"

#define POLICY                                                  \
	"default-src 'none'; script-src 'self'; style-src 'self'; " \
	"connect-src 'self'; img-src 'self' data:; "                \
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/* A statement, and the members of the query that are its parameters */
typedef struct ConsoleQuery
{
	const char *name;
	const char *file;
	const char *params[STATEMENT_MAX_PARAMS];
} ConsoleQuery;

static const ConsoleQuery queries[] = {
	{"whoami", "whoami.sql", {NULL}},
	{"streams", "streams.sql", {"search", "offset"}},
	{"rates", "rates.sql", {"search", "offset"}},
	{"shards", "shards.sql", {"stream"}},
	{"records", "records.sql", {"stream"}},
	{"shard_records", "shard_records.sql", {"stream", "shard", "iterator"}},
	{"mappings", "mappings.sql", {"stream"}},
	{"mapping", "mapping.sql", {"mapping"}},
	{"consumers", "consumers.sql", {"stream"}},
	{"leases", "leases.sql", {"consumer"}},
	{"workers", "workers.sql", {NULL}},
	{"failed", "failed.sql", {"mapping", "offset"}},
	{"failed_batch", "failed_batch.sql", {"batch"}},
};

/* Its parameter is the body of the request. */
static const ConsoleQuery redrive_query = {"redrive", "redrive.sql", {"body"}};

static const Statement error_statement = {
	.number = STATEMENT_CONSOLE_ERROR,
	.name = "console_error",
	.sql = "SELECT pg_catalog.json_build_object('error', pg_catalog.json_build_object("
		   "'sqlstate', $1, 'message', $2, 'detail', $3, 'hint', $4))",
	.n_params = 4,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

/* The status of an error of PostgreSQL; of any other one it is 500. */
static const struct
{
	const char *sqlstate;
	unsigned	status;
} statuses[] = {
	{"22023", 400},
	{"22P02", 400},
	{"22003", 400},
	{"22021", 400},
	{"25006", 409},
	{"42501", 403},
	{"42704", 404},
	{"57014", 503},
	{"ZS001", 410},
	{"ZS002", 410},
	{"ZS003", 429},
};

static void
set_headers(Request *request, const char *content_type, const char *cache)
{
	static const char *const headers[][2] = {
		{"Content-Security-Policy", POLICY},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(request->response, headers[i][0], headers[i][1]);
	MHD_add_response_header(request->response, "Content-Type", content_type);
	MHD_add_response_header(request->response, "Cache-Control", cache);
}

/* Answers with bytes that live as long as the process. */
static void
answer_static(Request *request, unsigned status, const char *content_type,
			  const char *cache, const char *data, size_t length)
{
	request->status = status;
	request->result = status < 400 ? "ok" : "HTTPError";
	request->response = MHD_create_response_from_buffer(length, (void *) data,
														MHD_RESPMEM_PERSISTENT);
	if (request->response != NULL)
		set_headers(request, content_type, cache);
}

/* Answers an error with a text that needs no escapes in JSON. */
#define answer_problem(request, status, text)               \
	answer_static(request, status, TYPE_JSON, "no-store",   \
				  "{\"error\":{\"message\":\"" text "\"}}", \
				  sizeof("{\"error\":{\"message\":\"" text "\"}}") - 1)

/* Answers with the first value of a result; its memory is the answer's. */
static void
answer_value(Request *request, unsigned status, PGresult *result)
{
	if (!answer_has_room(request, result))
	{
		PQclear(result);
		answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
					   "Other clients have not read their answers.");
		return;
	}
	request->status = status;
	request->result = status < 400 ? "ok" : "HTTPError";
	request->response = answer_response_of(request, result);
	if (request->response != NULL)
		set_headers(request, TYPE_JSON, "no-store");
}

static void
answer_lost(Request *request)
{
	answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
				   "The connection to the database is lost.");
}

/* Answers an error of PostgreSQL, which makes the JSON, too. */
static void
answer_error_of(Request *request, DatabaseConnection *connection,
				const PGresult *failed)
{
	static const int fields[4] = {PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY,
								  PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT};
	StatementParam	 params[4] = {0};
	const char		*sqlstate = PQresultErrorField(failed, PG_DIAG_SQLSTATE);
	unsigned		 status = MHD_HTTP_INTERNAL_SERVER_ERROR;
	PGresult		*result = NULL;

	if (sqlstate != NULL)
	{
		for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		{
			if (strcmp(statuses[i].sqlstate, sqlstate) == 0)
				status = statuses[i].status;
		}
		for (int i = 0; i < 4; i++)
			params[i].bytes = PQresultErrorField(failed, fields[i]);
		result = database_query(connection, &error_statement, params);
	}
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		answer_value(request, status, result);
	else
	{
		PQclear(result);
		answer_lost(request);
	}
}

static int
hex_value(char c)
{
	if (isdigit((unsigned char) c))
		return c - '0';
	return isxdigit((unsigned char) c) ? tolower((unsigned char) c) - 'a' + 10 : -1;
}

/*
 * Decodes a part of a query as forms encode it, into malloc'd memory; NULL if
 * it is not well formed or has a zero byte.
 */
static char *
decode_form(const char *text, size_t length)
{
	char  *out = malloc(length + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < length; i++)
	{
		int high = 0;
		int low = 0;

		if (text[i] == '%')
		{
			high = i + 2 < length ? hex_value(text[i + 1]) : -1;
			low = i + 2 < length ? hex_value(text[i + 2]) : -1;
			if (high < 0 || low < 0 || high + low == 0)
			{
				free(out);
				return NULL;
			}
			i += 2;
			out[n++] = (char) (high * 16 + low);
		}
		else
			out[n++] = text[i] == '+' ? ' ' : text[i];
	}
	if (out != NULL)
		out[n] = '\0';
	return out;
}

/* Sets parameters from the query; false if it is not well formed. */
static bool
read_params(Request *request, const ConsoleQuery *query)
{
	const char *at = request->query;

	while (at != NULL && *at != '\0')
	{
		size_t length = strcspn(at, "&");
		size_t name_length = strcspn(at, "=&");

		for (int i = 0; i < STATEMENT_MAX_PARAMS && query->params[i] != NULL; i++)
		{
			size_t skip = name_length + (name_length < length);

			if (strlen(query->params[i]) != name_length ||
				strncmp(at, query->params[i], name_length) != 0)
				continue;
			free(request->owned[i]);
			request->owned[i] = decode_form(at + skip, length - skip);
			request->params[i].bytes = request->owned[i];
			if (request->owned[i] == NULL)
				return false;
		}
		at += length + (at[length] == '&');
	}
	return true;
}

static void
run_query(Request *request, DatabaseConnection *connection,
		  const ConsoleQuery *query)
{
	Statement statement = {.number = STATEMENT_CONSOLE, .name = "console_query"};
	PGresult *result;

	statement.sql = console_file_find(query->file)->data;
	while (statement.n_params < STATEMENT_MAX_PARAMS &&
		   query->params[statement.n_params] != NULL)
		statement.types[statement.n_params++] = TEXTOID;
	result = database_query(connection, &statement, request->params);
	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
	{
		answer_value(request, MHD_HTTP_OK, result);
		return;
	}
	if (result == NULL)
		answer_lost(request);
	else
		answer_error_of(request, connection, result);
	PQclear(result);
}

static void
answer_query(Request *request, const ConsoleQuery *query)
{
	DatabaseConnection *connection;

	switch (console_session_begin(request, &connection))
	{
		case SESSION_OPEN:
			request->is_known = true;
			run_query(request, connection, query);
			console_session_end(request, connection);
			return;
		case SESSION_WANTED:
			answer_problem(request, MHD_HTTP_UNAUTHORIZED,
						   "Sign in as a role of PostgreSQL.");
			break;
		case SESSION_REFUSED:
			answer_problem(request, MHD_HTTP_UNAUTHORIZED,
						   "PostgreSQL does not let this role in with this password.");
			break;
		case SESSION_UNPROTECTED:
			answer_problem(request, MHD_HTTP_FORBIDDEN,
						   "The console takes passwords by HTTPS only (--tls-cert), "
						   "or from the machine that the gateway runs on.");
			break;
		case SESSION_UNCHECKED:
			answer_problem(request, MHD_HTTP_FORBIDDEN,
						   "PostgreSQL has not asked for the password, so that it proves nothing. "
						   "pg_hba.conf must have scram-sha-256 for the connections of the gateway.");
			break;
		case SESSION_BUSY:
			answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
						   "Too many requests to the console are running.");
			break;
		case SESSION_UNAVAILABLE:
			answer_problem(request, MHD_HTTP_SERVICE_UNAVAILABLE,
						   "The database does not answer.");
			break;
	}
	if (request->response != NULL && request->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(request->response, "WWW-Authenticate",
								"Basic realm=\"ddbstreams\", charset=\"UTF-8\"");
}

/* Does a request come from our own page, or from no page at all? */
static bool
is_from_here(const Request *request)
{
	const char *site = request_header(request, "Sec-Fetch-Site");
	const char *origin = request_header(request, "Origin");
	const char *host = request_header(request, "Host");

	if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return false;
	if (origin != NULL)
	{
		const char *scheme_end = strstr(origin, "://");

		return host != NULL && scheme_end != NULL && strcasecmp(scheme_end + 3, host) == 0;
	}
	return true;
}

static bool
is_json(const Request *request)
{
	const char *type = request_header(request, "Content-Type");

	return type != NULL && strncasecmp(type, TYPE_JSON, sizeof(TYPE_JSON) - 1) == 0 &&
		   (type[sizeof(TYPE_JSON) - 1] == '\0' || type[sizeof(TYPE_JSON) - 1] == ';' ||
			type[sizeof(TYPE_JSON) - 1] == ' ');
}

static void
answer_redrive(Request *request)
{
	if (request_header(request, "X-Ddbstreams-Console") == NULL)
		answer_problem(request, MHD_HTTP_FORBIDDEN,
					   "The header X-Ddbstreams-Console is missing.");
	else if (!is_json(request))
		answer_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
					   "The request must be JSON.");
	else
	{
		request->owned[0] = strndup(request->body_length > 0 ? request->body : "",
									request->body_length);
		request->params[0].bytes = request->owned[0];
		answer_query(request, &redrive_query);
	}
}

static void
answer_data(Request *request, const char *name)
{
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
	{
		if (strcmp(queries[i].name, name) != 0)
			continue;
		if (read_params(request, &queries[i]))
			answer_query(request, &queries[i]);
		else
			answer_problem(request, MHD_HTTP_BAD_REQUEST,
						   "The URL is not percent-encoded correctly.");
		return;
	}
	answer_problem(request, MHD_HTTP_NOT_FOUND, "There is nothing of this name.");
}

static void
answer_file(Request *request, const char *name)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
	};
	const ConsoleFile *file = console_file_find(name);
	const char		  *suffix = strrchr(name, '.');

	for (size_t i = 0; file != NULL && i < sizeof(types) / sizeof(types[0]); i++)
	{
		if (strcmp(suffix, types[i][0]) == 0)
		{
			answer_static(request, MHD_HTTP_OK, types[i][1], "no-cache", file->data,
						  file->length);
			return;
		}
	}
	answer_problem(request, MHD_HTTP_NOT_FOUND, "There is nothing of this name.");
}

static void
answer_method(Request *request, const char *allowed)
{
	answer_problem(request, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "This method is not for this URL.");
	if (request->response != NULL)
		MHD_add_response_header(request->response, "Allow", allowed);
}

void
console_answer(Request *request)
{
	const char *rest = request->path + sizeof("/console") - 1;
	bool		is_get = strcmp(request->method, "GET") == 0 ||
						 strcmp(request->method, "HEAD") == 0;

	/* the first one has the name of the operation: this file sets its own */
	memset(request->params, 0, sizeof(request->params));
	rest += rest[0] == '/';
	if (strcmp(rest, "redrive") == 0 || strncmp(rest, "data/", 5) == 0)
	{
		if (!is_from_here(request))
			answer_problem(request, MHD_HTTP_FORBIDDEN,
						   "The request comes from a page of another site.");
		else if (rest[0] == 'd' && is_get)
			answer_data(request, rest + 5);
		else if (rest[0] == 'r' && strcmp(request->method, "POST") == 0)
			answer_redrive(request);
		else
			answer_method(request, rest[0] == 'd' ? "GET, HEAD" : "POST");
	}
	else if (is_get)
		answer_file(request, rest[0] == '\0' ? "console.html" : rest);
	else
		answer_method(request, "GET, HEAD");
}
