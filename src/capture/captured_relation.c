/*
 * captured_relation.c
 *	  What capture must know of a relation, looked up once.
 *
 * What is looked up is kept for the session.  A relcache callback marks it
 * stale when the relation changes; enabling and disabling a stream sends a
 * message for the table and each of its partitions, under a lock that no
 * writer holds.  What is stale is freed only at the end of the transaction: a
 * trigger further up the stack may be using it.
 *
 * TimescaleDB copies the triggers of a hypertable to each new chunk, and takes
 * those that are disabled for enabled ones.  So what an earlier stream has
 * left on the hypertable may fire for a chunk: then there is nothing to
 * capture.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/relcache_callbacks.h"
#include "capture/captured_relation.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"

typedef struct CapturedEntry
{
	Oid				  relid; /* hash key */
	CapturedRelation *captured;
} CapturedEntry;

static HTAB				*captured_by_relid = NULL;
static CapturedRelation *last_captured = NULL;

/* Is there a partition whose virtual columns depend on its root? */
static bool roots_matter = false;

/* Memory contexts that are to be freed; the list is in TopMemoryContext. */
static List *retired = NIL;

/* Is there anything that the end of the transaction has to free? */
static bool some_are_stale = false;

/* Relcache callback: only marks. */
static void
mark_captured_stale(Oid relid)
{
	HASH_SEQ_STATUS status;
	CapturedEntry  *entry;

	if (OidIsValid(relid))
	{
		entry = hash_search(captured_by_relid, &relid, HASH_FIND, NULL);
		if (entry != NULL && entry->captured != NULL)
			entry->captured->stale = some_are_stale = true;
		if (!roots_matter)
			return;
	}
	hash_seq_init(&status, captured_by_relid);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->captured != NULL &&
			(!OidIsValid(relid) || entry->captured->root == relid))
			entry->captured->stale = some_are_stale = true;
	}
}

/* Returns the relation's own number of a column of its root. */
static AttrNumber
local_attnum(Relation rel, Oid root, AttrNumber root_attnum)
{
	char	  *name;
	AttrNumber attnum;

	if (RelationGetRelid(rel) == root)
		return root_attnum;
	name = get_attname(root, root_attnum, false);
	attnum = get_attnum(RelationGetRelid(rel), name);
	if (attnum == InvalidAttrNumber)
		elog(ERROR, "partition \"%s\" has no column \"%s\"",
			 RelationGetRelationName(rel), name);
	pfree(name);
	return attnum;
}

static KeyColumn *
build_key(Relation rel, Oid root, int count, const AttrNumber *root_attnums)
{
	KeyColumn *columns = palloc0(count * sizeof(KeyColumn));

	for (int i = 0; i < count; i++)
	{
		AttrNumber		  attnum = local_attnum(rel, root, root_attnums[i]);
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);

		columns[i].attnum = attnum;
		columns[i].collation = att->attcollation;
		if (!stream_key_hash_find(att->atttypid, &columns[i].hash,
								  CurrentMemoryContext))
			columns[i].hash.function.fn_oid = InvalidOid;
	}
	return columns;
}

/*
 * Returns the table from which a table inherits, without being a partition of
 * it, and whose capture trigger it may have a copy of; or InvalidOid.
 */
static Oid
find_original(Relation rel)
{
	Relation	pg_inherits;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			original = InvalidOid;

	if (rel->rd_rel->relispartition)
		return InvalidOid;
	pg_inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(rel)));
	scan = systable_beginscan(pg_inherits, InheritsRelidSeqnoIndexId, true, NULL,
							  1, &key);
	while (!OidIsValid(original) &&
		   HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

		if (OidIsValid(get_trigger_oid(parent, DDBSTREAMS_ROW_TRIGGER, true)))
			original = parent;
	}
	systable_endscan(scan);
	table_close(pg_inherits, AccessShareLock);
	return original;
}

/* A capture trigger fires for a table without a stream: may it? */
static CapturedRelation *
build_copy(Relation rel)
{
	Oid				  original = find_original(rel);
	StreamInfo		 *stream = NULL;
	CapturedRelation *captured;

	if (OidIsValid(original))
		stream = stream_catalog_enabled(original, NULL);
	if (stream != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("table \"%s\" has a copy of the capture trigger of table \"%s\", whose stream does not have its changes",
						RelationGetRelationName(rel), stream->table_name),
				 errhint("Call ddbstreams.disable_stream for table \"%s\" first.",
						 stream->table_name)));
	if (!OidIsValid(original))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no stream is enabled on table \"%s\"",
						RelationGetRelationName(rel)),
				 errhint("Enable one with ddbstreams.enable_stream, or drop trigger \"%s\".",
						 DDBSTREAMS_ROW_TRIGGER)));
	captured = MemoryContextAllocZero(AllocSetContextCreate(TopMemoryContext,
															"ddbstreams captured relation",
															ALLOCSET_SMALL_SIZES),
									  sizeof(CapturedRelation));
	captured->relid = RelationGetRelid(rel);
	captured->is_copy = true;
	return captured;
}

