/*
 * delivery_discover.c
 *	  What the tables say is to be delivered.
 *
 * Each active mapping has a unit for each lane of each shard that it has come
 * to.  It comes to a shard when it has finished the shard's parent; a parent
 * that has expired does not hold up its children.  When a mapping begins a
 * shard, the shard's rows of mapping_shard are made here, and they are removed
 * here when the shard has expired.
 *
 * The number of a mapping's lanes may change.  Then all lanes of a shard stop
 * at the same record before the shard is divided anew (delivery_lanes.c).
 * Its units are held, that is, not given to handlers, until none of them runs;
 * only then are the rows written.
 *
 * All of this is one transaction of the dispatcher's own.  It skips rows that
 * other transactions have locked; the next discovery tries again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "delivery/delivery_discover.h"
#include "delivery/delivery_lanes.h"
#include "delivery/delivery_position.h"
#include "delivery/delivery_queue.h"
#include "delivery/delivery_redrive.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_shard.h"
#include "mapping/mapping_state.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_watch.h"

/*
 * The shards of a stream, which are the same for all mappings that one
 * discovery finds.  A stream may have thousands, so nothing is searched for by
 * looking at each.
 */
typedef struct DiscoveredStream
{
	StreamInfo *stream;
	List	   *shards;	 /* by shard id */
	int64	   *numbers; /* their shard_no, sorted */
} DiscoveredStream;

static int
compare_numbers(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return x < y ? -1 : x > y;
}

static void
discover_stream(DiscoveredStream *found, int64 stream_id)
{
	ListCell *lc;

	if (found->stream != NULL && found->stream->stream_id == stream_id)
		return;
	found->stream = stream_catalog_by_id(stream_id, NULL);
	found->shards = shard_catalog_list(stream_id, NULL);
	found->numbers = palloc(Max(list_length(found->shards), 1) * sizeof(int64));
	foreach (lc, found->shards)
		found->numbers[foreach_current_index (lc)] = ((ShardInfo *) lfirst(lc))->shard_no;
	qsort(found->numbers, list_length(found->shards), sizeof(int64), compare_numbers);
}

static bool
shard_is_listed(const DiscoveredStream *stream, int64 shard_no)
{
	return bsearch(&shard_no, stream->numbers, list_length(stream->shards),
				   sizeof(int64), compare_numbers) != NULL;
}

