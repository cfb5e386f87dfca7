/*
 * writable_shards.h
 *	  Which shards of a stream are open, as writers need to know it.
 */
#ifndef DDBSTREAMS_WRITABLE_SHARDS_H
#define DDBSTREAMS_WRITABLE_SHARDS_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

typedef struct WritableShard
{
	Oid	   shard_table;
	Oid	   side_table;
	int64  starting_number;
	uint64 hash_first; /* inclusive */
	uint64 hash_last;  /* inclusive */
} WritableShard;

extern StreamBuffer *writable_shards_make_buffer(int64					 stream_id,
												 struct WritableShards **known);
extern bool			 writable_shards_are_known(const StreamBuffer *buffer);
extern WritableShard writable_shards_lock(const StreamBuffer *buffer, uint64 hash);

#endif /* DDBSTREAMS_WRITABLE_SHARDS_H */
