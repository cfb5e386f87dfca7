/*
 * consumer_stats.c
 *	  How far consumer groups are, and what has to be tidied up behind them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_stats.h"
#include "reading/stream_access.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

PG_FUNCTION_INFO_V1(ddbstreams_list_consumer_stats);
PG_FUNCTION_INFO_V1(ddbstreams_tidy_consumers);

/* Beyond so many records the lag is estimated. */
#define LAG_COUNTED 10000

enum
{
	OUT_CONSUMER_NAME,
	OUT_STREAM_ARN,
	OUT_SHARD_ID,
	OUT_STATE,
	OUT_LEASE_OWNER,
	OUT_LAG_RECORDS,
	OUT_LAG_SECONDS,
	OUT_ATTEMPTS,
	OUT_LOST_RECORDS,
	OUT_LAST_ERROR,
	OUT_LAST_ERROR_AT,
	OUT_WORKER_PID,
	OUT_COUNT
};

/* Counts the records behind a checkpoint; the first one's number, or 0. */
static int64
count_lag(const ConsumerView *view, const ConsumerShard *shard, int64 *first)
{
	Relation	 rel = consumer_shard_lock_table(shard);
	ShardReader *reader;
	ShardRecord	 record;
	BlockNumber	 first_block;
	int64		 count = 0;

	*first = 0;
	if (rel == NULL)
		return 0;
	reader = shard_reader_open(shard->info, view->snapshot, shard->lease->checkpoint);
	first_block = reader->block;
	while (count < LAG_COUNTED && shard_reader_next(reader, &record))
	{
		if (count++ == 0)
			*first = record.number;
	}
	if (count == LAG_COUNTED)
	{
		double per_page = (double) count / (reader->block - first_block);

		count += reader->count - reader->next;
		count += (int64) (per_page * (reader->block_count - reader->block));
	}
	shard_reader_close(reader);
	relation_close(rel, AccessShareLock);
	return count;
}

static const char *
state_name(const ConsumerView *view, const ConsumerShard *shard)
{
	if (shard->lease->kind == CHECKPOINT_SHARD_END)
		return "finished";
	if (!consumer_shard_is_eligible(shard))
		return "waiting";
	if (shard->lease->owner == NULL)
		return "free";
	return consumer_shard_is_free(view, shard) ? "expired" : "owned";
}

static void
put_shard(ReturnSetInfo *rsinfo, const ConsumerView *view,
		  const ConsumerShard *shard, int64 lost_records)
{
	const ConsumerLease *lease = shard->lease;
	Datum				 values[OUT_COUNT];
	bool				 nulls[OUT_COUNT] = {false};
	int64				 first = 0;
	int64				 lag = 0;

	if (lease->kind != CHECKPOINT_SHARD_END)
		lag = count_lag(view, shard, &first);
	values[OUT_CONSUMER_NAME] = CStringGetTextDatum(view->consumer->consumer_name);
	values[OUT_STREAM_ARN] = CStringGetTextDatum(view->consumer->stream_arn);
	values[OUT_SHARD_ID] = CStringGetTextDatum(shard->info->shard_id);
	values[OUT_STATE] = CStringGetTextDatum(state_name(view, shard));
	nulls[OUT_LEASE_OWNER] = lease->owner == NULL;
	values[OUT_LEASE_OWNER] = lease->owner ? CStringGetTextDatum(lease->owner) : (Datum) 0;
	values[OUT_LAG_RECORDS] = Int64GetDatum(lag);
	values[OUT_LAG_SECONDS] =
		Float8GetDatum(first == 0 ? 0 : Max(0, (view->now - NUMBER_TIME(first)) / (double) USECS_PER_SEC));
	values[OUT_ATTEMPTS] = Int32GetDatum(lease->attempts);
	values[OUT_LOST_RECORDS] = Int64GetDatum(lost_records);
	nulls[OUT_LAST_ERROR] = lease->last_error == NULL;
	values[OUT_LAST_ERROR] = lease->last_error ? CStringGetTextDatum(lease->last_error) : (Datum) 0;
	nulls[OUT_LAST_ERROR_AT] = lease->last_error_at == 0;
	values[OUT_LAST_ERROR_AT] = TimestampTzGetDatum(lease->last_error_at);
	nulls[OUT_WORKER_PID] = lease->worker_pid == 0;
	values[OUT_WORKER_PID] = Int32GetDatum(lease->worker_pid);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The one row of a consumer whose stream is gone */
static void
put_streamless(ReturnSetInfo *rsinfo, const ConsumerInfo *consumer)
{
	Datum values[OUT_COUNT] = {0};
	bool  nulls[OUT_COUNT];

	memset(nulls, true, sizeof(nulls));
	nulls[OUT_CONSUMER_NAME] = nulls[OUT_STREAM_ARN] = false;
	nulls[OUT_STATE] = nulls[OUT_LOST_RECORDS] = false;
	values[OUT_CONSUMER_NAME] = CStringGetTextDatum(consumer->consumer_name);
	values[OUT_STREAM_ARN] = CStringGetTextDatum(consumer->stream_arn);
	values[OUT_STATE] = CStringGetTextDatum("stream is gone");
	values[OUT_LOST_RECORDS] = Int64GetDatum(consumer->lost_records);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_consumer(ReturnSetInfo *rsinfo, ConsumerInfo *consumer, bool sees_all)
{
	List		*leases = consumer_catalog_leases(consumer->consumer_no);
	ConsumerView view = {0};
	int64		 lost_records = consumer->lost_records;
	ListCell	*lc;

	view.consumer = consumer;
	view.now = clock_now();
	view.snapshot = RegisterSnapshot(GetLatestSnapshot());
	view.stream = stream_catalog_by_id(consumer->stream_id, view.snapshot);
	if (view.stream == NULL || horizon_has_passed_stream(view.stream))
	{
		if (sees_all)
			put_streamless(rsinfo, consumer);
	}
	else if (sees_all || stream_access_may_read(view.stream))
	{
		foreach (lc, leases)
			lost_records += ((ConsumerLease *) lfirst(lc))->lost_records;
		consumer_view_fill(&view, leases);
		for (int i = 0; i < view.count; i++)
		{
			ConsumerShard *shard = &view.shards[i];

			if (shard->lease == NULL)
			{
				shard->lease = palloc(sizeof(ConsumerLease));
				consumer_lease_init(shard->lease, shard->info);
			}
			put_shard(rsinfo, &view, shard, lost_records);
		}
	}
	UnregisterSnapshot(view.snapshot);
}

/*
 * list_consumer_stats() returns setof record
 *
 * Shows what the caller may see.
 */
Datum
ddbstreams_list_consumer_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		   is_monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, consumer_catalog_list())
	{
		ConsumerInfo *consumer = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		put_consumer(rsinfo, consumer,
					 is_monitor || has_privs_of_role(GetUserId(), consumer->role_id));
	}
	return (Datum) 0;
}

