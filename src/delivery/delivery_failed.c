/*
 * delivery_failed.c
 *	  Batches that were given up: ddbstreams_shards.failed_batch, and
 *	  on_failure.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/guarded_call.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "mapping/mapping.h"
#include "registry/owner_sql.h"

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
	static const Oid types[9] = {UUIDOID, INT8OID, UUIDOID, OIDOID, TEXTOID,
								 TEXTOID, JSONBOID, JSONBOID, TIMESTAMPTZOID};
	RecordsWork		 work = {batch, NULL};
	char			 nulls[] = "         ";
	Datum			 values[9];
	char			*problem = message_of_failure(make_records, &work);
	OwnerSql		 state;

	if (problem != NULL)
	{
		nulls[7] = 'n';
		ereport(WARNING,
				(errmsg("ddbstreams keeps a failed batch of event source mapping %s without its records",
						mapping_uuid_text(mapping)),
				 errdetail("%s", problem)));
	}
	values[0] = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	values[1] = Int64GetDatum(mapping->mapping_no);
	values[2] = UUIDPGetDatum(&mapping->uuid);
	values[3] = ObjectIdGetDatum(mapping->role_id);
	values[4] = CStringGetTextDatum(mapping->event_source_arn);
	values[5] = CStringGetTextDatum(shard->shard_id);
	values[6] = JsonbPGetDatum(delivery_call_json(failure));
	values[7] = work.records == NULL ? (Datum) 0 : JsonbPGetDatum(work.records);
	values[8] = TimestampTzGetDatum(GetCurrentTimestamp());
	owner_sql_begin(&state);
	owner_sql("INSERT INTO ddbstreams_shards.failed_batch (id, mapping_no, mapping,"
			  " role_id, stream_arn, shard_id, failure, records, failed_at)"
			  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			  9, types, values, nulls);
	owner_sql_end(&state);
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
