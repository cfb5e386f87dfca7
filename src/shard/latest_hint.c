/*
 * latest_hint.c
 *	  How far a shard was resolved when somebody looked last.
 *
 * A record is resolved in a snapshot if its transaction has committed or
 * aborted as that snapshot sees it.  To find LATEST, or the first unresolved
 * record, a reader walks forward through the shard.  A walk leaves a hint in
 * shared memory: the position that it has come to, and which transactions its
 * snapshot had as running.  The next walk begins there, so that over time each
 * page is walked once.
 *
 * A hint holds in another snapshot if each transaction that runs in that one
 * was running in the hint's, or is younger: what had been resolved then is
 * resolved.  There is room for a fixed number of running transactions.  If
 * there were more, the oldest are kept; the others make the hint useless only
 * as long as they run.
 *
 * Shards share the hints as they share slots (shard_slot.h): a hint names its
 * shard, and gives way to that of another.
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "shard/latest_hint.h"
#include "shard/shard_slot.h"

#define LATEST_HINT_XIDS 40

typedef struct LatestHint
{
	Oid			  database; /* whose shard this is */
	Oid			  shard_table;
	int64		  position; /* a visible record's number, or the start */
	TransactionId xmax;		/* of the snapshot */
	int			  xid_count;
	TransactionId xids[LATEST_HINT_XIDS]; /* that were running in it */
} LatestHint;

typedef union LatestHintSlot
{
	struct
	{
		slock_t	   mutex;
		LatestHint hint;
	} slot;
	char pad[TYPEALIGN(PG_CACHE_LINE_SIZE,
					   sizeof(slock_t) + MAXIMUM_ALIGNOF + sizeof(LatestHint))];
} LatestHintSlot;

/* In shared memory, by slot */
static LatestHintSlot *slots = NULL;

Size
latest_hint_shmem_size(void)
{
	return mul_size(SHARD_SLOTS, sizeof(LatestHintSlot));
}

void
latest_hint_shmem_init(void)
{
	bool found;

	slots = ShmemInitStruct("ddbstreams latest hints", latest_hint_shmem_size(),
							&found);
	if (found)
		return;
	memset(slots, 0, latest_hint_shmem_size());
	for (int i = 0; i < SHARD_SLOTS; i++)
		SpinLockInit(&slots[i].slot.mutex);
}

/* Reads a shard's hint.  Returns false if there is none. */
static bool
get_hint(Oid shard_table, LatestHint *hint)
{
	LatestHintSlot *slot = &slots[shard_slot_number(shard_table)];

	SpinLockAcquire(&slot->slot.mutex);
	*hint = slot->slot.hint;
	SpinLockRelease(&slot->slot.mutex);
	return hint->database == MyDatabaseId && hint->shard_table == shard_table;
}

/* Keeps a hint, unless there is one of its shard that reaches further. */
static void
put_hint(const LatestHint *hint)
{
	LatestHintSlot *slot = &slots[shard_slot_number(hint->shard_table)];
	LatestHint	   *present = &slot->slot.hint;

	SpinLockAcquire(&slot->slot.mutex);
	if (present->database != hint->database ||
		present->shard_table != hint->shard_table ||
		present->position < hint->position)
		*present = *hint;
	SpinLockRelease(&slot->slot.mutex);
}

static const TransactionId *
running_xids(Snapshot snapshot, int *count)
{
	/* In recovery all running transactions are kept as subtransactions. */
	if (snapshot->takenDuringRecovery)
	{
		*count = snapshot->subxcnt;
		return snapshot->subxip;
	}
	*count = snapshot->xcnt;
	return snapshot->xip;
}

static bool
is_among(TransactionId xid, const TransactionId *xids, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (xids[i] == xid)
			return true;
	}
	return false;
}

/* Does a snapshot tell which transactions are running? */
static bool
names_running_xids(Snapshot snapshot)
{
	return snapshot->snapshot_type == SNAPSHOT_MVCC &&
		   !(snapshot->takenDuringRecovery && snapshot->suboverflowed);
}

static bool
hint_is_usable(const LatestHint *hint, Snapshot snapshot)
{
	int					 count;
	const TransactionId *xids = running_xids(snapshot, &count);

	if (!names_running_xids(snapshot) ||
		TransactionIdPrecedes(snapshot->xmax, hint->xmax))
		return false;
	for (int i = 0; i < count; i++)
	{
		if (TransactionIdPrecedes(xids[i], hint->xmax) &&
			!is_among(xids[i], hint->xids, hint->xid_count))
			return false;
	}
	return true;
}

int64
latest_hint_position(const ShardInfo *shard, Snapshot snapshot)
{
	int64	   position = shard->starting_number - 1;
	LatestHint hint;

	if (get_hint(shard->shard_table, &hint) && hint_is_usable(&hint, snapshot))
		position = Max(position, hint.position);
	return position;
}

static int
compare_xids(const void *a, const void *b)
{
	TransactionId x = *(const TransactionId *) a;
	TransactionId y = *(const TransactionId *) b;

	if (x == y)
		return 0;
	return TransactionIdPrecedes(x, y) ? -1 : 1;
}

void
latest_hint_leave(const ShardInfo *shard, Snapshot snapshot, int64 position)
{
	LatestHint			 hint;
	int					 count;
	const TransactionId *xids = running_xids(snapshot, &count);

	if (!names_running_xids(snapshot))
		return;
	hint.database = MyDatabaseId;
	hint.shard_table = shard->shard_table;
	hint.position = position;
	hint.xmax = snapshot->xmax;
	hint.xid_count = Min(count, LATEST_HINT_XIDS);
	if (count > LATEST_HINT_XIDS)
	{
		TransactionId *sorted = palloc(count * sizeof(TransactionId));

		memcpy(sorted, xids, count * sizeof(TransactionId));
		qsort(sorted, count, sizeof(TransactionId), compare_xids);
		memcpy(hint.xids, sorted, LATEST_HINT_XIDS * sizeof(TransactionId));
		pfree(sorted);
	}
	else if (count > 0)
		memcpy(hint.xids, xids, count * sizeof(TransactionId));
	put_hint(&hint);
}
