/*
 * stream_catalog.c
 *	  The tables that say which streams and shards there are.
 *
 * The rows are read as system catalogues are: with the snapshot that the caller
 * names, or with a fresh catalogue snapshot when it is NULL.  Capture, append
 * and DDL pass NULL: in REPEATABLE READ the transaction's own snapshot would
 * show them closed shards as open.  Readers pass their statement's snapshot, so
 * that what they see of streams, shards and records is of one moment.
 *
 * Rows are inserted (heap_write.c says how), never updated: a stream or shard
 * that changes gets a new row with a higher version, and of the versions that a
 * snapshot shows the highest counts.  All go when the stream or shard expires.
 *
 * Who changes a stream or its shards holds the stream's lock
 * (stream_catalog_lock) to the end of its transaction.  Every row that these
 * functions return is palloc'd in the caller's memory context.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "catalog/pg_class.h"
#include "utils/syscache.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "registry/heap_write.h"
#include "registry/row.h"
#include "registry/stream_catalog.h"

#define STREAM_COLUMNS(COLUMN)                                 \
	COLUMN(stream, stream_id, INT8OID, ROW_FIXED)              \
	COLUMN(stream, stream_arn, TEXTOID, ROW_FIXED)             \
	COLUMN(stream, table_oid, REGCLASSOID, ROW_FIXED)          \
	COLUMN(stream, table_dropped, BOOLOID, ROW_FIXED)          \
	COLUMN(stream, table_name, TEXTOID, ROW_FIXED)             \
	COLUMN(stream, stream_label, TEXTOID, ROW_FIXED)           \
	COLUMN(stream, stream_view_type, TEXTOID, ROW_FIXED)       \
	COLUMN(stream, created_at, TIMESTAMPTZOID, ROW_FIXED)      \
	COLUMN(stream, disabled_at, TIMESTAMPTZOID, ROW_FIXED)     \
	COLUMN(stream, retention, INTERVALOID, ROW_FIXED)          \
	COLUMN(stream, owner, OIDOID, ROW_FIXED)                   \
	COLUMN(stream, key_attnums, INT2ARRAYOID, ROW_FIXED)       \
	COLUMN(stream, key_columns, TEXTARRAYOID, ROW_FIXED)       \
	COLUMN(stream, partition_attnums, INT2ARRAYOID, ROW_FIXED) \
	COLUMN(stream, hash_functions, TEXTOID, ROW_FIXED)         \
	COLUMN(stream, version, INT8OID, ROW_FIXED)
ROW_TABLE(stream, STREAM_COLUMNS);

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

static const char *const table_names[] = {
	[CATALOG_STREAM] = "stream",
	[CATALOG_SHARD] = "shard",
	[CATALOG_ROW_DESCRIPTOR] = "row_descriptor",
	[CATALOG_SECRET] = "secret"};

static const char *const view_type_names[] = {
	[VIEW_KEYS_ONLY] = "KEYS_ONLY",
	[VIEW_NEW_IMAGE] = "NEW_IMAGE",
	[VIEW_OLD_IMAGE] = "OLD_IMAGE",
	[VIEW_NEW_AND_OLD_IMAGES] = "NEW_AND_OLD_IMAGES"};

const char *
view_type_name(StreamViewType view_type)
{
	return view_type_names[view_type];
}

/* Finds the view type of that name; false if there is none. */
bool
view_type_parse(const char *name, StreamViewType *view_type)
{
	for (Size i = 0; i < lengthof(view_type_names); i++)
	{
		if (strcmp(name, view_type_names[i]) == 0)
		{
			*view_type = (StreamViewType) i;
			return true;
		}
	}
	return false;
}

static void
not_installed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("extension \"%s\" is not installed in this database",
					DDBSTREAMS_EXTENSION),
			 errhint("Run CREATE EXTENSION %s.", DDBSTREAMS_EXTENSION)));
}

/*
 * Returns the OID of one of the extension's tables in this database, or
 * InvalidOid if the extension is not (or no longer) there and missing_ok.
 */
