/*
 * maintenance.c
 *	  The tasks that are run in every database that has the extension.
 *
 * The launcher starts a maintenance worker in each such database every
 * ddbstreams.maintenance_interval.  The worker runs all tasks once and ends,
 * so that between two runs it takes neither a worker slot nor a connection.
 * First of all it looks whether the database has the extension: this is how
 * the launcher learns it of a database that it does not know.
 *
 * A task is called outside of a transaction, and makes as many transactions as
 * it needs.  It should be quick when there is nothing to do.  An error ends
 * the task; it is shown in the view ddbstreams.workers, and logged unless the
 * last run has logged the same.  The other tasks and the next run go on.
 *
 * A task waits for a lock for less than deadlock_timeout.  So, if a user's
 * command and a task wait for each other, it is the task that gives up; it is
 * tried again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "consumer/consumer_tidy.h"
#include "delivery/delivery_failed.h"
#include "lineage/agenda.h"
#include "lineage/expiry.h"
#include "lineage/lineage.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_origin.h"
#include "mapping/mapping_shard.h"
#include "module/maintenance.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/stream_catalog.h"
#include "stream/stream_check.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* How often a task is tried that could not have a lock in time */
#define LOCK_TRIES 3

/* How long a task waits for a lock at most, in milliseconds */
#define MAX_LOCK_TIMEOUT 500

typedef struct MaintenanceTask
{
	const char *name; /* in state and last_error of ddbstreams.workers */
	void (*function)(void);
} MaintenanceTask;

static void check_version(void);
static void look_for_mappings(void);
static void check_neighbours(void);
static void check_definitions(void);
static void check_owners(void);
static void look_for_streams(void);

/* Without it no other task can do anything. */
static const MaintenanceTask version_task = {"check the version", check_version};

static const MaintenanceTask tasks[] = {
	{"look for mappings", look_for_mappings},
	{"check neighbours", check_neighbours},
	{"check keys", stream_check_keys},
	{"check triggers", stream_check_triggers},
	{"check definitions", check_definitions},
	{"check owners", check_owners},
	{"check decoding", stream_check_decoding},
	{"roll over", lineage_roll_over_due},
	{"split by load", lineage_split_hot},
	/* before "expire", so that it counts what consumers lose by that */
	{"tidy consumers", consumer_tidy},
	{"tidy failed batches", delivery_failed_tidy},
	{"tidy positions", mapping_shard_tidy},
	{"expire", expiry_run},
	{"look for streams", look_for_streams},
};

/* The errors of the last run, as far as the view shows them */
static char last_errors[WORKER_ERROR_LENGTH];

/* Is there nothing to be maintained? */
static bool rests = false;

/* The errors of this run */
static StringInfoData errors;

static void
check_version(void)
{
	own_transaction_begin();
	catalog_version_check();
	own_transaction_commit();
}

/*
 * Disables the mappings that come from another server, and those whose roles
 * have been dropped, and has a dispatcher started if this database has an
 * enabled mapping.  Commands on mappings do so when they commit; this is for
 * those that were committed as prepared transactions, or before the server was
 * started.
 */
static void
look_for_mappings(void)
{
	bool	  found;
	ListCell *lc;

	own_transaction_begin();
	mapping_origin_settle();
	mapping_catalog_take_from_dropped_roles();
	found = mapping_catalog_any_enabled();
	own_transaction_commit();
	if (found)
		worker_databases_want_dispatcher(MyDatabaseId);
	else
	{
		/* A dispatcher that runs has to find out that it may end. */
		foreach (lc, worker_slots_list(WORKER_DISPATCHER, MyDatabaseId))
			worker_slots_wake(((WorkerInfo *) lfirst(lc))->id);
	}
}

/*
 * What happens to a table or to a stream is seen when it happens.  What
 * happens elsewhere is seen when the lists of streams and shards are read: a
 * role is renamed, another extension's list is changed past DDL.
 */
static void
check_neighbours(void)
{
	if (agenda_is_due())
		stream_check_neighbours();
}

