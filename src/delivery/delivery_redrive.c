/*
 * delivery_redrive.c
 *	  Delivering failed batches again.
 *
 * redrive() marks failed batches (redrive_at).  The dispatcher then has a unit
 * for the mapping's marked batches, and a handler worker calls the mapping's
 * function for them, one after another and each once.  As with any batch, the
 * call is marked before it is made, and its effects are committed together
 * with its end (redriven_at).  A batch that fails again stays a failed batch,
 * with the error, until redrive() is called for it again.
 *
 * Locks: redrive() locks the rows of failed_batch that it marks, and waits for
 * them; a handler worker locks one row at a time, for an instant, after the
 * fence of mapping_lock.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "base/own_transaction.h"
#include "base/sequence_number.h"
#include "delivery/delivery_answer.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_redrive.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_lock.h"
#include "reading/stream_access.h"
#include "registry/owner_sql.h"
#include "registry/stream_catalog.h"
#include "worker/worker_databases.h"

PG_FUNCTION_INFO_V1(ddbstreams_redrive);

typedef struct RedriveStep
{
	MemoryContext context;
	MappingInfo	 *mapping;
	StreamInfo	 *stream;
	pg_uuid_t	  id;
	bool		  in_call; /* a call of it has begun and has not ended */
	Jsonb		 *records;
	int			  count;   /* of records */
	int64		 *numbers; /* of the records; -1 where there is none */
} RedriveStep;

/*
 * redrive(uuid uuid) returns int
 */
Datum
ddbstreams_redrive(PG_FUNCTION_ARGS)
{
	Oid		 types[2] = {UUIDOID, OIDOID};
	Datum	 values[2];
	char	 nulls[] = "  ";
	OwnerSql state;
	uint64	 count;
	bool	 known = true;

	values[1] = ObjectIdGetDatum(GetUserId());
	if (PG_ARGISNULL(0))
		nulls[0] = 'n';
	else
		values[0] = PG_GETARG_DATUM(0);

	owner_sql_begin(&state);
	count = owner_sql("UPDATE ddbstreams_shards.failed_batch AS b"
					  " SET redrive_at = clock_timestamp(), last_error = NULL"
					  " FROM ddbstreams_shards.mapping AS m"
					  " WHERE m.mapping_no = b.mapping_no"
					  " AND b.redriven_at IS NULL AND b.redrive_at IS NULL AND b.records IS NOT NULL"
					  " AND ($1 IS NULL OR b.id = $1 OR b.mapping = $1)"
					  " AND pg_has_role($2, b.role_id, 'USAGE')",
					  2, types, values, nulls);
	if (count == 0 && nulls[0] != 'n')
		known = owner_sql("SELECT 1 FROM ddbstreams_shards.failed_batch"
						  " WHERE (id = $1 OR mapping = $1) AND pg_has_role($2, role_id, 'USAGE')"
						  " UNION ALL SELECT 1 FROM ddbstreams_shards.mapping"
						  " WHERE uuid = $1 AND pg_has_role($2, role_id, 'USAGE')",
						  2, types, values, nulls) > 0;
	owner_sql_end(&state);
	if (!known)
		mapping_catalog_not_found();
	if (count > 0)
		worker_databases_want_dispatcher_at_commit();
	PG_RETURN_INT32((int32) count);
}

bool
delivery_redrive_is_wanted(int64 mapping_no)
{
	Oid		 type = INT8OID;
	Datum	 value = Int64GetDatum(mapping_no);
	OwnerSql state;
	bool	 found;

	owner_sql_begin(&state);
	found = owner_sql("SELECT 1 FROM ddbstreams_shards.failed_batch"
					  " WHERE mapping_no = $1 AND redrive_at IS NOT NULL LIMIT 1",
					  1, &type, &value, NULL) > 0;
	owner_sql_end(&state);
	return found;
}

