/*
 * heap_write.c
 *	  Writing rows of ddbstreams' own tables, unseen by logical decoding.
 *
 * Rows are inserted with HEAP_INSERT_NO_LOGICAL, and so are their TOAST
 * chunks; decoding.c says why.  There is no such flag for an update or a
 * delete: these need the table's mark (decoding.c).  Of streams and shards
 * only the rows of what has expired are deleted; rows of leases are updated.
 *
 * The executor is not used: these writes must not depend on privileges, rules,
 * row-level security or triggers, and must work at pre-commit.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "base/compat.h"
#include "registry/decoding.h"
#include "registry/heap_write.h"

/*
 * Enters a row that was inserted at tid in all indexes of rel.  The indexes
 * are plain ones: no expressions, predicates or exclusion constraints.  One
 * that REINDEX CONCURRENTLY has not built yet, or never will because it was
 * cancelled, must have no entries.
 */
static void
insert_index_entries(Relation rel, HeapTuple tuple)
{
	List		   *indexes = RelationGetIndexList(rel);
	TupleTableSlot *slot;
	ListCell	   *lc;

	if (indexes == NIL)
		return;

	slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(tuple, slot, false);

	foreach (lc, indexes)
	{
		Relation   index = index_open(lfirst_oid(lc), RowExclusiveLock);
		IndexInfo *info = BuildIndexInfo(index);
		Datum	   values[INDEX_MAX_KEYS];
		bool	   nulls[INDEX_MAX_KEYS];

		if (info->ii_ReadyForInserts)
		{
			FormIndexDatum(info, slot, NULL, values, nulls);
			index_insert(index, values, nulls, &tuple->t_self, rel,
						 index->rd_index->indisunique ?
							 UNIQUE_CHECK_YES :
							 UNIQUE_CHECK_NO,
						 false, info);
		}
		index_close(index, NoLock);
	}

	ExecDropSingleTupleTableSlot(slot);
	list_free(indexes);
}

void
heap_write_insert(Relation rel, Datum *values, bool *nulls)
{
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	heap_insert(rel, tuple, GetCurrentCommandId(true),
				HEAP_INSERT_NO_LOGICAL, NULL);
	insert_index_entries(rel, tuple);
	heap_freetuple(tuple);
}

void
heap_write_update(Relation rel, ItemPointer tid, Datum *values, bool *nulls)
{
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	if (compat_heap_update(rel, tid, tuple))
		insert_index_entries(rel, tuple);
	heap_freetuple(tuple);
	CommandCounterIncrement();
}

void
heap_write_delete(Relation rel, Oid index, int nkeys, ScanKey keys)
{
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!decoding_is_hidden(RelationGetRelid(rel)))
		decoding_hide(RelationGetRelid(rel));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, nkeys, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		simple_heap_delete(rel, &tuple->t_self);
	systable_endscan(scan);
	CommandCounterIncrement();
}
