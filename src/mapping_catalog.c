/*
 * mapping_catalog.c
 *	  The table of event source mappings: reading and changing its rows.
 *
 * A change by a user raises the row's version; the dispatcher writes down the
 * version that it works by (mapping_acknowledge), from which the state is told.
 *
 * Locks, in the order in which they are taken:
 *
 *	1. A handler's transaction takes the mapping's batch lock
 *	   (mapping_lock_batch) before anything else.  Nobody waits for it: it only
 *	   shows that a batch is in flight.
 *	2. It locks its row of mapping_shard and calls the handler, for as long as
 *	   that takes.
 *	3. Before its commit it takes a key share lock on the mapping's row
 *	   (mapping_fence).  If the row is gone, it must roll back.
 *
 * Deleting a mapping deletes the row of mapping, and of mapping_shard only the
 * rows that no handler holds: it never waits for a handler, but for a fenced
 * commit, and what a handler has done for a deleted mapping never commits.
 * Rows of mapping_shard left behind have a mapping_no that is not used again;
 * mapping_shard_delete_orphans, called by later deletes and by the dispatcher,
 * removes them.  Changing a mapping waits for nobody but other changes of it
 * (and, when the function changes, for fenced commits).
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "mapping.h"
#include "own_sql.h"
#include "stream_time.h"

#define MAPPING_COLUMNS                                                       \
	"uuid, mapping_no, stream_id, event_source_arn, function_name, role_id, " \
	"database_id, starting_position, batch_size, maximum_batching_window, "   \
	"parallelization_factor, maximum_record_age, maximum_retry_attempts, "    \
	"bisect_batch_on_function_error, on_failure, tumbling_window, "           \
	"function_response_types, filter_criteria, enabled, created_at, "         \
	"last_modified, version, change, acknowledged_version, "                  \
	"last_processing_result"

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
	Anum_last_processing_result,
	Natts_mapping = Anum_last_processing_result
};

/* The OID of the table of mappings, whose relcache is invalidated by changes */
Oid
mapping_table_oid(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid relid = get_relname_relid("mapping", schema);

	if (!OidIsValid(relid))
		elog(ERROR, "table \"mapping\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	return relid;
}

/* A row as SPI has it */
typedef struct MappingRow
{
	Datum values[Natts_mapping];
	bool  nulls[Natts_mapping];
} MappingRow;

#define ROW_DATUM(row, anum)   ((row)->values[(anum) -1])
#define ROW_IS_NULL(row, anum) ((row)->nulls[(anum) -1])

static char *
row_text(MappingRow *row, int anum)
{
	return ROW_IS_NULL(row, anum) ? NULL :
									TextDatumGetCString(ROW_DATUM(row, anum));
}

static int64
row_usec(MappingRow *row, int anum, int64 if_null)
{
	if (ROW_IS_NULL(row, anum))
		return if_null;
	return stream_time_interval_usec(DatumGetIntervalP(ROW_DATUM(row, anum)));
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
	mapping->last_processing_result = row_text(&row, Anum_last_processing_result);
	return mapping;
}

/* Runs a query for MAPPING_COLUMNS and returns a list of MappingInfo. */
static List *
query_mappings(const char *query, int nargs, const Oid *types, Datum *values)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext spi_context;
	List		 *mappings = NIL;
	OwnSql		  state;
	uint64		  count;

	own_sql_begin(&state);
	count = own_sql(query, nargs, types, values, NULL);
	spi_context = MemoryContextSwitchTo(caller);
	for (uint64 i = 0; i < count; i++)
		mappings = lappend(mappings,
						   mapping_from_tuple(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc));
	MemoryContextSwitchTo(spi_context);
	own_sql_end(&state);
	return mappings;
}

static MappingInfo *
only_mapping(List *mappings)
{
	return mappings == NIL ? NULL : linitial(mappings);
}

/* Returns the mapping of that name, or NULL. */
MappingInfo *
mapping_by_uuid(const pg_uuid_t *uuid)
{
	Datum value = UUIDPGetDatum(uuid);
	Oid	  type = UUIDOID;

	return only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping WHERE uuid = $1",
		1, &type, &value));
}

/* Returns the mapping of that number, or NULL. */
MappingInfo *
mapping_by_no(int64 mapping_no)
{
	Datum value = Int64GetDatum(mapping_no);
	Oid	  type = INT8OID;

	return only_mapping(query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping WHERE mapping_no = $1",
		1, &type, &value));
}

/* Returns all mappings, in the order of their creation. */
List *
mapping_list(void)
{
	return query_mappings(
		"SELECT " MAPPING_COLUMNS " FROM ddbstreams_shards.mapping ORDER BY mapping_no",
		0, NULL, NULL);
}

/*
 * Is the mapping to deliver?  In a copy of the database that it was made in it
 * is not, until it is enabled there.
 */
bool
mapping_is_active(const MappingInfo *mapping)
{
	return mapping->enabled && mapping->database_id == MyDatabaseId;
}

/*
 * Writes down that the dispatcher works by this version of the mapping.  Does
 * not wait for those who change or delete it.
 */
void
mapping_acknowledge(const MappingInfo *mapping)
{
	Datum  values[2];
	Oid	   types[2] = {INT8OID, INT8OID};
	OwnSql state;

	if (mapping->acknowledged_version == mapping->version)
		return;
	values[0] = Int64GetDatum(mapping->mapping_no);
	values[1] = Int64GetDatum(mapping->version);
	own_sql_begin(&state);
	own_sql("UPDATE ddbstreams_shards.mapping AS m SET acknowledged_version = $2"
			" FROM (SELECT mapping_no FROM ddbstreams_shards.mapping"
			"       WHERE mapping_no = $1 AND version = $2"
			"       FOR NO KEY UPDATE SKIP LOCKED) AS locked"
			" WHERE m.mapping_no = locked.mapping_no",
			2, types, values, NULL);
	own_sql_end(&state);
}

/* All 48 bits that mapping numbers have for ages */
static void
set_batch_locktag(LOCKTAG *tag, int64 mapping_no)
{
	SET_LOCKTAG_OBJECT(*tag, MyDatabaseId, mapping_table_oid(),
					   (uint32) mapping_no, (uint16) (mapping_no >> 32));
}

/*
 * Shows, until the end of the transaction, that a batch of the mapping is in
 * flight.
 */
void
mapping_lock_batch(int64 mapping_no)
{
	LOCKTAG tag;

	set_batch_locktag(&tag, mapping_no);
	(void) LockAcquire(&tag, RowShareLock, false, false);
}

/* Is a batch of the mapping in flight in another transaction? */
bool
mapping_has_batch(int64 mapping_no)
{
	LOCKTAG tag;
	int		count;

	set_batch_locktag(&tag, mapping_no);
	(void) GetLockConflicts(&tag, AccessExclusiveLock, &count);
	return count > 0;
}

/*
 * Keeps the mapping from being deleted until the end of the transaction; false
 * if it has been deleted already, and what was done for it must not commit.
 * Waits for a transaction that is deleting it.
 */
bool
mapping_fence(int64 mapping_no)
{
	Datum  value = Int64GetDatum(mapping_no);
	Oid	   type = INT8OID;
	OwnSql state;
	bool   found;

	own_sql_begin(&state);
	found = own_sql("SELECT 1 FROM ddbstreams_shards.mapping"
					" WHERE mapping_no = $1 FOR KEY SHARE",
					1, &type, &value, NULL) > 0;
	own_sql_end(&state);
	return found;
}
