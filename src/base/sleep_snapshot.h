/*
 * sleep_snapshot.h
 *	  Sleeping without the snapshot of one's own statement.
 *
 *		sleep_snapshot_release(&released);
 *		... sleep ...
 *		sleep_snapshot_restore(&released);
 */
#ifndef DDBSTREAMS_SLEEP_SNAPSHOT_H
#define DDBSTREAMS_SLEEP_SNAPSHOT_H

#include "base/ddbstreams.h"

#include "executor/execdesc.h"
#include "utils/resowner.h"

/* The statement whose snapshot was released; query_desc is NULL if none was. */
typedef struct ReleasedSnapshot
{
	QueryDesc	 *query_desc;
	ResourceOwner owner;
} ReleasedSnapshot;

/*
 * Releases the snapshot of the statement that runs, if nothing but this
 * statement needs it and the statement reads no table.  Until it is restored
 * there may be no active snapshot.  An error in between is harmless.
 */
extern void sleep_snapshot_release(ReleasedSnapshot *released);

/* Gives the statement a new snapshot in place of the one that was released. */
extern void sleep_snapshot_restore(const ReleasedSnapshot *released);

#endif /* DDBSTREAMS_SLEEP_SNAPSHOT_H */