/*
 * Moves leases that nobody has, and those of shards that are about to be dropped,
 * to the horizon, so that no loss goes uncounted.
 */
static void
expire_leases(ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		ConsumerShard *shard = &view->shards[i];
		List		  *locked;
		Relation	   rel;

		if (shard->lease == NULL || shard->lease->kind == CHECKPOINT_SHARD_END ||
			shard->lease->checkpoint >= horizon_of_shard_by_age(view->stream, shard->info) - 1)
			continue;
		if (horizon_has_passed_shard(view->stream, shard->info))
			locked = consumer_catalog_lock_any_lease(view->consumer->consumer_no,
													 shard->info->shard_no);
		else
			locked = consumer_catalog_lock_free_leases(view->consumer->consumer_no,
													   consumer_catalog_shard_nos(&shard->info->shard_no, 1),
													   view->now, 1);
		if (locked == NIL)
			continue;
		shard->lease = linitial(locked);
		rel = consumer_shard_lock_table(shard);
		if (rel == NULL)
			continue;
		if (consumer_lease_expire(view, shard))
			consumer_catalog_update_lease(view->consumer->consumer_no, shard->lease);
		relation_close(rel, AccessShareLock);
	}
}

static void
maintain(ConsumerInfo *consumer)
{
	List		*leases = consumer_catalog_leases(consumer->consumer_no);
	ConsumerView view = {0};
	int64		*gone = palloc(Max(list_length(leases), 1) * sizeof(int64));
	int			 gone_count = 0;
	ListCell	*lc;

	view.consumer = consumer;
	view.now = clock_now();
	view.snapshot = RegisterSnapshot(GetLatestSnapshot());
	view.stream = stream_catalog_by_id(consumer->stream_id, view.snapshot);
	if (view.stream != NULL)
		consumer_view_fill(&view, leases);
	foreach (lc, leases)
	{
		const ConsumerLease *lease = lfirst(lc);
		bool				 found = false;

		for (int i = 0; i < view.count && !found; i++)
			found = view.shards[i].info->shard_no == lease->shard_no;
		if (!found)
			gone[gone_count++] = lease->shard_no;
	}
	if (gone_count > 0)
	{
		consumer_catalog_clean_leases(consumer->consumer_no, consumer_catalog_shard_nos(gone, gone_count));
		consumer_catalog_wake_workers(consumer->consumer_no);
	}
	if (view.stream != NULL)
		expire_leases(&view);
	UnregisterSnapshot(view.snapshot);
}

/*
 * consumer_cleanup: the task of the maintenance worker
 *
 * Tidies up: leases of shards that are gone, what dropped consumers have left,
 * losses of shards that nobody reads.  A transaction for each consumer, for it
 * keeps polls from the free leases that it looks at; it waits for none.
 */
void
consumer_cleanup(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ddbstreams consumer cleanup",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext;
	List		 *consumers = NIL;
	ListCell	 *lc;

	StartTransactionCommand();
	if (OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		consumer_catalog_delete_orphans();
		oldcontext = MemoryContextSwitchTo(context);
		consumers = consumer_catalog_list();
		MemoryContextSwitchTo(oldcontext);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	foreach (lc, consumers)
	{
		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		maintain(lfirst(lc));
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	MemoryContextDelete(context);
}

/*
 * tidy_consumers() returns void
 *
 * The same within the caller's transaction, for tests.
 */
Datum
ddbstreams_tidy_consumers(PG_FUNCTION_ARGS)
{
	ListCell *lc;

	PreventCommandIfReadOnly("tidy_consumers()");
	consumer_catalog_delete_orphans();
	foreach (lc, consumer_catalog_list())
		maintain(lfirst(lc));
	PG_RETURN_VOID();
}
