/*
 * consumer_poll.c
 *	  poll: the leases that a worker has, and their records.
 *
 * A poll first waits, up to max_wait, until there is something to do for its
 * worker: records, a shard that has ended, a lease to be taken or to be given
 * up or renewed.  While it waits it holds nothing.  Then it locks the worker's
 * leases, settles who has which, reads, and writes the leases; their rows stay
 * locked until the transaction ends, which is what keeps them from being taken
 * over.  If nothing was found after all, it waits on, with what it has locked.
 *
 * The records are read with a snapshot that is newer than the checkpoints, and
 * shards are closed in it before the heap's length is looked at, so that the end
 * of a shard is not announced too early.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_sql.h"
#include "reading/record_row.h"
#include "shard/shard_watch.h"

PG_FUNCTION_INFO_V1(ddbstreams_poll);

#define MAX_RECORDS 10000
#define MAX_WAIT	USECS_PER_DAY

/* How long to leave alone what could not be had, in microseconds */
#define RETRY_INTERVAL (USECS_PER_SEC / 10)

typedef struct ConsumerPoll
{
	const char	  *consumer_name;
	const char	  *worker_id;
	int			   max_records;
	TimestampTz	   until; /* by the real clock */
	ReturnSetInfo *rsinfo;
	int			   returned;	 /* rows so far */
	bool		   has_locked;	 /* this worker's leases, before it waited on */
	bool		   is_contended; /* another connection of this worker has some */
	bool		   has_stolen;
	bool		   hands_over; /* what it has done must be seen by others */
	TimestampTz	   retry_at;   /* leases that could not be had are tried again */
	Oid			  *watched;	   /* what is being watched */
	int			   watch_count;
	MemoryContext  context; /* of one look or try */
	MemoryContext  row_context;
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

/* Reads records of one shard, at most so many, and returns them to the caller. */
static void
read_shard(ConsumerPoll *poll, ConsumerView *view, ShardTurn *turn, int max_records)
{
	ConsumerShard *shard = turn->shard;
	RecordPage	   page;
	RecordRow	   row;
	Datum		   values[RECORD_ROW_COLUMNS + 1];
	bool		   nulls[RECORD_ROW_COLUMNS + 1] = {false};

	record_page_begin_at(&page, view->stream, shard->info, turn->position,
						 shard->horizon, max_records, view->snapshot);
	record_row_begin(&row, &page);
	values[0] = CStringGetTextDatum(shard->info->shard_id);
	while (record_page_next(&page))
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(poll->row_context);

		record_row_fill(&row, &page, values + 1, nulls + 1);
		tuplestore_putvalues(poll->rsinfo->setResult, poll->rsinfo->setDesc,
							 values, nulls);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(poll->row_context);
		turn->position = page.record.number;
	}
	turn->count += page.count;
	turn->more = page.count == max_records;
	poll->returned += page.count;
	record_page_end(&page);
}

/*
 * Reads the shards whose leases are locked: that first which has had no turn for
 * longest.  Each has its part of max_records, and what one does not use others
 * may.
 */
static void
read_shards(ConsumerPoll *poll, ConsumerView *view)
{
	ShardTurn *turns = palloc0(Max(view->count, 1) * sizeof(ShardTurn));
	int		   count = 0;

	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];

		if (shard->locked && consumer_shard_is_eligible(shard))
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

/* Tells the client what its leases have lost, and shards that are gone, once. */
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

/* Is it time to say that this worker lives? */
static bool
registration_is_due(const ConsumerView *view)
{
	ListCell *lc;

	foreach (lc, view->workers)
	{
		const ConsumerWorker *worker = lfirst(lc);

		if (strcmp(worker->worker_id, view->worker_id) == 0)
			return worker->expires_at <
				   view->now + view->consumer->lease_usec / 3 * 2;
	}
	return true;
}

/* Is a lease of this worker held by another transaction of the same worker? */
static bool
has_contended(const ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (consumer_shard_is_own(view, shard) && consumer_shard_is_eligible(shard) &&
			!shard->locked)
			return true;
	}
	return false;
}

/* Locks, settles and reads. */
static void
act(ConsumerPoll *poll)
{
	ConsumerView view;
	LeaseBalance balance;
	bool		 is_new = false;
	int			 taken = 0;
	int			 taken_now;
	int			 finished;
	int			 finished_now;

	consumer_view_load(&view, poll->consumer_name, poll->worker_id);
	consumer_leases_create(&view);
	if (registration_is_due(&view))
		is_new = consumer_catalog_register_worker(view.consumer->consumer_no, poll->worker_id,
												  view.now, view.now + view.consumer->lease_usec);
	consumer_leases_lock(&view);
	finished = 0;
	do
	{
		taken_now = consumer_leases_take(&view);
		finished_now = consumer_leases_settle(&view);
		taken += taken_now;
		finished += finished_now;
	} while (finished_now > 0);

	if (taken == 0 && !poll->has_stolen && consumer_leases_steal(&view))
	{
		poll->has_stolen = true;
		taken++;
		finished += consumer_leases_settle(&view);
	}
	else if (taken == 0 && consumer_leases_give(&view))
		poll->hands_over = true;
	consumer_balance(&view, &balance);
	/* The others cannot know of a new worker before this transaction ends. */
	if (is_new && balance.others > 0 && balance.most >= balance.mine + 2)
		poll->hands_over = true;

	read_shards(poll, &view);
	warn_of_losses(&view);
	consumer_leases_renew(&view);
	consumer_leases_write(&view);
	if (is_new || taken > 0 || finished > 0 || poll->hands_over)
		consumer_catalog_wake_workers(view.consumer->consumer_no);
	if (taken == 0 && finished == 0)
		poll->retry_at = GetCurrentTimestamp() + RETRY_INTERVAL;
	poll->has_locked = true;
	poll->is_contended = has_contended(&view);
	consumer_view_end(&view);
}

