/*
 * stream.c
 *	  Turning streams on and off.
 *
 * Enabling and disabling first lock the table and all its partitions
 * ShareRowExclusive, as CREATE TRIGGER does.  Transactions that have changed
 * rows have ended when the locks are granted, and transactions that change
 * rows later see the new state.  So exactly the changes that are made after
 * enable_stream has returned are captured.
 *
 * The locks are taken in this order: the table, its partitions, the lock of
 * the stream (stream_catalog_lock), then the shards' tables.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/statement_snapshot.h"
#include "capture/change_buffer.h"
#include "reading/stream_access.h"
#include "registry/id_sequence.h"
#include "registry/stream_key.h"
#include "shard/shard_tables.h"
#include "stream/stream.h"
#include "stream/stream_definition.h"
#include "stream/stream_neighbours.h"
#include "stream/stream_triggers.h"

#define MIN_RETENTION USECS_PER_MINUTE
#define MAX_RETENTION (100 * (int64) (DAYS_PER_YEAR * 4) * (USECS_PER_DAY / 4))

/*
 * Raises an error if a table does not exist, or if the user does not own it.
 */
static void
check_owner(Oid table_oid)
{
	(void) stream_access_table_name(table_oid, false);
	if (!compat_owns_relation(table_oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(table_oid)),
					   get_rel_name(table_oid));
}

/* Returns the name of the table that a partition is a part of, palloc'd. */
static char *
root_name(Oid partition)
{
	while (get_rel_relispartition(partition))
		partition = get_partition_parent(partition, true);
	return get_rel_name(partition);
}

/*
 * Returns a retention in microseconds; raises an error if it is out of range.
 */
static int64
check_retention(const Interval *retention)
{
	int64 usec = clock_interval_usec(retention);

	if (usec < MIN_RETENTION || usec > MAX_RETENTION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention must be between 1 minute and 100 years")));
	return usec;
}

/*
 * Locks a table and all its partitions against writers.  Returns them, the
 * table first.
 */
static List *
lock_with_partitions(Oid table_oid)
{
	List *relids;

	LockRelationOid(table_oid, ShareRowExclusiveLock);
	if (get_rel_relkind(table_oid) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(table_oid);
	relids = find_all_inheritors(table_oid, ShareRowExclusiveLock, NULL);
	Assert(linitial_oid(relids) == table_oid);
	return relids;
}

/*
 * Adds the partitions that are half detached, whose triggers have to end with
 * the others.
 */
static List *
lock_detaching(List *relids)
{
	List	 *detaching = stream_triggers_detaching(relids);
	ListCell *lc;

	foreach (lc, detaching)
		LockRelationOid(lfirst_oid(lc), ShareRowExclusiveLock);
	return list_concat(relids, detaching);
}

/* Locks a table and its partitions, if the user owns the table. */
static List *
lock_against_writers(Oid table_oid)
{
	List *relids;

	/* The table may be dropped, or get another owner, before it is locked. */
	check_owner(table_oid);
	relids = lock_with_partitions(table_oid);
	check_owner(table_oid);
	return relids;
}

/*
 * Raises an error if a statement of this session uses one of the tables: it
 * has looked at the table's triggers already, so its further changes would not
 * be captured.  opened is the table that the caller itself has open, or NULL.
 */
static void
check_not_in_use(List *relids, Relation opened, const char *action)
{
	ListCell *lc;

	foreach (lc, relids)
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		if (rel->rd_refcnt > (rel == opened ? 2 : 1))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot %s the stream of table \"%s\" because it is being used by active queries in this session",
							action, RelationGetRelationName(rel))));
		table_close(rel, NoLock);
	}
}

static void
refuse_relation(Relation rel, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot enable a stream on \"%s\": it is %s",
					RelationGetRelationName(rel), what),
			 hint ? errhint("%s", hint) : 0));
}

