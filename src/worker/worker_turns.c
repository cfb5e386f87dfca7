/*
 * worker_turns.c
 *	  Which worker starts first if worker slots of PostgreSQL are scarce.
 *
 * All workers need one of max_worker_processes slots.  If there are fewer than
 * they would take, nothing may wait for ever: handler workers keep their slots
 * while they are idle, and dispatchers as long as there are mappings, so that
 * none would be left for the maintenance of any database, or for another one's
 * handlers.
 *
 * A worker that has found no slot waits: its job is tried again by the
 * launcher, a handler worker by its dispatcher.  Those that wait are in an
 * order, and nothing is started before its turn (worker_turns_may_start):
 *
 *	1. maintenance workers, dispatchers, and handler workers of databases that
 *	   have none, by the time for which they have waited;
 *	2. handler workers of databases that have 1, of those that have 2, ...
 *
 * A claim lapses if it is not made again for LAPSE_MS: what is not tried any
 * more would hold up all others without ever taking its turn.
 *
 * So that maintenance of many databases leaves something to the others, it has
 * a turn only if no other maintenance worker has just started.
 *
 * The launcher sees to it that the first in the order need not wait for long
 * (worker_turns_make_way).  These give way to it, the first of them that there
 * is: the handler worker that has been idle for longest; the first one that
 * ends a unit, or a time slice, while its database has more than one, or
 * whatever its database has when some time has passed; the dispatcher that has
 * run for longest, if slots are so few that dispatchers have all of them.  One
 * that gives way ends between two pieces of work, and nothing is lost with it.
 *
 * All of it is guarded by the lock of worker_shared.h.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "worker/worker_databases.h"
#include "worker/worker_shared.h"
#include "worker/worker_turns.h"

/* While a worker waits, the launcher looks this often after it. */
#define LOOK_MS 250

/* When one has given way, the slot may be free only so long after. */
#define WAY_MS 500

/* The one that gives way ends within this, or else another one has to. */
#define GIVER_MS 5000

/* A database's only handler worker gives way if another waits for so long. */
#define PATIENCE_MS 2000

/* A dispatcher runs for so long before it gives way. */
#define DISPATCHER_TURN_MS 2000

/* A handler worker has been idle for so long before it gives way to a second. */
#define IDLE_MS 5000

/* Jobs are tried again every second at least. */
#define LAPSE_MS 5000

#define SAY_AGAIN_MS (60 * 60 * 1000)

/* A worker that waits for a slot, or is about to be started */
typedef struct Waiter
{
	WorkerType	type;
	Oid			database;
	int			rank; /* 0 for all but second handler workers of a database */
	TimestampTz since;
} Waiter;

/* What is known of the workers that there are */
typedef struct TurnsCount
{
	int all;
	int brief_runs; /* maintenance workers that have started of late */
	int handlers;
} TurnsCount;

static TurnsCount
count_workers(TimestampTz now)
{
	TurnsCount count = {0};

	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		const WorkerInfo *info = &worker_shared->slots[i].info;

		if (info->type == WORKER_NONE)
			continue;
		count.all++;
		if (info->type == WORKER_HANDLER)
			count.handlers++;
		if (info->type == WORKER_MAINTENANCE &&
			now - info->reserved_at < setting_maintenance_interval * INT64CONST(1000))
			count.brief_runs++;
	}
	return count;
}

static int
count_handlers(Oid database)
{
	int count = 0;

	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		const WorkerInfo *info = &worker_shared->slots[i].info;

		if (info->type == WORKER_HANDLER && info->database == database)
			count++;
	}
	return count;
}

static int
rank_of(WorkerType type, Oid database)
{
	return type == WORKER_HANDLER ? count_handlers(database) : 0;
}

static bool
precedes(const Waiter *a, const Waiter *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->since < b->since;
}

bool
worker_turns_waits(const WorkerWait *wait, TimestampTz now)
{
	return wait->since != 0 &&
		   !TimestampDifferenceExceeds(wait->asked_at, now, LAPSE_MS);
}

/*
 * Takes a worker for the first one that waits if it is, but for those of one
 * type and database.
 */
