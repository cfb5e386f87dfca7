/*
 * gateway.c
 *	  A fuzzer for what a client can send to ddbstreams-gateway: request line,
 *	  headers, target, query, signature, cookies and body.
 *
 * An input is a request as on the wire, with line feeds alone.  It goes the way
 * of every request up to the point at which a connection is needed; there is no
 * database.  The clock stands still (test/fuzz/run wraps time()), so that dates
 * of the corpus stay right.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <unistd.h>

#include "gateway/gateway_keys.h"
#include "gateway/gateway_options.h"
#include "gateway/http_request.h"
#include "gateway/perform.h"

#define MAX_HEADERS 200

extern time_t __wrap_time(time_t *when);
extern bool	  __wrap_database_answers(const char *conninfo);
extern const union MHD_ConnectionInfo *
__wrap_MHD_get_connection_info(struct MHD_Connection *connection,
							   enum MHD_ConnectionInfoType what, ...);
extern int	  LLVMFuzzerInitialize(int *argc, char ***argv);
extern int	  LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
__wrap_MHD_get_connection_info(struct MHD_Connection *connection,
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

/* Takes a line off the text; NULL at its end. */
static char *
take_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

/* Makes a request of the text, as http_server.c does. */
static Request *
make_request(char *text, const char *end)
{
	char	*line = take_line(&text);
	char	*uri = line != NULL ? strchr(line, ' ') : NULL;
	char	*version = line != NULL ? strrchr(line, ' ') : NULL;
	Request *request;

	if (uri == NULL || version == uri)
		return NULL;
	*version = '\0';
	*uri++ = '\0';
	request = request_create(NULL, uri);
	snprintf(request->method, sizeof(request->method), "%s", line);
	request->headers = calloc(MAX_HEADERS, sizeof(Sigv4Header));
	while ((line = take_line(&text)) != NULL && *line != '\0' &&
		   request->n_headers < MAX_HEADERS)
	{
		char *colon = strchr(line, ':');

		if (colon == NULL)
			continue;
		*colon = '\0';
		request->headers[request->n_headers].name = line;
		request->headers[request->n_headers++].value = colon + 1 + strspn(colon + 1, " ");
	}
	if (text < end)
		request_add_body(request, text, (size_t) (end - text));
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
		PerformStep step = perform_check(request);

		/* It has its answer, or a pool to run in: never both, never neither. */
		if ((step == PERFORM_ANSWERED) != (request->response != NULL) ||
			(step == PERFORM_WANTS_SLOT && request->pool == NULL))
			abort();
		request_free(request);
	}
	free(text);
	return 0;
}
