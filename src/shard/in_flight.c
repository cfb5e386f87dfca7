/*
 * in_flight.c
 *	  Which records of a shard were in flight when a snapshot was taken.
 *
 * A record that was appended before a snapshot was taken is unresolved in it
 * if its transaction was between its append and its end then.  What has become
 * of such a transaction by now?
 *
 *		it is running	It holds the lock with which it has appended,
 *						RowExclusiveLock on the shard's table.  That is kept
 *						to its end, whether it is prepared or not.
 *		aborted			Its records are passed over in each snapshot.
 *		committed		It has done so since the snapshot was taken.
 *
 * So of all transactions that ran in the snapshot only two kinds count: those
 * that hold the lock, and those that have committed since.  The others, many
 * or old as they may be, have not appended to this shard yet.  The oldest one
 * that counts tells where its records can begin (xid_times.c).
 *
 * The holders are asked for first, and only then which transactions are
 * running: one that is still running then, and was not among the holders, has
 * not appended before the holders were asked for.
 *
 * On a standby nobody holds such locks; there it can only be told if nothing
 * was running at all.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"

#include "base/compat.h"
#include "shard/in_flight.h"
#include "shard/xid_times.h"

/*
 * Behind the snapshot's xmax so many ids are looked at; those behind them are
 * taken to have committed.
 */
#define MAX_YOUNGER_XIDS 1000

static void
note_xid(TransactionId *oldest, TransactionId xid)
{
	if (TransactionIdIsValid(xid) &&
		(!TransactionIdIsValid(*oldest) || TransactionIdPrecedes(xid, *oldest)))
		*oldest = xid;
}

/*
 * Notes the other transactions that hold a lock with which they may have
 * appended.  Returns false if one of them cannot be told.
 */
static bool
note_others(const LOCKTAG *tag, TransactionId *oldest)
{
	VirtualTransactionId *holders;
	int					  count;
	bool				  more = false;

	holders = GetLockConflicts(tag, ShareLock, &count);
	for (int i = 0; i < count && !more; i++)
	{
		if (VirtualTransactionIdIsRecoveredPreparedXact(holders[i]))
			note_xid(oldest, holders[i].localTransactionId);
		else
		{
			/*
			 * A session's transaction may be prepared meanwhile: it is among
			 * the prepared ones before it is no longer the session's.
			 */
			note_xid(oldest, compat_vxid_xid(holders[i]));
			note_xid(oldest, TwoPhaseGetXidByVirtualXID(holders[i], &more));
		}
	}
	pfree(holders);
	return !more;
}

/* Notes all transactions that hold such a lock, the caller's as well. */
static bool
note_holders(Relation shard, TransactionId *oldest)
{
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(shard));
	if (compat_lock_held_by_me(&tag, RowExclusiveLock))
		note_xid(oldest, GetTopTransactionIdIfAny());
	return note_others(&tag, oldest);
}

static int64
first_number_of(TransactionId oldest)
{
	return TransactionIdIsValid(oldest) ? xid_times_first_number(oldest) :
										  PG_INT64_MAX;
}

static bool
has_committed(TransactionId xid)
{
	return !TransactionIdIsInProgress(xid) && TransactionIdDidCommit(xid);
}

/* Notes the oldest transaction that has committed since the snapshot. */
static void
note_committed(Snapshot snapshot, TransactionId *oldest)
{
	TransactionId next = ReadNextTransactionId();
	TransactionId xid = snapshot->xmax;
	int			  count = 0;

	for (uint32 i = 0; i < snapshot->xcnt; i++)
	{
		if (has_committed(snapshot->xip[i]))
			note_xid(oldest, snapshot->xip[i]);
	}
	/* They began before the snapshot was taken, or after it. */
	while (TransactionIdPrecedes(xid, next) && count < MAX_YOUNGER_XIDS &&
		   !has_committed(xid))
	{
		CHECK_FOR_INTERRUPTS();
		TransactionIdAdvance(xid);
		count++;
	}
	if (TransactionIdPrecedes(xid, next))
		note_xid(oldest, xid);
}

int64
in_flight_first_number(Relation shard, Snapshot snapshot)
{
	TransactionId oldest = InvalidTransactionId;

	if (snapshot->snapshot_type != SNAPSHOT_MVCC)
		return 0;
	if (snapshot->takenDuringRecovery)
		return snapshot->subxcnt == 0 && !snapshot->suboverflowed &&
					   snapshot->xmax == ReadNextTransactionId() ?
				   PG_INT64_MAX :
				   0;
	xid_times_note();
	if (!note_holders(shard, &oldest))
		return 0;
	note_committed(snapshot, &oldest);
	return first_number_of(oldest);
}

int64
in_flight_others_first_number(Relation shard)
{
	TransactionId oldest = InvalidTransactionId;
	LOCKTAG		  tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(shard));
	return note_others(&tag, &oldest) ? first_number_of(oldest) : 0;
}
