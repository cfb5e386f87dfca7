/*
 * worker_shared.h
 *	  The shared memory in which workers and databases are registered.
 *
 * Only the files of this folder read or change it; the others call
 * worker_slots.h and worker_databases.h.
 */
#ifndef DDBSTREAMS_WORKER_SHARED_H
#define DDBSTREAMS_WORKER_SHARED_H

#include "base/ddbstreams.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "worker/worker_types.h"

/*
 * At most this many databases have an entry: those that have the extension,
 * and those in which a maintenance worker has yet to look for it.
 */
#define MAX_DATABASES 1024

/* The place of a worker in the registry */
typedef struct WorkerSlot
{
	WorkerInfo	info;		/* its type is WORKER_NONE if the slot is free */
	uint32		ticket;		/* rises each time the slot is reserved */
	int			starter;	/* pid of the process that has asked for the worker */
	PGPROC	   *proc;		/* valid while info.pid is not 0 */
	bool		quits;		/* the worker was told to quit */
	bool		gives_way;	/* it ends when it has nothing in hand */
	TimestampTz idle_since; /* of a handler worker; 0: it has work */
} WorkerSlot;

/*
 * All of this is guarded by lock.  A process that holds it takes no other
 * lock, allocates nothing and raises no error; so it is held for a moment
 * only.
 */
typedef struct WorkerShared
{
	int				  tranche_id;
	LWLock			  lock;
	ConditionVariable gone;			 /* a worker has left its slot */
	WorkerId		  launcher;		 /* 0: none runs */
	bool			  search_wanted; /* the launcher has to read pg_database */
	int				  database_end;	 /* entries from here on are free */
	bool			  way_wanted;	 /* see worker_turns.c */
	TimestampTz		  way_made_at;	 /* a worker was last made to give way */
	TimestampTz		  warned_at;	 /* of slots that are too few; 0: never */
	WorkerDatabase	  databases[MAX_DATABASES];
	int				  slot_count;
	WorkerSlot		  slots[FLEXIBLE_ARRAY_MEMBER];
} WorkerShared;

extern WorkerShared *worker_shared;

/* The calling worker's slot; NULL in processes that are no workers */
extern WorkerSlot *worker_shared_my_slot;

/* How many bytes of shared memory are needed */
extern Size worker_shared_size(void);

/*
 * Makes the shared memory.  The postmaster calls it when it starts, and again
 * after a backend has crashed: nothing of what was known then is left.
 */
extern void worker_shared_init(void);

/* Take and release the lock: exclusively, shared */
extern void worker_shared_lock(void);
extern void worker_shared_lock_for_reading(void);
extern void worker_shared_unlock(void);

/*
 * Returns the slot of a worker, or NULL if the worker has ended.  The caller
 * holds the lock.
 */
extern WorkerSlot *worker_shared_slot(WorkerId id);

/*
 * Sets the latch of the worker that has a slot; slot may be NULL, or only be
 * reserved.  The caller holds the lock.
 */
extern void worker_shared_wake(WorkerSlot *slot);

/* Sets the launcher's latch, if one runs.  Takes the lock. */
extern void worker_shared_wake_launcher(void);

#endif /* DDBSTREAMS_WORKER_SHARED_H */
