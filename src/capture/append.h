/*
 * append.h
 *	  From the change buffer to the shards, at commit.
 */
#ifndef DDBSTREAMS_APPEND_H
#define DDBSTREAMS_APPEND_H

#include "base/ddbstreams.h"

/*
 * Called by a capture trigger when it has put its changes into the buffer.
 * Before the transaction's append there is nothing to do; after it, the
 * changes are appended at once, or an error is raised in a subtransaction.
 */
extern void append_changes_captured(void);

/*
 * Does work in a COMMIT that takes locks: lock_timeout does not interrupt it,
 * and others are made the victim of a deadlock first.
 */
extern void append_without_lock_timeout(void (*work)(void));

/*
 * Appends all changes in the buffer.  Called before COMMIT and PREPARE.  Until
 * the transaction ends nothing waits for the client: client_wait.h.
 */
extern void append_at_commit(void);

/* Forgets the transaction.  Called after its COMMIT, ROLLBACK or PREPARE. */
extern void append_end_transaction(void);

#endif /* DDBSTREAMS_APPEND_H */
