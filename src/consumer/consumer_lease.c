/*
 * consumer_lease.c
 *	  Which leases a worker may have, and how they change hands.
 *
 * A worker may have leases that are eligible (consumer_view_is_eligible).  Its
 * fair share is their number divided by that of the live workers, rounded up.
 * A worker that has less takes free leases.  If there are none, it takes over
 * one lease from the worker that has most, as the Kinesis Client Library does.
 *
 * A lease cannot be taken over while a transaction that has polled it is open:
 * the row is locked.  A worker whose transactions follow each other closely
 * might keep too many leases for ever; so a worker that has two more than
 * another gives up one of them when it polls.
 *
 * Leases are changed in memory, by functions that mark them as changed, and
 * written at the end of a poll.  A function plans by the view, which may be
 * outdated, and then locks the rows that it wants; what it has locked, it
 * decides about.
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"

#include "consumer/consumer_catalog.h"
#include "consumer/consumer_empty.h"
#include "consumer/consumer_lease.h"
#include "registry/shard_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

/* How many leases a worker has */
typedef struct WorkerLoad
{
	const char *worker_id;
	int			count;
} WorkerLoad;

/* Returns a worker's entry, a new one if it has none. */
static WorkerLoad *
find_load(WorkerLoad *loads, int *count, const char *worker_id)
{
	for (int i = 0; i < *count; i++)
	{
		if (strcmp(loads[i].worker_id, worker_id) == 0)
			return &loads[i];
	}
	loads[*count].worker_id = worker_id;
	loads[*count].count = 0;
	return &loads[(*count)++];
}

/*
 * A worker lives if it has a lease that has not expired, or if its
 * registration has not.
 */
void
consumer_lease_balance(const ConsumerView *view, LeaseBalance *balance)
{
	WorkerLoad *loads = palloc((view->count + list_length(view->workers) + 1) *
							   sizeof(WorkerLoad));
	int			load_count = 0;
	int			eligible = 0;
	ListCell   *lc;

	memset(balance, 0, sizeof(LeaseBalance));
	foreach (lc, view->workers)
	{
		const ConsumerWorker *worker = lfirst(lc);

		if (worker->expires_at >= view->now &&
			strcmp(worker->worker_id, view->worker_id) != 0)
			(void) find_load(loads, &load_count, worker->worker_id);
	}
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (!consumer_view_is_eligible(shard))
			continue;
		eligible++;
		if (consumer_view_is_own(view, shard))
			balance->mine++;
		else if (!consumer_view_is_free(view, shard))
			find_load(loads, &load_count, shard->lease->owner)->count++;
	}
	balance->others = load_count;
	balance->share = (eligible + load_count) / (load_count + 1);
	for (int i = 0; i < load_count; i++)
	{
		if (balance->most_loaded == NULL || loads[i].count > balance->most)
		{
			balance->most_loaded = loads[i].worker_id;
			balance->most = loads[i].count;
		}
		if (i == 0 || loads[i].count < balance->least)
			balance->least = loads[i].count;
	}
	pfree(loads);
}

/* Each move makes the difference smaller, so that leases come to rest. */
bool
consumer_lease_may_take_over(const LeaseBalance *balance)
{
	return balance->mine < balance->share && balance->most >= balance->mine + 2;
}

bool
consumer_lease_may_give_up(const LeaseBalance *balance)
{
	return balance->others > 0 && balance->mine >= balance->least + 2;
}

void
consumer_lease_init(ConsumerLease *lease, const ShardInfo *info)
{
	memset(lease, 0, sizeof(ConsumerLease));
	lease->shard_no = info->shard_no;
	lease->kind = CHECKPOINT_TRIM_HORIZON;
	lease->checkpoint = info->starting_number - 1;
	lease->returned = lease->checkpoint;
}

void
consumer_lease_create_missing(ConsumerView *view)
{
	bool may = false;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];
		ConsumerLease *lease;

		if (shard->lease != NULL)
			continue;
		may = may || consumer_catalog_may_create_leases(view->consumer->consumer_no);
		if (!may)
			return;
		lease = palloc(sizeof(ConsumerLease));
		consumer_lease_init(lease, shard->info);
		/*
		 * A lease that another session has just created waits for the next
		 * poll.
		 */
		if (consumer_catalog_insert_lease(view->consumer->consumer_no, lease))
			shard->lease = lease;
	}
}

void
consumer_lease_lock_own(ConsumerView *view)
{
	int64	 *shard_nos = palloc(Max(view->count, 1) * sizeof(int64));
	int		  count = 0;
	ListCell *lc;

	for (int i = 0; i < view->count; i++)
	{
		if (consumer_view_is_eligible(&view->shards[i]))
			shard_nos[count++] = view->shards[i].info->shard_no;
	}
	foreach (lc, consumer_catalog_lock_own_leases(view->consumer->consumer_no, view->worker_id,
												  shard_nos, count))
	{
		ConsumerLease *lease = lfirst(lc);
		ConsumerShard *shard = consumer_view_shard_by_no(view, lease->shard_no);

		if (shard != NULL)
		{
			shard->lease = lease;
			shard->locked = true;
		}
	}
}

/*
 * A lease that was given up not long ago is for the workers that have fewest:
 * else the one that gave it up would take it again.
 */
bool
consumer_lease_may_take(const ConsumerView *view, const LeaseBalance *balance,
						const ConsumerShard *shard)
{
	if (balance->mine >= balance->share || !consumer_view_is_eligible(shard) ||
		!consumer_view_is_free(view, shard) || consumer_view_is_own(view, shard))
		return false;
	return shard->lease->owner != NULL || shard->lease->expires_at < view->now ||
		   balance->others == 0 || balance->mine <= balance->least;
}

