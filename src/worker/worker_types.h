/*
 * worker_types.h
 *	  What is known of workers, and of the databases in which they work.
 *
 * A worker is a background worker process of ddbstreams.  README in this
 * folder says which types there are and how the states below follow each
 * other.
 */
#ifndef DDBSTREAMS_WORKER_TYPES_H
#define DDBSTREAMS_WORKER_TYPES_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#define WORKER_STATE_LENGTH 64
#define WORKER_ERROR_LENGTH 256

/* How many bytes a starter can pass on to the worker that it starts */
#define WORKER_EXTRA_LENGTH 96

typedef enum WorkerType
{
	WORKER_NONE,
	WORKER_LAUNCHER,	/* one in the server, started by the postmaster */
	WORKER_MAINTENANCE, /* at most one a database, started by the launcher */
	WORKER_DISPATCHER,	/* at most one a database, started by the launcher */
	WORKER_HANDLER,		/* any number a database, started by the dispatcher */
	WORKER_TYPE_COUNT
} WorkerType;

/*
 * Names one worker; it is never given to another before the server restarts.
 * 0 stands for no worker.
 */
typedef uint64 WorkerId;

/* What has gone wrong in a worker, or in all runs of a job since one succeeded */
typedef struct WorkerError
{
	char		text[WORKER_ERROR_LENGTH]; /* "": nothing */
	int			sqlstate;				   /* 0: there is none */
	TimestampTz since;
} WorkerError;

#define WorkerErrorIsSet(error) ((error)->text[0] != '\0')

/* A copy of what the registry knows of a worker */
typedef struct WorkerInfo
{
	WorkerId	id;
	WorkerType	type;
	int			pid; /* 0 until the worker has started */
	Oid			database;
	Oid			role;		 /* as given to worker_slots_start */
	TimestampTz reserved_at; /* when the worker was asked for */
	TimestampTz last_run;	 /* 0 if it has not finished a piece of work */
	char		state[WORKER_STATE_LENGTH];
	WorkerError last_error;
} WorkerInfo;

/* Does a database have the extension? */
typedef enum ExtensionPresence
{
	EXTENSION_UNKNOWN, /* a maintenance worker has to find out */
	EXTENSION_PRESENT,
	EXTENSION_ABSENT /* the launcher is about to free the database's entry */
} ExtensionPresence;

/*
 * A worker that has found no slot; all of it is 0 if none waits.  What is not
 * asked for any more does not wait (worker_turns_waits).
 */
typedef struct WorkerWait
{
	TimestampTz since;	  /* when there was first no slot for it */
	TimestampTz asked_at; /* when there was last none */
} WorkerWait;

/* What is known of a type of which a database has at most one worker */
typedef struct WorkerJob
{
	WorkerId	worker; /* 0 if none has been started, or if it has ended */
	TimestampTz started_at;
	TimestampTz next_start; /* DT_NOEND: not before this worker ends */
	TimestampTz last_run;	/* when a worker finished its work; 0: never */
	int			failures;	/* in a row */
	WorkerWait	wait;
	WorkerError last_error;
} WorkerJob;

/* What is known of a database: its entry */
typedef struct WorkerDatabase
{
	Oid				  database; /* InvalidOid: the entry is free */
	uint32			  version;	/* rises when what is known has changed */
	ExtensionPresence presence;
	bool			  seen;			  /* connectable is what pg_database says */
	bool			  connectable;	  /* pg_database allows connections */
	int				  holds;		  /* DDL commands that keep workers out */
	bool			  thorough;		  /* the next run checks all */
	bool			  resting;		  /* there is no stream: runs are rare */
	bool			  rest_ended;	  /* there may be one since the run began */
	uint32			  stream_changes; /* how often streams or shards changed */
	TimestampTz		  lists_read;	  /* when these lists were read last, and */
	TimestampTz		  lists_due;	  /* when to do it again, by clock_now() */
	bool			  wants_dispatcher;
	uint32			  wishes; /* rises with each wish for a dispatcher */
	WorkerJob		  maintenance;
	WorkerJob		  dispatcher;
	WorkerWait		  handler_wait; /* the dispatcher asks for one */
} WorkerDatabase;

#endif /* DDBSTREAMS_WORKER_TYPES_H */
