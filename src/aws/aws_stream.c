/*
 * aws_stream.c
 *	  The operations of aws() on streams.
 *
 * All of them read with the statement's snapshot, so that the streams, shards
 * and records in one answer are those of one moment.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "aws/aws_response.h"
#include "aws/aws_stream.h"
#include "aws/aws_table_name.h"
#include "base/sequence_number.h"
#include "base/statement_snapshot.h"
#include "reading/iterator_position.h"
#include "reading/record_json.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"

#define MAX_PAGE 100 /* of streams or shards; the default, too */

/* Nearly all pages of PAGE_MAX_BYTES are shorter as JSON. */
#define PAGE_ROOM (3 * 1024 * 1024)

static char *
stream_arn_member(AwsRequest *request, const char *name, AwsPresence presence)
{
	return aws_request_string(request, name, presence, 37, 1024);
}

static char *
shard_id_member(AwsRequest *request, const char *name, AwsPresence presence)
{
	return aws_request_string(request, name, presence, 28, 65);
}

/* Returns the label in an ARN: what follows the last /stream/. */
static const char *
arn_label(const char *arn)
{
	const char *label = NULL;

	stream_access_check_arn(arn);
	for (const char *next = strstr(arn, "/stream/"); next != NULL;
		 next = strstr(next + 1, "/stream/"))
		label = next + strlen("/stream/");
	return label;
}

/*
 * The order of ListStreams: by label, which is the time of creation.  The
 * label is part of the ARN, so the next page can be found even if the last
 * stream of the page before has gone.
 */
static int
compare_arns(const char *a, const char *b)
{
	int order = strcmp(arn_label(a), arn_label(b));

	return order != 0 ? order : strcmp(a, b);
}

static int
compare_streams(const ListCell *a, const ListCell *b)
{
	return compare_arns(((const StreamInfo *) lfirst(a))->arn,
						((const StreamInfo *) lfirst(b))->arn);
}

/*
 * Is the stream one of that table?  The stream of a dropped table is compared
 * by the table's name.
 */
static bool
is_of_table(const StreamInfo *stream, Oid table_oid, const char *table_name)
{
	if (stream_access_table_exists(stream))
		return stream->table_oid == table_oid;
	return aws_table_name_is_of(table_name, stream->table_name);
}

/*
 * Returns the streams that the caller may read, of one table if table_name is
 * not NULL; none if there is no such table.
 */
static List *
readable_streams(const char *table_name)
{
	Oid		  table_oid = InvalidOid;
	List	 *streams = NIL;
	ListCell *lc;

	if (table_name != NULL)
		table_oid = aws_table_name_readable(table_name);
	foreach (lc, stream_catalog_list(InvalidOid, statement_snapshot()))
	{
		StreamInfo *stream = lfirst(lc);

		if (table_name != NULL && !is_of_table(stream, table_oid, table_name))
			continue;
		if (!horizon_has_passed_stream(stream) &&
			stream_access_may_read(stream))
			streams = lappend(streams, stream);
	}
	list_sort(streams, compare_streams);
	return streams;
}

void
aws_stream_list(AwsRequest *request, StringInfo response)
{
	char			 *table_name = aws_table_name_member(request, "TableName",
														 AWS_OPTIONAL);
	int				  limit = aws_request_integer(request, "Limit", MAX_PAGE,
												  1, MAX_PAGE);
	char			 *start = stream_arn_member(request, "ExclusiveStartStreamArn",
												AWS_OPTIONAL);
	const StreamInfo *last = NULL;
	bool			  has_more = false;
	int				  count = 0;
	ListCell		 *lc;

	aws_request_check(request);
	if (start != NULL)
		stream_access_check_arn(start);

	aws_response_open(response, "Streams", '[');
	foreach (lc, readable_streams(table_name))
	{
		const StreamInfo *stream = lfirst(lc);

		if (start != NULL && compare_arns(stream->arn, start) <= 0)
			continue;
		if (count == limit)
		{
			has_more = true;
			break;
		}
		aws_response_open(response, NULL, '{');
		aws_response_string(response, "StreamArn", stream->arn);
		aws_response_string(response, "TableName", stream->table_name);
		aws_response_string(response, "StreamLabel", stream->label);
		appendStringInfoChar(response, '}');
		last = stream;
		count++;
	}
	appendStringInfoChar(response, ']');
	if (has_more)
		aws_response_string(response, "LastEvaluatedStreamArn", last->arn);
}

/* Returns the name of a key's column, its last one if the column is gone. */
static char *
column_name(const StreamInfo *stream, int i)
{
	HeapTuple tuple = SearchSysCacheAttNum(stream->table_oid,
										   stream->key_attnums[i]);
	char	 *name;

	if (!HeapTupleIsValid(tuple))
		return stream->key_columns[i];
	name = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(tuple))->attname));
	ReleaseSysCache(tuple);
	return name;
}

static void
append_stream_key(StringInfo response, const StreamInfo *stream)
{
	AwsKey key;

	key.count = stream->key_count;
	key.attnums = stream->key_attnums;
	key.names = palloc(key.count * sizeof(char *));
	key.hash = stream->partition_attnums[0];
	for (int i = 0; i < key.count; i++)
		key.names[i] = column_name(stream, i);
	aws_response_key_schema(response, &key);
}

