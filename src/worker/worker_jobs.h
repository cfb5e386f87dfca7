/*
 * worker_jobs.h
 *	  What worker_slots.c tells worker_databases.c of the workers of a database.
 */
#ifndef DDBSTREAMS_WORKER_JOBS_H
#define DDBSTREAMS_WORKER_JOBS_H

#include "base/ddbstreams.h"

#include "worker/worker_shared.h"

/* The caller of all three holds the lock (worker_shared.h). */
extern WorkerDatabase *worker_databases_find(Oid database, bool create);
extern void			   worker_databases_worker_started(WorkerType type,
													   Oid database, WorkerId id);
extern void			   worker_databases_worker_ended(const WorkerSlot *slot,
													 bool			   failed);

#endif /* DDBSTREAMS_WORKER_JOBS_H */
