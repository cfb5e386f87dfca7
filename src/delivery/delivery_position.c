/*
 * delivery_position.c
 *	  Where a unit is: its row of ddbstreams_shards.mapping_shard.
 *
 * A row is written by the handler worker that runs its unit, and there is one
 * at most.  It is found by what it has read: a row is written only if its
 * call_no is still the one that was read, and each call raises it.  So
 * whatever has happened meanwhile, a step that has lost its row commits
 * nothing.
 *
 * The dispatcher makes the rows, divides a shard anew, and removes what is no
 * longer needed, while nobody runs the units.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "delivery/delivery_position.h"
#include "registry/owner_sql.h"

#define POSITION_COLUMNS_BUT_STATE                                        \
	"mapping_no, shard_no, lane, lanes, checkpoint, drain_to, finished, " \
	"call_no, in_call, called_at, attempts, crashes, failures, "          \
	"next_attempt_at, batch_ends, giving_up, unhandled, window_start, "   \
	"window_end, window_early, records_delivered, records_filtered, "     \
	"records_lost, batches_delivered, batches_failed, last_result, "      \
	"last_result_at, last_error, last_error_at"
#define POSITION_COLUMNS POSITION_COLUMNS_BUT_STATE ", window_state"

enum
{
	Anum_mapping_no,
	Anum_shard_no,
	Anum_lane,
	Anum_lanes,
	Anum_checkpoint,
	Anum_drain_to,
	Anum_finished,
	Anum_call_no,
	Anum_in_call,
	Anum_called_at,
	Anum_attempts,
	Anum_crashes,
	Anum_failures,
	Anum_next_attempt_at,
	Anum_batch_ends,
	Anum_giving_up,
	Anum_unhandled,
	Anum_window_start,
	Anum_window_end,
	Anum_window_early,
	Anum_records_delivered,
	Anum_records_filtered,
	Anum_records_lost,
	Anum_batches_delivered,
	Anum_batches_failed,
	Anum_last_result,
	Anum_last_result_at,
	Anum_last_error,
	Anum_last_error_at,
	Anum_window_state,
	Natts_position
};

/* The key, the call_no that was read, the checkpoint, and the other columns */
#define FIRST_WRITTEN  Anum_finished
#define PARAMETERS	   (5 + Natts_position - FIRST_WRITTEN)
#define PARAMETER(col) (6 + (col) - FIRST_WRITTEN)

static TimestampTz
time_or_zero(Datum value, bool isnull)
{
	return isnull ? 0 : DatumGetTimestampTz(value);
}

static char *
text_or_null(Datum value, bool isnull)
{
	return isnull ? NULL : TextDatumGetCString(value);
}

