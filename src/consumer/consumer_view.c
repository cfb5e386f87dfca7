/*
 * consumer_view.c
 *	  What a consumer's shards and leases look like at one moment.
 *
 * A view holds no lock of its own, so it may be outdated by the time that it
 * is read.  It serves for plans (is there something to do?); a decision is
 * made on leases whose rows the transaction has locked (consumer_lease.c); as
 * they are then, they take the place of the view's.
 *
 * The snapshot is taken after the leases are read.  So a lease of a shard that
 * the snapshot does not show is one of a shard that is gone.
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lineage.h"
#include "consumer/consumer_view.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"
#include "shard/shard_slot.h"
#include "shard/shard_wake.h"

StreamInfo *
consumer_view_find_stream(const ConsumerInfo *consumer, Snapshot snapshot)
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

static bool
is_finished(const ConsumerShard *shard)
{
	return shard->gone ||
		   (shard->lease != NULL && shard->lease->kind == CHECKPOINT_SHARD_END);
}

static int
compare_shard_ids(const void *a, const void *b)
{
	return strcmp(((const ConsumerShard *) a)->info->shard_id,
				  ((const ConsumerShard *) b)->info->shard_id);
}

static ConsumerShard *
find_shard_by_id(const ConsumerView *view, char *shard_id)
{
	ShardInfo	  info = {.shard_id = shard_id};
	ConsumerShard key = {.info = &info};

	return bsearch(&key, view->shards, view->count, sizeof(ConsumerShard),
				   compare_shard_ids);
}

ConsumerShard *
consumer_view_shard_by_no(const ConsumerView *view, int64 shard_no)
{
	int low = 0;
	int high = view->count;

	while (low < high)
	{
		int			   middle = low + (high - low) / 2;
		ConsumerShard *shard = view->by_no[middle];

		if (shard->info->shard_no == shard_no)
			return shard;
		if (shard->info->shard_no < shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int
compare_shard_nos(const void *a, const void *b)
{
	const ConsumerShard *x = *(ConsumerShard *const *) a;
	const ConsumerShard *y = *(ConsumerShard *const *) b;

	return x->info->shard_no < y->info->shard_no ? -1 :
												   x->info->shard_no > y->info->shard_no;
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

/* Completes a view whose shards are there, sorted by their ids. */
static void
link_shards(ConsumerView *view)
{
	view->by_no = palloc(Max(view->count, 1) * sizeof(ConsumerShard *));
	for (int i = 0; i < view->count; i++)
	{
		char *parent = view->shards[i].info->parent_shard_id;

		view->shards[i].parent = parent ? find_shard_by_id(view, parent) : NULL;
		view->by_no[i] = &view->shards[i];
	}
	qsort(view->by_no, view->count, sizeof(ConsumerShard *), compare_shard_nos);
}

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
	link_shards(view);
}

void
consumer_view_begin(ConsumerView *view, const char *consumer_name,
					const char *worker_id)
{
	memset(view, 0, sizeof(ConsumerView));
	view->ends = palloc(SHARD_SLOTS * sizeof(uint64));
	shard_wake_read_ends(view->ends);
	view->consumer = consumer_catalog_by_name(consumer_name);
	view->worker_id = worker_id;
}

/*
 * Reads the leases of shards that concern a poll and have not been read yet,
 * and adds these shards.
 */
