/*
 * consumer_tidy.c
 *	  What has to be tidied up behind consumer groups.
 *
 * These are the leases and workers that dropped consumers have left, the
 * consumers of roles that were dropped, the leases of shards that are gone,
 * and losses that no poll counts because no worker reads the shard: all
 * records that a consumer has lost are counted before their shard is dropped.
 *
 * What another transaction has locked is left to the next run.
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/own_transaction.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lease.h"
#include "consumer/consumer_tidy.h"
#include "consumer/consumer_view.h"
#include "registry/catalog_table.h"
#include "shard/horizon.h"

PG_FUNCTION_INFO_V1(ddbstreams_tidy_consumers);

/*
 * Moves leases that the horizon has overtaken to the horizon: the free ones,
 * and owned ones too where the shard is about to be dropped.
 */
static void
move_leases_to_horizon(ConsumerView *view)
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
			locked = consumer_catalog_try_lock_lease(view->consumer->consumer_no,
													 shard->info->shard_no);
		else
			locked = consumer_catalog_lock_free_leases(view->consumer->consumer_no,
													   &shard->info->shard_no, 1,
													   view->now, 1);
		if (locked == NIL)
			continue;
		shard->lease = linitial(locked);
		rel = consumer_view_open_table(shard);
		if (rel == NULL)
			continue;
		if (consumer_lease_move_to_horizon(view, shard))
			consumer_catalog_update_lease(view->consumer->consumer_no, shard->lease);
		relation_close(rel, AccessShareLock);
	}
}

static void
delete_leases_of_gone_shards(const ConsumerView *view, const List *leases)
{
	int64	  consumer_no = view->consumer->consumer_no;
	int64	 *gone = palloc(Max(list_length(leases), 1) * sizeof(int64));
	int		  count = 0;
	ListCell *lc;

	foreach (lc, leases)
	{
		const ConsumerLease *lease = lfirst(lc);

		if (consumer_view_shard_by_no(view, lease->shard_no) == NULL)
			gone[count++] = lease->shard_no;
	}
	if (count == 0)
		return;
	consumer_catalog_clean_leases(consumer_no, gone, count);
	consumer_catalog_wake_workers(consumer_no);
}

static void
tidy_consumer(ConsumerInfo *consumer)
{
	List		*leases = consumer_catalog_leases(consumer->consumer_no);
	ConsumerView view;

	consumer_view_load_consumer(&view, consumer);
	if (view.stream != NULL)
		consumer_view_fill(&view, leases);
	delete_leases_of_gone_shards(&view, leases);
	if (view.stream != NULL)
		move_leases_to_horizon(&view);
	consumer_view_end(&view);
}

void
consumer_tidy(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ddbstreams consumer tidy",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext oldcontext;
	List		 *consumers = NIL;
	ListCell	 *lc;

	own_transaction_begin();
	if (OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
	{
		consumer_catalog_delete_orphans();
		consumer_catalog_take_from_dropped_roles();
		oldcontext = MemoryContextSwitchTo(context);
		consumers = consumer_catalog_list();
		MemoryContextSwitchTo(oldcontext);
	}
	own_transaction_commit();
	foreach (lc, consumers)
	{
		CHECK_FOR_INTERRUPTS();
		own_transaction_begin();
		tidy_consumer(lfirst(lc));
		own_transaction_commit();
	}
	MemoryContextDelete(context);
}

/*
 * tidy_consumers() returns void
 *
 * Does the same within the caller's transaction: for tests.
 */
Datum
ddbstreams_tidy_consumers(PG_FUNCTION_ARGS)
{
	ListCell *lc;

	PreventCommandIfReadOnly("tidy_consumers()");
	consumer_catalog_delete_orphans();
	foreach (lc, consumer_catalog_list())
		tidy_consumer(lfirst(lc));
	PG_RETURN_VOID();
}
