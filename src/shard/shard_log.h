/*
 * shard_log.h
 *	  The log that a shard is: appending under a lock, numbers that rise.
 */
#ifndef DDBSTREAMS_SHARD_LOG_H
#define DDBSTREAMS_SHARD_LOG_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "shard/append_counts.h"
#include "shard/record.h"
#include "storage/block.h"
#include "utils/rel.h"

/* What is appended at most under one acquisition of the append lock */
#define SHARD_LOG_BATCH_RECORDS 1024
#define SHARD_LOG_BATCH_BYTES	(128 * 1024)

/* Where the records of a transaction are in a shard */
typedef struct ShardPlace
{
	BlockNumber first_block; /* the pages that the shard had before: of the */
	BlockNumber last_block;	 /* first batch, and of the last one */
	int64		last_number; /* 0: there are no records yet */
} ShardPlace;

extern Size shard_log_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void shard_log_shmem_init(void);

/*
 * Waits until all numbers that have been given in a shard are in its heap.
 * Numbers that are given from then on are not below what the clock showed
 * before the call.
 */
extern void shard_log_await_appends(Oid shard_table);

/*
 * Numbers a batch of records and appends it to a shard.  The caller has opened
 * the shard's table and locked it RowExclusive, in the one order in which all
 * backends lock shards.  The numbers are not below starting_number.  What the
 * append takes is added to counts, except for bytes; the place is brought up
 * to date.
 */
extern void shard_log_append(Relation shard, int64 starting_number,
							 uint64 transaction_id, const NewRecord *records,
							 int count, AppendCounts *counts, ShardPlace *place);

/*
 * Returns the number that the clock gives now; after a crash, a second ahead.
 */
extern int64 shard_log_now(void);

/*
 * Finds the lowest and the highest number on a page of a shard, of records
 * committed or not.  Returns false if there is no record on it.
 */
extern bool shard_log_page_numbers(Relation shard, BlockNumber block,
								   int64 *lowest, int64 *highest);

/*
 * Returns the number of the last record in a shard's heap, committed or not,
 * or 0 if there is none.
 */
extern int64 shard_log_last_number(Relation shard);

#endif /* DDBSTREAMS_SHARD_LOG_H */
