/*
 * delivery_failed.c
 *	  Batches that were given up: ddbstreams_shards.failed_batch, and
 *	  on_failure.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guarded_call.h"
#include "base/own_transaction.h"
#include "base/settings.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "mapping/mapping.h"
#include "reading/stream_access.h"
#include "registry/catalog_table.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* The columns that a failed batch begins with; the others have defaults. */
#define FAILED_COLUMNS(COLUMN)                           \
	COLUMN(failed, id, UUIDOID, ROW_FIXED)               \
	COLUMN(failed, mapping_no, INT8OID, ROW_FIXED)       \
	COLUMN(failed, mapping, UUIDOID, ROW_FIXED)          \
	COLUMN(failed, role_id, OIDOID, ROW_FIXED)           \
	COLUMN(failed, stream_arn, TEXTOID, ROW_FIXED)       \
	COLUMN(failed, shard_id, TEXTOID, ROW_FIXED)         \
	COLUMN(failed, table_oid, REGCLASSOID, ROW_FIXED)    \
	COLUMN(failed, failure, JSONBOID, ROW_FIXED)         \
	COLUMN(failed, records, JSONBOID, ROW_FIXED)         \
	COLUMN(failed, failed_at, TIMESTAMPTZOID, ROW_FIXED) \
	COLUMN(failed, at_a_time, INT4OID, ROW_PARAMETER)
ROW_TABLE(failed, FAILED_COLUMNS);

/* So many batches go at most in one run of maintenance. */
#define TIDY_AT_A_TIME 1000

PG_FUNCTION_INFO_V1(ddbstreams_may_read_batch);

/* Runs a function in a subtransaction; returns its error's text, or NULL. */
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
delivery_failed_insert(const MappingInfo *mapping, const StreamInfo *stream,
					   const ShardInfo *shard, const char *failure,
					   const DeliveryBatch *batch)
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
	row_set_oid(&row, Anum_failed_table_oid, stream->table_oid);
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

void
delivery_failed_tidy(void)
{
	TimestampTz oldest = clock_now() -
						 setting_failed_batch_retention * USECS_PER_SEC;
	TableRow	row;

	row_init(&row, &failed_table);
	row_set_time(&row, Anum_failed_failed_at,
				 setting_failed_batch_retention > 0 ? oldest : DT_NOBEGIN);
	row_set_int32(&row, Anum_failed_at_a_time, TIDY_AT_A_TIME);
	own_transaction_begin();
	if (catalog_table_is_installed())
		(void) owner_sql_execute("DELETE FROM ddbstreams_shards.failed_batch"
								 " WHERE id IN (SELECT id FROM ddbstreams_shards.failed_batch"
								 "  WHERE failed_at < $failed_at LIMIT $at_a_time"
								 "  FOR UPDATE SKIP LOCKED)"
								 " OR id IN (SELECT id FROM ddbstreams_shards.failed_batch AS b"
								 "  WHERE NOT EXISTS (SELECT FROM ddbstreams_shards.mapping AS m"
								 "   WHERE m.mapping_no = b.mapping_no) LIMIT $at_a_time"
								 "  FOR UPDATE SKIP LOCKED)",
								 &row);
	own_transaction_commit();
}

/*
 * may_read_batch(stream_arn text, table_oid regclass) returns boolean
 *
 * The view failed_batches calls this as its reader.  If the stream has
 * expired, the right to read its table counts.  If the table does not exist
 * any more either, only superusers see the batch.
 */
Datum
ddbstreams_may_read_batch(PG_FUNCTION_ARGS)
{
	char	   *arn = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			table = PG_GETARG_OID(1);
	StreamInfo *stream = stream_catalog_by_arn(arn, NULL);

	if (stream != NULL)
		PG_RETURN_BOOL(stream_access_may_read(stream));
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)))
		PG_RETURN_BOOL(stream_access_may_read_table(table));
	PG_RETURN_BOOL(superuser());
}
