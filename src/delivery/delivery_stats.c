/*
 * delivery_stats.c
 *	  How far event source mappings are: view ddbstreams.mapping_stats.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/sequence_number.h"
#include "delivery/delivery_position.h"
#include "delivery/handler_mailbox.h"
#include "mapping/mapping_catalog.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/shard_lag.h"
#include "worker/worker_slots.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_mapping_stats);

enum
{
	OUT_MAPPING,
	OUT_FUNCTION_NAME,
	OUT_STREAM_ARN,
	OUT_SHARD_ID,
	OUT_LANE,
	OUT_STATE,
	OUT_LAG_RECORDS,
	OUT_LAG_SECONDS,
	OUT_ATTEMPTS,
	OUT_NEXT_ATTEMPT_AT,
	OUT_LAST_ERROR,
	OUT_LAST_ERROR_AT,
	OUT_WORKER_PID,
	OUT_CHECKPOINT,
	OUT_RECORDS_DELIVERED,
	OUT_RECORDS_FILTERED,
	OUT_RECORDS_LOST,
	OUT_BATCHES_DELIVERED,
	OUT_BATCHES_FAILED,
	OUT_COUNT
};

/* What a row is made of */
typedef struct Row
{
	Datum values[OUT_COUNT];
	bool  nulls[OUT_COUNT];
} Row;

static void
set(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
set_text(Row *row, int column, const char *text)
{
	if (text != NULL)
		set(row, column, CStringGetTextDatum(text));
}

static void
set_time(Row *row, int column, TimestampTz time)
{
	if (time != 0)
		set(row, column, TimestampTzGetDatum(time));
}

static void
set_lag(Row *row, const StreamInfo *stream, const ShardInfo *shard, int64 checkpoint)
{
	ShardLag lag = shard_lag_behind(stream, shard, checkpoint, GetActiveSnapshot());

	set(row, OUT_LAG_RECORDS, Int64GetDatum(lag.records));
	set(row, OUT_LAG_SECONDS, Float8GetDatum(lag.seconds));
}

/* Returns the pid of the worker that runs the position's unit, or 0. */
static int
worker_of_position(const DeliveryPosition *position, List *handlers)
{
	ListCell *lc;

	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		WorkerInfo	 worker;

		if (handler->state == HANDLER_RUNNING &&
			handler->unit.mapping_no == position->mapping_no &&
			handler->unit.shard_no == position->shard_no &&
			handler->unit.lane == position->lane &&
			worker_slots_get(handler->worker, &worker))
			return worker.pid;
	}
	return 0;
}

static const char *
state_of_position(const MappingInfo *mapping, const DeliveryPosition *position, int worker)
{
	if (position->finished)
		return "finished";
	if (!mapping_is_active(mapping))
		return "disabled";
	if (worker != 0 && position->in_call)
		return "delivering";
	if (position->giving_up != NULL)
		return "giving up";
	if (position->failures > 0)
		return "retrying";
	return "ready";
}

static void
set_position(Row *row, const MappingInfo *mapping, const DeliveryPosition *position,
			 List *handlers)
{
	int worker = worker_of_position(position, handlers);

	set(row, OUT_LANE, Int32GetDatum(position->lane));
	set_text(row, OUT_STATE, state_of_position(mapping, position, worker));
	set(row, OUT_ATTEMPTS, Int32GetDatum(position->attempts));
	set_time(row, OUT_NEXT_ATTEMPT_AT, position->next_attempt_at);
	set_text(row, OUT_LAST_ERROR, position->last_error);
	set_time(row, OUT_LAST_ERROR_AT, position->last_error_at);
	if (worker != 0)
		set(row, OUT_WORKER_PID, Int32GetDatum(worker));
	set_text(row, OUT_CHECKPOINT, sequence_number_text(position->checkpoint));
	set(row, OUT_RECORDS_DELIVERED, Int64GetDatum(position->records_delivered));
	set(row, OUT_RECORDS_FILTERED, Int64GetDatum(position->records_filtered));
	set(row, OUT_RECORDS_LOST, Int64GetDatum(position->records_lost));
	set(row, OUT_BATCHES_DELIVERED, Int64GetDatum(position->batches_delivered));
	set(row, OUT_BATCHES_FAILED, Int64GetDatum(position->batches_failed));
}

static void
begin_row(Row *row, const MappingInfo *mapping, const ShardInfo *shard)
{
	memset(row->nulls, true, sizeof(row->nulls));
	set(row, OUT_MAPPING, UUIDPGetDatum(&mapping->uuid));
	set_text(row, OUT_FUNCTION_NAME, mapping->function_name);
	set_text(row, OUT_STREAM_ARN, mapping->event_source_arn);
	set_text(row, OUT_SHARD_ID, shard->shard_id);
}

static void
put_row(ReturnSetInfo *rsinfo, Row *row)
{
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, row->values, row->nulls);
}

static void
put_shard(ReturnSetInfo *rsinfo, const MappingInfo *mapping, const StreamInfo *stream,
		  const ShardInfo *shard, List *positions, List *handlers)
{
	bool	  any = false;
	ListCell *lc;
	Row		  row;

	foreach (lc, positions)
	{
		DeliveryPosition *position = lfirst(lc);

		if (position->shard_no != shard->shard_no)
			continue;
		any = true;
		begin_row(&row, mapping, shard);
		set_position(&row, mapping, position, handlers);
		if (position->finished)
		{
			set(&row, OUT_LAG_RECORDS, Int64GetDatum(0));
			set(&row, OUT_LAG_SECONDS, Float8GetDatum(0));
		}
		else
			set_lag(&row, stream, shard, position->checkpoint);
		put_row(rsinfo, &row);
	}
	if (any)
		return;
	begin_row(&row, mapping, shard);
	set_text(&row, OUT_STATE, mapping_is_active(mapping) ? "waiting" : "disabled");
	set_lag(&row, stream, shard, shard->starting_number - 1);
	put_row(rsinfo, &row);
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
												   GetActiveSnapshot());
		List		*positions;
		ListCell	*shard;

		if (stream == NULL ||
			(!sees_all && !has_privs_of_role(GetUserId(), mapping->role_id)))
			continue;
		positions = delivery_position_list(mapping->mapping_no);
		foreach (shard, shard_catalog_list(mapping->stream_id, GetActiveSnapshot()))
			put_shard(rsinfo, mapping, stream, lfirst(shard), positions, handlers);
	}
	return (Datum) 0;
}