static CapturedRelation *
build_captured_relation(Relation rel)
{
	Oid				  root;
	StreamInfo		 *stream;
	MemoryContext	  context;
	MemoryContext	  oldcontext;
	CapturedRelation *captured;
	AttrNumber		 *key_attnums;

	stream = stream_catalog_capturing(RelationGetRelid(rel), &root);
	if (stream == NULL)
		return build_copy(rel);

	context = AllocSetContextCreate(CurrentMemoryContext,
									"ddbstreams captured relation",
									ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(context);

	captured = palloc0(sizeof(CapturedRelation));
	captured->relid = RelationGetRelid(rel);
	captured->root = root;
	captured->stream_id = stream->stream_id;
	captured->view_type = stream->view_type;
	captured->key_count = stream->key_count;
	captured->key = build_key(rel, root, stream->key_count, stream->key_attnums);
	captured->partition_count = stream->partition_count;
	captured->partition = build_key(rel, root, stream->partition_count,
									stream->partition_attnums);
	captured->partition_is_key = stream->key_count == stream->partition_count;
	for (int i = 0; i < captured->partition_count; i++)
	{
		if (!OidIsValid(captured->partition[i].hash.function.fn_oid))
			elog(ERROR, "partition key of table \"%s\" cannot be hashed",
				 RelationGetRelationName(rel));
		captured->partition_is_key &=
			captured->partition[i].attnum == captured->key[i].attnum;
	}

	key_attnums = palloc(captured->key_count * sizeof(AttrNumber));
	for (int i = 0; i < captured->key_count; i++)
		key_attnums[i] = captured->key[i].attnum;
	captured->descriptor = row_descriptor_build(rel, root, captured->key_count,
												key_attnums);
	captured->virtuals = virtual_columns_build(rel, root, captured->descriptor);
	roots_matter |= captured->virtuals != NULL && root != captured->relid;
	captured->plain = !captured->descriptor->has_rendered &&
					  !captured->descriptor->has_virtual;
	captured->is_heap = rel->rd_rel->relam == HEAP_TABLE_AM_OID;

	MemoryContextSwitchTo(oldcontext);
	MemoryContextSetParent(context, TopMemoryContext);
	return captured;
}

static void
retire_captured_relation(CapturedRelation *captured)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

	retired = lappend(retired, GetMemoryChunkContext(captured));
	MemoryContextSwitchTo(oldcontext);
}

CapturedRelation *
captured_relation_last(Relation rel)
{
	return last_captured != NULL && !last_captured->stale &&
				   last_captured->relid == RelationGetRelid(rel) ?
			   last_captured :
			   NULL;
}

CapturedRelation *
captured_relation_get(Relation rel)
{
	Oid				  relid = RelationGetRelid(rel);
	CapturedEntry	 *entry;
	CapturedRelation *captured = captured_relation_last(rel);
	bool			  found;

	if (captured != NULL)
		return captured;

	if (captured_by_relid == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(CapturedEntry);
		captured_by_relid = hash_create("ddbstreams captured relations", 32, &ctl,
										HASH_ELEM | HASH_BLOBS);
		relcache_callbacks_add(mark_captured_stale);
	}

	entry = hash_search(captured_by_relid, &relid, HASH_ENTER, &found);
	if (!found)
		entry->captured = NULL;
	if (entry->captured == NULL || entry->captured->stale)
	{
		/* After an error below the entry must be empty, not stale. */
		if (entry->captured != NULL)
		{
			CapturedRelation *old = entry->captured;

			last_captured = NULL;
			entry->captured = NULL;
			retire_captured_relation(old);
		}
		captured = build_captured_relation(rel);
		/* Look-ups inside build_captured_relation may have grown the table. */
		entry = hash_search(captured_by_relid, &relid, HASH_ENTER, &found);
		entry->captured = captured;
	}
	last_captured = entry->captured;
	return last_captured;
}

uint64
captured_relation_hash(KeyColumn *columns, int count, TupleTableSlot *slot)
{
	uint64 result = 0;

	for (int i = 0; i < count; i++)
	{
		bool  isnull;
		Datum value = slot_getattr(slot, columns[i].attnum, &isnull);

		/* If a type has no hash function, all of its values count as equal. */
		if (isnull || !OidIsValid(columns[i].hash.function.fn_oid))
			continue;
		result = hash_combine64(result,
								stream_key_hash_value(&columns[i].hash,
													  columns[i].collation,
													  value));
	}
	return result;
}

/*
 * Frees what is out of date, which may be of a table that is gone: a session
 * that makes and drops tables must not grow.
 */
static void
free_stale(void)
{
	HASH_SEQ_STATUS status;
	CapturedEntry  *entry;

	some_are_stale = false;
	last_captured = NULL;
	hash_seq_init(&status, captured_by_relid);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		CapturedRelation *captured = entry->captured;

		if (captured != NULL && !captured->stale)
			continue;
		if (captured != NULL)
			MemoryContextDelete(GetMemoryChunkContext(captured));
		(void) hash_search(captured_by_relid, &entry->relid, HASH_REMOVE, NULL);
	}
}

void
captured_relation_end_transaction(void)
{
	if (some_are_stale)
		free_stale();
	while (retired != NIL)
	{
		MemoryContext context = llast(retired);

		retired = list_delete_last(retired);
		MemoryContextDelete(context);
	}
}
