/*
 * id_sequence.c
 *	  The identities of streams, shards, mappings and consumers.
 *
 * They are numbers of one sequence, ddbstreams_shards.id_seq.  A subscription
 * to all sequences of a server, pg_restore, or a role that may write all data
 * can set it back.  A number that was given already must not be given again;
 * so the sequence is set forward when its number is not above all those in
 * use.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "registry/catalog_table.h"
#include "registry/id_sequence.h"

/*
 * Returns the highest number in the first column of an index, whose first
 * column is one of type bigint, or 0.  Rows of transactions that run count.
 */
static int64
highest_number(Oid schema, const char *table_name, const char *index_name)
{
	Oid			  table = get_relname_relid(table_name, schema);
	Oid			  index = get_relname_relid(index_name, schema);
	Relation	  rel;
	Relation	  index_rel;
	SnapshotData  dirty;
	IndexScanDesc scan;
	int64		  number = 0;

	if (!OidIsValid(table) || !OidIsValid(index))
		elog(ERROR, "table \"%s\" of extension \"%s\" is missing", table_name,
			 DDBSTREAMS_EXTENSION);
	InitDirtySnapshot(dirty);
	rel = table_open(table, AccessShareLock);
	index_rel = index_open(index, AccessShareLock);
	scan = compat_index_beginscan(rel, index_rel, &dirty, 0, 0);
	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_tid(scan, BackwardScanDirection) != NULL)
	{
		TupleTableSlot *slot = table_slot_create(rel, NULL);
		bool			found = index_fetch_heap(scan, slot);
		bool			isnull;

		while (!found && index_getnext_tid(scan, BackwardScanDirection) != NULL)
			found = index_fetch_heap(scan, slot);
		if (found)
			number = DatumGetInt64(slot_getattr(slot,
												index_rel->rd_index->indkey.values[0],
												&isnull));
		ExecDropSingleTupleTableSlot(slot);
	}
	index_endscan(scan);
	index_close(index_rel, AccessShareLock);
	table_close(rel, AccessShareLock);
	return number;
}

/* Returns the highest number that is in use. */
static int64
highest_id(Oid schema)
{
	int64 highest = highest_number(schema, "stream", "stream_pkey");

	highest = Max(highest, highest_number(schema, "shard", "shard_pkey"));
	highest = Max(highest, highest_number(schema, "mapping",
										  "mapping_mapping_no_key"));
	return Max(highest, highest_number(schema, "consumer", "consumer_pkey"));
}

/*
 * Sets the sequence forward to a number, as its owner: the caller may have no
 * right to.
 * The lock makes other sessions that find it set back wait until the number
 * that is drawn next can be seen in a table.
 */
static void
advance_sequence(Oid sequence, int64 number)
{
	Oid save_userid;
	int save_sec_context;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(catalog_table_owner(),
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence),
							   Int64GetDatum(number));
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

int64
id_sequence_next(void)
{
	Oid	  schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid	  sequence = get_relname_relid("id_seq", schema);
	int64 id;

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"id_seq\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	id = nextval_internal(sequence, false);
	if (id <= highest_id(schema))
	{
		LockDatabaseObject(RelationRelationId, sequence, 0, ExclusiveLock);
		advance_sequence(sequence, highest_id(schema));
		id = nextval_internal(sequence, false);
	}
	return id;
}
