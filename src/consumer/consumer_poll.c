/*
 * consumer_poll.c
 *	  poll(): renews or takes a worker's leases and returns their records.
 *
 * A poll goes through these steps:
 *
 * 1. It waits, up to max_wait, until there is something to do for its worker:
 *    a record, a shard that has ended, a lease to take, give up or renew.
 *    While it waits it holds no lock.  If there is nothing to do in the end,
 *    it returns without having locked or written anything.  If it must not
 *    wait, and the session knows that there is nothing (consumer_idle.c), it
 *    does not even look.
 * 2. It locks the worker's leases, and takes some or gives one up
 *    (consumer_lease.c).
 * 3. It reads the records behind the checkpoints of the leases.
 * 4. It writes the leases.  Their rows stay locked until the transaction ends;
 *    that keeps other workers from taking them over.
 *
 * If it has found nothing after all, it begins again, and keeps what it has
 * locked.
 *
 * A shard is closed for a poll if the view's snapshot shows it as closed.  The
 * snapshot is taken before the poll looks at the length of the shard's heap;
 * so no record can come behind what a poll takes for the end of a shard.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/sleep_snapshot.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_empty.h"
#include "consumer/consumer_idle.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_sql.h"
#include "reading/record_row.h"
#include "reading/stream_access.h"
#include "shard/shard_watch.h"

PG_FUNCTION_INFO_V1(ddbstreams_poll);

#define MAX_RECORDS 10000
#define MAX_WAIT	USECS_PER_DAY

/* How long a poll waits before it tries again to get leases (microseconds) */
#define RETRY_INTERVAL (USECS_PER_SEC / 10)

/* One call of poll() */
typedef struct ConsumerPoll
{
	const char	  *consumer_name;
	const char	  *worker_id;
	int			   max_records;
	TimestampTz	   until; /* by the server's clock */
	ReturnSetInfo *rsinfo;
	int			   returned;	 /* rows so far */
	bool		   has_begun;	 /* view has begun, and is not loaded */
	bool		   has_locked;	 /* step 2 was done at least once */
	bool		   is_contended; /* another session of the worker has locks */
	bool		   has_taken_over;
	bool		   hands_over; /* returns now, so that others see its work */
	TimestampTz	   retry_at;   /* when to try again to get leases */
	ShardWatchKey *watched;	   /* the keys given to shard_watch_set */
	int			   watch_count;
	ConsumerView   view;	/* of this round */
	MemoryContext  context; /* of one round of the steps */
} ConsumerPoll;

/* One shard's part of a poll */
typedef struct ShardTurn
{
	ConsumerShard *shard;
	int64		   position;
	int			   count;
	bool		   more; /* it was cut short by max_records */
} ShardTurn;

static int
compare_turns(const void *a, const void *b)
{
	const ConsumerShard *x = ((const ShardTurn *) a)->shard;
	const ConsumerShard *y = ((const ShardTurn *) b)->shard;

	if (x->lease->returned_at != y->lease->returned_at)
		return x->lease->returned_at < y->lease->returned_at ? -1 : 1;
	return strcmp(x->info->shard_id, y->info->shard_id);
}

/* Returns records of one shard to the caller, at most max_records. */
static void
read_shard(ConsumerPoll *poll, ConsumerView *view, ShardTurn *turn, int max_records)
{
	ConsumerShard *shard = turn->shard;
	RecordPage	   page;
	RecordRow	   row;

	record_page_begin_at(&page, view->stream, shard->info, turn->position,
						 shard->horizon, max_records, view->snapshot);
	record_row_begin(&row, &page, shard->info->shard_id);
	while (record_page_next(&page))
	{
		record_row_put(&row, poll->rsinfo->setResult);
		turn->position = page.record.number;
	}
	turn->count += page.count;
	turn->more = page.count == max_records;
	if (turn->count == 0)
		consumer_empty_note(view, shard);
	poll->returned += page.count;
	record_page_end(&page);
}

/*
 * Reads the shards whose leases are locked.  The shard that has returned no
 * records for longest comes first.  Each shard has an equal part of
 * max_records; other shards may use what it leaves of it.
 */
