/*
 * shard_catalog.h
 *	  The table of shards.
 */
#ifndef DDBSTREAMS_SHARD_CATALOG_H
#define DDBSTREAMS_SHARD_CATALOG_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

/* A shard as its row says; see the install script */
typedef struct ShardInfo
{
	int64		shard_no; /* unique in the database, for ever */
	int64		stream_id;
	char	   *shard_id;
	char	   *parent_shard_id; /* or NULL */
	int64		starting_number;
	int64		ending_number; /* valid if closed */
	uint64		hash_first;	   /* inclusive */
	uint64		hash_last;	   /* inclusive */
	Oid			shard_table;
	Oid			side_table; /* which other shards of the stream may have, too */
	TimestampTz created_at;
	TimestampTz closed_at; /* 0 while the shard is open */
	int64		version;   /* of this row */
} ShardInfo;

#define ShardIsOpen(shard) ((shard)->closed_at == 0)

/*
 * Rows are returned in the current memory context.  A snapshot of NULL is a
 * fresh catalogue snapshot; catalog_table.c says when to use which.
 */

/* Returns all shards of a stream, in the order of their ids. */
extern List *shard_catalog_list(int64 stream_id, Snapshot snapshot);

/*
 * Returns the shards that follow a shard of a stream, in the order of their
 * ids.  It reads no others.
 */
extern List *shard_catalog_children(int64 stream_id, const char *shard_id,
									Snapshot snapshot);

/*
 * Returns the open shards of a stream, in the order of their ranges, which is
 * the one in which writers lock them.
 */
extern List *shard_catalog_open(int64 stream_id, Snapshot snapshot);

/* Returns the shard of a stream that has this id, or NULL. */
extern ShardInfo *shard_catalog_find(int64 stream_id, const char *shard_id,
									 Snapshot snapshot);

/* Returns the one of a list of shard_catalog_list that has this id, or NULL. */
extern ShardInfo *shard_catalog_in_list(const List *shards, const char *shard_id);

/* Returns the shard that has this number, or NULL. */
extern ShardInfo *shard_catalog_by_no(int64 shard_no, Snapshot snapshot);

/* Returns a copy of a shard, which shard_catalog_free frees. */
extern ShardInfo *shard_catalog_copy(const ShardInfo *shard);
extern void		  shard_catalog_free(ShardInfo *shard);

/* Has another shard the same side table? */
extern bool shard_catalog_shares_side_table(const ShardInfo *shard);

/* Writes the first version of a shard's row. */
extern void shard_catalog_insert(const ShardInfo *shard);

/*
 * Writes what a shard is from now on, as a version above the one that was read
 * with it, under the stream's lock.  Every backend forgets what it knows of
 * the stream's open shards: it will have heard of it when it next gets a lock
 * on the shard's table.
 */
extern void shard_catalog_replace(ShardInfo *shard);

/* Deletes a shard's rows, under the stream's lock. */
extern void shard_catalog_delete(const ShardInfo *shard);

#endif /* DDBSTREAMS_SHARD_CATALOG_H */
