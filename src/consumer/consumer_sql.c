/*
 * consumer_sql.c
 *	  The SQL functions of consumer groups but poll(): create_consumer(),
 *	  drop_consumer(), checkpoint(), leases().
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/sequence_number.h"
#include "base/statement_snapshot.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_sql.h"
#include "consumer/consumer_view.h"
#include "reading/stream_access.h"
#include "registry/id_sequence.h"
#include "registry/row.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

PG_FUNCTION_INFO_V1(ddbstreams_create_consumer);
PG_FUNCTION_INFO_V1(ddbstreams_drop_consumer);
PG_FUNCTION_INFO_V1(ddbstreams_checkpoint);
PG_FUNCTION_INFO_V1(ddbstreams_leases);

#define MIN_LEASE USECS_PER_SEC
#define MAX_LEASE USECS_PER_DAY

/* Maintenance looks at every consumer in each of its runs. */
#define MAX_CONSUMERS_OF_STREAM 1000
#define MAX_CONSUMERS_OF_ROLE	200

/* Returns a name as a palloc'd string; an error if its length is wrong. */
static char *
check_name(const text *argument, const char *what)
{
	char *name = text_to_cstring(argument);
	int	  length = pg_mbstrlen(name);

	if (length < 1 || length > CONSUMER_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have 1 to %d characters", what, CONSUMER_MAX_NAME)));
	return name;
}

static char *
name_argument(const text *name)
{
	return check_name(name, "consumer_name");
}

char *
consumer_sql_worker_argument(const text *worker_id)
{
	return check_name(worker_id, "worker_id");
}

/*
 * Creates the lease of a shard at the consumer's starting position.  At LATEST
 * the lease of a shard that is closed already is finished.
 */
static void
create_lease(const ConsumerInfo *consumer, const StreamInfo *stream,
			 const ShardInfo *shard, bool at_latest, Snapshot snapshot)
{
	ConsumerLease lease;

	consumer_lease_init(&lease, shard);
	if (!at_latest)
		lease.checkpoint = Max(shard->starting_number,
							   horizon_of_shard(stream, shard, snapshot)) -
						   1;
	else if (ShardIsOpen(shard))
	{
		lease.kind = CHECKPOINT_LATEST;
		lease.checkpoint = shard_reader_latest(shard, snapshot);
	}
	else
	{
		lease.kind = CHECKPOINT_SHARD_END;
		lease.checkpoint = shard->ending_number;
	}
	lease.returned = lease.checkpoint;
	(void) consumer_catalog_insert_lease(consumer->consumer_no, &lease);
}

/* Reads a starting position: LATEST, or not. */
static bool
is_latest(const char *starting_position)
{
	if (strcmp(starting_position, "LATEST") == 0)
		return true;
	if (strcmp(starting_position, "TRIM_HORIZON") != 0)
		error_enum(starting_position, "startingPosition", "starting_position",
				   "LATEST, TRIM_HORIZON");
	return false;
}

/*
 * Raises an error if the stream has more consumers than it may have, this new
 * one included.  Transactions that create consumers at the same time do not
 * see each other's.
 */
static void
check_room(const ConsumerInfo *consumer)
{
	List	 *consumers = consumer_catalog_list_of_stream(consumer->stream_id);
	int		  of_role = 0;
	ListCell *lc;

	foreach (lc, consumers)
	{
		if (((ConsumerInfo *) lfirst(lc))->role_id == consumer->role_id)
			of_role++;
	}
	if (of_role > MAX_CONSUMERS_OF_ROLE ||
		list_length(consumers) > MAX_CONSUMERS_OF_STREAM)
		ereport(ERROR,
				(errcode(ERRCODE_LIMIT_EXCEEDED),
				 errmsg("The stream has reached the limit on consumers."),
				 errdetail("A stream can have %d consumers of one role, and %d in all.",
						   MAX_CONSUMERS_OF_ROLE, MAX_CONSUMERS_OF_STREAM),
				 errhint("Drop consumers that are not needed, or share the shards of one among several workers.")));
}

/*
 * create_consumer(consumer_name text, stream_arn text, starting_position text,
 *				   lease_duration interval) returns void
 *
 * LATEST is taken in the statement's snapshot, and so are the shards: shards
 * that come later are read from their start.
 */
Datum
ddbstreams_create_consumer(PG_FUNCTION_ARGS)
{
	Snapshot	 snapshot = statement_snapshot();
	ConsumerInfo consumer = {0};
	Interval	*lease_duration;
	StreamInfo	*stream;
	char		*starting_position;
	bool		 at_latest;
	ListCell	*lc;

	if (PG_ARGISNULL(0))
		error_null_argument("consumer_name");
	if (PG_ARGISNULL(1))
		error_null_argument("streamArn");
	if (PG_ARGISNULL(2))
		error_null_argument("startingPosition");
	if (PG_ARGISNULL(3))
		error_null_argument("lease_duration");
	PreventCommandIfReadOnly("create_consumer()");
	consumer.consumer_name = name_argument(PG_GETARG_TEXT_PP(0));
	starting_position = text_to_cstring(PG_GETARG_TEXT_PP(2));
	at_latest = is_latest(starting_position);
	lease_duration = PG_GETARG_INTERVAL_P(3);
	consumer.lease_usec = clock_interval_usec(lease_duration);
	if (consumer.lease_usec < MIN_LEASE || consumer.lease_usec > MAX_LEASE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease_duration must be between 1 second and 1 day")));
	stream = stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(1)), snapshot);

	consumer.consumer_no = id_sequence_next();
	consumer.stream_id = stream->stream_id;
	consumer.stream_arn = stream->arn;
	consumer.role_id = GetUserId();
	if (!consumer_catalog_insert(&consumer, starting_position, lease_duration))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("consumer \"%s\" already exists", consumer.consumer_name)));
	check_room(&consumer);
	foreach (lc, shard_catalog_list(stream->stream_id, snapshot))
		create_lease(&consumer, stream, lfirst(lc), at_latest, snapshot);
	PG_RETURN_VOID();
}

