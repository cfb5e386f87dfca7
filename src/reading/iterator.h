/*
 * iterator.h
 *	  Shard iterators: a position in a shard, signed, for clients to keep.
 */
#ifndef DDBSTREAMS_ITERATOR_H
#define DDBSTREAMS_ITERATOR_H

#include "base/ddbstreams.h"

#include "common/hmac.h"
#include "lib/stringinfo.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

typedef enum IteratorKind
{
	ITERATOR_AT_HORIZON = 'h', /* wherever the horizon is when it is used */
	ITERATOR_AFTER = 'a'	   /* behind position */
} IteratorKind;

/* An iterator that a client has handed in, found to be good */
typedef struct ShardIterator
{
	StreamInfo	*stream;
	ShardInfo	*shard;
	IteratorKind kind;
	int64		 position; /* of ITERATOR_AFTER */
} ShardIterator;

/* Makes the iterators of one shard, one after another; see iterator_writer_init */
typedef struct IteratorWriter
{
	StringInfoData text; /* the part that all share, then the present one */
	int			   prefix_length;
	int64		   shard_no;
	bytea		  *secret;
	pg_hmac_ctx	  *hmac; /* made once: OpenSSL's look-ups cost more than the hash */
} IteratorWriter;

extern void			  iterator_writer_init(IteratorWriter *writer, const StreamInfo *stream,
										   const ShardInfo *shard);
extern void			  iterator_writer_end(IteratorWriter *writer);
extern const char	 *iterator_writer_write(IteratorWriter *writer, IteratorKind kind,
											int64 position);
extern ShardIterator *iterator_parse(const char *text, Snapshot snapshot);

#endif /* DDBSTREAMS_ITERATOR_H */
