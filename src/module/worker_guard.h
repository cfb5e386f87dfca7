/*
 * worker_guard.h
 *	  DDL that concerns background workers, and what follows from it.
 */
#ifndef DDBSTREAMS_WORKER_GUARD_H
#define DDBSTREAMS_WORKER_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/nodes.h"

/*
 * --- for ddl_hooks.c ------------------------------------------------------
 */

/* Notes what a command does to extensions and databases. */
extern void worker_guard_object_access(ObjectAccessType access, Oid class_id,
									   Oid object_id);

/*
 * Called before a utility command is run.  If the command wants a database
 * without workers, and the user may give it, they are ended and waited for;
 * none is started there before the transaction ends.  Before DROP EXTENSION
 * all captured tables are locked.
 */
extern void worker_guard_before(Node *command);

/*
 * Ends the workers of this database, and holds others off beyond commits,
 * until it is called with false and the transaction ends, or until an error.
 */
extern void worker_guard_hold_across_commits(bool hold);

/*
 * Called before and after COMMIT PREPARED, which calls no transaction
 * callback: notes the change if the transaction has made or dropped the
 * extension, and tells maintenance if it may have changed a stream.
 */
extern void worker_guard_before_prepared(void);
extern void worker_guard_after_prepared(void);

/*
 * Called after VACUUM FULL and CLUSTER.  If they have rewritten one of
 * ddbstreams' own tables, its new TOAST table is not kept out of logical
 * decoding yet: has maintenance look.
 */
extern void worker_guard_after_rewrite(void);

/*
 * --- for xact_callbacks.c --------------------------------------------------
 */

/* Finds out what the transaction leaves of the extension. */
extern void worker_guard_pre_commit(void);

/* The transaction has committed: tells the launcher what was noted. */
extern void worker_guard_commit(void);

/* The transaction has ended: forgets what was noted, and lets workers in. */
extern void worker_guard_forget(void);

/*
 * A subtransaction has been aborted: lets workers in if it has held them off.
 */
extern void worker_guard_cut(SubTransactionId subid);

#endif /* DDBSTREAMS_WORKER_GUARD_H */
