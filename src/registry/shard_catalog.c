/*
 * shard_catalog.c
 *	  The table of shards.
 *
 * catalog_table.c says how its rows are read and written, and stream_catalog.c
 * which lock a backend holds that changes the shards of a stream.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "registry/catalog_table.h"
#include "registry/shard_catalog.h"
#include "worker/worker_databases.h"

#define SHARD_COLUMNS(COLUMN)                            \
	COLUMN(shard, shard_no, INT8OID, ROW_FIXED)          \
	COLUMN(shard, stream_id, INT8OID, ROW_FIXED)         \
	COLUMN(shard, shard_id, TEXTOID, ROW_FIXED)          \
	COLUMN(shard, parent_shard_id, TEXTOID, ROW_FIXED)   \
	COLUMN(shard, starting_number, INT8OID, ROW_FIXED)   \
	COLUMN(shard, ending_number, INT8OID, ROW_FIXED)     \
	COLUMN(shard, hash_first, INT8OID, ROW_FIXED)        \
	COLUMN(shard, hash_last, INT8OID, ROW_FIXED)         \
	COLUMN(shard, shard_table, REGCLASSOID, ROW_FIXED)   \
	COLUMN(shard, side_table, REGCLASSOID, ROW_FIXED)    \
	COLUMN(shard, created_at, TIMESTAMPTZOID, ROW_FIXED) \
	COLUMN(shard, closed_at, TIMESTAMPTZOID, ROW_FIXED)  \
	COLUMN(shard, version, INT8OID, ROW_FIXED)
ROW_TABLE(shard, SHARD_COLUMNS);

static void *
shard_from_row(const TableRow *row)
{
	ShardInfo *shard = palloc0(sizeof(ShardInfo));

	shard->shard_no = row_int64(row, Anum_shard_shard_no);
	shard->stream_id = row_int64(row, Anum_shard_stream_id);
	shard->shard_id = row_text(row, Anum_shard_shard_id);
	shard->parent_shard_id = row_text(row, Anum_shard_parent_shard_id);
	shard->starting_number = row_int64(row, Anum_shard_starting_number);
	shard->ending_number = row_int64(row, Anum_shard_ending_number);
	shard->hash_first = (uint64) row_int64(row, Anum_shard_hash_first);
	shard->hash_last = (uint64) row_int64(row, Anum_shard_hash_last);
	shard->shard_table = row_oid(row, Anum_shard_shard_table);
	shard->side_table = row_oid(row, Anum_shard_side_table);
	shard->created_at = row_time(row, Anum_shard_created_at);
	shard->closed_at = row_time(row, Anum_shard_closed_at);
	shard->version = row_int64(row, Anum_shard_version);
	return shard;
}

static const VersionedTable versioned_shards = {
	.table = CATALOG_SHARD,
	.columns = &shard_table,
	.id_anum = Anum_shard_shard_no,
	.version_anum = Anum_shard_version,
	.from_row = shard_from_row};

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	return strcmp(((const ShardInfo *) lfirst(a))->shard_id,
				  ((const ShardInfo *) lfirst(b))->shard_id);
}

static int
compare_ranges(const ListCell *a, const ListCell *b)
{
	const ShardInfo *x = lfirst(a);
	const ShardInfo *y = lfirst(b);

	return x->hash_first < y->hash_first ? -1 : x->hash_first > y->hash_first;
}

/* Returns the shards of a stream, in no useful order. */
static List *
shards_of_stream(int64 stream_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_shard_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	return catalog_table_read(&versioned_shards, "stream_id_idx", 1, &key,
							  snapshot);
}

List *
shard_catalog_list(int64 stream_id, Snapshot snapshot)
{
	List *shards = shards_of_stream(stream_id, snapshot);

	list_sort(shards, compare_ids);
	return shards;
}

