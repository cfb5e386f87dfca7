/*
 * worker_databases.c
 *	  What the launcher knows of databases: the entries in shared memory.
 *
 * A database has an entry if it has the extension, or may have it: then a
 * maintenance worker goes and looks.  Databases that are known to be without
 * have none; the launcher remembers them by itself.
 *
 * What is known may be overtaken by what a transaction commits.  So an entry has
 * a version, which rises with everything that is learnt from a commit, and a
 * worker's finding is taken only if the version is that of when it began.
 *
 * A DDL command that wants a database for itself holds workers off it, by a
 * count in the entry, to the end of its transaction (worker_guard.c).
 *
 * For each of the two kinds of workers that a database has at most one of, the
 * entry says when it is to be started next.
 */
#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "worker/worker_databases.h"
#include "worker/worker_shared.h"

/* After a failure a worker is started again a second later, then two, four, … */
#define MAX_BACKOFF_MS 60000

/* A dispatcher that has run for so long has not failed at its start. */
#define SOUND_RUN_MS 60000

static bool is_thorough_run = false;

/*
 * The entry of a database.  If there is none it is made, unless there is no
 * room; the launcher will find the database when there is.  The lock is held,
 * exclusively if an entry may be made.
 */
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
		worker_shared->changed = true;
		return NULL;
	}
	memset(entry, 0, sizeof(WorkerDatabase));
	entry->database = database;
	entry->presence = EXTENSION_UNKNOWN;
	entry->thorough = true;

	/* May it be connected to?  The launcher looks. */
	worker_shared->changed = true;
	return entry;
}

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

/* A slot was reserved for a worker.  The lock is held. */
void
worker_databases_worker_started(WorkerType type, Oid database, WorkerId id)
{
	WorkerJob *job = job_of(worker_databases_find(database, false), type);

	if (job == NULL)
		return;
	job->worker = id;
	job->started_at = GetCurrentTimestamp();
	job->next_start = DT_NOEND; /* less, if somebody asks for it */
	job->lacks_slot = false;
}

static long
backoff_ms(int failures)
{
	return failures > 6 ? MAX_BACKOFF_MS : Min(MAX_BACKOFF_MS, 500L << failures);
}

/* A worker leaves its slot, or its reservation is given up.  The lock is held. */
void
worker_databases_worker_ended(const WorkerSlot *slot, bool failed)
{
	WorkerJob  *job = job_of(worker_databases_find(slot->info.database, false),
							 slot->info.type);
	TimestampTz now = GetCurrentTimestamp();

	if (job == NULL || job->worker != slot->info.id)
		return;
	job->worker = 0;
	if (slot->info.last_error[0] != '\0')
		memcpy(job->last_error, slot->info.last_error, WORKER_ERROR_LENGTH);
	if (!failed)
	{
		job->failures = 0;
		if (job->next_start == DT_NOEND)
			job->next_start = 0;
	}
	else
	{
		if (slot->info.type == WORKER_DISPATCHER &&
			now - job->started_at > SOUND_RUN_MS * INT64CONST(1000))
			job->failures = 0;
		job->failures++;
		job->next_start = TimestampTzPlusMilliseconds(now, backoff_ms(job->failures));
	}
}

/*
 * Holds workers off a database until worker_databases_release.  Returns false
 * if there is no room for an entry; then the launcher has none for it either.
 */
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
		/* What the command has left of it is to be seen. */
		entry->holds--;
		entry->seen = false;
		worker_shared->changed = true;
		entry->maintenance.next_start = 0;
		entry->dispatcher.next_start = 0;
	}
	worker_shared_unlock();
	worker_shared_wake_launcher();
}

/* What is known of a database; without an entry the extension is absent. */
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

/* The lock is held exclusively. */
static void
set_presence(WorkerDatabase *entry, ExtensionPresence presence)
{
	entry->version++;
	entry->presence = presence;
	entry->seen &= presence != EXTENSION_UNKNOWN;
	entry->thorough = true;
	entry->maintenance.next_start = 0;
	entry->maintenance.failures = 0;
	entry->maintenance.last_error[0] = '\0';
	if (presence != EXTENSION_PRESENT)
	{
		entry->wants_dispatcher = false;
		entry->maintenance.last_run = 0;
		entry->dispatcher.last_error[0] = '\0';
	}
}

