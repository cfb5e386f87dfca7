/*
 * iterator_position.h
 *	  Where an iterator of each type starts.
 */
#ifndef DDBSTREAMS_ITERATOR_POSITION_H
#define DDBSTREAMS_ITERATOR_POSITION_H

#include "base/ddbstreams.h"

#include "reading/iterator.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

extern const char *iterator_position_make(StreamInfo *stream, ShardInfo *shard,
										  const char		*type,
										  const char		*sequence_number,
										  const TimestampTz *at,
										  bool				 allow_at_timestamp,
										  Snapshot			 snapshot);

/* Behind which number an iterator reads now */
extern int64 iterator_position_resolve(const ShardIterator *iterator, Snapshot snapshot);

#endif /* DDBSTREAMS_ITERATOR_POSITION_H */