Oid
catalog_table_oid(CatalogTable table, bool missing_ok)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);
	Oid relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(table_names[table], schema);
	if (!OidIsValid(relid) && !missing_ok)
		not_installed();
	return relid;
}

/* Opens a catalogue table, which may be gone by the time it is locked. */
static Relation
open_to_read(CatalogTable table)
{
	Relation rel = try_relation_open(catalog_table_oid(table, false),
									 AccessShareLock);

	if (rel == NULL)
		not_installed();
	return rel;
}

/*
 * The index of a catalogue table: its name is the table's with a suffix.
 * Invalid while DROP EXTENSION is at work, which may drop it before the table.
 */
static Oid
catalog_index_oid(CatalogTable table, const char *suffix)
{
	char *name = psprintf("%s_%s", table_names[table], suffix);
	Oid	  schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid	  relid = get_relname_relid(name, schema);

	pfree(name);
	return relid;
}

static StreamInfo *
stream_from_row(const TableRow *row)
{
	StreamInfo *stream = palloc0(sizeof(StreamInfo));
	int			columns;

	stream->stream_id = row_int64(row, Anum_stream_stream_id);
	stream->arn = row_text(row, Anum_stream_stream_arn);
	stream->table_oid = row_oid(row, Anum_stream_table_oid);
	stream->table_dropped = row_bool(row, Anum_stream_table_dropped);
	stream->table_name = row_text(row, Anum_stream_table_name);
	stream->label = row_text(row, Anum_stream_stream_label);
	if (!view_type_parse(row_text(row, Anum_stream_stream_view_type),
						 &stream->view_type))
		elog(ERROR, "unknown view type of stream " INT64_FORMAT,
			 stream->stream_id);
	stream->created_at = row_time(row, Anum_stream_created_at);
	stream->disabled_at = row_time(row, Anum_stream_disabled_at);
	stream->retention = *row_interval(row, Anum_stream_retention);
	stream->retention_usec = clock_interval_usec(&stream->retention);
	stream->owner = row_oid(row, Anum_stream_owner);
	stream->key_attnums = row_attnums(row, Anum_stream_key_attnums,
									  &stream->key_count);
	stream->key_columns = row_texts(row, Anum_stream_key_columns, &columns);
	if (columns != stream->key_count)
		elog(ERROR, "key of stream " INT64_FORMAT " has %d columns and %d names",
			 stream->stream_id, stream->key_count, columns);
	stream->partition_attnums = row_attnums(row, Anum_stream_partition_attnums,
											&stream->partition_count);
	stream->hash_functions = row_text(row, Anum_stream_hash_functions);
	stream->version = row_int64(row, Anum_stream_version);
	return stream;
}

static ShardInfo *
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

/* What a row is a version of, and which one */
typedef struct RowVersionKey
{
	int64 id;
	int64 version;
} RowVersionKey;

static RowVersionKey
row_version(CatalogTable table, const void *row)
{
	RowVersionKey key;

	if (table == CATALOG_STREAM)
	{
		key.id = ((const StreamInfo *) row)->stream_id;
		key.version = ((const StreamInfo *) row)->version;
	}
	else
	{
		key.id = ((const ShardInfo *) row)->shard_no;
		key.version = ((const ShardInfo *) row)->version;
	}
	return key;
}

static int
compare_versions(CatalogTable table, const ListCell *a, const ListCell *b)
{
	RowVersionKey x = row_version(table, lfirst(a));
	RowVersionKey y = row_version(table, lfirst(b));

	if (x.id != y.id)
		return x.id < y.id ? -1 : 1;
	return x.version < y.version ? -1 : x.version > y.version;
}

static int
compare_stream_versions(const ListCell *a, const ListCell *b)
{
	return compare_versions(CATALOG_STREAM, a, b);
}

static int
compare_shard_versions(const ListCell *a, const ListCell *b)
{
	return compare_versions(CATALOG_SHARD, a, b);
}

