/*
 * aws_response.c
 *	  What the responses of aws() are made of.
 */
#include "postgres.h"

#include "utils/json.h"

#include "aws/aws_response.h"

/*
 * Puts a comma if something stands before.  A buffer that ends in an opening
 * bracket has no member yet; a string that ends in one ends in its quote.
 */
static void
put_comma(StringInfo buf)
{
	char last = buf->data[buf->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(buf, ',');
}

void
aws_response_name(StringInfo buf, const char *name)
{
	put_comma(buf);
	appendStringInfo(buf, "\"%s\":", name);
}

void
aws_response_open(StringInfo buf, const char *name, char bracket)
{
	if (name != NULL)
		aws_response_name(buf, name);
	else
		put_comma(buf);
	appendStringInfoChar(buf, bracket);
}

void
aws_response_string(StringInfo buf, const char *name, const char *value)
{
	if (name != NULL)
		aws_response_name(buf, name);
	else
		put_comma(buf);
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

void
aws_response_time(StringInfo buf, const char *name, TimestampTz time)
{
	int64 days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	int64 milliseconds = (time + days * USECS_PER_DAY) / 1000;

	aws_response_name(buf, name);
	appendStringInfo(buf, INT64_FORMAT ".%03d", milliseconds / 1000,
					 (int) (milliseconds % 1000));
}

static void
append_key_column(StringInfo buf, const char *name, const char *key_type)
{
	aws_response_open(buf, NULL, '{');
	aws_response_string(buf, "AttributeName", name);
	aws_response_string(buf, "KeyType", key_type);
	appendStringInfoChar(buf, '}');
}

void
aws_response_key_schema(StringInfo buf, const AwsKey *key)
{
	aws_response_open(buf, "KeySchema", '[');
	for (int i = 0; i < key->count; i++)
	{
		if (key->attnums[i] == key->hash)
			append_key_column(buf, key->names[i], "HASH");
	}
	for (int i = 0; i < key->count; i++)
	{
		if (key->attnums[i] != key->hash)
			append_key_column(buf, key->names[i], "RANGE");
	}
	appendStringInfoChar(buf, ']');
}
