/*
 * database_pool.c
 *	  Connections to PostgreSQL, a pool for each role.
 *
 * One mutex guards the list of pools, the lists of idle connections, and the
 * count.  It is never held while something is sent to a server.
 */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/database_pool.h"
#include "gateway/gateway_clock.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_options.h"

/* Milliseconds after which an idle connection is closed */
#define IDLE_TIME 60000

/*
 * libpq's buffers keep the size that the largest result needed.  A connection
 * that has received one of this size goes soon, so that idle connections
 * take little memory.
 */
#define LARGE_RESULT	(256 * 1024)
#define LARGE_IDLE_TIME 2000

/* Idle connections of all roles, at most */
#define MAX_IDLE 64

/*
 * Milliseconds that a statement may take.  The server cancels it before that
 * by statement_timeout; a server that does not answer at all loses the
 * connection.
 */
#define STATEMENT_DEADLINE 45000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static DatabasePool	  *pools;
static int			   n_open;
static int			   n_idle;

/*
 * What a new session sets, unless the server does not know it, or the role or
 * the database has a lower limit (in milliseconds).
 */
static const char session_settings[] =
	"SELECT pg_catalog.set_config(s.name, v.setting, false)"
	" FROM pg_catalog.pg_settings s,"
	" (VALUES ('ddbstreams.dynamodb_numbers', 'on', false),"
	" ('ddbstreams.default_shard_count', $1::pg_catalog.text, false),"
	" ('search_path', $2, false),"
	" ('statement_timeout', '30000', true), ('lock_timeout', '10000', true))"
	" v (name, setting, is_limit)"
	" WHERE s.name OPERATOR(pg_catalog.=) v.name"
	" AND v.setting IS NOT NULL"
	" AND (NOT v.is_limit OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.=) 0"
	" OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.>) v.setting::pg_catalog.int8)";

/* --- pools ------------------------------------------------------------- */

/* A list of libpq's keywords and values, which both end with NULL */
typedef struct ParameterList
{
	char **keywords;
	char **values;
	size_t count;
} ParameterList;

/* Sets a parameter, over an earlier one of its name. */
static bool
set_parameter(ParameterList *list, const char *keyword, const char *value)
{
	char **keywords;
	char **values;
	size_t i;

	for (i = 0; i < list->count; i++)
	{
		if (strcmp(list->keywords[i], keyword) == 0)
			break;
	}
	if (i < list->count)
	{
		free(list->values[i]);
		list->values[i] = strdup(value);
		return list->values[i] != NULL;
	}
	keywords = realloc(list->keywords, (i + 2) * sizeof(char *));
	if (keywords == NULL)
		return false;
	list->keywords = keywords;
	values = realloc(list->values, (i + 2) * sizeof(char *));
	if (values == NULL)
		return false;
	list->values = values;
	list->keywords[i] = strdup(keyword);
	list->values[i] = strdup(value);
	list->keywords[i + 1] = list->values[i + 1] = NULL;
	list->count++;
	return list->keywords[i] != NULL && list->values[i] != NULL;
}

static void
free_parameters(ParameterList *list)
{
	for (size_t i = 0; i < list->count; i++)
	{
		free(list->keywords[i]);
		free(list->values[i]);
	}
	free(list->keywords);
	free(list->values);
}

/* Adds what a connection string, or the name of a database, says. */
static bool
add_conninfo(ParameterList *list, const char *conninfo, char **error)
{
	PQconninfoOption *options;
	bool			  done = true;

	if (conninfo == NULL || conninfo[0] == '\0')
		return true;
	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return set_parameter(list, "dbname", conninfo);
	options = PQconninfoParse(conninfo, NULL);
	if (options == NULL)
	{
		/* libpq's message would quote a part of it, perhaps a password. */
		*error = strdup("the connection string is not well formed");
		return false;
	}
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
	{
		if (option->val != NULL)
			done = done && set_parameter(list, option->keyword, option->val);
	}
	PQconninfoFree(options);
	return done;
}

static bool
is_same_pool(const DatabasePool *pool, const ParameterList *list)
{
	size_t i;

	for (i = 0; pool->keywords[i] != NULL && i < list->count; i++)
	{
		if (strcmp(pool->keywords[i], list->keywords[i]) != 0 ||
			strcmp(pool->values[i], list->values[i]) != 0)
			return false;
	}
	return i == list->count && pool->keywords[i] == NULL;
}