static void
read_shards(ConsumerPoll *poll, ConsumerView *view)
{
	ShardTurn *turns = palloc0(Max(view->count, 1) * sizeof(ShardTurn));
	int		   count = 0;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked && consumer_view_is_eligible(shard) &&
			!consumer_empty_is_known(view, shard))
		{
			turns[count].shard = shard;
			turns[count++].position = shard->lease->checkpoint;
		}
	}
	qsort(turns, count, sizeof(ShardTurn), compare_turns);

	for (int i = 0; i < count && poll->returned < poll->max_records; i++)
	{
		int left = poll->max_records - poll->returned;

		read_shard(poll, view, &turns[i], (left + count - i - 1) / (count - i));
	}
	for (int i = 0; i < count && poll->returned < poll->max_records; i++)
	{
		if (turns[i].more)
			read_shard(poll, view, &turns[i], poll->max_records - poll->returned);
	}

	for (int i = 0; i < count; i++)
	{
		ConsumerShard *shard = turns[i].shard;

		if (turns[i].count == 0)
			continue;
		shard->lease->returned = Max(shard->lease->returned, turns[i].position);
		shard->lease->returned_at = view->now;
		shard->lease->attempts++;
		shard->changed = true;
	}
}

static void
warn_of_loss(const ConsumerView *view, const char *shard_id, int64 lost)
{
	ereport(WARNING,
			(errcode(ERRCODE_TRIMMED_DATA_ACCESS),
			 errmsg_plural("consumer \"%s\" has lost %lld record",
						   "consumer \"%s\" has lost %lld records", lost,
						   view->consumer->consumer_name, (long long) lost),
			 shard_id ? errdetail("Records of shard %s had passed the stream's retention before they were checkpointed.",
								  shard_id) :
						errdetail("Records had passed the stream's retention before they were checkpointed."),
			 errhint("Checkpoint in time, or keep records longer with ddbstreams.alter_stream.")));
}

/*
 * Warns the client, once, of the records that its leases have lost, and of
 * those that were lost in shards that are gone.
 */
static void
warn_of_losses(ConsumerView *view)
{
	int64 lost;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];

		if (!shard->locked)
			continue;
		lost = shard->lease->lost_records - shard->lease->lost_told;
		if (lost == 0)
			continue;
		warn_of_loss(view, shard->info->shard_id, lost);
		shard->lease->lost_told = shard->lease->lost_records;
		shard->changed = true;
	}
	if (view->consumer->untold_records > 0)
	{
		lost = consumer_catalog_take_untold(view->consumer->consumer_no);
		if (lost > 0)
			warn_of_loss(view, NULL, lost);
	}
}

/* Is it time to note that this worker lives? */
static bool
registration_is_due(const ConsumerView *view)
{
	return consumer_idle_registration_due(view) < view->now;
}

/* Are there losses of which the client has not been warned? */
static bool
has_untold_losses(const ConsumerView *view)
{
	if (view->consumer->untold_records > 0)
		return true;
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (consumer_view_is_own(view, shard) && consumer_view_is_eligible(shard) &&
			shard->lease->lost_records > shard->lease->lost_told)
			return true;
	}
	return false;
}

/* Has another session of the same worker locked a lease of it? */
static bool
has_contended_lease(const ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (consumer_view_is_own(view, shard) && consumer_view_is_eligible(shard) &&
			!shard->locked)
			return true;
	}
	return false;
}