/* Leaves the highest version of each row. */
static List *
highest_versions(CatalogTable table, List *rows)
{
	List	 *result = NIL;
	void	 *previous = NULL;
	ListCell *lc;

	list_sort(rows, table == CATALOG_STREAM ?
						compare_stream_versions :
						compare_shard_versions);
	foreach (lc, rows)
	{
		void *row = lfirst(lc);

		if (previous != NULL &&
			row_version(table, previous).id == row_version(table, row).id)
			llast(result) = row;
		else
			result = lappend(result, row);
		previous = row;
	}
	return result;
}

/*
 * Reads all rows of a catalogue table that one index finds, in their highest
 * versions, as a list of StreamInfo or ShardInfo.
 */
static List *
catalog_scan(CatalogTable table, const char *index_suffix, int nkeys,
			 ScanKey keys, Snapshot snapshot)
{
	List	   *result = NIL;
	Relation	rel = open_to_read(table);
	Oid			index = index_suffix ?
							catalog_index_oid(table, index_suffix) :
							InvalidOid;
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index),
										  snapshot, nkeys, keys);
	HeapTuple	tuple;
	TableRow	row;

	if (table == CATALOG_STREAM)
		row_check_columns(&stream_table, RelationGetDescr(rel));
	else
		row_check_columns(&shard_table, RelationGetDescr(rel));
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (table == CATALOG_STREAM)
		{
			row_read(&row, &stream_table, tuple, RelationGetDescr(rel));
			result = lappend(result, stream_from_row(&row));
		}
		else
		{
			row_read(&row, &shard_table, tuple, RelationGetDescr(rel));
			result = lappend(result, shard_from_row(&row));
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return highest_versions(table, result);
}

/* Streams in the order of their creation */
static int
compare_streams(const ListCell *a, const ListCell *b)
{
	const StreamInfo *x = lfirst(a);
	const StreamInfo *y = lfirst(b);

	if (x->created_at != y->created_at)
		return x->created_at < y->created_at ? -1 : 1;
	return x->stream_id < y->stream_id ? -1 : x->stream_id > y->stream_id;
}

static int
compare_shards(const ListCell *a, const ListCell *b)
{
	return strcmp(((const ShardInfo *) lfirst(a))->shard_id,
				  ((const ShardInfo *) lfirst(b))->shard_id);
}

/*
 * Returns the streams that were made on a table, or all if table_oid is
 * invalid, in the order of their creation.
 */
List *
stream_catalog_list(Oid table_oid, Snapshot snapshot)
{
	ScanKeyData key;
	List	   *streams;
	ListCell   *lc;

	if (OidIsValid(table_oid))
	{
		ScanKeyInit(&key, Anum_stream_table_oid, BTEqualStrategyNumber,
					F_OIDEQ, ObjectIdGetDatum(table_oid));
		streams = catalog_scan(CATALOG_STREAM, "table_oid_idx", 1, &key, snapshot);
		foreach (lc, streams)
		{
			/* The OID may be another table's by now. */
			if (((StreamInfo *) lfirst(lc))->table_dropped)
				streams = foreach_delete_current(streams, lc);
		}
	}
	else
		streams = catalog_scan(CATALOG_STREAM, NULL, 0, NULL, snapshot);
	list_sort(streams, compare_streams);
	return streams;
}

/* Returns the stream that is enabled on a table, or NULL. */
StreamInfo *
stream_catalog_enabled(Oid table_oid, Snapshot snapshot)
{
	List	 *streams = stream_catalog_list(table_oid, snapshot);
	ListCell *lc;

	foreach (lc, streams)
	{
		StreamInfo *stream = lfirst(lc);

		if (StreamIsEnabled(stream))
			return stream;
	}
	return NULL;
}

/*
 * Returns the stream of a table that was made last, or NULL.  The clock may have
 * gone back since an earlier one was made; identities rise.
 */
StreamInfo *
stream_catalog_latest(Oid table_oid, Snapshot snapshot)
{
	StreamInfo *latest = NULL;
	ListCell   *lc;

	foreach (lc, stream_catalog_list(table_oid, snapshot))
	{
		StreamInfo *stream = lfirst(lc);

		if (latest == NULL || stream->stream_id > latest->stream_id)
			latest = stream;
	}
	return latest;
}

