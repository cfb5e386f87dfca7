/*
 * statement_snapshot.c
 *	  The snapshot with which functions called by SQL look around.
 *
 * A statement's snapshot does not show what the statement itself does.  So
 * create_event_source_mapping('f', enable_stream('t'), …) would not find the
 * stream that its own argument has made.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "base/statement_snapshot.h"

Snapshot
statement_snapshot(void)
{
	Snapshot	  active = GetActiveSnapshot();
	CommandId	  command = GetCurrentCommandId(false);
	SnapshotData *snapshot;

	if (active->snapshot_type != SNAPSHOT_MVCC || active->curcid >= command)
		return active;

	/*
	 * The arrays remain the active snapshot's.  One that is not "copied" is
	 * copied by whatever would keep it.
	 */
	snapshot = palloc(sizeof(SnapshotData));
	*snapshot = *active;
	snapshot->curcid = command;
	snapshot->copied = false;
	snapshot->active_count = 0;
	snapshot->regd_count = 0;
	return snapshot;
}
