/*
 * shard_tables.h
 *	  Making and closing shards.
 */
#ifndef DDBSTREAMS_SHARD_TABLES_H
#define DDBSTREAMS_SHARD_TABLES_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

extern ShardInfo *shard_tables_make(const StreamInfo *stream, uint64 hash_first,
									uint64 hash_last);
extern void		  shard_tables_publish(ShardInfo *shard, const ShardInfo *parent,
									   TimestampTz created_at, int64 starting_number);
extern void		  shard_tables_drop(const ShardInfo *shard);
extern void		  shard_tables_close(ShardInfo *shard);
extern void		  shard_tables_close_all(int64 stream_id);

#endif /* DDBSTREAMS_SHARD_TABLES_H */
