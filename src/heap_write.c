/*
 * heap_write.c
 *	  Writing rows of ddbstreams' own tables, unseen by logical decoding.
 *
 * A subscriber of a publication FOR ALL TABLES knows nothing of ddbstreams;
 * the first decoded row of one of its tables would stop the subscription.  So
 * rows are inserted with HEAP_INSERT_NO_LOGICAL (their TOAST chunks and all),
 * and neither updated nor deleted, for that cannot be kept out of decoding.
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

#include "heap_write.h"

/*
 * Enters a row that was inserted at tid in all indexes of rel.  The indexes are
 * plain ones: no expressions, predicates or exclusion constraints.
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

		FormIndexDatum(info, slot, NULL, values, nulls);
		index_insert(index, values, nulls, &tuple->t_self, rel,
					 index->rd_index->indisunique ?
						 UNIQUE_CHECK_YES :
						 UNIQUE_CHECK_NO,
					 false, info);
		index_close(index, NoLock);
	}

	ExecDropSingleTupleTableSlot(slot);
	list_free(indexes);
}

/*
 * Inserts a row.  rel is open with RowExclusiveLock; a snapshot is active (the
 * row may be toasted).  The row is visible to later commands only.
 */
void
heap_write_insert(Relation rel, Datum *values, bool *nulls)
{
	HeapTuple tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	heap_insert(rel, tuple, GetCurrentCommandId(true),
				HEAP_INSERT_NO_LOGICAL, NULL);
	insert_index_entries(rel, tuple);
	heap_freetuple(tuple);
}
