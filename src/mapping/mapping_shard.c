/*
 * mapping_shard.c
 *	  The part of the positions that mappings themselves need.
 *
 * ddbstreams_shards.mapping_shard has a row for each lane of each shard that a
 * mapping has come to.  delivery_position.c reads and writes the rows.  Here
 * are the few things that concern them and are not deliveries: what a mapping
 * that starts at LATEST begins with, how its last call has ended, and the
 * removal of what a deleted mapping has left.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "base/own_transaction.h"
#include "mapping/mapping_shard.h"
#include "registry/catalog_table.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "registry/shard_catalog.h"
#include "shard/shard_reader.h"

/* The columns that a position begins with; the others have defaults. */
#define START_COLUMNS(COLUMN)                     \
	COLUMN(start, mapping_no, INT8OID, ROW_FIXED) \
	COLUMN(start, shard_no, INT8OID, ROW_FIXED)   \
	COLUMN(start, lane, INT2OID, ROW_FIXED)       \
	COLUMN(start, lanes, INT2OID, ROW_FIXED)      \
	COLUMN(start, checkpoint, INT8OID, ROW_FIXED) \
	COLUMN(start, finished, BOOLOID, ROW_FIXED)
ROW_TABLE(start, START_COLUMNS);

#define RESULT_COLUMNS(COLUMN)                      \
	COLUMN(result, last_result, TEXTOID, ROW_FIXED) \
	COLUMN(result, mapping_no, INT8OID, ROW_PARAMETER)
ROW_TABLE(result, RESULT_COLUMNS);

#define NUMBER_COLUMNS(COLUMN) \
	COLUMN(number, mapping_no, INT8OID, ROW_FIXED)
ROW_TABLE(number, NUMBER_COLUMNS);

/* Makes the positions of a shard's lanes; between owner_sql_begin and _end. */
static void
insert_positions(const MappingInfo *mapping, const ShardInfo *shard,
				 int64 checkpoint, bool finished)
{
	int		 lanes = mapping_shard_lanes(mapping);
	TableRow row;

	row_init(&row, &start_table);
	row_set_int64(&row, Anum_start_mapping_no, mapping->mapping_no);
	row_set_int64(&row, Anum_start_shard_no, shard->shard_no);
	row_set_int16(&row, Anum_start_lanes, lanes);
	row_set_int64(&row, Anum_start_checkpoint, checkpoint);
	row_set_bool(&row, Anum_start_finished, finished);
	for (int lane = 0; lane < lanes; lane++)
	{
		row_set_int16(&row, Anum_start_lane, lane);
		(void) owner_sql_run("INSERT INTO ddbstreams_shards.mapping_shard ($(columns))"
							 " VALUES ($(values))",
							 &row);
	}
}

int
mapping_shard_lanes(const MappingInfo *mapping)
{
	return mapping->tumbling_window_usec > 0 ? 1 : mapping->parallelization_factor;
}

void
mapping_shard_start_at_latest(const MappingInfo *mapping, Snapshot snapshot)
{
	List	 *shards = shard_catalog_list(mapping->stream_id, snapshot);
	OwnerSql  state;
	ListCell *lc;

	owner_sql_begin(&state);
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);
		bool	   finished = !ShardIsOpen(shard);
		int64	   checkpoint = finished ? shard->ending_number :
										   shard_reader_latest(shard, snapshot);

		insert_positions(mapping, shard, checkpoint, finished);
	}
	owner_sql_end(&state);
}

static void *
text_from_row(const TableRow *row)
{
	return row_text(row, Anum_result_last_result);
}

char *
mapping_shard_last_result(int64 mapping_no)
{
	TableRow row;
	List	*results;

	row_init(&row, &result_table);
	row_set_int64(&row, Anum_result_mapping_no, mapping_no);
	results = owner_sql_list("SELECT $(columns) FROM ddbstreams_shards.mapping_shard"
							 " WHERE mapping_no = $mapping_no AND last_result IS NOT NULL"
							 " ORDER BY last_result_at DESC LIMIT 1",
							 &row, text_from_row);
	return results == NIL ? NULL : linitial(results);
}

void
mapping_shard_delete_of(int64 mapping_no)
{
	TableRow row;

	/*
	 * With a snapshot of the whole transaction the statement would fail for
	 * each row that has been updated since.  The rows are left to a later
	 * delete.
	 */
	if (IsolationUsesXactSnapshot())
		return;
	row_init(&row, &start_table);
	row_set_int64(&row, Anum_start_mapping_no, mapping_no);
	(void) owner_sql_execute("DELETE FROM ddbstreams_shards.mapping_shard AS s"
							 " USING (SELECT ctid AS tid FROM ddbstreams_shards.mapping_shard AS o"
							 "        WHERE o.mapping_no = $mapping_no"
							 "        AND NOT EXISTS (SELECT FROM ddbstreams_shards.mapping AS m"
							 "                        WHERE m.mapping_no = o.mapping_no)"
							 "        FOR UPDATE SKIP LOCKED) AS orphan"
							 " WHERE s.ctid = orphan.tid",
							 &row);
}

static void *
number_from_row(const TableRow *row)
{
	int64 *number = palloc(sizeof(int64));

	*number = row_int64(row, Anum_number_mapping_no);
	return number;
}

/*
 * The numbers of mappings are looked up one after the other in the index: the
 * table may have hundreds of thousands of rows for each.
 */
static List *
list_orphaned(void)
{
	TableRow row;

	row_init(&row, &number_table);
	return owner_sql_list("WITH RECURSIVE found (mapping_no) AS ("
						  " SELECT min(mapping_no) FROM ddbstreams_shards.mapping_shard"
						  " UNION ALL"
						  " SELECT (SELECT min(s.mapping_no)"
						  "  FROM ddbstreams_shards.mapping_shard AS s"
						  "  WHERE s.mapping_no > found.mapping_no)"
						  " FROM found WHERE found.mapping_no IS NOT NULL)"
						  " SELECT $(columns) FROM found WHERE mapping_no IS NOT NULL"
						  " AND NOT EXISTS (SELECT FROM ddbstreams_shards.mapping AS m"
						  "  WHERE m.mapping_no = found.mapping_no)",
						  &row, number_from_row);
}

void
mapping_shard_delete_orphans(void)
{
	ListCell *lc;

	foreach (lc, list_orphaned())
		mapping_shard_delete_of(*(int64 *) lfirst(lc));
}

void
mapping_shard_tidy(void)
{
	own_transaction_begin();
	if (catalog_table_is_installed())
		mapping_shard_delete_orphans();
	own_transaction_commit();
}
