/*
 * delivery_failed.c
 *	  Batches that were given up: ddbstreams_shards.failed_batch, and
 *	  on_failure.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/guarded_call.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "mapping/mapping.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* The columns that a failed batch begins with; the others have defaults. */
#define FAILED_COLUMNS(COLUMN)                     \
	COLUMN(failed, id, UUIDOID, ROW_FIXED)         \
	COLUMN(failed, mapping_no, INT8OID, ROW_FIXED) \
	COLUMN(failed, mapping, UUIDOID, ROW_FIXED)    \
	COLUMN(failed, role_id, OIDOID, ROW_FIXED)     \
	COLUMN(failed, stream_arn, TEXTOID, ROW_FIXED) \
	COLUMN(failed, shard_id, TEXTOID, ROW_FIXED)   \
	COLUMN(failed, failure, JSONBOID, ROW_FIXED)   \
	COLUMN(failed, records, JSONBOID, ROW_FIXED)   \
	COLUMN(failed, failed_at, TIMESTAMPTZOID, ROW_FIXED)
ROW_TABLE(failed, FAILED_COLUMNS);

/*
 * Runs a function in a subtransaction; returns NULL, or its error's message.
 */
static char *
message_of_failure(GuardedFunction function, void *argument)
{
	ErrorData *error = guarded_call_error(function, argument);

	return error == NULL ? NULL : error->message;
}

typedef struct RecordsWork
{
	const DeliveryBatch *batch;
	Jsonb				*records; /* the result */
} RecordsWork;

static void
make_records(void *argument)
{
	RecordsWork	  *work = argument;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	appendBinaryStringInfo(&buf, work->batch->records.data, work->batch->records.len);
	appendStringInfoChar(&buf, ']');
	work->records = delivery_call_json(buf.data);
}

void
delivery_failed_insert(const MappingInfo *mapping, const ShardInfo *shard,
					   const char *failure, const DeliveryBatch *batch)
{
	RecordsWork work = {batch, NULL};
	char	   *problem = message_of_failure(make_records, &work);
	Datum		id = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	TableRow	row;

	if (problem != NULL)
		ereport(WARNING,
				(errmsg("ddbstreams keeps a failed batch of event source mapping %s without its records",
						mapping_uuid_text(mapping)),
				 errdetail("%s", problem)));
	row_init(&row, &failed_table);
	row_set_uuid(&row, Anum_failed_id, DatumGetUUIDP(id));
	row_set_int64(&row, Anum_failed_mapping_no, mapping->mapping_no);
	row_set_uuid(&row, Anum_failed_mapping, &mapping->uuid);
	row_set_oid(&row, Anum_failed_role_id, mapping->role_id);
	row_set_text(&row, Anum_failed_stream_arn, mapping->event_source_arn);
	row_set_text(&row, Anum_failed_shard_id, shard->shard_id);
	row_set_jsonb(&row, Anum_failed_failure, delivery_call_json(failure));
	row_set_jsonb(&row, Anum_failed_records, work.records);
	row_set_time(&row, Anum_failed_failed_at, GetCurrentTimestamp());
	(void) owner_sql_execute("INSERT INTO ddbstreams_shards.failed_batch ($(columns))"
							 " VALUES ($(values))",
							 &row);
}

typedef struct TellWork
{
	const char *function;
	const char *document;
} TellWork;

static void
call_on_failure(void *argument)
{
	TellWork *work = argument;
	Oid		  function = delivery_call_find(work->function, MAPPING_ON_FAILURE);

	PushActiveSnapshot(GetTransactionSnapshot());
	(void) delivery_call(function, delivery_call_json(work->document));
	PopActiveSnapshot();
}

char *
delivery_failed_tell(const MappingInfo *mapping, const char *failure,
					 const DeliveryBatch *batch)
{
	TellWork work = {mapping->on_failure,
					 delivery_event_failure_with_payload(failure, batch)};
	char	*problem = message_of_failure(call_on_failure, &work);

	delivery_call_end();
	return problem;
}
