/*
 * launcher.c
 *	  The worker that starts the other workers, in every database.
 *
 * The workers are
 *
 * launcher		one for the server, a static background worker, connected to no
 *				database; it starts the next two
 * maintenance	one for each database that has the extension: every
 *				ddbstreams.maintenance_interval a process is started, runs all
 *				tasks once (maintenance.c) and ends, so that in between it has
 *				neither a worker slot nor a connection
 * dispatcher	one for each database that has enabled event source mappings;
 *				lives as long as there are some (delivery_dispatcher.c)
 * handler		started by the dispatcher
 *
 * What is known of databases is in shared memory (worker_databases.c), and who
 * is at work (worker_slots.c); so a new launcher goes on where the old one was.
 *
 * Which databases have the extension cannot be seen from outside of them.  The
 * launcher reads pg_database at its start, when it is told that something has
 * changed there, and every maintenance_interval.  A database is
 *
 * unknown		when it is first seen: a maintenance worker goes there and looks
 * present		it has the extension: maintenance runs as said
 * absent		it has not; the launcher remembers this by itself, and does not
 *				look again unless it is told to
 *
 * What happens, and what follows (worker_guard.c tells the launcher when a
 * transaction has committed):
 *
 * CREATE EXTENSION			present, and a run at once; COMMIT PREPARED of it too
 * ALTER EXTENSION UPDATE	holds workers off; a run at once
 * DROP EXTENSION, DROP OWNED by its owner
 *							hold workers off; absent.  After COMMIT PREPARED of it
 *							workers that are left are told to quit
 * CREATE DATABASE			holds workers off the template; the new one is unknown
 * DROP DATABASE			holds workers off; forgotten
 * RENAME, SET TABLESPACE	hold workers off; go on
 * ALLOW_CONNECTIONS		holds workers off; where connections are not allowed, or
 *							DROP DATABASE was interrupted, none is started
 * a mapping is enabled		a dispatcher is wanted; a run of maintenance finds it
 *							too, if the transaction was prepared
 *
 * To hold workers off means: those that are in the database are ended and waited
 * for, and none is started before the command's transaction has ended.
 *
 * maintenance fails		a task's error is shown and logged, the other tasks and
 *							the next run go on; it delays nobody
 * a worker dies			is shown, and started again after 1 s, 2 s, … 60 s
 * no worker slot is free	is shown, logged at most once an hour, tried again
 *							every second
 * the launcher dies		the postmaster starts another one after a second
 * a backend crashes		shared memory is made anew: all databases are unknown
 * shutdown					SIGTERM ends all of them wherever they are
 * standby					nothing runs; promotion starts the launcher
 * pg_upgrade (-b), single-user mode
 *							nothing runs, nothing waits for anything
 *
 * A maintenance run that takes longer than the interval delays its own database
 * only: at most two run at the same moment, but a few more if the others are
 * such long ones.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "worker/launcher.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* After this the postmaster starts a launcher again that has died. */
#define RESTART_S 1

/* When there was no worker slot, try again after this, and say so this often. */
#define RETRY_MS	 1000
#define SAY_AGAIN_MS (60 * 60 * 1000)

/* So many maintenance workers run at the same moment ... */
#define MAX_RUNS 2

/* ... and so many if all but MAX_RUNS have run for longer than an interval. */
#define MAX_RUNS_WITH_LONG 5

typedef struct FoundDatabase
{
	Oid	 database; /* hash key */
	bool connectable;
} FoundDatabase;

/* Databases that are known to be without the extension */
static HTAB *without = NULL;

static bool		   said_no_room = false;
static TimestampTz said_no_slot = 0; /* when */

PGDLLEXPORT void launcher_main(Datum main_arg);

static HTAB *
make_set(const char *name, Size entry_size, MemoryContext context)
{
	HASHCTL ctl;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = entry_size;
	ctl.hcxt = context;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static bool
contains(HTAB *set, Oid database)
{
	return hash_search(set, &database, HASH_FIND, NULL) != NULL;
}

/* The databases that there are now, as FoundDatabase */
static HTAB *
read_databases(void)
{
	HTAB		 *found = make_set("ddbstreams databases", sizeof(FoundDatabase),
								   CurrentMemoryContext);
	MemoryContext context = CurrentMemoryContext;
	Relation	  rel;
	TableScanDesc scan;
	HeapTuple	  tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		FoundDatabase	*entry = hash_search(found, &form->oid, HASH_ENTER, NULL);

		entry->connectable = form->datallowconn &&
							 form->datconnlimit != COMPAT_DATCONNLIMIT_INVALID;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return found;
}

/*
 * Makes entries for databases that are new, and forgets those that are gone.
 * The entries were copied before pg_database was read: one that is made
 * meanwhile, by a transaction that has committed, is not among them.
 */
static void
find_databases(void)
{
	List		   *entries = worker_databases_list();
	HTAB		   *found = read_databases();
	HTAB		   *known = make_set("ddbstreams entries", sizeof(Oid),
									 CurrentMemoryContext);
	HASH_SEQ_STATUS scan;
	FoundDatabase  *database;
	Oid			   *oid;
	ListCell	   *lc;
	bool			no_room = false;

	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		database = hash_search(found, &entry->database, HASH_FIND, NULL);
		if (database == NULL ||
			(!database->connectable && entry->presence == EXTENSION_UNKNOWN))
			(void) worker_databases_remove(entry);
		else
			(void) worker_databases_see(entry->database, false, database->connectable);
		(void) hash_search(known, &entry->database, HASH_ENTER, NULL);
	}

	hash_seq_init(&scan, without);
	while ((oid = hash_seq_search(&scan)) != NULL)
	{
		if (!contains(found, *oid))
			(void) hash_search(without, oid, HASH_REMOVE, NULL);
	}

	hash_seq_init(&scan, found);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (database->connectable && !contains(known, database->database) &&
			!contains(without, database->database))
			no_room |= !worker_databases_see(database->database, true, true);
	}
	if (no_room && !said_no_room)
		ereport(LOG,
				(errmsg("ddbstreams has no room for more databases that have the extension"),
				 errdetail("Streams of further databases are captured and can be read, but nobody maintains them.")));
	said_no_room = no_room;
}