/* Raises an error if a relation of this kind cannot have a stream. */
static void
check_kind(Relation rel, bool is_root)
{
	const char *claim;
	const char *hint;

	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			break;
		case RELKIND_VIEW:
			refuse_relation(rel, "a view", "Name the table that it reads.");
			break;
		case RELKIND_MATVIEW:
			refuse_relation(rel, "a materialized view",
							"Name the tables that it reads.");
			break;
		case RELKIND_FOREIGN_TABLE:
			refuse_relation(rel, "a foreign table",
							"Enable the stream where the table is.");
			break;
		default:
			refuse_relation(rel, "not a table", "Name a table.");
	}
	if (IsSystemRelation(rel))
		refuse_relation(rel, "a system catalog", "Name a table of your own.");
	if (RelationGetNamespace(rel) ==
		get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true))
		refuse_relation(rel, "a table of extension ddbstreams itself",
						"Name a table of your own.");
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse_relation(rel, "a temporary table", "Use a permanent table.");
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		refuse_relation(rel, "an unlogged table",
						"Run ALTER TABLE ... SET LOGGED first.");
	claim = stream_neighbours_claim(RelationGetRelid(rel), &hint);
	if (claim != NULL)
		refuse_relation(rel, claim, hint);
	if (is_root && rel->rd_rel->relispartition)
		refuse_relation(rel, "a partition",
						psprintf("Name its root, \"%s\", instead.",
								 root_name(RelationGetRelid(rel))));
}

/* A shard of Citus has its own rows; but they may go to another server. */
static void
warn_of_placement(Relation rel)
{
	if (stream_neighbours_is_placement(RelationGetRelid(rel)))
		ereport(WARNING,
				(errmsg("table \"%s\" is a shard of Citus: its stream ends when Citus moves or splits it",
						RelationGetRelationName(rel)),
				 errdetail("The new shard, which may be on another server, has no stream until one is enabled.")));
}

static TableKey *
require_key(Relation rel)
{
	TableKey *key = stream_key_of(rel);

	if (key == NULL)
		refuse_relation(rel, "a table without a primary key",
						"Run ALTER TABLE ... ADD PRIMARY KEY first.");
	if (key->deferrable)
		refuse_relation(rel, "a table with a deferrable primary key",
						"Make the primary key NOT DEFERRABLE.");
	return key;
}

/* Raises an error if a partition cannot be captured with its table. */
static void
check_partitions(List *relids)
{
	ListCell *lc;

	for_each_from (lc, relids, 1)
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		check_kind(rel, false);
		if (stream_catalog_enabled(RelationGetRelid(rel), NULL) != NULL)
			refuse_relation(rel, "a partition with a stream of its own",
							"Disable that stream first.");
		table_close(rel, NoLock);
	}
}

static int
count_leaves(List *relids)
{
	ListCell *lc;
	int		  count = 0;

	foreach (lc, relids)
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			count++;
	}
	return count;
}

static int
choose_shard_count(int shard_count, Relation rel, List *relids)
{
	if (shard_count == 0 && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		shard_count = Min(count_leaves(relids), MAX_SHARD_COUNT);
	if (shard_count == 0)
		shard_count = setting_default_shard_count;
	return shard_count;
}

/*
 * Sets the partition key; partition_key is a list of char *, or NIL for all.
 */
static void
set_partition_key(StreamInfo *stream, const TableKey *key, List *partition_key)
{
	ListCell *lc;

	if (partition_key == NIL)
	{
		stream->partition_count = key->count;
		stream->partition_attnums = key->attnums;
		return;
	}
	stream->partition_attnums = palloc(list_length(partition_key) *
									   sizeof(AttrNumber));
	foreach (lc, partition_key)
	{
		char *name = lfirst(lc);
		int	  i;

		for (i = 0; i < key->count && strcmp(key->names[i], name) != 0; i++)
			;
		if (i == key->count)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("partition_key names \"%s\", which is not a column of the table's primary key",
							name),
					 errhint("The partition key is one or more columns of the primary key.")));
		for (int j = 0; j < stream->partition_count; j++)
		{
			if (stream->partition_attnums[j] == key->attnums[i])
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("partition_key names \"%s\" twice", name)));
		}
		stream->partition_attnums[stream->partition_count++] = key->attnums[i];
	}
}

