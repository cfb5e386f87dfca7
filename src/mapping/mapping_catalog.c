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
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "mapping/mapping_catalog.h"
#include "mapping/mapping_lock.h"
#include "mapping/mapping_origin.h"
#include "mapping/mapping_shard.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "worker/worker_databases.h"

/* The columns of the table, which the install script explains */
#define MAPPING_COLUMNS(COLUMN)                                       \
	COLUMN(mapping, uuid, UUIDOID, ROW_FIXED)                         \
	COLUMN(mapping, mapping_no, INT8OID, ROW_FIXED)                   \
	COLUMN(mapping, stream_id, INT8OID, ROW_FIXED)                    \
	COLUMN(mapping, event_source_arn, TEXTOID, ROW_FIXED)             \
	COLUMN(mapping, function_name, TEXTOID, ROW_SET)                  \
	COLUMN(mapping, role_id, OIDOID, ROW_FIXED)                       \
	COLUMN(mapping, database_id, OIDOID, ROW_SET)                     \
	COLUMN(mapping, server_id, INT8OID, ROW_SET)                      \
	COLUMN(mapping, starting_position, TEXTOID, ROW_FIXED)            \
	COLUMN(mapping, batch_size, INT4OID, ROW_SET)                     \
	COLUMN(mapping, maximum_batching_window, INTERVALOID, ROW_SET)    \
	COLUMN(mapping, parallelization_factor, INT4OID, ROW_SET)         \
	COLUMN(mapping, maximum_record_age, INTERVALOID, ROW_SET)         \
	COLUMN(mapping, maximum_retry_attempts, INT4OID, ROW_SET)         \
	COLUMN(mapping, bisect_batch_on_function_error, BOOLOID, ROW_SET) \
	COLUMN(mapping, on_failure, TEXTOID, ROW_SET)                     \
	COLUMN(mapping, tumbling_window, INTERVALOID, ROW_SET)            \
	COLUMN(mapping, function_response_types, TEXTARRAYOID, ROW_SET)   \
	COLUMN(mapping, filter_criteria, JSONBOID, ROW_SET)               \
	COLUMN(mapping, metrics, TEXTARRAYOID, ROW_SET)                   \
	COLUMN(mapping, tags, JSONBOID, ROW_SET)                          \
	COLUMN(mapping, enabled, BOOLOID, ROW_SET)                        \
	COLUMN(mapping, created_at, TIMESTAMPTZOID, ROW_FIXED)            \
	COLUMN(mapping, last_modified, TIMESTAMPTZOID, ROW_SET)           \
	COLUMN(mapping, version, INT8OID, ROW_SET)                        \
	COLUMN(mapping, change, TEXTOID, ROW_SET)                         \
	COLUMN(mapping, acknowledged_version, INT8OID, ROW_FIXED)
ROW_TABLE(mapping, MAPPING_COLUMNS);

#define MAPPING_TABLE	   "ddbstreams_shards.mapping"
#define FAILED_BATCH_TABLE "ddbstreams_shards.failed_batch"
#define SELECT_MAPPINGS	   "SELECT $(columns) FROM " MAPPING_TABLE

void (*mapping_changed_hook)(int64 stream_id) = NULL;

