/*
 * handler_mailbox.c
 *	  What dispatcher and handler workers tell each other, in shared memory.
 *
 * Each handler worker has an entry, which says what it is to run and how that
 * has ended.  The dispatcher of its database makes the entry, starts the worker,
 * and frees the entry when the worker is gone.  Both set the other's latch.
 *
 * A unit that is in an entry is run by nobody else.  A dispatcher that takes the
 * place of one that has died finds the entries, and goes on with them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "delivery/handler_mailbox.h"

typedef struct HandlerEntry
{
	HandlerInfo info;
	PGPROC	   *dispatcher;
	bool		yields; /* others wait for a worker */
} HandlerEntry;

typedef struct HandlersShared
{
	int			 tranche_id;
	LWLock		 lock;
	int			 count;
	HandlerEntry entries[FLEXIBLE_ARRAY_MEMBER];
} HandlersShared;

static HandlersShared *shared = NULL;
static HandlerEntry	  *my_entry = NULL;

Size
handler_mailbox_shmem_size(void)
{
	return add_size(offsetof(HandlersShared, entries),
					mul_size(max_worker_processes, sizeof(HandlerEntry)));
}

/* Called in the postmaster, at its start and after a crash of a backend. */
void
handler_mailbox_shmem_init(void)
{
	bool found;

	shared = ShmemInitStruct("ddbstreams handlers", handler_mailbox_shmem_size(),
							 &found);
	if (!found)
	{
		memset(shared, 0, handler_mailbox_shmem_size());
		shared->tranche_id = LWLockNewTrancheId();
		LWLockInitialize(&shared->lock, shared->tranche_id);
		shared->count = max_worker_processes;
	}
	LWLockRegisterTranche(shared->tranche_id, "DdbstreamsHandlers");
}

static void
lock(void)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
}

static void
unlock(void)
{
	LWLockRelease(&shared->lock);
}

/* The lock is held. */
static void
set_state(HandlerEntry *entry, HandlerState state)
{
	entry->info.state = state;
	entry->info.since = GetCurrentTimestamp();
	entry->info.call_since = 0;
}

/* --- for the dispatcher ----------------------------------------------------- */

/*
 * Starts a handler worker for a role in this database.  It can be given a unit
 * at once.
 */
WorkerStart
handler_mailbox_start(Oid role, int *index)
{
	HandlerEntry *entry = NULL;
	WorkerStart	  result;
	WorkerId	  worker;

	lock();
	for (int i = 0; i < shared->count && entry == NULL; i++)
	{
		if (shared->entries[i].info.state == HANDLER_FREE)
			entry = &shared->entries[i];
	}
	if (entry != NULL)
	{
		memset(entry, 0, sizeof(HandlerEntry));
		entry->info.index = *index = entry - shared->entries;
		entry->info.database = MyDatabaseId;
		entry->info.role = role;
		entry->dispatcher = MyProc;
		set_state(entry, HANDLER_IDLE);
	}
	unlock();
	if (entry == NULL)
		return WORKER_NO_SLOT;

	result = worker_slots_start(WORKER_HANDLER, MyDatabaseId, role, index,
								sizeof(*index), &worker);
	lock();
	if (result == WORKER_STARTED)
		entry->info.worker = worker;
	else
		entry->info.state = HANDLER_FREE;
	unlock();
	return result;
}

void
handler_mailbox_assign(int index, const DeliveryUnit *unit,
					   const DeliveryOutcome *before)
{
	HandlerEntry *entry = &shared->entries[index];

	lock();
	Assert(entry->info.state == HANDLER_IDLE);
	entry->info.unit = *unit;
	entry->info.outcome = *before;
	set_state(entry, HANDLER_ASSIGNED);
	unlock();
	worker_slots_wake(entry->info.worker);
}

/* Returns the entries of a database's handlers, as palloc'd HandlerInfo. */
List *
handler_mailbox_list(Oid database)
{
	HandlerInfo *infos = palloc(shared->count * sizeof(HandlerInfo));
	int			 count = 0;
	List		*list = NIL;

	LWLockAcquire(&shared->lock, LW_SHARED);
	for (int i = 0; i < shared->count; i++)
	{
		HandlerInfo *info = &shared->entries[i].info;

		if (info->state != HANDLER_FREE && info->database == database)
			infos[count++] = *info;
	}
	unlock();
	for (int i = 0; i < count; i++)
		list = lappend(list, &infos[i]);
	return list;
}

/* The outcome has been read. */
void
handler_mailbox_collect(int index)
{
	lock();
	Assert(shared->entries[index].info.state == HANDLER_DONE);
	set_state(&shared->entries[index], HANDLER_IDLE);
	unlock();
}

/* The worker is gone. */
void
handler_mailbox_free(int index)
{
	lock();
	shared->entries[index].info.state = HANDLER_FREE;
	unlock();
}

/* This process is the dispatcher now. */
void
handler_mailbox_adopt(void)
{
	lock();
	for (int i = 0; i < shared->count; i++)
	{
		HandlerEntry *entry = &shared->entries[i];

		if (entry->info.state != HANDLER_FREE &&
			entry->info.database == MyDatabaseId)
			entry->dispatcher = MyProc;
	}
	unlock();
}

/* Says whether units wait for a worker of this database. */
void
handler_mailbox_set_yield(bool yield)
{
	lock();
	for (int i = 0; i < shared->count; i++)
	{
		HandlerEntry *entry = &shared->entries[i];

		if (entry->info.state != HANDLER_FREE &&
			entry->info.database == MyDatabaseId)
			entry->yields = yield;
	}
	unlock();
}

/* --- for a handler worker ---------------------------------------------------- */

void
handler_mailbox_attach(int index)
{
	my_entry = &shared->entries[index];
}

void
handler_mailbox_connected(void)
{
	lock();
	my_entry->info.connected = true;
	unlock();
}

/* Takes the unit that is assigned; false if there is none. */
bool
handler_mailbox_take(DeliveryUnit *unit, DeliveryOutcome *before)
{
	bool taken;

	lock();
	taken = my_entry->info.state == HANDLER_ASSIGNED;
	if (taken)
	{
		*unit = my_entry->info.unit;
		*before = my_entry->info.outcome;
		set_state(my_entry, HANDLER_RUNNING);
	}
	unlock();
	return taken;
}

void
handler_mailbox_begin_step(void)
{
	/* A torn read would only be taken for a slow call. */
	my_entry->info.call_since = GetCurrentTimestamp();
}

/* May the worker go on with its unit? */
bool
handler_mailbox_may_go_on(void)
{
	return !my_entry->yields ||
		   !TimestampDifferenceExceeds(my_entry->info.since, GetCurrentTimestamp(),
									   DELIVERY_TIME_SLICE_MS);
}

void
handler_mailbox_report(const DeliveryOutcome *outcome)
{
	PGPROC *dispatcher;

	lock();
	my_entry->info.outcome = *outcome;
	set_state(my_entry, HANDLER_DONE);
	dispatcher = my_entry->dispatcher;
	unlock();
	SetLatch(&dispatcher->procLatch);
}
