/*
 * consumer_lease.h
 *	  Which leases a worker may have, and what they stand at.
 */
#ifndef DDBSTREAMS_CONSUMER_LEASE_H
#define DDBSTREAMS_CONSUMER_LEASE_H

#include "base/ddbstreams.h"

#include "consumer/consumer.h"
#include "registry/stream_catalog.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* A shard of the stream, with the consumer's lease of it */
typedef struct ConsumerShard
{
	ShardInfo			 *info;
	struct ConsumerShard *parent; /* NULL if there is none any more */
	ConsumerLease		 *lease;  /* NULL if there is none yet */
	bool				  locked; /* by this transaction, for the worker */
	bool				  changed;
	bool				  gone;	   /* dropped since the snapshot */
	int64				  horizon; /* records below are out of reach */
} ConsumerShard;

/* A consumer as a worker sees it at one moment */
typedef struct ConsumerView
{
	ConsumerInfo  *consumer;
	const char	  *worker_id;
	StreamInfo	  *stream;
	Snapshot	   snapshot; /* of stream, shards and records */
	TimestampTz	   now;
	int			   count;
	ConsumerShard *shards; /* in the order of their ids */
	List		  *workers;
} ConsumerView;

/* How the unfinished shards that may be read are shared by the live workers */
typedef struct LeaseBalance
{
	int			share; /* what each may have, at most */
	int			mine;
	int			others;		 /* live workers besides this one */
	const char *most_loaded; /* of them, or NULL */
	int			most;
	int			least;
} LeaseBalance;

extern StreamInfo *consumer_stream(const ConsumerInfo *consumer, Snapshot snapshot);
extern void		   consumer_view_load(ConsumerView *view, const char *consumer_name,
									  const char *worker_id);
extern void		   consumer_view_fill(ConsumerView *view, List *leases);
extern void		   consumer_view_end(ConsumerView *view);

extern Relation consumer_shard_lock_table(const ConsumerShard *shard);
extern bool		consumer_shard_is_eligible(const ConsumerShard *shard);
extern bool		consumer_shard_is_own(const ConsumerView *view, const ConsumerShard *shard);
extern bool		consumer_shard_is_free(const ConsumerView *view, const ConsumerShard *shard);
extern bool		consumer_shard_is_idle(const ConsumerShard *shard);
extern bool		consumer_shard_has_work(const ConsumerView *view, const ConsumerShard *shard);
extern void		consumer_balance(const ConsumerView *view, LeaseBalance *balance);
extern bool		consumer_may_take(const ConsumerView *view, const LeaseBalance *balance,
								  const ConsumerShard *shard);
extern bool		consumer_may_steal(const LeaseBalance *balance);
extern bool		consumer_may_give(const LeaseBalance *balance);

/* Each changes leases of the view, and the rows only by locking them. */
extern void consumer_leases_create(ConsumerView *view);
extern void consumer_leases_lock(ConsumerView *view);
extern int	consumer_leases_take(ConsumerView *view);
extern bool consumer_leases_steal(ConsumerView *view);
extern bool consumer_leases_give(ConsumerView *view);
extern int	consumer_leases_settle(ConsumerView *view);
extern void consumer_leases_renew(ConsumerView *view);
extern void consumer_leases_write(ConsumerView *view);

extern void consumer_lease_init(ConsumerLease *lease, const ShardInfo *info);
extern bool consumer_lease_expire(const ConsumerView *view, ConsumerShard *shard);

#endif /* DDBSTREAMS_CONSUMER_LEASE_H */
