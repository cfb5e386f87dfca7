/*
 * aws_response.h
 *	  What the responses of aws() are made of.
 */
#ifndef DDBSTREAMS_AWS_RESPONSE_H
#define DDBSTREAMS_AWS_RESPONSE_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/*
 * Each appends to the response, with a comma in front unless the buffer ends
 * in an opening bracket.
 */

/* Begins a member: its name; the caller appends the value. */
extern void aws_response_name(StringInfo buf, const char *name);

/*
 * Begins an object or array with its opening bracket; without a name it is the
 * next element of an array.  The caller appends the closing bracket.
 */
extern void aws_response_open(StringInfo buf, const char *name, char bracket);

/* Adds a string; without a name it is the next element of an array. */
extern void aws_response_string(StringInfo buf, const char *name,
								const char *value);
extern void aws_response_integer(StringInfo buf, const char *name,
								 int64 value);
extern void aws_response_boolean(StringInfo buf, const char *name, bool value);

/* Adds a time in seconds since 1970, with milliseconds as its fraction. */
extern void aws_response_time(StringInfo buf, const char *name,
							  TimestampTz time);

/* The columns of a table's primary key */
typedef struct AwsKey
{
	int			count;
	AttrNumber *attnums;
	char	  **names;
	AttrNumber	hash; /* the first column of the partition key */
} AwsKey;

/*
 * Adds KeySchema: the first column of the partition key is HASH and comes
 * first, the others are RANGE.  AWS's clients expect one HASH.
 */
extern void aws_response_key_schema(StringInfo buf, const AwsKey *key);

#endif /* DDBSTREAMS_AWS_RESPONSE_H */