static StreamInfo *
only_stream(const char *index_suffix, ScanKey key, Snapshot snapshot)
{
	List *streams = catalog_scan(CATALOG_STREAM, index_suffix, 1, key,
								 snapshot);

	return streams == NIL ? NULL : linitial(streams);
}

StreamInfo *
stream_catalog_by_arn(const char *arn, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_stream_stream_arn, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(arn));
	return only_stream("arn_idx", &key, snapshot);
}

StreamInfo *
stream_catalog_by_id(int64 stream_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_stream_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	return only_stream("pkey", &key, snapshot);
}

/*
 * Takes the lock that whoever changes a stream holds until the end of its
 * transaction, and returns the stream as it is now, or NULL if it is gone.
 * Readers and writers do not take this lock.
 */
StreamInfo *
stream_catalog_lock(int64 stream_id)
{
	LockDatabaseObject(catalog_table_oid(CATALOG_STREAM, false),
					   (Oid) stream_id, 0, ExclusiveLock);
	return stream_catalog_by_id(stream_id, NULL);
}

/*
 * The same without waiting.  Returns NULL also if somebody else is changing the
 * stream.
 */
StreamInfo *
stream_catalog_try_lock(int64 stream_id)
{
	if (!ConditionalLockDatabaseObject(catalog_table_oid(CATALOG_STREAM, false),
									   (Oid) stream_id, 0, ExclusiveLock))
		return NULL;
	return stream_catalog_by_id(stream_id, NULL);
}