/* Returns the shard of an id, or NULL if it has been dropped. */
static const ShardInfo *
find_shard(const DiscoveredStream *stream, const char *shard_id)
{
	int low = 0;
	int high = list_length(stream->shards);

	while (low < high)
	{
		int				 middle = (low + high) / 2;
		const ShardInfo *shard = list_nth(stream->shards, middle);
		int				 order = strcmp(shard->shard_id, shard_id);

		if (order == 0)
			return shard;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* What the positions of a shard's lanes have in common */
typedef struct ShardPositions
{
	int	 count;
	bool finished; /* all of them are, and there are some */
	bool any_finished;
	bool any_drains; /* a lane has been told where to stop */
} ShardPositions;

/* The list is in the order of shard_no. */
static ShardPositions
positions_of(List *positions, int64 shard_no)
{
	ShardPositions found = {.finished = true};
	int			   low = 0;
	int			   high = list_length(positions);

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (((DeliveryPosition *) list_nth(positions, middle))->shard_no < shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < list_length(positions); low++)
	{
		DeliveryPosition *position = list_nth(positions, low);

		if (position->shard_no != shard_no)
			break;
		found.count++;
		found.finished &= position->finished;
		found.any_finished |= position->finished;
		found.any_drains |= position->drain_to != PG_INT64_MAX;
	}
	found.finished &= found.count > 0;
	return found;
}

/* May the mapping come to the shard: is its parent finished, or expired? */
static bool
parent_is_done(const ShardInfo *shard, const DiscoveredStream *stream, List *positions)
{
	const ShardInfo *parent;

	if (shard->parent_shard_id == NULL)
		return true;
	parent = find_shard(stream, shard->parent_shard_id);
	return parent == NULL || positions_of(positions, parent->shard_no).finished;
}

static bool
any_unit_runs(int64 mapping_no, int64 shard_no, int lanes)
{
	for (int lane = 0; lane < lanes; lane++)
	{
		DeliveryUnit key = {mapping_no, shard_no, lane};
		QueuedUnit	*unit = delivery_queue_find(&key);

		if (unit != NULL && unit->state == UNIT_RUNNING)
			return true;
	}
	return false;
}

static QueuedUnit *
discover_unit(QueuedMapping *mapping, int64 shard_no, int lane, Oid shard_table)
{
	DeliveryUnit key = {mapping->mapping_no, shard_no, lane};
	QueuedUnit	*unit = delivery_queue_add(mapping, &key, shard_table);

	unit->discovered = true;
	unit->held = false;
	return unit;
}

/*
 * Returns the checkpoint with which a mapping begins a shard: just before the
 * shard's start, or before the horizon if the shard is older than the mapping.
 */
static int64
first_checkpoint(const MappingInfo *mapping, const StreamInfo *stream,
				 const ShardInfo *shard)
{
	int64 start = shard->starting_number;

	if (shard->created_at <= mapping->created_at)
		start = Max(start, horizon_of_shard(stream, shard, GetActiveSnapshot()));
	return start - 1;
}

/* Makes the units of a shard of a mapping. */
static void
discover_shard(QueuedMapping *known, const MappingInfo *mapping,
			   const DiscoveredStream *stream, const ShardInfo *shard, List *positions)
{
	ShardPositions found = positions_of(positions, shard->shard_no);
	int			   lanes = mapping_shard_lanes(mapping);
	int64		   no = mapping->mapping_no;
	bool		   divides;
	bool		   divided = false;
	bool		   held = false;
	bool		   moves = false;

	if (found.finished)
		return;
	if (found.count == 0)
	{
		if (!parent_is_done(shard, stream, positions) ||
			!delivery_lanes_begin(no, shard->shard_no, lanes,
								  first_checkpoint(mapping, stream->stream, shard)))
			return;
		found.count = lanes;
	}

	divides = found.count != lanes && ShardIsOpen(shard) && !found.any_finished;
	if (divides || found.any_drains)
	{
		held = any_unit_runs(no, shard->shard_no, found.count);
		moves = !held;
		if (divides && !held)
		{
			DivideResult result = delivery_lanes_divide(no, shard->shard_no, lanes);

			divided = result == DIVIDE_DONE;
			if (divided)
				found.count = lanes;
			moves = result != DIVIDE_WAITS;
		}
		else if (!held)
			delivery_lanes_cancel_divide(no, shard->shard_no);
	}

	for (int lane = 0; lane < found.count; lane++)
	{
		QueuedUnit *unit = discover_unit(known, shard->shard_no, lane, shard->shard_table);

		unit->held = held;
		/* A record that a lane has passed over may now belong to it. */
		if (divided)
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
		if (divided || (moves && unit->state == UNIT_IDLE))
			delivery_queue_make_ready(unit);
	}
}

/*
 * Looks after the positions in shards that have expired.  They are removed if
 * the shard was delivered.  Otherwise they become units: their next step
 * reports the loss (delivery_prepare.c).
 */
static void
discover_expired(QueuedMapping *known, const DiscoveredStream *stream, List *positions)
{
	ListCell *lc;

	foreach (lc, positions)
	{
		DeliveryPosition *position = lfirst(lc);

		if (shard_is_listed(stream, position->shard_no))
			continue;
		if (position->finished)
			delivery_lanes_forget(known->mapping_no, position->shard_no);
		else
			(void) discover_unit(known, position->shard_no, position->lane, InvalidOid);
	}
}

static void
discover_mapping(const MappingInfo *mapping, DiscoveredStream *stream)
{
	QueuedMapping *known = delivery_queue_mapping(mapping->mapping_no);
	List		  *positions = delivery_position_list(mapping->mapping_no);
	ListCell	  *lc;

	discover_stream(stream, mapping->stream_id);
	known->stream_id = mapping->stream_id;
	known->role = mapping->role_id;
	known->discovered = true;
	foreach (lc, stream->shards)
		discover_shard(known, mapping, stream, lfirst(lc), positions);
	discover_expired(known, stream, positions);
	if (delivery_redrive_is_wanted(mapping->mapping_no))
		(void) discover_unit(known, 0, REDRIVE_LANE, InvalidOid);
	mapping_catalog_acknowledge(mapping);
}

static void
mark_all_undiscovered(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &delivery_queue_all_units)
		dlist_container(QueuedUnit, node, iter.cur)->discovered = false;
	dlist_foreach (iter, &delivery_queue_all_mappings)
		dlist_container(QueuedMapping, node, iter.cur)->discovered = false;
}

/*
 * Forgets units and mappings that were not discovered.  A unit that runs is
 * forgotten by the discovery that follows its run.
 */
static void
remove_undiscovered(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &delivery_queue_all_units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (!unit->discovered && unit->state != UNIT_RUNNING)
			delivery_queue_remove(unit);
		else
			unit->mapping->discovered = true;
	}
	dlist_foreach_modify (iter, &delivery_queue_all_mappings)
	{
		QueuedMapping *mapping = dlist_container(QueuedMapping, node, iter.cur);

		if (!mapping->discovered)
			delivery_queue_remove_mapping(mapping);
	}
}

static void
watch_shards(void)
{
	int			   count = 0;
	ShardWatchKey *keys;
	dlist_iter	   iter;

	dlist_foreach (iter, &delivery_queue_all_shards)
		count++;
	keys = palloc(Max(count, 1) * sizeof(ShardWatchKey));
	count = 0;
	dlist_foreach (iter, &delivery_queue_all_shards)
	{
		QueuedShard *shard = dlist_container(QueuedShard, node, iter.cur);
		QueuedUnit	*unit = dlist_container(QueuedUnit, shard_node,
											dlist_head_node(&shard->units));

		keys[count].stream_id = unit->mapping->stream_id;
		keys[count++].shard_table = shard->shard_table;
	}
	shard_watch_set(keys, count);
}

/*
 * New units are ready.  Their shards are watched from here on, before a
 * handler reads them, so that no record that is appended meanwhile is missed.
 */
void
delivery_discover(void)
{
	MemoryContext	 context = CurrentMemoryContext;
	DiscoveredStream stream = {0};
	ListCell		*lc;

	mark_all_undiscovered();

	own_transaction_begin();
	MemoryContextSwitchTo(context);
	foreach (lc, mapping_catalog_list())
	{
		MappingInfo *mapping = lfirst(lc);

		if (mapping_is_active(mapping) && mapping_state_problem(mapping) == NULL)
			discover_mapping(mapping, &stream);
	}
	mapping_shard_delete_orphans();
	own_transaction_commit();

	remove_undiscovered();
	watch_shards();
	pgstat_report_stat(true);
}
