/*
 * shard_tables.c
 *	  Making, opening, closing and dropping shards.
 *
 * A shard is a table in schema ddbstreams_shards, the log; its large values
 * are in another one, the side table.  Shards of a stream that are made
 * together share a side table, because few streams have large values, and
 * because with its indexes and its TOAST table it is four relations.  It is
 * dropped with the last of its shards.
 *
 * All are heap tables with plain storage.  They belong to the owner of the
 * extension, of which they are members, and are protected as all own tables
 * are (own_tables.c).  They are made without SQL, so that what the caller has
 * set makes no difference: default privileges, table access method,
 * tablespace, TOAST compression, event triggers.
 *
 * A shard is open from the insertion of its row on, and closed from the
 * insertion of a row that says so; README has all its states.  What changes a
 * shard holds its stream's lock.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "catalog/toasting.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "registry/catalog_table.h"
#include "registry/id_sequence.h"
#include "registry/own_tables.h"
#include "shard/record.h"
#include "shard/shard_reader.h"
#include "shard/shard_tables.h"
#include "shard/shard_wake.h"
#include "shard/shard_watch.h"

static void
make_extension_member(Oid relid)
{
	ObjectAddress member;
	ObjectAddress extension;

	ObjectAddressSet(member, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid(DDBSTREAMS_EXTENSION, false));
	recordDependencyOn(&member, &extension, DEPENDENCY_EXTENSION);
}

/*
 * A column is not declared NOT NULL.  From 18 on that takes a constraint in
 * the catalogue, without which pg_upgrade would lose the mark; and it would
 * tell nobody anything, since ddbstreams alone writes here.
 */
static void
define_column(TupleDesc desc, AttrNumber attnum, const char *name, Oid type,
			  char storage)
{
	TupleDescInitEntry(desc, attnum, name, type, -1, 0);
	TupleDescAttr(desc, attnum - 1)->attstorage = storage;
	compat_finish_attribute(desc, attnum - 1);
}

static Datum
without_autovacuum(void)
{
	Datum option = CStringGetTextDatum("autovacuum_enabled=off");

	return PointerGetDatum(construct_array(&option, 1, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static Oid
create_table(const char *name, Oid owner, TupleDesc desc, Datum reloptions)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid relid;

	relid = heap_create_with_catalog(name, schema, InvalidOid, InvalidOid,
									 InvalidOid, InvalidOid, owner,
									 HEAP_TABLE_AM_OID, desc, NIL,
									 RELKIND_RELATION, RELPERSISTENCE_PERMANENT,
									 false, false, ONCOMMIT_NOOP, reloptions,
									 false, false, true, InvalidOid, NULL);
	CommandCounterIncrement();
	make_extension_member(relid);
	return relid;
}

static Oid
create_log_table(int64 shard_no, Oid owner)
{
	TupleDesc desc = CreateTemplateTupleDesc(RECORD_NATTS);

	define_column(desc, Anum_record_number, "sequence_number", INT8OID,
				  TYPSTORAGE_PLAIN);
	define_column(desc, Anum_record_transaction_id, "transaction_id", XID8OID,
				  TYPSTORAGE_PLAIN);
	define_column(desc, Anum_record_body, "body", BYTEAOID, TYPSTORAGE_PLAIN);
	compat_finish_descriptor(desc);
	return create_table(psprintf("shard_" INT64_FORMAT, shard_no), owner, desc,
						without_autovacuum());
}

static void
create_side_index(Oid side_table, int64 shard_no)
{
	Relation   side = table_open(side_table, ShareLock);
	IndexInfo *info = makeIndexInfo(2, 2, BTREE_AM_OID, NIL, NIL, false, false,
									true, false COMPAT_INDEX_INFO_TAIL);
	Oid		   collations[2] = {InvalidOid, InvalidOid};
	Oid		   opclasses[2] = {INT8_BTREE_OPS_OID, INT8_BTREE_OPS_OID};
	int16	   options[2] = {0, 0};

	info->ii_IndexAttrNumbers[0] = 1;
	info->ii_IndexAttrNumbers[1] = 2;
	index_create(side, psprintf("side_" INT64_FORMAT "_idx", shard_no),
				 InvalidOid, InvalidOid, InvalidOid, 0, info,
				 list_make2("transaction_id", "ordinal"), BTREE_AM_OID,
				 InvalidOid, collations, opclasses,
				 COMPAT_INDEX_COLUMN_OPTIONS(options), (Datum) 0, 0, 0, false,
				 true, NULL);
	table_close(side, NoLock);
	CommandCounterIncrement();
}

static Oid
create_side_table(int64 shard_no, Oid owner)
{
	TupleDesc desc = CreateTemplateTupleDesc(3);
	Oid		  relid;

	define_column(desc, 1, "transaction_id", INT8OID, TYPSTORAGE_PLAIN);
	define_column(desc, 2, "ordinal", INT8OID, TYPSTORAGE_PLAIN);
	define_column(desc, 3, "value", BYTEAOID, TYPSTORAGE_EXTERNAL);
	compat_finish_descriptor(desc);
	relid = create_table(psprintf("side_" INT64_FORMAT, shard_no), owner, desc,
						 without_autovacuum());
	NewRelationCreateToastTable(relid, without_autovacuum());
	CommandCounterIncrement();
	create_side_index(relid, shard_no);
	return relid;
}

int64
shard_tables_side_number(Oid side_table)
{
	char	 *name = get_rel_name(side_table);
	long long number = 0;

	if (name == NULL || sscanf(name, "side_%lld", &number) != 1)
		return 0;
	return number;
}

/*
 * Keeps DROP EXTENSION away until the end of the transaction: it lists the
 * members of the extension at its start, and would miss one that is added
 * later.
 */
static void
keep_extension(void)
{
	Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, false);

	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (!OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" was dropped concurrently",
						DDBSTREAMS_EXTENSION)));
}

