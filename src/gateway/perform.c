/*
 * perform.c
 *	  The work that a request is: its signature, its statement, its answer.
 *
 * aws() in the database decides everything about an operation, and gives its
 * errors the names that AWS's clients know.
 */
#define _GNU_SOURCE /* explicit_bzero */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/answer.h"
#include "gateway/gateway_clock.h"
#include "gateway/gateway_console.h"
#include "gateway/gateway_keys.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/gateway_options.h"
#include "gateway/perform.h"
#include "gateway/route.h"
#include "gateway/sigv4_verify.h"

/*
 * How long a shard that others are reading is waited for, in milliseconds, and
 * the first pause between two tries; the next ones are longer.
 */
#define RETRY_TIME	  2000
#define FIRST_PAUSE	  20
#define LONGEST_PAUSE 160

/* The hash of a larger body takes too long for the thread of an address. */
#define QUICK_BODY (16 * 1024)

typedef struct StateName
{
	const char *sqlstate;
	const char *name;
} StateName;

/*
 * Names of errors that stop a statement before aws() is called, which would
 * name them.  What is not here is an InternalServerError, whose text is for
 * the log.
 */
static const StateName state_names[] = {
	/* the role may not call aws() */
	{"42501", "AccessDeniedException"},
	/* the request is no JSON, no UTF-8, or nested too deeply */
	{"22P02", "SerializationException"},
	{"22021", "SerializationException"},
	{"54001", "SerializationException"},
	/* jsonb, in the database's encoding, has no place for a value of a body */
	{"22P05", "SerializationException"},
	{"22003", "SerializationException"},
	{"0A000", "SerializationException"},
};

static DatabasePool *default_pool; /* conninfo's user */
static DatabasePool *metrics_pool; /* NULL: no metrics of the database */

bool
perform_init(void)
{
	char *error = NULL;

	default_pool = database_pool_find(gateway_options.conninfo, NULL, NULL, &error);
	if (default_pool != NULL &&
		(gateway_options.metrics_role != NULL || gateway_options.no_auth))
	{
		metrics_pool = database_pool_find(gateway_options.conninfo,
										  "application_name='" PROGRAM_NAME " metrics'",
										  gateway_options.metrics_role, &error);
		/* The statement names functions that others could put in its way. */
		if (metrics_pool != NULL)
		{
			metrics_pool->search_path = "pg_catalog";
			metrics_pool->limit = 1; /* it is work, and anybody may ask */
		}
	}
	if (error != NULL)
	{
		gateway_log("%s", error);
		free(error);
		return false;
	}
	return true;
}

/* --- who asks ---------------------------------------------------------- */

static void
describe_request(const Request *request, Sigv4Request *description)
{
	description->method = request->method;
	description->path = request->path;
	description->query = request->query;
	description->headers = request->headers;
	description->n_headers = request->n_headers;
	description->body = request->body != NULL ? request->body : "";
	description->body_length = request->body_length;
}

/* Finds the pool of the role that signed a request; false: it is answered. */
static bool
check_signature(Request *request)
{
	static const char *const names[] = {
		[SIGV4_MISSING_AUTHENTICATION_TOKEN] = "MissingAuthenticationTokenException",
		[SIGV4_INCOMPLETE_SIGNATURE] = "IncompleteSignatureException",
		[SIGV4_INVALID_SIGNATURE] = "InvalidSignatureException"};
	const char		  *service = request->protocol == PROTOCOL_LAMBDA ? "lambda" : "dynamodb";
	char			   secret[KEYS_MAX_SECRET];
	Sigv4Request	   description;
	Sigv4Authorization auth;
	Sigv4Verdict	   verdict;
	DatabasePool	  *pool = NULL;

	describe_request(request, &description);
	verdict = sigv4_parse(&description, service, time(NULL), &auth);
	if (verdict != SIGV4_OK)
		answer_error(request, names[verdict], auth.message);
	else
	{
		bool is_known = keys_find(auth.access_key, secret, &pool);
		bool is_right = sigv4_verify(&description, &auth, secret);

		explicit_bzero(secret, sizeof(secret));
		if (!is_known)
			answer_error(request, "UnrecognizedClientException",
						 "The security token included in the request is invalid.");
		else if (!is_right)
			answer_error(request, "InvalidSignatureException",
						 "The request signature we calculated does not match the signature you provided. "
						 "Check your AWS Secret Access Key and signing method. "
						 "Consult the service documentation for details.");
		else if (!gateway_options.accept_session_tokens &&
				 request_header(request, "X-Amz-Security-Token") != NULL)
			answer_error(request, "UnrecognizedClientException",
						 "The security token included in the request is invalid");
		else
		{
			request->pool = pool;
			request->is_known = true;
		}
	}
	sigv4_free(&auth);
	return request->pool != NULL;
}