/* Finds the next batch that waits; returns false if there is none. */
static bool
find_batch(RedriveStep *redrive)
{
	Oid			  type = INT8OID;
	Datum		  value = Int64GetDatum(redrive->mapping->mapping_no);
	OwnerSql	  state;
	bool		  found;
	MemoryContext spi_context;

	owner_sql_begin(&state);
	found = owner_sql("SELECT id, in_call, records FROM ddbstreams_shards.failed_batch"
					  " WHERE mapping_no = $1 AND redrive_at IS NOT NULL"
					  " ORDER BY failed_at, id LIMIT 1",
					  1, &type, &value, NULL) > 0;
	if (found)
	{
		HeapTuple tuple = SPI_tuptable->vals[0];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool	  isnull;

		spi_context = MemoryContextSwitchTo(redrive->context);
		redrive->id = *DatumGetUUIDP(SPI_getbinval(tuple, desc, 1, &isnull));
		redrive->in_call = DatumGetBool(SPI_getbinval(tuple, desc, 2, &isnull));
		redrive->records = DatumGetJsonbPCopy(SPI_getbinval(tuple, desc, 3, &isnull));
		MemoryContextSwitchTo(spi_context);
	}
	owner_sql_end(&state);
	return found;
}

/*
 * Runs a statement whose $1 is the batch, $2 an error or null, and $3
 * kept_from.  Returns false if the batch does not wait any more.
 */
static bool
update_batch(const RedriveStep *redrive, const char *query, const char *error, int kept_from)
{
	Oid		 types[3] = {UUIDOID, TEXTOID, INT4OID};
	Datum	 values[3];
	char	 nulls[] = "   ";
	OwnerSql state;
	uint64	 count;

	values[0] = UUIDPGetDatum(&redrive->id);
	values[2] = Int32GetDatum(kept_from);
	if (error == NULL)
		nulls[1] = 'n';
	else
		values[1] = CStringGetTextDatum(error);
	owner_sql_begin(&state);
	count = owner_sql(query, 3, types, values, nulls);
	owner_sql_end(&state);
	return count == 1;
}

/*
 * Writes down that a batch has been delivered again, or that it has failed
 * again with an error.  In the latter case the records before kept_from were
 * delivered and are taken away.
 */
static bool
end_batch(const RedriveStep *redrive, const char *error, int kept_from)
{
	return update_batch(redrive,
						"UPDATE ddbstreams_shards.failed_batch SET redrive_at = NULL, in_call = false,"
						" last_error = $2, redriven_at = CASE WHEN $2 IS NULL THEN clock_timestamp() END,"
						" records = CASE WHEN $3 = 0 THEN records ELSE"
						"  (SELECT jsonb_agg(value ORDER BY ordinality)"
						"   FROM jsonb_array_elements(records) WITH ORDINALITY WHERE ordinality > $3) END"
						" WHERE id = $1 AND redrive_at IS NOT NULL",
						error, kept_from);
}

/* Reads the numbers of the records, which the handler's answer refers to. */
static void
read_numbers(RedriveStep *redrive)
{
	JsonbContainer *array = &redrive->records->root;

	redrive->count = JsonContainerSize(array);
	redrive->numbers = palloc(Max(redrive->count, 1) * sizeof(int64));
	for (int i = 0; i < redrive->count; i++)
	{
		JsonbValue *record = getIthJsonbValueFromContainer(array, i);
		JsonbValue *value = NULL;

		if (record->type == jbvBinary)
			value = getKeyJsonValueFromContainer(record->val.binary.data, "dynamodb", 8, NULL);
		if (value != NULL && value->type == jbvBinary)
			value = getKeyJsonValueFromContainer(value->val.binary.data,
												 "SequenceNumber", 14, NULL);
		redrive->numbers[i] = value != NULL && value->type == jbvString ?
								  sequence_number_parse(pnstrdup(value->val.string.val,
																 value->val.string.len)) :
								  -1;
	}
}

