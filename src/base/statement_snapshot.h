/*
 * statement_snapshot.h
 *	  The snapshot with which functions called by SQL look around.
 */
#ifndef DDBSTREAMS_STATEMENT_SNAPSHOT_H
#define DDBSTREAMS_STATEMENT_SNAPSHOT_H

#include "base/ddbstreams.h"

#include "utils/snapshot.h"

/*
 * Returns the active snapshot, with all that this transaction has done until
 * now, by an earlier call in the present statement too.  Of other transactions
 * it shows what the active snapshot shows.  The result is good for as long as
 * the active snapshot is, and not to be registered; a new one is allocated in
 * the current memory context.
 */
extern Snapshot statement_snapshot(void);

#endif /* DDBSTREAMS_STATEMENT_SNAPSHOT_H */
