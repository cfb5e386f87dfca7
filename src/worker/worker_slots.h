/*
 * worker_slots.h
 *	  The registry of background workers: starting, ending and being one.
 *
 * A worker's life:
 *
 *	worker_slots_start(type, database, role, &extra, sizeof(extra), &id);
 *
 *	void handler_main(Datum main_arg)
 *	{
 *		worker_slots_attach(main_arg);		first of all
 *		worker_slots_connect();				or another way to connect
 *		for (;;)
 *		{
 *			worker_slots_set_state("...");
 *			... work ...
 *			worker_slots_wait(timeout);		outside of transactions
 *		}
 *	}
 *
 * A worker leaves the registry when its process ends, however it ends.  The
 * process that has started it is woken then.
 *
 * All of these functions take the lock of worker_shared.h for a moment.
 */
#ifndef DDBSTREAMS_WORKER_SLOTS_H
#define DDBSTREAMS_WORKER_SLOTS_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "worker/worker_types.h"

typedef enum WorkerStart
{
	WORKER_STARTED,
	WORKER_HELD_OFF, /* a DDL command wants the database for itself */
	WORKER_NO_SLOT	 /* max_worker_processes is reached, or others come first */
} WorkerStart;

/* --- types --------------------------------------------------------------- */

/*
 * Says what a worker of a type is called, and which function its process runs.
 * The file that has this function calls it, once, while the library is being
 * preloaded.  The name stands in the view ddbstreams.workers and, behind
 * "ddbstreams ", in pg_stat_activity; the function is found by its name, so it
 * must be exported.  Both texts are kept by their address.
 */
extern void worker_slots_register_type(WorkerType type, const char *name,
									   const char *function);

/* The name that a type was registered with */
extern const char *worker_slots_type_name(WorkerType type);

/* --- for processes that start workers, or look after them ---------------- */

/*
 * Asks the postmaster for a worker in a database.  The worker can read the
 * role (worker_slots_my_role) and extra_length bytes of extra, at most
 * WORKER_EXTRA_LENGTH (worker_slots_extra).  It is in the registry from now
 * on.  The calling process, whose latch is set when the worker starts and when
 * it ends, has to call worker_slots_reap then.
 */
extern WorkerStart worker_slots_start(WorkerType type, Oid database, Oid role,
									  const void *extra, Size extra_length,
									  WorkerId *id);

/*
 * Looks after the workers that this process has asked for: one that has ended
 * without taking its slot has failed.  Returns how many have not started yet.
 */
extern int worker_slots_reap(void);

/* A worker for which there was no slot is not wanted any more. */
extern void worker_slots_unwanted(WorkerType type, Oid database);

/* Copies what is known of a worker; returns false if it has ended. */
extern bool worker_slots_get(WorkerId id, WorkerInfo *info);

/*
 * Returns the workers of a type (WORKER_NONE: of all) in a database
 * (InvalidOid: in all), as palloc'd WorkerInfo.
 */
extern List *worker_slots_list(WorkerType type, Oid database);

/* Sets a worker's latch, if the worker has started and not ended. */
extern void worker_slots_wake(WorkerId id);

/* Tells a worker to quit, and does not wait for it. */
extern void worker_slots_terminate(WorkerId id);

/*
 * Tells all workers of a database but the calling one to quit, and waits until
 * they are gone.  Returns false if some are still there after timeout_ms.
 */
extern bool worker_slots_terminate_all(Oid database, long timeout_ms);

/* --- for a worker, of itself --------------------------------------------- */

/* The launcher, for which no slot was reserved, enters the registry. */
extern void worker_slots_attach_launcher(void);

/*
 * Takes the slot that is reserved for the worker, and has the process react to
 * signals from now on.  Does not return if the worker is no longer wanted.
 */
extern void worker_slots_attach(Datum main_arg);

/*
 * Connects to the worker's database as the bootstrap superuser, with settings
 * that no ALTER DATABASE ... SET can spoil.
 */
extern void worker_slots_connect(void);

/*
 * For a worker that has connected in another way, as a role: takes the
 * settings away that end processes.
 */
extern void worker_slots_fix_settings(void);

/* What the starter has passed on; WORKER_EXTRA_LENGTH bytes can be read. */
extern const void *worker_slots_extra(void);

extern WorkerId worker_slots_my_id(void);
extern Oid		worker_slots_my_database(void);
extern Oid		worker_slots_my_role(void);

/*
 * Waits until the worker's latch is set or timeout_ms have passed (-1: without
 * end), and does what worker_slots_check_interrupts does.  Ends the process if
 * the worker was chosen to give way to another one.
 */
extern void worker_slots_wait(long timeout_ms);

/*
 * Ends the process if the worker was told to quit, and reads the settings
 * again if they have changed.  To be called outside of transactions.
 */
extern void worker_slots_check_interrupts(void);

/* For the view: what the worker is doing, in a few words */
extern void worker_slots_set_state(const char *state);

/*
 * A handler worker has nothing to do.  While it waits then, it can be made to
 * give way to another worker (worker_turns.h).
 */
extern void worker_slots_set_idle(void);

/* For the view: when the worker has last finished a piece of work */
extern void worker_slots_set_last_run(TimestampTz time);

/*
 * For the view: what has gone wrong, and its SQLSTATE, or 0 if it has none;
 * NULL or "" when it is over.
 */
extern void worker_slots_report_error(int sqlstate, const char *error);

#endif /* DDBSTREAMS_WORKER_SLOTS_H */
