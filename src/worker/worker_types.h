/*
 * worker_types.h
 *	  What is known of workers and of the databases that they work in.
 */
#ifndef DDBSTREAMS_WORKER_TYPES_H
#define DDBSTREAMS_WORKER_TYPES_H

#include "base/ddbstreams.h"

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
	WORKER_MAINTENANCE, /* at most one in a database, started by the launcher */
	WORKER_DISPATCHER,	/* at most one in a database, started by the launcher */
	WORKER_HANDLER,		/* any number in a database, started by the dispatcher */
	WORKER_TYPE_COUNT
} WorkerType;

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
	int				  holds;	/* DDL commands that want no worker there */
	bool			  thorough; /* the next run checks what rarely changes */
	bool			  wants_dispatcher;
	uint32			  wishes; /* rises with each wish for a dispatcher */
	WorkerJob		  maintenance;
	WorkerJob		  dispatcher;
} WorkerDatabase;

#endif /* DDBSTREAMS_WORKER_TYPES_H */
