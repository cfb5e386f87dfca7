/*
 * launcher.c
 *	  The worker that starts maintenance workers and dispatchers.
 *
 * There is one launcher in the server, a static background worker, which is
 * connected to no database.  It starts a maintenance worker, and a dispatcher
 * where one is wanted, in every database that has the extension, when their
 * entries say that they are due (worker_databases.c).  All that it knows of
 * databases with the extension is in shared memory, so a new launcher goes on
 * where one that has died was.
 *
 * Whether a database has the extension cannot be seen from outside of it.  The
 * launcher reads pg_database when it starts, when it is told that something
 * has changed there, and every ddbstreams.maintenance_interval.  It makes an
 * entry for each database that it does not know, and sends a maintenance
 * worker there to look.  Databases without the extension are remembered in
 * this process alone; their entries are freed.
 *
 * README in this folder says what commands and failures bring about.
 *
 * A maintenance run that takes longer than the interval delays only its own
 * database: MAX_RUNS workers run at the same moment, and up to
 * MAX_RUNS_WITH_LONG if some of them have run for longer than an interval.
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
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "base/settings.h"
#include "worker/launcher.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"
#include "worker/worker_turns.h"

/* The postmaster starts a new launcher so long after one has died. */
#define RESTART_S 1

/* When there was no slot for a worker, the launcher tries again after this. */
#define RETRY_MS 250

/*
 * At most MAX_RUNS maintenance workers run at the same moment that have not
 * yet run for an interval, and at most MAX_RUNS_WITH_LONG in all.
 */
#define MAX_RUNS		   2
#define MAX_RUNS_WITH_LONG 5

typedef struct FoundDatabase
{
	Oid	 database; /* hash key */
	bool connectable;
} FoundDatabase;

/* Databases that are known to be without the extension: a set of Oid */
static HTAB *databases_without = NULL;

static bool said_no_room = false;

PGDLLEXPORT void launcher_main(Datum main_arg);

/* Makes a hash table whose entries begin with the Oid of a database. */
static HTAB *
make_database_set(const char *name, Size entry_size, MemoryContext context)
{
	HASHCTL ctl;

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = entry_size;
	ctl.hcxt = context;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static bool
set_contains(HTAB *set, Oid database)
{
	return hash_search(set, &database, HASH_FIND, NULL) != NULL;
}

/* Returns the databases that there are now: a set of FoundDatabase. */
static HTAB *
read_databases(void)
{
	HTAB		 *found = make_database_set("ddbstreams databases",
											sizeof(FoundDatabase),
											CurrentMemoryContext);
	Relation	  rel;
	TableScanDesc scan;
	HeapTuple	  tuple;

	own_transaction_begin();
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
	own_transaction_commit();
	return found;
}

/*
 * Makes entries for databases that are new, and frees those of databases that
 * are gone.  The entries are copied before pg_database is read: otherwise an
 * entry that is made in between, for a database whose creation has committed
 * in between, would be freed.
 */
static void
find_databases(void)
{
	List		   *entries = worker_databases_list();
	HTAB		   *found = read_databases();
	HTAB		   *known = make_database_set("ddbstreams entries", sizeof(Oid),
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
			(void) worker_databases_set_connectable(entry->database,
													database->connectable, false);
		(void) hash_search(known, &entry->database, HASH_ENTER, NULL);
	}

	hash_seq_init(&scan, databases_without);
	while ((oid = hash_seq_search(&scan)) != NULL)
	{
		if (!set_contains(found, *oid))
			(void) hash_search(databases_without, oid, HASH_REMOVE, NULL);
	}

	hash_seq_init(&scan, found);
	while ((database = hash_seq_search(&scan)) != NULL)
	{
		if (database->connectable && !set_contains(known, database->database) &&
			!set_contains(databases_without, database->database))
			no_room |= !worker_databases_set_connectable(database->database,
														 true, true);
	}
	if (no_room && !said_no_room)
		ereport(LOG,
				(errmsg("ddbstreams has no room for more databases that have the extension"),
				 errdetail("Streams of further databases are captured and can be read, but are not maintained.")));
	said_no_room = no_room;
}

/*
 * Does that, and lives on if it fails: without locks for one, when the lock
 * table is full.
 */
static void
try_to_find_databases(void)
{
	static bool	  said_error = false;
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		find_databases();
		if (said_error)
			worker_slots_report_error(0, NULL);
		said_error = false;
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!said_error)
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		worker_slots_report_error(error->sqlerrcode, error->message);
		said_error = true;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

/*
 * Frees the entries of databases that have turned out to be without the
 * extension, and remembers these databases.  Returns whether there were any.
 */
static bool
forget_databases_without(List *entries)
{
	ListCell *lc;
	bool	  any = false;

	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		if (entry->presence != EXTENSION_ABSENT)
		{
			(void) hash_search(databases_without, &entry->database, HASH_REMOVE,
							   NULL);
			continue;
		}
		any = true;
		if (entry->maintenance.worker != 0 || entry->dispatcher.worker != 0)
		{
			/* Nothing has held them off: COMMIT PREPARED does not, for one. */
			worker_slots_terminate(entry->maintenance.worker);
			worker_slots_terminate(entry->dispatcher.worker);
		}
		else if (worker_databases_remove(entry))
			(void) hash_search(databases_without, &entry->database, HASH_ENTER,
							   NULL);
	}
	return any;
}

