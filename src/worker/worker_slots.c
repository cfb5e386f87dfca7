/*
 * worker_slots.c
 *	  The registry of background workers: starting, ending and being one.
 *
 * A process that wants a worker reserves a slot for it, and then asks the
 * postmaster to start it.  The worker takes the reserved slot before it
 * connects to its database, and leaves the slot when its process is no longer
 * in the array of backends.  So a command that wants to have a database for
 * itself (worker_guard.c) ends the workers that have taken a slot, and frees
 * the slots that are only reserved: a worker that finds its reservation gone
 * ends before it has connected.  When no slot of the database is left, no
 * worker is in the way of anything.
 *
 * A worker that is told to quit gets SIGTERM, and a mark in its slot, by which
 * it knows to end without a word in the log (worker_end.c).
 *
 * README in this folder has the states of a slot.  All slots are guarded by
 * the lock of worker_shared.h.
 */
#include "postgres.h"

#include <signal.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/wait_event.h"
#include "worker/worker_databases.h"
#include "worker/worker_end.h"
#include "worker/worker_shared.h"
#include "worker/worker_slots.h"
#include "worker/worker_turns.h"

/* What bgw_extra holds */
typedef struct WorkerExtra
{
	uint32 ticket;
	char   data[WORKER_EXTRA_LENGTH];
} WorkerExtra;

StaticAssertDecl(sizeof(WorkerExtra) <= BGW_EXTRALEN, "bgw_extra is too small");

/* A worker that this process has asked for and that has not yet been seen */
typedef struct PendingStart
{
	WorkerId				id;
	BackgroundWorkerHandle *handle;
} PendingStart;

/* What worker_slots_register_type has been told of each type */
static struct
{
	const char *name;
	const char *function;
} worker_types[WORKER_TYPE_COUNT];

static List *pending_starts = NIL; /* of PendingStart *, in
												 * TopMemoryContext */

/* --- types --------------------------------------------------------------- */

void
worker_slots_register_type(WorkerType type, const char *name, const char *function)
{
	Assert(process_shared_preload_libraries_in_progress);
	worker_types[type].name = name;
	worker_types[type].function = function;
}

const char *
worker_slots_type_name(WorkerType type)
{
	return worker_types[type].name;
}

/* --- for processes that start workers, or look after them ---------------- */

/*
 * Returns a slot that no other process will take, or NULL if all are in use.
 * The caller holds the lock exclusively.
 */
static WorkerSlot *
reserve_slot(WorkerType type, Oid database, Oid role)
{
	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->info.type != WORKER_NONE)
			continue;
		slot->ticket++;
		memset(&slot->info, 0, sizeof(WorkerInfo));
		slot->info.id = (uint64) slot->ticket << 32 | (uint32) (i + 1);
		slot->info.type = type;
		slot->info.database = database;
		slot->info.role = role;
		slot->info.reserved_at = GetCurrentTimestamp();
		strlcpy(slot->info.state, "starting", WORKER_STATE_LENGTH);
		slot->starter = MyProcPid;
		slot->proc = NULL;
		slot->quits = false;
		slot->gives_way = false;
		slot->idle_since = 0;
		return slot;
	}
	return NULL;
}

/* The caller holds the lock exclusively. */
static void
free_slot(WorkerSlot *slot, bool failed)
{
	worker_databases_worker_ended(&slot->info, failed);
	slot->info.type = WORKER_NONE;
	slot->info.pid = 0;
	slot->proc = NULL;
}

/* The postmaster starts no worker.  The caller holds the lock exclusively. */
static void
free_reservation(WorkerId id)
{
	WorkerSlot *slot = worker_shared_slot(id);

	if (slot != NULL)
		free_slot(slot, false);
}

