/*
 * consumer_lineage.h
 *	  The shards of a consumer's stream, and what is known of its leases
 */
#ifndef DDBSTREAMS_CONSUMER_LINEAGE_H
#define DDBSTREAMS_CONSUMER_LINEAGE_H

#include "base/ddbstreams.h"

#include "consumer/consumer.h"

/* What is known of a shard */
#define LINEAGE_HAS_LEASE (1 << 0) /* the consumer has a lease of it */
#define LINEAGE_FINISHED  (1 << 1) /* the lease is finished: it stays so */
#define LINEAGE_READ	  (1 << 2) /* its lease has been read for the view */
#define LINEAGE_IN_VIEW	  (1 << 3) /* the view has it */

typedef struct LineageShard
{
	int64	   shard_no;
	int		   parent; /* its place among the shards; -1 if there is none */
	ShardInfo *info;   /* NULL if the shard is known as finished */
} LineageShard;

/* The shards of a consumer's stream */
typedef struct ConsumerLineage
{
	Oid			  catalog; /* another one after DROP EXTENSION */
	int64		  consumer_no;
	uint64		  ends; /* of transactions that changed shards, when they were read */
	TimestampTz	  read_at;
	MemoryContext context; /* in which all of this is */
	int			  count;
	LineageShard *shards; /* sorted by their numbers */
	uint8		 *known;
} ConsumerLineage;

/*
 * Gives the view its lineage, and view->known: a copy of what is known, for
 * this view.  The view's consumer, stream, counts and snapshot are set.  The
 * lineage is there until the session opens another one.
 */
extern void consumer_lineage_open(ConsumerView *view);

/*
 * Reads the leases of the shards that concern a poll, unless they have been
 * read for this view: of those that are not finished, the ones whose parent is
 * finished, and those of which it is not known that there is a lease.  Adds
 * them to view->leases.
 */
extern void consumer_lineage_read_leases(ConsumerView *view);

/* Does the shard in this place concern a poll, and is not in the view yet? */
extern bool consumer_lineage_is_new(const ConsumerView *view, int place);

/* Has a shard no parent that is not finished? */
extern bool consumer_lineage_may_begin(const ConsumerView *view, int64 shard_no);

/* Notes for this view that a shard is finished. */
extern void consumer_lineage_finish(ConsumerView *view, int64 shard_no);

/*
 * Has the session keep what is known of the view, which the transaction has
 * not changed.
 */
extern void consumer_lineage_keep(const ConsumerView *view);

#endif /* DDBSTREAMS_CONSUMER_LINEAGE_H */
