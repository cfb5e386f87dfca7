/*
 * shard_log.h
 *	  The log that a shard is: appending under a lock, numbers that rise.
 */
#ifndef DDBSTREAMS_SHARD_LOG_H
#define DDBSTREAMS_SHARD_LOG_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "storage/condition_variable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* A batch under one acquisition of the append lock */
#define SHARD_LOG_BATCH_RECORDS 512
#define SHARD_LOG_BATCH_BYTES	(64 * 1024)

/*
 * Everything up to position was resolved (committed or aborted) in a snapshot
 * with this xmax and these running transactions; if there were more, these were
 * the oldest.
 */
#define LATEST_HINT_XIDS 40

typedef struct LatestHint
{
	int64		  position; /* a visible record's number, or the start */
	TransactionId xmax;
	int			  xid_count;
	TransactionId xids[LATEST_HINT_XIDS];
} LatestHint;

extern Size shard_log_shmem_size(void);
extern void shard_log_shmem_init(void);

extern void shard_log_append(Relation shard, int64 starting_number,
							 HeapTuple *tuples, int count);

/*
 * Finds the lowest and the highest number on a page of a shard, of records
 * committed or not.  Returns false if there is no record on it.
 */
extern bool shard_log_page_numbers(Relation shard, BlockNumber block,
								   int64 *lowest, int64 *highest);

extern int64 shard_log_last_number(Relation shard);
extern int64 shard_log_now(void);
extern bool	 shard_log_was_shut_down_since(TimestampTz time);

extern bool shard_log_get_hint(Oid shard_table, LatestHint *hint);
extern void shard_log_put_hint(Oid shard_table, const LatestHint *hint);

extern ConditionVariable *shard_log_waiters(Oid shard_table);
extern void				  shard_log_wake(int slot_number);
extern void				  shard_log_wake_all(void);

#endif /* DDBSTREAMS_SHARD_LOG_H */
