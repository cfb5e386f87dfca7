/*
 * shard_wake.h
 *	  Waking readers that wait for records, at the end of a transaction.
 */
#ifndef DDBSTREAMS_SHARD_WAKE_H
#define DDBSTREAMS_SHARD_WAKE_H

#include "base/ddbstreams.h"

extern Size shard_wake_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void shard_wake_shmem_init(void);

/*
 * Notes that this transaction has appended to a shard of a stream, or changed
 * its state.  When the transaction ends, shard_wake_readers wakes the
 * processes that watch the shard (shard_watch.c).
 */
extern void shard_wake_at_end(Oid shard_table, int64 stream_id);

/*
 * Reads how many transactions have ended, for each slot (SHARD_SLOTS of them),
 * that had appended to one of its shards or changed its state.  In a snapshot
 * that is taken behind that, no record becomes readable of which these counts
 * do not tell, but those of transactions that are just ending.
 */
extern void shard_wake_read_ends(uint64 *counts);

/* Called when the transaction has committed, aborted or been prepared. */
extern void shard_wake_readers(void);

/* Wakes all readers that wait for records, of any shard. */
extern void shard_wake_all(void);

#endif /* DDBSTREAMS_SHARD_WAKE_H */