static void *
mapping_from_row(const TableRow *row)
{
	MappingInfo *mapping = palloc(sizeof(MappingInfo));
	int			 response_types;
	int			 metrics;

	mapping->uuid = *row_uuid(row, Anum_mapping_uuid);
	mapping->mapping_no = row_int64(row, Anum_mapping_mapping_no);
	mapping->stream_id = row_int64(row, Anum_mapping_stream_id);
	mapping->event_source_arn = row_text(row, Anum_mapping_event_source_arn);
	mapping->function_name = row_text(row, Anum_mapping_function_name);
	mapping->role_id = row_oid(row, Anum_mapping_role_id);
	mapping->database_id = row_oid(row, Anum_mapping_database_id);
	mapping->server_id = row_int64(row, Anum_mapping_server_id);
	mapping->starting_position = row_text(row, Anum_mapping_starting_position);
	mapping->batch_size = row_int32(row, Anum_mapping_batch_size);
	mapping->maximum_batching_window_usec =
		row_usec(row, Anum_mapping_maximum_batching_window, 0);
	mapping->parallelization_factor =
		row_int32(row, Anum_mapping_parallelization_factor);
	mapping->maximum_record_age_usec =
		row_usec(row, Anum_mapping_maximum_record_age, -1);
	mapping->maximum_retry_attempts =
		row_int32(row, Anum_mapping_maximum_retry_attempts);
	mapping->bisect_batch_on_function_error =
		row_bool(row, Anum_mapping_bisect_batch_on_function_error);
	mapping->on_failure = row_text(row, Anum_mapping_on_failure);
	mapping->tumbling_window_usec =
		row_usec(row, Anum_mapping_tumbling_window, 0);
	(void) row_texts(row, Anum_mapping_function_response_types, &response_types);
	mapping->report_batch_item_failures = response_types > 0;
	mapping->filter_criteria = row_jsonb(row, Anum_mapping_filter_criteria);
	(void) row_texts(row, Anum_mapping_metrics, &metrics);
	mapping->counts_events = metrics > 0;
	mapping->tags = row_jsonb(row, Anum_mapping_tags);
	mapping->enabled = row_bool(row, Anum_mapping_enabled);
	mapping->created_at = row_time(row, Anum_mapping_created_at);
	mapping->last_modified = row_time(row, Anum_mapping_last_modified);
	mapping->version = row_int64(row, Anum_mapping_version);
	mapping->change = row_text(row, Anum_mapping_change);
	mapping->acknowledged_version =
		row_int64(row, Anum_mapping_acknowledged_version);
	return mapping;
}

/* Fills a row, which points into the mapping. */
static void
row_from_mapping(TableRow *row, const MappingInfo *mapping)
{
	char *response_type = MAPPING_REPORT_BATCH_ITEM_FAILURES;
	char *metric = MAPPING_EVENT_COUNT;

	row_init(row, &mapping_table);
	row_set_uuid(row, Anum_mapping_uuid, &mapping->uuid);
	row_set_int64(row, Anum_mapping_mapping_no, mapping->mapping_no);
	row_set_int64(row, Anum_mapping_stream_id, mapping->stream_id);
	row_set_text(row, Anum_mapping_event_source_arn, mapping->event_source_arn);
	row_set_text(row, Anum_mapping_function_name, mapping->function_name);
	row_set_oid(row, Anum_mapping_role_id, mapping->role_id);
	row_set_oid(row, Anum_mapping_database_id, mapping->database_id);
	row_set_int64(row, Anum_mapping_server_id, mapping->server_id);
	row_set_text(row, Anum_mapping_starting_position,
				 mapping->starting_position);
	row_set_int32(row, Anum_mapping_batch_size, mapping->batch_size);
	row_set_usec(row, Anum_mapping_maximum_batching_window,
				 mapping->maximum_batching_window_usec);
	row_set_int32(row, Anum_mapping_parallelization_factor,
				  mapping->parallelization_factor);
	if (mapping->maximum_record_age_usec >= 0)
		row_set_usec(row, Anum_mapping_maximum_record_age,
					 mapping->maximum_record_age_usec);
	row_set_int32(row, Anum_mapping_maximum_retry_attempts,
				  mapping->maximum_retry_attempts);
	row_set_bool(row, Anum_mapping_bisect_batch_on_function_error,
				 mapping->bisect_batch_on_function_error);
	row_set_text(row, Anum_mapping_on_failure, mapping->on_failure);
	if (mapping->tumbling_window_usec > 0)
		row_set_usec(row, Anum_mapping_tumbling_window,
					 mapping->tumbling_window_usec);
	row_set_texts(row, Anum_mapping_function_response_types, &response_type,
				  mapping->report_batch_item_failures ? 1 : 0);
	row_set_jsonb(row, Anum_mapping_filter_criteria, mapping->filter_criteria);
	row_set_texts(row, Anum_mapping_metrics, &metric,
				  mapping->counts_events ? 1 : 0);
	row_set_jsonb(row, Anum_mapping_tags, mapping->tags);
	row_set_bool(row, Anum_mapping_enabled, mapping->enabled);
	row_set_time(row, Anum_mapping_created_at, mapping->created_at);
	row_set_time(row, Anum_mapping_last_modified, mapping->last_modified);
	row_set_int64(row, Anum_mapping_version, mapping->version);
	row_set_text(row, Anum_mapping_change, mapping->change);
	row_set_int64(row, Anum_mapping_acknowledged_version,
				  mapping->acknowledged_version);
}

