/*
 * worker_shared.c
 *	  The shared memory in which workers and databases are registered.
 *
 * worker_slots.c explains the slots, worker_databases.c the entries of
 * databases.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "worker/worker_shared.h"

WorkerShared *worker_shared = NULL;
WorkerSlot	 *worker_shared_my_slot = NULL;

Size
worker_shared_size(void)
{
	/* The launcher is one of max_worker_processes, but that may be 0. */
	return add_size(offsetof(WorkerShared, slots),
					mul_size(max_worker_processes + 1, sizeof(WorkerSlot)));
}

void
worker_shared_init(void)
{
	bool found;

	worker_shared = ShmemInitStruct("ddbstreams workers",
									worker_shared_size(), &found);
	if (!found)
	{
		memset(worker_shared, 0, worker_shared_size());
		worker_shared->tranche_id = compat_new_tranche("DdbstreamsWorkers");
		LWLockInitialize(&worker_shared->lock, worker_shared->tranche_id);
		ConditionVariableInit(&worker_shared->gone);
		worker_shared->slot_count = max_worker_processes + 1;
	}
	compat_register_tranche(worker_shared->tranche_id, "DdbstreamsWorkers");
}

void
worker_shared_lock(void)
{
	LWLockAcquire(&worker_shared->lock, LW_EXCLUSIVE);
}

void
worker_shared_lock_for_reading(void)
{
	LWLockAcquire(&worker_shared->lock, LW_SHARED);
}

void
worker_shared_unlock(void)
{
	LWLockRelease(&worker_shared->lock);
}

WorkerSlot *
worker_shared_slot(WorkerId id)
{
	uint32		number = (uint32) id;
	WorkerSlot *slot;

	if (number == 0 || number > (uint32) worker_shared->slot_count)
		return NULL;
	slot = &worker_shared->slots[number - 1];
	return slot->info.type != WORKER_NONE && slot->info.id == id ? slot : NULL;
}

void
worker_shared_wake(WorkerSlot *slot)
{
	if (slot != NULL && slot->info.pid != 0)
		SetLatch(&slot->proc->procLatch);
}

void
worker_shared_wake_launcher(void)
{
	worker_shared_lock_for_reading();
	worker_shared_wake(worker_shared_slot(worker_shared->launcher));
	worker_shared_unlock();
}