/* Makes the worker the owner of a lease whose row is locked. */
static void
adopt(ConsumerView *view, ConsumerLease *lease)
{
	ConsumerShard *shard = consumer_view_shard_by_no(view, lease->shard_no);

	if (lease->owner != NULL && strcmp(lease->owner, view->worker_id) != 0)
		lease->owner_switches++;
	lease->owner = pstrdup(view->worker_id);
	lease->returned = lease->checkpoint;
	lease->expires_at = 0; /* consumer_lease_renew sets it */
	shard->lease = lease;
	shard->locked = true;
	shard->changed = true;
}

int
consumer_lease_take_free(ConsumerView *view)
{
	LeaseBalance balance;
	int64		*shard_nos = palloc(Max(view->count, 1) * sizeof(int64));
	int			 count = 0;
	List		*leases;
	ListCell	*lc;

	consumer_lease_balance(view, &balance);
	for (int i = 0; i < view->count; i++)
	{
		if (consumer_lease_may_take(view, &balance, &view->shards[i]))
			shard_nos[count++] = view->shards[i].info->shard_no;
	}
	if (count == 0)
		return 0;
	leases = consumer_catalog_lock_free_leases(view->consumer->consumer_no,
											   shard_nos, count, view->now,
											   balance.share - balance.mine);
	foreach (lc, leases)
		adopt(view, lfirst(lc));
	return list_length(leases);
}

bool
consumer_lease_take_over(ConsumerView *view)
{
	LeaseBalance balance;
	int64		*shard_nos = palloc(Max(view->count, 1) * sizeof(int64));
	int			 count = 0;
	List		*leases;

	consumer_lease_balance(view, &balance);
	if (!consumer_lease_may_take_over(&balance))
		return false;
	for (int i = 0; i < view->count; i++)
	{
		if (consumer_view_is_eligible(&view->shards[i]))
			shard_nos[count++] = view->shards[i].info->shard_no;
	}
	leases = consumer_catalog_lock_lease_of_worker(view->consumer->consumer_no,
												   shard_nos, count, balance.most_loaded);
	if (leases == NIL)
		return false;
	adopt(view, linitial(leases));
	return true;
}

/* Has the owner checkpointed all that poll has returned to it? */
static bool
is_idle(const ConsumerLease *lease)
{
	return lease->returned <= lease->checkpoint;
}

bool
consumer_lease_give_up(ConsumerView *view)
{
	LeaseBalance balance;

	consumer_lease_balance(view, &balance);
	if (!consumer_lease_may_give_up(&balance))
		return false;
	for (int i = view->count - 1; i >= 0; i--)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked && consumer_view_is_eligible(shard) &&
			is_idle(shard->lease))
		{
			shard->lease->owner = NULL;
			shard->lease->expires_at = view->now + view->consumer->lease_usec / 3;
			shard->lease->counter++;
			shard->locked = false;
			shard->changed = true;
			return true;
		}
	}
	return false;
}

bool
consumer_lease_move_to_horizon(const ConsumerView *view, ConsumerShard *shard)
{
	ConsumerLease *lease = shard->lease;
	ShardReader	  *reader;
	ShardRecord	   record;
	int64		   lost = 0;

	shard->horizon = horizon_of_shard_by_age(view->stream, shard->info);
	if (lease->checkpoint >= shard->horizon - 1)
		return false;
	shard->horizon = horizon_of_shard(view->stream, shard->info, view->snapshot);
	reader = shard_reader_open(shard->info, view->snapshot, lease->checkpoint);
	while (shard_reader_next(reader, &record) && record.number < shard->horizon)
	{
		lease->checkpoint = record.number;
		lost++;
	}
	shard_reader_close(reader);
	if (lost == 0)
		return false;

	lease->kind = CHECKPOINT_TRIM_HORIZON;
	lease->returned = Max(lease->returned, lease->checkpoint);
	lease->lost_records += lost;
	lease->last_error = psprintf("%lld record%s lost to the stream's retention",
								 (long long) lost, lost == 1 ? " was" : "s were");
	lease->last_error_at = view->now;
	shard->changed = true;
	return true;
}

int
consumer_lease_settle(ConsumerView *view)
{
	int finished = 0;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];
		Relation	   rel;

		if (!shard->locked || !consumer_view_is_eligible(shard) ||
			consumer_empty_is_known(view, shard))
			continue;
		rel = consumer_view_open_table(shard);
		if (rel == NULL)
		{
			shard->gone = true;
			shard->locked = false;
			shard->changed = false;
			finished++;
			continue;
		}
		(void) consumer_lease_move_to_horizon(view, shard);
		if (consumer_view_is_at_end(view, shard))
		{
			shard->lease->kind = CHECKPOINT_SHARD_END;
			shard->lease->checkpoint = Max(shard->lease->checkpoint,
										   shard->info->ending_number);
			shard->changed = true;
			finished++;
		}
		/* The lock is kept until the transaction ends, as the lease's is. */
		relation_close(rel, NoLock);
	}
	return finished;
}

void
consumer_lease_renew(ConsumerView *view)
{
	int64 usec = view->consumer->lease_usec;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked &&
			(shard->changed ||
			 consumer_view_time_of_third(view, shard->lease->expires_at, 1) < view->now))
		{
			shard->lease->expires_at = view->now + usec;
			shard->lease->counter++;
			shard->lease->worker_pid = MyProcPid;
			shard->changed = true;
		}
	}
}

void
consumer_lease_write(ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		if (view->shards[i].changed)
			consumer_catalog_update_lease(view->consumer->consumer_no, view->shards[i].lease);
		view->shards[i].changed = false;
	}
}
