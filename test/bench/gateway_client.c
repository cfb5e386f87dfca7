/*
 * gateway_client.c
 *	  The client of test/bench/gateway: GetRecords by libpq and by raw HTTP.
 *
 *	gateway_client read WAY PORT RECORDS ITERATOR
 *	gateway_client empty PORT COUNT ITERATOR
 *	gateway_client load PORT COUNT ITERATOR...
 *
 * read   reads this many records, page by page.  WAY is libpq, http, or signed.
 *        Prints seconds, processor time of this program, that of the backend of
 *        libpq, requests, and bytes.
 * empty  asks COUNT times by libpq and by HTTP in turns, for pages without
 *        records.  Prints median and 99th percentile of both, in milliseconds.
 * load   sends COUNT requests, on a connection for each iterator.  Prints
 *        seconds.
 *
 * What libpq needs to connect comes from the environment.  A page is looked at
 * in the same way wherever it comes from: its records are counted, and the next
 * iterator is found.
 */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define ACCESS_KEY "AKBENCH"
#define SECRET	   "secret-of-the-benchmark"
#define TARGET	   "DynamoDBStreams_20120810.GetRecords"
#define PAGE	   1000

#define MAX_ITERATOR 2000
#define MAX_ANSWER	 (16 * 1024 * 1024)
#define MAX_CLIENTS	 64

/* A connection to an HTTP server, and its last answer */
typedef struct Http
{
	int	   socket; /* -1: none */
	int	   port;
	bool   sign;
	char  *answer;
	char  *body;
	size_t body_length;
} Http;

/* One connection of "load" */
typedef struct Loader
{
	Http	  http;
	char	  iterator[MAX_ITERATOR];
	int		  count;
	pthread_t thread;
} Loader;

