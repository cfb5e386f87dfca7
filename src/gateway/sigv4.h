/*
 * sigv4.h
 *	  AWS Signature Version 4: what can be checked without a secret.
 *
 * Nothing here knows HTTP servers, keys or databases.  A caller describes the
 * request (Sigv4Request), lets sigv4_parse check everything that needs no
 * secret, looks up the secret of the access key, and calls sigv4_verify
 * (sigv4_verify.h).
 */
#ifndef DDBSTREAMS_SIGV4_H
#define DDBSTREAMS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define SIGV4_ALGORITHM	 "AWS4-HMAC-SHA256"
#define SIGV4_TERMINATOR "aws4_request"

/* Seconds that a client's clock may differ from ours */
#define SIGV4_MAX_SKEW (15 * 60)

typedef struct Sigv4Header
{
	const char *name;
	const char *value;
} Sigv4Header;

/* A request as it was received; query is NULL if there is no '?'. */
typedef struct Sigv4Request
{
	const char		  *method;
	const char		  *path;
	const char		  *query;
	const Sigv4Header *headers;
	size_t			   n_headers;
	const char		  *body;
	size_t			   body_length;
} Sigv4Request;

/* Names of AWS's errors are those of the exceptions, without "Exception". */
typedef enum Sigv4Verdict
{
	SIGV4_OK,
	SIGV4_MISSING_AUTHENTICATION_TOKEN,
	SIGV4_INCOMPLETE_SIGNATURE,
	SIGV4_INVALID_SIGNATURE
} Sigv4Verdict;

#define SIGV4_MESSAGE_SIZE 2048

/*
 * What the Authorization header says, and room for the text of an error.  The
 * pointers lead into copy.
 */
typedef struct Sigv4Authorization
{
	char	   *copy; /* malloc'd; sigv4_free frees it */
	const char *access_key;
	const char *scope_date;
	const char *region;
	const char *service;
	const char *signed_headers;
	const char *signature;
	const char *timestamp; /* X-Amz-Date, as YYYYMMDDTHHMMSSZ */
	char		timestamp_copy[17];
	char		message[SIGV4_MESSAGE_SIZE]; /* printable ASCII */
} Sigv4Authorization;

/*
 * Reads the Authorization header and checks what needs no secret: its form,
 * the date against now, the signed headers, and that the scope is that of
 * service.  The verdict of an error comes with auth->message, AWS's text, in
 * which characters that JSON would escape are replaced.  The caller frees auth
 * by sigv4_free, whatever the verdict is.
 */
extern Sigv4Verdict sigv4_parse(const Sigv4Request *request,
								const char *service, time_t now,
								Sigv4Authorization *auth);

extern void sigv4_free(Sigv4Authorization *auth);

/* Returns the value of a header, or NULL; names have no case. */
extern const char *sigv4_header(const Sigv4Request *request, const char *name);

#endif /* DDBSTREAMS_SIGV4_H */
