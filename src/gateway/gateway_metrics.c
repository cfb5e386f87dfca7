/*
 * gateway_metrics.c
 *	  What GET /metrics shows, in the text format of Prometheus.
 *
 * The gateway counts requests itself.  Streams, mappings, consumers and
 * workers are the database's: one statement makes their lines of the views
 * that the metrics role sees.
 *
 * Anybody may ask, so requests share what is asked of the database: all that
 * have come before a text was begun are answered by it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/answer.h"
#include "gateway/console_files.h"
#include "gateway/gateway_clock.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/text_buffer.h"

#define MAX_OPERATIONS 32
#define MAX_RESULTS	   24 /* of one operation; there are fewer error names */

/*
 * Bytes of answers that clients have not read, beyond which there are no more:
 * anybody may ask, and read as slowly as --timeout lets them.
 */
#define MAX_UNREAD (8 * 1024 * 1024)

#define TOO_MANY "metrics that other clients have asked for are not read\n"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
								0.1, 0.25, 0.5, 1, 2.5, 5, 10};
#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

typedef struct OperationCounts
{
	const char		  *results[MAX_RESULTS]; /* literals; NULL: free */
	unsigned long long counts[MAX_RESULTS];
	unsigned long long buckets[N_BOUNDS];
	unsigned long long count;
	double			   seconds;
} OperationCounts;

/* The entry behind the last operation is for requests of none. */
static OperationCounts operations[MAX_OPERATIONS];
static int			   n_clients;
static atomic_size_t   unread;
static atomic_bool	   were_refused; /* because of that */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* The text of answers */
typedef struct MetricsText
{
	TextBuffer text;
	double	   began_at;
	int		   n_users; /* answers, and the list of newest ones; by the mutex */
} MetricsText;

/* The newest ones, without and with single shards; by the mutex */
static MetricsText *newest[2];

static int
index_of(const Operation *operation)
{
	int i = 0;

	while (route_operations[i].name != NULL && &route_operations[i] != operation)
		i++;
	return i;
}

void
metrics_count(const Operation *operation, const char *result, double seconds)
{
	OperationCounts *counts = &operations[index_of(operation)];

	if (result == NULL)
		result = "aborted";
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MAX_RESULTS; i++)
	{
		if (counts->results[i] == NULL)
			counts->results[i] = result;
		if (strcmp(counts->results[i], result) == 0)
		{
			counts->counts[i]++;
			break;
		}
	}
	for (size_t i = 0; i < N_BOUNDS; i++)
		counts->buckets[i] += seconds <= bounds[i];
	counts->count++;
	counts->seconds += seconds;
	pthread_mutex_unlock(&mutex);
}

void
metrics_client(int change)
{
	pthread_mutex_lock(&mutex);
	n_clients += change;
	pthread_mutex_unlock(&mutex);
}

static const char *
operation_name(int i)
{
	return route_operations[i].name != NULL ? route_operations[i].name : "none";
}

static void
append_head(TextBuffer *text, const char *name, const char *type, const char *help)
{
	text_append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
append_requests(TextBuffer *text)
{
	append_head(text, "ddbstreams_gateway_requests_total", "counter",
				"Requests that were answered, by operation and result.");
	for (int i = 0; i < MAX_OPERATIONS; i++)
	{
		for (int j = 0; j < MAX_RESULTS && operations[i].results[j] != NULL; j++)
			text_append_format(text,
							   "ddbstreams_gateway_requests_total{operation=\"%s\",result=\"%s\"} %llu\n",
							   operation_name(i), operations[i].results[j],
							   operations[i].counts[j]);
	}
	append_head(text, "ddbstreams_gateway_request_duration_seconds", "histogram",
				"Time from a request's headers to its answer, by operation.");
	for (int i = 0; i < MAX_OPERATIONS; i++)
	{
		const OperationCounts *counts = &operations[i];

		if (counts->count == 0)
			continue;
		for (size_t j = 0; j < N_BOUNDS; j++)
			text_append_format(text,
							   "ddbstreams_gateway_request_duration_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n",
							   operation_name(i), bounds[j], counts->buckets[j]);
		text_append_format(text,
						   "ddbstreams_gateway_request_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n"
						   "ddbstreams_gateway_request_duration_seconds_sum{operation=\"%s\"} %.6f\n"
						   "ddbstreams_gateway_request_duration_seconds_count{operation=\"%s\"} %llu\n",
						   operation_name(i), counts->count, operation_name(i),
						   counts->seconds, operation_name(i), counts->count);
	}
}

static void
append_own(TextBuffer *text)
{
	append_head(text, "ddbstreams_gateway_info", "gauge", "The gateway's version.");
	text_append(text, "ddbstreams_gateway_info{version=\"" GATEWAY_VERSION "\"} 1\n");
	pthread_mutex_lock(&mutex);
	append_requests(text);
	append_head(text, "ddbstreams_gateway_http_connections", "gauge",
				"HTTP connections that are open.");
	text_append_format(text, "ddbstreams_gateway_http_connections %d\n", n_clients);
	pthread_mutex_unlock(&mutex);
	append_head(text, "ddbstreams_gateway_database_connections", "gauge",
				"PostgreSQL connections that are open.");
	text_append_format(text, "ddbstreams_gateway_database_connections %d\n",
					   database_connections());
}

/*
 * Appends what the database has, with each shard if the query asks for it;
 * returns whether the database answered.
 */
static bool
append_views(TextBuffer *text, DatabaseConnection *connection, bool with_shards)
{
	Statement	   statement = {.number = STATEMENT_METRICS, .name = "gateway_metrics", .n_params = 1, .types = {BOOLOID}};
	StatementParam param = {.bytes = with_shards ? "t" : "f"};
	PGresult	  *result;
	bool		   done;

	statement.sql = console_file_find("metrics.sql")->data;
	result = database_query(connection, &statement, &param);
	done = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (done && !PQgetisnull(result, 0, 0))
		text_append(text, PQgetvalue(result, 0, 0));
	else if (!done)
		gateway_log("metrics: %s", result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) :
													"the connection to the database is lost");
	PQclear(result);
	return done;
}