/* Gives a new stream its creation time, label and ARN, which are unique. */
static void
set_identity(StreamInfo *stream)
{
	if (strlen(setting_region) + strlen(stream->table_name) > 1024 - 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the names of the table and its schema are too long for an ARN")));
	stream->created_at = clock_now();
	for (;;)
	{
		stream->label = clock_label(stream->created_at);
		stream->arn = psprintf("arn:aws:dynamodb:%s:%s:table/%s/stream/%s",
							   setting_region, setting_account_id,
							   stream->table_name, stream->label);
		if (stream_catalog_by_arn(stream->arn, NULL) == NULL)
			break;
		stream->created_at += 1000;
	}
	stream->stream_id = id_sequence_next();
}

/* Makes the shards of a new stream, whose ranges tile the space of hashes. */
static void
create_shards(const StreamInfo *stream, int count)
{
	/* PG_UINT64_MAX is 2^64 - 1: the rest of 2^64 by count is one more. */
	uint64	   width = PG_UINT64_MAX / count;
	int		   rest = (int) (PG_UINT64_MAX % count) + 1;
	uint64	   first = 0;
	ShardInfo *shard = NULL;

	for (int i = 0; i < count; i++)
	{
		uint64 last = first + (width - 1) + (i < rest ? 1 : 0);

		shard = shard_tables_make(stream, first, last, shard);
		shard_tables_publish(shard, NULL, stream->created_at,
							 NUMBER_AT_TIME(stream->created_at));
		first = last + 1;
	}
}

static void
invalidate_relations(List *relids)
{
	ListCell *lc;

	foreach (lc, relids)
		CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
	CommandCounterIncrement();
}

char *
stream_enable(Oid table_oid, const char *view_type, int shard_count,
			  List *partition_key, const Interval *retention)
{
	static const Interval one_day = {.time = 24 * USECS_PER_HOUR};
	StreamInfo			 *stream = palloc0(sizeof(StreamInfo));
	TableKey			 *key;
	List				 *relids;
	Relation			  rel;

	PreventCommandIfReadOnly("enable_stream()");
	if (!view_type_parse(view_type, &stream->view_type))
		error_enum(view_type, "streamSpecification.streamViewType", "stream_view_type",
				   "NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY");
	if (shard_count < 0 || shard_count > MAX_SHARD_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("shard_count must be between 1 and %d", MAX_SHARD_COUNT)));
	stream->retention = retention ? *retention : one_day;
	stream->retention_usec = check_retention(&stream->retention);

	relids = lock_against_writers(table_oid);
	/* table_open's errors for what is no table differ between versions. */
	rel = relation_open(table_oid, NoLock);
	check_kind(rel, true);
	warn_of_placement(rel);
	key = require_key(rel);
	check_partitions(relids);
	check_not_in_use(relids, rel, "enable");

	stream->table_oid = table_oid;
	stream->table_name = stream_access_table_name(table_oid, false);
	if (stream_catalog_enabled(table_oid, NULL) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Table already has an enabled stream: TableName: %s",
						stream->table_name),
				 errhint("To change it, call ddbstreams.disable_stream first.")));
	stream->owner = rel->rd_rel->relowner;
	stream->key_count = key->count;
	stream->key_attnums = key->attnums;
	stream->key_columns = key->names;
	set_partition_key(stream, key, partition_key);
	stream->hash_functions = stream_key_hash_functions(rel, stream->partition_count,
													   stream->partition_attnums);
	set_identity(stream);
	stream_catalog_insert(stream);
	create_shards(stream, choose_shard_count(shard_count, rel, relids));
	relation_close(rel, NoLock);

	stream_triggers_enable(relids);
	stream_definition_store(stream);
	invalidate_relations(relids);
	return stream->arn;
}