static void
add_shards(ConsumerView *view)
{
	const ConsumerLineage *lineage = view->lineage;
	int					   added = 0;
	ConsumerShard		  *shards;

	consumer_lineage_read_leases(view);
	for (int i = 0; i < lineage->count; i++)
		added += consumer_lineage_is_new(view, i);
	shards = palloc0(Max(view->count + added, 1) * sizeof(ConsumerShard));
	if (view->count > 0)
		memcpy(shards, view->shards, view->count * sizeof(ConsumerShard));
	view->shards = shards;
	for (int i = 0; i < lineage->count; i++)
	{
		ConsumerShard *shard = &shards[view->count];

		if (!consumer_lineage_is_new(view, i))
			continue;
		shard->info = shard_catalog_copy(lineage->shards[i].info);
		shard->lease = find_lease(view->leases, shard->info->shard_no);
		view->known[i] |= LINEAGE_IN_VIEW;
		view->count++;
	}
	qsort(shards, view->count, sizeof(ConsumerShard), compare_shard_ids);
	link_shards(view);
	for (int i = 0; i < view->count; i++)
		shards[i].blocked = shards[i].parent == NULL &&
							!consumer_lineage_may_begin(view, shards[i].info->shard_no);
}

void
consumer_view_load(ConsumerView *view)
{
	view->now = clock_now();
	view->workers = consumer_catalog_workers(view->consumer->consumer_no);
	view->snapshot = RegisterSnapshot(GetLatestSnapshot());
	view->stream = consumer_view_find_stream(view->consumer, view->snapshot);
	stream_access_check(view->stream);
	consumer_lineage_open(view);
	add_shards(view);
	consumer_lineage_keep(view);
}

void
consumer_view_go_on(ConsumerView *view)
{
	for (int i = 0; i < view->count; i++)
	{
		if (is_finished(&view->shards[i]))
			consumer_lineage_finish(view, view->shards[i].info->shard_no);
	}
	add_shards(view);
}

void
consumer_view_load_consumer(ConsumerView *view, ConsumerInfo *consumer)
{
	memset(view, 0, sizeof(ConsumerView));
	view->consumer = consumer;
	view->now = clock_now();
	view->snapshot = RegisterSnapshot(GetLatestSnapshot());
	view->stream = stream_catalog_by_id(consumer->stream_id, view->snapshot);
}

void
consumer_view_end(ConsumerView *view)
{
	UnregisterSnapshot(view->snapshot);
	view->snapshot = NULL;
}

bool
consumer_view_is_eligible(const ConsumerShard *shard)
{
	return shard->lease != NULL && !is_finished(shard) && !shard->blocked &&
		   (shard->parent == NULL || is_finished(shard->parent));
}

bool
consumer_view_is_own(const ConsumerView *view, const ConsumerShard *shard)
{
	return shard->lease != NULL && shard->lease->owner != NULL &&
		   strcmp(shard->lease->owner, view->worker_id) == 0;
}

bool
consumer_view_is_free(const ConsumerView *view, const ConsumerShard *shard)
{
	return shard->lease != NULL &&
		   (shard->lease->owner == NULL || shard->lease->expires_at < view->now);
}

TimestampTz
consumer_view_time_of_third(const ConsumerView *view, TimestampTz expires_at, int third)
{
	return expires_at - view->consumer->lease_usec / 3 * (3 - third);
}

Relation
consumer_view_open_table(const ConsumerShard *shard)
{
	return try_relation_open(shard->info->shard_table, AccessShareLock);
}

bool
consumer_view_is_at_end(const ConsumerView *view, const ConsumerShard *shard)
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
	/* A shard without a record has its starting number as ending number. */
	if (info->ending_number > info->starting_number)
		return false;
	reader = shard_reader_open(info, view->snapshot, checkpoint);
	at_end = !shard_reader_next(reader, &record) && reader->end == READER_AT_HEAP_END;
	shard_reader_close(reader);
	return at_end;
}

bool
consumer_view_has_work(const ConsumerView *view, const ConsumerShard *shard)
{
	Relation	 rel = consumer_view_open_table(shard);
	ShardReader *reader;
	ShardRecord	 record;
	bool		 found;

	if (rel == NULL)
		return false;
	reader = shard_reader_open(shard->info, view->snapshot, shard->lease->checkpoint);
	found = shard_reader_next(reader, &record);
	shard_reader_close(reader);
	found = found || consumer_view_is_at_end(view, shard);
	relation_close(rel, AccessShareLock);
	return found;
}
