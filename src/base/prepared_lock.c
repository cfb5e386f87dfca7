/*
 * prepared_lock.c
 *	  Locks that prepared transactions hold.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "base/compat.h"
#include "base/prepared_lock.h"

bool
prepared_lock_conflicts(Oid relid, LOCKMODE mode)
{
	LOCKTAG				  tag;
	VirtualTransactionId *holders;
	int					  count;
	bool				  found = false;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	holders = GetLockConflicts(&tag, mode, &count);
	for (int i = 0; i < count && !found; i++)
		found = compat_vxid_is_prepared(holders[i]);
	pfree(holders);
	return found;
}
