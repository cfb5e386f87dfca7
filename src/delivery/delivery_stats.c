/*
 * delivery_stats.c
 *	  list_mapping_stats(): how far event source mappings are, behind the view
 *	  ddbstreams.mapping_stats.
 *
 * A caller sees the mappings of roles whose privileges it has; a member of
 * pg_monitor sees all.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "base/sequence_number.h"
#include "base/statement_snapshot.h"
#include "delivery/delivery_position.h"
#include "delivery/handler_mailbox.h"
#include "mapping/mapping_catalog.h"
#include "registry/row.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/shard_lag.h"
#include "worker/worker_slots.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_mapping_stats);

/* The columns of the result */
#define STATS_COLUMNS(COLUMN)                                 \
	COLUMN(stats, mapping, UUIDOID, ROW_FIXED)                \
	COLUMN(stats, function_name, TEXTOID, ROW_FIXED)          \
	COLUMN(stats, stream_arn, TEXTOID, ROW_FIXED)             \
	COLUMN(stats, shard_id, TEXTOID, ROW_FIXED)               \
	COLUMN(stats, lane, INT4OID, ROW_FIXED)                   \
	COLUMN(stats, state, TEXTOID, ROW_FIXED)                  \
	COLUMN(stats, lag_records, INT8OID, ROW_FIXED)            \
	COLUMN(stats, lag_seconds, FLOAT8OID, ROW_FIXED)          \
	COLUMN(stats, attempts, INT4OID, ROW_FIXED)               \
	COLUMN(stats, next_attempt_at, TIMESTAMPTZOID, ROW_FIXED) \
	COLUMN(stats, last_error, TEXTOID, ROW_FIXED)             \
	COLUMN(stats, last_error_at, TIMESTAMPTZOID, ROW_FIXED)   \
	COLUMN(stats, worker_pid, INT4OID, ROW_FIXED)             \
	COLUMN(stats, checkpoint, TEXTOID, ROW_FIXED)             \
	COLUMN(stats, records_delivered, INT8OID, ROW_FIXED)      \
	COLUMN(stats, records_filtered, INT8OID, ROW_FIXED)       \
	COLUMN(stats, records_lost, INT8OID, ROW_FIXED)           \
	COLUMN(stats, batches_delivered, INT8OID, ROW_FIXED)      \
	COLUMN(stats, batches_failed, INT8OID, ROW_FIXED)         \
	COLUMN(stats, records_given_up, INT8OID, ROW_FIXED)       \
	COLUMN(stats, role_name, TEXTOID, ROW_FIXED)              \
	COLUMN(stats, last_error_sqlstate, TEXTOID, ROW_FIXED)    \
	COLUMN(stats, failing_since, TIMESTAMPTZOID, ROW_FIXED)
ROW_TABLE(stats, STATS_COLUMNS);

static void
set_lag(TableRow *row, const StreamInfo *stream, const ShardInfo *shard,
		int64 checkpoint)
{
	ShardLag lag = shard_lag_behind(stream, shard, checkpoint, statement_snapshot());

	row_set_int64(row, Anum_stats_lag_records, lag.records);
	row_set_float8(row, Anum_stats_lag_seconds, lag.seconds);
}

/*
 * Returns the pid of the worker that runs the position's unit, or 0.  attempts
 * is that of the call that it makes; 0: of none.
 */
static int
worker_of_position(const DeliveryPosition *position, List *handlers, int *attempts)
{
	ListCell *lc;

	*attempts = 0;
	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		WorkerInfo	 worker;

		if (handler->state == HANDLER_RUNNING &&
			handler->unit.mapping_no == position->mapping_no &&
			handler->unit.shard_no == position->shard_no &&
			handler->unit.lane == position->lane &&
			worker_slots_get(handler->worker, &worker))
		{
			*attempts = handler->attempts;
			return worker.pid;
		}
	}
	return 0;
}

static const char *
state_of_position(const MappingInfo *mapping, const DeliveryPosition *position, bool is_called)
{
	if (position->finished)
		return "finished";
	if (!mapping_is_active(mapping))
		return "disabled";
	if (is_called)
		return "delivering";
	if (position->giving_up != NULL)
		return "giving up";
	if (position->failures > 0)
		return "retrying";
	return "ready";
}