/*
 * drop_consumer(consumer_name text) returns void
 */
Datum
ddbstreams_drop_consumer(PG_FUNCTION_ARGS)
{
	ConsumerInfo *consumer;

	if (PG_ARGISNULL(0))
		error_null_argument("consumer_name");
	PreventCommandIfReadOnly("drop_consumer()");
	consumer = consumer_catalog_by_name(name_argument(PG_GETARG_TEXT_PP(0)));
	consumer_catalog_delete(consumer->consumer_no);
	PG_RETURN_VOID();
}

/* Raises the error of a worker that checkpoints without having the lease. */
static void
report_lost_lease(const ConsumerInfo *consumer, const char *worker_id,
				  const ShardInfo *shard, const ConsumerLease *lease)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("worker \"%s\" does not hold the lease of shard %s of consumer \"%s\"",
					worker_id, shard->shard_id, consumer->consumer_name),
			 lease == NULL || lease->owner == NULL ?
				 errdetail("No worker holds it.") :
				 errdetail("Worker \"%s\" holds it, by lease counter %lld.",
						   lease->owner, (long long) lease->counter),
			 errhint("Poll again: the worker that holds the lease now processes the records that were not checkpointed.")));
}

/*
 * Raises an error unless the number can be a checkpoint of the shard.  It must
 * be in the shard's range, not before the present checkpoint, and not behind
 * what poll has returned to the present owner.
 */
static void
check_checkpoint(const ShardInfo *shard, const ConsumerLease *lease,
				 const char *sequence_number, int64 number)
{
	if (number < shard->starting_number ||
		(!ShardIsOpen(shard) && number > shard->ending_number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid SequenceNumber: %s is not in the range of shard %s",
						sequence_number, shard->shard_id)));
	if (number < lease->checkpoint)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid SequenceNumber: %s is before the checkpoint of shard %s",
						sequence_number, shard->shard_id),
				 errdetail("The checkpoint is %s.", sequence_number_text(lease->checkpoint))));
	if (number > Max(lease->returned, lease->checkpoint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid SequenceNumber: %s is beyond what poll has returned of shard %s",
						sequence_number, shard->shard_id),
				 errdetail("Since worker \"%s\" has the lease, poll has returned no record behind %s.",
						   lease->owner, sequence_number_text(lease->returned)),
				 errhint("A worker that was away for long may have lost its lease in between: poll again.")));
}

/*
 * checkpoint(consumer_name text, worker_id text, shard_id text,
 *			  sequence_number text) returns void
 */