static void
check_definitions(void)
{
	if (agenda_is_due())
		stream_check_definitions();
}

static void
check_owners(void)
{
	if (agenda_is_due())
		stream_check_owners();
}

/* Where there is no stream any more, runs need not be frequent. */
static void
look_for_streams(void)
{
	own_transaction_begin();
	rests = catalog_table_is_empty(CATALOG_STREAM);
	own_transaction_commit();
}

static bool
extension_exists(void)
{
	bool exists;

	own_transaction_begin();
	exists = catalog_table_is_installed();
	own_transaction_commit();
	return exists;
}

/* Shows the error of a task, and logs it unless the last run has logged it. */
static void
report_error(const MaintenanceTask *task, const ErrorData *error)
{
	char *text = psprintf("%s: %s", task->name, error->message);

	if (strstr(last_errors, text) == NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("ddbstreams maintenance could not %s: %s", task->name,
						error->message),
				 error->detail ? errdetail("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0,
				 error->context ? errcontext("%s", error->context) : 0));
	if (errors.len > 0)
		appendStringInfoString(&errors, "; ");
	appendStringInfoString(&errors, text);
	worker_slots_report_error(error->sqlerrcode, errors.data);
	if (worker_databases_is_thorough_run())
		worker_databases_request_thorough_run(MyDatabaseId, false);
}

/* Limits the time that this process waits for a lock. */
static void
limit_lock_waits(void)
{
	char *value = psprintf("%d", Max(1, Min(MAX_LOCK_TIMEOUT, DeadlockTimeout / 2)));

	SetConfigOption("lock_timeout", value, PGC_SUSET, PGC_S_OVERRIDE);
	pfree(value);
}

static bool
is_lock_conflict(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* Runs a task.  Returns its error, which has ended it, or NULL. */
static ErrorData *
task_error(const MaintenanceTask *task)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		task->function();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return error;
}

/*
 * Runs a task, and returns whether it has succeeded.  An error of the task
 * ends only the task.
 */
static bool
run_task(const MaintenanceTask *task)
{
	ErrorData *error;

	for (int attempt = 1;; attempt++)
	{
		worker_slots_check_interrupts();
		worker_slots_set_state(task->name);
		SetCurrentStatementStartTimestamp();
		pgstat_report_activity(STATE_RUNNING, task->name);
		error = task_error(task);
		if (error == NULL || !is_lock_conflict(error) || attempt == LOCK_TRIES)
			break;
		FreeErrorData(error);
	}

	/* An error is to be expected if DROP EXTENSION ran meanwhile. */
	if (error != NULL && extension_exists())
		report_error(task, error);
	pgstat_report_activity(STATE_IDLE, NULL);
	return error == NULL;
}

void
maintenance_main(Datum main_arg)
{
	TimestampTz started_at = GetCurrentTimestamp();
	uint32		version;
	bool		exists;

	worker_slots_attach(main_arg);
	worker_slots_connect();
	limit_lock_waits();
	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext,
												"ddbstreams maintenance",
												ALLOCSET_DEFAULT_SIZES));

	worker_slots_set_state("looking for the extension");
	version = worker_databases_begin_run();
	exists = extension_exists();
	if (worker_databases_report_presence(version, exists ?
													  EXTENSION_PRESENT :
													  EXTENSION_ABSENT) &&
		exists)
	{
		worker_databases_begin_tasks(last_errors);
		initStringInfo(&errors);
		if (run_task(&version_task))
		{
			bool succeeded = true;

			agenda_begin();
			for (Size i = 0; i < lengthof(tasks); i++)
				succeeded = run_task(&tasks[i]) && succeeded;
			if (succeeded)
				agenda_end();
		}
		worker_databases_end_run(started_at, rests);
	}
	proc_exit(0);
}

void
maintenance_init(void)
{
	worker_slots_register_type(WORKER_MAINTENANCE, "maintenance",
							   "maintenance_main");
}
