/*
 * append_stats.c
 *	  What the appends of each stream have taken, for the view
 *	  ddbstreams.append_stats.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "base/statement_snapshot.h"
#include "lineage/shard_stats.h"
#include "registry/row.h"
#include "registry/stream_catalog.h"
#include "shard/append_counts.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_append_stats);

/* The columns of the result */
#define APPEND_STATS_COLUMNS(COLUMN)                           \
	COLUMN(append_stats, stream_arn, TEXTOID, ROW_FIXED)       \
	COLUMN(append_stats, table_name, TEXTOID, ROW_FIXED)       \
	COLUMN(append_stats, commits, INT8OID, ROW_FIXED)          \
	COLUMN(append_stats, records, INT8OID, ROW_FIXED)          \
	COLUMN(append_stats, bytes, INT8OID, ROW_FIXED)            \
	COLUMN(append_stats, append_time, FLOAT8OID, ROW_FIXED)    \
	COLUMN(append_stats, lock_time, FLOAT8OID, ROW_FIXED)      \
	COLUMN(append_stats, lock_waits, INT8OID, ROW_FIXED)       \
	COLUMN(append_stats, lock_wait_time, FLOAT8OID, ROW_FIXED) \
	COLUMN(append_stats, stats_reset, TIMESTAMPTZOID, ROW_FIXED)
ROW_TABLE(append_stats, APPEND_STATS_COLUMNS);

static double
milliseconds(int64 nanoseconds)
{
	return (double) nanoseconds / 1000000;
}

static void
put_append_stats(ReturnSetInfo *rsinfo, const StreamInfo *stream)
{
	AppendTotals totals = {0};
	TableRow	 row;

	(void) append_counts_get(stream->stream_id, &totals);
	row_init(&row, &append_stats_table);
	row_set_text(&row, Anum_append_stats_stream_arn, stream->arn);
	row_set_text(&row, Anum_append_stats_table_name, stream->table_name);
	row_set_int64(&row, Anum_append_stats_commits, totals.commits);
	row_set_int64(&row, Anum_append_stats_records, totals.records);
	row_set_int64(&row, Anum_append_stats_bytes, totals.bytes);
	row_set_float8(&row, Anum_append_stats_append_time, milliseconds(totals.append_time));
	row_set_float8(&row, Anum_append_stats_lock_time, milliseconds(totals.lock_time));
	row_set_int64(&row, Anum_append_stats_lock_waits, totals.lock_waits);
	row_set_float8(&row, Anum_append_stats_lock_wait_time, milliseconds(totals.wait_time));
	row_set_time(&row, Anum_append_stats_stats_reset, totals.since);
	row_put(rsinfo, &row);
}

/* list_append_stats() returns setof record */
Datum
ddbstreams_list_append_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, stream_catalog_list(InvalidOid, statement_snapshot()))
	{
		StreamInfo *stream = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (shard_stats_are_shown(stream))
			put_append_stats(rsinfo, stream);
	}
	return (Datum) 0;
}