Datum
ddbstreams_checkpoint(PG_FUNCTION_ARGS)
{
	Snapshot	   snapshot;
	ConsumerInfo  *consumer;
	StreamInfo	  *stream;
	ShardInfo	  *shard;
	ConsumerLease *lease;
	char		  *worker_id;
	char		  *sequence_number;
	int64		   number;

	if (PG_ARGISNULL(0))
		error_null_argument("consumer_name");
	if (PG_ARGISNULL(1))
		error_null_argument("worker_id");
	if (PG_ARGISNULL(2))
		error_null_argument("shardId");
	if (PG_ARGISNULL(3))
		error_null_argument("sequenceNumber");
	PreventCommandIfReadOnly("checkpoint()");
	consumer = consumer_catalog_by_name(name_argument(PG_GETARG_TEXT_PP(0)));
	worker_id = consumer_sql_worker_argument(PG_GETARG_TEXT_PP(1));
	sequence_number = text_to_cstring(PG_GETARG_TEXT_PP(3));
	number = sequence_number_parse(sequence_number);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	stream = consumer_view_find_stream(consumer, snapshot);
	stream_access_check(stream);
	shard = stream_access_shard(stream, text_to_cstring(PG_GETARG_TEXT_PP(2)), snapshot);
	UnregisterSnapshot(snapshot);

	lease = consumer_catalog_lock_lease(consumer->consumer_no, shard->shard_no);
	/* The consumer may have been dropped meanwhile. */
	if (lease == NULL)
		(void) consumer_catalog_by_name(consumer->consumer_name);
	if (lease == NULL || lease->owner == NULL || strcmp(lease->owner, worker_id) != 0)
		report_lost_lease(consumer, worker_id, shard, lease);
	if (lease->kind == CHECKPOINT_SHARD_END && number == lease->checkpoint)
		PG_RETURN_VOID();
	check_checkpoint(shard, lease, sequence_number, number);

	if (number > lease->checkpoint)
		lease->attempts = 0;
	lease->kind = CHECKPOINT_NUMBER;
	lease->checkpoint = number;
	lease->owner_switches = 0;
	lease->counter++;
	lease->expires_at = clock_now() + consumer->lease_usec;
	lease->worker_pid = MyProcPid;
	if (!ShardIsOpen(shard) && number >= shard->ending_number)
	{
		lease->kind = CHECKPOINT_SHARD_END;
		consumer_catalog_wake_workers(consumer->consumer_no);
	}
	consumer_catalog_update_lease(consumer->consumer_no, lease);
	PG_RETURN_VOID();
}

/* The columns of leases() */
#define LEASES_COLUMNS(COLUMN)                            \
	COLUMN(leases, shard_id, TEXTOID, ROW_FIXED)          \
	COLUMN(leases, parent_shard_id, TEXTOID, ROW_FIXED)   \
	COLUMN(leases, lease_owner, TEXTOID, ROW_FIXED)       \
	COLUMN(leases, lease_counter, INT8OID, ROW_FIXED)     \
	COLUMN(leases, checkpoint, TEXTOID, ROW_FIXED)        \
	COLUMN(leases, expires_at, TIMESTAMPTZOID, ROW_FIXED) \
	COLUMN(leases, owner_switches_since_checkpoint, INT4OID, ROW_FIXED)
ROW_TABLE(leases, LEASES_COLUMNS);

/* Returns a checkpoint as leases() shows it. */
static const char *
checkpoint_text(const ConsumerLease *lease)
{
	switch (lease->kind)
	{
		case CHECKPOINT_TRIM_HORIZON:
			return "TRIM_HORIZON";
		case CHECKPOINT_LATEST:
			return "LATEST";
		case CHECKPOINT_SHARD_END:
			return "SHARD_END";
		case CHECKPOINT_NUMBER:
			break;
	}
	return sequence_number_text(lease->checkpoint);
}

/*
 * leases(consumer_name text) returns setof record
 *
 * Members of pg_monitor see the leases of any consumer.
 */
Datum
ddbstreams_leases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ConsumerView   view = {0};
	char		  *consumer_name;

	if (PG_ARGISNULL(0))
		error_null_argument("consumer_name");
	consumer_name = name_argument(PG_GETARG_TEXT_PP(0));
	view.consumer = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ?
						consumer_catalog_find(consumer_name) :
						NULL;
	if (view.consumer == NULL)
		view.consumer = consumer_catalog_by_name(consumer_name);
	InitMaterializedSRF(fcinfo, 0);
	view.snapshot = statement_snapshot();
	view.stream = consumer_view_find_stream(view.consumer, view.snapshot);
	consumer_view_fill(&view, consumer_catalog_leases(view.consumer->consumer_no));
	for (int i = 0; i < view.count; i++)
	{
		const ShardInfo		*shard = view.shards[i].info;
		const ConsumerLease *lease = view.shards[i].lease;
		TableRow			 row;

		if (lease == NULL)
			continue;
		row_init(&row, &leases_table);
		row_set_text(&row, Anum_leases_shard_id, shard->shard_id);
		row_set_text(&row, Anum_leases_parent_shard_id, shard->parent_shard_id);
		row_set_text(&row, Anum_leases_lease_owner, lease->owner);
		row_set_int64(&row, Anum_leases_lease_counter, lease->counter);
		row_set_text(&row, Anum_leases_checkpoint, checkpoint_text(lease));
		if (lease->owner != NULL)
			row_set_time(&row, Anum_leases_expires_at, lease->expires_at);
		row_set_int32(&row, Anum_leases_owner_switches_since_checkpoint, lease->owner_switches);
		row_put(rsinfo, &row);
	}
	return (Datum) 0;
}