/* Steps 2 to 4 of the opening comment, with the view that step 1 has loaded */
static void
lock_and_read(ConsumerPoll *poll)
{
	ConsumerView *view = &poll->view;
	LeaseBalance  balance;
	bool		  is_new = false;
	int			  taken = 0;
	int			  taken_now;
	int			  finished;
	int			  finished_now;

	consumer_lease_create_missing(view);
	if (registration_is_due(view))
		is_new = consumer_catalog_register_worker(view->consumer->consumer_no, poll->worker_id,
												  view->now, view->now + view->consumer->lease_usec);
	consumer_lease_lock_own(view);
	finished = 0;
	do
	{
		taken_now = consumer_lease_take_free(view);
		finished_now = consumer_lease_settle(view);
		if (finished_now > 0)
			consumer_view_go_on(view);
		taken += taken_now;
		finished += finished_now;
	} while (finished_now > 0);

	if (taken == 0 && !poll->has_taken_over && consumer_lease_take_over(view))
	{
		poll->has_taken_over = true;
		taken++;
		finished += consumer_lease_settle(view);
	}
	else if (taken == 0 && consumer_lease_give_up(view))
		poll->hands_over = true;
	consumer_lease_balance(view, &balance);
	/* Others do not see a new worker before this transaction ends. */
	if (is_new && balance.others > 0 && balance.most >= balance.mine + 2)
		poll->hands_over = true;

	read_shards(poll, view);
	warn_of_losses(view);
	consumer_lease_renew(view);
	consumer_lease_write(view);
	if (is_new || taken > 0 || finished > 0 || poll->hands_over)
		consumer_catalog_wake_workers(view->consumer->consumer_no);
	if (taken == 0 && finished == 0)
		poll->retry_at = GetCurrentTimestamp() + RETRY_INTERVAL;
	poll->has_locked = true;
	poll->is_contended = has_contended_lease(view);
	consumer_view_end(view);
}

/*
 * Watches the shards of the worker's own leases, and changes of leases.
 * Returns false if they were not being watched before: then the view is older
 * than the watching, and something may have happened in between.
 */
static bool
watch_leases(ConsumerPoll *poll, const ConsumerView *view)
{
	ShardWatchKey *watched = palloc0((view->count + 1) * sizeof(ShardWatchKey));
	ShardWatchKey  key = consumer_catalog_watch_key(view->consumer->consumer_no);
	int			   count = 0;

	watched[count].stream_id = key.stream_id;
	watched[count++].shard_table = key.shard_table;
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (consumer_view_is_own(view, shard) && consumer_view_is_eligible(shard))
		{
			watched[count].stream_id = shard->info->stream_id;
			watched[count++].shard_table = shard->info->shard_table;
		}
	}
	if (count == poll->watch_count &&
		memcmp(watched, poll->watched, count * sizeof(ShardWatchKey)) == 0)
		return true;
	shard_watch_set(watched, count);
	if (poll->watched != NULL)
		pfree(poll->watched);
	poll->watched = MemoryContextAlloc(GetMemoryChunkContext(poll),
									   count * sizeof(ShardWatchKey));
	memcpy(poll->watched, watched, count * sizeof(ShardWatchKey));
	poll->watch_count = count;
	return false;
}

/*
 * Is there something to do for the worker?  If not, *next_look (by the
 * server's clock) is brought forward to when there may be.  If this is the
 * last look of the poll, leases are renewed that are a third through; while it
 * waits, those that are two thirds through.
 */
static bool
has_work(const ConsumerPoll *poll, const ConsumerView *view, bool is_last,
		 TimestampTz *next_look)
{
	TimestampTz	 now = GetCurrentTimestamp();
	bool		 may_try = is_last || now >= poll->retry_at;
	bool		 wants = false;
	LeaseBalance balance;

	if (!poll->has_locked && (registration_is_due(view) || has_untold_losses(view)))
		return true;
	consumer_lease_balance(view, &balance);
	if ((consumer_lease_may_take_over(&balance) && !poll->has_taken_over) ||
		consumer_lease_may_give_up(&balance))
		wants = true;
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (shard->lease == NULL)
			wants = true;
		if (!consumer_view_is_eligible(shard))
			continue;
		if (consumer_view_is_own(view, shard))
		{
			TimestampTz renewal = consumer_view_time_of_third(view, shard->lease->expires_at,
															  is_last ? 1 : 2);

			if (!poll->has_locked && renewal <= view->now)
				return true;
			if (poll->is_contended)
				wants = true;
			else if (!consumer_empty_is_known(view, shard))
			{
				if (consumer_view_has_work(view, shard))
					return true;
				consumer_empty_note(view, shard);
			}
			if (!poll->has_locked)
				*next_look = Min(*next_look, clock_server_time(renewal));
		}
		else if (consumer_lease_may_take(view, &balance, shard))
			wants = true;
		else if (balance.mine < balance.share)
		{
			TimestampTz expiry = shard->lease->expires_at;

			if (expiry > view->now)
				*next_look = Min(*next_look, clock_server_time(expiry) + 1);
		}
	}
	if (wants && !may_try)
		*next_look = Min(*next_look, poll->retry_at);
	return wants && may_try;
}