static Jsonb *
make_event(const RedriveStep *redrive)
{
	JsonbParseState *state = NULL;
	JsonbValue		 key = {.type = jbvString};
	JsonbValue		 array = {.type = jbvBinary};

	key.val.string.val = pstrdup("Records");
	key.val.string.len = strlen("Records");
	array.val.binary.data = &redrive->records->root;
	array.val.binary.len = VARSIZE(redrive->records) - VARHDRSZ;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	(void) pushJsonbValue(&state, WJB_KEY, &key);
	(void) pushJsonbValue(&state, WJB_VALUE, &array);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* The second transaction; see delivery_perform.c. */
static void
perform_redrive(RedriveStep *redrive)
{
	Oid			   function;
	DeliveryAnswer answer;
	const char	  *error = NULL;
	int			   kept_from = 0;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, redrive->mapping->function_name);
	StartTransactionCommand();
	MemoryContextSwitchTo(redrive->context);
	PushActiveSnapshot(GetTransactionSnapshot());
	mapping_lock_batch(redrive->mapping->mapping_no);
	stream_access_check(redrive->stream);
	function = delivery_call_find(redrive->mapping->function_name, MAPPING_HANDLER);
	read_numbers(redrive);
	answer = delivery_answer_read(delivery_call(function, make_event(redrive)),
								  redrive->mapping->report_batch_item_failures,
								  redrive->numbers, redrive->count);
	if (answer.kind == ANSWER_BATCH_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", answer.problem)));
	if (answer.kind == ANSWER_ITEM_FAILED)
	{
		kept_from = answer.first_failed;
		error = psprintf("the handler reported record %s as failed",
						 sequence_number_text(redrive->numbers[kept_from]));
	}
	XactReadOnly = false;
	if (!mapping_lock_fence(redrive->mapping->mapping_no) ||
		!end_batch(redrive, error, kept_from))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("failed batch %s has changed or is gone",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&redrive->id))))));
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(redrive->context);
}

/*
 * The first transaction; see delivery_prepare.c.  Returns whether the handler
 * is to be called.
 */
static bool
prepare_redrive(RedriveStep *redrive, const DeliveryUnit *unit, DeliveryOutcome *outcome)
{
	outcome->result = DELIVERY_CHANGED;
	redrive->mapping = mapping_catalog_by_no(unit->mapping_no);
	if (redrive->mapping == NULL || !mapping_is_active(redrive->mapping) ||
		redrive->mapping->role_id != GetSessionUserId())
		return false;
	redrive->stream = stream_catalog_by_id(redrive->mapping->stream_id, GetActiveSnapshot());
	if (redrive->stream == NULL || !find_batch(redrive))
		return false;

	outcome->result = DELIVERY_AGAIN;
	if (redrive->in_call)
	{
		(void) end_batch(redrive, "the handler's process ended during the call", 0);
		return false;
	}
	(void) update_batch(redrive,
						"UPDATE ddbstreams_shards.failed_batch SET in_call = true"
						" WHERE id = $1 AND redrive_at IS NOT NULL AND $2 IS NULL AND $3 = 0",
						NULL, 0);
	ForceSyncCommit();
	return true;
}

DeliveryOutcome
delivery_redrive_step(const DeliveryUnit *unit)
{
	static MemoryContext context = NULL;
	RedriveStep			 redrive = {0};
	DeliveryOutcome		 outcome = {0};
	ErrorData *volatile error = NULL;
	bool calls;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ddbstreams redrive",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	redrive.context = context;

	own_transaction_begin();
	MemoryContextSwitchTo(context);
	calls = prepare_redrive(&redrive, unit, &outcome);
	own_transaction_commit();
	if (!calls)
		return outcome;

	PG_TRY();
	{
		perform_redrive(&redrive);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		delivery_call_end();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(context);
	}
	PG_END_TRY();
	if (error != NULL)
	{
		own_transaction_begin();
		MemoryContextSwitchTo(context);
		(void) end_batch(&redrive, delivery_call_error_text(error), 0);
		own_transaction_commit();
		ereport(LOG,
				(errmsg("ddbstreams could not redeliver a failed batch of event source mapping %s: %s",
						mapping_uuid_text(redrive.mapping), error->message)));
	}
	return outcome;
}
