/*
 * http_server.c
 *	  HTTP: connections, limits, and the way of requests to the queue and back.
 *
 * Each address has a thread, which is a loop around libmicrohttpd.  It reads a
 * request, whose connection is then suspended, and sends its answer when the
 * connection is resumed.
 *
 * Waking a thread takes longer than most requests.  So the loop itself sends a
 * statement to the database, if a connection is ready, and takes its result:
 * this needs no other thread.  What would have to be waited for goes to the
 * queue and its workers.
 *
 * libmicrohttpd closes a connection on which nothing happens.  One on which
 * very little happens is found in the list of connections (http_server_tick).
 * If there are too many connections, a new one takes the place of another, of
 * whose client nothing is known but that it has connected: so nobody can keep
 * others out by connections, without a key.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "gateway/answer.h"
#include "gateway/gateway_clock.h"
#include "gateway/gateway_log.h"
#include "gateway/gateway_metrics.h"
#include "gateway/gateway_options.h"
#include "gateway/http_request.h"
#include "gateway/http_server.h"
#include "gateway/perform.h"
#include "gateway/request_queue.h"
#include "gateway/route.h"

/* Of each connection: a request's head, and the head of its answer */
#define CONNECTION_MEMORY (24 * 1024)

/* What is read and thrown away of a body that is too large */
#define MAX_DISCARDED (16 * 1024 * 1024 + 1024)

/* TLS 1.2 and 1.3, as GnuTLS names them */
#define TLS_PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"

/*
 * Connections besides --clients: for new ones, until those that have to go
 * have gone
 */
#define SPARE_CLIENTS 64

/* Milliseconds that reading metrics may take while others cannot have them */
#define METRICS_SLOW_TIME 1000

/* How many times --timeout a request or its answer may take on the wire */
#define SLOW_FACTOR 2

/*
 * How long requests may take to finish at the end, and how long of that
 * clients may take to send one or to read an answer; in milliseconds
 */
#define STOP_TIME	   60000
#define STOP_SLOW_TIME 30000

/* Milliseconds after which a statement is left to a worker to wait for */
#define LONG_STATEMENT 1000

/* Milliseconds that the loop of an address waits at most, also at the end */
#define LOOP_TIME	   1000
#define LOOP_STOP_TIME 20

/* What one look at the descriptors of a loop tells of, at most */
#define MAX_EVENTS 64

typedef enum ClientState
{
	CLIENT_READING, /* or idle */
	CLIENT_WORKING, /* the queue has its request */
	CLIENT_WRITING
} ClientState;

/* An HTTP connection */
typedef struct Client
{
	MHD_socket	   socket;
	ClientState	   state;
	long		   since;	  /* ms */
	long		   opened_at; /* ms */
	bool		   is_known;  /* a request of it was of a client that may ask */
	bool		   is_ended;  /* it is shut down, and will be closed */
	bool		   gets_metrics;
	struct Loop	  *loop;
	struct Client *next;
	struct Client *previous;
} Client;

/* The thread of an address */
typedef struct Loop
{
	struct MHD_Daemon *daemon;
	int				   epoll;	 /* for libmicrohttpd's, and database connections */
	int				   event;	 /* an eventfd, by which workers wake it; it stays open */
	Request			  *requests; /* whose results it waits for */
	pthread_t		   thread;
	int				   n_clients; /* that are not shut down; by the mutex */
} Loop;

static Loop		   loops[OPTIONS_MAX_LISTEN];
static char		  *tls_cert;
static char		  *tls_key;
static atomic_bool is_started;

/* The mutex guards what follows, and what is in the list. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Client		  *clients;
static int			   n_requests; /* whose answer is not sent */
static bool			   is_stopping;
static bool			   has_ended; /* no request begins any more */

/* --- connections ------------------------------------------------------- */

static Client *
client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static void
set_client_state(struct MHD_Connection *connection, ClientState state)
{
	Client *client = client_of(connection);

	if (client == NULL)
		return;
	pthread_mutex_lock(&mutex);
	client->state = state;
	client->since = clock_ms();
	client->gets_metrics = false;
	pthread_mutex_unlock(&mutex);
}

