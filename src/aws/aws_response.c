/*
 * aws_response.c
 *	  What the responses of aws() are made of.
 */
#include "postgres.h"

#include "utils/json.h"

#include "aws/aws_response.h"

/* What ends in a bracket has no member yet: a string ends in its quote. */
static void
separate(StringInfo buf)
{
	char last = buf->data[buf->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(buf, ',');
}

/* Begins a member; its value is up to the caller. */
void
aws_response_name(StringInfo buf, const char *name)
{
	separate(buf);
	appendStringInfo(buf, "\"%s\":", name);
}

/* Begins an object or an array, the next of an array if name is NULL. */
void
aws_response_open(StringInfo buf, const char *name, char bracket)
{
	if (name != NULL)
		aws_response_name(buf, name);
	else
		separate(buf);
	appendStringInfoChar(buf, bracket);
}

/* Adds a string, the next of an array if name is NULL. */
void
aws_response_string(StringInfo buf, const char *name, const char *value)
{
	if (name != NULL)
		aws_response_name(buf, name);
	else
		separate(buf);
	escape_json(buf, value);
}

void
aws_response_integer(StringInfo buf, const char *name, int64 value)
{
	aws_response_name(buf, name);
	appendStringInfo(buf, INT64_FORMAT, value);
}

void
aws_response_boolean(StringInfo buf, const char *name, bool value)
{
	aws_response_name(buf, name);
	appendStringInfoString(buf, value ? "true" : "false");
}

/* A time in seconds since 1970, with milliseconds as its fraction */
void
aws_response_time(StringInfo buf, const char *name, TimestampTz time)
{
	int64 days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	int64 milliseconds = (time + days * USECS_PER_DAY) / 1000;

	aws_response_name(buf, name);
	appendStringInfo(buf, INT64_FORMAT ".%03d", milliseconds / 1000,
					 (int) (milliseconds % 1000));
}

static bool
is_of_partition_key(const AwsKey *key, AttrNumber attnum)
{
	for (int i = 0; i < key->partition_count; i++)
	{
		if (key->partition_attnums[i] == attnum)
			return true;
	}
	return false;
}

static void
append_key_columns(StringInfo buf, const AwsKey *key, bool of_partition_key,
				   const char *key_type)
{
	for (int i = 0; i < key->count; i++)
	{
		if (is_of_partition_key(key, key->attnums[i]) != of_partition_key)
			continue;
		aws_response_open(buf, NULL, '{');
		aws_response_string(buf, "AttributeName", key->names[i]);
		aws_response_string(buf, "KeyType", key_type);
		appendStringInfoChar(buf, '}');
	}
}

/* The partition key's columns come first, as AWS has them. */
void
aws_response_key_schema(StringInfo buf, const AwsKey *key)
{
	aws_response_open(buf, "KeySchema", '[');
	append_key_columns(buf, key, true, "HASH");
	append_key_columns(buf, key, false, "RANGE");
	appendStringInfoChar(buf, ']');
}
