/*
 * consumer_lease.h
 *	  Which leases a worker may have, and how they change hands.
 */
#ifndef DDBSTREAMS_CONSUMER_LEASE_H
#define DDBSTREAMS_CONSUMER_LEASE_H

#include "base/ddbstreams.h"

#include "consumer/consumer_view.h"
#include "registry/shard_catalog.h"

/* How the eligible leases are shared by the live workers */
typedef struct LeaseBalance
{
	int			share;		 /* the fair share: a worker takes no more */
	int			mine;		 /* leases of the view's worker */
	int			others;		 /* live workers besides that one */
	const char *most_loaded; /* the one of them that has most, or NULL */
	int			most;		 /* how many that one has */
	int			least;		 /* how many the one of them has that has fewest */
} LeaseBalance;

/* Counts the leases of each live worker in the view. */
extern void consumer_lease_balance(const ConsumerView *view, LeaseBalance *balance);

/*
 * May the worker take this lease, which is free?  Take over one from the most
 * loaded worker?  Give up one?  Each answer is a plan for the function below
 * that does it.
 */
extern bool consumer_lease_may_take(const ConsumerView *view, const LeaseBalance *balance,
									const ConsumerShard *shard);
extern bool consumer_lease_may_take_over(const LeaseBalance *balance);
extern bool consumer_lease_may_give_up(const LeaseBalance *balance);

/*
 * What a poll does with leases.  Each function works on the leases of the
 * view, locks rows of them until the transaction ends, and writes none of them
 * but new ones: consumer_lease_write does that at the end.
 */

/* Inserts the leases that shards lack, unless another transaction does so. */
extern void consumer_lease_create_missing(ConsumerView *view);

/*
 * Locks the worker's own leases, but those that another transaction has
 * locked.
 */
extern void consumer_lease_lock_own(ConsumerView *view);

/* Takes free leases, up to the fair share; returns how many. */
extern int consumer_lease_take_free(ConsumerView *view);

/* Takes over one lease from the worker that has most, if it has too many. */
extern bool consumer_lease_take_over(ConsumerView *view);

/* Gives up one locked lease that is idle, if another worker has too few. */
extern bool consumer_lease_give_up(ConsumerView *view);

/*
 * Brings the locked leases up to date: moves them to the horizon, and finishes
 * those whose shards have ended.  Returns how many are finished now; children
 * of these shards have become eligible.  The tables of all these shards stay
 * locked until the transaction ends.
 */
extern int consumer_lease_settle(ConsumerView *view);

/* Renews the locked leases that have changed or are a third through. */
extern void consumer_lease_renew(ConsumerView *view);

/* Writes the leases that have changed. */
extern void consumer_lease_write(ConsumerView *view);

/*
 * Fills in the lease of a shard: free, and standing before its first record.
 */
extern void consumer_lease_init(ConsumerLease *lease, const ShardInfo *info);

/*
 * Moves a lease that the horizon has overtaken behind the records that it has
 * lost, and counts them; returns whether there are any.  Sets shard->horizon.
 * The caller has locked the lease's row and opened the shard's table.
 */
extern bool consumer_lease_move_to_horizon(const ConsumerView *view, ConsumerShard *shard);

#endif /* DDBSTREAMS_CONSUMER_LEASE_H */
