/*
 * mapping_catalog.c
 *	  The table of event source mappings: reading and changing its rows.
 *
 * Each change by a user raises the row's version.  The dispatcher writes down
 * the version that it works by (mapping_catalog_acknowledge).  mapping_state.c
 * compares the two to tell the mapping's state.
 *
 * mapping_lock.c says which locks there are and in which order they are taken.
 * All statements run as the extension's owner (owner_sql.c); mapping_change.c
 * checks the caller's rights.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_lock.h"
#include "mapping/mapping_shard.h"
#include "registry/owner_sql.h"
#include "worker/worker_databases.h"

#define MAPPING_COLUMNS                                                       \
	"uuid, mapping_no, stream_id, event_source_arn, function_name, role_id, " \
	"database_id, starting_position, batch_size, maximum_batching_window, "   \
	"parallelization_factor, maximum_record_age, maximum_retry_attempts, "    \
	"bisect_batch_on_function_error, on_failure, tumbling_window, "           \
	"function_response_types, filter_criteria, enabled, created_at, "         \
	"last_modified, version, change, acknowledged_version"

/* The columns, in that order */
enum
{
	Anum_uuid = 1,
	Anum_mapping_no,
	Anum_stream_id,
	Anum_event_source_arn,
	Anum_function_name,
	Anum_role_id,
	Anum_database_id,
	Anum_starting_position,
	Anum_batch_size,
	Anum_maximum_batching_window,
	Anum_parallelization_factor,
	Anum_maximum_record_age,
	Anum_maximum_retry_attempts,
	Anum_bisect_batch_on_function_error,
	Anum_on_failure,
	Anum_tumbling_window,
	Anum_function_response_types,
	Anum_filter_criteria,
	Anum_enabled,
	Anum_created_at,
	Anum_last_modified,
	Anum_version,
	Anum_change,
	Anum_acknowledged_version,
	Natts_mapping = Anum_acknowledged_version
};

void (*mapping_changed_hook)(int64 stream_id) = NULL;

/* A row in the form in which SPI takes and gives it */
typedef struct MappingRow
{
	Datum values[Natts_mapping];
	bool  nulls[Natts_mapping];
} MappingRow;

#define ROW_DATUM(row, anum)   ((row)->values[(anum) - 1])
#define ROW_IS_NULL(row, anum) ((row)->nulls[(anum) - 1])

static char *
row_text(MappingRow *row, int anum)
{
	return ROW_IS_NULL(row, anum) ? NULL :
									TextDatumGetCString(ROW_DATUM(row, anum));
}

static void
row_set(MappingRow *row, int anum, Datum value)
{
	row->values[anum - 1] = value;
}

static void
row_set_text(MappingRow *row, int anum, const char *value)
{
	row->nulls[anum - 1] = value == NULL;
	row->values[anum - 1] = value == NULL ? (Datum) 0 :
											CStringGetTextDatum(value);
}

static int64
row_usec(MappingRow *row, int anum, int64 if_null)
{
	if (ROW_IS_NULL(row, anum))
		return if_null;
	return clock_interval_usec(DatumGetIntervalP(ROW_DATUM(row, anum)));
}

static void
row_set_usec(MappingRow *row, int anum, int64 usec)
{
	row_set(row, anum, IntervalPGetDatum(clock_usec_interval(usec)));
}

