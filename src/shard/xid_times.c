/*
 * xid_times.c
 *	  Since when a transaction can have appended at all.
 *
 * A record's number says when it was appended, which is after its transaction
 * got its id.  So if it is known what the clock showed before an id was given,
 * all records with lower numbers are of other transactions than that one and
 * those that came after it.  A search for the first record of a transaction
 * begins there, and not at the shard's start.
 *
 * Shared memory keeps notes: a transaction id that had not been given yet, and
 * the number that the clock gave before.  Notes are made at appends, at most
 * ten times a second, and at a start of the server that follows no recovery.
 * When there is no more room, every second one goes, so that notes are the
 * farther apart the older they are.
 *
 * A note holds as long as the clock is not set back: an append that reads a
 * lower number from the clock than the newest note has, by more than a
 * tolerance that all notes allow for, forgets them all.  That
 * happens before its record is in the heap; so a reader that asks after its
 * snapshot was taken gets no note that is contradicted by a record that was
 * appended before the snapshot.  The newest number is raised before the
 * transaction id is read: an append of a transaction with that id, or a higher
 * one, compares its clock with this number at least.  A note that is about to
 * be added when others forget all is dropped.
 */
#include "postgres.h"

#include "access/transam.h"
#include "port/atomics.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/server_start.h"
#include "shard/xid_times.h"

#define MAX_NOTES	512
#define NOTE_PERIOD NUMBER_AT_TIME(100 * INT64CONST(1000))

/*
 * An append reads the clock and compares it with the newest note.  If a note
 * is made in between, the clock has not been set back: so much is let pass.
 */
#define TOLERANCE NUMBER_AT_TIME(100 * INT64CONST(1000))

typedef struct XidNote
{
	uint64 next_xid; /* a FullTransactionId's value */
	int64  number;
} XidNote;

typedef struct XidTimesShared
{
	pg_atomic_uint64 newest;	/* the clock of the last note, or of one to be */
	slock_t			 mutex;		/* guards what follows */
	uint64			 forgotten; /* how many times all notes were dropped */
	int				 count;
	XidNote			 notes[MAX_NOTES]; /* by id, and by number */
} XidTimesShared;

static XidTimesShared *shared = NULL;

Size
xid_times_shmem_size(void)
{
	return sizeof(XidTimesShared);
}

void
xid_times_shmem_init(void)
{
	FullTransactionId next_xid;
	bool			  found;

	shared = ShmemInitStruct("ddbstreams transaction times",
							 xid_times_shmem_size(), &found);
	if (found)
		return;
	memset(shared, 0, xid_times_shmem_size());
	pg_atomic_init_u64(&shared->newest, 0);
	SpinLockInit(&shared->mutex);
	if (server_start_is_clean(&next_xid))
	{
		int64 number = NUMBER_AT_TIME(clock_now());

		pg_atomic_write_u64(&shared->newest, number);
		shared->notes[shared->count].next_xid = U64FromFullTransactionId(next_xid);
		shared->notes[shared->count++].number = number - TOLERANCE;
	}
}

/* Adds a note behind the others.  The caller holds the mutex. */
static void
add_note(uint64 next_xid, int64 number)
{
	XidNote *notes = shared->notes;

	/* Another backend may have been faster with a younger one. */
	if (shared->count > 0 && (notes[shared->count - 1].number >= number ||
							  notes[shared->count - 1].next_xid > next_xid))
		return;
	if (shared->count == MAX_NOTES)
	{
		for (int i = 1; i < MAX_NOTES / 2; i++)
			notes[i] = notes[2 * i];
		shared->count = MAX_NOTES / 2;
	}
	notes[shared->count].next_xid = next_xid;
	notes[shared->count].number = number;
	shared->count++;
}

void
xid_times_note(void)
{
	int64  number = NUMBER_AT_TIME(clock_now());
	uint64 newest = pg_atomic_read_u64(&shared->newest);
	uint64 forgotten;
	uint64 next_xid;

	if (number < (int64) newest + NOTE_PERIOD)
		return;
	SpinLockAcquire(&shared->mutex);
	forgotten = shared->forgotten;
	SpinLockRelease(&shared->mutex);
	if (!pg_atomic_compare_exchange_u64(&shared->newest, &newest, number))
		return;
	next_xid = U64FromFullTransactionId(ReadNextFullTransactionId());

	SpinLockAcquire(&shared->mutex);
	if (shared->forgotten == forgotten)
		add_note(next_xid, number - TOLERANCE);
	SpinLockRelease(&shared->mutex);
}

void
xid_times_check(int64 number)
{
	if (number >= (int64) pg_atomic_read_u64(&shared->newest) - TOLERANCE)
		return;
	SpinLockAcquire(&shared->mutex);
	shared->count = 0;
	shared->forgotten++;
	pg_atomic_write_u64(&shared->newest, number);
	SpinLockRelease(&shared->mutex);
}

int64
xid_times_first_number(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint64			  full_xid = U64FromFullTransactionId(next) +
								 (int64) (int32) (xid - XidFromFullTransactionId(next));
	int				  low = -1; /* a note from before the transaction; or none */
	int				  high;
	int64			  number;

	SpinLockAcquire(&shared->mutex);
	high = shared->count;
	while (high - low > 1)
	{
		int middle = (low + high) / 2;

		if (shared->notes[middle].next_xid <= full_xid)
			low = middle;
		else
			high = middle;
	}
	number = low < 0 ? 0 : shared->notes[low].number;
	SpinLockRelease(&shared->mutex);
	return number;
}