/* The answer of a request is on its way. */
static void
set_client_writing(const Request *request)
{
	Client *client = client_of(request->connection);

	if (client == NULL)
		return;
	set_client_state(request->connection, CLIENT_WRITING);
	pthread_mutex_lock(&mutex);
	client->is_known |= request->is_known;
	client->gets_metrics = request->operation != NULL &&
						   request->operation->kind == OPERATION_METRICS;
	pthread_mutex_unlock(&mutex);
}

/* Ends a connection: libmicrohttpd's thread finds it closed, and frees it. */
static void
end_client(Client *client)
{
	if (client->is_ended)
		return;
	client->is_ended = true;
	client->loop->n_clients--;
	shutdown(client->socket, SHUT_RDWR);
}

/*
 * Is it better to end one connection than another?  One whose client is not
 * known, and of these the one that has been open for the longest time,
 * whatever its client does meanwhile; else the one that has been idle longest.
 */
static bool
is_less_worth(const Client *client, const Client *other)
{
	if (client->is_known != other->is_known)
		return !client->is_known;
	return client->is_known ? client->since < other->since :
							  client->opened_at < other->opened_at;
}

/* Makes room for a new connection.  The mutex is held. */
static void
make_room(const Client *new)
{
	Client *least = NULL;

	for (Client *client = clients; client != NULL; client = client->next)
	{
		if (client != new && client->loop == new->loop && !client->is_ended &&
			client->state != CLIENT_WORKING &&
			(least == NULL || is_less_worth(client, least)))
			least = client;
	}
	if (least != NULL)
		end_client(least);
}

static void
open_client(Loop *loop, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	Client *client = calloc(1, sizeof(Client));

	*context = client;
	if (client == NULL)
		return;
	client->socket = info != NULL ? info->connect_fd : MHD_INVALID_SOCKET;
	client->since = client->opened_at = clock_ms();
	client->loop = loop;
	pthread_mutex_lock(&mutex);
	client->next = clients;
	if (clients != NULL)
		clients->previous = client;
	clients = client;
	if (++loop->n_clients > gateway_options.clients)
		make_room(client);
	pthread_mutex_unlock(&mutex);
	metrics_client(1);
}

static void
close_client(void **context)
{
	Client *client = *context;

	if (client == NULL)
		return;
	pthread_mutex_lock(&mutex);
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	client->loop->n_clients -= !client->is_ended;
	pthread_mutex_unlock(&mutex);
	free(client);
	*context = NULL;
	metrics_client(-1);
}

/* libmicrohttpd says that a connection begins, or has ended. */
static void
notify_connection(void *arg, struct MHD_Connection *connection, void **context,
				  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		open_client(arg, connection, context);
	else
		close_client(context);
}

void
http_server_tick(void)
{
	long limit = SLOW_FACTOR * 1000L * gateway_options.timeout;
	bool make_haste = metrics_were_refused();
	long now = clock_ms();

	pthread_mutex_lock(&mutex);
	if (is_stopping && limit > STOP_SLOW_TIME)
		limit = STOP_SLOW_TIME;
	for (Client *client = clients; client != NULL; client = client->next)
	{
		long age = now - client->since;

		if (client->state != CLIENT_WORKING &&
			(age > limit || (make_haste && client->gets_metrics && age > METRICS_SLOW_TIME)))
			end_client(client);
	}
	pthread_mutex_unlock(&mutex);
}

/* --- requests ---------------------------------------------------------- */

/* libmicrohttpd has read a request line. */
static void *
begin_request(void *arg, const char *uri, struct MHD_Connection *connection)
{
	Request *request = request_create(connection, uri);

	bool may_begin;

	(void) arg;
	if (request == NULL)
		return NULL;
	pthread_mutex_lock(&mutex);
	may_begin = !has_ended;
	n_requests += may_begin;
	pthread_mutex_unlock(&mutex);
	if (!may_begin)
	{
		request_free(request);
		return NULL;
	}
	set_client_state(connection, CLIENT_READING);
	return request;
}