WorkerStart
worker_slots_start(WorkerType type, Oid database, Oid role, const void *extra,
				   Size extra_length, WorkerId *id)
{
	BackgroundWorker worker = {0};
	WorkerExtra		 worker_extra = {0};
	WorkerDatabase	*entry;
	WorkerSlot		*slot = NULL;
	MemoryContext	 oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	PendingStart	*start = palloc(sizeof(PendingStart));
	bool			 held;
	bool			 registered = false;

	Assert(extra_length <= WORKER_EXTRA_LENGTH);

	/* Nothing may fail between the reservation and the registration. */
	pending_starts = lappend(pending_starts, start);

	worker_shared_lock();
	entry = worker_databases_find(database, false);
	held = entry != NULL && entry->holds > 0;
	if (!held && worker_turns_may_start(type, database))
		slot = reserve_slot(type, database, role);
	if (slot != NULL)
	{
		*id = slot->info.id;
		worker_extra.ticket = slot->ticket;
		worker_databases_worker_started(type, database, *id);
	}
	worker_shared_unlock();

	if (slot != NULL)
	{
		if (extra_length > 0)
			memcpy(worker_extra.data, extra, extra_length);
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
						   BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		worker.bgw_notify_pid = MyProcPid;
		worker.bgw_main_arg = UInt32GetDatum((uint32) *id);
		strlcpy(worker.bgw_library_name, DDBSTREAMS_EXTENSION, BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, worker_types[type].function, BGW_MAXLEN);
		snprintf(worker.bgw_type, BGW_MAXLEN, "ddbstreams %s",
				 worker_types[type].name);
		snprintf(worker.bgw_name, BGW_MAXLEN, "ddbstreams %s of database %u",
				 worker_types[type].name, database);
		memcpy(worker.bgw_extra, &worker_extra, sizeof(worker_extra));
		registered = RegisterDynamicBackgroundWorker(&worker, &start->handle);
		start->id = *id;
	}
	MemoryContextSwitchTo(oldcontext);

	worker_shared_lock();
	if (registered)
		worker_turns_end_wait(type, database);
	else if (!held)
	{
		if (slot != NULL)
			free_reservation(*id);
		worker_turns_wait(type, database);
	}
	worker_shared_unlock();
	if (registered)
		return WORKER_STARTED;

	pending_starts = list_delete_last(pending_starts);
	pfree(start);
	if (slot != NULL)
		worker_turns_warn();
	return held ? WORKER_HELD_OFF : WORKER_NO_SLOT;
}

int
worker_slots_reap(void)
{
	ListCell *lc;

	foreach (lc, pending_starts)
	{
		PendingStart *start = lfirst(lc);
		pid_t		  pid;
		bool		  stopped;
		WorkerSlot	 *slot;
		bool		  starting;

		stopped = GetBackgroundWorkerPid(start->handle, &pid) == BGWH_STOPPED;
		worker_shared_lock();
		slot = worker_shared_slot(start->id);
		starting = slot != NULL && slot->info.pid == 0;
		if (starting && stopped)
		{
			strlcpy(slot->info.last_error.text,
					"the worker could not be started; see the server's log",
					WORKER_ERROR_LENGTH);
			slot->info.last_error.since = GetCurrentTimestamp();
			free_slot(slot, true);
			starting = false;
		}
		worker_shared_unlock();
		if (!starting)
		{
			pfree(start->handle);
			pfree(start);
			pending_starts = foreach_delete_current(pending_starts, lc);
		}
	}
	return list_length(pending_starts);
}

void
worker_slots_unwanted(WorkerType type, Oid database)
{
	worker_shared_lock();
	worker_turns_end_wait(type, database);
	worker_shared_unlock();
}

bool
worker_slots_get(WorkerId id, WorkerInfo *info)
{
	WorkerSlot *slot;

	worker_shared_lock_for_reading();
	slot = worker_shared_slot(id);
	if (slot != NULL)
		*info = slot->info;
	worker_shared_unlock();
	return slot != NULL;
}

List *
worker_slots_list(WorkerType type, Oid database)
{
	int			count = 0;
	WorkerInfo *infos = palloc(worker_shared->slot_count * sizeof(WorkerInfo));
	List	   *list = NIL;

	worker_shared_lock_for_reading();
	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerInfo *info = &worker_shared->slots[i].info;

		if (info->type != WORKER_NONE &&
			(type == WORKER_NONE || info->type == type) &&
			(!OidIsValid(database) || info->database == database))
			infos[count++] = *info;
	}
	worker_shared_unlock();
	for (int i = 0; i < count; i++)
		list = lappend(list, &infos[i]);
	return list;
}

