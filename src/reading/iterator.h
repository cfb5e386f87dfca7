/*
 * iterator.h
 *	  Shard iterators: a position in a shard, signed, for clients to keep.
 *
 * iterator.c writes and reads their text; iterator_position.c makes one of
 * each of the types that a client can ask for.
 */
#ifndef DDBSTREAMS_ITERATOR_H
#define DDBSTREAMS_ITERATOR_H

#include "base/ddbstreams.h"

#include "base/siphash.h"
#include "lib/stringinfo.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "utils/timestamp.h"

typedef enum IteratorKind
{
	ITERATOR_AT_HORIZON = 'h', /* wherever the horizon is when it is used */
	ITERATOR_AFTER = 'a'	   /* behind position */
} IteratorKind;

/* What an iterator that a client has handed in stands for */
typedef struct ShardIterator
{
	StreamInfo	*stream;
	ShardInfo	*shard;
	IteratorKind kind;
	int64		 position; /* of ITERATOR_AFTER */
} ShardIterator;

/* Writes iterators of one shard, one after another, all issued at one time. */
typedef struct IteratorWriter
{
	StringInfoData text; /* the part that all share, then the present one */
	int			   arn_length;
	int			   prefix_length;
	int64		   shard_no;
	TimestampTz	   issued;
	uint8		   key[SIPHASH_KEY_LENGTH];
	bool		   has_key;
} IteratorWriter;

/*
 * Begins to write iterators of a shard.  What the writer allocates is palloc'd
 * in the current memory context.
 */
extern void iterator_writer_init(IteratorWriter *writer, const StreamInfo *stream,
								 const ShardInfo *shard);

/*
 * Writes an iterator; it is issued when the first one is.  The text lies in
 * the writer and is good until the next one is written.
 */
extern const char *iterator_writer_write(IteratorWriter *writer, IteratorKind kind,
										 int64 position);

/*
 * Reads an iterator, palloc'd.  It is an error if it was not written here, is
 * altered or too old, if the snapshot does not show its stream and shard, or
 * if the current user may not read them.
 */
extern ShardIterator *iterator_parse(const char *text, Snapshot snapshot);

#endif /* DDBSTREAMS_ITERATOR_H */