static MappingInfo *
mapping_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	MappingInfo *mapping = palloc0(sizeof(MappingInfo));
	MappingRow	 row;

	heap_deform_tuple(tuple, desc, row.values, row.nulls);
	mapping->uuid = *DatumGetUUIDP(ROW_DATUM(&row, Anum_uuid));
	mapping->mapping_no = DatumGetInt64(ROW_DATUM(&row, Anum_mapping_no));
	mapping->stream_id = DatumGetInt64(ROW_DATUM(&row, Anum_stream_id));
	mapping->event_source_arn = row_text(&row, Anum_event_source_arn);
	mapping->function_name = row_text(&row, Anum_function_name);
	mapping->role_id = DatumGetObjectId(ROW_DATUM(&row, Anum_role_id));
	mapping->database_id = DatumGetObjectId(ROW_DATUM(&row, Anum_database_id));
	mapping->starting_position = row_text(&row, Anum_starting_position);
	mapping->batch_size = DatumGetInt32(ROW_DATUM(&row, Anum_batch_size));
	mapping->maximum_batching_window_usec = row_usec(&row, Anum_maximum_batching_window, 0);
	mapping->parallelization_factor = DatumGetInt32(ROW_DATUM(&row, Anum_parallelization_factor));
	mapping->maximum_record_age_usec = row_usec(&row, Anum_maximum_record_age, -1);
	mapping->maximum_retry_attempts = DatumGetInt32(ROW_DATUM(&row, Anum_maximum_retry_attempts));
	mapping->bisect_batch_on_function_error = DatumGetBool(ROW_DATUM(&row, Anum_bisect_batch_on_function_error));
	mapping->on_failure = row_text(&row, Anum_on_failure);
	mapping->tumbling_window_usec = row_usec(&row, Anum_tumbling_window, 0);
	mapping->report_batch_item_failures =
		ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(ROW_DATUM(&row, Anum_function_response_types))),
					   ARR_DIMS(DatumGetArrayTypeP(ROW_DATUM(&row, Anum_function_response_types)))) > 0;
	if (!ROW_IS_NULL(&row, Anum_filter_criteria))
		mapping->filter_criteria = DatumGetJsonbPCopy(ROW_DATUM(&row, Anum_filter_criteria));
	mapping->enabled = DatumGetBool(ROW_DATUM(&row, Anum_enabled));
	mapping->created_at = DatumGetTimestampTz(ROW_DATUM(&row, Anum_created_at));
	mapping->last_modified = DatumGetTimestampTz(ROW_DATUM(&row, Anum_last_modified));
	mapping->version = DatumGetInt64(ROW_DATUM(&row, Anum_version));
	mapping->change = row_text(&row, Anum_change);
	mapping->acknowledged_version = DatumGetInt64(ROW_DATUM(&row, Anum_acknowledged_version));
	return mapping;
}

/* Runs a query for MAPPING_COLUMNS and returns a list of MappingInfo. */
static List *
query_mappings(const char *query, int nargs, const Oid *types, Datum *values)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi_context;
	List		 *mappings = NIL;
	OwnerSql	  state;
	uint64		  count;

	owner_sql_begin(&state);
	count = owner_sql(query, nargs, types, values, NULL);
	spi_context = MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < count; i++)
		mappings = lappend(mappings,
						   mapping_from_tuple(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(spi_context);
	owner_sql_end(&state);
	return mappings;
}

void
mapping_catalog_not_found(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("The resource you requested does not exist."),
			 errhint("ddbstreams.list_event_source_mappings() shows the mappings.")));
}

static MappingInfo *
only_mapping(List *mappings)
{
	return mappings == NIL ? NULL : linitial(mappings);
}

MappingInfo *
mapping_catalog_by_uuid(const pg_uuid_t *uuid)
{
	Datum value = UUIDPGetDatum(uuid);
	Oid	  type = UUIDOID;

	return only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping WHERE uuid = $1",
		1, &type, &value));
}

MappingInfo *
mapping_catalog_by_no(int64 mapping_no)
{
	Datum value = Int64GetDatum(mapping_no);
	Oid	  type = INT8OID;

	return only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping WHERE mapping_no = $1",
		1, &type, &value));
}

/* Returns the mapping that feeds a function from a stream, or NULL. */
static MappingInfo *
find_of_function(const char *event_source_arn, const char *function_name)
{
	Datum values[2];
	Oid	  types[2] = {TEXTOID, TEXTOID};

	values[0] = CStringGetTextDatum(event_source_arn);
	values[1] = CStringGetTextDatum(function_name);
	return only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping"
		" WHERE event_source_arn = $1 AND function_name = $2",
		2, types, values));
}

List *
mapping_catalog_list_of_stream(int64 stream_id)
{
	Datum value = Int64GetDatum(stream_id);
	Oid	  type = INT8OID;

	return query_mappings("SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping"
						  " WHERE stream_id = $1 ORDER BY mapping_no",
						  1, &type, &value);
}

List *
mapping_catalog_list(void)
{
	return query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping ORDER BY mapping_no",
		0, NULL, NULL);
}

bool
mapping_catalog_any_enabled(void)
{
	OwnerSql state;
	Oid		 types[] = {OIDOID};
	Datum	 values[] = {ObjectIdGetDatum(MyDatabaseId)};
	bool	 found;

	owner_sql_begin(&state);
	found = owner_sql("SELECT 1 FROM ddbstreams_shards.mapping"
					  " WHERE enabled AND database_id = $1 LIMIT 1",
					  1, types, values, NULL) > 0;
	owner_sql_end(&state);
	return found;
}

