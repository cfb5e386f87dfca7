/*
 * delivery_position.c
 *	  Where a unit is: its row of ddbstreams_shards.mapping_shard.
 *
 * A row is written by the handler worker that runs its unit.  There should be
 * one such worker at most.  Whatever happens, a step that has lost its row
 * commits nothing: a row is written only if its call_no is still the one that
 * was read, and each write raises call_no.  (Not one that only says that the
 * unit could not be run: the verdict on its last call waits for that call_no.)
 *
 * The dispatcher makes the rows, divides a shard anew, and removes what is no
 * longer needed, while no worker runs the units (delivery_lanes.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "delivery/delivery_position.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* The columns of the table; the last one may be left out. */
#define POSITION_COLUMNS(COLUMN)                               \
	COLUMN(position, mapping_no, INT8OID, ROW_FIXED)           \
	COLUMN(position, shard_no, INT8OID, ROW_FIXED)             \
	COLUMN(position, lane, INT2OID, ROW_FIXED)                 \
	COLUMN(position, lanes, INT2OID, ROW_FIXED)                \
	COLUMN(position, checkpoint, INT8OID, ROW_SET)             \
	COLUMN(position, drain_to, INT8OID, ROW_FIXED)             \
	COLUMN(position, finished, BOOLOID, ROW_SET)               \
	COLUMN(position, call_no, INT8OID, ROW_SET)                \
	COLUMN(position, in_call, BOOLOID, ROW_SET)                \
	COLUMN(position, called_at, TIMESTAMPTZOID, ROW_SET)       \
	COLUMN(position, attempts, INT4OID, ROW_SET)               \
	COLUMN(position, crashes, INT4OID, ROW_SET)                \
	COLUMN(position, failures, INT4OID, ROW_SET)               \
	COLUMN(position, next_attempt_at, TIMESTAMPTZOID, ROW_SET) \
	COLUMN(position, batch_ends, INT8ARRAYOID, ROW_SET)        \
	COLUMN(position, giving_up, TEXTOID, ROW_SET)              \
	COLUMN(position, unhandled, BOOLOID, ROW_SET)              \
	COLUMN(position, window_start, TIMESTAMPTZOID, ROW_SET)    \
	COLUMN(position, window_end, TIMESTAMPTZOID, ROW_SET)      \
	COLUMN(position, window_early, BOOLOID, ROW_SET)           \
	COLUMN(position, records_delivered, INT8OID, ROW_SET)      \
	COLUMN(position, records_filtered, INT8OID, ROW_SET)       \
	COLUMN(position, records_lost, INT8OID, ROW_SET)           \
	COLUMN(position, records_given_up, INT8OID, ROW_SET)       \
	COLUMN(position, batches_delivered, INT8OID, ROW_SET)      \
	COLUMN(position, batches_failed, INT8OID, ROW_SET)         \
	COLUMN(position, last_result, TEXTOID, ROW_SET)            \
	COLUMN(position, last_result_at, TIMESTAMPTZOID, ROW_SET)  \
	COLUMN(position, last_error, TEXTOID, ROW_SET)             \
	COLUMN(position, last_error_at, TIMESTAMPTZOID, ROW_SET)   \
	COLUMN(position, last_error_sqlstate, TEXTOID, ROW_SET)    \
	COLUMN(position, failing_since, TIMESTAMPTZOID, ROW_SET)   \
	COLUMN(position, window_state, JSONBOID, ROW_SET)          \
	COLUMN(position, stored_call_no, INT8OID, ROW_PARAMETER)
ROW_TABLE(position, POSITION_COLUMNS);

#define POSITION_TABLE "ddbstreams_shards.mapping_shard"

/* --- the table ----------------------------------------------------------- */

static void
read_batch_ends(DeliveryPosition *position, const TableRow *row)
{
	int64 *ends = row_int64s(row, Anum_position_batch_ends, &position->batch_count);

	if (position->batch_count > DELIVERY_MAX_BATCH_ENDS)
		elog(ERROR, "batch_ends of mapping " INT64_FORMAT " has %d elements",
			 position->mapping_no, position->batch_count);
	memcpy(position->batch_ends, ends, position->batch_count * sizeof(int64));
}

