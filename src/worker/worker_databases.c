/*
 * worker_databases.c
 *	  What is known of databases: the entries in shared memory.
 *
 * A database has an entry if it has the extension, or may have it: then a
 * maintenance worker connects to it and finds out.  Databases that are known
 * to be without the extension have no entry; the launcher remembers them
 * itself.  README in this folder has the states of an entry.
 *
 * What is known may be overtaken by what a transaction commits.  Therefore an
 * entry has a version, which rises with everything that is learnt from a
 * commit; what a maintenance worker finds out counts only if the version is
 * still the one that it has read when it began.
 *
 * A DDL command that wants a database for itself holds workers off it, by a
 * count in the entry, until its transaction ends (worker_guard.c).
 *
 * For each of the two types of workers of which a database has at most one,
 * the entry has a job, which says when the next worker is to be started.
 *
 * Everything here is guarded by the lock of worker_shared.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/backoff.h"
#include "base/settings.h"
#include "worker/worker_databases.h"
#include "worker/worker_shared.h"

/* After failures in a row, the next start waits for 1 s, 2 s, 4 s ... this. */
#define FIRST_BACKOFF_MS 1000
#define MAX_BACKOFF_MS	 60000

/*
 * A dispatcher that has run for longer than this has not failed at its start.
 */
#define SOUND_RUN_MS 60000

/*
 * Where there is no stream, maintenance rests for so long.  A run takes a
 * process that connects, some ten milliseconds of processor time: on a server
 * with a thousand such databases even one in a thousand seconds is felt.
 */
#define REST_MS (24 * 60 * 60 * 1000)

/* In a maintenance worker: see worker_databases_is_thorough_run */
static bool is_thorough_run = false;

/* This transaction wants a dispatcher, or maintenance, if it commits. */
static bool dispatcher_wanted = false;
static bool maintenance_wanted = false;

WorkerDatabase *
worker_databases_find(Oid database, bool create)
{
	WorkerDatabase *entry = NULL;
	int				i;

	for (i = 0; i < worker_shared->database_end; i++)
	{
		if (worker_shared->databases[i].database == database)
			return &worker_shared->databases[i];
		if (entry == NULL && !OidIsValid(worker_shared->databases[i].database))
			entry = &worker_shared->databases[i];
	}
	if (!create)
		return NULL;
	if (entry == NULL && i < MAX_DATABASES)
	{
		entry = &worker_shared->databases[i];
		worker_shared->database_end = i + 1;
	}
	if (entry == NULL)
	{
		worker_shared->search_wanted = true;
		return NULL;
	}
	memset(entry, 0, sizeof(WorkerDatabase));
	entry->database = database;
	entry->presence = EXTENSION_UNKNOWN;
	entry->thorough = true;

	/* Only pg_database tells whether connections are allowed. */
	worker_shared->search_wanted = true;
	return entry;
}

static WorkerDatabase *
my_entry(void)
{
	return worker_databases_find(worker_shared_my_slot->info.database, false);
}

/* Returns the job of an entry for a type, or NULL if there is none. */
static WorkerJob *
job_of(WorkerDatabase *entry, WorkerType type)
{
	if (entry == NULL)
		return NULL;
	switch (type)
	{
		case WORKER_MAINTENANCE:
			return &entry->maintenance;
		case WORKER_DISPATCHER:
			return &entry->dispatcher;
		default:
			return NULL;
	}
}

void
worker_databases_worker_started(WorkerType type, Oid database, WorkerId id)
{
	WorkerJob *job = job_of(worker_databases_find(database, false), type);

	if (job == NULL)
		return;
	job->worker = id;
	job->started_at = GetCurrentTimestamp();
	job->next_start = DT_NOEND; /* unless another run is asked for */
}

/* Keeps the error of a job's last run, and since when there was one. */
static void
keep_error(WorkerJob *job, const WorkerError *error)
{
	TimestampTz since = WorkerErrorIsSet(&job->last_error) ?
							job->last_error.since :
							error->since;

	job->last_error = *error;
	job->last_error.since = since;
}

