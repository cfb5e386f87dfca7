/*
 * consumer_idle.c
 *	  Workers of which a session knows that a poll has nothing to do for them.
 *
 * To find out that there is nothing to do, a poll reads the rows of all shards
 * and leases, of which there may be a thousand, and looks into the shards.
 * The session remembers that it has done so and found nothing.  There can be
 * something only
 *
 * - when a transaction has ended that appended to one of the worker's shards,
 *   that changed leases of the consumer, or opened, closed or dropped a shard
 *   of the stream: each of them counts a slot up (shard_wake.c); or
 * - at a time that the view tells: when a lease or the registration of this
 *   worker is to be renewed, or that of another one expires.
 *
 * The counts are read before the leases and shards (consumer_view_begin), so
 * that a change which comes in between is looked for once too often, and not
 * missed.  What a transaction reads that has written something may be undone,
 * so nothing is noted then; and nothing holds for longer than a minute, which
 * may follow on the minute of what consumer_empty.c knows.
 *
 * Whether the user may poll is none of this: it is looked up by each poll.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_empty.h"
#include "consumer/consumer_idle.h"
#include "registry/catalog_table.h"
#include "shard/shard_wake.h"
#include "shard/shard_watch.h"

#define HOLDS_USEC (60 * USECS_PER_SEC)

/* A session serves few workers. */
#define MAX_WORKERS 16

typedef struct IdleWorker
{
	Oid			   catalog; /* another one after DROP EXTENSION */
	int64		   consumer_no;
	char		  *worker_id; /* NULL: the place is free */
	TimestampTz	   from;	  /* by clock_now() */
	TimestampTz	   until;
	ShardWatchBits slots; /* that tell of changes */
	uint64		   ends;  /* the sum of their counts: it only rises */
} IdleWorker;

static IdleWorker workers[MAX_WORKERS];
static int		  next_place = 0;

static uint64
sum_ends(const ShardWatchBits *slots, const uint64 *ends)
{
	uint64 sum = 0;

	for (int slot = 0; slot < SHARD_SLOTS; slot++)
	{
		if ((slots->words[slot / 64] >> (slot % 64)) & 1)
			sum += ends[slot];
	}
	return sum;
}

static IdleWorker *
find_worker(const ConsumerInfo *consumer, const char *worker_id)
{
	for (int i = 0; i < MAX_WORKERS; i++)
	{
		if (workers[i].worker_id != NULL &&
			workers[i].consumer_no == consumer->consumer_no &&
			strcmp(workers[i].worker_id, worker_id) == 0)
			return &workers[i];
	}
	return NULL;
}

bool
consumer_idle_is_known(const ConsumerView *view)
{
	const IdleWorker *worker = find_worker(view->consumer, view->worker_id);
	TimestampTz		  now = clock_now();

	if (worker == NULL || now < worker->from || now >= worker->until ||
		TransactionIdIsValid(GetTopTransactionIdIfAny()) ||
		worker->catalog != catalog_table_oid(CATALOG_STREAM, false))
		return false;
	return sum_ends(&worker->slots, view->ends) == worker->ends;
}

TimestampTz
consumer_idle_registration_due(const ConsumerView *view)
{
	ListCell *lc;

	foreach (lc, view->workers)
	{
		const ConsumerWorker *worker = lfirst(lc);

		if (strcmp(worker->worker_id, view->worker_id) == 0)
			return consumer_view_time_of_third(view, worker->expires_at, 1);
	}
	return PG_INT64_MIN;
}

/*
 * Returns when a poll may have something to do, whatever transactions do until
 * then; marks the slots of the worker's shards.  Returns view->now if the
 * worker cannot be called idle.
 */
static TimestampTz
idle_until(const ConsumerView *view, ShardWatchBits *slots)
{
	TimestampTz until = view->now + HOLDS_USEC;
	ListCell   *lc;

	until = Min(until, consumer_idle_registration_due(view));
	foreach (lc, view->workers)
	{
		const ConsumerWorker *worker = lfirst(lc);

		/* Leases that were its own are to be shared anew. */
		if (worker->expires_at >= view->now)
			until = Min(until, worker->expires_at + 1);
	}
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (shard->lease == NULL)
			return view->now;
		if (!consumer_view_is_eligible(shard))
			continue;
		if (consumer_view_is_own(view, shard))
		{
			if (!consumer_empty_is_known(view, shard))
				return view->now;
			until = Min(until, consumer_view_time_of_third(view, shard->lease->expires_at, 1));
			shard_watch_mark(slots, shard->info->shard_table);
		}
		else if (shard->lease->expires_at >= view->now)
			until = Min(until, shard->lease->expires_at + 1);
	}
	return until;
}

void
consumer_idle_note(const ConsumerView *view)
{
	IdleWorker	  *worker;
	ShardWatchBits slots = {0};
	TimestampTz	   until;

	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	until = idle_until(view, &slots);
	if (until <= view->now)
		return;
	shard_watch_mark(&slots, consumer_catalog_watch_key(view->consumer->consumer_no).shard_table);
	shard_watch_mark(&slots, shard_watch_number_key(view->stream->stream_id).shard_table);

	worker = find_worker(view->consumer, view->worker_id);
	if (worker == NULL)
	{
		char *worker_id = MemoryContextStrdup(TopMemoryContext, view->worker_id);

		worker = &workers[next_place];
		next_place = (next_place + 1) % MAX_WORKERS;
		if (worker->worker_id != NULL)
			pfree(worker->worker_id);
		worker->worker_id = worker_id;
	}
	worker->catalog = catalog_table_oid(CATALOG_STREAM, false);
	worker->consumer_no = view->consumer->consumer_no;
	worker->from = view->now;
	worker->until = until;
	worker->slots = slots;
	worker->ends = sum_ends(&slots, view->ends);
}
