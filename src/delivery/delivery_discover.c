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

static bool
shard_is_listed(List *shards, int64 shard_no)
{
	ListCell *lc;

	foreach (lc, shards)
	{
		if (((ShardInfo *) lfirst(lc))->shard_no == shard_no)
			return true;
	}
	return false;
}

/* What the positions of a shard's lanes have in common */
typedef struct ShardPositions
{
	int	 count;
	bool finished; /* all of them are, and there are some */
	bool any_finished;
	bool any_drains; /* a lane has been told where to stop */
} ShardPositions;

static ShardPositions
positions_of(List *positions, int64 shard_no)
{
	ShardPositions found = {.finished = true};

	for (int i = 0; i < list_length(positions); i++)
	{
		DeliveryPosition *position = list_nth(positions, i);

		if (position->shard_no != shard_no)
			continue;
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
parent_is_done(const ShardInfo *shard, List *shards, List *positions)
{
	ListCell *lc;

	if (shard->parent_shard_id == NULL)
		return true;
	foreach (lc, shards)
	{
		ShardInfo *parent = lfirst(lc);

		if (strcmp(parent->shard_id, shard->parent_shard_id) == 0)
			return positions_of(positions, parent->shard_no).finished;
	}
	return true;
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
discover_shard(QueuedMapping *known, const MappingInfo *mapping, const StreamInfo *stream,
			   const ShardInfo *shard, List *shards, List *positions)
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
		if (!parent_is_done(shard, shards, positions) ||
			!delivery_lanes_begin(no, shard->shard_no, lanes,
								  first_checkpoint(mapping, stream, shard)))
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
discover_expired(QueuedMapping *known, List *shards, List *positions)
{
	ListCell *lc;

	foreach (lc, positions)
	{
		DeliveryPosition *position = lfirst(lc);

		if (shard_is_listed(shards, position->shard_no))
			continue;
		if (position->finished)
			delivery_lanes_forget(known->mapping_no, position->shard_no);
		else
			(void) discover_unit(known, position->shard_no, position->lane, InvalidOid);
	}
}

static void
discover_mapping(const MappingInfo *mapping)
{
	QueuedMapping *known = delivery_queue_mapping(mapping->mapping_no);
	StreamInfo	  *stream = stream_catalog_by_id(mapping->stream_id, NULL);
	List		  *shards = shard_catalog_list(mapping->stream_id, NULL);
	List		  *positions = delivery_position_list(mapping->mapping_no);
	ListCell	  *lc;

	known->role = mapping->role_id;
	known->discovered = true;
	foreach (lc, shards)
		discover_shard(known, mapping, stream, lfirst(lc), shards, positions);
	discover_expired(known, shards, positions);
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
	int		   count = 0;
	Oid		  *shards;
	dlist_iter iter;

	dlist_foreach (iter, &delivery_queue_all_units)
		count++;
	shards = palloc(Max(count, 1) * sizeof(Oid));
	count = 0;
	dlist_foreach (iter, &delivery_queue_all_units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (OidIsValid(unit->shard_table))
			shards[count++] = unit->shard_table;
	}
	shard_watch_set(shards, count);
}

/*
 * New units are ready.  Their shards are watched from here on, before a
 * handler reads them, so that no record that is appended meanwhile is missed.
 */
void
delivery_discover(void)
{
	MemoryContext context = CurrentMemoryContext;
	ListCell	 *lc;

	mark_all_undiscovered();

	own_transaction_begin();
	MemoryContextSwitchTo(context);
	foreach (lc, mapping_catalog_list())
	{
		MappingInfo *mapping = lfirst(lc);

		if (mapping_is_active(mapping) && mapping_state_problem(mapping) == NULL)
			discover_mapping(mapping);
	}
	mapping_shard_delete_orphans();
	own_transaction_commit();

	remove_undiscovered();
	watch_shards();
	pgstat_report_stat(true);
}
