/*
 * handler_mailbox.c
 *	  What dispatcher and handler workers tell each other, in shared memory.
 *
 * Each handler worker has an entry, which says what unit it is to run and how
 * the run has ended.  The dispatcher of its database makes the entry, starts
 * the worker, and frees the entry when the worker's process has ended.  If the
 * dispatcher itself has ended, its successor does, or any dispatcher that
 * needs an entry.  Each of the two sets the other's latch.
 *
 * Invariant: a unit is in one entry at most (in one that is not IDLE), and
 * only that entry's worker runs it.  When a dispatcher has died, its successor
 * finds the entries and goes on with them.
 *
 * All of it is protected by one LWLock, which is held for copies only, never
 * while another lock is taken.  Three members are read or written without it:
 * yields, and call_since and attempts by their own worker.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "delivery/handler_mailbox.h"
#include "worker/worker_turns.h"

typedef struct HandlerEntry
{
	HandlerInfo info;
	WorkerId	dispatcher_id;
	PGPROC	   *dispatcher; /* to be woken */
	bool		yields;		/* other units wait for a worker */
} HandlerEntry;

typedef struct HandlerMailbox
{
	int			 tranche_id;
	LWLock		 lock;
	int			 count;
	HandlerEntry entries[FLEXIBLE_ARRAY_MEMBER];
} HandlerMailbox;

static HandlerMailbox *mailbox = NULL;
static HandlerEntry	  *my_entry = NULL;

Size
handler_mailbox_shmem_size(void)
{
	return add_size(offsetof(HandlerMailbox, entries),
					mul_size(max_worker_processes, sizeof(HandlerEntry)));
}

void
handler_mailbox_shmem_init(void)
{
	bool found;

	mailbox = ShmemInitStruct("ddbstreams handlers", handler_mailbox_shmem_size(),
							  &found);
	if (!found)
	{
		memset(mailbox, 0, handler_mailbox_shmem_size());
		mailbox->tranche_id = compat_new_tranche("DdbstreamsHandlers");
		LWLockInitialize(&mailbox->lock, mailbox->tranche_id);
		mailbox->count = max_worker_processes;
	}
	compat_register_tranche(mailbox->tranche_id, "DdbstreamsHandlers");
}

static void
lock_mailbox(void)
{
	LWLockAcquire(&mailbox->lock, LW_EXCLUSIVE);
}

static void
unlock_mailbox(void)
{
	LWLockRelease(&mailbox->lock);
}

/* Sets an entry's state.  The caller holds the lock. */
static void
set_handler_state(HandlerEntry *entry, HandlerState state)
{
	entry->info.state = state;
	entry->info.since = GetCurrentTimestamp();
	entry->info.call_since = 0;
	entry->info.attempts = 0;
}

/* --- for the dispatcher -------------------------------------------------- */

static bool
worker_is_there(WorkerId id)
{
	WorkerInfo info;

	return worker_slots_get(id, &info);
}

/*
 * Frees entries whose worker has ended, and whose dispatcher has, too: such an
 * entry would wait for a new dispatcher of its database, and the database may
 * have been dropped.  Nothing is lost: a new dispatcher reads the tables.
 */
static void
free_abandoned_entries(void)
{
	for (int i = 0; i < mailbox->count; i++)
	{
		HandlerEntry *entry = &mailbox->entries[i];
		HandlerEntry  copy;

		LWLockAcquire(&mailbox->lock, LW_SHARED);
		copy = *entry;
		unlock_mailbox();
		if (copy.info.state == HANDLER_FREE || worker_is_there(copy.dispatcher_id) ||
			worker_is_there(copy.info.worker))
			continue;
		lock_mailbox();
		if (entry->dispatcher_id == copy.dispatcher_id)
			entry->info.state = HANDLER_FREE;
		unlock_mailbox();
	}
}

WorkerStart
handler_mailbox_start(Oid role, int *index)
{
	HandlerEntry *entry = NULL;
	WorkerStart	  result;
	WorkerId	  worker;

	free_abandoned_entries();
	lock_mailbox();
	for (int i = 0; i < mailbox->count && entry == NULL; i++)
	{
		if (mailbox->entries[i].info.state == HANDLER_FREE)
			entry = &mailbox->entries[i];
	}
	if (entry != NULL)
	{
		memset(entry, 0, sizeof(HandlerEntry));
		entry->info.index = *index = entry - mailbox->entries;
		entry->info.database = MyDatabaseId;
		entry->info.role = role;
		entry->dispatcher_id = worker_slots_my_id();
		entry->dispatcher = MyProc;
		set_handler_state(entry, HANDLER_IDLE);
	}
	unlock_mailbox();
	if (entry == NULL)
		return WORKER_NO_SLOT;

	result = worker_slots_start(WORKER_HANDLER, MyDatabaseId, role, index,
								sizeof(*index), &worker);
	lock_mailbox();
	if (result == WORKER_STARTED)
		entry->info.worker = worker;
	else
		entry->info.state = HANDLER_FREE;
	unlock_mailbox();
	return result;
}