static void *
position_from_row(const TableRow *row)
{
	DeliveryPosition *position = palloc0(sizeof(DeliveryPosition));
	char			 *sqlstate;

	position->mapping_no = row_int64(row, Anum_position_mapping_no);
	position->shard_no = row_int64(row, Anum_position_shard_no);
	position->lane = row_int16(row, Anum_position_lane);
	position->lanes = row_int16(row, Anum_position_lanes);
	position->checkpoint = row_int64(row, Anum_position_checkpoint);
	position->drain_to = row_is_null(row, Anum_position_drain_to) ?
							 PG_INT64_MAX :
							 row_int64(row, Anum_position_drain_to);
	position->finished = row_bool(row, Anum_position_finished);
	position->call_no = row_int64(row, Anum_position_call_no);
	position->in_call = row_bool(row, Anum_position_in_call);
	position->called_at = row_time(row, Anum_position_called_at);
	position->attempts = row_int32(row, Anum_position_attempts);
	position->crashes = row_int32(row, Anum_position_crashes);
	position->failures = row_int32(row, Anum_position_failures);
	position->next_attempt_at = row_time(row, Anum_position_next_attempt_at);
	read_batch_ends(position, row);
	position->giving_up = row_text(row, Anum_position_giving_up);
	position->unhandled = row_bool(row, Anum_position_unhandled);
	position->window_start = row_time(row, Anum_position_window_start);
	position->window_end = row_time(row, Anum_position_window_end);
	position->window_early = row_bool(row, Anum_position_window_early);
	position->records_delivered = row_int64(row, Anum_position_records_delivered);
	position->records_filtered = row_int64(row, Anum_position_records_filtered);
	position->records_lost = row_int64(row, Anum_position_records_lost);
	position->records_given_up = row_int64(row, Anum_position_records_given_up);
	position->batches_delivered = row_int64(row, Anum_position_batches_delivered);
	position->batches_failed = row_int64(row, Anum_position_batches_failed);
	position->last_result = row_text(row, Anum_position_last_result);
	position->last_result_at = row_time(row, Anum_position_last_result_at);
	position->last_error = row_text(row, Anum_position_last_error);
	position->last_error_at = row_time(row, Anum_position_last_error_at);
	sqlstate = row_text(row, Anum_position_last_error_sqlstate);
	strlcpy(position->last_error_sqlstate, sqlstate != NULL ? sqlstate : "",
			sizeof(position->last_error_sqlstate));
	position->failing_since = row_time(row, Anum_position_failing_since);
	position->window_state = row_jsonb(row, Anum_position_window_state);
	position->stored_call_no = position->call_no;
	return position;
}

/* Fills a row, which points into the position. */
static void
row_from_position(TableRow *row, const DeliveryPosition *position)
{
	row_init(row, &position_table);
	row_set_int64(row, Anum_position_mapping_no, position->mapping_no);
	row_set_int64(row, Anum_position_shard_no, position->shard_no);
	row_set_int16(row, Anum_position_lane, position->lane);
	row_set_int64(row, Anum_position_checkpoint, position->checkpoint);
	row_set_bool(row, Anum_position_finished, position->finished);
	row_set_int64(row, Anum_position_call_no, position->call_no);
	row_set_bool(row, Anum_position_in_call, position->in_call);
	row_set_time(row, Anum_position_called_at, position->called_at);
	row_set_int32(row, Anum_position_attempts, position->attempts);
	row_set_int32(row, Anum_position_crashes, position->crashes);
	row_set_int32(row, Anum_position_failures, position->failures);
	row_set_time(row, Anum_position_next_attempt_at, position->next_attempt_at);
	row_set_int64s(row, Anum_position_batch_ends, position->batch_ends,
				   position->batch_count);
	row_set_text(row, Anum_position_giving_up, position->giving_up);
	row_set_bool(row, Anum_position_unhandled, position->unhandled);
	row_set_time(row, Anum_position_window_start, position->window_start);
	row_set_time(row, Anum_position_window_end, position->window_end);
	row_set_bool(row, Anum_position_window_early, position->window_early);
	row_set_int64(row, Anum_position_records_delivered, position->records_delivered);
	row_set_int64(row, Anum_position_records_filtered, position->records_filtered);
	row_set_int64(row, Anum_position_records_lost, position->records_lost);
	row_set_int64(row, Anum_position_records_given_up, position->records_given_up);
	row_set_int64(row, Anum_position_batches_delivered, position->batches_delivered);
	row_set_int64(row, Anum_position_batches_failed, position->batches_failed);
	row_set_text(row, Anum_position_last_result, position->last_result);
	row_set_time(row, Anum_position_last_result_at, position->last_result_at);
	row_set_text(row, Anum_position_last_error, position->last_error);
	row_set_time(row, Anum_position_last_error_at, position->last_error_at);
	row_set_text(row, Anum_position_last_error_sqlstate,
				 position->last_error_sqlstate[0] != '\0' ? position->last_error_sqlstate : NULL);
	row_set_time(row, Anum_position_failing_since, position->failing_since);
	row_set_jsonb(row, Anum_position_window_state, position->window_state);
	row_set_int64(row, Anum_position_stored_call_no, position->stored_call_no);
}