/* Disables a stream that is locked.  relids are its table and partitions. */
static void
end_stream(StreamInfo *stream, List *relids)
{
	shard_tables_close_all(stream->stream_id);
	stream->disabled_at = clock_now();
	stream_catalog_replace(stream);
	stream_triggers_disable(relids);
	stream_definition_store(stream);
	invalidate_relations(relids);
}

char *
stream_disable(Oid table_oid)
{
	StreamInfo *stream;
	List	   *relids;

	PreventCommandIfReadOnly("disable_stream()");
	relids = lock_detaching(lock_against_writers(table_oid));
	check_not_in_use(relids, NULL, "disable");
	stream = stream_catalog_enabled(table_oid, NULL);
	if (stream != NULL)
		stream = stream_catalog_lock(stream->stream_id);
	if (stream == NULL || !StreamIsEnabled(stream))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Table has no stream to disable: TableName: %s",
						stream_access_table_name(table_oid, false)),
				 get_rel_relispartition(table_oid) ?
					 errhint("It is a partition: the stream would be on its root, \"%s\".",
							 root_name(table_oid)) :
					 0));
	if (change_buffer_has_changes(stream->stream_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot disable the stream of table \"%s\" in a transaction that has changed the table",
						stream->table_name),
				 errhint("Commit the changes first.")));

	end_stream(stream, relids);
	return stream->arn;
}

void
stream_lock(Oid table_oid)
{
	StreamInfo *stream;

	(void) lock_detaching(lock_with_partitions(table_oid));
	stream = stream_catalog_enabled(table_oid, NULL);
	if (stream != NULL)
		(void) stream_catalog_lock(stream->stream_id);
}

void
stream_end(Oid table_oid)
{
	List	   *relids = lock_detaching(lock_with_partitions(table_oid));
	StreamInfo *stream = stream_catalog_enabled(table_oid, NULL);

	if (stream != NULL)
		stream = stream_catalog_lock(stream->stream_id);
	if (stream != NULL && StreamIsEnabled(stream))
		end_stream(stream, relids);
}

void
stream_stop_capture(Oid table_oid)
{
	List *relids = lock_detaching(lock_with_partitions(table_oid));

	stream_triggers_disable(relids);
	invalidate_relations(relids);
}

void
stream_remove(Oid table_oid)
{
	StreamInfo *stream;
	List	   *relids;

	LockRelationOid(table_oid, AccessExclusiveLock);
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table_oid)))
		return;
	relids = get_rel_relkind(table_oid) == RELKIND_PARTITIONED_TABLE ?
				 lock_detaching(find_all_inheritors(table_oid, AccessExclusiveLock, NULL)) :
				 list_make1_oid(table_oid);
	check_not_in_use(relids, NULL, "disable");
	stream = stream_catalog_enabled(table_oid, NULL);
	if (stream != NULL)
		stream = stream_catalog_lock(stream->stream_id);
	if (stream != NULL && StreamIsEnabled(stream))
	{
		shard_tables_close_all(stream->stream_id);
		stream->disabled_at = clock_now();
		stream_catalog_replace(stream);
	}
	stream_triggers_drop_leftovers(relids);
	invalidate_relations(relids);
}

StreamInfo *
stream_of_owner(const char *arn)
{
	StreamInfo *stream = stream_access_find(arn, statement_snapshot());

	if (stream_access_table_exists(stream))
		check_owner(stream->table_oid);
	else
		stream_access_check(stream);
	return stream;
}

void
stream_set_retention(const char *arn, const Interval *retention)
{
	StreamInfo *stream;

	PreventCommandIfReadOnly("alter_stream()");
	stream = stream_of_owner(arn);
	check_retention(retention);
	stream = stream_catalog_lock(stream->stream_id);
	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Stream: %s not found", arn)));
	stream->retention = *retention;
	stream_catalog_replace(stream);
	if (stream_access_table_exists(stream))
		stream_definition_store(stream);
}
