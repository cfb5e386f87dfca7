/*
 * gateway.c
 *	  A fuzzer for what a client can send to ddbstreams-gateway: request line,
 *	  headers, target, query, signature, cookies and body.
 *
 * An input is a request as on the wire, with line feeds alone.  This file takes
 * it apart as libmicrohttpd would, and hands its headers over when they are
 * asked for.  It goes the way of every request up to the point at which a
 * connection is needed; there is no database.  The clock stands still
 * (test/fuzz/gateway wraps time()), so that dates of the corpus stay right.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <unistd.h>

#include "gateway/answer.h"
#include "gateway/gateway_keys.h"
#include "gateway/gateway_options.h"
#include "gateway/http_request.h"
#include "gateway/perform.h"

#define MAX_HEADERS 400

/* A header line, which may hold zero bytes */
typedef struct HeaderLine
{
	char  *name;
	size_t name_length;
	char  *value;
	size_t value_length;
} HeaderLine;

static HeaderLine header_lines[MAX_HEADERS];
static int		  n_header_lines;

extern time_t __wrap_time(time_t *when);
extern bool	  __wrap_database_answers(const char *conninfo);
extern const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(struct MHD_Connection	  *connection,
							   enum MHD_ConnectionInfoType what, ...);
extern int __wrap_MHD_get_connection_values_n(struct MHD_Connection *connection,
											  enum MHD_ValueKind	 kind,
											  MHD_KeyValueIteratorN	 iterator,
											  void					*arg);
extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 2015-08-30 12:36:00, the time of AWS's own examples */
time_t
__wrap_time(time_t *when)
{
	if (when != NULL)
		*when = 1440938160;
	return 1440938160;
}

bool
__wrap_database_answers(const char *conninfo)
{
	(void) conninfo;
	return false;
}

/* All clients are at this address, and have no TLS. */
const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(struct MHD_Connection	  *connection,
							   enum MHD_ConnectionInfoType what, ...)
{
	static struct sockaddr_in		address = {.sin_family = AF_INET};
	static union MHD_ConnectionInfo info;

	(void) connection;
	if (what != MHD_CONNECTION_INFO_CLIENT_ADDRESS)
		return NULL;
	info.client_addr = (struct sockaddr *) &address;
	return &info;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char  name[] = "/tmp/fuzz_keys.XXXXXX";
	FILE *file = fdopen(mkstemp(name), "w");

	(void) argc;
	(void) argv;
	fputs("AKIDEXAMPLE wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY role\n", file);
	fclose(file);
	gateway_options.conninfo = "host=/nonexistent";
	gateway_options.keys_file = name;
	if (!perform_init() || !keys_load(name))
		abort();
	unlink(name);
	return 0;
}

int
__wrap_MHD_get_connection_values_n(struct MHD_Connection *connection,
								   enum MHD_ValueKind	  kind,
								   MHD_KeyValueIteratorN iterator, void *arg)
{
	int i;

	(void) connection;
	for (i = 0; i < n_header_lines; i++)
	{
		const HeaderLine *line = &header_lines[i];

		if (iterator(arg, kind, line->name, line->name_length, line->value,
					 line->value_length) != MHD_YES)
			break;
	}
	return i;
}

/* Takes a line off the text, and terminates it; NULL at the end. */
static char *
take_line(char **rest, const char *end, size_t *length)
{
	char *line = *rest;
	char *feed = memchr(line, '\n', (size_t) (end - line));

	if (feed == NULL)
		return NULL;
	*feed = '\0';
	*length = (size_t) (feed - line);
	*rest = feed + 1;
	return line;
}

/* Takes header lines off the text, up to an empty line. */
static void
take_headers(char **rest, const char *end)
{
	char  *line;
	size_t length;

	n_header_lines = 0;
	while ((line = take_line(rest, end, &length)) != NULL && length > 0)
	{
		char	   *colon = memchr(line, ':', length);
		HeaderLine *header = &header_lines[n_header_lines];

		/* Without a colon it has no value: libmicrohttpd can do that, too. */
		if (n_header_lines == MAX_HEADERS)
			continue;
		n_header_lines++;
		header->name = line;
		header->name_length = colon != NULL ? (size_t) (colon - line) : length;
		header->value = NULL;
		header->value_length = 0;
		if (colon == NULL)
			continue;
		*colon = '\0';
		header->value = colon + 1 + strspn(colon + 1, " ");
		header->value_length = (size_t) (line + length - header->value);
	}
}

/* Makes a request of the text, and answers it if its headers are wrong. */
static Request *
make_request(char *text, const char *end)
{
	size_t		length;
	char	   *line = take_line(&text, end, &length);
	char	   *uri = line != NULL ? strchr(line, ' ') : NULL;
	char	   *version = line != NULL ? strrchr(line, ' ') : NULL;
	const char *error;
	unsigned	status;
	Request	   *request;

	if (uri == NULL || version == uri)
		return NULL;
	*version = '\0';
	*uri++ = '\0';
	request = request_create(NULL, uri);
	take_headers(&text, end);
	error = request_read_headers(request, line, &status);
	if (error != NULL)
		answer_bad_request(request, status, error);
	else if (text < end && !request_add_body(request, text, (size_t) (end - text)))
		abort();
	return request;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text = malloc(size + 1);
	Request *request;

	memcpy(text, data, size);
	text[size] = '\0';
	gateway_options.no_auth = size > 0 && text[size - 1] == '\1';
	request = make_request(text, text + size);
	if (request != NULL)
	{
		PerformStep step = request->response != NULL ? PERFORM_ANSWERED :
													   perform_check(request);

		/* It has its answer, or a pool to run in: never both, never neither. */
		if ((step == PERFORM_ANSWERED) != (request->response != NULL) ||
			(step == PERFORM_WANTS_SLOT && request->pool == NULL))
			abort();
		request_free(request);
	}
	free(text);
	return 0;
}
