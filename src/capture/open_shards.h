/*
 * open_shards.h
 *	  Which shards of a stream are open, as writers need to know it.
 */
#ifndef OPEN_SHARDS_H
#define OPEN_SHARDS_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

typedef struct OpenShard
{
	Oid	   shard_table;
	Oid	   side_table;
	int64  starting_number;
	uint64 hash_first; /* inclusive */
	uint64 hash_last;  /* inclusive */
} OpenShard;

extern StreamBuffer *open_shards_make_buffer(int64				 stream_id,
											 struct OpenShards **known);
extern bool			 open_shards_are_known(const StreamBuffer *buffer);
extern OpenShard	 open_shards_lock(const StreamBuffer *buffer, uint64 hash);

#endif /* OPEN_SHARDS_H */