void
worker_slots_wake(WorkerId id)
{
	worker_shared_lock_for_reading();
	worker_shared_wake(worker_shared_slot(id));
	worker_shared_unlock();
}

/* The caller holds the lock exclusively. */
static void
terminate_slot(WorkerSlot *slot)
{
	if (slot->info.pid == 0)
		free_slot(slot, false);
	else
	{
		slot->quits = true;
		kill(slot->info.pid, SIGTERM);
	}
}

void
worker_slots_terminate(WorkerId id)
{
	WorkerSlot *slot;

	worker_shared_lock();
	slot = worker_shared_slot(id);
	if (slot != NULL)
		terminate_slot(slot);
	worker_shared_unlock();
}

/*
 * Tells the workers of a database, but the calling one, to quit.  Returns
 * whether any of them is still there.
 */
static bool
terminate_in_database(Oid database)
{
	bool any = false;

	worker_shared_lock();
	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->info.type == WORKER_NONE || slot->info.database != database ||
			slot == worker_shared_my_slot)
			continue;
		if (!slot->quits)
			terminate_slot(slot);
		any |= slot->info.type != WORKER_NONE;
	}
	worker_shared_unlock();
	return any;
}

bool
worker_slots_terminate_all(Oid database, long timeout_ms)
{
	TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  timeout_ms);
	bool		any;

	ConditionVariablePrepareToSleep(&worker_shared->gone);
	while ((any = terminate_in_database(database)))
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		if (left <= 0)
			break;
		(void) ConditionVariableTimedSleep(&worker_shared->gone, left,
										   wait_event_info(WAIT_FOR_WORKERS));
	}
	ConditionVariableCancelSleep();
	return !any;
}

/* --- for a worker, of itself --------------------------------------------- */

/*
 * Wakes a database's dispatcher, which waits for the caller's lock before it
 * looks.  The postmaster tells only the process that has asked for a worker,
 * and that dispatcher may have ended while the worker ran.
 */
static void
wake_dispatcher(Oid database)
{
	WorkerDatabase *entry = worker_databases_find(database, false);

	if (entry != NULL)
		worker_shared_wake(worker_shared_slot(entry->dispatcher.worker));
}

/*
 * Leaves the registry.  This is registered before the process enters the array
 * of backends, so it is called after the process has left it.
 */
static void
leave_registry(int code, Datum arg)
{
	WorkerSlot *slot = worker_shared_my_slot;

	worker_shared_my_slot = NULL;
	worker_shared_lock();
	if (slot->info.type == WORKER_LAUNCHER)
		worker_shared->launcher = 0;
	if (slot->info.type == WORKER_HANDLER)
		wake_dispatcher(slot->info.database);
	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerSlot *other = &worker_shared->slots[i];

		/* No other process would look after the workers it has asked for. */
		if (other->info.type != WORKER_NONE && other->info.pid == 0 &&
			other->starter == MyProcPid)
			free_slot(other, false);
	}
	free_slot(slot, code != 0 && !slot->quits);
	worker_shared_wake(worker_shared_slot(worker_shared->launcher));
	worker_shared_unlock();
	ConditionVariableBroadcast(&worker_shared->gone);
}

/* The caller holds the lock exclusively. */
static void
take_slot(WorkerSlot *slot)
{
	slot->info.pid = MyProcPid;
	slot->proc = MyProc;
	worker_shared_my_slot = slot;
}

static void
set_up_process(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	worker_end_init(worker_slots_report_error);
	BackgroundWorkerUnblockSignals();
	worker_slots_check_interrupts();
}

void
worker_slots_attach_launcher(void)
{
	WorkerSlot *slot;

	worker_shared_lock();
	slot = reserve_slot(WORKER_LAUNCHER, InvalidOid, InvalidOid);
	if (slot != NULL)
	{
		take_slot(slot);
		worker_shared->launcher = slot->info.id;
	}
	worker_shared_unlock();
	if (slot == NULL)
		elog(ERROR, "no slot for the launcher of ddbstreams");
	on_shmem_exit(leave_registry, 0);
	set_up_process();
}

