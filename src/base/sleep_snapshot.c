/*
 * sleep_snapshot.c
 *	  Sleeping without the snapshot of one's own statement.
 *
 * A statement's snapshot keeps VACUUM from removing rows that died after it,
 * in every table.  A function that sleeps for minutes in a statement such as
 * SELECT ddbstreams.wait_for_records(…) would keep them for as long.
 *
 * The executor holds the snapshot in three places: in the query's description,
 * in its execution state, and on the stack of active snapshots.  All three are
 * given up during the sleep, and get a new snapshot after it.  What else
 * holds the old one, an open cursor for example, keeps it.
 *
 * That is correct under these conditions; else the snapshot stays:
 *
 * - The isolation level gives every statement a snapshot of its own.
 * - The function is called by a query that a client has sent, not by another
 *   function's, whose callers hold snapshots that are not found from here.
 * - The query reads and writes no table, so that no row that it may yet look
 *   at depends on the old snapshot.
 * - No subtransaction was begun inside the query, since its end would take
 *   away an active snapshot that belongs to the query.
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/execnodes.h"
#include "tcop/pquery.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "base/sleep_snapshot.h"

/* Does the plan do nothing but call functions? */
static bool
reads_no_table(const PlannedStmt *plan)
{
	ListCell *lc;

	if (plan->commandType != CMD_SELECT || plan->hasModifyingCTE ||
		plan->parallelModeNeeded || plan->rowMarks != NIL ||
		plan->relationOids != NIL)
		return false;
	foreach (lc, plan->rtable)
	{
		if (lfirst_node(RangeTblEntry, lc)->rtekind == RTE_RELATION)
			return false;
	}
	return true;
}

/* Returns the query whose snapshot may be exchanged, or NULL. */
static QueryDesc *
find_query(void)
{
	Portal	   portal = ActivePortal;
	QueryDesc *query_desc;

	if (IsolationUsesXactSnapshot() || portal == NULL ||
		portal->strategy != PORTAL_ONE_SELECT || portal->queryDesc == NULL ||
		portal->resowner == NULL ||
		portal->createSubid != GetCurrentSubTransactionId())
		return NULL;
	query_desc = portal->queryDesc;
	if (query_desc->estate == NULL || query_desc->snapshot == NULL ||
		query_desc->estate->es_snapshot != query_desc->snapshot ||
		!ActiveSnapshotSet() || GetActiveSnapshot() != query_desc->snapshot ||
		query_desc->snapshot->active_count != 1 ||
		query_desc->snapshot->regd_count != 2 ||
		!reads_no_table(query_desc->plannedstmt))
		return NULL;
	return query_desc;
}

void
sleep_snapshot_release(ReleasedSnapshot *released)
{
	QueryDesc *query_desc = find_query();
	Snapshot   snapshot;

	released->query_desc = query_desc;
	if (query_desc == NULL)
		return;
	released->owner = ActivePortal->resowner;
	snapshot = query_desc->snapshot;
	query_desc->snapshot = query_desc->estate->es_snapshot = InvalidSnapshot;
	PopActiveSnapshot();
	UnregisterSnapshotFromOwner(snapshot, released->owner);
	UnregisterSnapshotFromOwner(snapshot, released->owner);
	InvalidateCatalogSnapshot();
}

void
sleep_snapshot_restore(const ReleasedSnapshot *released)
{
	QueryDesc *query_desc = released->query_desc;
	Snapshot   snapshot;

	if (query_desc == NULL)
		return;
	snapshot = RegisterSnapshotOnOwner(GetTransactionSnapshot(), released->owner);
	query_desc->snapshot = snapshot;
	query_desc->estate->es_snapshot = RegisterSnapshotOnOwner(snapshot, released->owner);
	PushActiveSnapshot(snapshot);
}