DeliveryPosition *
delivery_position_load(const DeliveryUnit *unit)
{
	TableRow key;
	List	*positions;

	row_init(&key, &position_table);
	row_set_int64(&key, Anum_position_mapping_no, unit->mapping_no);
	row_set_int64(&key, Anum_position_shard_no, unit->shard_no);
	row_set_int16(&key, Anum_position_lane, (int16) unit->lane);
	positions = owner_sql_list("SELECT $(columns) FROM " POSITION_TABLE
							   " WHERE mapping_no = $mapping_no AND shard_no = $shard_no"
							   " AND lane = $lane",
							   &key, position_from_row);
	return positions == NIL ? NULL : linitial(positions);
}

List *
delivery_position_list(int64 mapping_no)
{
	TableRow key;

	row_init(&key, &position_table);
	row_set_int64(&key, Anum_position_mapping_no, mapping_no);
	return owner_sql_list("SELECT $(columns but window_state), NULL::jsonb AS window_state"
						  " FROM " POSITION_TABLE
						  " WHERE mapping_no = $mapping_no ORDER BY shard_no, lane",
						  &key, position_from_row);
}

List *
delivery_position_list_of_shard(int64 mapping_no, int64 shard_no)
{
	TableRow key;

	row_init(&key, &position_table);
	row_set_int64(&key, Anum_position_mapping_no, mapping_no);
	row_set_int64(&key, Anum_position_shard_no, shard_no);
	return owner_sql_list("SELECT $(columns but window_state), NULL::jsonb AS window_state"
						  " FROM " POSITION_TABLE
						  " WHERE mapping_no = $mapping_no AND shard_no = $shard_no"
						  " ORDER BY lane",
						  &key, position_from_row);
}

CallNote
delivery_position_note(const DeliveryPosition *position)
{
	CallNote note = {
		.checkpoint = position->checkpoint,
		.batch_end = position->batch_ends[position->batch_count - 1],
		.records_filtered = position->records_filtered,
		.window_start = position->window_start,
		.window_end = position->window_end};

	return note;
}

bool
delivery_position_recall(DeliveryPosition *position)
{
	DeliveryUnit unit = {position->mapping_no, position->shard_no, position->lane};
	CallNote	 note = {0};

	/* Only the first call of a batch is noted. */
	if (position->in_call || position->batch_count > 0 ||
		!call_verdict_find_noted(&unit, position->call_no, position->checkpoint, &note))
		return false;
	position->in_call = true;
	position->attempts++;
	position->records_filtered = note.records_filtered;
	position->window_start = note.window_start;
	position->window_end = note.window_end;
	delivery_position_push_end(position, note.batch_end);
	return true;
}

/* The row that was read, unless it has changed or somebody has locked it */
#define OWN_ROW                                                      \
	" FROM (SELECT ctid AS tid FROM " POSITION_TABLE                 \
	"       WHERE mapping_no = $mapping_no AND shard_no = $shard_no" \
	"       AND lane = $lane AND call_no = $stored_call_no"          \
	"       FOR NO KEY UPDATE SKIP LOCKED) AS own WHERE s.ctid = own.tid"