void
worker_slots_attach(Datum main_arg)
{
	const WorkerExtra *extra = (const WorkerExtra *) MyBgworkerEntry->bgw_extra;
	WorkerSlot		  *slot;

	worker_shared_lock();
	slot = worker_shared_slot((uint64) extra->ticket << 32 |
							  DatumGetUInt32(main_arg));
	if (slot != NULL)
		take_slot(slot);
	worker_shared_unlock();
	if (slot == NULL)
		proc_exit(0);
	on_shmem_exit(leave_registry, 0);
	set_up_process();
}

void
worker_slots_connect(void)
{
	/* What ALTER DATABASE and ALTER ROLE set is for users, not for this. */
	static const char *const settings[][2] = {
		{"role", "none"},
		{"search_path", "pg_catalog, pg_temp"},
		{"session_replication_role", "origin"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"default_tablespace", ""},
		{"temp_tablespaces", ""},
		{"temp_file_limit", "-1"},
		{"lock_timeout", "0"},
		{"statement_timeout", "0"},
		{"row_security", "off"}};

	BackgroundWorkerInitializeConnectionByOid(worker_shared_my_slot->info.database,
											  InvalidOid, 0);
	for (Size i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET,
						PGC_S_OVERRIDE);
	worker_slots_fix_settings();
}

void
worker_slots_fix_settings(void)
{
	/* It would end the process at an error that is caught, as a handler's is. */
	SetConfigOption("exit_on_error", "off", PGC_USERSET, PGC_S_OVERRIDE);
#ifdef COMPAT_HAS_TRANSACTION_TIMEOUT
	/* Handlers have ddbstreams.handler_timeout. */
	SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
#endif
}

const void *
worker_slots_extra(void)
{
	return ((const WorkerExtra *) MyBgworkerEntry->bgw_extra)->data;
}

WorkerId
worker_slots_my_id(void)
{
	return worker_shared_my_slot->info.id;
}

Oid
worker_slots_my_database(void)
{
	return worker_shared_my_slot->info.database;
}

Oid
worker_slots_my_role(void)
{
	return worker_shared_my_slot->info.role;
}

void
worker_slots_check_interrupts(void)
{
	if (ProcDiePending && worker_end_is_ordered())
		proc_exit(0);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

void
worker_slots_wait(long timeout_ms)
{
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, timeout_ms, wait_event_info(WAIT_FOR_WORK));
	ResetLatch(MyLatch);
	worker_slots_check_interrupts();
	if (worker_shared_my_slot->gives_way)
		proc_exit(0);
}

void
worker_slots_set_state(const char *state)
{
	worker_shared_lock();
	strlcpy(worker_shared_my_slot->info.state, state, WORKER_STATE_LENGTH);
	worker_shared_my_slot->idle_since = 0;
	worker_shared_unlock();
}

void
worker_slots_set_idle(void)
{
	worker_shared_lock();
	strlcpy(worker_shared_my_slot->info.state, "idle", WORKER_STATE_LENGTH);
	if (worker_shared_my_slot->idle_since == 0)
		worker_shared_my_slot->idle_since = GetCurrentTimestamp();
	worker_shared_unlock();
}

void
worker_slots_set_last_run(TimestampTz time)
{
	worker_shared_lock();
	worker_shared_my_slot->info.last_run = time;
	worker_shared_unlock();
}

void
worker_slots_report_error(int sqlstate, const char *error)
{
	WorkerError *last_error;
	TimestampTz	 now = GetCurrentTimestamp();
	char		 text[WORKER_ERROR_LENGTH] = "";

	/* worker_end.c might call this while the process holds the lock. */
	if (LWLockHeldByMe(&worker_shared->lock))
		return;
	if (error != NULL)
	{
		int length = pg_mbcliplen(error, strlen(error), WORKER_ERROR_LENGTH - 1);

		memcpy(text, error, length);
	}
	worker_shared_lock();
	last_error = &worker_shared_my_slot->info.last_error;
	if (!WorkerErrorIsSet(last_error))
		last_error->since = now;
	memcpy(last_error->text, text, WORKER_ERROR_LENGTH);
	last_error->sqlstate = sqlstate;
	worker_shared_unlock();
}