static DeliveryPosition *
position_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	DeliveryPosition *position = palloc0(sizeof(DeliveryPosition));
	Datum			  v[Natts_position];
	bool			  n[Natts_position];
	Datum			 *ends;

	heap_deform_tuple(tuple, desc, v, n);
	position->mapping_no = DatumGetInt64(v[Anum_mapping_no]);
	position->shard_no = DatumGetInt64(v[Anum_shard_no]);
	position->lane = DatumGetInt16(v[Anum_lane]);
	position->lanes = DatumGetInt16(v[Anum_lanes]);
	position->checkpoint = DatumGetInt64(v[Anum_checkpoint]);
	position->drain_to = n[Anum_drain_to] ? PG_INT64_MAX :
											DatumGetInt64(v[Anum_drain_to]);
	position->finished = DatumGetBool(v[Anum_finished]);
	position->call_no = position->stored_call_no = DatumGetInt64(v[Anum_call_no]);
	position->in_call = DatumGetBool(v[Anum_in_call]);
	position->called_at = time_or_zero(v[Anum_called_at], n[Anum_called_at]);
	position->attempts = DatumGetInt32(v[Anum_attempts]);
	position->crashes = DatumGetInt32(v[Anum_crashes]);
	position->failures = DatumGetInt32(v[Anum_failures]);
	position->next_attempt_at = time_or_zero(v[Anum_next_attempt_at],
											 n[Anum_next_attempt_at]);
	deconstruct_array(DatumGetArrayTypeP(v[Anum_batch_ends]), INT8OID,
					  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ends,
					  NULL, &position->batch_count);
	if (position->batch_count > MAX_BATCH_ENDS)
		elog(ERROR, "batch_ends of mapping " INT64_FORMAT " has %d elements",
			 position->mapping_no, position->batch_count);
	for (int i = 0; i < position->batch_count; i++)
		position->batch_ends[i] = DatumGetInt64(ends[i]);
	position->giving_up = text_or_null(v[Anum_giving_up], n[Anum_giving_up]);
	position->unhandled = DatumGetBool(v[Anum_unhandled]);
	position->window_start = time_or_zero(v[Anum_window_start], n[Anum_window_start]);
	position->window_end = time_or_zero(v[Anum_window_end], n[Anum_window_end]);
	position->window_early = DatumGetBool(v[Anum_window_early]);
	position->records_delivered = DatumGetInt64(v[Anum_records_delivered]);
	position->records_filtered = DatumGetInt64(v[Anum_records_filtered]);
	position->records_lost = DatumGetInt64(v[Anum_records_lost]);
	position->batches_delivered = DatumGetInt64(v[Anum_batches_delivered]);
	position->batches_failed = DatumGetInt64(v[Anum_batches_failed]);
	position->last_result = text_or_null(v[Anum_last_result], n[Anum_last_result]);
	position->last_result_at = time_or_zero(v[Anum_last_result_at],
											n[Anum_last_result_at]);
	position->last_error = text_or_null(v[Anum_last_error], n[Anum_last_error]);
	position->last_error_at = time_or_zero(v[Anum_last_error_at],
										   n[Anum_last_error_at]);
	if (!n[Anum_window_state])
		position->window_state = DatumGetJsonbPCopy(v[Anum_window_state]);
	return position;
}

/* Turns the rows that owner_sql has found into a list of DeliveryPosition. */
static List *
positions_in(MemoryContext context, uint64 count)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(context);
	List		 *positions = NIL;

	for (uint64 i = 0; i < count; i++)
		positions = lappend(positions,
							position_from_tuple(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(oldcontext);
	return positions;
}

/* Returns a unit's position, palloc'd, or NULL if there is none. */
DeliveryPosition *
delivery_position_load(const DeliveryUnit *unit)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			  types[3] = {INT8OID, INT8OID, INT2OID};
	Datum		  values[3];
	OwnerSql	  state;
	List		 *positions;

	values[0] = Int64GetDatum(unit->mapping_no);
	values[1] = Int64GetDatum(unit->shard_no);
	values[2] = Int16GetDatum((int16) unit->lane);
	owner_sql_begin(&state);
	positions = positions_in(context,
							 owner_sql("SELECT " POSITION_COLUMNS
									   " FROM ddbstreams_shards.mapping_shard"
									   " WHERE mapping_no = $1 AND shard_no = $2 AND lane = $3",
									   3, types, values, NULL));
	owner_sql_end(&state);
	return positions == NIL ? NULL : linitial(positions);
}

/*
 * Returns the positions of a mapping, ordered by shard and lane, without their
 * window_state, which may be large.
 */
List *
delivery_position_list(int64 mapping_no)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			  type = INT8OID;
	Datum		  value = Int64GetDatum(mapping_no);
	OwnerSql	  state;
	List		 *positions;

	owner_sql_begin(&state);
	positions = positions_in(context,
							 owner_sql("SELECT " POSITION_COLUMNS_BUT_STATE ", NULL::jsonb"
									   " FROM ddbstreams_shards.mapping_shard"
									   " WHERE mapping_no = $1 ORDER BY shard_no, lane",
									   1, &type, &value, NULL));
	owner_sql_end(&state);
	return positions;
}

