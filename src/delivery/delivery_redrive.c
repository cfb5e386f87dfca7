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

#include "base/compat.h"
#include "base/own_transaction.h"
#include "base/sequence_number.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_answer.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_parallel.h"
#include "delivery/delivery_redrive.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_lock.h"
#include "reading/stream_access.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "registry/stream_catalog.h"
#include "worker/worker_databases.h"

PG_FUNCTION_INFO_V1(ddbstreams_redrive);

/*
 * What is read of a failed batch, and the parameters of the statements on
 * failed_batch
 */
#define REDRIVE_COLUMNS(COLUMN)                         \
	COLUMN(redrive, id, UUIDOID, ROW_FIXED)             \
	COLUMN(redrive, in_call, BOOLOID, ROW_FIXED)        \
	COLUMN(redrive, records, JSONBOID, ROW_FIXED)       \
	COLUMN(redrive, mapping_no, INT8OID, ROW_PARAMETER) \
	COLUMN(redrive, uuid, UUIDOID, ROW_PARAMETER)       \
	COLUMN(redrive, caller, OIDOID, ROW_PARAMETER)      \
	COLUMN(redrive, error, TEXTOID, ROW_PARAMETER)      \
	COLUMN(redrive, kept_from, INT4OID, ROW_PARAMETER)
ROW_TABLE(redrive, REDRIVE_COLUMNS);

#define FAILED_TABLE "ddbstreams_shards.failed_batch"

/* A failed batch that is delivered again */
typedef struct RedriveBatch
{
	pg_uuid_t id;
	bool	  in_call; /* a call of it has begun and has not ended */
	Jsonb	 *records;
	int		  count;   /* of records */
	int64	 *numbers; /* of the records; -1 where there is none */
} RedriveBatch;

/* What the transactions of a step share; all of it lives in context */
typedef struct RedriveStep
{
	MemoryContext context;
	MappingInfo	 *mapping;
	StreamInfo	 *stream;
	RedriveBatch *batch;
	bool		  is_judged; /* a verdict on its last call is to be forgotten */
} RedriveStep;

/*
 * redrive(uuid uuid) returns int
 */
Datum
ddbstreams_redrive(PG_FUNCTION_ARGS)
{
	TableRow row;
	uint64	 count;

	PreventCommandIfReadOnly("redrive()");
	row_init(&row, &redrive_table);
	row_set_oid(&row, Anum_redrive_caller, GetUserId());
	if (!PG_ARGISNULL(0))
		row_set_uuid(&row, Anum_redrive_uuid, PG_GETARG_UUID_P(0));
	count = owner_sql_execute("UPDATE " FAILED_TABLE " AS b"
							  " SET redrive_at = clock_timestamp(), last_error = NULL"
							  " FROM ddbstreams_shards.mapping AS m"
							  " WHERE m.mapping_no = b.mapping_no"
							  " AND b.redriven_at IS NULL AND b.redrive_at IS NULL"
							  " AND b.records IS NOT NULL"
							  " AND ($uuid IS NULL OR b.id = $uuid OR b.mapping = $uuid)"
							  " AND EXISTS (SELECT FROM ddbstreams_shards.stream AS s"
							  "  WHERE s.stream_id = m.stream_id)"
							  " AND pg_has_role($caller, b.role_id, 'USAGE')",
							  &row);
	if (count > 0)
		worker_databases_want_dispatcher_at_commit();
	else if (!PG_ARGISNULL(0) &&
			 owner_sql_execute("SELECT 1 FROM " FAILED_TABLE
							   " WHERE (id = $uuid OR mapping = $uuid)"
							   " AND pg_has_role($caller, role_id, 'USAGE')"
							   " UNION ALL SELECT 1 FROM ddbstreams_shards.mapping"
							   " WHERE uuid = $uuid"
							   " AND pg_has_role($caller, role_id, 'USAGE')",
							   &row) == 0)
		mapping_catalog_not_found();
	PG_RETURN_INT32((int32) count);
}

bool
delivery_redrive_is_wanted(int64 mapping_no)
{
	TableRow row;

	row_init(&row, &redrive_table);
	row_set_int64(&row, Anum_redrive_mapping_no, mapping_no);
	return owner_sql_execute("SELECT 1 FROM " FAILED_TABLE
							 " WHERE mapping_no = $mapping_no"
							 " AND redrive_at IS NOT NULL LIMIT 1",
							 &row) > 0;
}

static void *
batch_from_row(const TableRow *row)
{
	RedriveBatch *batch = palloc0(sizeof(RedriveBatch));

	batch->id = *row_uuid(row, Anum_redrive_id);
	batch->in_call = row_bool(row, Anum_redrive_in_call);
	batch->records = row_jsonb(row, Anum_redrive_records);
	return batch;
}

/* Returns the next batch that waits, palloc'd, or NULL. */
static RedriveBatch *
find_batch(int64 mapping_no)
{
	TableRow row;
	List	*batches;

	row_init(&row, &redrive_table);
	row_set_int64(&row, Anum_redrive_mapping_no, mapping_no);
	batches = owner_sql_list("SELECT $(columns) FROM " FAILED_TABLE
							 " WHERE mapping_no = $mapping_no"
							 " AND redrive_at IS NOT NULL"
							 " ORDER BY failed_at, id LIMIT 1",
							 &row, batch_from_row);
	return batches == NIL ? NULL : linitial(batches);
}

/* What tells the call of a batch from that of another one of its mapping */
static int64
number_of_batch(const RedriveBatch *batch)
{
	int64 number;

	memcpy(&number, &batch->id, sizeof(number));
	return number;
}