/* What a transaction has committed, or that it is to be looked up again. */
void
worker_databases_set_presence(Oid database, ExtensionPresence presence)
{
	WorkerDatabase *entry;

	worker_shared_lock();
	entry = worker_databases_find(database, presence != EXTENSION_ABSENT);
	if (entry != NULL)
		set_presence(entry, presence);
	worker_shared_unlock();
	worker_shared_wake_launcher();
}

/* There are databases more, or less. */
void
worker_databases_changed(void)
{
	worker_shared_lock();
	worker_shared->changed = true;
	worker_shared_unlock();
	worker_shared_wake_launcher();
}

/* The next run, which may be due at once, is to check what rarely changes too. */
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

/* A maintenance worker begins; returns the version of what is known now. */
uint32
worker_databases_begin_run(void)
{
	WorkerDatabase *entry;
	uint32			version = 0;

	worker_shared_lock_for_reading();
	entry = worker_databases_find(worker_shared_my_database(), false);
	if (entry != NULL)
		version = entry->version;
	worker_shared_unlock();
	return version;
}

/*
 * Is this run to check what rarely changes, too?  Asked once in a run, before
 * looking: what changes from now on is for the next run.  Copies the last run's
 * error, of WORKER_ERROR_LENGTH bytes.
 */
bool
worker_databases_take_request(char *last_error)
{
	WorkerDatabase *entry;
	bool			thorough = false;

	worker_shared_lock();
	entry = worker_databases_find(worker_shared_my_database(), false);
	if (entry != NULL)
	{
		thorough = entry->thorough;
		entry->thorough = false;
		memcpy(last_error, entry->maintenance.last_error, WORKER_ERROR_LENGTH);
	}
	worker_shared_unlock();
	is_thorough_run = thorough;
	return thorough;
}

/* Is this run one of those that check what hardly ever changes? */
bool
worker_databases_is_thorough_run(void)
{
	return is_thorough_run;
}

/*
 * A maintenance worker has looked for the extension, having begun at a version.
 * Returns false if what it has found is out of date.
 */
bool
worker_databases_report(uint32 version, ExtensionPresence presence)
{
	WorkerDatabase *entry;
	bool			current;

	worker_shared_lock();
	entry = worker_databases_find(worker_shared_my_database(), false);
	current = entry != NULL && entry->version == version;
	if (current && entry->presence != presence)
		set_presence(entry, presence);
	worker_shared_unlock();
	return current;
}

/* A maintenance worker has done all of its tasks, or tried to. */
void
worker_databases_end_run(TimestampTz started_at)
{
	WorkerDatabase *entry;
	TimestampTz		now = GetCurrentTimestamp();

	worker_shared_lock();
	entry = worker_databases_find(worker_shared_my_database(), false);
	if (entry != NULL)
	{
		WorkerJob *job = &entry->maintenance;

		job->last_run = now;
		memcpy(job->last_error, worker_shared_my_slot->info.last_error,
			   WORKER_ERROR_LENGTH);

		/* Somebody may have asked for a run at once since this one began. */
		if (job->next_start == DT_NOEND)
			job->next_start = Max(now, TimestampTzPlusMilliseconds(started_at,
																   setting_maintenance_interval));
	}
	worker_shared_unlock();
}

/* Returns copies of all entries, as palloc'd WorkerDatabase. */
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

/* Are there databases more, or less, than at the last call? */
bool
worker_databases_take_changed(void)
{
	bool changed;

	worker_shared_lock();
	changed = worker_shared->changed;
	worker_shared->changed = false;
	worker_shared_unlock();
	return changed;
}

/*
 * The launcher has found a database, of which it has no entry yet if create is
 * set.  Returns false if there is no room for one.
 */
bool
worker_databases_see(Oid database, bool create, bool connectable)
{
	WorkerDatabase *entry;
	bool			changed;

	worker_shared_lock();
	changed = worker_shared->changed;
	entry = worker_databases_find(database, create);
	if (entry != NULL)
	{
		entry->seen = true;
		entry->connectable = connectable;
		worker_shared->changed = changed;
	}
	worker_shared_unlock();
	return entry != NULL;
}

/*
 * Frees the entry of a database that is gone or has no extension, unless it has
 * changed since it was copied.  Returns whether it did.
 */
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

/* A worker could not be started, because there was no free slot. */
void
worker_databases_lacks_slot(WorkerType type, Oid database, TimestampTz next_start)
{
	WorkerJob *job;

	worker_shared_lock();
	job = job_of(worker_databases_find(database, false), type);
	if (job != NULL)
	{
		job->lacks_slot = true;
		job->next_start = next_start;
	}
	worker_shared_unlock();
}
