/*
 * shard_stats.c
 *	  How much is in a shard, and how fast it comes in.
 *
 * Nothing is counted while records are written: their numbers say when they
 * were written, and physical order is number order, so that the records of a
 * period lie side by side.  On few pages the records are counted.  On many
 * pages they are counted on some, evenly spread, and the others are taken to
 * be as dense.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/relation_size.h"
#include "base/statement_snapshot.h"
#include "lineage/shard_stats.h"
#include "reading/stream_access.h"
#include "registry/row.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_stream_stats);
PG_FUNCTION_INFO_V1(ddbstreams_stats_of_stream);

/* Up to so many pages are counted (8 MB), and of more pages a sample. */
#define MAX_COUNTED_PAGES 1000
#define SAMPLED_PAGES	  200

#define RATE_PERIOD USECS_PER_MINUTE

/* The columns of the result of list_stream_stats() */
#define STREAM_STATS_COLUMNS(COLUMN)                               \
	COLUMN(stream_stats, stream_arn, TEXTOID, ROW_FIXED)           \
	COLUMN(stream_stats, shard_id, TEXTOID, ROW_FIXED)             \
	COLUMN(stream_stats, records, INT8OID, ROW_FIXED)              \
	COLUMN(stream_stats, bytes, INT8OID, ROW_FIXED)                \
	COLUMN(stream_stats, oldest, TIMESTAMPTZOID, ROW_FIXED)        \
	COLUMN(stream_stats, newest, TIMESTAMPTZOID, ROW_FIXED)        \
	COLUMN(stream_stats, records_per_second, FLOAT8OID, ROW_FIXED) \
	COLUMN(stream_stats, table_name, TEXTOID, ROW_FIXED)           \
	COLUMN(stream_stats, stream_status, TEXTOID, ROW_FIXED)        \
	COLUMN(stream_stats, stream_view_type, TEXTOID, ROW_FIXED)     \
	COLUMN(stream_stats, retention, INTERVALOID, ROW_FIXED)        \
	COLUMN(stream_stats, is_open, BOOLOID, ROW_FIXED)
ROW_TABLE(stream_stats, STREAM_STATS_COLUMNS);

/*
 * Returns how many records of a shard can be read whose numbers are above
 * after and not above last.
 */
static double
count_records(const ShardInfo *shard, Snapshot snapshot, int64 after, int64 last,
			  bool *is_estimate)
{
	ShardReader *reader = shard_reader_open(shard, snapshot, after);
	BlockNumber	 first_block = reader->block;
	BlockNumber	 pages = reader->block_count == 0 ?
							 0 :
							 shard_reader_block_of(reader, last) + 1 - first_block;
	double		 count = 0;

	*is_estimate = pages > MAX_COUNTED_PAGES;
	if (*is_estimate)
	{
		for (int i = 0; i < SAMPLED_PAGES; i++)
			count += shard_reader_count_page(reader,
											 first_block + (uint64) pages * i / SAMPLED_PAGES);
		count *= (double) pages / SAMPLED_PAGES;
	}
	else
	{
		ShardRecord record;

		while (shard_reader_next(reader, &record) && record.number <= last)
			count++;
	}
	shard_reader_close(reader);
	return count;
}

double
shard_stats_rate(const ShardInfo *shard, Snapshot snapshot)
{
	TimestampTz now = clock_now();
	int64		period = RATE_PERIOD;
	bool		is_estimate;

	if (!ShardIsOpen(shard) && NUMBER_TIME(shard->ending_number) < now - period)
		return 0;
	if (shard->created_at <= now)
		period = Min(period, Max(now - shard->created_at, USECS_PER_SEC));
	return count_records(shard, snapshot, NUMBER_AT_TIME(now - period),
						 NUMBER_AT_TIME(now + USECS_PER_SEC), &is_estimate) *
		   USECS_PER_SEC / period;
}

/*
 * Returns the number of the first record that can be read behind a position.
 */
static int64
first_number(const ShardInfo *shard, Snapshot snapshot, int64 position)
{
	ShardReader *reader = shard_reader_open(shard, snapshot, position);
	ShardRecord	 record;
	int64		 number = shard_reader_next(reader, &record) ? record.number : 0;

	shard_reader_close(reader);
	return number;
}