/* Marks the call of a batch as begun, durably. */
static void
mark_call(const RedriveBatch *batch)
{
	TableRow row;

	row_init(&row, &redrive_table);
	row_set_uuid(&row, Anum_redrive_id, &batch->id);
	(void) owner_sql_execute("UPDATE " FAILED_TABLE " SET in_call = true"
							 " WHERE id = $id AND redrive_at IS NOT NULL",
							 &row);
	ForceSyncCommit();
}

/*
 * Writes down that a batch has been delivered again, or that it has failed
 * again with an error.  In the latter case the records before kept_from were
 * delivered and are taken away.  Returns false if the batch does not wait.
 */
static bool
end_batch(const RedriveBatch *batch, const char *error, int kept_from)
{
	TableRow row;

	row_init(&row, &redrive_table);
	row_set_uuid(&row, Anum_redrive_id, &batch->id);
	row_set_text(&row, Anum_redrive_error, error);
	row_set_int32(&row, Anum_redrive_kept_from, kept_from);
	return owner_sql_execute("UPDATE " FAILED_TABLE
							 " SET redrive_at = NULL, in_call = false, last_error = $error,"
							 " redriven_at = CASE WHEN $error IS NULL THEN clock_timestamp() END,"
							 " records = CASE WHEN $kept_from = 0 THEN records ELSE"
							 "  (SELECT jsonb_agg(value ORDER BY ordinality)"
							 "   FROM jsonb_array_elements(records) WITH ORDINALITY"
							 "   WHERE ordinality > $kept_from) END"
							 " WHERE id = $id AND redrive_at IS NOT NULL",
							 &row) == 1;
}

/* Reads the numbers of the records, which the handler's answer refers to. */
static void
read_numbers(RedriveBatch *batch)
{
	JsonbContainer *array = &batch->records->root;

	batch->count = JsonContainerSize(array);
	batch->numbers = palloc(Max(batch->count, 1) * sizeof(int64));
	for (int i = 0; i < batch->count; i++)
	{
		JsonbValue *record = getIthJsonbValueFromContainer(array, i);
		JsonbValue *value = NULL;

		if (record->type == jbvBinary)
			value = getKeyJsonValueFromContainer(record->val.binary.data, "dynamodb", 8, NULL);
		if (value != NULL && value->type == jbvBinary)
			value = getKeyJsonValueFromContainer(value->val.binary.data,
												 "SequenceNumber", 14, NULL);
		batch->numbers[i] = value != NULL && value->type == jbvString ?
								sequence_number_parse(pnstrdup(value->val.string.val,
															   value->val.string.len)) :
								-1;
	}
}

static Jsonb *
make_event(const RedriveBatch *batch)
{
	CompatJsonbState state = {0};
	JsonbValue		 key = {.type = jbvString};
	JsonbValue		 array = {.type = jbvBinary};

	key.val.string.val = pstrdup("Records");
	key.val.string.len = strlen("Records");
	array.val.binary.data = &batch->records->root;
	array.val.binary.len = VARSIZE(batch->records) - VARHDRSZ;
	compat_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	compat_push_jsonb(&state, WJB_KEY, &key);
	compat_push_jsonb(&state, WJB_VALUE, &array);
	compat_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
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
	read_numbers(redrive->batch);
	answer = delivery_answer_read(delivery_call(function, make_event(redrive->batch)),
								  redrive->mapping->report_batch_item_failures,
								  redrive->batch->numbers, redrive->batch->count);
	if (answer.kind == ANSWER_BATCH_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", answer.problem)));
	if (answer.kind == ANSWER_ITEM_FAILED)
	{
		kept_from = answer.first_failed;
		error = psprintf("the handler reported record %s as failed",
						 sequence_number_text(redrive->batch->numbers[kept_from]));
	}
	XactReadOnly = false;
	if (!mapping_lock_fence(redrive->mapping->mapping_no) ||
		!end_batch(redrive->batch, error, kept_from))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("failed batch %s has changed or is gone",
						DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&redrive->batch->id))))));
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
	if (redrive->stream == NULL)
		return false;
	redrive->batch = find_batch(unit->mapping_no);
	if (redrive->batch == NULL)
		return false;

	outcome->result = DELIVERY_AGAIN;
	if (redrive->batch->in_call)
	{
		CallVerdict verdict = call_verdict_find(unit, number_of_batch(redrive->batch));

		redrive->is_judged = verdict != CALL_EXCUSED;
		if (redrive->is_judged)
			ForceSyncCommit();
		if (verdict != CALL_EXCUSED && verdict != CALL_TERMINATED)
		{
			(void) end_batch(redrive->batch,
							 "the handler's process ended during the call", 0);
			return false;
		}
	}
	else
		call_verdict_forget(unit, number_of_batch(redrive->batch));
	mark_call(redrive->batch);
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
	if (redrive.is_judged)
		call_verdict_forget(unit, number_of_batch(redrive.batch));
	if (!calls)
		return outcome;

	delivery_parallel_allow(!redrive.batch->in_call);
	call_verdict_begin(unit, number_of_batch(redrive.batch), NULL);
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
	call_verdict_end();
	if (error != NULL)
	{
		own_transaction_begin();
		MemoryContextSwitchTo(context);
		(void) end_batch(redrive.batch, delivery_call_error_text(error), 0);
		own_transaction_commit();
		ereport(LOG,
				(errmsg("ddbstreams could not redeliver a failed batch of event source mapping %s: %s",
						mapping_uuid_text(redrive.mapping), error->message)));
	}
	return outcome;
}