static void
set_position(TableRow *row, const MappingInfo *mapping,
			 const DeliveryPosition *position, List *handlers)
{
	int	 attempts;
	int	 worker = worker_of_position(position, handlers, &attempts);
	bool is_called = worker != 0 && (attempts > 0 || position->in_call);

	row_set_int32(row, Anum_stats_lane, position->lane);
	row_set_text(row, Anum_stats_state,
				 state_of_position(mapping, position, is_called));
	/* The first call of a batch is not written in the position. */
	row_set_int32(row, Anum_stats_attempts, Max(position->attempts, attempts));
	row_set_time(row, Anum_stats_next_attempt_at, position->next_attempt_at);
	row_set_text(row, Anum_stats_last_error, position->last_error);
	row_set_time(row, Anum_stats_last_error_at, position->last_error_at);
	row_set_text(row, Anum_stats_last_error_sqlstate,
				 position->last_error_sqlstate[0] != '\0' ? position->last_error_sqlstate : NULL);
	row_set_time(row, Anum_stats_failing_since, position->failing_since);
	if (worker != 0)
		row_set_int32(row, Anum_stats_worker_pid, worker);
	row_set_text(row, Anum_stats_checkpoint,
				 sequence_number_text(position->checkpoint));
	row_set_int64(row, Anum_stats_records_delivered, position->records_delivered);
	row_set_int64(row, Anum_stats_records_filtered, position->records_filtered);
	row_set_int64(row, Anum_stats_records_lost, position->records_lost);
	row_set_int64(row, Anum_stats_batches_delivered, position->batches_delivered);
	row_set_int64(row, Anum_stats_batches_failed, position->batches_failed);
	row_set_int64(row, Anum_stats_records_given_up, position->records_given_up);
}

static void
begin_row(TableRow *row, const MappingInfo *mapping, const ShardInfo *shard)
{
	row_init(row, &stats_table);
	row_set_uuid(row, Anum_stats_mapping, &mapping->uuid);
	row_set_text(row, Anum_stats_function_name, mapping->function_name);
	row_set_text(row, Anum_stats_stream_arn, mapping->event_source_arn);
	row_set_text(row, Anum_stats_shard_id, shard->shard_id);
	row_set_text(row, Anum_stats_role_name, GetUserNameFromId(mapping->role_id, true));
}

/*
 * Returns which of the positions is the first one of a shard, if it has any.
 * They are in the order of shards' numbers.
 */
static int
first_position(const List *positions, int64 shard_no)
{
	int low = 0; /* all before it are of shards with lower numbers */
	int high = list_length(positions);

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (((DeliveryPosition *) list_nth(positions, middle))->shard_no < shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Puts a row for each lane of a shard, or one if it has no lanes yet.  A
 * mapping may have tens of thousands of positions.
 */
static void
put_shard_stats(ReturnSetInfo *rsinfo, const MappingInfo *mapping, const StreamInfo *stream,
				const ShardInfo *shard, List *positions, List *handlers)
{
	bool	  any = false;
	ListCell *lc;
	TableRow  row;

	for_each_from (lc, positions, first_position(positions, shard->shard_no))
	{
		DeliveryPosition *position = lfirst(lc);

		if (position->shard_no != shard->shard_no)
			break;
		any = true;
		begin_row(&row, mapping, shard);
		set_position(&row, mapping, position, handlers);
		if (position->finished)
		{
			row_set_int64(&row, Anum_stats_lag_records, 0);
			row_set_float8(&row, Anum_stats_lag_seconds, 0);
		}
		else
			set_lag(&row, stream, shard, position->checkpoint);
		row_put(rsinfo, &row);
	}
	if (any)
		return;
	begin_row(&row, mapping, shard);
	row_set_text(&row, Anum_stats_state,
				 mapping_is_active(mapping) ? "waiting" : "disabled");
	set_lag(&row, stream, shard, shard->starting_number - 1);
	row_put(rsinfo, &row);
}

/*
 * list_mapping_stats() returns setof record
 */
Datum
ddbstreams_list_mapping_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List		  *handlers = handler_mailbox_list(MyDatabaseId);
	bool		   sees_all = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, mapping_catalog_list())
	{
		MappingInfo *mapping = lfirst(lc);
		StreamInfo	*stream = stream_catalog_by_id(mapping->stream_id,
												   statement_snapshot());
		List		*positions;
		ListCell	*shard;

		if (stream == NULL ||
			(!sees_all && !has_privs_of_role(GetUserId(), mapping->role_id)))
			continue;
		positions = delivery_position_list(mapping->mapping_no);
		foreach (shard, shard_catalog_list(mapping->stream_id, statement_snapshot()))
			put_shard_stats(rsinfo, mapping, stream, lfirst(shard), positions, handlers);
	}
	return (Datum) 0;
}
