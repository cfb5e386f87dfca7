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

/* Each puts a comma in front, unless the buffer ends in { or [. */
extern void aws_response_name(StringInfo buf, const char *name);
extern void aws_response_open(StringInfo buf, const char *name, char bracket);
extern void aws_response_string(StringInfo buf, const char *name,
								const char *value);
extern void aws_response_integer(StringInfo buf, const char *name,
								 int64 value);
extern void aws_response_boolean(StringInfo buf, const char *name, bool value);
extern void aws_response_time(StringInfo buf, const char *name,
							  TimestampTz time);

/* The columns of a table's primary key */
typedef struct AwsKey
{
	int			count;
	AttrNumber *attnums;
	char	  **names;
	int			partition_count;
	AttrNumber *partition_attnums;
} AwsKey;

extern void aws_response_key_schema(StringInfo buf, const AwsKey *key);

#endif /* DDBSTREAMS_AWS_RESPONSE_H */