/*
 * Starts a worker.  Returns when to try again if there was no slot for it; if
 * there was one, or if a command holds workers off, the launcher is woken when
 * that has changed.
 */
static TimestampTz
start_worker(WorkerType type, Oid database, TimestampTz now)
{
	TimestampTz next = TimestampTzPlusMilliseconds(now, RETRY_MS);
	WorkerId	id;

	if (worker_slots_start(type, database, InvalidOid, NULL, 0, &id) !=
		WORKER_NO_SLOT)
		return DT_NOEND;
	worker_databases_try_again(type, database, next);
	return next;
}

static int
compare_next_runs(const ListCell *a, const ListCell *b)
{
	const WorkerDatabase *x = lfirst(a);
	const WorkerDatabase *y = lfirst(b);

	if (x->maintenance.next_start == y->maintenance.next_start)
		return 0;
	return x->maintenance.next_start < y->maintenance.next_start ? -1 : 1;
}

/* Returns how many more maintenance workers may run. */
static int
count_free_runs(List *entries, TimestampTz now)
{
	int		  all = 0;
	int		  brief = 0;
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
	return Min(MAX_RUNS - brief, MAX_RUNS_WITH_LONG - all);
}

/* Starts the workers that are due, and returns when the next one is. */
static TimestampTz
start_due(List *entries, TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	int			free_runs = count_free_runs(entries, now);
	ListCell   *lc;

	list_sort(entries, compare_next_runs);
	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);
		TimestampTz		retry;

		if (worker_databases_wants_dispatcher(entry))
		{
			if (entry->dispatcher.next_start <= now)
				retry = start_worker(WORKER_DISPATCHER, entry->database, now);
			else
				retry = entry->dispatcher.next_start;
			next = Min(next, retry);
		}
		if (worker_databases_wants_maintenance(entry))
		{
			if (entry->maintenance.next_start > now)
				next = Min(next, entry->maintenance.next_start);
			else if (free_runs > 0)
			{
				retry = start_worker(WORKER_MAINTENANCE, entry->database, now);
				next = Min(next, retry);
				free_runs--;
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
	databases_without = make_database_set("ddbstreams databases without",
										  sizeof(Oid), TopMemoryContext);
	context = AllocSetContextCreate(TopMemoryContext, "ddbstreams launcher",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	worker_slots_set_state("running");

	for (;;)
	{
		const int	interval = setting_maintenance_interval;
		TimestampTz now;
		TimestampTz next;
		TimestampTz next_turn;
		List	   *entries;
		bool		outdated;

		MemoryContextReset(context);
		(void) worker_slots_reap();
		entries = worker_databases_list();
		outdated = forget_databases_without(entries);

		now = GetCurrentTimestamp();
		if (worker_databases_take_search_request() ||
			now - last_search >= interval * INT64CONST(1000) ||
			now < last_search)
		{
			try_to_find_databases();
			last_search = now;
			worker_slots_set_last_run(now);
			outdated = true;
		}

		now = GetCurrentTimestamp();
		next = start_due(outdated ? worker_databases_list() : entries, now);
		next_turn = worker_turns_make_way();
		next = Min(next, next_turn);
		next = Min(next, TimestampTzPlusMilliseconds(last_search, interval));
		now = GetCurrentTimestamp();
		worker_slots_wait(TimestampDifferenceMilliseconds(now, next));
	}
}

void
launcher_init(void)
{
	BackgroundWorker worker = {0};

	worker_slots_register_type(WORKER_LAUNCHER, "launcher", "launcher_main");
	if (IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
					   BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_S;
	strlcpy(worker.bgw_library_name, DDBSTREAMS_EXTENSION, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "ddbstreams launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "ddbstreams launcher", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