/*
 * Watches the shards of the worker's own leases, and changes of leases.  Returns
 * false if that is something new: the view is older then.
 */
static bool
watch(ConsumerPoll *poll, const ConsumerView *view)
{
	Oid *watched = palloc((view->count + 1) * sizeof(Oid));
	int	 count = 0;

	watched[count++] = consumer_catalog_watch_key(view->consumer->consumer_no);
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (consumer_shard_is_own(view, shard) && consumer_shard_is_eligible(shard))
			watched[count++] = shard->info->shard_table;
	}
	if (count == poll->watch_count &&
		memcmp(watched, poll->watched, count * sizeof(Oid)) == 0)
		return true;
	shard_watch_set(watched, count);
	if (poll->watched != NULL)
		pfree(poll->watched);
	poll->watched = MemoryContextAlloc(GetMemoryChunkContext(poll),
									   count * sizeof(Oid));
	memcpy(poll->watched, watched, count * sizeof(Oid));
	poll->watch_count = count;
	return false;
}

/* Looks whether there is something to do, or when there may be. */
static bool
has_work(const ConsumerPoll *poll, const ConsumerView *view, TimestampTz *next_look)
{
	TimestampTz	 now = GetCurrentTimestamp();
	TimestampTz	 clock_offset = view->now - now;
	bool		 may_try = now >= poll->retry_at;
	bool		 wants = false;
	LeaseBalance balance;

	if (!poll->has_locked && registration_is_due(view))
		return true;
	consumer_balance(view, &balance);
	if ((consumer_may_steal(&balance) && !poll->has_stolen) ||
		consumer_may_give(&balance))
		wants = true;
	for (int i = 0; i < view->count; i++)
	{
		const ConsumerShard *shard = &view->shards[i];

		if (shard->lease == NULL)
			wants = true;
		if (!consumer_shard_is_eligible(shard))
			continue;
		if (consumer_shard_is_own(view, shard))
		{
			TimestampTz renewal = shard->lease->expires_at -
								  view->consumer->lease_usec / 3;

			if (!poll->has_locked && renewal <= view->now)
				return true;
			if (poll->is_contended)
				wants = true;
			else if (consumer_shard_has_work(view, shard))
				return true;
			if (!poll->has_locked)
				*next_look = Min(*next_look, renewal - clock_offset);
		}
		else if (consumer_may_take(view, &balance, shard))
			wants = true;
		else if (balance.mine < balance.share)
		{
			if (shard->lease->expires_at > view->now)
				*next_look = Min(*next_look, shard->lease->expires_at - clock_offset + 1);
		}
	}
	if (wants && !may_try)
		*next_look = Min(*next_look, poll->retry_at);
	return wants && may_try;
}

/* Waits until there is something to do, or the time is over. */
static void
wait_for_work(ConsumerPoll *poll)
{
	for (;;)
	{
		TimestampTz	 now = GetCurrentTimestamp();
		TimestampTz	 next_look = poll->until;
		ConsumerView view;
		bool		 is_watched;
		bool		 found;

		if (now >= poll->until)
			return;
		MemoryContextReset(poll->context);
		(void) shard_watch_take(NULL);
		consumer_view_load(&view, poll->consumer_name, poll->worker_id);
		is_watched = watch(poll, &view);
		found = is_watched && has_work(poll, &view, &next_look);
		consumer_view_end(&view);
		if (found)
			return;
		if (is_watched)
			(void) shard_watch_wait(TimestampDifferenceMilliseconds(now, next_look) + 1);
	}
}

static void
poll_until(ConsumerPoll *poll)
{
	for (;;)
	{
		wait_for_work(poll);
		MemoryContextReset(poll->context);
		act(poll);
		if (poll->returned > 0 || poll->hands_over ||
			GetCurrentTimestamp() >= poll->until)
			return;
	}
}

static void
check_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		error_null_argument("consumerName");
	if (PG_ARGISNULL(1))
		error_null_argument("workerId");
	if (PG_ARGISNULL(2))
		error_null_argument("maxRecords");
	if (PG_ARGISNULL(3))
		error_null_argument("maxWait");
	PreventCommandIfReadOnly("poll()");
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot poll in a transaction of this isolation level"),
				 errdetail("Its snapshot would not show what others have checkpointed."),
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

	check_arguments(fcinfo);
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
	poll->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "ddbstreams poll row",
											  ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(poll->context);
	PG_TRY();
	{
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