/* Is this localhost, or the address of a machine? */
static bool
is_own_name(const char *host)
{
	size_t			length = strlen(host);
	struct in6_addr address;

	return strcasecmp(host, "localhost") == 0 ||
		   (length > 10 && strcasecmp(host + length - 10, ".localhost") == 0) ||
		   inet_pton(AF_INET, host, &address) == 1 ||
		   inet_pton(AF_INET6, host, &address) == 1;
}

/*
 * Without signatures, the page of another site must not get in: not by giving
 * its own name our address, and not by a form that a browser sends for it.
 */
static bool
check_origin(Request *request)
{
	const char *header = request_header(request, "Host");
	const char *origin = request_header(request, "Origin");
	const char *site = origin != NULL ? strstr(origin, "://") : NULL;
	char		host[80] = "";
	size_t		length;

	if (header == NULL)
		return true;
	if (origin != NULL && (site == NULL || strcasecmp(site + 3, header) != 0))
	{
		answer_error(request, "AccessDeniedException",
					 "With --no-auth, pages of other sites are not answered.");
		return false;
	}
	if (header[0] == '[')
		length = strcspn(++header, "]");
	else
		length = strcspn(header, ":");
	if (length < sizeof(host))
		memcpy(host, header, length);
	if (is_own_name(host))
		return true;
	answer_error(request, "AccessDeniedException",
				 "With --no-auth, the host of a URL must be localhost or an IP address.");
	return false;
}

/*
 * Does the database answer?  It is asked once in a second at most, and by one
 * thread: for others the last answer counts.
 */
static bool
is_healthy(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static atomic_bool	   healthy;
	static long			   asked_at;

	if (pthread_mutex_trylock(&mutex) == 0)
	{
		if (asked_at == 0 || clock_ms() - asked_at >= 1000)
		{
			healthy = database_answers(gateway_options.conninfo);
			asked_at = clock_ms();
		}
		pthread_mutex_unlock(&mutex);
	}
	return healthy;
}

PerformStep
perform_check(Request *request)
{
	if (!route_request(request))
		return PERFORM_ANSWERED;
	if (gateway_options.no_auth && !check_origin(request))
		return PERFORM_ANSWERED;
	switch (request->operation->kind)
	{
		case OPERATION_AWS:
			if (gateway_options.no_auth)
			{
				request->pool = default_pool;
				request->is_known = true;
			}
			else if (!check_signature(request))
				return PERFORM_ANSWERED;
			return PERFORM_WANTS_SLOT;
		case OPERATION_HEALTH:
			if (is_healthy())
				answer_text(request, MHD_HTTP_OK, "text/plain", "ok\n", 3);
			else
				answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
							"the database does not answer\n", 29);
			return PERFORM_ANSWERED;
		case OPERATION_METRICS:
			request->pool = metrics_pool;
			if (request->pool != NULL)
				return PERFORM_WANTS_SLOT;
			metrics_answer(request, NULL);
			return PERFORM_ANSWERED;
		case OPERATION_CONSOLE:
			console_answer(request);
			return PERFORM_ANSWERED;
	}
	return PERFORM_ANSWERED;
}

/* --- what the database says -------------------------------------------- */

static const char *
name_of_state(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++)
	{
		if (strcmp(state_names[i].sqlstate, sqlstate) == 0)
			return state_names[i].name;
	}
	return "InternalServerError";
}

/*
 * Errors of aws() bear AWS's name in the field for the name of a violated
 * constraint.  If it is a constraint's name, no form of an error has it.
 */
static const char *
name_of_error(const PGresult *result, const char *sqlstate)
{
	const char *name = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);

	return name != NULL ? name : name_of_state(sqlstate);
}

/* Shall clients see the text of an error that has no name? */
static bool
may_show(const char *sqlstate)
{
	return strcmp(sqlstate, "25006") == 0 || /* read-only: a standby */
		   strcmp(sqlstate, "55P03") == 0 || /* lock_timeout */
		   strcmp(sqlstate, "57014") == 0 || /* statement_timeout */
		   strcmp(sqlstate, "3F000") == 0;	 /* there is no extension here */
}

/* Waits for a shard that others are reading, unless that takes too long. */
static bool
retry_later(Request *request)
{
	long now = clock_ms();
	long pause = FIRST_PAUSE << (request->n_tries < 4 ? request->n_tries : 4);

	if (request->n_tries++ == 0)
		request->retry_until = now + RETRY_TIME;
	if (pause > LONGEST_PAUSE)
		pause = LONGEST_PAUSE;
	request->wake_at = now + pause;
	return request->wake_at < request->retry_until;
}

