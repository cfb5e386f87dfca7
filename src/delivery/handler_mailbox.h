/*
 * handler_mailbox.h
 *	  What dispatcher and handler workers tell each other, in shared memory.
 */
#ifndef DDBSTREAMS_HANDLER_MAILBOX_H
#define DDBSTREAMS_HANDLER_MAILBOX_H

#include "base/ddbstreams.h"

#include "nodes/pg_list.h"

#include "delivery/delivery.h"
#include "worker/worker_slots.h"

/* The state of a handler worker's entry; README has a drawing. */
typedef enum HandlerState
{
	HANDLER_FREE,	  /* the entry belongs to no worker */
	HANDLER_IDLE,	  /* the worker has no unit; it may still be starting */
	HANDLER_ASSIGNED, /* the dispatcher has given the worker a unit */
	HANDLER_RUNNING,  /* the worker runs the unit */
	HANDLER_DONE	  /* the worker has reported the outcome of the run */
} HandlerState;

/* A copy of what is known of a handler worker */
typedef struct HandlerInfo
{
	int				index; /* names the entry, and the worker with it */
	HandlerState	state;
	WorkerId		worker;
	Oid				database;
	Oid				role;
	bool			adopted;	/* another dispatcher has asked for it */
	bool			started;	/* the worker's process has found the entry */
	bool			connected;	/* ... has logged in as the role */
	bool			refused;	/* ... or could not, and ends */
	TimestampTz		since;		/* when the state began */
	TimestampTz		call_since; /* when the present step began; 0: none has */
	int				attempts;	/* of the batch in the present call; 0: none */
	DeliveryUnit	unit;		/* means something unless the state is IDLE */
	DeliveryOutcome outcome;	/* of the last run; if DONE, of this one */
} HandlerInfo;

extern Size handler_mailbox_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void handler_mailbox_shmem_init(void);

/* --- for the dispatcher --- */

/*
 * Makes an entry and starts a handler worker for a role in this database.  If
 * that succeeds, *index names the worker, which can be given a unit at once.
 */
extern WorkerStart handler_mailbox_start(Oid role, int *index);

/* Gives an idle worker a unit, with the outcome of its last run. */
extern void handler_mailbox_assign(int index, const DeliveryUnit *unit,
								   const DeliveryOutcome *before);

/* Returns the entries of a database's workers, as HandlerInfo *, palloc'd. */
extern List *handler_mailbox_list(Oid database);

/* The dispatcher has read the outcome of a worker that is DONE. */
extern void handler_mailbox_collect(int index);

/* The worker's process has ended. */
extern void handler_mailbox_free(int index);

/* This process is the database's dispatcher from now on. */
extern void handler_mailbox_adopt(void);

/* Tells all workers of this database whether units wait for a worker. */
extern void handler_mailbox_set_yield(bool yield);

/* --- for a handler worker --- */

/*
 * Called first; the entry is that of the worker which was started with index.
 */
extern void handler_mailbox_attach(int index);

/* The worker has logged in. */
extern void handler_mailbox_connected(void);

/* The worker's process fails: unless it has logged in, it could not. */
extern void handler_mailbox_failed(void);

/* Takes the unit that the worker was given; returns false if there is none. */
extern bool handler_mailbox_take(DeliveryUnit *unit, DeliveryOutcome *before);

/* A step begins. */
extern void handler_mailbox_begin_step(void);

/* The step's call begins, with so many attempts; or it has ended. */
extern void handler_mailbox_begin_call(int attempts);
extern void handler_mailbox_end_call(void);

/*
 * May the worker do another step, or has its time slice passed while others
 * wait?
 */
extern bool handler_mailbox_may_go_on(void);

/* Reports the outcome of the run, and wakes the dispatcher. */
extern void handler_mailbox_report(const DeliveryOutcome *outcome);

#endif /* DDBSTREAMS_HANDLER_MAILBOX_H */