/* Makes the list of parameters for a role. */
static bool
make_parameters(ParameterList *list, const char *conninfo, const char *own,
				const char *role, char **error)
{
	ParameterList own_list = {0};
	bool		  done;

	*error = NULL;
	done = add_conninfo(&own_list, own, error);
	for (size_t i = 0; done && role != NULL && i < own_list.count; i++)
	{
		if (strcmp(own_list.keywords[i], "user") == 0 &&
			strcmp(own_list.values[i], role) != 0)
		{
			if (asprintf(error, "its connection string names another user: \"%s\"",
						 own_list.values[i]) < 0)
				*error = NULL;
			done = false;
		}
	}
	free_parameters(&own_list);
	/* A server that does not answer, or has gone, is noticed in seconds. */
	return done && set_parameter(list, "connect_timeout", "5") &&
		   set_parameter(list, "keepalives_idle", "10") &&
		   set_parameter(list, "keepalives_interval", "5") &&
		   set_parameter(list, "keepalives_count", "3") &&
		   set_parameter(list, "tcp_user_timeout", "30000") &&
		   add_conninfo(list, conninfo, error) &&
		   add_conninfo(list, own, error) &&
		   (role == NULL || set_parameter(list, "user", role)) &&
		   set_parameter(list, "fallback_application_name", PROGRAM_NAME) &&
		   set_parameter(list, "client_encoding", "UTF8");
}

DatabasePool *
database_pool_find(const char *conninfo, const char *own, const char *role,
				   char **error)
{
	ParameterList list = {0};
	DatabasePool *pool;

	if (!make_parameters(&list, conninfo, own, role, error))
	{
		free_parameters(&list);
		if (*error == NULL)
			*error = strdup("out of memory");
		return NULL;
	}
	pthread_mutex_lock(&mutex);
	for (pool = pools; pool != NULL; pool = pool->next)
	{
		if (is_same_pool(pool, &list))
			break;
	}
	if (pool != NULL)
		free_parameters(&list);
	else if ((pool = calloc(1, sizeof(DatabasePool))) != NULL)
	{
		pool->limit = gateway_options.connections;
		pool->role = role != NULL ? strdup(role) : NULL;
		pool->keywords = list.keywords;
		pool->values = list.values;
		pool->next = pools;
		pools = pool;
	}
	else
		*error = strdup("out of memory");
	pthread_mutex_unlock(&mutex);
	return pool;
}

DatabasePool *
database_pool_first(void)
{
	DatabasePool *first;

	pthread_mutex_lock(&mutex);
	first = pools;
	pthread_mutex_unlock(&mutex);
	return first;
}

bool
database_answers(const char *conninfo)
{
	ParameterList list = {0};
	char		 *error = NULL;
	bool		  answers;

	answers = make_parameters(&list, conninfo, NULL, NULL, &error) &&
			  PQpingParams((const char *const *) list.keywords,
						   (const char *const *) list.values, 0) == PQPING_OK;
	free_parameters(&list);
	free(error);
	return answers;
}

/* --- waiting for a server ---------------------------------------------- */

/*
 * Takes the results that have come, and returns whether the transaction's end
 * is among them.  An error that the commit raises comes behind the result, and
 * counts.
 */
static bool
take_results(DatabaseConnection *connection)
{
	while (!PQisBusy(connection->pgconn))
	{
		PGresult *more = PQgetResult(connection->pgconn);

		if (more == NULL)
			return true;
		if (connection->result == NULL || PQresultStatus(more) == PGRES_FATAL_ERROR)
		{
			PQclear(connection->result);
			connection->result = more;
		}
		else
			PQclear(more);
	}
	return false;
}

/* Waits for the transaction's end; false if the server is lost. */
static bool
await_end(DatabaseConnection *connection)
{
	PGconn *pgconn = connection->pgconn;
	long	deadline = clock_ms() + STATEMENT_DEADLINE;

	for (;;)
	{
		struct pollfd pollfd = {PQsocket(pgconn), POLLIN, 0};
		int			  flush = PQflush(pgconn);
		long		  rest = deadline - clock_ms();

		if (flush < 0)
			return false;
		if (flush == 0 && take_results(connection))
			return true;
		if (flush > 0)
			pollfd.events |= POLLOUT;
		if (rest <= 0)
			return false;
		if (poll(&pollfd, 1, (int) rest) < 0 && errno != EINTR)
			return false;
		if ((pollfd.revents & ~POLLOUT) != 0 && !PQconsumeInput(pgconn))
			return false;
	}
}

