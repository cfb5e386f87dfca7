/*
 * consumer_lease.c
 *	  Which leases a worker may have, and what they stand at.
 *
 * A lease can be had when its shard's parent is finished or gone, so that the
 * records of a key stay in order over the lineage.  A worker's fair share is the
 * number of such unfinished leases divided by that of the live workers, rounded
 * up.  A worker that has less takes what is nobody's; if nothing is, it takes
 * one lease over from the worker that has most, as the Kinesis Client Library
 * does.  That cannot be had while a transaction that has polled is open; so a
 * worker that has two more than another gives up one when it polls.
 *
 * Leases are changed in memory, by functions that mark them, and written at the
 * end of a poll.  All that is decided here stands on rows that are locked, or is
 * but a plan: the view itself may be outdated by the time that it is read.
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "reading/stream_access.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

/* Returns the stream of a consumer; an error if it is gone. */
StreamInfo *
consumer_stream(const ConsumerInfo *consumer, Snapshot snapshot)
{
	StreamInfo *stream = stream_catalog_by_id(consumer->stream_id, snapshot);

	if (stream == NULL || horizon_has_passed_stream(stream))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Stream: %s not found",
						consumer->stream_arn),
				 errdetail("It was the stream of consumer \"%s\".", consumer->consumer_name),
				 errhint("Drop the consumer with ddbstreams.drop_consumer.")));
	return stream;
}

static int
compare_shard_ids(const void *a, const void *b)
{
	return strcmp(((const ConsumerShard *) a)->info->shard_id,
				  ((const ConsumerShard *) b)->info->shard_id);
}

static ConsumerShard *
find_by_id(const ConsumerView *view, char *shard_id)
{
	ShardInfo	  info = {.shard_id = shard_id};
	ConsumerShard key = {.info = &info};

	return bsearch(&key, view->shards, view->count, sizeof(ConsumerShard),
				   compare_shard_ids);
}