static void
take_first(Waiter *first, WorkerType type, Oid database, const WorkerWait *wait,
		   TimestampTz now, WorkerType but_type, Oid but_database)
{
	Waiter waiter = {.type = type, .database = database, .since = wait->since};

	if (!worker_turns_waits(wait, now) ||
		(type == but_type && database == but_database))
		return;
	waiter.rank = rank_of(type, database);
	if (first->type == WORKER_NONE || precedes(&waiter, first))
		*first = waiter;
}

/*
 * Returns the first one that waits, but for those of one type and database;
 * its type is WORKER_NONE if there is none.
 */
static Waiter
first_waiter(TimestampTz now, WorkerType but_type, Oid but_database)
{
	Waiter	   first = {.type = WORKER_NONE};
	TurnsCount count = count_workers(now);

	for (int i = 0; i < worker_shared->database_end; i++)
	{
		const WorkerDatabase *entry = &worker_shared->databases[i];

		if (!OidIsValid(entry->database))
			continue;
		if (count.brief_runs == 0 && worker_databases_wants_maintenance(entry))
			take_first(&first, WORKER_MAINTENANCE, entry->database,
					   &entry->maintenance.wait, now, but_type, but_database);
		if (worker_databases_wants_dispatcher(entry))
			take_first(&first, WORKER_DISPATCHER, entry->database,
					   &entry->dispatcher.wait, now, but_type, but_database);
		take_first(&first, WORKER_HANDLER, entry->database, &entry->handler_wait,
				   now, but_type, but_database);
	}
	return first;
}

/* Returns where it stands whether a worker waits, or NULL. */
static WorkerWait *
find_wait(WorkerType type, Oid database)
{
	WorkerDatabase *entry = worker_databases_find(database, false);

	if (entry == NULL)
		return NULL;
	switch (type)
	{
		case WORKER_MAINTENANCE:
			return &entry->maintenance.wait;
		case WORKER_DISPATCHER:
			return &entry->dispatcher.wait;
		case WORKER_HANDLER:
			return &entry->handler_wait;
		default:
			return NULL;
	}
}

bool
worker_turns_may_start(WorkerType type, Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	WorkerWait *wait = find_wait(type, database);
	Waiter		waiter = {.type = type, .database = database, .since = now};
	Waiter		first = first_waiter(now, type, database);

	if (wait == NULL || first.type == WORKER_NONE)
		return true;
	if (worker_turns_waits(wait, now))
		waiter.since = wait->since;
	waiter.rank = rank_of(type, database);
	if (type == WORKER_MAINTENANCE && count_workers(now).brief_runs > 0)
		return false;
	return !precedes(&first, &waiter);
}

void
worker_turns_wait(WorkerType type, Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	WorkerWait *wait = find_wait(type, database);

	if (wait == NULL)
		return;
	if (!worker_turns_waits(wait, now))
	{
		wait->since = now;
		worker_shared_wake(worker_shared_slot(worker_shared->launcher));
	}
	wait->asked_at = now;
}

void
worker_turns_end_wait(WorkerType type, Oid database)
{
	WorkerWait *wait = find_wait(type, database);

	if (wait != NULL)
		*wait = (WorkerWait){0};
}

void
worker_turns_warn(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		says;
	int			enough;

	worker_shared_lock();
	says = worker_shared->warned_at == 0 ||
		   now - worker_shared->warned_at > SAY_AGAIN_MS * INT64CONST(1000);
	if (says)
		worker_shared->warned_at = now;

	/* All slots are taken: those that are not ours are other libraries'. */
	enough = Max(max_worker_processes - count_workers(now).all, 0) + 1 + 2;
	for (int i = 0; i < worker_shared->database_end; i++)
	{
		const WorkerDatabase *entry = &worker_shared->databases[i];

		if (OidIsValid(entry->database) && entry->wants_dispatcher)
			enough += 1 + setting_max_workers;
	}
	worker_shared_unlock();
	if (!says)
		return;
	enough = Max(enough, max_worker_processes + 1);
	ereport(WARNING,
			(errmsg("ddbstreams could not start a worker: no free worker slot"),
			 errdetail("Its workers take turns until there are enough. View ddbstreams.workers shows which ones are waiting."),
			 errhint("Increase max_worker_processes, which is %d, to %d or more.",
					 max_worker_processes, enough)));
}

/* --- giving way ---------------------------------------------------------- */

static bool
is_running(const WorkerSlot *slot, WorkerType type)
{
	return slot->info.type == type && slot->info.pid != 0;
}

