/*
 * maintenance.c
 *	  The tasks that are run in every database that has the extension.
 *
 * The launcher starts a maintenance worker in each such database every
 * ddbstreams.maintenance_interval.  It runs all tasks once and ends, so that
 * between two runs it takes no worker slot and is in nobody's way.  The first
 * thing that it does is to look whether the extension is there at all: this is
 * how the launcher learns it of a database that it does not know.
 *
 * A task is called outside of a transaction, and makes as many as it needs.
 * It should be quick when there is nothing to do, and wait for no lock that a
 * user may hold for long.  An error ends the task, is shown in the view and
 * logged unless it was the same in the last run; the other tasks and the next
 * run go on.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "consumer/consumer_tidy.h"
#include "lineage/expiry.h"
#include "lineage/lineage.h"
#include "module/maintenance.h"
#include "registry/catalog_table.h"
#include "registry/owner_sql.h"
#include "stream/stream_check.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

typedef struct MaintenanceTask
{
	const char *name; /* in the view's state and last_error */
	void (*function)(void);
} MaintenanceTask;

static void look_for_mappings(void);

/* Tasks of other parts come here. */
static const MaintenanceTask tasks[] = {
	{"look for mappings", look_for_mappings},
	{"check triggers", stream_check_triggers},
	{"check decoding", stream_check_decoding},
	{"roll over", lineage_roll_over_due},
	{"split by load", lineage_split_hot},
	/* before shards expire, so that it can count what consumers lose by that */
	{"tidy consumers", consumer_tidy},
	{"expire", expiry_run},
};

/* The errors of the run before this one */
static char last_errors[WORKER_ERROR_LENGTH];

/* The errors of this run, until they are as long as the view shows */
static StringInfoData errors;

/* An enabled mapping of this database wants a dispatcher; none wants none. */
static void
look_for_mappings(void)
{
	OwnerSql state;
	bool	 found;
	Oid		 types[] = {OIDOID};
	Datum	 values[] = {ObjectIdGetDatum(MyDatabaseId)};

	own_transaction_begin();
	owner_sql_begin(&state);
	found = owner_sql("SELECT 1 FROM ddbstreams_shards.mapping WHERE enabled AND database_id = $1 LIMIT 1",
					  1, types, values, NULL) > 0;
	owner_sql_end(&state);
	own_transaction_commit();
	if (found)
		worker_databases_want_dispatcher(MyDatabaseId);
	else
	{
		ListCell *lc;

		/* It is to look, too. */
		foreach (lc, worker_slots_list(WORKER_DISPATCHER, MyDatabaseId))
			worker_slots_wake(((WorkerInfo *) lfirst(lc))->id);
	}
}

static bool
extension_exists(void)
{
	bool exists;

	own_transaction_begin();
	exists = OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)) &&
			 OidIsValid(catalog_table_oid(CATALOG_STREAM, true));
	own_transaction_commit();
	return exists;
}

/* A task has failed: shows it, and logs it unless the last run's log has it. */
static void
report(const MaintenanceTask *task, const ErrorData *error)
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
	worker_slots_report_error(errors.data);
	if (worker_databases_is_thorough_run())
		worker_databases_request_thorough_run(MyDatabaseId, false);
}

/* Runs a task, and survives its error. */
static void
run_task(const MaintenanceTask *task)
{
	MemoryContext context = CurrentMemoryContext;

	worker_slots_check_interrupts();
	worker_slots_set_state(task->name);
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, task->name);
	PG_TRY();
	{
		task->function();
	}
	PG_CATCH();
	{
		ErrorData *error;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RESUME_INTERRUPTS();

		/* DROP EXTENSION may have pulled the ground from under it. */
		if (extension_exists())
			report(task, error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
maintenance_main(Datum main_arg)
{
	TimestampTz started_at = GetCurrentTimestamp();
	uint32		version;
	bool		exists;

	worker_slots_attach(main_arg);
	worker_slots_connect();
	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext,
												"ddbstreams maintenance",
												ALLOCSET_DEFAULT_SIZES));

	worker_slots_set_state("looking for the extension");
	version = worker_databases_begin_run();
	exists = extension_exists();
	if (worker_databases_report_presence(version, exists ? EXTENSION_PRESENT : EXTENSION_ABSENT) &&
		exists)
	{
		worker_databases_begin_tasks(last_errors);
		initStringInfo(&errors);
		for (Size i = 0; i < lengthof(tasks); i++)
			run_task(&tasks[i]);
		worker_databases_end_run(started_at);
	}
	proc_exit(0);
}

void
maintenance_init(void)
{
	worker_slots_register_type(WORKER_MAINTENANCE, "maintenance",
							   "maintenance_main");
}