void
worker_databases_worker_ended(const WorkerInfo *info, bool failed)
{
	WorkerDatabase *entry = worker_databases_find(info->database, false);
	WorkerJob	   *job = job_of(entry, info->type);
	TimestampTz		now = GetCurrentTimestamp();

	if (job == NULL || job->worker != info->id)
		return;
	/* Handler workers are wanted by the dispatcher alone. */
	if (info->type == WORKER_DISPATCHER)
		entry->handler_wait = (WorkerWait){0};
	job->worker = 0;
	if (WorkerErrorIsSet(&info->last_error))
		keep_error(job, &info->last_error);
	if (!failed)
	{
		job->failures = 0;
		if (job->next_start == DT_NOEND)
			job->next_start = 0;
	}
	else
	{
		if (info->type == WORKER_DISPATCHER &&
			now - job->started_at > SOUND_RUN_MS * INT64CONST(1000))
			job->failures = 0;
		job->failures++;
		job->next_start = backoff_until(job->failures, FIRST_BACKOFF_MS,
										MAX_BACKOFF_MS);
	}
}

/* --- for DDL ------------------------------------------------------------- */

bool
worker_databases_hold(Oid database)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = worker_databases_find(database, true);
	if (entry != NULL)
		entry->holds++;
	worker_shared_unlock();
	return entry != NULL;
}

void
worker_databases_release(Oid database)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = worker_databases_find(database, false);
	if (entry != NULL)
	{
		/* The command may have dropped the database, or closed it. */
		entry->holds--;
		entry->seen = false;
		worker_shared->search_wanted = true;
		entry->maintenance.next_start = 0;
		entry->dispatcher.next_start = 0;
	}
	worker_shared_unlock();
	worker_shared_wake_launcher();
}

ExtensionPresence
worker_databases_presence(Oid database)
{
	WorkerDatabase	 *entry;
	ExtensionPresence presence = EXTENSION_ABSENT;

	worker_shared_lock_for_reading();
	entry = worker_databases_find(database, false);
	if (entry != NULL)
		presence = entry->presence;
	worker_shared_unlock();
	return presence;
}

/* The caller holds the lock exclusively. */
static void
set_presence_of_entry(WorkerDatabase *entry, ExtensionPresence presence)
{
	entry->version++;
	entry->presence = presence;
	entry->seen &= presence != EXTENSION_UNKNOWN;
	entry->thorough = true;
	entry->resting = false;
	entry->maintenance.next_start = 0;
	entry->maintenance.failures = 0;
	entry->maintenance.last_error.text[0] = '\0';
	if (presence != EXTENSION_PRESENT)
	{
		entry->wants_dispatcher = false;
		entry->maintenance.last_run = 0;
		entry->dispatcher.last_error.text[0] = '\0';
	}
}

void
worker_databases_set_presence(Oid database, ExtensionPresence presence)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = worker_databases_find(database, presence != EXTENSION_ABSENT);
	if (entry != NULL)
		set_presence_of_entry(entry, presence);
	worker_shared_unlock();
	worker_shared_wake_launcher();
}

void
worker_databases_request_thorough_run(Oid database, bool at_once)
{
	WorkerDatabase *entry;
	bool			wakes;

	worker_shared_lock();
	entry = worker_databases_find(database, false);
	wakes = entry != NULL && entry->presence == EXTENSION_PRESENT;
	if (wakes)
	{
		entry->thorough = true;
		if (at_once)
			entry->maintenance.next_start = 0;
	}
	worker_shared_unlock();
	if (wakes && at_once)
		worker_shared_wake_launcher();
}

/* --- for dispatchers, and what wants them -------------------------------- */

void
worker_databases_want_dispatcher(Oid database)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = worker_databases_find(database, true);
	if (entry != NULL)
	{
		entry->wants_dispatcher = true;
		entry->wishes++;
		worker_shared_wake(worker_shared_slot(entry->dispatcher.worker));
	}
	worker_shared_wake(worker_shared_slot(worker_shared->launcher));
	worker_shared_unlock();
}

