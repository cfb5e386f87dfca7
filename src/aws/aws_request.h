/*
 * aws_request.h
 *	  Reading the members of a request to aws(), under AWS's constraints.
 */
#ifndef DDBSTREAMS_AWS_REQUEST_H
#define DDBSTREAMS_AWS_REQUEST_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

typedef enum AwsPresence
{
	AWS_OPTIONAL,
	AWS_REQUIRED
} AwsPresence;

/* The constraints that a request has been found to violate so far */
typedef struct AwsViolations
{
	int			   count;
	StringInfoData text;
} AwsViolations;

/* A request, or an object in it */
typedef struct AwsRequest
{
	JsonbContainer *members;
	const char	   *path;		/* before a member's name in messages */
	AwsViolations  *violations; /* shared by a request and its objects */
} AwsRequest;

extern AwsRequest *aws_request_parse(text *json);

/*
 * A member of the wrong JSON type is an error at once; a violated constraint
 * is remembered, and the result may then be of no use.  After the last member
 * aws_request_check raises what was remembered.
 */
extern bool		   aws_request_has(AwsRequest *request, const char *name);
extern char		  *aws_request_string(AwsRequest *request, const char *name,
									  AwsPresence presence, int min_length,
									  int max_length);
extern char		  *aws_request_enum(AwsRequest *request, const char *name,
									AwsPresence		   presence,
									const char *const *values, int count);
extern int		   aws_request_integer(AwsRequest *request, const char *name,
									   int default_value, int min, int max);
extern bool		   aws_request_boolean(AwsRequest *request, const char *name,
									   AwsPresence presence, bool default_value);
extern AwsRequest *aws_request_object(AwsRequest *request, const char *name,
									  AwsPresence presence);
extern Jsonb	  *aws_request_jsonb(AwsRequest *request, const char *name);
extern char		 **aws_request_strings(AwsRequest *request, const char *name,
									   int *count);
extern void		   aws_request_check(AwsRequest *request);

#endif /* DDBSTREAMS_AWS_REQUEST_H */