/* Returns the lease of a shard among those that are sorted by shard_no. */
static ConsumerLease *
find_lease(const List *leases, int64 shard_no)
{
	int low = 0;
	int high = list_length(leases);

	while (low < high)
	{
		int			   middle = low + (high - low) / 2;
		ConsumerLease *lease = list_nth(leases, middle);

		if (lease->shard_no == shard_no)
			return lease;
		if (lease->shard_no < shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Puts shards, as the view's snapshot shows them, and leases together. */
void
consumer_view_fill(ConsumerView *view, List *leases)
{
	List	 *infos = shard_catalog_list(view->stream->stream_id, view->snapshot);
	ListCell *lc;

	view->count = 0;
	view->shards = palloc0(Max(list_length(infos), 1) * sizeof(ConsumerShard));
	foreach (lc, infos)
	{
		ConsumerShard *shard = &view->shards[view->count++];

		shard->info = lfirst(lc);
		shard->lease = find_lease(leases, shard->info->shard_no);
	}
	for (int i = 0; i < view->count; i++)
	{
		char *parent = view->shards[i].info->parent_shard_id;

		view->shards[i].parent = parent ? find_by_id(view, parent) : NULL;
	}
}

/*
 * Loads what a worker has to know: consumer, stream, shards, leases, workers;
 * in CurrentMemoryContext.  Raises an error if the current user may not have
 * it.  The snapshot is taken behind the look at the leases: a lease of a shard
 * that it does not show is one of a shard that is gone.
 */
void
consumer_view_load(ConsumerView *view, const char *consumer_name,
				   const char *worker_id)
{
	List *leases;

	memset(view, 0, sizeof(ConsumerView));
	view->consumer = consumer_catalog_by_name(consumer_name);
	view->worker_id = worker_id;
	view->now = clock_now();
	leases = consumer_catalog_leases(view->consumer->consumer_no);
	view->workers = consumer_catalog_workers(view->consumer->consumer_no);
	view->snapshot = RegisterSnapshot(GetLatestSnapshot());
	view->stream = consumer_stream(view->consumer, view->snapshot);
	stream_access_check(view->stream);
	consumer_view_fill(view, leases);
}

void
consumer_view_end(ConsumerView *view)
{
	UnregisterSnapshot(view->snapshot);
	view->snapshot = NULL;
}

static bool
is_finished(const ConsumerShard *shard)
{
	return shard->gone ||
		   (shard->lease != NULL && shard->lease->kind == CHECKPOINT_SHARD_END);
}

/* May the records of a shard be processed: not finished, but its parent is? */
bool
consumer_shard_is_eligible(const ConsumerShard *shard)
{
	return shard->lease != NULL && !is_finished(shard) &&
		   (shard->parent == NULL || is_finished(shard->parent));
}

bool
consumer_shard_is_own(const ConsumerView *view, const ConsumerShard *shard)
{
	return shard->lease != NULL && shard->lease->owner != NULL &&
		   strcmp(shard->lease->owner, view->worker_id) == 0;
}

/* Is a lease nobody's? */
bool
consumer_shard_is_free(const ConsumerView *view, const ConsumerShard *shard)
{
	return shard->lease != NULL &&
		   (shard->lease->owner == NULL || shard->lease->expires_at < view->now);
}

/* Is nothing of what its owner got from poll still to be checkpointed? */
bool
consumer_shard_is_idle(const ConsumerShard *shard)
{
	return shard->lease->returned <= shard->lease->checkpoint;
}

typedef struct WorkerLoad
{
	const char *worker_id;
	int			count;
} WorkerLoad;

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
 * Finds how many leases each live worker has.  A worker lives that has a lease
 * which has not expired, or that has polled not long ago.
 */
void
consumer_balance(const ConsumerView *view, LeaseBalance *balance)
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

		if (!consumer_shard_is_eligible(shard))
			continue;
		eligible++;
		if (consumer_shard_is_own(view, shard))
			balance->mine++;
		else if (!consumer_shard_is_free(view, shard))
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
consumer_may_steal(const LeaseBalance *balance)
{
	return balance->mine < balance->share && balance->most >= balance->mine + 2;
}

bool
consumer_may_give(const LeaseBalance *balance)
{
	return balance->others > 0 && balance->mine >= balance->least + 2;
}

/*
 * Opens a shard's log, or returns NULL if it was dropped.  What is read of it is
 * then safe from expiry until the lock is released.
 */
Relation
consumer_shard_lock_table(const ConsumerShard *shard)
{
	return try_relation_open(shard->info->shard_table, AccessShareLock);
}

/* Is there nothing to be read behind the checkpoint, ever?  The shard is open. */
static bool
is_at_end(const ConsumerView *view, const ConsumerShard *shard)
{
	const ShardInfo *info = shard->info;
	int64			 checkpoint = shard->lease->checkpoint;
	ShardReader		*reader;
	ShardRecord		 record;
	bool			 at_end;

	if (ShardIsOpen(info))
		return false;
	if (checkpoint >= info->ending_number)
		return true;
	/* One without a record ends where it begins. */
	if (info->ending_number > info->starting_number)
		return false;
	reader = shard_reader_open(info, view->snapshot, checkpoint);
	at_end = !shard_reader_next(reader, &record) && reader->end == READER_AT_HEAP_END;
	shard_reader_close(reader);
	return at_end;
}

/* Is there a record behind a shard's checkpoint, or has the shard ended? */
bool
consumer_shard_has_work(const ConsumerView *view, const ConsumerShard *shard)
{
	Relation	 rel = consumer_shard_lock_table(shard);
	ShardReader *reader;
	ShardRecord	 record;
	bool		 found;

	if (rel == NULL)
		return false;
	reader = shard_reader_open(shard->info, view->snapshot, shard->lease->checkpoint);
	found = shard_reader_next(reader, &record);
	shard_reader_close(reader);
	found = found || is_at_end(view, shard);
	relation_close(rel, AccessShareLock);
	return found;
}

/* Makes the lease of a shard that was found later than its consumer was made. */
void
consumer_lease_init(ConsumerLease *lease, const ShardInfo *info)
{
	memset(lease, 0, sizeof(ConsumerLease));
	lease->shard_no = info->shard_no;
	lease->kind = CHECKPOINT_TRIM_HORIZON;
	lease->checkpoint = info->starting_number - 1;
	lease->returned = lease->checkpoint;
}

/* Creates the leases that are missing, unless another transaction is at it. */
void
consumer_leases_create(ConsumerView *view)
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
		/* What another has created just now is looked at in the next poll. */
		if (consumer_catalog_insert_lease(view->consumer->consumer_no, lease))
			shard->lease = lease;
	}
}

static ConsumerShard *
find_by_no(ConsumerView *view, int64 shard_no)
{
	for (int i = 0; i < view->count; i++)
	{
		if (view->shards[i].info->shard_no == shard_no)
			return &view->shards[i];
	}
	return NULL;
}

/* Locks the worker's own leases; others' locks on them leave them out. */
void
consumer_leases_lock(ConsumerView *view)
{
	ListCell *lc;

	foreach (lc, consumer_catalog_lock_own_leases(view->consumer->consumer_no, view->worker_id))
	{
		ConsumerLease *lease = lfirst(lc);
		ConsumerShard *shard = find_by_no(view, lease->shard_no);

		if (shard != NULL)
		{
			shard->lease = lease;
			shard->locked = true;
		}
	}
}

/*
 * May the worker take this lease, which is nobody's?  One that was given up not
 * long ago is for those who have less, or it would go to and fro.
 */
bool
consumer_may_take(const ConsumerView *view, const LeaseBalance *balance,
				  const ConsumerShard *shard)
{
	if (balance->mine >= balance->share || !consumer_shard_is_eligible(shard) ||
		!consumer_shard_is_free(view, shard) || consumer_shard_is_own(view, shard))
		return false;
	return shard->lease->owner != NULL || shard->lease->expires_at < view->now ||
		   balance->others == 0 || balance->mine <= balance->least;
}

/* Makes the worker the owner of a lease whose row is locked. */
static void
adopt(ConsumerView *view, ConsumerLease *lease)
{
	ConsumerShard *shard = find_by_no(view, lease->shard_no);

	if (lease->owner != NULL && strcmp(lease->owner, view->worker_id) != 0)
		lease->owner_switches++;
	lease->owner = pstrdup(view->worker_id);
	lease->returned = lease->checkpoint;
	lease->expires_at = 0; /* to be renewed */
	shard->lease = lease;
	shard->locked = true;
	shard->changed = true;
}

/* Takes what is nobody's, up to the fair share; returns how many leases. */
int
consumer_leases_take(ConsumerView *view)
{
	LeaseBalance balance;
	int64		*shard_nos = palloc(Max(view->count, 1) * sizeof(int64));
	int			 count = 0;
	List		*leases;
	ListCell	*lc;

	consumer_balance(view, &balance);
	for (int i = 0; i < view->count; i++)
	{
		if (consumer_may_take(view, &balance, &view->shards[i]))
			shard_nos[count++] = view->shards[i].info->shard_no;
	}
	if (count == 0)
		return 0;
	leases = consumer_catalog_lock_free_leases(view->consumer->consumer_no,
											   consumer_catalog_shard_nos(shard_nos, count),
											   view->now, balance.share - balance.mine);
	foreach (lc, leases)
		adopt(view, lfirst(lc));
	return list_length(leases);
}

/* Takes one lease from the worker that has most, if it is too much. */
bool
consumer_leases_steal(ConsumerView *view)
{
	LeaseBalance balance;
	int64		*shard_nos = palloc(Max(view->count, 1) * sizeof(int64));
	int			 count = 0;
	List		*leases;

	consumer_balance(view, &balance);
	if (!consumer_may_steal(&balance))
		return false;
	for (int i = 0; i < view->count; i++)
	{
		if (consumer_shard_is_eligible(&view->shards[i]))
			shard_nos[count++] = view->shards[i].info->shard_no;
	}
	leases = consumer_catalog_lock_lease_of(view->consumer->consumer_no,
											consumer_catalog_shard_nos(shard_nos, count),
											balance.most_loaded);
	if (leases == NIL)
		return false;
	adopt(view, linitial(leases));
	return true;
}

/* Gives up one lease that is in no use, if another worker has too few. */
bool
consumer_leases_give(ConsumerView *view)
{
	LeaseBalance balance;

	consumer_balance(view, &balance);
	if (!consumer_may_give(&balance))
		return false;
	for (int i = view->count - 1; i >= 0; i--)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked && consumer_shard_is_eligible(shard) &&
			consumer_shard_is_idle(shard))
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

/*
 * Moves a lease that the horizon has overtaken behind what it has lost, and
 * counts that.  The shard is open.
 */
bool
consumer_lease_expire(const ConsumerView *view, ConsumerShard *shard)
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

/*
 * Brings the leases that are locked to where they stand now: moved to the
 * horizon, finished if their shard has ended.  Returns how many are finished;
 * others may be eligible by that.
 */
int
consumer_leases_settle(ConsumerView *view)
{
	int finished = 0;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];
		Relation	   rel;

		if (!shard->locked || !consumer_shard_is_eligible(shard))
			continue;
		rel = consumer_shard_lock_table(shard);
		if (rel == NULL)
		{
			shard->gone = true;
			shard->locked = false;
			shard->changed = false;
			finished++;
			continue;
		}
		(void) consumer_lease_expire(view, shard);
		if (is_at_end(view, shard))
		{
			shard->lease->kind = CHECKPOINT_SHARD_END;
			shard->lease->checkpoint = Max(shard->lease->checkpoint,
										   shard->info->ending_number);
			shard->changed = true;
			finished++;
		}
		/* Kept to the transaction's end, as the lease is */
		relation_close(rel, NoLock);
	}
	return finished;
}

/* Renews the leases that are locked: when a third of their time is over. */
void
consumer_leases_renew(ConsumerView *view)
{
	int64 usec = view->consumer->lease_usec;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked &&
			(shard->changed || shard->lease->expires_at < view->now + usec / 3 * 2))
		{
			shard->lease->expires_at = view->now + usec;
			shard->lease->counter++;
			shard->lease->worker_pid = MyProcPid;
			shard->changed = true;
		}
	}
}

/* Writes what has changed. */
void
consumer_leases_write(ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		if (view->shards[i].changed)
			consumer_catalog_update_lease(view->consumer->consumer_no, view->shards[i].lease);
		view->shards[i].changed = false;
	}
}