static void
log_request(const Request *request)
{
	gateway_log("%s %s: %s, status %u, %s, %.1f ms, role %s", request->method,
				request->path,
				request->operation != NULL ? request->operation->name : "no operation",
				request->status, request->result != NULL ? request->result : "aborted",
				(clock_seconds() - request->started_at) * 1000,
				request->pool != NULL && request->pool->role != NULL ?
					request->pool->role :
					"-");
}

/* libmicrohttpd has sent an answer, or the connection has ended before. */
static void
end_request(void *arg, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode code)
{
	Request *request = *context;

	(void) arg;
	(void) code;
	if (request == NULL)
		return;
	if (request->is_complete)
	{
		metrics_count(request->operation, request->result,
					  clock_seconds() - request->started_at);
		if (gateway_options.log_requests)
			log_request(request);
	}
	request_free(request);
	*context = NULL;
	set_client_state(connection, CLIENT_READING);
	pthread_mutex_lock(&mutex);
	n_requests--;
	pthread_mutex_unlock(&mutex);
}

/*
 * Has the answer of a request sent, which a worker has made.  libmicrohttpd
 * does not wake a loop that is not its own.
 */
static void
resume_request(Request *request)
{
	int event = request->loop_event;

	/* From then on the request may be freed. */
	MHD_resume_connection(request->connection);
	eventfd_write(event, 1);
}

static enum MHD_Result
send_answer(Request *request)
{
	enum MHD_Result result;
	bool			stopping;

	pthread_mutex_lock(&mutex);
	stopping = is_stopping;
	pthread_mutex_unlock(&mutex);
	/* Without memory for an answer, the connection breaks. */
	if (request->response == NULL)
		return MHD_NO;
	if (stopping || request->is_too_large)
		answer_header(request, "Connection", "close");
	result = MHD_queue_response(request->connection, request->status, request->response);
	MHD_destroy_response(request->response);
	request->response = NULL;
	set_client_writing(request);
	return result;
}

/* Looks at a request when its headers are there. */
static enum MHD_Result
read_headers(Request *request, const char *method)
{
	unsigned	status;
	const char *error = request_read_headers(request, method, &status);

	if (error == NULL)
		return MHD_YES;
	request->is_complete = true;
	answer_bad_request(request, status, error);
	return send_answer(request);
}

/*
 * Sends the statement of a request whose signature is checked; what has to be
 * waited for before that is left to a worker.
 */
static void
start_statement(Loop *loop, Request *request)
{
	struct epoll_event event = {EPOLLIN, {.ptr = request}};

	if (request_queue_take_slot(request) && perform_start(request) &&
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, PQsocket(request->database->pgconn),
				  &event) == 0)
	{
		request->sent_at = clock_ms();
		request->next = loop->requests;
		loop->requests = request;
	}
	else
		request_queue_continue(request);
}

/* The loop does not look at a request's database connection any more. */
static void
leave_loop(Loop *loop, Request *request)
{
	Request **link = &loop->requests;

	while (*link != request)
		link = &(*link)->next;
	*link = request->next;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, PQsocket(request->database->pgconn), NULL);
}

/*
 * Takes what the database has sent; returns whether the request has its
 * answer.  A large result is left to a worker if there are other requests:
 * receiving it would keep them waiting.
 */
static bool
take_result(Loop *loop, Request *request)
{
	bool has_ended = database_poll(request->database);
	bool is_alone = loop->requests == request && request->next == NULL;

	if (!has_ended && is_alone)
		return false;
	leave_loop(loop, request);
	if (!has_ended || !database_has_rows(request->database))
	{
		request_queue_continue(request);
		return false;
	}
	perform_finish(request);
	request_queue_free_slot(request);
	MHD_resume_connection(request->connection);
	return true;
}

/* Leaves requests to workers whose statements take long. */
static void
leave_long_statements(Loop *loop)
{
	long	 limit = clock_ms() - LONG_STATEMENT;
	Request *next;

	for (Request *request = loop->requests; request != NULL; request = next)
	{
		next = request->next;
		if (request->sent_at < limit)
		{
			leave_loop(loop, request);
			request_queue_continue(request);
		}
	}
}