void
mapping_catalog_acknowledge(const MappingInfo *mapping)
{
	Datum	 values[2];
	Oid		 types[2] = {INT8OID, INT8OID};
	OwnerSql state;

	if (mapping->acknowledged_version == mapping->version)
		return;
	values[0] = Int64GetDatum(mapping->mapping_no);
	values[1] = Int64GetDatum(mapping->version);
	owner_sql_begin(&state);
	owner_sql("UPDATE ddbstreams_shards.mapping AS m SET acknowledged_version = $2"
			  " FROM (SELECT mapping_no FROM ddbstreams_shards.mapping"
			  "       WHERE mapping_no = $1 AND version = $2"
			  "       FOR NO KEY UPDATE SKIP LOCKED) AS locked"
			  " WHERE m.mapping_no = locked.mapping_no",
			  2, types, values, NULL);
	owner_sql_end(&state);
}

/*
 * Fills in the values of a row.  They are the parameters of the statements
 * below: the column's number is the parameter's.
 */
static void
row_from_mapping(const MappingInfo *mapping, MappingRow *row)
{
	memset(row->nulls, false, sizeof(row->nulls));
	row_set(row, Anum_uuid, UUIDPGetDatum(&mapping->uuid));
	row_set(row, Anum_mapping_no, Int64GetDatum(mapping->mapping_no));
	row_set(row, Anum_stream_id, Int64GetDatum(mapping->stream_id));
	row_set_text(row, Anum_event_source_arn, mapping->event_source_arn);
	row_set_text(row, Anum_function_name, mapping->function_name);
	row_set(row, Anum_role_id, ObjectIdGetDatum(mapping->role_id));
	row_set(row, Anum_database_id, ObjectIdGetDatum(mapping->database_id));
	row_set_text(row, Anum_starting_position, mapping->starting_position);
	row_set(row, Anum_batch_size, Int32GetDatum(mapping->batch_size));
	row_set_usec(row, Anum_maximum_batching_window,
				 mapping->maximum_batching_window_usec);
	row_set(row, Anum_parallelization_factor,
			Int32GetDatum(mapping->parallelization_factor));
	row_set_usec(row, Anum_maximum_record_age, mapping->maximum_record_age_usec);
	row->nulls[Anum_maximum_record_age - 1] = mapping->maximum_record_age_usec < 0;
	row_set(row, Anum_maximum_retry_attempts,
			Int32GetDatum(mapping->maximum_retry_attempts));
	row_set(row, Anum_bisect_batch_on_function_error,
			BoolGetDatum(mapping->bisect_batch_on_function_error));
	row_set_text(row, Anum_on_failure, mapping->on_failure);
	row_set_usec(row, Anum_tumbling_window, mapping->tumbling_window_usec);
	row->nulls[Anum_tumbling_window - 1] = mapping->tumbling_window_usec == 0;
	row_set(row, Anum_function_response_types,
			PointerGetDatum(mapping_response_types(mapping)));
	row_set(row, Anum_filter_criteria, PointerGetDatum(mapping->filter_criteria));
	row->nulls[Anum_filter_criteria - 1] = mapping->filter_criteria == NULL;
	row_set(row, Anum_enabled, BoolGetDatum(mapping->enabled));
	row_set(row, Anum_created_at, TimestampTzGetDatum(mapping->created_at));
	row_set(row, Anum_last_modified, TimestampTzGetDatum(mapping->last_modified));
	row_set(row, Anum_version, Int64GetDatum(mapping->version));
	row_set_text(row, Anum_change, mapping->change);
	row_set(row, Anum_acknowledged_version,
			Int64GetDatum(mapping->acknowledged_version));
}

static const Oid row_types[] = {
	[Anum_uuid - 1] = UUIDOID,
	[Anum_mapping_no - 1] = INT8OID,
	[Anum_stream_id - 1] = INT8OID,
	[Anum_event_source_arn - 1] = TEXTOID,
	[Anum_function_name - 1] = TEXTOID,
	[Anum_role_id - 1] = OIDOID,
	[Anum_database_id - 1] = OIDOID,
	[Anum_starting_position - 1] = TEXTOID,
	[Anum_batch_size - 1] = INT4OID,
	[Anum_maximum_batching_window - 1] = INTERVALOID,
	[Anum_parallelization_factor - 1] = INT4OID,
	[Anum_maximum_record_age - 1] = INTERVALOID,
	[Anum_maximum_retry_attempts - 1] = INT4OID,
	[Anum_bisect_batch_on_function_error - 1] = BOOLOID,
	[Anum_on_failure - 1] = TEXTOID,
	[Anum_tumbling_window - 1] = INTERVALOID,
	[Anum_function_response_types - 1] = TEXTARRAYOID,
	[Anum_filter_criteria - 1] = JSONBOID,
	[Anum_enabled - 1] = BOOLOID,
	[Anum_created_at - 1] = TIMESTAMPTZOID,
	[Anum_last_modified - 1] = TIMESTAMPTZOID,
	[Anum_version - 1] = INT8OID,
	[Anum_change - 1] = TEXTOID,
	[Anum_acknowledged_version - 1] = INT8OID};