void
worker_databases_want_dispatcher_at_commit(void)
{
	dispatcher_wanted = true;
}

void
worker_databases_streams_change_at_commit(void)
{
	maintenance_wanted = true;
}

/*
 * A worker that runs just now may have looked for streams before the caller
 * made one: it is told not to rest behind this run.
 */
void
worker_databases_streams_changed(bool hurry)
{
	WorkerDatabase *entry;
	bool			wakes = false;

	worker_shared_lock();
	entry = worker_databases_find(MyDatabaseId, false);
	if (entry != NULL)
	{
		wakes = entry->resting;
		entry->rest_ended = true;
		entry->stream_changes++;
		entry->lists_read = 0;
		entry->lists_due = 0;
		entry->resting = false;
		if (wakes)
			entry->maintenance.next_start =
				hurry ? 0 :
						TimestampTzPlusMilliseconds(entry->maintenance.started_at,
													setting_maintenance_interval);
	}
	worker_shared_unlock();
	if (wakes)
		worker_shared_wake_launcher();
}

void
worker_databases_end_transaction(bool committed)
{
	bool wants_dispatcher = committed && dispatcher_wanted;
	bool wants_maintenance = committed && maintenance_wanted;

	dispatcher_wanted = false;
	maintenance_wanted = false;
	if (wants_dispatcher)
		worker_databases_want_dispatcher(MyDatabaseId);
	if (wants_maintenance)
		worker_databases_streams_changed(true);
}

uint32
worker_databases_wishes(void)
{
	WorkerDatabase *entry;
	uint32			wishes = 0;

	worker_shared_lock_for_reading();
	entry = my_entry();
	if (entry != NULL)
		wishes = entry->wishes;
	worker_shared_unlock();
	return wishes;
}

bool
worker_databases_dispatcher_may_end(uint32 wishes)
{
	WorkerDatabase *entry;
	bool			may_end;

	worker_shared_lock();
	entry = my_entry();
	may_end = entry == NULL || entry->wishes == wishes;
	if (entry != NULL && may_end)
		entry->wants_dispatcher = false;
	worker_shared_unlock();
	return may_end;
}

/* --- for maintenance workers --------------------------------------------- */

uint32
worker_databases_begin_run(void)
{
	WorkerDatabase *entry;
	uint32			version = 0;

	worker_shared_lock_for_reading();
	entry = my_entry();
	if (entry != NULL)
		version = entry->version;
	worker_shared_unlock();
	return version;
}

bool
worker_databases_report_presence(uint32 version, ExtensionPresence presence)
{
	WorkerDatabase *entry;
	bool			current;

	worker_shared_lock();
	entry = my_entry();
	current = entry != NULL && entry->version == version;
	if (current && entry->presence != presence)
		set_presence_of_entry(entry, presence);
	worker_shared_unlock();
	return current;
}

void
worker_databases_begin_tasks(char *last_error)
{
	WorkerDatabase *entry;

	is_thorough_run = false;
	worker_shared_lock();
	entry = my_entry();
	if (entry != NULL)
	{
		is_thorough_run = entry->thorough;
		entry->thorough = false;
		entry->rest_ended = false;
		memcpy(last_error, entry->maintenance.last_error.text,
			   WORKER_ERROR_LENGTH);
	}
	worker_shared_unlock();
}

void
worker_databases_lists(TimestampTz *read, TimestampTz *due, uint32 *changes)
{
	WorkerDatabase *entry;

	*read = 0;
	*due = 0;
	*changes = 0;
	worker_shared_lock_for_reading();
	entry = my_entry();
	if (entry != NULL)
	{
		*read = entry->lists_read;
		*due = entry->lists_due;
		*changes = entry->stream_changes;
	}
	worker_shared_unlock();
}

