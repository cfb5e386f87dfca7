/*
 * reader_slots.c
 *	  How many calls may read a shard at the same moment.
 *
 * A slot is a lock of the lock manager (lock_class.h); a shard has
 * ddbstreams.max_readers_per_shard of them.  So a slot is freed whatever
 * happens: at the end of a failed subtransaction, of the transaction, and of
 * the process.  And callers that wait are served in turn.  A client that does
 * not read what it is sent, an error for instance, does not keep a slot.
 *
 * Deliveries have as many slots of their own, so that no session can keep them
 * from the records, however long it holds a slot.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "base/client_wait.h"
#include "base/lock_class.h"
#include "base/settings.h"
#include "shard/reader_slots.h"

bool
reader_slots_take(Oid shard_table, ReaderKind kind, LOCKTAG *slot)
{
	int	   count = setting_max_readers_per_shard;
	uint16 lock_class = kind == READER_DELIVERS ? LOCK_CLASS_DELIVERY_SLOT :
												  LOCK_CLASS_READER_SLOT;

	if (count == 0)
		return false;
	for (int i = 0; i < count; i++)
	{
		SET_LOCKTAG_ADVISORY(*slot, MyDatabaseId, shard_table, i, lock_class);
		if (LockAcquire(slot, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		{
			client_wait_forbid(CLIENT_WAIT_READER_SLOT);
			return true;
		}
	}
	if (kind == READER_RAISES_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_LIMIT_EXCEEDED),
				 errmsg("Too many readers read the shard at the same moment"),
				 errdetail("ddbstreams.max_readers_per_shard is %d.", count),
				 errhint("Try again, or use event source mappings, consumers or changes(), which wait for their turn.")));

	SET_LOCKTAG_ADVISORY(*slot, MyDatabaseId, shard_table, MyProcPid % count,
						 lock_class);
	(void) LockAcquire(slot, ExclusiveLock, false, false);
	client_wait_forbid(CLIENT_WAIT_READER_SLOT);
	return true;
}

void
reader_slots_release(const LOCKTAG *slot)
{
	LockRelease(slot, ExclusiveLock, false);
	client_wait_allow(CLIENT_WAIT_READER_SLOT);
}