/*
 * Is a slot about to become free, or has one become free just now?  A worker
 * that was chosen and does not end is not waited for without end.
 */
static bool
way_is_made(TimestampTz now)
{
	TimestampTz made_at = worker_shared->way_made_at;

	if (!TimestampDifferenceExceeds(made_at, now, WAY_MS))
		return true;
	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		const WorkerSlot *slot = &worker_shared->slots[i];

		if (slot->info.type != WORKER_NONE && slot->gives_way)
			return !TimestampDifferenceExceeds(made_at, now, GIVER_MS);
	}
	return false;
}

/* Returns the handler worker that has been idle for longest, or NULL. */
static WorkerSlot *
longest_idle_handler(void)
{
	WorkerSlot *longest = NULL;

	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (is_running(slot, WORKER_HANDLER) && slot->idle_since != 0 && !slot->gives_way &&
			(longest == NULL || slot->idle_since < longest->idle_since))
			longest = slot;
	}
	return longest;
}

/*
 * Returns the dispatcher that has run for longest, if it has had its turn; but
 * not that for which a handler worker waits.
 */
static WorkerSlot *
longest_dispatcher(const Waiter *waiter, TimestampTz now)
{
	WorkerSlot *longest = NULL;

	for (int i = 0; i < worker_shared->slot_count; i++)
	{
		WorkerSlot *slot = &worker_shared->slots[i];

		if (is_running(slot, WORKER_DISPATCHER) && !slot->gives_way &&
			(waiter->type != WORKER_HANDLER || slot->info.database != waiter->database) &&
			TimestampDifferenceExceeds(slot->info.reserved_at, now, DISPATCHER_TURN_MS) &&
			(longest == NULL || slot->info.reserved_at < longest->info.reserved_at))
			longest = slot;
	}
	return longest;
}

/* Returns the worker that gives way to another at once, or NULL. */
static WorkerSlot *
find_giver(const Waiter *waiter, TimestampTz now)
{
	WorkerSlot *idle = longest_idle_handler();

	if (idle != NULL && (waiter->rank == 0 ||
						 TimestampDifferenceExceeds(idle->idle_since, now, IDLE_MS)))
		return idle;
	if (waiter->rank == 0 && count_workers(now).handlers == 0)
		return longest_dispatcher(waiter, now);
	return NULL;
}

TimestampTz
worker_turns_make_way(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Waiter		waiter;
	WorkerSlot *giver = NULL;

	worker_shared_lock();
	waiter = first_waiter(now, WORKER_NONE, InvalidOid);
	worker_shared->way_wanted = false;
	if (waiter.type != WORKER_NONE && !way_is_made(now))
	{
		giver = find_giver(&waiter, now);
		if (giver != NULL)
		{
			giver->gives_way = true;
			worker_shared->way_made_at = now;
			worker_shared_wake(giver);
		}
		else
			worker_shared->way_wanted = true;
	}
	worker_shared_unlock();
	return waiter.type == WORKER_NONE ? DT_NOEND :
										TimestampTzPlusMilliseconds(now, LOOK_MS);
}

bool
worker_turns_way_is_wanted(void)
{
	/* Without the lock: a torn read costs one turn of the loop. */
	return worker_shared->way_wanted;
}

bool
worker_turns_give_way(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Waiter		waiter;
	int			mine;
	bool		gives = false;

	if (worker_shared_my_slot->gives_way)
		return true;
	if (!worker_turns_way_is_wanted())
		return false;
	worker_shared_lock();
	if (worker_shared->way_wanted)
	{
		waiter = first_waiter(now, WORKER_NONE, InvalidOid);
		mine = count_handlers(MyDatabaseId);
		if (waiter.type == WORKER_NONE ||
			(waiter.type == WORKER_HANDLER && waiter.database == MyDatabaseId))
			gives = false;
		else if (waiter.rank > 0)
			gives = mine > waiter.rank + 1;
		else
			gives = mine > 1 || TimestampDifferenceExceeds(waiter.since, now, PATIENCE_MS);
		if (gives)
		{
			worker_shared->way_wanted = false;
			worker_shared->way_made_at = now;
			worker_shared_my_slot->gives_way = true;
		}
	}
	worker_shared_unlock();
	return gives;
}
