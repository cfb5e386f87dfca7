/*
 * consumer_lineage.c
 *	  The shards of a consumer's stream, and what is known of its leases
 *
 * A stream may have thousands of shards, of which a poll has to do with those
 * that are open to its consumer: neither finished nor waiting for the end of
 * their parent.  To read the rows of all shards and leases, at each poll that
 * has something to do, takes more time than the poll itself.  So a session
 * keeps the list of shards, and knows
 *
 * - which leases are finished: they stay so; and
 * - which shards have a lease at all: it stays until the shard is gone.
 *
 * A poll reads the leases of the other shards that are not finished, if their
 * parents are.  What a poll decides on, it reads again when it has locked it,
 * so nothing depends on what is known but what the poll looks for.
 *
 * The list is read again when a transaction has ended that opened, closed or
 * dropped shards of the stream: it counts a slot up (shard_wake.c).  The
 * counts are read before the list is.  A transaction that is just ending may
 * be visible and not counted yet; then the list is as it was before that, for
 * this poll.  A shard that was closed meanwhile counts as open, so it is not
 * finished yet; one that was opened comes with the next poll; the table of one
 * that was dropped is missing.  As in consumer_empty.c, nothing holds for
 * longer than a minute.
 *
 * What a transaction reads that has written something may be undone, so then
 * the session learns nothing of leases.  A list that shows what the
 * transaction itself has done to shards is kept: the transaction's end is
 * counted, whatever end that is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "consumer/consumer_catalog.h"
#include "consumer/consumer_lineage.h"
#include "registry/catalog_table.h"
#include "shard/shard_slot.h"
#include "shard/shard_watch.h"

#define HOLDS_SECONDS 60

/* A session serves few consumers. */
#define MAX_LINEAGES 16

/*
 * Leases are read shard by shard if they are fewer than this part of all, and
 * as many times at most: else a session that has slept for generations would
 * read them one generation after the other.
 */
#define FEW_OF_ALL 4
#define MAX_READS  3

static ConsumerLineage *lineages[MAX_LINEAGES];
static int				next_place = 0;

/* Counts the ended transactions that changed shards of the stream. */
static uint64
count_changes(const ConsumerView *view)
{
	ShardWatchKey key = shard_watch_number_key(view->stream->stream_id);

	return view->ends[shard_slot_number(key.shard_table)];
}