/* Begins the view of a round. */
static void
begin_view(ConsumerPoll *poll)
{
	MemoryContextReset(poll->context);
	consumer_view_begin(&poll->view, poll->consumer_name, poll->worker_id);
	poll->has_begun = true;
}

/*
 * Step 1 of the opening comment.  Returns whether there is something to do;
 * then poll->view is loaded.
 */
static bool
wait_for_work(ConsumerPoll *poll)
{
	for (;;)
	{
		TimestampTz	  now = GetCurrentTimestamp();
		TimestampTz	  next_look = poll->until;
		bool		  is_last = now >= poll->until;
		ConsumerView *view = &poll->view;
		bool		  is_watched;

		if (!is_last)
			(void) shard_watch_take(NULL);
		if (!poll->has_begun)
			begin_view(poll);
		poll->has_begun = false;
		consumer_view_load(view);
		is_watched = is_last || watch_leases(poll, view);
		if (is_watched && has_work(poll, view, is_last, &next_look))
			return true;
		if (is_last)
			consumer_idle_note(view);
		consumer_view_end(view);
		if (is_last)
			return false;
		if (is_watched)
		{
			ReleasedSnapshot released;

			sleep_snapshot_release(&released);
			(void) shard_watch_wait(TimestampDifferenceMilliseconds(now, next_look) + 1,
									WAIT_FOR_POLL);
			sleep_snapshot_restore(&released);
		}
	}
}

/* Goes through the steps of the opening comment until the poll can return. */
static void
poll_until(ConsumerPoll *poll)
{
	while (wait_for_work(poll))
	{
		lock_and_read(poll);
		if (poll->returned > 0 || poll->hands_over ||
			GetCurrentTimestamp() >= poll->until)
			return;
	}
}

/*
 * Does the session know that there is nothing to do?  An error is raised if
 * the poll would raise one.
 */
static bool
is_known_idle(ConsumerPoll *poll)
{
	Snapshot snapshot;

	begin_view(poll);
	if (!consumer_idle_is_known(&poll->view))
		return false;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	stream_access_check(consumer_view_find_stream(poll->view.consumer, snapshot));
	UnregisterSnapshot(snapshot);
	return true;
}

static void
check_poll_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		error_null_argument("consumer_name");
	if (PG_ARGISNULL(1))
		error_null_argument("worker_id");
	if (PG_ARGISNULL(2))
		error_null_argument("max_records");
	if (PG_ARGISNULL(3))
		error_null_argument("max_wait");
	PreventCommandIfReadOnly("poll()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot poll in a transaction of this isolation level"),
				 errdetail("Its snapshot would not show what other workers have checkpointed."),
				 errhint("Use READ COMMITTED.")));
}

/*
 * poll(consumer_name text, worker_id text, max_records int, max_wait interval)
 * returns setof record
 */
Datum
ddbstreams_poll(PG_FUNCTION_ARGS)
{
	ConsumerPoll *poll = palloc0(sizeof(ConsumerPoll));
	int64		  wait;
	MemoryContext oldcontext;

	check_poll_arguments(fcinfo);
	poll->consumer_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	poll->worker_id = consumer_sql_worker_argument(PG_GETARG_TEXT_PP(1));
	poll->max_records = PG_GETARG_INT32(2);
	if (poll->max_records < 1 || poll->max_records > MAX_RECORDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_records must be between 1 and %d", MAX_RECORDS)));
	wait = clock_interval_usec(PG_GETARG_INTERVAL_P(3));
	if (wait < 0 || wait > MAX_WAIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_wait must be between 0 and 1 day")));
	poll->until = GetCurrentTimestamp() + wait;

	InitMaterializedSRF(fcinfo, 0);
	poll->rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	poll->context = AllocSetContextCreate(CurrentMemoryContext, "ddbstreams poll",
										  ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(poll->context);
	PG_TRY();
	{
		if (wait > 0 || !is_known_idle(poll))
			poll_until(poll);
	}
	PG_FINALLY();
	{
		shard_watch_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	return (Datum) 0;
}
