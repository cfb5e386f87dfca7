/*
 * http_request.h
 *	  A request, from its first header to the end of its answer.
 */
#ifndef DDBSTREAMS_HTTP_REQUEST_H
#define DDBSTREAMS_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "gateway/database_pool.h"
#include "gateway/sigv4.h"

#define REQUEST_MAX_BODY	(1024 * 1024)
#define REQUEST_MAX_HEADERS (16 * 1024) /* bytes, with the request line */
#define REQUEST_ID_LENGTH	52
#define REQUEST_UUID_LENGTH 36

/* Which service a request is for: that decides the forms of its answers. */
typedef enum Protocol
{
	PROTOCOL_DYNAMODB,
	PROTOCOL_STREAMS,
	PROTOCOL_LAMBDA,
	PROTOCOL_OTHER
} Protocol;

typedef enum OperationKind
{
	OPERATION_AWS,	   /* aws() in the database answers */
	OPERATION_HEALTH,  /* GET /healthz */
	OPERATION_METRICS, /* GET /metrics */
	OPERATION_CONSOLE  /* /console and what is below it */
} OperationKind;

typedef struct Operation
{
	const char	 *name; /* aws() knows it by this name */
	OperationKind kind;
	Protocol	  protocol;
	unsigned	  status; /* of success */
} Operation;

typedef struct Request
{
	struct MHD_Connection *connection;

	/* what was received */
	char		*uri;	/* as in the request line */
	char		*path;	/* of uri, without the query */
	const char	*query; /* NULL if there is no '?' */
	char		 method[16];
	Sigv4Header *headers;
	size_t		 n_headers;
	char		*body;
	size_t		 body_length;
	size_t		 body_size;
	bool		 is_too_large; /* the rest of the body was thrown away */
	bool		 is_complete;

	/* what is to be done: route.c */
	Protocol		 protocol;
	const Operation *operation; /* NULL if unknown */
	const Statement *statement;
	StatementParam	 params[STATEMENT_MAX_PARAMS];
	char			*owned[STATEMENT_MAX_PARAMS]; /* memory of params */

	/* how far it is: perform.c and request_queue.c */
	DatabasePool	   *pool;	  /* NULL until the signature is checked */
	bool				is_known; /* its client may ask */
	bool				has_slot;
	DatabaseConnection *database;	/* its statement runs there */
	long				sent_at;	/* ms; since then */
	long				expires_at; /* ms; then nobody waits for a slot any more */
	long				retry_until;
	long				wake_at;
	int					n_tries;
	int					loop_event; /* wakes the thread that sends the answer */
	struct Request	   *next;

	/* its answer: answer.c */
	struct MHD_Response *response;
	unsigned			 status;
	const char			*result;						/* "ok", or the name of the error */
	char				 id[REQUEST_ID_LENGTH + 1];		/* as DynamoDB's are */
	char				 uuid[REQUEST_UUID_LENGTH + 1]; /* as Lambda's are */
	double				 started_at;
} Request;

/* Makes a request from what stands in the request line; NULL if no memory. */
extern Request *request_create(struct MHD_Connection *connection,
							   const char			 *uri);

extern void request_free(Request *request);

/*
 * Reads method and headers.  Returns NULL, or what is wrong with them; *status
 * is the status for that.  The headers' memory is libmicrohttpd's.
 */
extern const char *request_read_headers(Request *request, const char *method,
										unsigned *status);

/*
 * Adds a piece of the body.  What is beyond the limit is not kept.  False if
 * there is no memory for it.
 */
extern bool request_add_body(Request *request, const char *data, size_t length);

/* Returns the value of a header, or NULL; names have no case. */
extern const char *request_header(const Request *request, const char *name);

#endif /* DDBSTREAMS_HTTP_REQUEST_H */
