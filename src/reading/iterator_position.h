/*
 * iterator_position.h
 *	  Where an iterator of each type starts to read.
 */
#ifndef DDBSTREAMS_ITERATOR_POSITION_H
#define DDBSTREAMS_ITERATOR_POSITION_H

#include "base/ddbstreams.h"

#include "reading/iterator.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/*
 * Returns a new iterator of a shard, palloc'd.  The type is one of AWS's
 * names.  sequence_number and at are NULL unless the type takes them; it is an
 * error if they do not fit the type.  A sequence number before the horizon is
 * an error, too; AT_TIMESTAMP with a time before the horizon starts at the
 * horizon.
 */
extern const char *iterator_position_make(StreamInfo *stream, ShardInfo *shard,
										  const char		*type,
										  const char		*sequence_number,
										  const TimestampTz *at,
										  Snapshot			 snapshot);

/*
 * Returns the number behind which an iterator reads: its own position, or for
 * TRIM_HORIZON where the horizon is now.
 */
extern int64 iterator_position_resolve(const ShardIterator *iterator, Snapshot snapshot);

#endif /* DDBSTREAMS_ITERATOR_POSITION_H */