/* Returns the place of a shard, or -1. */
static int
find_place(const ConsumerLineage *lineage, int64 shard_no)
{
	int low = 0;
	int high = lineage->count;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (lineage->shards[middle].shard_no == shard_no)
			return middle;
		if (lineage->shards[middle].shard_no < shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static int
compare_numbers(const ListCell *a, const ListCell *b)
{
	const ShardInfo *x = lfirst(a);
	const ShardInfo *y = lfirst(b);

	return x->shard_no < y->shard_no ? -1 : x->shard_no > y->shard_no;
}

/*
 * Reads the shards of the view's stream, into a context below this one.  What
 * was known of them is taken from an older list, if there is one.
 */
static ConsumerLineage *
read_lineage(const ConsumerView *view, const ConsumerLineage *older)
{
	List			*by_id = shard_catalog_list(view->stream->stream_id, view->snapshot);
	List			*by_no = list_copy(by_id);
	MemoryContext	 context = AllocSetContextCreate(CurrentMemoryContext,
													 "ddbstreams lineage of a consumer",
													 ALLOCSET_SMALL_SIZES);
	MemoryContext	 oldcontext = MemoryContextSwitchTo(context);
	ConsumerLineage *lineage = palloc0(sizeof(ConsumerLineage));
	ListCell		*lc;

	list_sort(by_no, compare_numbers);
	lineage->catalog = catalog_table_oid(CATALOG_STREAM, false);
	lineage->consumer_no = view->consumer->consumer_no;
	lineage->ends = count_changes(view);
	lineage->read_at = GetCurrentTimestamp();
	lineage->context = context;
	lineage->shards = palloc(Max(list_length(by_no), 1) * sizeof(LineageShard));
	lineage->known = palloc0(Max(list_length(by_no), 1));
	foreach (lc, by_no)
	{
		const ShardInfo *info = lfirst(lc);
		int				 place = lineage->count++;
		int				 before = older ? find_place(older, info->shard_no) : -1;

		lineage->shards[place].shard_no = info->shard_no;
		if (before >= 0)
			lineage->known[place] = older->known[before];
		lineage->shards[place].info =
			lineage->known[place] & LINEAGE_FINISHED ? NULL : shard_catalog_copy(info);
	}
	foreach (lc, by_no)
	{
		const ShardInfo *info = lfirst(lc);
		const ShardInfo *parent = info->parent_shard_id ?
									  shard_catalog_in_list(by_id, info->parent_shard_id) :
									  NULL;

		lineage->shards[foreach_current_index (lc)].parent =
			parent ? find_place(lineage, parent->shard_no) : -1;
	}
	MemoryContextSwitchTo(oldcontext);
	return lineage;
}

/* Returns where the session has the lineage of a consumer, or NULL. */
static ConsumerLineage **
find_lineage(const ConsumerView *view)
{
	Oid catalog = catalog_table_oid(CATALOG_STREAM, false);

	for (int i = 0; i < MAX_LINEAGES; i++)
	{
		if (lineages[i] != NULL && lineages[i]->catalog == catalog &&
			lineages[i]->consumer_no == view->consumer->consumer_no)
			return &lineages[i];
	}
	return NULL;
}

/* Is the list that the session has still what the view's snapshot shows? */
static bool
is_current(const ConsumerView *view, const ConsumerLineage *lineage)
{
	return lineage->ends == count_changes(view) &&
		   !TimestampDifferenceExceeds(lineage->read_at, GetCurrentTimestamp(),
									   HOLDS_SECONDS * 1000);
}

/* Has the session keep a lineage, in place of an older one if there is one. */
static void
keep_lineage(ConsumerLineage *lineage, ConsumerLineage **place)
{
	if (place == NULL)
	{
		place = &lineages[next_place];
		next_place = (next_place + 1) % MAX_LINEAGES;
	}
	if (*place != NULL)
		MemoryContextDelete((*place)->context);
	MemoryContextSetParent(lineage->context, TopMemoryContext);
	*place = lineage;
}

void
consumer_lineage_open(ConsumerView *view)
{
	ConsumerLineage **place = find_lineage(view);

	if (place == NULL || !is_current(view, *place))
	{
		view->lineage = read_lineage(view, place ? *place : NULL);
		keep_lineage(view->lineage, place);
	}
	else
		view->lineage = *place;
	view->known = palloc(Max(view->lineage->count, 1));
	memcpy(view->known, view->lineage->known, view->lineage->count);
}

/* Has the shard in this place no parent that is not finished? */
static bool
may_begin(const ConsumerView *view, int place)
{
	int parent = view->lineage->shards[place].parent;

	return parent < 0 || (view->known[parent] & LINEAGE_FINISHED);
}

bool
consumer_lineage_may_begin(const ConsumerView *view, int64 shard_no)
{
	int place = find_place(view->lineage, shard_no);

	return place < 0 || may_begin(view, place);
}

/* Does the shard in this place concern a poll? */
static bool
is_wanted(const ConsumerView *view, int place)
{
	return !(view->known[place] & LINEAGE_FINISHED) &&
		   (!(view->known[place] & LINEAGE_HAS_LEASE) || may_begin(view, place));
}

bool
consumer_lineage_is_new(const ConsumerView *view, int place)
{
	return !(view->known[place] & LINEAGE_IN_VIEW) && is_wanted(view, place);
}

/* Notes what the leases say that have just been read. */
static void
learn(ConsumerView *view, const List *leases)
{
	ListCell *lc;

	foreach (lc, leases)
	{
		const ConsumerLease *lease = lfirst(lc);
		int					 place = find_place(view->lineage, lease->shard_no);

		if (place < 0)
			continue;
		view->known[place] |= LINEAGE_HAS_LEASE;
		if (lease->kind == CHECKPOINT_SHARD_END)
			view->known[place] |= LINEAGE_FINISHED;
	}
}

void
consumer_lineage_read_leases(ConsumerView *view)
{
	ConsumerLineage *lineage = view->lineage;
	int64			*shard_nos = palloc(Max(lineage->count, 1) * sizeof(int64));

	for (int reads = 1;; reads++)
	{
		List *leases;
		int	  count = 0;
		bool  reads_all;

		for (int i = 0; i < lineage->count; i++)
		{
			if (!(view->known[i] & LINEAGE_READ) && is_wanted(view, i))
				shard_nos[count++] = i;
		}
		if (count == 0)
			break;
		reads_all = reads > MAX_READS || count > lineage->count / FEW_OF_ALL;
		for (int i = 0; i < (reads_all ? lineage->count : count); i++)
		{
			int place = reads_all ? i : (int) shard_nos[i];

			view->known[place] |= LINEAGE_READ;
			view->known[place] &= ~LINEAGE_HAS_LEASE;
			shard_nos[i] = lineage->shards[place].shard_no;
		}
		if (reads_all)
		{
			leases = consumer_catalog_leases(view->consumer->consumer_no);
			view->leases = leases;
		}
		else
		{
			leases = consumer_catalog_leases_of_shards(view->consumer->consumer_no,
													   shard_nos, count);
			view->leases = list_concat(view->leases, leases);
		}
		learn(view, leases);
	}
	list_sort(view->leases, consumer_catalog_compare_leases);
}

void
consumer_lineage_finish(ConsumerView *view, int64 shard_no)
{
	int place = find_place(view->lineage, shard_no);

	if (place >= 0)
		view->known[place] |= LINEAGE_FINISHED;
}

void
consumer_lineage_keep(const ConsumerView *view)
{
	ConsumerLineage *lineage = view->lineage;

	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	for (int i = 0; i < lineage->count; i++)
	{
		lineage->known[i] = view->known[i] & (LINEAGE_HAS_LEASE | LINEAGE_FINISHED);
		if ((lineage->known[i] & LINEAGE_FINISHED) && lineage->shards[i].info != NULL)
		{
			shard_catalog_free(lineage->shards[i].info);
			lineage->shards[i].info = NULL;
		}
	}
}
