/*
 * worker_databases.h
 *	  What the launcher knows of databases: the entries in shared memory.
 */
#ifndef WORKER_DATABASES_H
#define WORKER_DATABASES_H

#include "ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "worker_slots.h"

typedef enum ExtensionPresence
{
	EXTENSION_UNKNOWN, /* a maintenance worker has to look */
	EXTENSION_PRESENT,
	EXTENSION_ABSENT /* until the launcher has taken note and freed the entry */
} ExtensionPresence;

/* What is known of a worker that a database has at most one of */
typedef struct WorkerJob
{
	WorkerId	worker; /* 0: none runs */
	TimestampTz started_at;
	TimestampTz next_start;
	TimestampTz last_run;
	int			failures;	/* one after the other */
	bool		lacks_slot; /* max_worker_processes was reached */
	char		last_error[WORKER_ERROR_LENGTH];
} WorkerJob;

typedef struct WorkerDatabase
{
	Oid				  database; /* InvalidOid: the entry is free */
	uint32			  version;	/* rises when what is known becomes doubtful */
	ExtensionPresence presence;
	bool			  seen; /* connectable is what pg_database says */
	bool			  connectable;
	int				  holds;		/* DDL commands that want no worker there */
	bool			  look_closely; /* the next run checks what rarely changes */
	bool			  wants_dispatcher;
	uint32			  wishes; /* rises with each wish for a dispatcher */
	WorkerJob		  maintenance;
	WorkerJob		  dispatcher;
} WorkerDatabase;

/* For DDL */
extern bool				 worker_databases_hold(Oid database);
extern void				 worker_databases_release(Oid database);
extern ExtensionPresence worker_databases_presence(Oid database);
extern void				 worker_databases_set_presence(Oid				 database,
													   ExtensionPresence presence);
extern void				 worker_databases_changed(void);
extern void				 worker_databases_look_closely(Oid	database,
													   bool at_once);

/* For maintenance workers */
extern uint32 worker_databases_begin_run(void);
extern bool	  worker_databases_looks_closely(char *last_error);
extern bool	  worker_databases_report(uint32 version, ExtensionPresence presence);
extern void	  worker_databases_end_run(TimestampTz started_at);

/* For the launcher and the view */
extern List *worker_databases_list(void);
extern bool	 worker_databases_take_changed(void);
extern bool	 worker_databases_see(Oid database, bool create, bool connectable);
extern bool	 worker_databases_remove(const WorkerDatabase *entry);
extern void	 worker_databases_lacks_slot(WorkerType type, Oid database,
										 TimestampTz next_start);

#endif /* WORKER_DATABASES_H */
