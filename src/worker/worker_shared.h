/*
 * worker_shared.h
 *	  The shared memory of worker_slots.c and worker_databases.c, for them alone.
 */
#ifndef DDBSTREAMS_WORKER_SHARED_H
#define DDBSTREAMS_WORKER_SHARED_H

#include "base/ddbstreams.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "worker/worker_types.h"

/*
 * At most so many databases have an entry, that is, have the extension or are
 * about to be looked at.
 */
#define MAX_DATABASES 1024

typedef struct WorkerSlot
{
	WorkerInfo info;	/* of type WORKER_NONE: the slot is free */
	uint32	   ticket;	/* rises with each use */
	int		   starter; /* pid */
	PGPROC	  *proc;	/* valid while info.pid is */
	bool	   quits;	/* it was told to */
} WorkerSlot;

/*
 * The lock guards all of this.  It is held for a moment only; while it is held
 * no other lock is taken, and nothing is allocated.
 */
typedef struct WorkerShared
{
	int				  tranche_id;
	LWLock			  lock;
	ConditionVariable gone; /* a worker has left the registry */
	WorkerId		  launcher;
	bool			  changed;		/* the launcher has to read pg_database */
	int				  database_end; /* entries from here on are free */
	WorkerDatabase	  databases[MAX_DATABASES];
	int				  slot_count;
	WorkerSlot		  slots[FLEXIBLE_ARRAY_MEMBER];
} WorkerShared;

extern WorkerShared *worker_shared;

/* The calling worker's slot; NULL in other processes */
extern WorkerSlot *worker_shared_my_slot;

/* For the postmaster, when it starts and after a crash of a backend */
extern Size worker_shared_size(void);
extern void worker_shared_init(void);

extern void worker_shared_lock(void);
extern void worker_shared_lock_for_reading(void);
extern void worker_shared_unlock(void);

/* The slot of a worker, or NULL if it has ended.  The caller holds the lock. */
extern WorkerSlot *worker_shared_slot(WorkerId id);

/* Sets the latch of a slot's worker; NULL is allowed.  The caller holds the lock. */
extern void worker_shared_wake(WorkerSlot *slot);

/* These two take the lock. */
extern void worker_shared_wake_launcher(void);
extern Oid	worker_shared_my_database(void);

#endif /* DDBSTREAMS_WORKER_SHARED_H */
