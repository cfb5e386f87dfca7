/*
 * append_counts.h
 *	  What the appends of each stream have taken so far.
 */
#ifndef DDBSTREAMS_APPEND_COUNTS_H
#define DDBSTREAMS_APPEND_COUNTS_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "portability/instr_time.h"

/* What one transaction has appended to a stream */
typedef struct AppendCounts
{
	int64	   records;
	int64	   bytes;	   /* of records and large values */
	int64	   lock_waits; /* for the append lock */
	instr_time begun;	   /* by the caller, before it locks a shard */
	instr_time ended;	   /* when the append lock was released last */
	instr_time lock_time;  /* for which the append lock was held */
	instr_time wait_time;  /* for which it was waited for */
} AppendCounts;

/* What all transactions have appended to a stream; times in nanoseconds */
typedef struct AppendTotals
{
	int64		commits;
	int64		records;
	int64		bytes;
	int64		append_time;
	int64		lock_time;
	int64		lock_waits;
	int64		wait_time;
	TimestampTz since; /* when counting began */
} AppendTotals;

extern Size append_counts_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void append_counts_shmem_init(void);

/* Begins to count what this transaction appends to a stream. */
extern void append_counts_begin(AppendCounts *counts);

/*
 * Adds what this transaction has appended to a stream of this database.  The
 * caller holds no append lock.
 */
extern void append_counts_add(int64 stream_id, const AppendCounts *counts);

/*
 * Returns what was counted for a stream of this database, or false if nothing
 * was.
 */
extern bool append_counts_get(int64 stream_id, AppendTotals *totals);

#endif /* DDBSTREAMS_APPEND_COUNTS_H */