List *
shard_catalog_children(int64 stream_id, const char *shard_id, Snapshot snapshot)
{
	ScanKeyData keys[2];
	List	   *shards;

	ScanKeyInit(&keys[0], Anum_shard_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	ScanKeyInit(&keys[1], Anum_shard_parent_shard_id, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(shard_id));
	shards = catalog_table_read(&versioned_shards, "parent_shard_id_idx", 2, keys,
								snapshot);
	list_sort(shards, compare_ids);
	return shards;
}

List *
shard_catalog_open(int64 stream_id, Snapshot snapshot)
{
	List	 *shards = shards_of_stream(stream_id, snapshot);
	ListCell *lc;

	foreach (lc, shards)
	{
		if (!ShardIsOpen((ShardInfo *) lfirst(lc)))
			shards = foreach_delete_current(shards, lc);
	}
	list_sort(shards, compare_ranges);
	return shards;
}

ShardInfo *
shard_catalog_find(int64 stream_id, const char *shard_id, Snapshot snapshot)
{
	ScanKeyData keys[2];
	List	   *shards;

	ScanKeyInit(&keys[0], Anum_shard_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	ScanKeyInit(&keys[1], Anum_shard_shard_id, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(shard_id));
	shards = catalog_table_read(&versioned_shards, "stream_id_idx", 2, keys,
								snapshot);
	return shards == NIL ? NULL : linitial(shards);
}

ShardInfo *
shard_catalog_in_list(const List *shards, const char *shard_id)
{
	int low = 0;
	int high = list_length(shards);

	while (low < high)
	{
		int		   middle = low + (high - low) / 2;
		ShardInfo *shard = list_nth(shards, middle);
		int		   order = strcmp(shard->shard_id, shard_id);

		if (order == 0)
			return shard;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

ShardInfo *
shard_catalog_by_no(int64 shard_no, Snapshot snapshot)
{
	ScanKeyData key;
	List	   *shards;

	ScanKeyInit(&key, Anum_shard_shard_no, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(shard_no));
	shards = catalog_table_read(&versioned_shards, "pkey", 1, &key, snapshot);
	return shards == NIL ? NULL : linitial(shards);
}

ShardInfo *
shard_catalog_copy(const ShardInfo *shard)
{
	ShardInfo *copy = palloc(sizeof(ShardInfo));

	*copy = *shard;
	copy->shard_id = pstrdup(shard->shard_id);
	if (shard->parent_shard_id != NULL)
		copy->parent_shard_id = pstrdup(shard->parent_shard_id);
	return copy;
}

void
shard_catalog_free(ShardInfo *shard)
{
	if (shard->parent_shard_id != NULL)
		pfree(shard->parent_shard_id);
	pfree(shard->shard_id);
	pfree(shard);
}

bool
shard_catalog_shares_side_table(const ShardInfo *shard)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_shard_side_table, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(shard->side_table));
	return catalog_table_has_other(&versioned_shards, "side_table_idx", &key,
								   shard->shard_no);
}

void
shard_catalog_insert(const ShardInfo *shard)
{
	TableRow row;

	row_init(&row, &shard_table);
	row_set_int64(&row, Anum_shard_shard_no, shard->shard_no);
	row_set_int64(&row, Anum_shard_stream_id, shard->stream_id);
	row_set_text(&row, Anum_shard_shard_id, shard->shard_id);
	row_set_text(&row, Anum_shard_parent_shard_id, shard->parent_shard_id);
	row_set_int64(&row, Anum_shard_starting_number, shard->starting_number);
	if (!ShardIsOpen(shard))
		row_set_int64(&row, Anum_shard_ending_number, shard->ending_number);
	row_set_int64(&row, Anum_shard_hash_first, (int64) shard->hash_first);
	row_set_int64(&row, Anum_shard_hash_last, (int64) shard->hash_last);
	row_set_oid(&row, Anum_shard_shard_table, shard->shard_table);
	row_set_oid(&row, Anum_shard_side_table, shard->side_table);
	row_set_time(&row, Anum_shard_created_at, shard->created_at);
	row_set_time(&row, Anum_shard_closed_at, shard->closed_at);
	row_set_int64(&row, Anum_shard_version, shard->version);
	catalog_table_insert(CATALOG_SHARD, &row);
	worker_databases_streams_change_at_commit();
}

void
shard_catalog_replace(ShardInfo *shard)
{
	shard->version++;
	shard_catalog_insert(shard);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(shard->shard_table)))
		CacheInvalidateRelcacheByRelid(shard->shard_table);
	else
		CacheInvalidateRelcacheAll(); /* its table is missing */
}

void
shard_catalog_delete(const ShardInfo *shard)
{
	catalog_table_delete(&versioned_shards, shard->shard_no);
}