static void
release_locks(const LOCKTAG *tag)
{
	for (LOCKMODE mode = 1; mode < MAX_LOCKMODES; mode++)
	{
		while (compat_lock_held_by_me(tag, mode))
		{
			if (!LockRelease(tag, mode, false))
				break;
		}
	}
}

/* Releases the locks on a table just made, and on what belongs to it. */
static void
release_table(Oid relid)
{
	Relation  rel = relation_open(relid, AccessShareLock);
	Oid		  type = rel->rd_rel->reltype;
	Oid		  toast_table = rel->rd_rel->reltoastrelid;
	List	 *relations = list_concat(list_copy(RelationGetIndexList(rel)),
									  list_make1_oid(relid));
	ListCell *lc;
	LOCKTAG	  tag;

	relation_close(rel, NoLock);
	if (OidIsValid(toast_table))
		release_table(toast_table);
	foreach (lc, relations)
	{
		SET_LOCKTAG_RELATION(tag, MyDatabaseId, lfirst_oid(lc));
		release_locks(&tag);
	}
	if (OidIsValid(type))
	{
		SET_LOCKTAG_OBJECT(tag, MyDatabaseId, TypeRelationId, type, 0);
		release_locks(&tag);
	}
}

/*
 * Makes a table of a shard, and protects it.
 *
 * PostgreSQL locks what it makes until the end of the transaction, and two
 * streams of 1,024 shards that are being enabled would fill the lock table.
 * Nobody else can see the tables before the transaction commits, and then
 * anybody may lock them: the locks guard nothing.
 *
 * But a standby has those on relations until it replays the commit, and ends
 * when its lock table is full.  Any role that may make a table could bring
 * that about.  So where there may be standbys, the locks stay, and the
 * transaction fails here before they are too many there.
 */
static Oid
make_table(Oid (*create)(int64, Oid), int64 shard_no, Oid owner)
{
	Oid relid = create(shard_no, owner);

	own_tables_protect(relid);
	if (!XLogStandbyInfoActive())
		release_table(relid);
	return relid;
}

