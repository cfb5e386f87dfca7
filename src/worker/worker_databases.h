/*
 * worker_databases.h
 *	  What the launcher knows of databases: the entries in shared memory.
 */
#ifndef DDBSTREAMS_WORKER_DATABASES_H
#define DDBSTREAMS_WORKER_DATABASES_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "worker/worker_shared.h"


/* For DDL */
extern bool				 worker_databases_hold(Oid database);
extern void				 worker_databases_release(Oid database);
extern ExtensionPresence worker_databases_presence(Oid database);
extern void				 worker_databases_set_presence(Oid				 database,
													   ExtensionPresence presence);
extern void				 worker_databases_changed(void);
extern void				 worker_databases_request_thorough_run(Oid	database,
															   bool at_once);

/* For maintenance workers */
extern uint32 worker_databases_begin_run(void);
extern bool	  worker_databases_take_request(char *last_error);
extern bool	  worker_databases_is_thorough_run(void);
extern bool	  worker_databases_report(uint32 version, ExtensionPresence presence);
extern void	  worker_databases_end_run(TimestampTz started_at);

/* For the launcher and the view */
extern List *worker_databases_list(void);
extern bool	 worker_databases_take_changed(void);
extern bool	 worker_databases_see(Oid database, bool create, bool connectable);
extern bool	 worker_databases_remove(const WorkerDatabase *entry);
extern void	 worker_databases_lacks_slot(WorkerType type, Oid database,
										 TimestampTz next_start);

/* For worker_slots.c, which holds the lock (worker_shared.h) */
extern WorkerDatabase *worker_databases_find(Oid database, bool create);
extern void			   worker_databases_worker_started(WorkerType type,
													   Oid database, WorkerId id);
extern void			   worker_databases_worker_ended(const WorkerSlot *slot,
													 bool			   failed);

#endif /* DDBSTREAMS_WORKER_DATABASES_H */