bool
delivery_position_save(DeliveryPosition *position)
{
	TableRow row;
	uint64	 count;

	/*
	 * Nobody may read a position that a crash can take away: a call that is
	 * noted with its call_no would be forgotten (call_verdict.c).
	 */
	ForceSyncCommit();
	position->call_no = position->stored_call_no + 1;
	row_from_position(&row, position);
	if (position->state_changed)
		count = owner_sql_execute("UPDATE " POSITION_TABLE " AS s SET $(set)" OWN_ROW,
								  &row);
	else
		count = owner_sql_execute("UPDATE " POSITION_TABLE " AS s"
								  " SET $(set but window_state)" OWN_ROW,
								  &row);
	position->stored_call_no = position->call_no;
	position->state_changed = false;
	return count == 1;
}

void
delivery_position_save_failure(const DeliveryPosition *position)
{
	TableRow row;

	row_from_position(&row, position);
	(void) owner_sql_execute("UPDATE " POSITION_TABLE " AS s"
							 " SET failures = $failures,"
							 " next_attempt_at = $next_attempt_at,"
							 " last_result = $last_result,"
							 " last_result_at = $last_result_at,"
							 " last_error = $last_error,"
							 " last_error_at = $last_error_at,"
							 " last_error_sqlstate = $last_error_sqlstate,"
							 " failing_since = $failing_since" OWN_ROW,
							 &row);
}

void
delivery_position_note_problem(int64 mapping_no, const char *result,
							   const char *error)
{
	TableRow row;

	row_init(&row, &position_table);
	row_set_int64(&row, Anum_position_mapping_no, mapping_no);
	row_set_text(&row, Anum_position_last_result, result);
	row_set_text(&row, Anum_position_last_error, error);
	(void) owner_sql_execute("UPDATE " POSITION_TABLE " AS s"
							 " SET last_result = $last_result,"
							 " last_result_at = clock_timestamp(),"
							 " last_error = $last_error,"
							 " last_error_at = clock_timestamp(),"
							 " last_error_sqlstate = NULL,"
							 " failing_since = coalesce(failing_since, clock_timestamp())"
							 " FROM (SELECT ctid AS tid FROM " POSITION_TABLE
							 "       WHERE mapping_no = $mapping_no AND NOT finished"
							 "       FOR NO KEY UPDATE SKIP LOCKED) AS row"
							 " WHERE s.ctid = row.tid",
							 &row);
}

/* --- changes in memory --------------------------------------------------- */

void
delivery_position_set_error(DeliveryPosition *position, int sqlstate,
							const char *error)
{
	position->last_error = unconstify(char *, error);
	position->last_error_at = GetCurrentTimestamp();
	strlcpy(position->last_error_sqlstate, sqlstate != 0 ? unpack_sql_state(sqlstate) : "",
			sizeof(position->last_error_sqlstate));
	if (position->failing_since == 0)
		position->failing_since = position->last_error_at;
}

void
delivery_position_forget_failing(DeliveryPosition *position)
{
	position->failing_since = 0;
}

void
delivery_position_end_batch(DeliveryPosition *position)
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
	/* Crashes count for all parts of a batch that was bisected. */
	if (position->batch_count == 0)
		position->crashes = 0;
}

void
delivery_position_push_end(DeliveryPosition *position, int64 end)
{
	if (position->batch_count == DELIVERY_MAX_BATCH_ENDS)
		elog(ERROR, "batch is divided too often");
	position->batch_ends[position->batch_count++] = end;
}

void
delivery_position_close_window(DeliveryPosition *position)
{
	position->window_start = position->window_end = 0;
	position->window_early = false;
	position->state_changed = position->window_state != NULL;
	position->window_state = NULL;
}

void
delivery_position_set_result(DeliveryPosition *position, const char *result)
{
	position->last_result = unconstify(char *, result);
	position->last_result_at = GetCurrentTimestamp();
}
