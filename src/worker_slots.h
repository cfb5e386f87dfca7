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
#ifndef WORKER_SLOTS_H
#define WORKER_SLOTS_H

#include "ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#define WORKER_STATE_LENGTH 64
#define WORKER_ERROR_LENGTH 256

/* What a worker can be given when it is started */
#define WORKER_EXTRA_LENGTH 96

typedef enum WorkerType
{
	WORKER_NONE,
	WORKER_LAUNCHER,
	WORKER_MAINTENANCE, /* maintenance.c */
	WORKER_DISPATCHER,	/* delivery_dispatcher.c */
	WORKER_HANDLER		/* delivery_handler.c: started by the dispatcher */
} WorkerType;

typedef enum WorkerStart
{
	WORKER_STARTED,
	WORKER_HELD_OFF, /* a DDL command wants the database for itself */
	WORKER_NO_SLOT	 /* max_worker_processes is reached */
} WorkerStart;

/* Names a worker, for ever; 0 is none */
typedef uint64 WorkerId;

/* A copy of what the registry has of a worker */
typedef struct WorkerInfo
{
	WorkerId	id;
	WorkerType	type;
	int			pid; /* 0 until it has started */
	Oid			database;
	Oid			role;		 /* as given to worker_slots_start */
	TimestampTz reserved_at; /* when it was asked for */
	TimestampTz last_run;	 /* 0: none yet */
	char		state[WORKER_STATE_LENGTH];
	char		last_error[WORKER_ERROR_LENGTH];
} WorkerInfo;

/* At the server's start */
extern Size worker_slots_shmem_size(void);
extern void worker_slots_shmem_init(void);

/* Who starts workers, or looks after them */
extern WorkerStart worker_slots_start(WorkerType type, Oid database, Oid role,
									  const void *extra, Size extra_length,
									  WorkerId *id);
extern int		   worker_slots_reap(void);
extern const char *worker_slots_type_name(WorkerType type);
extern bool		   worker_slots_get(WorkerId id, WorkerInfo *info);
extern List		  *worker_slots_list(WorkerType type, Oid database);
extern void		   worker_slots_wake(WorkerId id);
extern void		   worker_slots_wake_launcher(void);
extern void		   worker_slots_terminate(WorkerId id);
extern bool		   worker_slots_terminate_all(Oid database, long timeout_ms);

/* Dispatchers; see launcher.c */
extern void	  worker_slots_want_dispatcher(Oid database);
extern uint32 worker_slots_dispatcher_wishes(void);
extern bool	  worker_slots_dispatcher_may_end(uint32 wishes);

/* In a worker */
extern void		   worker_slots_attach_launcher(void);
extern void		   worker_slots_attach(Datum main_arg);
extern void		   worker_slots_connect(void);
extern const void *worker_slots_extra(void);
extern Oid		   worker_slots_my_database(void);
extern Oid		   worker_slots_my_role(void);
extern void		   worker_slots_wait(long timeout_ms);
extern void		   worker_slots_check_interrupts(void);
extern void		   worker_slots_set_state(const char *state);
extern void		   worker_slots_set_last_run(TimestampTz time);
extern void		   worker_slots_report_error(const char *error);

#endif /* WORKER_SLOTS_H */
