/*
 * http_request.c
 *	  A request, from its first header to the end of its answer.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/rand.h>

#include "gateway/gateway_clock.h"
#include "gateway/http_request.h"

#define MAX_HEADERS 200

/* Of which the name of a header is made (RFC 9110: a token) */
#define NAME_CHARACTERS          \
	"!#$%&'*+-.^_`|~0123456789"  \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz"

/*
 * Bytes of all bodies together, at most: the sender is not known before
 * they are there.  Clients' own requests have hundreds of bytes each.
 */
#define MAX_ALL_BODIES (64 * 1024 * 1024)

/* A body up to this size is always taken: nobody's large ones keep it out. */
#define SMALL_BODY (16 * 1024)

static atomic_size_t all_bodies; /* without small ones */

/* Headers whose meaning would be unclear if they were there twice */
static const char *const unique_headers[] = {
	"Authorization", "Content-Length", "Content-Type", "Host",
	"Transfer-Encoding", "X-Amz-Content-Sha256", "X-Amz-Date",
	"X-Amz-Security-Token", "X-Amz-Target"};

/* What collect_header collects */
typedef struct HeaderList
{
	Request	   *request;
	size_t		bytes;
	const char *error;
	unsigned	status;
} HeaderList;

/* Makes the ids: DynamoDB's are 52 of these characters, Lambda's are UUIDs. */
static void
make_ids(Request *request)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
	unsigned char	  random[REQUEST_ID_LENGTH];

	if (RAND_bytes(random, sizeof(random)) != 1)
		memset(random, 0, sizeof(random));
	for (int i = 0; i < REQUEST_ID_LENGTH; i++)
		request->id[i] = alphabet[random[i] % 32];
	snprintf(request->uuid, sizeof(request->uuid),
			 "%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 random[0], random[1], random[2], random[3], random[4], random[5],
			 random[6] & 15, random[7], (random[8] & 63) | 128, random[9],
			 random[10], random[11], random[12], random[13], random[14], random[15]);
}

Request *
request_create(struct MHD_Connection *connection, const char *uri)
{
	Request *request = calloc(1, sizeof(Request));
	char	*question;

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->protocol = PROTOCOL_OTHER;
	request->started_at = clock_seconds();
	make_ids(request);
	request->uri = strdup(uri);
	request->path = strdup(uri);
	if (request->uri == NULL || request->path == NULL)
	{
		request_free(request);
		return NULL;
	}
	question = strchr(request->path, '?');
	if (question != NULL)
	{
		*question = '\0';
		request->query = strchr(request->uri, '?') + 1;
	}
	return request;
}

/* What memory of this size for a body counts for in all_bodies. */
static size_t
counted_size(size_t size)
{
	return size > SMALL_BODY ? size : 0;
}

static void
forget_body(Request *request)
{
	free(request->body);
	all_bodies -= counted_size(request->body_size);
	request->body = NULL;
	request->body_size = 0;
}

void
request_free(Request *request)
{
	if (request->response != NULL)
		MHD_destroy_response(request->response);
	for (int i = 0; i < STATEMENT_MAX_PARAMS; i++)
		free(request->owned[i]);
	free(request->headers);
	forget_body(request);
	free(request->path);
	free(request->uri);
	free(request);
}

static enum MHD_Result
collect_header(void *arg, enum MHD_ValueKind kind, const char *name,
			   size_t name_length, const char *value, size_t value_length)
{
	HeaderList *list = arg;
	Request	   *request = list->request;

	(void) kind;
	list->bytes += name_length + value_length + 4;
	if (list->bytes > REQUEST_MAX_HEADERS || request->n_headers == MAX_HEADERS)
	{
		list->error = "Request headers are too large";
		list->status = 431;
		return MHD_NO;
	}
	if (value == NULL)
		value = "";
	if (strlen(name) != name_length || strlen(value) != value_length)
	{
		list->error = "A header holds a zero byte";
		list->status = MHD_HTTP_BAD_REQUEST;
		return MHD_NO;
	}
	/* A proxy in front may read "Content-Length :" as another header. */
	if (name_length == 0 || strspn(name, NAME_CHARACTERS) != name_length)
	{
		list->error = "The name of a header is not well formed";
		list->status = MHD_HTTP_BAD_REQUEST;
		return MHD_NO;
	}
	request->headers[request->n_headers].name = name;
	request->headers[request->n_headers++].value = value;
	return MHD_YES;
}

/* Looks for headers that must not be there, or not twice. */
static const char *
check_headers(const Request *request)
{
	const char *coding = request_header(request, "Transfer-Encoding");

	for (size_t i = 0; i < sizeof(unique_headers) / sizeof(char *); i++)
	{
		int count = 0;

		for (size_t j = 0; j < request->n_headers; j++)
			count += strcasecmp(request->headers[j].name, unique_headers[i]) == 0;
		if (count > 1)
			return "A header that may stand once stands twice";
	}
	/* A proxy in front may take another one of the two for the end. */
	if (coding != NULL && request_header(request, "Content-Length") != NULL)
		return "Both Content-Length and Transfer-Encoding are given";
	if (coding != NULL && strcasecmp(coding, "chunked") != 0)
		return "The Transfer-Encoding is not supported";
	return NULL;
}

const char *
request_read_headers(Request *request, const char *method, unsigned *status)
{
	HeaderList list = {.request = request, .bytes = strlen(request->uri)};

	*status = MHD_HTTP_BAD_REQUEST;
	snprintf(request->method, sizeof(request->method), "%s", method);
	request->headers = calloc(MAX_HEADERS, sizeof(Sigv4Header));
	if (request->headers == NULL)
	{
		*status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		return "out of memory";
	}
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND,
								collect_header, &list);
	if (list.error != NULL)
	{
		*status = list.status;
		return list.error;
	}
	if (strlen(method) >= sizeof(request->method))
		return "Unknown method";
	return check_headers(request);
}

bool
request_add_body(Request *request, const char *data, size_t length)
{
	if (request->is_too_large || request->body_length + length > REQUEST_MAX_BODY)
	{
		request->is_too_large = true;
		request->body_length += length;
		forget_body(request);
		return true;
	}
	if (request->body_length + length > request->body_size)
	{
		size_t size = request->body_size == 0 ? 1024 : request->body_size;
		size_t more;
		char  *body;

		while (size < request->body_length + length)
			size *= 2;
		more = counted_size(size) - counted_size(request->body_size);
		if (more > 0 && all_bodies + more > MAX_ALL_BODIES)
			return false;
		body = realloc(request->body, size);
		if (body == NULL)
			return false;
		all_bodies += more;
		request->body = body;
		request->body_size = size;
	}
	memcpy(request->body + request->body_length, data, length);
	request->body_length += length;
	return true;
}

const char *
request_header(const Request *request, const char *name)
{
	for (size_t i = 0; i < request->n_headers; i++)
	{
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return NULL;
}