void
mapping_catalog_not_found(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("The resource you requested does not exist."),
			 errhint("ddbstreams.list_event_source_mappings() shows the mappings.")));
}

/* Runs a statement for mappings and returns the first one, or NULL. */
static MappingInfo *
find_mapping(const char *statement, const TableRow *key)
{
	List *mappings = owner_sql_list(statement, key, mapping_from_row);

	return mappings == NIL ? NULL : linitial(mappings);
}

MappingInfo *
mapping_catalog_by_uuid(const pg_uuid_t *uuid)
{
	TableRow key;

	row_init(&key, &mapping_table);
	row_set_uuid(&key, Anum_mapping_uuid, uuid);
	return find_mapping(SELECT_MAPPINGS " WHERE uuid = $uuid", &key);
}

MappingInfo *
mapping_catalog_by_no(int64 mapping_no)
{
	TableRow key;

	row_init(&key, &mapping_table);
	row_set_int64(&key, Anum_mapping_mapping_no, mapping_no);
	return find_mapping(SELECT_MAPPINGS " WHERE mapping_no = $mapping_no", &key);
}

/* Returns the role's mapping of the same stream and function, or NULL. */
static MappingInfo *
find_of_function(const MappingInfo *mapping)
{
	TableRow key;

	row_init(&key, &mapping_table);
	row_set_text(&key, Anum_mapping_event_source_arn, mapping->event_source_arn);
	row_set_text(&key, Anum_mapping_function_name, mapping->function_name);
	row_set_oid(&key, Anum_mapping_role_id, mapping->role_id);
	return find_mapping(SELECT_MAPPINGS " WHERE event_source_arn = $event_source_arn"
										" AND function_name = $function_name"
										" AND role_id = $role_id AND role_id <> 0",
						&key);
}

List *
mapping_catalog_list_of_stream(int64 stream_id)
{
	TableRow key;

	row_init(&key, &mapping_table);
	row_set_int64(&key, Anum_mapping_stream_id, stream_id);
	return owner_sql_list(SELECT_MAPPINGS " WHERE stream_id = $stream_id"
										  " ORDER BY mapping_no",
						  &key, mapping_from_row);
}

List *
mapping_catalog_list(void)
{
	TableRow key;

	row_init(&key, &mapping_table);
	return owner_sql_list(SELECT_MAPPINGS " ORDER BY mapping_no", &key,
						  mapping_from_row);
}

bool
mapping_catalog_any_enabled(void)
{
	TableRow key;

	row_init(&key, &mapping_table);
	row_set_oid(&key, Anum_mapping_database_id, MyDatabaseId);
	row_set_int64(&key, Anum_mapping_server_id, mapping_origin_server());
	return owner_sql_execute("SELECT FROM " MAPPING_TABLE
							 " WHERE enabled AND database_id = $database_id"
							 " AND server_id = $server_id LIMIT 1",
							 &key) > 0;
}

/*
 * A mapping whose role has been dropped must not come to another role that is
 * given the same number later, and nor must its failed batches, which hold
 * records.  Superusers alone can see and delete it then.
 */
void
mapping_catalog_take_from_dropped_roles(void)
{
	TableRow key;
	uint64	 count;

	row_init(&key, &mapping_table);
	count = owner_sql_execute("UPDATE " MAPPING_TABLE " AS m"
							  " SET enabled = false, role_id = 0"
							  " FROM (SELECT mapping_no FROM " MAPPING_TABLE
							  "       WHERE role_id <> 0 AND NOT EXISTS"
							  "        (SELECT FROM pg_catalog.pg_authid WHERE oid = role_id)"
							  "       FOR UPDATE SKIP LOCKED) AS locked"
							  " WHERE m.mapping_no = locked.mapping_no",
							  &key);
	if (count > 0)
		ereport(WARNING,
				(errmsg_plural("ddbstreams has disabled %llu event source mapping, whose role has been dropped",
							   "ddbstreams has disabled %llu event source mappings, whose roles have been dropped",
							   count, (unsigned long long) count)));
	(void) owner_sql_execute("UPDATE " FAILED_BATCH_TABLE " SET role_id = 0"
							 " WHERE id = ANY (ARRAY("
							 "SELECT b.id FROM " MAPPING_TABLE " AS m, " FAILED_BATCH_TABLE " AS b"
							 " WHERE m.role_id = 0 AND b.mapping_no = m.mapping_no"
							 " AND b.role_id <> 0 FOR UPDATE OF b SKIP LOCKED))",
							 &key);
}

