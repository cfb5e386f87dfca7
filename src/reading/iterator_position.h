/*
 * iterator_position.h
 *	  Where an iterator of each type starts.
 */
#ifndef ITERATOR_POSITION_H
#define ITERATOR_POSITION_H

#include "base/ddbstreams.h"

#include "reading/iterator.h"
#include "registry/stream_catalog.h"

extern const char *iterator_position_make(StreamInfo *stream, ShardInfo *shard,
									 const char		   *type,
									 const char		   *sequence_number,
									 const TimestampTz *at,
									 bool				allow_at_timestamp,
									 Snapshot			snapshot);

/* Behind which number an iterator reads now */
extern int64 iterator_position_resolve(const ShardIterator *iterator, Snapshot snapshot);

#endif /* ITERATOR_POSITION_H */