void
handler_mailbox_assign(int index, const DeliveryUnit *unit,
					   const DeliveryOutcome *before)
{
	HandlerEntry *entry = &mailbox->entries[index];

	lock_mailbox();
	Assert(entry->info.state == HANDLER_IDLE);
	entry->info.unit = *unit;
	entry->info.outcome = *before;
	set_handler_state(entry, HANDLER_ASSIGNED);
	unlock_mailbox();
	worker_slots_wake(entry->info.worker);
}

List *
handler_mailbox_list(Oid database)
{
	HandlerInfo *infos = palloc(mailbox->count * sizeof(HandlerInfo));
	int			 count = 0;
	List		*list = NIL;

	LWLockAcquire(&mailbox->lock, LW_SHARED);
	for (int i = 0; i < mailbox->count; i++)
	{
		HandlerInfo *info = &mailbox->entries[i].info;

		if (info->state != HANDLER_FREE && info->database == database)
			infos[count++] = *info;
	}
	unlock_mailbox();
	for (int i = 0; i < count; i++)
		list = lappend(list, &infos[i]);
	return list;
}

void
handler_mailbox_collect(int index)
{
	lock_mailbox();
	Assert(mailbox->entries[index].info.state == HANDLER_DONE);
	set_handler_state(&mailbox->entries[index], HANDLER_IDLE);
	unlock_mailbox();
}

void
handler_mailbox_free(int index)
{
	lock_mailbox();
	mailbox->entries[index].info.state = HANDLER_FREE;
	unlock_mailbox();
}

static bool
is_of_my_database(const HandlerEntry *entry)
{
	return entry->info.state != HANDLER_FREE && entry->info.database == MyDatabaseId;
}

void
handler_mailbox_adopt(void)
{
	lock_mailbox();
	for (int i = 0; i < mailbox->count; i++)
	{
		HandlerEntry *entry = &mailbox->entries[i];

		if (is_of_my_database(entry))
		{
			entry->info.adopted = true;
			entry->dispatcher_id = worker_slots_my_id();
			entry->dispatcher = MyProc;
		}
	}
	unlock_mailbox();
}

void
handler_mailbox_set_yield(bool yield)
{
	lock_mailbox();
	for (int i = 0; i < mailbox->count; i++)
	{
		if (is_of_my_database(&mailbox->entries[i]))
			mailbox->entries[i].yields = yield;
	}
	unlock_mailbox();
}

/* --- for a handler worker ------------------------------------------------ */

void
handler_mailbox_attach(int index)
{
	my_entry = &mailbox->entries[index];
	lock_mailbox();
	my_entry->info.started = true;
	unlock_mailbox();
}

void
handler_mailbox_connected(void)
{
	lock_mailbox();
	my_entry->info.connected = true;
	unlock_mailbox();
}

void
handler_mailbox_failed(void)
{
	lock_mailbox();
	my_entry->info.refused = !my_entry->info.connected;
	unlock_mailbox();
}

bool
handler_mailbox_take(DeliveryUnit *unit, DeliveryOutcome *before)
{
	bool taken;

	lock_mailbox();
	taken = my_entry->info.state == HANDLER_ASSIGNED;
	if (taken)
	{
		*unit = my_entry->info.unit;
		*before = my_entry->info.outcome;
		set_handler_state(my_entry, HANDLER_RUNNING);
	}
	unlock_mailbox();
	return taken;
}

void
handler_mailbox_begin_step(void)
{
	/* Without the lock: a torn read would only be taken for a slow call. */
	my_entry->info.call_since = GetCurrentTimestamp();
}

void
handler_mailbox_begin_call(int attempts)
{
	my_entry->info.attempts = attempts;
}

void
handler_mailbox_end_call(void)
{
	my_entry->info.attempts = 0;
}

bool
handler_mailbox_may_go_on(void)
{
	return (!my_entry->yields && !worker_turns_way_is_wanted()) ||
		   !TimestampDifferenceExceeds(my_entry->info.since, GetCurrentTimestamp(),
									   DELIVERY_TIME_SLICE_MS);
}

void
handler_mailbox_report(const DeliveryOutcome *outcome)
{
	PGPROC *dispatcher;

	lock_mailbox();
	my_entry->info.outcome = *outcome;
	set_handler_state(my_entry, HANDLER_DONE);
	dispatcher = my_entry->dispatcher;
	unlock_mailbox();
	SetLatch(&dispatcher->procLatch);
}