static PerformStep
handle_error(Request *request, DatabaseConnection *connection, PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *name;

	if (sqlstate == NULL || message == NULL)
	{
		gateway_log("%s: the connection to the database is lost",
					request->operation->name);
		answer_error(request, "InternalServerError", NULL);
		return PERFORM_ANSWERED;
	}
	name = name_of_error(result, sqlstate);
	/* a limit on what there may be is not waited for */
	if (strcmp(name, "LimitExceededException") == 0 &&
		strcmp(request->operation->name, "GetRecords") == 0 && retry_later(request))
		return PERFORM_RETRY_LATER;
	if (!answer_is_internal(name) || may_show(sqlstate))
		answer_error_by(request, connection, name, message);
	else
	{
		gateway_log("%s: SQLSTATE %s: %s", request->operation->name, sqlstate, message);
		answer_error(request, name, NULL);
	}
	return PERFORM_ANSWERED;
}

/* Makes the answer of a result. */
static PerformStep
use_result(Request *request, DatabaseConnection *connection, PGresult *result)
{
	PerformStep step;

	if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
		!PQgetisnull(result, 0, 0))
	{
		answer_result(request, request->operation->status, result);
		return PERFORM_ANSWERED;
	}
	step = handle_error(request, connection, result);
	PQclear(result);
	return step;
}

/* Logs why a role cannot connect, once in a second. */
static void
complain(DatabasePool *pool, const char *error)
{
	long now = clock_ms();
	long last = pool->complained_at;

	if ((last != 0 && now - last < 1000) ||
		!atomic_compare_exchange_strong(&pool->complained_at, &last, now))
		return;
	gateway_log("cannot connect to the database%s%s: %s",
				pool->role != NULL ? " as " : "",
				pool->role != NULL ? pool->role : "", error);
}

PerformStep
perform_run(Request *request)
{
	char				error[512];
	DatabaseConnection *connection;
	PerformStep			step = PERFORM_ANSWERED;

	if (request->operation->kind == OPERATION_METRICS && metrics_answer_again(request))
		return PERFORM_ANSWERED;
	connection = database_take(request->pool, error, sizeof(error));
	if (connection == NULL)
		complain(request->pool, error);
	if (request->operation->kind == OPERATION_METRICS)
		metrics_answer(request, connection);
	else if (connection == NULL)
		answer_error(request, "InternalServerError", NULL);
	else
		step = use_result(request, connection,
						  database_query(connection, request->statement, request->params));
	if (connection != NULL)
		database_release(connection);
	return step;
}

bool
perform_is_quick(const Request *request)
{
	/* Other requests may be for the console, or ask after the database. */
	return request->body_length <= QUICK_BODY && strcmp(request->method, "POST") == 0 &&
		   request_header(request, "X-Amz-Target") != NULL;
}

bool
perform_start(Request *request)
{
	request->database = database_take_idle(request->pool, request->statement);
	if (request->database == NULL)
		return false;
	database_send(request->database, request->statement, request->params);
	return true;
}

PerformStep
perform_finish(Request *request)
{
	DatabaseConnection *connection = request->database;
	PerformStep			step;

	request->database = NULL;
	step = use_result(request, connection, database_result(connection));
	database_release(connection);
	return step;
}

/* --- --check ----------------------------------------------------------- */

static const Statement check_statement = {
	.number = STATEMENT_CHECK,
	.name = "gateway_check",
	.sql = "SELECT ddbstreams.aws('ListStreams', '{}')",
	.n_params = 0};

static bool
check_pool(DatabasePool *pool)
{
	char				error[512];
	const char		   *role = pool->role != NULL ? pool->role : "(conninfo's user)";
	DatabaseConnection *connection = database_take(pool, error, sizeof(error));
	PGresult		   *result;
	bool				done;

	if (connection == NULL)
	{
		gateway_log("role %s cannot connect: %s", role, error);
		return false;
	}
	result = database_query(connection, &check_statement, NULL);
	done = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!done)
		gateway_log("role %s cannot use ddbstreams: %s", role,
					result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) :
									 "the connection is lost");
	PQclear(result);
	database_release(connection);
	return done;
}

bool
perform_check_database(void)
{
	bool done = gateway_options.no_auth ? check_pool(default_pool) :
										  keys_each_pool(check_pool);

	if (gateway_options.metrics_role != NULL)
		done = check_pool(metrics_pool) && done;
	if (done)
		gateway_log("options, keys and database are right");
	return done;
}
