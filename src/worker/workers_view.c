/*
 * workers_view.c
 *	  The background workers, for the view ddbstreams.workers.
 *
 * A database's maintenance is one row, whether a maintenance worker runs just
 * now or not: the time and the error of the last run are kept in the
 * database's entry.  The other workers are rows while they run.  A dispatcher
 * that is wanted and does not run, because it cannot be started or has failed,
 * is a row, too, and so is a handler worker that finds no worker slot.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/settings.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"
#include "worker/worker_turns.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_workers);

typedef struct WorkerRow
{
	WorkerType	type;
	int			pid; /* 0: null */
	Oid			database;
	const char *state;
	TimestampTz last_run; /* 0: null */
	WorkerError last_error;
} WorkerRow;

/*
 * Returns a row's error, palloc'd.  An error from another database may be in
 * another encoding, so only its ASCII characters are shown.
 */
static char *
error_text(const WorkerRow *row)
{
	char *text = pstrdup(row->last_error.text);

	for (char *p = text; row->database != MyDatabaseId && *p; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	}
	return text;
}

static void
put_row(ReturnSetInfo *rsinfo, const WorkerRow *row, bool sees_all)
{
	Datum values[8];
	bool  nulls[8] = {false};
	char *name = NULL;

	if (!sees_all && row->database != MyDatabaseId)
		return;
	if (OidIsValid(row->database))
	{
		name = get_database_name(row->database);
		if (name == NULL)
			return; /* it was dropped just now */
	}
	nulls[0] = row->pid == 0;
	values[0] = Int32GetDatum(row->pid);
	nulls[1] = name == NULL;
	values[1] = PointerGetDatum(name);
	if (name != NULL)
		values[1] = DirectFunctionCall1(namein, CStringGetDatum(name));
	values[2] = CStringGetTextDatum(worker_slots_type_name(row->type));
	values[3] = CStringGetTextDatum(row->state);
	nulls[4] = row->last_run == 0;
	values[4] = TimestampTzGetDatum(row->last_run);
	nulls[5] = !sees_all || !WorkerErrorIsSet(&row->last_error);
	values[5] = nulls[5] ? (Datum) 0 : CStringGetTextDatum(error_text(row));
	nulls[6] = nulls[5] || row->last_error.sqlstate == 0;
	values[6] = nulls[6] ? (Datum) 0 :
						   CStringGetTextDatum(unpack_sql_state(row->last_error.sqlstate));
	nulls[7] = nulls[5];
	values[7] = TimestampTzGetDatum(row->last_error.since);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static const char *
idle_state(const WorkerDatabase *entry, const WorkerJob *job)
{
	if (entry->holds > 0)
		return "held off by a DDL command";
	if (entry->seen && !entry->connectable)
		return "not allowed to connect";
	if (worker_turns_waits(&job->wait, GetCurrentTimestamp()))
		return "waiting for a worker slot";
	if (job->failures > 0)
		return "waiting after a failure";
	if (entry->presence == EXTENSION_UNKNOWN)
		return "to look for the extension";
	if (entry->resting && job == &entry->maintenance)
		return "resting";
	return "asleep";
}

static void
put_idle(ReturnSetInfo *rsinfo, const WorkerDatabase *entry, WorkerType type,
		 const WorkerJob *job, bool sees_all)
{
	WorkerRow row = {.type = type,
					 .database = entry->database,
					 .state = idle_state(entry, job),
					 .last_run = job->last_run,
					 .last_error = job->last_error};

	put_row(rsinfo, &row, sees_all);
}

static void
put_waiting_handler(ReturnSetInfo *rsinfo, const WorkerDatabase *entry, bool sees_all)
{
	WorkerRow row = {.type = WORKER_HANDLER,
					 .database = entry->database,
					 .state = "waiting for a worker slot"};

	put_row(rsinfo, &row, sees_all);
}

static void
put_worker(ReturnSetInfo *rsinfo, const WorkerInfo *info, const WorkerJob *job,
		   bool sees_all)
{
	WorkerRow row = {.type = info->type,
					 .pid = info->pid,
					 .database = info->database,
					 .state = info->state,
					 .last_run = info->last_run,
					 .last_error = info->last_error};

	if (job != NULL && row.last_run == 0)
		row.last_run = job->last_run;
	if (job != NULL && !WorkerErrorIsSet(&row.last_error))
		row.last_error = job->last_error;
	else if (job != NULL && WorkerErrorIsSet(&job->last_error))
		row.last_error.since = job->last_error.since;
	put_row(rsinfo, &row, sees_all);
}

/* Returns the job that a worker does, or NULL if its type has none. */
static const WorkerJob *
find_job(List *entries, const WorkerInfo *info)
{
	ListCell *lc;

	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		if (entry->maintenance.worker == info->id)
			return &entry->maintenance;
		if (entry->dispatcher.worker == info->id)
			return &entry->dispatcher;
	}
	return NULL;
}

static bool
worker_is_listed(List *workers, WorkerId id)
{
	ListCell *lc;

	foreach (lc, workers)
	{
		if (((WorkerInfo *) lfirst(lc))->id == id)
			return true;
	}
	return false;
}

/*
 * list_workers() returns setof record
 *
 * Members of pg_monitor see all workers; others see those of the current
 * database, and no errors.
 */
Datum
ddbstreams_list_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		   sees_all = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	List		  *entries;
	List		  *workers;
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);

	/* In this order a worker that ends in between is a row all the same. */
	workers = worker_slots_list(WORKER_NONE, InvalidOid);
	entries = worker_databases_list();
	foreach (lc, workers)
	{
		WorkerInfo		*info = lfirst(lc);
		const WorkerJob *job = find_job(entries, info);

		if (job != NULL || info->type == WORKER_LAUNCHER ||
			info->type == WORKER_HANDLER)
			put_worker(rsinfo, info, job, sees_all);
	}
	foreach (lc, entries)
	{
		WorkerDatabase *entry = lfirst(lc);

		if (entry->presence == EXTENSION_ABSENT)
			continue;
		if (!worker_is_listed(workers, entry->maintenance.worker))
			put_idle(rsinfo, entry, WORKER_MAINTENANCE, &entry->maintenance,
					 sees_all);
		if (!worker_is_listed(workers, entry->dispatcher.worker) &&
			entry->wants_dispatcher && setting_max_workers > 0)
			put_idle(rsinfo, entry, WORKER_DISPATCHER, &entry->dispatcher,
					 sees_all);
		if (worker_turns_waits(&entry->handler_wait, GetCurrentTimestamp()))
			put_waiting_handler(rsinfo, entry, sees_all);
	}
	return (Datum) 0;
}