static PGconn *database;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void
die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("gateway_client: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Processor time of this program, in seconds */
static double
own_time(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
		   (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Processor time of libpq's backend, in seconds */
static double
backend_time(void)
{
	char   name[64];
	FILE  *file;
	double nanoseconds = 0;

	if (database == NULL)
		return 0;
	snprintf(name, sizeof(name), "/proc/%d/schedstat", PQbackendPID(database));
	file = fopen(name, "r");
	if (file == NULL || fscanf(file, "%lf", &nanoseconds) != 1)
		die("cannot read %s", name);
	fclose(file);
	return nanoseconds / 1e9;
}

/* --- pages -------------------------------------------------------------- */

/* Returns the number of records of a page, and changes the iterator to the next one. */
static int
look_at_page(const char *page, size_t length, char *iterator)
{
	static const char record[] = "\"eventID\"";
	static const char next[] = "\"NextShardIterator\"";
	const char		 *end = page + length;
	const char		 *at = page;
	int				  records = 0;
	size_t			  n;

	while ((at = memmem(at, (size_t) (end - at), record, sizeof(record) - 1)) != NULL)
	{
		records++;
		at += sizeof(record) - 1;
	}
	at = memmem(page, length, next, sizeof(next) - 1);
	if (at == NULL)
		die("a page without an iterator: %.*s", (int) (length < 500 ? length : 500), page);
	at += sizeof(next) - 1;
	at += strspn(at, " :");
	n = strcspn(at + 1, "\"");
	if (*at != '"' || n >= MAX_ITERATOR)
		die("no text for an iterator: %.100s", at);
	memcpy(iterator, at + 1, n);
	iterator[n] = '\0';
	return records;
}

static int
request_body(char *body, size_t size, const char *iterator)
{
	return snprintf(body, size, "{\"ShardIterator\":\"%s\",\"Limit\":%d}", iterator, PAGE);
}

/* --- libpq -------------------------------------------------------------- */

static void
connect_database(void)
{
	PGresult *result;

	database = PQconnectdb("");
	if (PQstatus(database) != CONNECTION_OK)
		die("%s", PQerrorMessage(database));
	result = PQprepare(database, "get", "SELECT ddbstreams.aws($1, $2)", 2, (Oid[]){25, 114});
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		die("%s", PQerrorMessage(database));
	PQclear(result);
}

static int
get_by_libpq(char *iterator, size_t *bytes)
{
	char		body[MAX_ITERATOR + 100];
	const char *params[] = {"GetRecords", body};
	PGresult   *result;
	int			records;

	request_body(body, sizeof(body), iterator);
	result = PQexecPrepared(database, "get", 2, params, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		die("%s", PQerrorMessage(database));
	*bytes += (size_t) PQgetlength(result, 0, 0);
	records = look_at_page(PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0),
						   iterator);
	PQclear(result);
	return records;
}

/* --- HTTP --------------------------------------------------------------- */

static void
hex_of(const unsigned char *bytes, unsigned length, char *hex)
{
	for (unsigned i = 0; i < length; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static void
hash_of(const char *text, size_t length, char *hex)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned	  n;

	EVP_Digest(text, length, hash, &n, EVP_sha256(), NULL);
	hex_of(hash, n, hex);
}

/* The key for a text becomes the key for the next one. */
static void
sign_text(unsigned char *key, int *key_length, const char *text)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned	  n;

	HMAC(EVP_sha256(), key, *key_length, (const unsigned char *) text, strlen(text), hash, &n);
	memcpy(key, hash, n);
	*key_length = (int) n;
}

/* Makes the headers of Signature Version 4. */
static void
sign(char *headers, size_t size, int port, const char *body, size_t length)
{
	static const char *const scopes[] = {"us-east-1", "dynamodb", "aws4_request"};
	unsigned char			 key[EVP_MAX_MD_SIZE] = "AWS4" SECRET;
	int						 key_length = (int) strlen("AWS4" SECRET);
	char					 text[1000];
	char					 hash[65];
	char					 at[20];
	char					 day[9];
	time_t					 seconds = time(NULL);
	struct tm				 time;

	gmtime_r(&seconds, &time);
	strftime(at, sizeof(at), "%Y%m%dT%H%M%SZ", &time);
	memcpy(day, at, 8);
	day[8] = '\0';
	hash_of(body, length, hash);
	snprintf(text, sizeof(text),
			 "POST\n/\n\nhost:127.0.0.1:%d\nx-amz-date:%s\nx-amz-target:" TARGET
			 "\n\nhost;x-amz-date;x-amz-target\n%s",
			 port, at, hash);
	hash_of(text, strlen(text), hash);
	snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/%s\n%s", at, day, scopes[0],
			 scopes[1], scopes[2], hash);
	sign_text(key, &key_length, day);
	for (int i = 0; i < 3; i++)
		sign_text(key, &key_length, scopes[i]);
	sign_text(key, &key_length, text);
	hex_of(key, (unsigned) key_length, hash);
	snprintf(headers, size,
			 "X-Amz-Date: %s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=" ACCESS_KEY
			 "/%s/%s/%s/%s, SignedHeaders=host;x-amz-date;x-amz-target, Signature=%s\r\n",
			 at, day, scopes[0], scopes[1], scopes[2], hash);
}

static void
http_init(Http *http, int port, bool sign)
{
	http->socket = -1;
	http->port = port;
	http->sign = sign;
	http->answer = malloc(MAX_ANSWER + 1);
	if (http->answer == NULL)
		die("out of memory");
}

static void
http_connect(Http *http)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
								  .sin_port = htons((unsigned short) http->port),
								  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int				   on = 1;

	http->socket = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(http->socket, (struct sockaddr *) &address, sizeof(address)) != 0)
		die("cannot connect to port %d", http->port);
	setsockopt(http->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
http_close(Http *http)
{
	if (http->socket >= 0)
		close(http->socket);
	http->socket = -1;
}

/* Reads an answer with a Content-Length; closes the connection if the server does. */
static void
http_read(Http *http)
{
	size_t		length = 0;
	size_t		wanted = MAX_ANSWER;
	char	   *head_end = NULL;
	const char *header;

	while (length < wanted)
	{
		ssize_t n = recv(http->socket, http->answer + length, wanted - length, 0);

		if (n <= 0)
			die("the server closed the connection in an answer");
		length += (size_t) n;
		if (head_end != NULL)
			continue;
		http->answer[length] = '\0';
		head_end = strstr(http->answer, "\r\n\r\n");
		if (head_end != NULL)
		{
			/* What is looked for is in the head: a page must not be searched. */
			head_end[2] = '\0';
			header = strcasestr(http->answer, "\r\nContent-Length:");
			if (header == NULL)
				die("an answer without Content-Length");
			http->body = head_end + 4;
			http->body_length = strtoul(header + 17, NULL, 10);
			wanted = (size_t) (http->body - http->answer) + http->body_length;
			if (wanted > MAX_ANSWER)
				die("too large an answer");
		}
	}
	if (strncmp(http->answer + 8, " 200 ", 5) != 0)
		die("%.1000s%.1000s", http->answer, http->body);
	if (strncmp(http->answer, "HTTP/1.0", 8) == 0 ||
		strcasestr(http->answer, "\r\nConnection: close") != NULL)
		http_close(http);
}

static int
get_by_http(Http *http, char *iterator, size_t *bytes)
{
	char   body[MAX_ITERATOR + 100];
	char   headers[1000] = "";
	char   request[MAX_ITERATOR + 2000];
	int	   length = request_body(body, sizeof(body), iterator);
	size_t request_length;

	if (http->sign)
		sign(headers, sizeof(headers), http->port, body, (size_t) length);
	request_length = (size_t) snprintf(request, sizeof(request),
									   "POST / HTTP/1.1\r\n"
									   "Host: 127.0.0.1:%d\r\n"
									   "X-Amz-Target: " TARGET "\r\n"
									   "Content-Type: application/x-amz-json-1.0\r\n"
									   "Content-Length: %d\r\n%s\r\n%s",
									   http->port, length, headers, body);
	if (http->socket < 0)
		http_connect(http);
	if (send(http->socket, request, request_length, MSG_NOSIGNAL) != (ssize_t) request_length)
		die("cannot send a request");
	http_read(http);
	*bytes += http->body_length;
	return look_at_page(http->body, http->body_length, iterator);
}

/* --- what is measured --------------------------------------------------- */

static void
measure_reading(const char *way, int port, int wanted, char *iterator)
{
	Http   http;
	bool   by_libpq = strcmp(way, "libpq") == 0;
	size_t bytes = 0;
	int	   requests = 0;
	int	   records = 0;
	double begun;
	double own;
	double backend;

	http_init(&http, port, strcmp(way, "signed") == 0);
	if (by_libpq)
		connect_database();
	else
		http_connect(&http);
	own = own_time();
	backend = backend_time();
	begun = now();
	while (records < wanted)
	{
		int n = by_libpq ? get_by_libpq(iterator, &bytes) : get_by_http(&http, iterator, &bytes);

		if (n == 0)
			die("%s: %d records of %d", way, records, wanted);
		records += n;
		requests++;
	}
	if (records != wanted)
		die("%s: %d records instead of %d", way, records, wanted);
	printf("%.6f %.6f %.6f %d %zu\n", now() - begun, own_time() - own,
		   backend_time() - backend, requests, bytes);
}

static int
compare_times(const void *a, const void *b)
{
	double left = *(const double *) a;
	double right = *(const double *) b;

	return (left > right) - (left < right);
}

static void
print_times(double *times, int count)
{
	qsort(times, (size_t) count, sizeof(double), compare_times);
	printf("%.4f %.4f\n", times[count / 2] * 1000, times[count * 99 / 100] * 1000);
}

static void
measure_empty(int port, int count, const char *iterator)
{
	Http	http;
	char	mine[2][MAX_ITERATOR];
	double *times[2];
	size_t	bytes = 0;

	http_init(&http, port, false);
	connect_database();
	for (int way = 0; way < 2; way++)
	{
		times[way] = malloc((size_t) count * sizeof(double));
		if (times[way] == NULL)
			die("out of memory");
		strcpy(mine[way], iterator);
	}
	for (int i = -100; i < count; i++)
	{
		for (int turn = 0; turn < 2; turn++)
		{
			int	   way = (i + 100 + turn) % 2;
			double begun = now();
			int	   n = way == 0 ? get_by_libpq(mine[way], &bytes) :
								  get_by_http(&http, mine[way], &bytes);

			if (n != 0)
				die("records where none were expected");
			/* The first ones warm up. */
			if (i >= 0)
				times[way][i] = now() - begun;
		}
	}
	print_times(times[0], count);
	print_times(times[1], count);
}

static void *
run_loader(void *arg)
{
	Loader *loader = arg;
	size_t	bytes = 0;

	for (int i = 0; i < loader->count; i++)
		get_by_http(&loader->http, loader->iterator, &bytes);
	return NULL;
}

static void
measure_load(int port, int count, int n_clients, char **iterators)
{
	static Loader loaders[MAX_CLIENTS];
	double		  begun;

	if (n_clients > MAX_CLIENTS)
		die("too many iterators");
	for (int i = 0; i < n_clients; i++)
	{
		http_init(&loaders[i].http, port, false);
		http_connect(&loaders[i].http);
		snprintf(loaders[i].iterator, MAX_ITERATOR, "%s", iterators[i]);
		loaders[i].count = count / n_clients;
	}
	begun = now();
	for (int i = 0; i < n_clients; i++)
	{
		if (pthread_create(&loaders[i].thread, NULL, run_loader, &loaders[i]) != 0)
			die("cannot start a thread");
	}
	for (int i = 0; i < n_clients; i++)
		pthread_join(loaders[i].thread, NULL);
	printf("%.6f\n", now() - begun);
}

int
main(int argc, char **argv)
{
	char iterator[MAX_ITERATOR];

	if (argc < 5)
		die("too few arguments");
	snprintf(iterator, sizeof(iterator), "%s", argv[argc - 1]);
	if (strcmp(argv[1], "read") == 0 && argc == 6)
		measure_reading(argv[2], atoi(argv[3]), atoi(argv[4]), iterator);
	else if (strcmp(argv[1], "empty") == 0)
		measure_empty(atoi(argv[2]), atoi(argv[3]), iterator);
	else if (strcmp(argv[1], "load") == 0)
		measure_load(atoi(argv[2]), atoi(argv[3]), argc - 4, argv + 4);
	else
		die("what?");
	return 0;
}
