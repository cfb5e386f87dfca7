/*
 * id_sequence.c
 *	  The identities of streams, shards, mappings and consumers.
 *
 * They are numbers of one sequence, ddbstreams_shards.id_seq.  A subscription
 * to all sequences of a server, pg_restore, or a role that may write all data
 * can set it back.  A number that was given already must not be given again;
 * so the sequence is set forward when its number is not above all those in
 * use.
 *
 * They can set it forward as well, so far that no number is left, or none that
 * has room in the tag of a lock.  The numbers began with the milliseconds
 * since 2026, and no server uses one in each millisecond.  So a sequence that
 * is far ahead of these, and of the numbers in use, is set back.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "registry/catalog_table.h"
#include "registry/id_sequence.h"

/* 2026-01-01 */
#define FIRST_TIME (9497 * USECS_PER_DAY)

/* How far a sequence may be ahead of the time, and of the numbers in use */
#define MAX_AHEAD		 INT64CONST(1000000000000)
#define MAX_AHEAD_OF_USE INT64CONST(1000000)

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
 * Returns the number that was drawn last.  The row is read from its page: no
 * function that all versions have would return it.
 */
static int64
last_number(Oid sequence)
{
	Relation		rel = relation_open(sequence, AccessShareLock);
	Buffer			buffer = ReadBuffer(rel, 0);
	Page			page;
	HeapTupleHeader row;
	int64			number;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	row = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
	number = ((Form_pg_sequence_data) ((char *) row + row->t_hoff))->last_value;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return number;
}

/* Sets the sequence to a number, as its owner. */
static void
set_sequence(Oid sequence, int64 number)
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

/* Milliseconds since 2026 */
static int64
number_of_time(void)
{
	int64 number = (GetCurrentTimestamp() - FIRST_TIME) / 1000;

	return Max(number, 1);
}

static bool
is_too_far(int64 number, int64 highest)
{
	return number > number_of_time() + MAX_AHEAD &&
		   number > highest + MAX_AHEAD_OF_USE;
}

/*
 * Sets the sequence to where it would be if nobody else had set it.  The lock
 * makes other sessions that want to do so wait until the number that is drawn
 * next can be seen in a table.
 */
static void
repair_sequence(Oid sequence, Oid schema, bool was_too_far)
{
	int64 number;

	LockDatabaseObject(RelationRelationId, sequence, 0, ExclusiveLock);
	number = highest_id(schema);

	/* Somebody else may have done so, and others may draw numbers again. */
	if (was_too_far ? !is_too_far(last_number(sequence), number) :
					  last_number(sequence) >= number)
		return;
	if (was_too_far)
	{
		int64 now = number_of_time();

		number = Max(number, now);
	}
	set_sequence(sequence, number);
}

int64
id_sequence_next(void)
{
	Oid	  schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false);
	Oid	  sequence = get_relname_relid("id_seq", schema);
	int64 highest;
	int64 id;

	if (!OidIsValid(sequence))
		elog(ERROR, "sequence \"id_seq\" of extension \"%s\" is missing",
			 DDBSTREAMS_EXTENSION);
	/* It may have no next number. */
	if (is_too_far(last_number(sequence), highest_id(schema)))
		repair_sequence(sequence, schema, true);
	id = nextval_internal(sequence, false);
	highest = highest_id(schema);
	if (id <= highest || is_too_far(id, highest))
	{
		repair_sequence(sequence, schema, id > highest);
		id = nextval_internal(sequence, false);
	}
	return id;
}