/*
 * libmicrohttpd calls this when the headers are there, for each piece of the
 * body, at the end of it, and when the connection is resumed.
 */
static enum MHD_Result
handle_request(void *arg, struct MHD_Connection *connection, const char *url,
			   const char *method, const char *version, const char *upload_data,
			   size_t *upload_data_size, void **context)
{
	Loop	*loop = arg;
	Request *request = *context;
	bool	 is_checked;

	(void) url;
	(void) version;
	if (request == NULL)
		return MHD_NO;
	if (request->headers == NULL)
		return read_headers(request, method);
	if (*upload_data_size > 0)
	{
		if (!request_add_body(request, upload_data, *upload_data_size) ||
			request->body_length > MAX_DISCARDED)
			return MHD_NO;
		*upload_data_size = 0;
		return MHD_YES;
	}
	if (request->status != 0 || request->response != NULL)
		return send_answer(request);
	if (request->is_complete)
		return MHD_NO; /* resumed, and there was no memory for an answer */
	request->is_complete = true;
	set_client_state(connection, CLIENT_WORKING);
	is_checked = perform_is_quick(request);
	if (is_checked && perform_check(request) == PERFORM_ANSWERED)
		return send_answer(request);
	request->loop_event = loop->event;
	MHD_suspend_connection(connection);
	if (is_checked)
		start_statement(loop, request);
	else
		request_queue_submit(request);
	return MHD_YES;
}

/* Percent-encoding stays as it is: signatures are made over it. */
static size_t
do_not_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	(void) arg;
	(void) connection;
	return strlen(text);
}

/* --- start and end ----------------------------------------------------- */

/* Reads a file of PEM into malloc'd memory; NULL, and logs, if it cannot. */
static char *
read_pem(const char *name)
{
	FILE  *file = fopen(name, "re");
	char  *text = calloc(1, 256 * 1024);
	size_t length = 0;

	if (file != NULL && text != NULL)
		length = fread(text, 1, 256 * 1024 - 1, file);
	if (length == 0)
	{
		gateway_log("cannot read %s: %s", name, errno != 0 ? strerror(errno) : "it is empty");
		free(text);
		text = NULL;
	}
	if (file != NULL)
		fclose(file);
	return text;
}

static void
log_of_mhd(void *arg, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/*
 * What libmicrohttpd says matters when it cannot start.  Later it tells of
 * clients that have gone.
 */
static void
log_of_mhd(void *arg, const char *format, va_list args)
{
	char text[512];

	(void) arg;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	if (!is_started)
		gateway_log("libmicrohttpd: %s", text);
}

/* How long the loop may wait for something to happen, in milliseconds */
static int
loop_timeout(Loop *loop)
{
	unsigned MHD_LONG_LONG timeout;
	int					   longest = LOOP_TIME;

	pthread_mutex_lock(&mutex);
	if (is_stopping)
		longest = LOOP_STOP_TIME;
	pthread_mutex_unlock(&mutex);
	return MHD_get_timeout(loop->daemon, &timeout) == MHD_YES && timeout < (unsigned) longest ?
			   (int) timeout :
			   longest;
}

static void *
loop_main(void *arg)
{
	Loop *loop = arg;
	long  looked_at = 0;
	bool  is_over = false;

	while (!is_over)
	{
		struct epoll_event events[MAX_EVENTS];
		int				   timeout = loop_timeout(loop);
		int				   count = epoll_wait(loop->epoll, events, MAX_EVENTS, timeout);
		bool			   run = count <= 0 || timeout == 0;
		long			   now;

		for (int i = 0; i < count; i++)
		{
			Request *request = events[i].data.ptr;

			run |= request == NULL || take_result(loop, request);
		}
		now = clock_ms();
		if (now - looked_at >= LOOP_TIME)
		{
			looked_at = now;
			leave_long_statements(loop);
			run = true;
		}
		if (run)
			MHD_run(loop->daemon);
		pthread_mutex_lock(&mutex);
		is_over = has_ended;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

/* Starts the thread of an address; false, with errno, if it cannot. */
static bool
start_loop(Loop *loop)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct epoll_event			event = {EPOLLIN, {.ptr = NULL}};
	struct epoll_event			wakeup = {EPOLLIN | EPOLLET, {.ptr = NULL}};

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (info == NULL || loop->epoll < 0 || loop->event < 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, info->epoll_fd, &event) != 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->event, &wakeup) != 0)
		return false;
	errno = pthread_create(&loop->thread, NULL, loop_main, loop);
	return errno == 0;
}

