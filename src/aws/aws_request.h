/*
 * aws_request.h
 *	  Reading the members of a request to aws(), under AWS's constraints.
 */
#ifndef DDBSTREAMS_AWS_REQUEST_H
#define DDBSTREAMS_AWS_REQUEST_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "aws/aws_error.h"

typedef enum AwsPresence
{
	AWS_OPTIONAL,
	AWS_REQUIRED
} AwsPresence;

/* The constraints that a request violates, as far as it has been read */
typedef struct AwsViolations
{
	int			   count;
	StringInfoData text;
	bool		   has_full_stop; /* Lambda's text for a missing member */
} AwsViolations;

/* A request, or an object in it */
typedef struct AwsRequest
{
	JsonbContainer *members;
	const char	   *path;		/* before a member's name in messages */
	AwsViolations  *violations; /* shared by a request and its objects */
	AwsErrors	   *errors;		/* names the errors */
} AwsRequest;

/* Reads the text of a request; it is an error if it is no JSON object. */
extern AwsRequest *aws_request_parse(text *json, AwsErrors *errors);

/*
 * The next functions read one member each.  A member of the wrong JSON type is
 * an error at once.  A violated constraint is remembered, and what is returned
 * may then be of no use: after the last member, aws_request_check raises an
 * error that tells of all of them.  Results are palloc'd.
 */

/* Is the member there, and not null? */
extern bool aws_request_has(AwsRequest *request, const char *name);

/*
 * Returns a string of min_length to max_length characters, or NULL if it is
 * absent.
 */
extern char *aws_request_string(AwsRequest *request, const char *name,
								AwsPresence presence, int min_length,
								int max_length);

/* Returns a string that is one of these values, or NULL if it is absent. */
extern char *aws_request_enum(AwsRequest *request, const char *name,
							  AwsPresence		 presence,
							  const char *const *values, int count);

/* Returns an integer from min to max, or the default if it is absent. */
extern int aws_request_integer(AwsRequest *request, const char *name,
							   int default_value, int min, int max);

/*
 * Reads a time in seconds since 1970, with a fraction if need be; false if it
 * is absent.  A time out of PostgreSQL's range becomes an infinite one.
 */
extern bool aws_request_time(AwsRequest *request, const char *name,
							 TimestampTz *time);

extern bool aws_request_boolean(AwsRequest *request, const char *name,
								AwsPresence presence, bool default_value);

/*
 * Returns an object in a request, or NULL if it is absent.  Its members are
 * read as those of the request are.
 */
extern AwsRequest *aws_request_object(AwsRequest *request, const char *name,
									  AwsPresence presence);

/* Returns an object as it is, or NULL if it is absent. */
extern Jsonb *aws_request_jsonb(AwsRequest *request, const char *name);

/* Returns a list of strings and their count, or NULL if it is absent. */
extern char **aws_request_strings(AwsRequest *request, const char *name,
								  int *count);

/* Raises an error that tells of all violated constraints, if there are any. */
extern void aws_request_check(AwsRequest *request);

#endif /* DDBSTREAMS_AWS_REQUEST_H */