static void
append_shard(StringInfo response, const ShardInfo *shard)
{
	aws_response_open(response, NULL, '{');
	aws_response_string(response, "ShardId", shard->shard_id);
	aws_response_open(response, "SequenceNumberRange", '{');
	aws_response_string(response, "StartingSequenceNumber",
						sequence_number_text(shard->starting_number));
	if (!ShardIsOpen(shard))
		aws_response_string(response, "EndingSequenceNumber",
							sequence_number_text(shard->ending_number));
	appendStringInfoChar(response, '}');
	if (shard->parent_shard_id != NULL)
		aws_response_string(response, "ParentShardId", shard->parent_shard_id);
	appendStringInfoChar(response, '}');
}

/*
 * Appends one page of a stream's shards, in the order of their ids: the shards
 * after the id start, unless it is NULL, and only the children of parent,
 * unless it is NULL.
 */
static void
append_shards(StringInfo response, const StreamInfo *stream, const char *start,
			  const char *parent, int limit)
{
	const ShardInfo *last = NULL;
	bool			 has_more = false;
	int				 count = 0;
	List			*shards;
	ListCell		*lc;

	if (parent == NULL)
		shards = shard_catalog_list(stream->stream_id, statement_snapshot());
	else
		shards = shard_catalog_children(stream->stream_id, parent,
										statement_snapshot());
	aws_response_open(response, "Shards", '[');
	foreach (lc, shards)
	{
		const ShardInfo *shard = lfirst(lc);

		if (start != NULL && strcmp(shard->shard_id, start) <= 0)
			continue;
		if (count == limit)
		{
			has_more = true;
			break;
		}
		append_shard(response, shard);
		last = shard;
		count++;
	}
	appendStringInfoChar(response, ']');
	if (has_more)
		aws_response_string(response, "LastEvaluatedShardId", last->shard_id);
}

void
aws_stream_describe(AwsRequest *request, StringInfo response)
{
	static const char *const filter_types[] = {"CHILD_SHARDS"};
	char					*arn = stream_arn_member(request, "StreamArn", AWS_REQUIRED);
	int						 limit = aws_request_integer(request, "Limit", MAX_PAGE,
														 1, MAX_PAGE);
	char					*start = shard_id_member(request, "ExclusiveStartShardId",
													 AWS_OPTIONAL);
	AwsRequest				*filter = aws_request_object(request, "ShardFilter",
														 AWS_OPTIONAL);
	char					*parent = NULL;
	StreamInfo				*stream;

	if (filter != NULL)
	{
		aws_request_enum(filter, "Type", AWS_REQUIRED, filter_types,
						 lengthof(filter_types));
		parent = shard_id_member(filter, "ShardId", AWS_REQUIRED);
	}
	aws_request_check(request);

	stream = stream_access_by_arn(arn, statement_snapshot());
	aws_response_open(response, "StreamDescription", '{');
	aws_response_string(response, "StreamArn", stream->arn);
	aws_response_string(response, "StreamLabel", stream->label);
	aws_response_string(response, "StreamStatus",
						stream_access_is_enabled(stream) ?
							"ENABLED" :
							"DISABLED");
	aws_response_string(response, "StreamViewType",
						view_type_name(stream->view_type));
	aws_response_time(response, "CreationRequestDateTime", stream->created_at);
	aws_response_string(response, "TableName", stream->table_name);
	append_stream_key(response, stream);
	append_shards(response, stream, start, parent, limit);
	appendStringInfoChar(response, '}');
}

void
aws_stream_get_shard_iterator(AwsRequest *request, StringInfo response)
{
	static const char *const types[] = {
		"AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP", "LATEST", "AT_SEQUENCE_NUMBER",
		"TRIM_HORIZON"};
	Snapshot	snapshot = statement_snapshot();
	char	   *arn = stream_arn_member(request, "StreamArn", AWS_REQUIRED);
	char	   *shard_id = shard_id_member(request, "ShardId", AWS_REQUIRED);
	char	   *type = aws_request_enum(request, "ShardIteratorType",
										AWS_REQUIRED, types, lengthof(types));
	char	   *sequence_number = aws_request_string(request, "SequenceNumber",
													 AWS_OPTIONAL, 21, 40);
	TimestampTz at;
	bool		has_time = aws_request_time(request, "Timestamp", &at);
	StreamInfo *stream;
	ShardInfo  *shard;

	aws_request_check(request);
	stream = stream_access_by_arn(arn, snapshot);
	shard = stream_access_shard(stream, shard_id, snapshot);
	aws_response_string(response, "ShardIterator",
						iterator_position_make(stream, shard, type, sequence_number,
											   has_time ? &at : NULL, snapshot));
}

/*
 * Makes room for a page, of which the first record is in the response.  A page
 * that outgrows this is copied; memory that it does not need is never touched.
 */
static void
make_room(StringInfo response, int record_length, int limit)
{
	int64 length = (int64) record_length * limit;

	enlargeStringInfo(response, (int) Min(length + length / 8, PAGE_ROOM));
}

void
aws_stream_get_records(AwsRequest *request, StringInfo response)
{
	char	   *iterator = aws_request_string(request, "ShardIterator",
											  AWS_REQUIRED, 1, 2048);
	int			limit = aws_request_integer(request, "Limit", PAGE_MAX_RECORDS,
											1, PAGE_MAX_RECORDS);
	RecordPage	page;
	const char *next;

	aws_request_check(request);
	record_page_begin(&page, iterator, limit, statement_snapshot());
	aws_response_open(response, "Records", '[');
	while (record_page_next(&page))
	{
		if (page.count > 1)
			appendStringInfoCharMacro(response, ',');
		record_json_append(response, &page);
		if (page.count == 1)
			make_room(response, response->len, limit);
	}
	appendStringInfoChar(response, ']');
	next = record_page_next_iterator(&page);
	if (next != NULL)
		aws_response_string(response, "NextShardIterator", next);
	record_page_end(&page);
}
