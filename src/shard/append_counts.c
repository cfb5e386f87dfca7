/*
 * append_counts.c
 *	  What the appends of each stream have taken so far.
 *
 * Transactions count in memory of their own, and add their counts to the
 * stream's entry in shared memory at the end of its append: that is one
 * spinlock for a stream and commit, held for some additions.  The entries are
 * lost when the server stops and when a backend crashes.
 *
 * A stream has its entry at one of PROBES places from that of its hash on.  A
 * stream without an entry takes a free one there, or the one that has not been
 * added to for longest: so entries of streams and databases that are gone need
 * not be looked for.  Nor is there anything to forget when a stream is made,
 * because its id was never given before (id_sequence.c).  Entries are given to
 * streams under an LWLock, and are found without it: the key is looked at
 * again under the spinlock.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "shard/append_counts.h"

#define ENTRIES 4096 /* a power of two */
#define PROBES	16

typedef struct AppendEntry
{
	slock_t		 mutex;	   /* guards what follows */
	Oid			 database; /* InvalidOid: the entry is free */
	int64		 stream_id;
	int64		 last_used; /* the monotonic clock, in nanoseconds */
	AppendTotals totals;
} AppendEntry;

typedef struct AppendCountsShared
{
	int			tranche_id;
	LWLock		lock; /* held while an entry is given to a stream */
	AppendEntry entries[ENTRIES];
} AppendCountsShared;

static AppendCountsShared *shared = NULL;

Size
append_counts_shmem_size(void)
{
	return sizeof(AppendCountsShared);
}

void
append_counts_shmem_init(void)
{
	bool found;

	shared = ShmemInitStruct("ddbstreams append counts",
							 append_counts_shmem_size(), &found);
	if (!found)
	{
		memset(shared, 0, append_counts_shmem_size());
		shared->tranche_id = compat_new_tranche("DdbstreamsAppendCounts");
		LWLockInitialize(&shared->lock, shared->tranche_id);
		for (int i = 0; i < ENTRIES; i++)
			SpinLockInit(&shared->entries[i].mutex);
	}
	compat_register_tranche(shared->tranche_id, "DdbstreamsAppendCounts");
}

static AppendEntry *
entry_at(int64 stream_id, int probe)
{
	uint32 hash = hash_combine(murmurhash32(MyDatabaseId),
							   murmurhash32((uint32) stream_id));

	return &shared->entries[(hash + probe) & (ENTRIES - 1)];
}

static bool
is_of_stream(const AppendEntry *entry, int64 stream_id)
{
	return entry->stream_id == stream_id && entry->database == MyDatabaseId;
}

/*
 * Returns the entry of a stream, with its spinlock held, or NULL if the stream
 * has none.
 */
static AppendEntry *
lock_entry(int64 stream_id)
{
	for (int i = 0; i < PROBES; i++)
	{
		AppendEntry *entry = entry_at(stream_id, i);

		if (!is_of_stream(entry, stream_id))
			continue;
		SpinLockAcquire(&entry->mutex);
		if (is_of_stream(entry, stream_id))
			return entry;
		SpinLockRelease(&entry->mutex);
	}
	return NULL;
}

/*
 * Gives an entry to a stream, unless it has one by now.  It counts as used, so
 * that another stream does not take it before this one has added anything.
 */
static void
make_entry(int64 stream_id, int64 used)
{
	AppendEntry *entry;
	TimestampTz	 now = GetCurrentTimestamp();

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	entry = lock_entry(stream_id);
	if (entry == NULL)
	{
		AppendEntry *chosen = entry_at(stream_id, 0);

		for (int i = 1; i < PROBES && OidIsValid(chosen->database); i++)
		{
			entry = entry_at(stream_id, i);
			if (!OidIsValid(entry->database) ||
				entry->last_used < chosen->last_used)
				chosen = entry;
		}
		entry = chosen;
		SpinLockAcquire(&entry->mutex);
		memset(&entry->totals, 0, sizeof(AppendTotals));
		entry->totals.since = now;
		entry->last_used = used;
		entry->stream_id = stream_id;
		entry->database = MyDatabaseId;
	}
	SpinLockRelease(&entry->mutex);
	LWLockRelease(&shared->lock);
}

static int64
nanoseconds(instr_time time)
{
	return (int64) (INSTR_TIME_GET_DOUBLE(time) * 1e9);
}

void
append_counts_begin(AppendCounts *counts)
{
	memset(counts, 0, sizeof(AppendCounts));
	INSTR_TIME_SET_CURRENT(counts->begun);
}

void
append_counts_add(int64 stream_id, const AppendCounts *counts)
{
	instr_time	 elapsed = counts->ended;
	int64		 append_time;
	int64		 lock_time = nanoseconds(counts->lock_time);
	int64		 wait_time = nanoseconds(counts->wait_time);
	int64		 used = nanoseconds(counts->ended);
	AppendEntry *entry;

	if (counts->records == 0)
		return;
	INSTR_TIME_SUBTRACT(elapsed, counts->begun);
	append_time = nanoseconds(elapsed);

	/* Another stream may take the entry at any time: then one is made anew. */
	while ((entry = lock_entry(stream_id)) == NULL)
		make_entry(stream_id, used);
	entry->last_used = used;
	entry->totals.commits++;
	entry->totals.records += counts->records;
	entry->totals.bytes += counts->bytes;
	entry->totals.append_time += append_time;
	entry->totals.lock_time += lock_time;
	entry->totals.lock_waits += counts->lock_waits;
	entry->totals.wait_time += wait_time;
	SpinLockRelease(&entry->mutex);
}

bool
append_counts_get(int64 stream_id, AppendTotals *totals)
{
	AppendEntry *entry = lock_entry(stream_id);

	if (entry == NULL)
		return false;
	*totals = entry->totals;
	SpinLockRelease(&entry->mutex);
	return true;
}