bool
shard_stats_get(const StreamInfo *stream, const ShardInfo *shard,
				Snapshot snapshot, ShardStats *stats)
{
	Relation rel = try_relation_open(shard->shard_table, AccessShareLock);
	int64	 horizon;
	int64	 position;
	int64	 latest;
	int64	 first = 0;

	if (rel == NULL)
		return false;

	memset(stats, 0, sizeof(ShardStats));
	horizon = horizon_of_shard(stream, shard, snapshot);
	position = Max(horizon, shard->starting_number) - 1;
	latest = shard_reader_latest(shard, snapshot);
	if (latest > position)
		first = first_number(shard, snapshot, position);
	if (first > 0)
	{
		stats->oldest = NUMBER_TIME(first);
		stats->newest = NUMBER_TIME(latest);
		stats->records = (int64) count_records(shard, snapshot, position, latest,
											   &stats->is_estimate);
		stats->rate = shard_stats_rate(shard, snapshot);
	}
	relation_close(rel, AccessShareLock);
	return true;
}

static void
put_stream_stats(ReturnSetInfo *rsinfo, const StreamInfo *stream, const ShardInfo *shard,
				 const ShardStats *stats, int64 bytes)
{
	TableRow row;

	row_init(&row, &stream_stats_table);
	row_set_text(&row, Anum_stream_stats_stream_arn, stream->arn);
	row_set_text(&row, Anum_stream_stats_shard_id, shard->shard_id);
	row_set_int64(&row, Anum_stream_stats_records, stats->records);
	row_set_int64(&row, Anum_stream_stats_bytes, bytes);
	row_set_time(&row, Anum_stream_stats_oldest, stats->oldest);
	row_set_time(&row, Anum_stream_stats_newest, stats->newest);
	row_set_float8(&row, Anum_stream_stats_records_per_second,
				   rint(stats->rate * 1000) / 1000);
	row_set_text(&row, Anum_stream_stats_table_name, stream->table_name);
	row_set_text(&row, Anum_stream_stats_stream_status,
				 stream_access_is_enabled(stream) ? "ENABLED" : "DISABLED");
	row_set_text(&row, Anum_stream_stats_stream_view_type,
				 view_type_name(stream->view_type));
	row_set_interval(&row, Anum_stream_stats_retention, &stream->retention);
	row_set_bool(&row, Anum_stream_stats_is_open, ShardIsOpen(shard));
	row_put(rsinfo, &row);
}

/* Returns the part of a side table's size that falls to each of its shards. */
static int64
side_table_part(List *shards, Oid side_table)
{
	int		  count = 0;
	ListCell *lc;

	foreach (lc, shards)
	{
		if (((ShardInfo *) lfirst(lc))->side_table == side_table)
			count++;
	}
	return relation_size(pg_total_relation_size, side_table) / Max(count, 1);
}

/* Returns a row for each shard of a stream that is there still. */
static void
put_stream(ReturnSetInfo *rsinfo, const StreamInfo *stream, Snapshot snapshot)
{
	List	 *shards = shard_catalog_list(stream->stream_id, snapshot);
	Oid		  side_table = InvalidOid;
	int64	  part = 0;
	ListCell *lc;

	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);
		ShardStats stats;

		CHECK_FOR_INTERRUPTS();
		/* Shards that share a side table mostly stand side by side. */
		if (shard->side_table != side_table)
			part = side_table_part(shards, shard->side_table);
		side_table = shard->side_table;
		if (shard_stats_get(stream, shard, snapshot, &stats))
			put_stream_stats(rsinfo, stream, shard, &stats,
							 part + relation_size(pg_total_relation_size, shard->shard_table));
	}
}

bool
shard_stats_are_shown(const StreamInfo *stream)
{
	return !horizon_has_passed_stream(stream) &&
		   (has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
			stream_access_may_read(stream));
}

/*
 * list_stream_stats(stream_arn text) returns setof record
 *
 * Returns a row for each shard of one stream; or, if that is null, of the
 * streams that the caller may read, or of all streams if the caller is a
 * member of pg_monitor.
 */
Datum
ddbstreams_list_stream_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	   snapshot = statement_snapshot();
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(0))
	{
		StreamInfo *stream = stream_access_find(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												snapshot);

		if (!has_privs_of_role(GetUserId(), ROLE_PG_MONITOR))
			stream_access_check(stream);
		put_stream(rsinfo, stream, snapshot);
		return (Datum) 0;
	}
	foreach (lc, stream_catalog_list(InvalidOid, snapshot))
	{
		StreamInfo *stream = lfirst(lc);

		if (shard_stats_are_shown(stream))
			put_stream(rsinfo, stream, snapshot);
	}
	return (Datum) 0;
}

/* stats_of_stream(stream_arn text) returns setof record */
Datum
ddbstreams_stats_of_stream(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = statement_snapshot();
	StreamInfo *stream = stream_catalog_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)),
											   snapshot);

	InitMaterializedSRF(fcinfo, 0);
	if (stream != NULL && shard_stats_are_shown(stream))
		put_stream((ReturnSetInfo *) fcinfo->resultinfo, stream, snapshot);
	return (Datum) 0;
}
