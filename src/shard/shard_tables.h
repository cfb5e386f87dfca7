/*
 * shard_tables.h
 *	  Making, opening, closing and dropping shards.
 */
#ifndef DDBSTREAMS_SHARD_TABLES_H
#define DDBSTREAMS_SHARD_TABLES_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/*
 * Makes a shard for a range of hashes, both ends inclusive.  Its large values
 * go to the side table of a sibling, which is a shard of the stream that was
 * made just before, or to a new one if sibling is NULL.  Nobody finds the
 * shard before shard_tables_publish.
 */
extern ShardInfo *shard_tables_make(const StreamInfo *stream, uint64 hash_first,
									uint64 hash_last, const ShardInfo *sibling);

/*
 * Opens a shard that shard_tables_make has made, as a child of parent, or as a
 * root if that is NULL.  Sets its id and the rest of *shard.
 */
extern void shard_tables_publish(ShardInfo *shard, const ShardInfo *parent,
								 TimestampTz created_at, int64 starting_number);

/*
 * Closes an open shard, under the stream's lock.  Takes a lock on the shard's
 * table which conflicts with that of writers, waits for it, and keeps it until
 * the end of the transaction.  A shard whose table is missing is closed as if
 * it were empty.
 */
extern void shard_tables_close(ShardInfo *shard);

/* Closes all open shards of a stream, in the order of their ids. */
extern void shard_tables_close_all(int64 stream_id);

/*
 * Drops a shard's log, and its side table unless another shard has it, too.
 * No other transaction can have a lock on what is dropped.  A table that is
 * missing is passed over.  If it is a shard that was not published, those with
 * which it was made have been published or are not going to be.
 */
extern void shard_tables_drop(const ShardInfo *shard);

/*
 * Returns the number in a side table's name, which no other one has or will
 * have while the extension is there; 0 if there is no such table.
 */
extern int64 shard_tables_side_number(Oid side_table);

#endif /* DDBSTREAMS_SHARD_TABLES_H */