/* Waits for the result of a query that was sent; NULL if the server is lost. */
static PGresult *
await_only_result(DatabaseConnection *connection)
{
	bool	  has_ended = await_end(connection);
	PGresult *result = connection->result;

	connection->result = NULL;
	/* Without the end of the transaction nobody knows whether it committed. */
	if (!has_ended || (result != NULL && PQresultStatus(result) != PGRES_FATAL_ERROR &&
					   PQtransactionStatus(connection->pgconn) != PQTRANS_IDLE))
	{
		PQclear(result);
		return NULL;
	}
	return result;
}

/* --- connections ------------------------------------------------------- */

static void
close_connection(DatabaseConnection *connection)
{
	PQclear(connection->result);
	PQfinish(connection->pgconn);
	free(connection);
	pthread_mutex_lock(&mutex);
	n_open--;
	pthread_mutex_unlock(&mutex);
}

/*
 * Notices are for nobody, but for the last words of a backend that ends while
 * its connection is idle.
 */
static void
receive_notice(void *arg, const PGresult *notice)
{
	DatabaseConnection *connection = arg;
	const char		   *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && strcmp(severity, "FATAL") == 0)
		connection->is_lost = true;
}

/* Is an idle connection still good?  Reads what has come meanwhile. */
static bool
is_alive(DatabaseConnection *connection)
{
	struct pollfd pollfd = {PQsocket(connection->pgconn), POLLIN, 0};

	while (PQstatus(connection->pgconn) == CONNECTION_OK && !connection->is_lost)
	{
		if (poll(&pollfd, 1, 0) == 0)
			return true;
		if (!PQconsumeInput(connection->pgconn) || PQisBusy(connection->pgconn))
			return false;
	}
	return false;
}