typedef struct Parameters
{
	Datum values[PARAMETERS];
	char  nulls[PARAMETERS + 1];
} Parameters;

static void
set_time(Parameters *p, int column, TimestampTz time)
{
	if (time == 0)
		p->nulls[PARAMETER(column) - 1] = 'n';
	else
		p->values[PARAMETER(column) - 1] = TimestampTzGetDatum(time);
}

static void
set_text(Parameters *p, int column, const char *text)
{
	if (text == NULL)
		p->nulls[PARAMETER(column) - 1] = 'n';
	else
		p->values[PARAMETER(column) - 1] = CStringGetTextDatum(text);
}

static Datum
batch_ends_datum(const DeliveryPosition *position)
{
	Datum ends[MAX_BATCH_ENDS];

	if (position->batch_count == 0)
		return PointerGetDatum(construct_empty_array(INT8OID));
	for (int i = 0; i < position->batch_count; i++)
		ends[i] = Int64GetDatum(position->batch_ends[i]);
	return PointerGetDatum(construct_array(ends, position->batch_count, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static void
fill_parameters(Parameters *p, const DeliveryPosition *position)
{
#define SET(column, datum) (p->values[PARAMETER(column) - 1] = (datum))
	memset(p->nulls, ' ', PARAMETERS);
	p->nulls[PARAMETERS] = '\0';
	p->values[0] = Int64GetDatum(position->mapping_no);
	p->values[1] = Int64GetDatum(position->shard_no);
	p->values[2] = Int16GetDatum(position->lane);
	p->values[3] = Int64GetDatum(position->stored_call_no);
	p->values[4] = Int64GetDatum(position->checkpoint);
	SET(Anum_finished, BoolGetDatum(position->finished));
	SET(Anum_call_no, Int64GetDatum(position->call_no));
	SET(Anum_in_call, BoolGetDatum(position->in_call));
	set_time(p, Anum_called_at, position->called_at);
	SET(Anum_attempts, Int32GetDatum(position->attempts));
	SET(Anum_crashes, Int32GetDatum(position->crashes));
	SET(Anum_failures, Int32GetDatum(position->failures));
	set_time(p, Anum_next_attempt_at, position->next_attempt_at);
	SET(Anum_batch_ends, batch_ends_datum(position));
	set_text(p, Anum_giving_up, position->giving_up);
	SET(Anum_unhandled, BoolGetDatum(position->unhandled));
	set_time(p, Anum_window_start, position->window_start);
	set_time(p, Anum_window_end, position->window_end);
	SET(Anum_window_early, BoolGetDatum(position->window_early));
	SET(Anum_records_delivered, Int64GetDatum(position->records_delivered));
	SET(Anum_records_filtered, Int64GetDatum(position->records_filtered));
	SET(Anum_records_lost, Int64GetDatum(position->records_lost));
	SET(Anum_batches_delivered, Int64GetDatum(position->batches_delivered));
	SET(Anum_batches_failed, Int64GetDatum(position->batches_failed));
	set_text(p, Anum_last_result, position->last_result);
	set_time(p, Anum_last_result_at, position->last_result_at);
	set_text(p, Anum_last_error, position->last_error);
	set_time(p, Anum_last_error_at, position->last_error_at);
	if (position->window_state == NULL)
		p->nulls[PARAMETER(Anum_window_state) - 1] = 'n';
	else
		SET(Anum_window_state, JsonbPGetDatum(position->window_state));
#undef SET
}

/* Who is deleting the mapping may hold the row, and is not waited for. */
#define UPDATE_TEXT                                                            \
	"UPDATE ddbstreams_shards.mapping_shard AS s SET checkpoint = $5, "        \
	"finished = $6, call_no = $7, in_call = $8, called_at = $9, "              \
	"attempts = $10, crashes = $11, failures = $12, next_attempt_at = $13, "   \
	"batch_ends = $14, giving_up = $15, unhandled = $16, window_start = $17, " \
	"window_end = $18, window_early = $19, records_delivered = $20, "          \
	"records_filtered = $21, records_lost = $22, batches_delivered = $23, "    \
	"batches_failed = $24, last_result = $25, last_result_at = $26, "          \
	"last_error = $27, last_error_at = $28"
#define WHERE_TEXT                                                   \
	" FROM (SELECT ctid AS tid FROM ddbstreams_shards.mapping_shard" \
	"       WHERE mapping_no = $1 AND shard_no = $2 AND lane = $3"   \
	"       AND call_no = $4 FOR NO KEY UPDATE SKIP LOCKED) AS own"  \
	" WHERE s.ctid = own.tid"

StaticAssertDecl(PARAMETER(Anum_window_state) == 29, "UPDATE_TEXT counts parameters");

/*
 * Writes a position that was read.  Returns false if the row is gone or about
 * to be, or is no longer the one that was read; then the transaction must not
 * commit.
 */
bool
delivery_position_save(DeliveryPosition *position)
{
	static const Oid types[PARAMETERS] = {
		INT8OID, INT8OID, INT2OID, INT8OID, INT8OID, BOOLOID, INT8OID, BOOLOID,
		TIMESTAMPTZOID, INT4OID, INT4OID, INT4OID, TIMESTAMPTZOID, INT8ARRAYOID,
		TEXTOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID, INT8OID,
		INT8OID, INT8OID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TEXTOID,
		TIMESTAMPTZOID, JSONBOID};
	Parameters p;
	OwnerSql   state;
	uint64	   count;

	fill_parameters(&p, position);
	owner_sql_begin(&state);
	if (position->state_changed)
		count = owner_sql(UPDATE_TEXT ", window_state = $29" WHERE_TEXT,
						  PARAMETERS, types, p.values, p.nulls);
	else
		count = owner_sql(UPDATE_TEXT WHERE_TEXT, PARAMETERS - 1, types, p.values,
						  p.nulls);
	owner_sql_end(&state);
	position->stored_call_no = position->call_no;
	position->state_changed = false;
	return count == 1;
}

/*
 * Makes the rows of a shard that a mapping begins with.  Returns false if the
 * mapping is gone.
 */
bool
delivery_position_begin(int64 mapping_no, int64 shard_no, int lanes,
						int64 checkpoint)
{
	Oid		 types[4] = {INT8OID, INT8OID, INT4OID, INT8OID};
	Datum	 values[4];
	OwnerSql state;
	uint64	 count;

	values[0] = Int64GetDatum(mapping_no);
	values[1] = Int64GetDatum(shard_no);
	values[2] = Int32GetDatum(lanes);
	values[3] = Int64GetDatum(checkpoint);
	owner_sql_begin(&state);
	count = owner_sql("INSERT INTO ddbstreams_shards.mapping_shard"
					  " (mapping_no, shard_no, lane, lanes, checkpoint)"
					  " SELECT m.mapping_no, $2, lane, $3, $4"
					  " FROM (SELECT mapping_no FROM ddbstreams_shards.mapping"
					  "       WHERE mapping_no = $1 FOR KEY SHARE SKIP LOCKED) AS m,"
					  " generate_series(0, $3 - 1) AS lane",
					  4, types, values, NULL);
	owner_sql_end(&state);
	return count > 0;
}

/*
 * Locks the rows of a shard of a mapping ($1 and $2); false if not all could
 * be locked at once, because the mapping is being deleted.  Between
 * owner_sql_begin and owner_sql_end.
 */
static bool
lock_shard(Datum *values)
{
	static const Oid types[2] = {INT8OID, INT8OID};
	uint64			 locked;

	locked = owner_sql("SELECT FROM ddbstreams_shards.mapping_shard"
					   " WHERE mapping_no = $1 AND shard_no = $2 FOR UPDATE SKIP LOCKED",
					   2, types, values, NULL);
	return locked == owner_sql("SELECT FROM ddbstreams_shards.mapping_shard"
							   " WHERE mapping_no = $1 AND shard_no = $2",
							   2, types, values, NULL);
}

/*
 * Divides a shard into another number of lanes, if all of its lanes have come
 * to the same checkpoint and none is in the middle of something; else tells
 * them where to stop: where the one that is farthest ahead has come to, or
 * will be when it is done with its present batch.  Nobody runs its units.
 *
 * So no record is lost or delivered twice, and none of a key is overtaken by a
 * later one in another lane.
 */
DivideResult
delivery_position_divide(int64 mapping_no, int64 shard_no, int lanes)
{
	Oid			 types[3] = {INT8OID, INT8OID, INT4OID};
	Datum		 values[3];
	OwnerSql	 state;
	DivideResult result = DIVIDE_DONE;

	values[0] = Int64GetDatum(mapping_no);
	values[1] = Int64GetDatum(shard_no);
	values[2] = Int32GetDatum(lanes);
	owner_sql_begin(&state);
	if (!lock_shard(values))
		result = DIVIDE_WAITS;
	else if (owner_sql("WITH old AS (SELECT min(checkpoint) AS least, max(checkpoint) AS most,"
					   "   bool_or(in_call OR batch_ends <> '{}' OR window_start IS NOT NULL) AS busy,"
					   "   max(call_no) AS call_no, sum(records_delivered)::int8 AS delivered,"
					   "   sum(records_filtered)::int8 AS filtered, sum(records_lost)::int8 AS lost,"
					   "   sum(batches_delivered)::int8 AS batches, sum(batches_failed)::int8 AS failed"
					   "  FROM ddbstreams_shards.mapping_shard"
					   "  WHERE mapping_no = $1 AND shard_no = $2),"
					   " gone AS (DELETE FROM ddbstreams_shards.mapping_shard USING old"
					   "  WHERE mapping_no = $1 AND shard_no = $2 AND least = most AND NOT busy AND lane >= $3)"
					   " INSERT INTO ddbstreams_shards.mapping_shard AS s (mapping_no, shard_no, lane, lanes,"
					   "  checkpoint, call_no, records_delivered, records_filtered, records_lost,"
					   "  batches_delivered, batches_failed)"
					   " SELECT $1, $2, lane, $3, most, call_no + 1,"
					   "  CASE lane WHEN 0 THEN delivered ELSE 0 END,"
					   "  CASE lane WHEN 0 THEN filtered ELSE 0 END, CASE lane WHEN 0 THEN lost ELSE 0 END,"
					   "  CASE lane WHEN 0 THEN batches ELSE 0 END, CASE lane WHEN 0 THEN failed ELSE 0 END"
					   " FROM old, generate_series(0, $3 - 1) AS lane"
					   " WHERE least = most AND NOT busy"
					   " ON CONFLICT (mapping_no, shard_no, lane) DO UPDATE SET lanes = excluded.lanes,"
					   "  call_no = excluded.call_no, drain_to = NULL,"
					   "  records_delivered = excluded.records_delivered,"
					   "  records_filtered = excluded.records_filtered, records_lost = excluded.records_lost,"
					   "  batches_delivered = excluded.batches_delivered,"
					   "  batches_failed = excluded.batches_failed",
					   3, types, values, NULL) == 0)
		result = owner_sql("UPDATE ddbstreams_shards.mapping_shard SET drain_to = least_end"
						   " FROM (SELECT max(greatest(checkpoint, (SELECT max(e) FROM unnest(batch_ends) AS e)))"
						   "        AS least_end FROM ddbstreams_shards.mapping_shard"
						   "       WHERE mapping_no = $1 AND shard_no = $2) AS ends"
						   " WHERE mapping_no = $1 AND shard_no = $2 AND drain_to IS DISTINCT FROM least_end",
						   2, types, values, NULL) > 0 ?
					 DIVIDE_DRAINS :
					 DIVIDE_WAITS;
	owner_sql_end(&state);
	return result;
}

/* The lanes need not stop any more.  Nobody runs the units. */
void
delivery_position_undrain(int64 mapping_no, int64 shard_no)
{
	Oid		 types[2] = {INT8OID, INT8OID};
	Datum	 values[2];
	OwnerSql state;

	values[0] = Int64GetDatum(mapping_no);
	values[1] = Int64GetDatum(shard_no);
	owner_sql_begin(&state);
	if (lock_shard(values))
		(void) owner_sql("UPDATE ddbstreams_shards.mapping_shard SET drain_to = NULL"
						 " WHERE mapping_no = $1 AND shard_no = $2 AND drain_to IS NOT NULL",
						 2, types, values, NULL);
	owner_sql_end(&state);
}

/* Removes the rows of a shard, which is no more and has been delivered. */
void
delivery_position_forget(int64 mapping_no, int64 shard_no)
{
	Oid		 types[2] = {INT8OID, INT8OID};
	Datum	 values[2];
	OwnerSql state;

	values[0] = Int64GetDatum(mapping_no);
	values[1] = Int64GetDatum(shard_no);
	owner_sql_begin(&state);
	if (lock_shard(values))
		(void) owner_sql("DELETE FROM ddbstreams_shards.mapping_shard"
						 " WHERE mapping_no = $1 AND shard_no = $2 AND finished",
						 2, types, values, NULL);
	owner_sql_end(&state);
}

/*
 * Writes down what keeps all of a mapping's units from running; not where a
 * handler is at work.
 */
void
delivery_position_note_problem(int64 mapping_no, const char *result,
							   const char *error)
{
	Oid		 types[3] = {INT8OID, TEXTOID, TEXTOID};
	Datum	 values[3];
	OwnerSql state;

	values[0] = Int64GetDatum(mapping_no);
	values[1] = CStringGetTextDatum(result);
	values[2] = CStringGetTextDatum(error);
	owner_sql_begin(&state);
	owner_sql("UPDATE ddbstreams_shards.mapping_shard AS s SET last_result = $2,"
			  " last_result_at = pg_catalog.clock_timestamp(), last_error = $3,"
			  " last_error_at = pg_catalog.clock_timestamp()"
			  " FROM (SELECT ctid AS tid FROM ddbstreams_shards.mapping_shard"
			  "       WHERE mapping_no = $1 AND NOT finished"
			  "       FOR NO KEY UPDATE SKIP LOCKED) AS row"
			  " WHERE s.ctid = row.tid",
			  3, types, values, NULL);
	owner_sql_end(&state);
}

/*
 * --- changes in memory ------------------------------------------------------
 */

/* The present batch is done with, up to its end. */
void
delivery_position_pop(DeliveryPosition *position)
{
	if (position->batch_count > 0)
	{
		position->batch_count--;
		position->checkpoint = Max(position->checkpoint,
								   position->batch_ends[position->batch_count]);
	}
	position->attempts = 0;
	position->failures = 0;
	position->next_attempt_at = 0;
	position->giving_up = NULL;
	position->unhandled = false;
	if (position->batch_count == 0)
		position->crashes = 0;
}

/* A batch that ends here is to be delivered first. */
void
delivery_position_push(DeliveryPosition *position, int64 end)
{
	if (position->batch_count == MAX_BATCH_ENDS)
		elog(ERROR, "batch is divided too often");
	position->batch_ends[position->batch_count++] = end;
}

/* There is no open tumbling window any more. */
void
delivery_position_close_window(DeliveryPosition *position)
{
	position->window_start = position->window_end = 0;
	position->window_early = false;
	position->state_changed = position->window_state != NULL;
	position->window_state = NULL;
}

/* How the last call has ended, as last_processing_result has it */
void
delivery_position_note(DeliveryPosition *position, const char *text)
{
	position->last_result = unconstify(char *, text);
	position->last_result_at = GetCurrentTimestamp();
}
