/*
 * captured_relation.c
 *	  What capture must know of a relation, looked up once.
 *
 * The facts are kept for the session.  A relcache callback marks them stale
 * when the relation changes; enabling and disabling a stream sends such a
 * message for the table and each of its partitions, under a lock that no writer
 * holds.  Stale facts are freed at the end of the transaction only: a trigger
 * further up the stack may be at work with them.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/relcache_callbacks.h"
#include "capture/captured_relation.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"

typedef struct FactsEntry
{
	Oid				  relid;
	CapturedRelation *facts;
} FactsEntry;

static HTAB				*facts_by_relid = NULL;
static CapturedRelation *last_facts = NULL;
static bool				 roots_matter = false; /* to facts of partitions */
static List				*retired = NIL;		   /* memory contexts, in TopMemoryContext */

/* Relcache callback: only marks. */
static void
invalidate_facts(Oid relid)
{
	HASH_SEQ_STATUS status;
	FactsEntry	   *entry;

	if (OidIsValid(relid))
	{
		entry = hash_search(facts_by_relid, &relid, HASH_FIND, NULL);
		if (entry != NULL && entry->facts != NULL)
			entry->facts->stale = true;
		if (!roots_matter)
			return;
	}
	hash_seq_init(&status, facts_by_relid);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->facts != NULL &&
			(!OidIsValid(relid) || entry->facts->root == relid))
			entry->facts->stale = true;
	}
}

/* The relation's own number of a column of its root. */
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

static CapturedRelation *
build_facts(Relation rel)
{
	Oid				  root;
	StreamInfo		 *stream = stream_catalog_capturing(RelationGetRelid(rel), &root);
	MemoryContext	  context;
	MemoryContext	  oldcontext;
	CapturedRelation *facts;
	AttrNumber		 *key_attnums;

	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no stream is enabled on table \"%s\"",
						RelationGetRelationName(rel)),
				 errhint("Enable one with ddbstreams.enable_stream, or drop trigger \"%s\".",
						 DDBSTREAMS_ROW_TRIGGER)));

	context = AllocSetContextCreate(CurrentMemoryContext,
									"ddbstreams captured relation",
									ALLOCSET_SMALL_SIZES);
	oldcontext = MemoryContextSwitchTo(context);

	facts = palloc0(sizeof(CapturedRelation));
	facts->relid = RelationGetRelid(rel);
	facts->root = root;
	facts->stream_id = stream->stream_id;
	facts->view_type = stream->view_type;
	facts->key_count = stream->key_count;
	facts->key = build_key(rel, root, stream->key_count, stream->key_attnums);
	facts->partition_count = stream->partition_count;
	facts->partition = build_key(rel, root, stream->partition_count,
								 stream->partition_attnums);
	facts->partition_is_key = stream->key_count == stream->partition_count;
	for (int i = 0; i < facts->partition_count; i++)
	{
		if (!OidIsValid(facts->partition[i].hash.function.fn_oid))
			elog(ERROR, "partition key of table \"%s\" cannot be hashed",
				 RelationGetRelationName(rel));
		facts->partition_is_key &=
			facts->partition[i].attnum == facts->key[i].attnum;
	}

	key_attnums = palloc(facts->key_count * sizeof(AttrNumber));
	for (int i = 0; i < facts->key_count; i++)
		key_attnums[i] = facts->key[i].attnum;
	facts->descriptor = row_descriptor_build(rel, root, facts->key_count, key_attnums);
	facts->virtuals = virtual_columns_build(rel, root, facts->descriptor);
	roots_matter |= facts->virtuals != NULL && root != facts->relid;
	facts->plain = !facts->descriptor->has_rendered &&
				   !facts->descriptor->has_virtual;

	MemoryContextSwitchTo(oldcontext);
	MemoryContextSetParent(context, TopMemoryContext);
	return facts;
}

static void
retire_facts(CapturedRelation *facts)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

	retired = lappend(retired, GetMemoryChunkContext(facts));
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Returns the facts of a relation that capture fires for; an error if no stream
 * is enabled on it.  They stay valid to the end of the transaction.
 */
CapturedRelation *
captured_relation_get(Relation rel)
{
	Oid				  relid = RelationGetRelid(rel);
	FactsEntry		 *entry;
	CapturedRelation *facts;
	bool			  found;

	if (last_facts != NULL && last_facts->relid == relid && !last_facts->stale)
		return last_facts;

	if (facts_by_relid == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(FactsEntry);
		facts_by_relid = hash_create("ddbstreams captured relations", 32, &ctl,
									 HASH_ELEM | HASH_BLOBS);
		relcache_callbacks_add(invalidate_facts);
	}

	entry = hash_search(facts_by_relid, &relid, HASH_ENTER, &found);
	if (!found)
		entry->facts = NULL;
	if (entry->facts == NULL || entry->facts->stale)
	{
		/* Retire first: an error below must leave no facts, not stale ones. */
		if (entry->facts != NULL)
		{
			CapturedRelation *old = entry->facts;

			last_facts = NULL;
			entry->facts = NULL;
			retire_facts(old);
		}
		facts = build_facts(rel);
		/* Look-ups inside build_facts may have grown the table. */
		entry = hash_search(facts_by_relid, &relid, HASH_ENTER, &found);
		entry->facts = facts;
	}
	last_facts = entry->facts;
	return last_facts;
}

/*
 * Hashes a row's key columns into the unsigned 64-bit space whose ranges shards
 * have.
 */
uint64
captured_relation_hash(KeyColumn *columns, int count, TupleTableSlot *slot)
{
	uint64 result = 0;

	for (int i = 0; i < count; i++)
	{
		bool  isnull;
		Datum value = slot_getattr(slot, columns[i].attnum, &isnull);

		/* A key that cannot be hashed orders as if all keys were equal. */
		if (isnull || !OidIsValid(columns[i].hash.function.fn_oid))
			continue;
		result = hash_combine64(result,
								stream_key_hash_value(&columns[i].hash,
													  columns[i].collation, value));
	}
	return result;
}

/* Frees stale facts; called where no trigger of ours is on the stack. */
void
captured_relation_end_transaction(void)
{
	while (retired != NIL)
	{
		MemoryContext context = llast(retired);

		retired = list_delete_last(retired);
		MemoryContextDelete(context);
	}
}