static bool
wants_shards(const Request *request)
{
	return request->query != NULL && strcmp(request->query, "shards=1") == 0;
}

/* An answer is sent, or its client has gone; or a newer text is there. */
static void
release_text(void *arg)
{
	MetricsText *text = arg;
	bool		 is_unused;

	pthread_mutex_lock(&mutex);
	is_unused = --text->n_users == 0;
	pthread_mutex_unlock(&mutex);
	if (!is_unused)
		return;
	unread -= text->text.length;
	text_free(&text->text);
	free(text);
}

/* Keeps a text for others that wait, in place of the one before. */
static void
keep_text(MetricsText *text, bool with_shards)
{
	MetricsText *before;

	pthread_mutex_lock(&mutex);
	before = newest[with_shards];
	newest[with_shards] = text;
	text->n_users++;
	pthread_mutex_unlock(&mutex);
	if (before != NULL)
		release_text(before);
}

bool
metrics_answer_again(Request *request)
{
	MetricsText *text;

	pthread_mutex_lock(&mutex);
	text = newest[wants_shards(request)];
	if (text != NULL && text->began_at > request->started_at)
		text->n_users++;
	else
		text = NULL;
	pthread_mutex_unlock(&mutex);
	if (text != NULL)
		answer_own_text(request, MHD_HTTP_OK, CONTENT_TYPE, &text->text, release_text);
	return text != NULL;
}

static bool
are_unread(void)
{
	return unread > MAX_UNREAD;
}

bool
metrics_were_refused(void)
{
	return atomic_exchange(&were_refused, false);
}

/* Forgets the texts that nobody may want any more. */
static void
forget_newest(void)
{
	for (int i = 0; i < 2; i++)
	{
		MetricsText *text;

		pthread_mutex_lock(&mutex);
		text = newest[i];
		newest[i] = NULL;
		pthread_mutex_unlock(&mutex);
		if (text != NULL)
			release_text(text);
	}
}

void
metrics_answer(Request *request, DatabaseConnection *connection)
{
	MetricsText *text;

	if (are_unread())
		forget_newest();
	if (are_unread())
	{
		were_refused = true;
		answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", TOO_MANY,
					strlen(TOO_MANY));
		return;
	}
	text = malloc(sizeof(MetricsText));
	if (text == NULL)
	{
		answer_error(request, "InternalServerError", NULL);
		return;
	}
	text->began_at = clock_seconds();
	text->n_users = 1;
	text_init(&text->text);
	append_own(&text->text);
	append_head(&text->text, "ddbstreams_up", "gauge",
				"Whether the database has answered the metrics role.");
	if (connection == NULL || !append_views(&text->text, connection, wants_shards(request)))
		text_append(&text->text, "ddbstreams_up 0\n");
	/* A broken one is empty. */
	unread += text->text.length;
	if (!text_is_broken(&text->text))
	{
		keep_text(text, wants_shards(request));
		answer_own_text(request, MHD_HTTP_OK, CONTENT_TYPE, &text->text, release_text);
	}
	else
	{
		release_text(text);
		answer_error(request, "InternalServerError", NULL);
	}
}