static struct MHD_Daemon *
listen_at(const ListenAddress *address, Loop *loop)
{
	unsigned			  flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, tls_cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls_key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem no_tls[] = {{MHD_OPTION_END, 0, NULL}};

	if (tls_cert != NULL)
		flags |= MHD_USE_TLS;
	if (address->address.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, 0, NULL, NULL, handle_request, loop,
							MHD_OPTION_EXTERNAL_LOGGER, log_of_mhd, NULL,
							MHD_OPTION_SOCK_ADDR, &address->address,
							MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
							MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
							MHD_OPTION_CONNECTION_LIMIT,
							(unsigned) gateway_options.clients + SPARE_CLIENTS,
							MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
							MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) gateway_options.timeout,
							MHD_OPTION_URI_LOG_CALLBACK, begin_request, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
							MHD_OPTION_NOTIFY_CONNECTION, notify_connection, loop,
							MHD_OPTION_UNESCAPE_CALLBACK, do_not_unescape, NULL,
							MHD_OPTION_ARRAY, tls_cert != NULL ? tls : no_tls,
							MHD_OPTION_END);
}

bool
http_server_start(void)
{
	if (gateway_options.tls_cert != NULL)
	{
		if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		{
			gateway_log("this libmicrohttpd has no TLS");
			return false;
		}
		errno = 0;
		tls_cert = read_pem(gateway_options.tls_cert);
		tls_key = read_pem(gateway_options.tls_key);
		if (tls_cert == NULL || tls_key == NULL)
			return false;
	}
	request_queue_init(resume_request);
	for (int i = 0; i < gateway_options.n_listen; i++)
	{
		loops[i].daemon = listen_at(&gateway_options.listen[i], &loops[i]);
		if (loops[i].daemon == NULL || !start_loop(&loops[i]))
		{
			gateway_log("cannot listen on %s: %s", gateway_options.listen[i].text,
						strerror(errno));
			return false;
		}
		gateway_log("listening on http%s://%s", tls_cert != NULL ? "s" : "",
					gateway_options.listen[i].text);
	}
	is_started = true;
	return true;
}

void
http_server_stop(void)
{
	long deadline = clock_ms() + STOP_TIME;
	bool is_over = false;

	pthread_mutex_lock(&mutex);
	is_stopping = true;
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < gateway_options.n_listen; i++)
	{
		MHD_socket listener = MHD_quiesce_daemon(loops[i].daemon);

		if (listener != MHD_INVALID_SOCKET)
			close(listener);
	}
	/* A request may be on its way: the server is idle if it stays idle. */
	for (int quiet = 0; !is_over && clock_ms() < deadline;)
	{
		usleep(20000);
		request_queue_tick();
		http_server_tick();
		pthread_mutex_lock(&mutex);
		quiet = n_requests == 0 ? quiet + 1 : 0;
		has_ended = quiet == 10;
		is_over = has_ended;
		pthread_mutex_unlock(&mutex);
	}
	if (!is_over)
	{
		/* libmicrohttpd cannot end while connections are suspended. */
		gateway_log("ending with requests unfinished");
		_exit(1);
	}
	for (int i = 0; i < gateway_options.n_listen; i++)
	{
		pthread_join(loops[i].thread, NULL);
		MHD_stop_daemon(loops[i].daemon);
		close(loops[i].epoll);
	}
	free(tls_cert);
	free(tls_key);
}
