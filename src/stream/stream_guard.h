/*
 * stream_guard.h
 *	  DDL that touches captured tables, and what follows from it.
 */
#ifndef DDBSTREAMS_STREAM_GUARD_H
#define DDBSTREAMS_STREAM_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/parsenodes.h"

/*
 * --- for ddl_hooks.c --------------------------------------------------------
 */

/*
 * Notes the tables that a command changes or drops.  Raises an error if a user
 * who does not own a table makes its row trigger.
 */
extern void stream_guard_object_access(ObjectAccessType access, Oid class_id,
									   Oid object_id, int sub_id, void *arg);

/* Is there a note? */
extern bool stream_guard_has_notes(void);

/*
 * Called before and after ALTER TABLE and ALTER INDEX.  The first one refuses
 * to attach a table with a stream as a partition, and locks a table that is to
 * be attached and has capture triggers AccessExclusive.  The second one notes
 * a table that may have got its primary key.
 */
extern void stream_guard_before_alter(AlterTableStmt *stmt);
extern void stream_guard_after_alter(AlterTableStmt *stmt);

/*
 * --- for ddl_hooks.c and xact_callbacks.c
 * ------------------------------------
 */

/*
 * Checks the tables that were altered since the last call.  Repairs what can
 * be repaired, enables streams that restored triggers define, and raises an
 * error if a stream would lose changes.
 */
extern void stream_guard_check(void);

/*
 * --- for xact_callbacks.c
 * -----------------------------------------------------
 */

/* May there be streams that end with this transaction? */
extern bool stream_guard_has_ending(void);

/*
 * Disables the streams of the tables that this transaction has dropped, that
 * another extension has taken over, or that have lost their key with what it
 * depends on.  Locks each stream, and closes its shards.
 */
extern void stream_guard_end_streams(void);

/*
 * Called behind the last check of a transaction: the key of a stream must not
 * be dropped any more.
 */
extern void stream_guard_close(void);

/* A subtransaction has been aborted: drops its notes. */
extern void stream_guard_cut(SubTransactionId subid);

/* The transaction has ended: drops all notes. */
extern void stream_guard_forget(void);

#endif /* DDBSTREAMS_STREAM_GUARD_H */
