/*
 * consumer_stats.c
 *	  list_consumer_stats(): how far consumer groups are, behind the view
 *	  ddbstreams.consumer_stats.
 *
 * A caller sees the consumers of its roles and those whose streams it may
 * read; a member of pg_monitor sees all.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_view.h"
#include "reading/stream_access.h"
#include "registry/row.h"
#include "shard/horizon.h"
#include "shard/shard_lag.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_consumer_stats);

/* The columns of the result */
#define STATS_COLUMNS(COLUMN)                               \
	COLUMN(stats, consumer_name, TEXTOID, ROW_FIXED)        \
	COLUMN(stats, stream_arn, TEXTOID, ROW_FIXED)           \
	COLUMN(stats, shard_id, TEXTOID, ROW_FIXED)             \
	COLUMN(stats, state, TEXTOID, ROW_FIXED)                \
	COLUMN(stats, lease_owner, TEXTOID, ROW_FIXED)          \
	COLUMN(stats, lag_records, INT8OID, ROW_FIXED)          \
	COLUMN(stats, lag_seconds, FLOAT8OID, ROW_FIXED)        \
	COLUMN(stats, attempts, INT4OID, ROW_FIXED)             \
	COLUMN(stats, lost_records, INT8OID, ROW_FIXED)         \
	COLUMN(stats, last_error, TEXTOID, ROW_FIXED)           \
	COLUMN(stats, last_error_at, TIMESTAMPTZOID, ROW_FIXED) \
	COLUMN(stats, worker_pid, INT4OID, ROW_FIXED)
ROW_TABLE(stats, STATS_COLUMNS);

/* Returns the state of a lease; README has what they mean. */
static const char *
state_name(const ConsumerView *view, const ConsumerShard *shard)
{
	if (shard->lease->kind == CHECKPOINT_SHARD_END)
		return "finished";
	if (!consumer_view_is_eligible(shard))
		return "waiting";
	if (shard->lease->owner == NULL)
		return "free";
	return consumer_view_is_free(view, shard) ? "expired" : "owned";
}

static void
put_lease(ReturnSetInfo *rsinfo, const ConsumerView *view,
		  const ConsumerShard *shard, int64 lost_records)
{
	const ConsumerLease *lease = shard->lease;
	TableRow			 row;
	ShardLag			 lag = {0, 0};

	if (lease->kind != CHECKPOINT_SHARD_END)
		lag = shard_lag_behind(view->stream, shard->info, lease->checkpoint,
							   view->snapshot);
	row_init(&row, &stats_table);
	row_set_text(&row, Anum_stats_consumer_name, view->consumer->consumer_name);
	row_set_text(&row, Anum_stats_stream_arn, view->consumer->stream_arn);
	row_set_text(&row, Anum_stats_shard_id, shard->info->shard_id);
	row_set_text(&row, Anum_stats_state, state_name(view, shard));
	row_set_text(&row, Anum_stats_lease_owner, lease->owner);
	row_set_int64(&row, Anum_stats_lag_records, lag.records);
	row_set_float8(&row, Anum_stats_lag_seconds, lag.seconds);
	row_set_int32(&row, Anum_stats_attempts, lease->attempts);
	row_set_int64(&row, Anum_stats_lost_records, lost_records);
	row_set_text(&row, Anum_stats_last_error, lease->last_error);
	row_set_time(&row, Anum_stats_last_error_at, lease->last_error_at);
	if (lease->worker_pid != 0)
		row_set_int32(&row, Anum_stats_worker_pid, lease->worker_pid);
	row_put(rsinfo, &row);
}

/* Puts the one row of a consumer whose stream is gone. */
static void
put_streamless(ReturnSetInfo *rsinfo, const ConsumerInfo *consumer)
{
	TableRow row;

	row_init(&row, &stats_table);
	row_set_text(&row, Anum_stats_consumer_name, consumer->consumer_name);
	row_set_text(&row, Anum_stats_stream_arn, consumer->stream_arn);
	row_set_text(&row, Anum_stats_state, "stream is gone");
	row_set_int64(&row, Anum_stats_lost_records, consumer->lost_records);
	row_put(rsinfo, &row);
}

/*
 * Puts a row for each shard of the consumer's stream, if the caller may see
 * them: sees_all is true, or the caller may read the stream.
 */
static void
put_consumer(ReturnSetInfo *rsinfo, ConsumerInfo *consumer, bool sees_all)
{
	List		*leases = consumer_catalog_leases(consumer->consumer_no);
	ConsumerView view;
	int64		 lost_records = consumer->lost_records;
	ListCell	*lc;

	consumer_view_load_consumer(&view, consumer);
	if (view.stream == NULL || horizon_has_passed_stream(view.stream))
	{
		if (sees_all)
			put_streamless(rsinfo, consumer);
	}
	else if (sees_all || stream_access_may_read(view.stream))
	{
		foreach (lc, leases)
			lost_records += ((ConsumerLease *) lfirst(lc))->lost_records;
		consumer_view_fill(&view, leases);
		for (int i = 0; i < view.count; i++)
		{
			ConsumerShard *shard = &view.shards[i];

			if (shard->lease == NULL)
			{
				shard->lease = palloc(sizeof(ConsumerLease));
				consumer_lease_init(shard->lease, shard->info);
			}
			put_lease(rsinfo, &view, shard, lost_records);
		}
	}
	consumer_view_end(&view);
}

/* list_consumer_stats() returns setof record */
Datum
ddbstreams_list_consumer_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		   is_monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, consumer_catalog_list())
	{
		ConsumerInfo *consumer = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		put_consumer(rsinfo, consumer,
					 is_monitor || has_privs_of_role(GetUserId(), consumer->role_id));
	}
	return (Datum) 0;
}
