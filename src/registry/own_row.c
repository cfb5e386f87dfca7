/*
 * own_row.c
 *	  Rows of ddbstreams' own tables, found by an index, read, locked and
 *	  updated as SQL would, without SQL.
 *
 * A statement of owner_sql.c costs more than what it does when it is about one
 * row: a change of role and settings, a start and an end of the executor, and
 * triggers.  So what a busy poll and each checkpoint do with rows is done
 * here.  It is meant to differ in nothing else.  A snapshot is taken for each
 * step, if the isolation level allows, which shows what the transaction has
 * done; it serves as that of a query would in serializable transactions, too.
 * A row that another transaction has changed meanwhile is locked in its last
 * version or, under REPEATABLE READ, raises the same error.
 *
 * The guards of own tables (own_tables.c) are about SQL, and are not called.
 * Nothing depends on who the current user is.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "registry/heap_write.h"
#include "registry/own_row.h"

/* A search for rows that is under way */
typedef struct RowSearch
{
	const OwnRows *rows;
	Relation	   rel;
	SysScanDesc	   scan;
} RowSearch;

/* Begins a search as a new command of the transaction, with its snapshot. */
static void
begin_search(RowSearch *search, const OwnRows *rows, int nkeys, ScanKey keys,
			 LOCKMODE lockmode)
{
	search->rows = rows;
	search->rel = catalog_table_open(rows->table, lockmode);
	row_check_columns(rows->columns, RelationGetDescr(search->rel));
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	search->scan = systable_beginscan(search->rel,
									  catalog_table_index(rows->table, rows->index_suffix),
									  true, GetActiveSnapshot(), nkeys, keys);
}

/* Ends it; the table stays locked until the transaction ends, as by SQL. */
static void
end_search(RowSearch *search)
{
	systable_endscan(search->scan);
	PopActiveSnapshot();
	table_close(search->rel, NoLock);
}

/* Makes what a row is to be returned as; tid: where it is, if it is locked */
static void *
make_from(const RowSearch *search, HeapTuple tuple, ItemPointer tid)
{
	TableRow row;

	row_read(&row, search->rows->columns, tuple, RelationGetDescr(search->rel));
	if (tid != NULL)
		row.tid = *tid;
	return search->rows->from_row(&row);
}

List *
own_row_list(const OwnRows *rows, int nkeys, ScanKey keys)
{
	RowSearch search;
	List	 *result = NIL;
	HeapTuple tuple;

	begin_search(&search, rows, nkeys, keys, AccessShareLock);
	while (HeapTupleIsValid(tuple = systable_getnext(search.scan)))
		result = lappend(result, make_from(&search, tuple, NULL));
	end_search(&search);
	return result;
}

static void
raise_serialization_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/*
 * Locks a row that was found, as SELECT FOR UPDATE does.  Returns whether the
 * transaction has it now; *made is replaced if the row has changed meanwhile.
 */
static bool
lock_found(const RowSearch *search, HeapTuple tuple, LockWaitPolicy policy, void **made)
{
	uint8			flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	TupleTableSlot *slot = table_slot_create(search->rel, NULL);
	TM_FailureData	failure;
	TM_Result		result;
	ItemPointerData tid = tuple->t_self; /* moves on to the last version */
	bool			should_free = false;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	result = table_tuple_lock(search->rel, &tid, GetActiveSnapshot(),
							  slot, GetCurrentCommandId(true), LockTupleExclusive,
							  policy, flags, &failure);
	switch (result)
	{
		case TM_Ok:
			if (failure.traversed)
			{
				HeapTuple locked = ExecFetchSlotHeapTuple(slot, false, &should_free);

				*made = make_from(search, locked, &slot->tts_tid);
				if (should_free)
					heap_freetuple(locked);
			}
			break;
		case TM_Updated:
		case TM_Deleted:
			if (IsolationUsesXactSnapshot())
				raise_serialization_failure();
			break;
		case TM_SelfModified:
		case TM_WouldBlock:
			break;
		default:
			elog(ERROR, "unexpected result of locking a row: %d", (int) result);
	}
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

/*
 * Has this transaction written this version of a row?  Then it has the row's
 * lock: others do not see the version, and what they see waits for the end of
 * the transaction.
 */
static bool
is_own_version(HeapTuple tuple)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

void *
own_row_lock(const OwnRows *rows, int nkeys, ScanKey keys, LockWaitPolicy policy,
			 OwnRowTest is_wanted, const void *arg)
{
	RowSearch search;
	HeapTuple tuple;
	void	 *made = NULL;

	begin_search(&search, rows, nkeys, keys, RowShareLock);
	tuple = systable_getnext(search.scan);
	if (HeapTupleIsValid(tuple))
	{
		made = make_from(&search, tuple, &tuple->t_self);
		if ((is_wanted && !is_wanted(made, arg)) ||
			(!is_own_version(tuple) && !lock_found(&search, tuple, policy, &made)) ||
			(is_wanted && !is_wanted(made, arg)))
			made = NULL;
	}
	end_search(&search);
	return made;
}

/* Updates a row that the transaction has locked, where it is. */
static void
update_at(const OwnRows *rows, TableRow *row)
{
	Relation rel = catalog_table_open(rows->table, RowExclusiveLock);

	row_check_columns(rows->columns, RelationGetDescr(rel));
	PushActiveSnapshot(GetTransactionSnapshot());
	heap_write_update(rel, &row->tid, row->values, row->nulls);
	PopActiveSnapshot();
	table_close(rel, NoLock);
}

bool
own_row_update(const OwnRows *rows, int nkeys, ScanKey keys, TableRow *row)
{
	RowSearch search;
	HeapTuple tuple;
	bool	  found;

	if (ItemPointerIsValid(&row->tid))
	{
		update_at(rows, row);
		return true;
	}
	begin_search(&search, rows, nkeys, keys, RowExclusiveLock);
	tuple = systable_getnext(search.scan);
	found = HeapTupleIsValid(tuple);
	if (found)
		heap_write_update(search.rel, &tuple->t_self, row->values, row->nulls);
	end_search(&search);
	return found;
}