bool
mapping_catalog_acknowledge(const MappingInfo *mapping)
{
	TableRow row;

	if (mapping->acknowledged_version == mapping->version)
		return true;
	row_init(&row, &mapping_table);
	row_set_int64(&row, Anum_mapping_mapping_no, mapping->mapping_no);
	row_set_int64(&row, Anum_mapping_version, mapping->version);
	return owner_sql_execute("UPDATE " MAPPING_TABLE " AS m"
							 " SET acknowledged_version = $version"
							 " FROM (SELECT mapping_no FROM " MAPPING_TABLE
							 "       WHERE mapping_no = $mapping_no AND version = $version"
							 "       FOR NO KEY UPDATE SKIP LOCKED) AS locked"
							 " WHERE m.mapping_no = locked.mapping_no",
							 &row) > 0;
}

/*
 * Renames a violation of a unique constraint.  It means that the role has a
 * mapping of the stream and the function that the transaction's snapshot does
 * not show: in READ COMMITTED that mapping would have been found before the
 * row was written.
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
	TableRow			 row;

	row_from_mapping(&row, mapping);
	callback.callback = name_serialization_failure;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	(void) owner_sql_execute(statement, &row);
	error_context_stack = callback.previous;
}

/*
 * Makes a change known: writes it into the stream's trigger, which a dump
 * carries, and wakes the dispatcher at commit, or has one started.
 */
static void
announce_change(const MappingInfo *mapping)
{
	mapping_changed_hook(mapping->stream_id);
	worker_databases_want_dispatcher_at_commit();
}

/* Raises the error for a mapping that the role has already. */
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

	mapping_lock_role(mapping->stream_id, mapping->role_id);
	other = find_of_function(mapping);
	if (other != NULL)
		raise_already_exists(other);
	write_row("INSERT INTO " MAPPING_TABLE " ($(columns)) VALUES ($(values))",
			  mapping);
	announce_change(mapping);
}

MappingInfo *
mapping_catalog_lock_for_change(const MappingInfo *mapping)
{
	TableRow	 key;
	MappingInfo *locked;

	mapping_lock_role(mapping->stream_id, mapping->role_id);
	row_init(&key, &mapping_table);
	row_set_uuid(&key, Anum_mapping_uuid, &mapping->uuid);
	locked = find_mapping(SELECT_MAPPINGS " WHERE uuid = $uuid FOR NO KEY UPDATE",
						  &key);
	if (locked == NULL)
		mapping_catalog_not_found();
	return locked;
}

void
mapping_catalog_replace(MappingInfo *mapping, const char *change)
{
	MappingInfo *other = find_of_function(mapping);

	if (other != NULL && other->mapping_no != mapping->mapping_no)
		raise_already_exists(other);
	mapping->version++;
	mapping->change = pstrdup(change);
	mapping->last_modified = GetCurrentTimestamp();
	write_row("UPDATE " MAPPING_TABLE " SET $(set) WHERE uuid = $uuid", mapping);
	announce_change(mapping);
}

void
mapping_catalog_write_tags(const MappingInfo *mapping)
{
	TableRow row;

	row_init(&row, &mapping_table);
	row_set_uuid(&row, Anum_mapping_uuid, &mapping->uuid);
	row_set_jsonb(&row, Anum_mapping_tags, mapping->tags);
	(void) owner_sql_execute("UPDATE " MAPPING_TABLE " SET tags = $tags"
							 " WHERE uuid = $uuid",
							 &row);
	mapping_changed_hook(mapping->stream_id);
}

void
mapping_catalog_remove(const MappingInfo *mapping)
{
	TableRow key;

	mapping_lock_role(mapping->stream_id, mapping->role_id);
	row_init(&key, &mapping_table);
	row_set_uuid(&key, Anum_mapping_uuid, &mapping->uuid);
	if (owner_sql_execute("DELETE FROM " MAPPING_TABLE " WHERE uuid = $uuid",
						  &key) == 0)
		mapping_catalog_not_found();
	mapping_shard_delete_orphans();
	row_set_int64(&key, Anum_mapping_mapping_no, mapping->mapping_no);
	(void) owner_sql_execute("DELETE FROM " FAILED_BATCH_TABLE
							 " WHERE mapping_no = $mapping_no",
							 &key);
	announce_change(mapping);
}
