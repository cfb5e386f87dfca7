/*
 * worker_databases.h
 *	  What is known of databases: the entries in shared memory.
 *
 * All of these functions take the lock of worker_shared.h, but for the first
 * three, whose caller holds it.
 */
#ifndef DDBSTREAMS_WORKER_DATABASES_H
#define DDBSTREAMS_WORKER_DATABASES_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "worker/worker_types.h"

/* --- for worker_slots.c, which holds the lock ---------------------------- */

/*
 * Returns the entry of a database, or NULL.  With create, a missing entry is
 * made, unless there is no room for one: then the launcher will find the
 * database as soon as there is.  To make one, the lock must be held
 * exclusively.
 */
extern WorkerDatabase *worker_databases_find(Oid database, bool create);

/* A slot was reserved for a worker of a database. */
extern void worker_databases_worker_started(WorkerType type, Oid database,
											WorkerId id);

/*
 * A worker leaves its slot, or its reservation is given up.  After a failure
 * the next one of its type is started later, after another failure later
 * still.
 */
extern void worker_databases_worker_ended(const WorkerInfo *info, bool failed);

/* --- for DDL ------------------------------------------------------------- */

/*
 * Holds workers off a database: none is started there until
 * worker_databases_release.  Returns false if there is no room for an entry;
 * then the launcher has none for this database either.
 */
extern bool worker_databases_hold(Oid database);
extern void worker_databases_release(Oid database);

/* Is the extension known to be in a database?  Absent if there is no entry. */
extern ExtensionPresence worker_databases_presence(Oid database);

/*
 * Takes note of what a committed transaction has made of the extension in a
 * database; EXTENSION_UNKNOWN has a maintenance worker look.
 */
extern void worker_databases_set_presence(Oid				database,
										  ExtensionPresence presence);

/*
 * Has the next maintenance run of a database check what rarely changes, too.
 * With at_once the run is due now.
 */
extern void worker_databases_request_thorough_run(Oid database, bool at_once);

/* --- for dispatchers, and what wants them -------------------------------- */

/*
 * Has a dispatcher started in a database; one that runs already looks at the
 * mappings again.  May be called after a commit.
 */
extern void worker_databases_want_dispatcher(Oid database);

/* The same for this database, if the present transaction commits */
extern void worker_databases_want_dispatcher_at_commit(void);

/*
 * Has maintenance look at the streams and shards of this database again, soon
 * if it rests, if the present transaction commits
 */
extern void worker_databases_streams_change_at_commit(void);

/*
 * The same at once.  Without hurry, for a caller that does not know whether a
 * stream has changed, maintenance that rests begins again when its interval is
 * over.
 */
extern void worker_databases_streams_changed(bool hurry);

/* Called at the end of each transaction, for the functions above */
extern void worker_databases_end_transaction(bool committed);

/*
 * Returns a number that rises with each wish for a dispatcher in the calling
 * worker's database.  A dispatcher reads it before it looks at the mappings.
 */
extern uint32 worker_databases_wishes(void);

/*
 * The calling dispatcher has found no mapping to work for, having read this
 * number of wishes before.  Returns true if it may end; false if it was wanted
 * again meanwhile and has to look again.
 */
extern bool worker_databases_dispatcher_may_end(uint32 wishes);

/* --- for maintenance workers --------------------------------------------- */

/*
 * The calling maintenance worker begins.  Returns the version of what is known
 * of its database now, for worker_databases_report_presence.
 */
extern uint32 worker_databases_begin_run(void);

/*
 * The worker has found out, having begun at a version, whether the database
 * has the extension.  Returns false if this is out of date, because a
 * transaction has committed something else since.
 */
extern bool worker_databases_report_presence(uint32			   version,
											 ExtensionPresence presence);

/*
 * The worker is about to run the tasks.  Copies the error of the last run,
 * which has WORKER_ERROR_LENGTH bytes.  A thorough run that is requested from
 * now on is the next one.
 */
extern void worker_databases_begin_tasks(char *last_error);

/* Is the calling worker's run one that checks what rarely changes, too? */
extern bool worker_databases_is_thorough_run(void);

/*
 * Returns when the lists of streams and shards of the worker's database were
 * read last, and when they have to be read again unless they change; both are
 * 0 if they have changed.  changes is to be given to the next function.
 */
extern void worker_databases_lists(TimestampTz *read, TimestampTz *due,
								   uint32 *changes);

/* Sets these times, unless the lists have changed since. */
extern void worker_databases_set_lists(TimestampTz read, TimestampTz due,
									   uint32 changes);

/*
 * The worker has run all of its tasks, or tried to.  With rests, nothing is
 * there to be maintained: the next run is only due after a day, or when that
 * has changed.
 */
extern void worker_databases_end_run(TimestampTz started_at, bool rests);

/* --- for the launcher, and for the view ---------------------------------- */

/* Returns copies of all entries, as palloc'd WorkerDatabase. */
extern List *worker_databases_list(void);

/* Has pg_database to be read, since something has changed there? */
extern bool worker_databases_take_search_request(void);

/*
 * Takes note of what pg_database says of a database.  With create, a missing
 * entry is made; returns false if there is none and no room for one.
 */
extern bool worker_databases_set_connectable(Oid database, bool connectable,
											 bool create);

/*
 * Frees the entry of a database that is gone, or that has no extension; entry
 * is a copy of it.  Returns false, and does nothing, if more has become known
 * since it was copied, if it is held, or if workers of it are left.
 */
extern bool worker_databases_remove(const WorkerDatabase *entry);

/* There was no slot for a worker, which is to be started at next_start. */
extern void worker_databases_try_again(WorkerType type, Oid database,
									   TimestampTz next_start);

/*
 * Is there to be a worker of the type in the database of this entry, and is
 * there none?  entry is a copy, or the caller holds the lock.
 */
extern bool worker_databases_wants_maintenance(const WorkerDatabase *entry);
extern bool worker_databases_wants_dispatcher(const WorkerDatabase *entry);

#endif /* DDBSTREAMS_WORKER_DATABASES_H */
