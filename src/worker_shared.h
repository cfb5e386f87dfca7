/*
 * worker_shared.h
 *	  The shared memory of worker_slots.c and worker_databases.c, for them alone.
 */
#ifndef WORKER_SHARED_H
#define WORKER_SHARED_H

#include "ddbstreams.h"

#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

#include "worker_databases.h"
#include "worker_slots.h"

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

/* The lock is held */
extern WorkerDatabase *worker_databases_find(Oid database, bool create);
extern void			   worker_databases_worker_started(WorkerType type,
													   Oid database, WorkerId id);
extern void			   worker_databases_worker_ended(const WorkerSlot *slot,
													 bool			   failed);

/* The calling worker's slot, or NULL */
extern WorkerSlot *worker_slots_mine(void);

#endif /* WORKER_SHARED_H */