static DatabaseConnection *
open_connection(DatabasePool *pool, char *error, size_t error_size)
{
	DatabaseConnection *connection = calloc(1, sizeof(DatabaseConnection));
	char				shards[12];
	const char		   *values[2] = {shards, pool->search_path};
	PGresult		   *result = NULL;

	if (connection == NULL)
	{
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	pthread_mutex_lock(&mutex);
	n_open++;
	pthread_mutex_unlock(&mutex);
	connection->pool = pool;
	connection->pgconn =
		PQconnectdbParams((const char *const *) pool->keywords,
						  (const char *const *) pool->values, 0);
	if (PQstatus(connection->pgconn) == CONNECTION_OK)
	{
		snprintf(shards, sizeof(shards), "%d", gateway_options.shards);
		PQsetNoticeReceiver(connection->pgconn, receive_notice, connection);
		if (PQsetnonblocking(connection->pgconn, 1) == 0 &&
			PQsendQueryParams(connection->pgconn, session_settings, 2, NULL, values,
							  NULL, NULL, 0))
			result = await_only_result(connection);
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
		{
			PQclear(result);
			return connection;
		}
		PQclear(result);
	}
	snprintf(error, error_size, "%s", PQerrorMessage(connection->pgconn));
	error[strcspn(error, "\n")] = '\0';
	close_connection(connection);
	return NULL;
}

/* Takes an idle connection that is still good; NULL if there is none. */
static DatabaseConnection *
take_idle(DatabasePool *pool)
{
	for (;;)
	{
		DatabaseConnection *connection;

		pthread_mutex_lock(&mutex);
		connection = pool->idle;
		if (connection != NULL)
		{
			pool->idle = connection->next;
			n_idle--;
		}
		pthread_mutex_unlock(&mutex);
		if (connection == NULL || is_alive(connection))
			return connection;
		close_connection(connection);
	}
}

DatabaseConnection *
database_take(DatabasePool *pool, char *error, size_t error_size)
{
	DatabaseConnection *connection = take_idle(pool);

	return connection != NULL ? connection : open_connection(pool, error, error_size);
}

DatabaseConnection *
database_sign_in(const char *conninfo, const char *role, const char *password,
				 char *error, size_t error_size)
{
	ParameterList		list = {0};
	char			   *message = NULL;
	DatabaseConnection *connection = NULL;

	if (make_parameters(&list, conninfo, NULL, role, &message) &&
		(password == NULL || set_parameter(&list, "password", password)))
	{
		DatabasePool pool = {.keywords = list.keywords, .values = list.values};

		connection = open_connection(&pool, error, error_size);
		if (connection != NULL)
			connection->pool = NULL;
	}
	else
		snprintf(error, error_size, "%s", message != NULL ? message : "out of memory");
	for (size_t i = 0; i < list.count; i++)
	{
		if (list.keywords[i] != NULL && list.values[i] != NULL &&
			strcmp(list.keywords[i], "password") == 0)
			explicit_bzero(list.values[i], strlen(list.values[i]));
	}
	free_parameters(&list);
	free(message);
	return connection;
}

void
database_release(DatabaseConnection *connection)
{
	bool keep = connection->pool != NULL && !connection->is_lost &&
				PQstatus(connection->pgconn) == CONNECTION_OK &&
				PQtransactionStatus(connection->pgconn) == PQTRANS_IDLE;

	connection->idle_since = clock_ms();
	if (keep)
	{
		pthread_mutex_lock(&mutex);
		keep = n_idle < MAX_IDLE;
		if (keep)
		{
			n_idle++;
			connection->next = connection->pool->idle;
			connection->pool->idle = connection;
		}
		pthread_mutex_unlock(&mutex);
	}
	if (!keep)
		close_connection(connection);
}

/* Closes connections that are idle since a time before these. */
static void
close_idle(long before, long large_before)
{
	DatabaseConnection *old = NULL;

	pthread_mutex_lock(&mutex);
	for (DatabasePool *pool = pools; pool != NULL; pool = pool->next)
	{
		DatabaseConnection **link = &pool->idle;

		while (*link != NULL)
		{
			DatabaseConnection *connection = *link;

			if (connection->idle_since >=
				(connection->is_large ? large_before : before))
			{
				link = &connection->next;
				continue;
			}
			*link = connection->next;
			n_idle--;
			connection->next = old;
			old = connection;
		}
	}
	pthread_mutex_unlock(&mutex);
	while (old != NULL)
	{
		DatabaseConnection *next = old->next;

		close_connection(old);
		old = next;
	}
}

void
database_pool_reap(void)
{
	long now = clock_ms();

	close_idle(now - IDLE_TIME, now - LARGE_IDLE_TIME);
}

void
database_pool_close_idle(void)
{
	long future = clock_ms() + 1;

	close_idle(future, future);
}

int
database_connections(void)
{
	int count;

	pthread_mutex_lock(&mutex);
	count = n_open;
	pthread_mutex_unlock(&mutex);
	return count;
}

/* --- statements -------------------------------------------------------- */

/* Prepares a statement unless it is; false, with a result, if that fails. */
static bool
prepare(DatabaseConnection *connection, const Statement *statement,
		PGresult **result)
{
	*result = NULL;
	if (connection->prepared & (1u << statement->number))
		return true;
	if (PQsendPrepare(connection->pgconn, statement->name, statement->sql,
					  statement->n_params, statement->types))
		*result = await_only_result(connection);
	if (PQresultStatus(*result) != PGRES_COMMAND_OK)
		return false;
	PQclear(*result);
	*result = NULL;
	connection->prepared |= 1u << statement->number;
	return true;
}

DatabaseConnection *
database_take_idle(DatabasePool *pool, const Statement *statement)
{
	DatabaseConnection *connection = take_idle(pool);

	if (connection == NULL || (connection->prepared & (1u << statement->number)))
		return connection;
	database_release(connection);
	return NULL;
}

void
database_send(DatabaseConnection *connection, const Statement *statement,
			  const StatementParam *params)
{
	const char *values[STATEMENT_MAX_PARAMS];
	int			lengths[STATEMENT_MAX_PARAMS];
	int			formats[STATEMENT_MAX_PARAMS];

	for (int i = 0; i < statement->n_params; i++)
	{
		values[i] = params[i].bytes;
		lengths[i] = (int) params[i].length;
		formats[i] = params[i].is_binary;
	}
	if (!PQsendQueryPrepared(connection->pgconn, statement->name,
							 statement->n_params, values, lengths, formats, 0))
		connection->is_lost = true;
}

bool
database_poll(DatabaseConnection *connection)
{
	if (!PQconsumeInput(connection->pgconn) || PQflush(connection->pgconn) < 0)
		connection->is_lost = true;
	return connection->is_lost || take_results(connection);
}

bool
database_has_rows(const DatabaseConnection *connection)
{
	return !connection->is_lost &&
		   PQresultStatus(connection->result) == PGRES_TUPLES_OK;
}

PGresult *
database_result(DatabaseConnection *connection)
{
	PGresult *result = connection->is_lost ? NULL : await_only_result(connection);

	/* An answer may still come: nobody must take it for another's. */
	if (result == NULL)
		connection->is_lost = true;
	else if (PQntuples(result) > 0 && PQgetlength(result, 0, 0) >= LARGE_RESULT)
		connection->is_large = true;
	return result;
}

PGresult *
database_query(DatabaseConnection *connection, const Statement *statement,
			   const StatementParam *params)
{
	PGresult *result;

	if (!prepare(connection, statement, &result))
	{
		connection->is_lost = result == NULL;
		return result;
	}
	database_send(connection, statement, params);
	return database_result(connection);
}