ShardInfo *
shard_tables_make(const StreamInfo *stream, uint64 hash_first, uint64 hash_last,
				  const ShardInfo *sibling)
{
	ShardInfo *shard = palloc0(sizeof(ShardInfo));
	Oid		   owner = catalog_table_owner();
	Oid		   save_userid;
	int		   save_sec_context;

	keep_extension();
	shard->shard_no = id_sequence_next();
	shard->stream_id = stream->stream_id;
	shard->hash_first = hash_first;
	shard->hash_last = hash_last;

	/* The tables' owner has the right to make their guards. */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(owner, save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	shard->shard_table = make_table(create_log_table, shard->shard_no, owner);
	if (sibling != NULL && own_tables_contain(sibling->side_table))
		shard->side_table = sibling->side_table;
	else
		shard->side_table = make_table(create_side_table, shard->shard_no, owner);
	SetUserIdAndSecContext(save_userid, save_sec_context);
	return shard;
}

/*
 * The shards of a stream are others than before: their readers need not look
 * at the list of shards until they are told so.
 */
static void
note_change_of_shards(int64 stream_id)
{
	shard_wake_at_end(shard_watch_number_key(stream_id).shard_table, stream_id);
}

/*
 * Adds a table to those that are to be dropped, if it is there.  Its OID may
 * have become that of a table which is not ours.
 */
static void
add_own_table(ObjectAddresses *tables, Oid relid)
{
	ObjectAddress address;

	ObjectAddressSet(address, RelationRelationId, relid);
	if (own_tables_contain(relid))
		add_exact_object_address(&address, tables);
}

void
shard_tables_drop(const ShardInfo *shard)
{
	ObjectAddresses *tables = new_object_addresses();

	add_own_table(tables, shard->shard_table);
	if (!shard_catalog_shares_side_table(shard))
		add_own_table(tables, shard->side_table);
	performMultipleDeletions(tables, DROP_RESTRICT,
							 PERFORM_DELETION_INTERNAL |
								 PERFORM_DELETION_SKIP_EXTENSIONS);
	free_object_addresses(tables);
	note_change_of_shards(shard->stream_id);
}

static char *
shard_id_at(TimestampTz created_at, uint64 hash_first)
{
	int64 epoch_ms = created_at / 1000 +
					 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * INT64CONST(1000);

	return psprintf("shardId-%020lld-%08x", (long long) epoch_ms,
					(unsigned int) (hash_first >> 32));
}

/*
 * A shard's id says when the shard was opened and, to tell shards of one
 * moment apart, where its range begins.  A child's id sorts after its
 * parent's, whatever the clock says.
 */
void
shard_tables_publish(ShardInfo *shard, const ShardInfo *parent, TimestampTz created_at,
					 int64 starting_number)
{
	if (parent != NULL)
		created_at = Max(created_at, parent->created_at + 1000);
	for (;;)
	{
		shard->shard_id = shard_id_at(created_at, shard->hash_first);
		if (parent == NULL ||
			shard_catalog_find(shard->stream_id, shard->shard_id, NULL) == NULL)
			break;
		created_at += 1000; /* a sibling with a narrow range has this id */
	}
	shard->parent_shard_id = parent ? parent->shard_id : NULL;
	shard->starting_number = starting_number;
	shard->created_at = created_at;
	shard_catalog_insert(shard);
	note_change_of_shards(shard->stream_id);
}

void
shard_tables_close(ShardInfo *shard)
{
	LockRelationOid(shard->shard_table, ShareRowExclusiveLock);
	shard->ending_number = own_tables_contain(shard->shard_table) ?
							   shard_reader_last_number(shard) :
							   shard->starting_number;
	shard->closed_at = clock_now();
	shard_catalog_replace(shard);
	shard_wake_at_end(shard->shard_table, shard->stream_id);
	note_change_of_shards(shard->stream_id);
}

void
shard_tables_close_all(int64 stream_id)
{
	ListCell *lc;

	foreach (lc, shard_catalog_list(stream_id, NULL))
	{
		ShardInfo *shard = lfirst(lc);

		if (ShardIsOpen(shard))
			shard_tables_close(shard);
	}
}
