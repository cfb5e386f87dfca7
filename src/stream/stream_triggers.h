/*
 * stream_triggers.h
 *	  The capture triggers of a table and its partitions.
 */
#ifndef DDBSTREAMS_STREAM_TRIGGERS_H
#define DDBSTREAMS_STREAM_TRIGGERS_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "nodes/lockoptions.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* The state of a capture trigger: a TRIGGER_* of commands/trigger.h, or: */
#define TRIGGER_IS_MISSING '\0'
#define TRIGGER_IS_FOREIGN 'f' /* another trigger has its name */

/*
 * --- one trigger ------------------------------------------------------------
 */

/*
 * Returns a copy of the row that pg_trigger, which the caller has opened, has
 * of a relation's trigger, or NULL if there is none of that name.
 */
extern HeapTuple stream_triggers_find(Relation pg_trigger, Oid relid,
									  const char *name);

/*
 * The same for the OID of a trigger, which the present command may have made.
 */
extern HeapTuple stream_triggers_find_by_oid(Relation pg_trigger, Oid trigger);

/*
 * Locks a trigger's row against other transactions that change it, and returns
 * a copy of it; NULL if there is no such trigger, or if policy is not to wait
 * and the lock cannot be had.  Streams are altered without a lock on their
 * table, which would wait for the table's writers, or for VACUUM.
 */
extern HeapTuple stream_triggers_lock(Relation pg_trigger, Oid relid,
									  const char *name, LockWaitPolicy policy);

/*
 * Returns when a capture trigger of an open relation fires,
 * TRIGGER_IS_MISSING, or TRIGGER_IS_FOREIGN if a trigger has the name and is
 * not what enable_stream makes.
 */
extern char stream_triggers_state(Relation rel, const char *name);

/*
 * Sets when a capture trigger fires: state is a TRIGGER_* of trigger.h.
 * Raises an error if the trigger is foreign.  The transaction holds
 * ShareRowExclusiveLock on the relation, or more.
 */
extern void stream_triggers_set_state(Relation rel, const char *name,
									  char state);

/* Drops a capture trigger, if the relation has one of that name. */
extern void stream_triggers_drop(Oid relid, const char *name);

/* Does DROP EXTENSION take a trigger of a relation along? */
extern bool stream_triggers_depend(Oid relid, const char *name);

/*
 * --- the triggers of one relation -------------------------------------------
 */

/*
 * Sees to it that DROP EXTENSION takes the capture triggers of a relation
 * along, also if another command than enable_stream has made them, such as a
 * restore.
 */
extern void stream_triggers_make_depend(Relation rel);

/*
 * Sees to it that a relation has its TRUNCATE trigger, and that it fires.  The
 * caller holds ShareRowExclusiveLock on the relation, or more.
 */
extern void stream_triggers_require_truncate(Relation rel);

/* Disables the capture triggers that a relation has. */
extern void stream_triggers_disable_on(Relation rel);

/*
 * --- the triggers of a stream
 * ------------------------------------------------
 */

/*
 * For both of these, relids are the table of the stream and all its
 * partitions, the table first, locked ShareRowExclusive.  The first one makes
 * the triggers, or enables those that an earlier stream has left.
 */
extern void stream_triggers_enable(List *relids);
extern void stream_triggers_disable(List *relids);

/*
 * Returns the partitions of a stream's tables that are half detached: DETACH
 * PARTITION ... CONCURRENTLY was interrupted.  They are partitions, and have
 * the triggers, but are not found as such until the command is finished.
 * Nothing is locked.
 */
extern List *stream_triggers_detaching(List *relids);

/*
 * Drops the triggers that an earlier stream of their own has left on tables
 * that are about to become partitions.  A partitioned table comes before its
 * partitions in relids.
 */
extern void stream_triggers_drop_leftovers(List *relids);

/*
 * --- all triggers
 * --------------------------------------------------------------
 */

/*
 * Returns the tables that have capture triggers, of a stream that may have
 * ended long ago, in the order of their OIDs; but no partitions.
 */
extern List *stream_triggers_tables(void);

/*
 * Locks all tables with capture triggers, and their partitions,
 * AccessExclusive: waits for all transactions that use them, and keeps others
 * off until the end of the transaction.
 */
extern void stream_triggers_lock_tables(void);

#endif /* DDBSTREAMS_STREAM_TRIGGERS_H */
