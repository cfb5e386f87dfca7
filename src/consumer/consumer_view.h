/*
 * consumer_view.h
 *	  What a consumer's shards and leases look like at one moment.
 */
#ifndef DDBSTREAMS_CONSUMER_VIEW_H
#define DDBSTREAMS_CONSUMER_VIEW_H

#include "base/ddbstreams.h"

#include "consumer/consumer.h"
#include "utils/rel.h"

/* Returns the stream of a consumer; an error if it is gone. */
extern StreamInfo *consumer_view_find_stream(const ConsumerInfo *consumer,
											 Snapshot			 snapshot);

/*
 * Begins the view of a worker: the counts of ended transactions, and the
 * consumer.  Raises an error if the current user may not use it.
 */
extern void consumer_view_begin(ConsumerView *view, const char *consumer_name,
								const char *worker_id);

/*
 * Loads what else a worker has to know: stream, shards, leases, workers.  Of
 * the shards it has those that are not finished and whose parents are, and
 * those that lack a lease.  Raises an error if the current user may not read
 * the stream.  All of it is palloc'd in CurrentMemoryContext;
 * consumer_view_end releases the snapshot.
 */
extern void consumer_view_load(ConsumerView *view);

/*
 * Adds the shards to a worker's view whose parents are finished by now.  The
 * view's shards move to another place.
 */
extern void consumer_view_go_on(ConsumerView *view);

/*
 * Loads the consumer and its stream alone, for no worker; view->stream is NULL
 * if the stream is gone.  No right is checked.  The caller has read the leases
 * before, and fills in the shards with them; consumer_view_end releases the
 * snapshot.
 */
extern void consumer_view_load_consumer(ConsumerView *view, ConsumerInfo *consumer);

extern void consumer_view_end(ConsumerView *view);

/*
 * Fills in all shards of a view whose stream and snapshot are set, with these
 * leases (ConsumerLease *, sorted by shard_no).
 */
extern void consumer_view_fill(ConsumerView *view, List *leases);

/* Returns the shard with this number, or NULL. */
extern ConsumerShard *consumer_view_shard_by_no(const ConsumerView *view, int64 shard_no);

/*
 * May the records of a shard be processed?  It is not finished, and its parent
 * is finished or gone, so that the records of a key stay in order over the
 * lineage.
 */
extern bool consumer_view_is_eligible(const ConsumerShard *shard);

/* Does the worker own the lease, in time or not? */
extern bool consumer_view_is_own(const ConsumerView *view, const ConsumerShard *shard);

/* May another worker take the lease: it has no owner, or has expired? */
extern bool consumer_view_is_free(const ConsumerView *view, const ConsumerShard *shard);

/*
 * Returns when what is valid until expires_at, a lease or the registration of
 * a worker, is that many thirds through.  A poll renews what is one third
 * through, and while it waits what is two thirds through.
 */
extern TimestampTz consumer_view_time_of_third(const ConsumerView *view,
											   TimestampTz expires_at, int third);

/*
 * Opens a shard's table with AccessShareLock, or returns NULL if the table has
 * been dropped.  Expiry takes its lock without waiting, so it leaves the table
 * alone until this lock is released.
 */
extern Relation consumer_view_open_table(const ConsumerShard *shard);

/*
 * Can no record come behind the checkpoint any more?  The caller has opened
 * the shard's table.
 */
extern bool consumer_view_is_at_end(const ConsumerView *view, const ConsumerShard *shard);

/*
 * Is there a record behind the checkpoint, or has the shard ended?  Locks the
 * shard's table for as long as it takes to look.
 */
extern bool consumer_view_has_work(const ConsumerView *view, const ConsumerShard *shard);

#endif /* DDBSTREAMS_CONSUMER_VIEW_H */
