/*
 * writable_shards.h
 *	  Which shards of a stream are open, as writers need to know it.
 */
#ifndef DDBSTREAMS_WRITABLE_SHARDS_H
#define DDBSTREAMS_WRITABLE_SHARDS_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

/* An open shard */
typedef struct WritableShard
{
	Oid	   shard_table;
	Oid	   side_table;
	int64  side_number; /* shard_tables_side_number */
	int64  starting_number;
	uint64 hash_first; /* inclusive */
	uint64 hash_last;  /* inclusive */
} WritableShard;

/*
 * Makes the transaction's buffer for a stream, with a bucket for each shard
 * that is open now.
 */
extern StreamBuffer *writable_shards_make_buffer(int64 stream_id);

/* Has nothing changed since the session has read a buffer's open shards? */
extern bool writable_shards_are_known(const StreamBuffer *buffer);

/*
 * Locks the shard that is open for a hash, RowExclusive on its table, and
 * returns it.  The shard stays open as long as the lock is held: to the end of
 * the transaction.  Waits for a transaction that closes the shard.
 */
extern WritableShard writable_shards_lock(const StreamBuffer *buffer,
										  uint64			  hash);

/*
 * Sees to it that the side table that a bucket expects is there until the end
 * of the transaction.  Returns false if it is gone.
 */
extern bool writable_shards_keep_side_table(ChangeBucket *bucket);

/*
 * Forgets what is out of date, at the end of a transaction, when there are no
 * buffers any more.
 */
extern void writable_shards_end_transaction(void);

#endif /* DDBSTREAMS_WRITABLE_SHARDS_H */
