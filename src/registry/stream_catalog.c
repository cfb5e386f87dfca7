/*
 * stream_catalog.c
 *	  The table of streams.
 *
 * catalog_table.c says how its rows are read and written.  A backend that
 * changes a stream or its shards holds the stream's lock (stream_catalog_lock)
 * until the end of its transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "registry/catalog_table.h"
#include "registry/stream_catalog.h"
#include "worker/worker_databases.h"

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

static void *
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

static const VersionedTable versioned_streams = {
	.table = CATALOG_STREAM,
	.columns = &stream_table,
	.id_anum = Anum_stream_stream_id,
	.version_anum = Anum_stream_version,
	.from_row = stream_from_row};

static int
compare_creation(const ListCell *a, const ListCell *b)
{
	const StreamInfo *x = lfirst(a);
	const StreamInfo *y = lfirst(b);

	if (x->created_at != y->created_at)
		return x->created_at < y->created_at ? -1 : 1;
	return x->stream_id < y->stream_id ? -1 : x->stream_id > y->stream_id;
}

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
		streams = catalog_table_read(&versioned_streams, "table_oid_idx", 1, &key,
									 snapshot);
		foreach (lc, streams)
		{
			/* The OID may be another table's by now. */
			if (((StreamInfo *) lfirst(lc))->table_dropped)
				streams = foreach_delete_current(streams, lc);
		}
	}
	else
		streams = catalog_table_read(&versioned_streams, NULL, 0, NULL, snapshot);
	list_sort(streams, compare_creation);
	return streams;
}

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

StreamInfo *
stream_catalog_latest(Oid table_oid, Snapshot snapshot)
{
	StreamInfo *latest = NULL;
	ListCell   *lc;

	/* The clock may have gone back between two streams; identities rise. */
	foreach (lc, stream_catalog_list(table_oid, snapshot))
	{
		StreamInfo *stream = lfirst(lc);

		if (latest == NULL || stream->stream_id > latest->stream_id)
			latest = stream;
	}
	return latest;
}

static StreamInfo *
find_stream(const char *index_suffix, ScanKey key, Snapshot snapshot)
{
	List *streams = catalog_table_read(&versioned_streams, index_suffix, 1, key,
									   snapshot);

	return streams == NIL ? NULL : linitial(streams);
}

StreamInfo *
stream_catalog_by_arn(const char *arn, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_stream_stream_arn, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(arn));
	return find_stream("arn_idx", &key, snapshot);
}

StreamInfo *
stream_catalog_by_id(int64 stream_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_stream_stream_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(stream_id));
	return find_stream("pkey", &key, snapshot);
}

/*
 * The stream's lock is that of an object of the table of streams.  The two
 * fields of its tag have room for the 48 bits of an identity (id_sequence.h).
 */
StreamInfo *
stream_catalog_lock(int64 stream_id)
{
	LockDatabaseObject(catalog_table_oid(CATALOG_STREAM, false),
					   (Oid) stream_id, (uint16) (stream_id >> 32),
					   ExclusiveLock);
	return stream_catalog_by_id(stream_id, NULL);
}

/*
 * The first minor versions of a server may lack ConditionalLockDatabaseObject,
 * which later ones have got.
 */
StreamInfo *
stream_catalog_try_lock(int64 stream_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, catalog_table_oid(CATALOG_STREAM, false),
					   (Oid) stream_id, (uint16) (stream_id >> 32));
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return NULL;
	AcceptInvalidationMessages();
	return stream_catalog_by_id(stream_id, NULL);
}

void
stream_catalog_insert(const StreamInfo *stream)
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
	catalog_table_insert(CATALOG_STREAM, &row);
	worker_databases_streams_change_at_commit();
}

void
stream_catalog_replace(StreamInfo *stream)
{
	stream->version++;
	stream_catalog_insert(stream);
}

void
stream_catalog_delete(const StreamInfo *stream)
{
	catalog_table_delete(&versioned_streams, stream->stream_id);
}

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

Oid
stream_catalog_table_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}
