/*
 * worker_turns.h
 *	  Which worker starts first if worker slots of PostgreSQL are scarce.
 */
#ifndef DDBSTREAMS_WORKER_TURNS_H
#define DDBSTREAMS_WORKER_TURNS_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

#include "worker/worker_types.h"

/* --- for worker_slots.c, which holds the lock exclusively ---------------- */

/*
 * May a worker be started, or do others come first that wait for a slot?  Then
 * it waits, too.
 */
extern bool worker_turns_may_start(WorkerType type, Oid database);

/*
 * There was no slot for a worker: it waits until one of its kind starts, or
 * until it has not been asked for again for some seconds.
 */
extern void worker_turns_wait(WorkerType type, Oid database);

/* A worker has got a slot, or is not wanted any more. */
extern void worker_turns_end_wait(WorkerType type, Oid database);

/* --- for the others ------------------------------------------------------ */

/* Does the worker wait to which this belongs? */
extern bool worker_turns_waits(const WorkerWait *wait, TimestampTz now);

/*
 * Logs that a worker has found no slot, once an hour at most for the whole
 * server, and says how many slots would do.
 */
extern void worker_turns_warn(void);

/*
 * For the launcher: has a worker give way if another one waits.  Returns when
 * to call it again; DT_NOEND if none waits.
 */
extern TimestampTz worker_turns_make_way(void);

/* For a handler worker that has work: does another worker want its slot? */
extern bool worker_turns_way_is_wanted(void);

/*
 * For a handler worker that is between two units: is it to end, so that
 * another worker gets its slot?  That one then counts on it.
 */
extern bool worker_turns_give_way(void);

#endif /* DDBSTREAMS_WORKER_TURNS_H */