/* Inserts one row in a catalogue table and makes it visible to later reads. */
static void
catalog_insert(CatalogTable table, TableRow *row)
{
	Relation rel = table_open(catalog_table_oid(table, false),
							  RowExclusiveLock);

	row_check_columns(row->table, RelationGetDescr(rel));
	PushActiveSnapshot(GetTransactionSnapshot());
	heap_write_insert(rel, row->values, row->nulls);
	PopActiveSnapshot();
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
stream_catalog_insert(StreamInfo *stream)
{
	TableRow row;

	row_init(&row, &stream_table);
	row_set_int64(&row, Anum_stream_stream_id, stream->stream_id);
	row_set_text(&row, Anum_stream_stream_arn, stream->arn);
	row_set_oid(&row, Anum_stream_table_oid, stream->table_oid);
	row_set_bool(&row, Anum_stream_table_dropped, stream->table_dropped);
	row_set_text(&row, Anum_stream_table_name, stream->table_name);
	row_set_text(&row, Anum_stream_stream_label, stream->label);
	row_set_text(&row, Anum_stream_stream_view_type,
				 view_type_name(stream->view_type));
	row_set_time(&row, Anum_stream_created_at, stream->created_at);
	row_set_time(&row, Anum_stream_disabled_at, stream->disabled_at);
	row_set_interval(&row, Anum_stream_retention, &stream->retention);
	row_set_oid(&row, Anum_stream_owner, stream->owner);
	row_set_attnums(&row, Anum_stream_key_attnums, stream->key_attnums,
					stream->key_count);
	row_set_texts(&row, Anum_stream_key_columns, stream->key_columns,
				  stream->key_count);
	row_set_attnums(&row, Anum_stream_partition_attnums,
					stream->partition_attnums, stream->partition_count);
	row_set_text(&row, Anum_stream_hash_functions, stream->hash_functions);
	row_set_int64(&row, Anum_stream_version, stream->version);
	catalog_insert(CATALOG_STREAM, &row);
}

/*
 * Writes a stream's new facts in the place of those that were read with it,
 * under the stream's lock.
 */
void
stream_catalog_replace(StreamInfo *stream)
{
	stream->version++;
	stream_catalog_insert(stream);
}

/* Deletes all rows that one index finds with a number. */
static void
catalog_delete(CatalogTable table, AttrNumber anum, int64 id)
{
	Relation	rel = table_open(catalog_table_oid(table, false), RowExclusiveLock);
	ScanKeyData key;

	ScanKeyInit(&key, anum, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(id));
	heap_write_delete(rel, catalog_index_oid(table, "pkey"), 1, &key);
	table_close(rel, NoLock);
}

/* Deletes a stream that has no shards, under the stream's lock. */
void
stream_catalog_delete(const StreamInfo *stream)
{
	catalog_delete(CATALOG_STREAM, Anum_stream_stream_id, stream->stream_id);
}

/* Deletes a shard's rows, under the stream's lock. */
void
shard_catalog_delete(const ShardInfo *shard)
{
	catalog_delete(CATALOG_SHARD, Anum_shard_shard_no, shard->shard_no);
}

/* Returns the shards of a stream, in the order of their ids. */
List *
shard_catalog_list(int64 stream_id, Snapshot snapshot)
{
	ScanKeyData key;
	List	   *shards;

	ScanKeyInit(&key, Anum_shard_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	shards = catalog_scan(CATALOG_SHARD, "stream_id_idx", 1, &key, snapshot);
	list_sort(shards, compare_shards);
	return shards;
}

/* Returns one shard of a stream, or NULL. */
ShardInfo *
shard_catalog_find(int64 stream_id, const char *shard_id, Snapshot snapshot)
{
	ScanKeyData keys[2];
	List	   *shards;

	ScanKeyInit(&keys[0], Anum_shard_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	ScanKeyInit(&keys[1], Anum_shard_shard_id, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(shard_id));
	shards = catalog_scan(CATALOG_SHARD, "stream_id_idx", 2, keys, snapshot);
	return shards == NIL ? NULL : linitial(shards);
}

/* Returns a shard by its number, or NULL. */
ShardInfo *
shard_catalog_by_no(int64 shard_no, Snapshot snapshot)
{
	ScanKeyData key;
	List	   *shards;

	ScanKeyInit(&key, Anum_shard_shard_no, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(shard_no));
	shards = catalog_scan(CATALOG_SHARD, "pkey", 1, &key, snapshot);
	return shards == NIL ? NULL : linitial(shards);
}

void
shard_catalog_insert(ShardInfo *shard)
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
	catalog_insert(CATALOG_SHARD, &row);
}

/*
 * Writes a shard's new facts in the place of those that were read with it, and
 * makes every backend forget what it knows of the stream's open shards: it will
 * have heard of it when it next gets a lock on the shard's table.
 */
void
shard_catalog_replace(ShardInfo *shard)
{
	shard->version++;
	shard_catalog_insert(shard);
	CacheInvalidateRelcacheByRelid(shard->shard_table);
}

/* Draws an identity for a stream or a shard, unique in this database. */
int64
catalog_next_id(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid sequence = get_relname_relid("id_seq", schema);

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"id_seq\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	return nextval_internal(sequence, false);
}

/* Returns the installation's secret, with which iterators are signed. */
bytea *
catalog_secret(void)
{
	Relation	rel = open_to_read(CATALOG_SECRET);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bytea	   *secret;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the secret that signs shard iterators is missing"),
				 errhint("Drop and create extension \"%s\" again.",
						 DDBSTREAMS_EXTENSION)));
	secret = DatumGetByteaPCopy(heap_getattr(tuple, 1, RelationGetDescr(rel),
											 &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return secret;
}

/*
 * Returns the enabled stream that captures a relation, its own or that of the
 * partitioned table that it is a part of, or NULL; sets root to the table that
 * the stream is on.
 */
StreamInfo *
stream_catalog_capturing(Oid relid, Oid *root)
{
	StreamInfo *stream = stream_catalog_enabled(relid, NULL);

	*root = relid;

	/* A partition that is being detached keeps its triggers to the end. */
	while (stream == NULL && get_rel_relispartition(*root))
	{
		*root = get_partition_parent(*root, true);
		stream = stream_catalog_enabled(*root, NULL);
	}
	return stream;
}

/* Returns the owner of a relation, which exists. */
Oid
stream_catalog_table_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}