void
worker_databases_set_lists(TimestampTz read, TimestampTz due, uint32 changes)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = my_entry();
	if (entry != NULL && entry->stream_changes == changes)
	{
		entry->lists_read = read;
		entry->lists_due = due;
	}
	worker_shared_unlock();
}

bool
worker_databases_is_thorough_run(void)
{
	return is_thorough_run;
}

void
worker_databases_end_run(TimestampTz started_at, bool rests)
{
	TimestampTz		now = GetCurrentTimestamp();
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = my_entry();
	if (entry != NULL)
	{
		WorkerJob *job = &entry->maintenance;

		job->last_run = now;
		keep_error(job, &worker_shared_my_slot->info.last_error);

		/* Another run may have been asked for since this one began. */
		if (job->next_start == DT_NOEND)
		{
			int64 interval = setting_maintenance_interval;

			entry->resting = rests && !entry->rest_ended &&
							 !entry->thorough &&
							 !WorkerErrorIsSet(&job->last_error);
			if (entry->resting)
				interval = REST_MS;
			job->next_start = Max(now, TimestampTzPlusMilliseconds(started_at, interval));
		}
	}
	worker_shared_unlock();
}

/* --- for the launcher, and for the view ---------------------------------- */

List *
worker_databases_list(void)
{
	int				room = worker_shared->database_end;
	WorkerDatabase *entries = palloc(Max(room, 1) * sizeof(WorkerDatabase));
	int				count = 0;
	List		   *list = NIL;

	worker_shared_lock_for_reading();
	for (int i = 0; i < room; i++)
	{
		if (OidIsValid(worker_shared->databases[i].database))
			entries[count++] = worker_shared->databases[i];
	}
	worker_shared_unlock();
	for (int i = 0; i < count; i++)
		list = lappend(list, &entries[i]);
	return list;
}

bool
worker_databases_take_search_request(void)
{
	bool wanted;

	worker_shared_lock();
	wanted = worker_shared->search_wanted;
	worker_shared->search_wanted = false;
	worker_shared_unlock();
	return wanted;
}

bool
worker_databases_set_connectable(Oid database, bool connectable, bool create)
{
	WorkerDatabase *entry;
	bool			search_wanted;

	worker_shared_lock();
	search_wanted = worker_shared->search_wanted;
	entry = worker_databases_find(database, create);
	if (entry != NULL)
	{
		entry->seen = true;
		entry->connectable = connectable;

		/* An entry that was made just now needs no search. */
		worker_shared->search_wanted = search_wanted;
	}
	worker_shared_unlock();
	return entry != NULL;
}

bool
worker_databases_remove(const WorkerDatabase *copy)
{
	WorkerDatabase *entry;
	bool			removed;

	worker_shared_lock();
	entry = worker_databases_find(copy->database, false);
	removed = entry != NULL && entry->version == copy->version &&
			  entry->holds == 0 && entry->maintenance.worker == 0 &&
			  entry->dispatcher.worker == 0;
	if (removed)
		entry->database = InvalidOid;
	worker_shared_unlock();
	return removed;
}

void
worker_databases_try_again(WorkerType type, Oid database, TimestampTz next_start)
{
	WorkerJob *job;

	worker_shared_lock();
	job = job_of(worker_databases_find(database, false), type);
	if (job != NULL)
		job->next_start = next_start;
	worker_shared_unlock();
}

bool
worker_databases_wants_maintenance(const WorkerDatabase *entry)
{
	return entry->presence != EXTENSION_ABSENT && entry->seen &&
		   entry->connectable && entry->holds == 0 &&
		   entry->maintenance.worker == 0;
}

bool
worker_databases_wants_dispatcher(const WorkerDatabase *entry)
{
	return entry->presence == EXTENSION_PRESENT && entry->seen &&
		   entry->connectable && entry->holds == 0 &&
		   entry->dispatcher.worker == 0 && entry->wants_dispatcher &&
		   setting_max_workers > 0;
}