/* Takes note of databases that have no extension. */
static void
forget_databases_without(List *entries)
{
	ListCell *lc;

	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		if (entry->presence != EXTENSION_ABSENT)
			(void) hash_search(without, &entry->database, HASH_REMOVE, NULL);
		else if (entry->maintenance.worker != 0 || entry->dispatcher.worker != 0)
		{
			/* It has gone without a word, as by DROP OWNED. */
			worker_slots_terminate(entry->maintenance.worker);
			worker_slots_terminate(entry->dispatcher.worker);
		}
		else if (worker_databases_remove(entry))
			(void) hash_search(without, &entry->database, HASH_ENTER, NULL);
	}
}

static void
start(WorkerType type, Oid database, TimestampTz now)
{
	WorkerId id;

	if (worker_slots_start(type, database, InvalidOid, NULL, 0, &id) !=
		WORKER_NO_SLOT)
		return;
	if (TimestampDifferenceExceeds(said_no_slot, now, SAY_AGAIN_MS))
	{
		ereport(LOG,
				(errmsg("ddbstreams could not start a worker: no free worker slot"),
				 errdetail("View ddbstreams.workers shows which ones are waiting."),
				 errhint("You might need to increase max_worker_processes.")));
		said_no_slot = now;
	}
	worker_databases_lacks_slot(type, database,
								TimestampTzPlusMilliseconds(now, RETRY_MS));
}

static int
compare_next_runs(const ListCell *a, const ListCell *b)
{
	TimestampTz x = ((const WorkerDatabase *) lfirst(a))->maintenance.next_start;
	TimestampTz y = ((const WorkerDatabase *) lfirst(b))->maintenance.next_start;

	return x < y ? -1 : x > y;
}

/* May one more maintenance worker run? */
static bool
may_run(List *entries, int started, TimestampTz now)
{
	int		  all = started;
	int		  brief = started;
	ListCell *lc;

	foreach (lc, entries)
	{
		WorkerJob *job = &((WorkerDatabase *) lfirst(lc))->maintenance;

		if (job->worker == 0)
			continue;
		all++;
		if (now - job->started_at < setting_maintenance_interval * INT64CONST(1000))
			brief++;
	}
	return brief < MAX_RUNS && all < MAX_RUNS_WITH_LONG;
}

static bool
wants_maintenance(const WorkerDatabase *entry)
{
	return entry->presence != EXTENSION_ABSENT && entry->seen && entry->connectable &&
		   entry->holds == 0 && entry->maintenance.worker == 0;
}

static bool
wants_dispatcher(const WorkerDatabase *entry)
{
	return entry->presence == EXTENSION_PRESENT && entry->seen && entry->connectable &&
		   entry->holds == 0 && entry->dispatcher.worker == 0 &&
		   entry->wants_dispatcher && setting_max_workers > 0;
}

/* Starts the workers that are due, and returns when the next one is. */
static TimestampTz
start_due(List *entries, TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	int			started = 0;
	ListCell   *lc;

	list_sort(entries, compare_next_runs);
	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		if (wants_dispatcher(entry))
		{
			if (entry->dispatcher.next_start <= now)
				start(WORKER_DISPATCHER, entry->database, now);
			else
				next = Min(next, entry->dispatcher.next_start);
		}
		if (wants_maintenance(entry))
		{
			if (entry->maintenance.next_start > now)
				next = Min(next, entry->maintenance.next_start);
			else if (may_run(entries, started, now))
			{
				start(WORKER_MAINTENANCE, entry->database, now);
				started++;
			}
		}
	}
	return next;
}

void
launcher_main(Datum main_arg)
{
	MemoryContext context;
	TimestampTz	  last_search = 0;

	worker_slots_attach_launcher();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	without = make_set("ddbstreams databases without", sizeof(Oid),
					   TopMemoryContext);
	context = AllocSetContextCreate(TopMemoryContext, "ddbstreams launcher",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	worker_slots_set_state("running");

	for (;;)
	{
		TimestampTz now;
		TimestampTz next;

		MemoryContextReset(context);
		(void) worker_slots_reap();
		forget_databases_without(worker_databases_list());

		now = GetCurrentTimestamp();
		if (worker_databases_take_changed() ||
			now - last_search >= setting_maintenance_interval * INT64CONST(1000) ||
			now < last_search)
		{
			find_databases();
			last_search = now;
			worker_slots_set_last_run(now);
		}

		now = GetCurrentTimestamp();
		next = start_due(worker_databases_list(), now);
		next = Min(next, TimestampTzPlusMilliseconds(last_search,
													 setting_maintenance_interval));
		worker_slots_wait(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next));
	}
}

void
launcher_init(void)
{
	BackgroundWorker worker = {0};

	worker_slots_register_type(WORKER_LAUNCHER, "launcher", "launcher_main");
	if (IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_S;
	strlcpy(worker.bgw_library_name, DDBSTREAMS_EXTENSION, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "ddbstreams launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "ddbstreams launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
