/*
 * worker_slots.h
 *	  The background workers that there are: the registry in shared memory.
 *
 * A worker's life:
 *
 *	worker_slots_start(WORKER_HANDLER, database, role, &extra, sizeof(extra), &id);
 *
 *	void handler_main(Datum main_arg)
 *	{
 *		worker_slots_attach(main_arg);		first of all
 *		worker_slots_connect();				or another way to connect
 *		for (;;)
 *		{
 *			worker_slots_set_state("…");
 *			... work ...
 *			worker_slots_wait(timeout);		outside of transactions
 *		}
 *	}
 *
 * It leaves the registry when its process ends, however it ends.  Whoever
 * started it is woken then.
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
	WORKER_NO_SLOT	 /* max_worker_processes is reached */
} WorkerStart;


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

/* Who starts workers, or looks after them */
extern WorkerStart worker_slots_start(WorkerType type, Oid database, Oid role,
									  const void *extra, Size extra_length,
									  WorkerId *id);
extern int		   worker_slots_reap(void);
extern bool		   worker_slots_get(WorkerId id, WorkerInfo *info);
extern List		  *worker_slots_list(WorkerType type, Oid database);
extern void		   worker_slots_wake(WorkerId id);
extern void		   worker_slots_terminate(WorkerId id);
extern bool		   worker_slots_terminate_all(Oid database, long timeout_ms);

/* Dispatchers; see launcher.c */
extern void	  worker_slots_want_dispatcher(Oid database);
extern void	  worker_slots_want_dispatcher_at_commit(void);
extern void	  worker_slots_end_transaction(bool committed);
extern uint32 worker_slots_dispatcher_wishes(void);
extern bool	  worker_slots_dispatcher_may_end(uint32 wishes);

/* In a worker */
extern void		   worker_slots_attach_launcher(void);
extern void		   worker_slots_attach(Datum main_arg);
extern void		   worker_slots_connect(void);
extern const void *worker_slots_extra(void);
extern Oid		   worker_slots_my_role(void);
extern void		   worker_slots_wait(long timeout_ms);
extern void		   worker_slots_check_interrupts(void);
extern void		   worker_slots_set_state(const char *state);
extern void		   worker_slots_set_last_run(TimestampTz time);
extern void		   worker_slots_report_error(const char *error);

#endif /* DDBSTREAMS_WORKER_SLOTS_H */