StaticAssertDecl(lengthof(row_types) == Natts_mapping,
				 "row_types does not match the columns");

/*
 * Renames a violation of a unique constraint.  It means that the stream and
 * the function have a mapping that the transaction's snapshot does not show:
 * in READ COMMITTED that mapping would have been found before the row was
 * written.
 */
static void
name_serialization_failure(void *arg)
{
	if (geterrcode() == ERRCODE_UNIQUE_VIOLATION)
	{
		errcode(ERRCODE_T_R_SERIALIZATION_FAILURE);
		errmsg("could not serialize access due to concurrent changes of event source mappings");
	}
}

static void
write_row(const char *statement, const MappingInfo *mapping)
{
	ErrorContextCallback callback;
	MappingRow			 row;
	char				 nulls[Natts_mapping];
	OwnerSql			 state;

	row_from_mapping(mapping, &row);
	for (int i = 0; i < Natts_mapping; i++)
		nulls[i] = row.nulls[i] ? 'n' : ' ';
	callback.callback = name_serialization_failure;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	owner_sql_begin(&state);
	owner_sql(statement, Natts_mapping, row_types, row.values, nulls);
	owner_sql_end(&state);
	error_context_stack = callback.previous;
}

/*
 * Tells those who must know of a change: the stream's trigger, which a dump
 * carries; and, at commit, the dispatcher, which is started if there is none.
 */
static void
announce_change(const MappingInfo *mapping)
{
	mapping_changed_hook(mapping->stream_id);
	CacheInvalidateRelcacheByRelid(mapping_lock_table_oid());
	worker_databases_want_dispatcher_at_commit();
}

/* Raises the error for a second mapping of a function and a stream. */
static void
raise_already_exists(const MappingInfo *mapping)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("The event source arn (\" %s \") and function (\" %s \") provided mapping already exists. Please update or delete the existing mapping with UUID %s",
					mapping->event_source_arn, mapping->function_name,
					mapping_uuid_text(mapping))));
}

void
mapping_catalog_insert(MappingInfo *mapping)
{
	MappingInfo *other;

	mapping_lock_stream(mapping->stream_id);
	other = find_of_function(mapping->event_source_arn, mapping->function_name);
	if (other != NULL)
		raise_already_exists(other);
	write_row("INSERT INTO ddbstreams_shards.mapping"
			  " (" MAPPING_COLUMNS ")"
			  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
			  " $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)",
			  mapping);
	announce_change(mapping);
}

MappingInfo *
mapping_catalog_lock_for_change(const MappingInfo *mapping)
{
	Datum		 value = UUIDPGetDatum(&mapping->uuid);
	Oid			 type = UUIDOID;
	MappingInfo *locked;

	mapping_lock_stream(mapping->stream_id);
	locked = only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping"
		" WHERE uuid = $1 FOR NO KEY UPDATE",
		1, &type, &value));
	if (locked == NULL)
		mapping_catalog_not_found();
	return locked;
}

void
mapping_catalog_replace(MappingInfo *mapping, const char *change)
{
	MappingInfo *other = find_of_function(mapping->event_source_arn,
										  mapping->function_name);

	if (other != NULL && other->mapping_no != mapping->mapping_no)
		raise_already_exists(other);
	mapping->version++;
	mapping->change = pstrdup(change);
	mapping->last_modified = GetCurrentTimestamp();
	write_row("UPDATE ddbstreams_shards.mapping SET function_name = $5,"
			  " database_id = $7, batch_size = $9,"
			  " maximum_batching_window = $10, parallelization_factor = $11,"
			  " maximum_record_age = $12, maximum_retry_attempts = $13,"
			  " bisect_batch_on_function_error = $14, on_failure = $15,"
			  " tumbling_window = $16, function_response_types = $17,"
			  " filter_criteria = $18, enabled = $19, last_modified = $21,"
			  " version = $22, change = $23"
			  " WHERE uuid = $1",
			  mapping);
	announce_change(mapping);
}

void
mapping_catalog_remove(const MappingInfo *mapping)
{
	Datum	 value = UUIDPGetDatum(&mapping->uuid);
	Oid		 type = UUIDOID;
	OwnerSql state;
	uint64	 count;

	mapping_lock_stream(mapping->stream_id);
	owner_sql_begin(&state);
	count = owner_sql("DELETE FROM ddbstreams_shards.mapping WHERE uuid = $1",
					  1, &type, &value, NULL);
	owner_sql_end(&state);
	if (count == 0)
		mapping_catalog_not_found();
	mapping_shard_delete_orphans();
	announce_change(mapping);
}
