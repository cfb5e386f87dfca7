/*
 * delivery_discover.c
 *	  What the tables say is to be delivered for a mapping.
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
 * A mapping may have hundreds of thousands of lanes.  So it is discovered in
 * steps of DISCOVERY_SHARDS shards, in the order of their numbers, each in a
 * transaction of the dispatcher's own, and the dispatcher serves its units
 * between them (delivery_survey.c).  Rows that other transactions have locked
 * are skipped; the mapping is then discovered once more.
 *
 * A unit that a discovery does not find is removed at its end.  One that runs
 * is removed by the discovery that follows its run.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/own_transaction.h"
#include "delivery/delivery_discover.h"
#include "delivery/delivery_lanes.h"
#include "delivery/delivery_position.h"
#include "delivery/delivery_queue.h"
#include "delivery/delivery_redrive.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_shard.h"
#include "mapping/mapping_state.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"

/* How many shards of a mapping a step looks at, at most */
#define DISCOVERY_SHARDS 32

/*
 * The shards of a stream.  The list is kept for the mappings of the stream
 * that are discovered next, as long as none of them was wanted after it was
 * read.  A stream may have thousands, so nothing is searched for by looking at
 * each.
 */
typedef struct DiscoveredStream
{
	int64			  stream_id; /* 0: no list is kept */
	uint64			  read_at;	 /* a count of wishes */
	List			 *shards;	 /* by shard id */
	const ShardInfo **by_number;
	MemoryContext	  context; /* of the list */
} DiscoveredStream;

static DiscoveredStream kept_stream = {0};

static uint64 wishes = 0;

static int
compare_numbers(const void *a, const void *b)
{
	int64 x = (*(const ShardInfo *const *) a)->shard_no;
	int64 y = (*(const ShardInfo *const *) b)->shard_no;

	return x < y ? -1 : x > y;
}

static const DiscoveredStream *
discover_stream(int64 stream_id, uint64 wanted_at)
{
	DiscoveredStream *stream = &kept_stream;
	MemoryContext	  old_context;
	ListCell		 *lc;

	if (stream->stream_id == stream_id && stream->read_at >= wanted_at)
		return stream;
	if (stream->context == NULL)
		stream->context = AllocSetContextCreate(TopMemoryContext, "ddbstreams discovered shards",
												ALLOCSET_DEFAULT_SIZES);
	stream->stream_id = 0;
	MemoryContextReset(stream->context);
	old_context = MemoryContextSwitchTo(stream->context);
	stream->shards = shard_catalog_list(stream_id, NULL);
	stream->by_number = palloc(Max(list_length(stream->shards), 1) * sizeof(ShardInfo *));
	foreach (lc, stream->shards)
		stream->by_number[foreach_current_index (lc)] = lfirst(lc);
	qsort(stream->by_number, list_length(stream->shards), sizeof(ShardInfo *), compare_numbers);
	MemoryContextSwitchTo(old_context);
	stream->read_at = wishes;
	stream->stream_id = stream_id;
	return stream;
}

/*
 * What the positions of a shard's lanes have in common.  They are summed up
 * where they are read: a row for each lane takes ten times as long.
 */
#define POSITIONS_COLUMNS(COLUMN)                         \
	COLUMN(positions, shard_no, INT8OID, ROW_FIXED)       \
	COLUMN(positions, lane_count, INT8OID, ROW_FIXED)     \
	COLUMN(positions, all_finished, BOOLOID, ROW_FIXED)   \
	COLUMN(positions, any_finished, BOOLOID, ROW_FIXED)   \
	COLUMN(positions, any_drains, BOOLOID, ROW_FIXED)     \
	COLUMN(positions, mapping_no, INT8OID, ROW_PARAMETER) \
	COLUMN(positions, above, INT8OID, ROW_PARAMETER)      \
	COLUMN(positions, up_to, INT8OID, ROW_PARAMETER)      \
	COLUMN(positions, at_a_time, INT4OID, ROW_PARAMETER)
ROW_TABLE(positions, POSITIONS_COLUMNS);

typedef struct ShardPositions
{
	int64 shard_no;
	int	  count;
	bool  finished; /* all of them are, and there are some */
	bool  any_finished;
	bool  any_drains; /* a lane has been told where to stop */
} ShardPositions;

static void *
positions_from_row(const TableRow *row)
{
	ShardPositions *found = palloc(sizeof(ShardPositions));

	found->shard_no = row_int64(row, Anum_positions_shard_no);
	found->count = (int) row_int64(row, Anum_positions_lane_count);
	found->finished = row_bool(row, Anum_positions_all_finished);
	found->any_finished = row_bool(row, Anum_positions_any_finished);
	found->any_drains = row_bool(row, Anum_positions_any_drains);
	return found;
}

/*
 * Returns what there is of a mapping above one number and up to another, by
 * number, at most DISCOVERY_SHARDS of them.
 */
static List *
list_positions(int64 mapping_no, int64 above, int64 up_to)
{
	TableRow key;

	row_init(&key, &positions_table);
	row_set_int64(&key, Anum_positions_mapping_no, mapping_no);
	row_set_int64(&key, Anum_positions_above, above);
	row_set_int64(&key, Anum_positions_up_to, up_to);
	row_set_int32(&key, Anum_positions_at_a_time, DISCOVERY_SHARDS);
	return owner_sql_list("SELECT shard_no, count(*) AS lane_count,"
						  " bool_and(finished) AS all_finished,"
						  " bool_or(finished) AS any_finished,"
						  " bool_or(drain_to IS NOT NULL) AS any_drains"
						  " FROM ddbstreams_shards.mapping_shard"
						  " WHERE mapping_no = $mapping_no"
						  " AND shard_no > $above AND shard_no <= $up_to"
						  " GROUP BY shard_no ORDER BY shard_no LIMIT $at_a_time",
						  &key, positions_from_row);
}

/* May the mapping come to the shard: is its parent finished, or expired? */
static bool
parent_is_done(const ShardInfo *shard, const DiscoveredStream *stream, int64 mapping_no)
{
	const ShardInfo *parent;
	List			*positions;

	if (shard->parent_shard_id == NULL)
		return true;
	parent = shard_catalog_in_list(stream->shards, shard->parent_shard_id);
	if (parent == NULL)
		return true;
	positions = list_positions(mapping_no, parent->shard_no - 1, parent->shard_no);
	return positions != NIL && ((ShardPositions *) linitial(positions))->finished;
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
	unit->discovery = mapping->discovery;
	unit->held = false;
	return unit;
}

/*
 * The unit's last run has found that the tables do not call for it, and now
 * they do: the mapping was disabled for a moment, or a batch was marked to be
 * redriven again.
 */
static void
ready_if_changed(QueuedUnit *unit)
{
	if (unit->has_changed)
		delivery_queue_make_ready(unit);
	unit->has_changed = false;
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
	{
		int64 horizon = horizon_of_shard(stream, shard, GetActiveSnapshot());

		start = Max(start, horizon);
	}
	return start - 1;
}

/*
 * Makes the units of a shard of a mapping.  positions is NULL if the mapping
 * has not begun the shard.
 */
static void
discover_shard(QueuedMapping *known, const MappingInfo *mapping,
			   const StreamInfo *info, const DiscoveredStream *stream,
			   const ShardInfo *shard, const ShardPositions *positions)
{
	ShardPositions found = {0};
	int			   lanes = mapping_shard_lanes(mapping);
	int64		   no = mapping->mapping_no;
	bool		   divides;
	bool		   divided = false;
	bool		   held = false;
	bool		   moves = false;

	if (positions != NULL)
		found = *positions;
	if (found.finished)
		return;
	if (found.count == 0)
	{
		if (!parent_is_done(shard, stream, no))
			return;
		if (!delivery_lanes_begin(no, shard->shard_no, lanes,
								  first_checkpoint(mapping, info, shard)))
		{
			known->is_held_up = true;
			return;
		}
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
			known->is_held_up |= !moves;
		}
		else if (!held)
			delivery_lanes_cancel_divide(no, shard->shard_no);
	}

	for (int lane = 0; lane < found.count; lane++)
	{
		QueuedUnit *unit = discover_unit(known, shard->shard_no, lane, shard->shard_table);

		unit->held = held;
		if (divided || (moves && unit->state == UNIT_IDLE))
			delivery_queue_make_ready(unit);
		else
			ready_if_changed(unit);
		/* A record that a lane has passed over may now belong to it. */
		if (divided)
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
	}
}

/*
 * Looks after the positions in a shard that has expired.  They are removed if
 * the shard was delivered.  Otherwise they become units: their next step
 * reports the loss (delivery_prepare.c).
 */
static void
discover_expired(QueuedMapping *known, const ShardPositions *found)
{
	ListCell *lc;

	/* The list of shards may be older than the positions. */
	if (shard_catalog_by_no(found->shard_no, NULL) != NULL)
		return;
	if (found->any_finished)
		delivery_lanes_forget(known->mapping_no, found->shard_no);
	if (found->finished)
		return;
	foreach (lc, delivery_position_list_of_shard(known->mapping_no, found->shard_no))
	{
		DeliveryPosition *position = lfirst(lc);

		if (!position->finished)
			ready_if_changed(discover_unit(known, position->shard_no, position->lane,
										   InvalidOid));
	}
}

/* Returns how many of a stream's shards have a number up to this one. */
static int
count_shards_up_to(const DiscoveredStream *stream, int64 shard_no)
{
	int low = 0;
	int high = list_length(stream->shards);

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (stream->by_number[middle]->shard_no <= shard_no)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Looks at a mapping's next shards; returns whether they were the last. */
static bool
discover_shards(QueuedMapping *known, const MappingInfo *mapping,
				const StreamInfo *info, const DiscoveredStream *stream)
{
	int	  shard_count = list_length(stream->shards);
	int	  next = count_shards_up_to(stream, known->discovered_to);
	int	  end = Min(shard_count, next + DISCOVERY_SHARDS);
	int64 up_to = end < shard_count ? stream->by_number[end - 1]->shard_no : PG_INT64_MAX;
	List *found = list_positions(mapping->mapping_no, known->discovered_to, up_to);
	int	  i = 0;

	/* There may be more, of shards that have expired. */
	if (list_length(found) == DISCOVERY_SHARDS)
		up_to = ((ShardPositions *) llast(found))->shard_no;
	for (;;)
	{
		const ShardInfo		 *shard = NULL;
		const ShardPositions *positions = NULL;

		if (next < end && stream->by_number[next]->shard_no <= up_to)
			shard = stream->by_number[next];
		if (i < list_length(found))
			positions = list_nth(found, i);
		if (shard == NULL && positions == NULL)
			break;
		if (positions != NULL && (shard == NULL || positions->shard_no < shard->shard_no))
			discover_expired(known, positions);
		else
		{
			if (positions != NULL && positions->shard_no != shard->shard_no)
				positions = NULL;
			discover_shard(known, mapping, info, stream, shard, positions);
			next++;
		}
		if (positions != NULL)
			i++;
	}
	known->discovered_to = up_to;
	return up_to == PG_INT64_MAX;
}

/* Forgets units that the discovery has not found, except those that run. */
static void
remove_undiscovered(QueuedMapping *known)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &known->units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (unit->discovery == known->discovery)
			continue;
		if (unit->state == UNIT_RUNNING)
			unit->discovered = false;
		else
			delivery_queue_remove(unit);
	}
}

static void
begin_discovery(QueuedMapping *known, const MappingInfo *mapping)
{
	known->is_begun = true;
	known->is_held_up = false;
	known->discovery++;
	known->discovered_to = 0;
	known->seeks_version = mapping != NULL ? mapping->version : 0;
}

/* Takes the next step; returns whether the mapping has been discovered. */
static bool
discover_mapping(QueuedMapping *known)
{
	MappingInfo		 *mapping = mapping_catalog_by_no(known->mapping_no);
	const StreamInfo *info = NULL;

	if (!known->is_begun)
		begin_discovery(known, mapping);
	if (mapping == NULL)
		mapping_shard_delete_of(known->mapping_no);
	if (mapping != NULL && mapping_is_active(mapping) &&
		mapping_state_problem(mapping) == NULL)
		info = stream_catalog_by_id(mapping->stream_id, NULL);
	/* The stream may have been deleted a moment ago. */
	delivery_queue_set_active(known, info != NULL);
	if (!known->active)
	{
		/* What this discovery has found before is not wanted any more. */
		known->discovery++;
		known->version = 0;
		return true;
	}
	known->stream_id = mapping->stream_id;
	if (!discover_shards(known, mapping, info,
						 discover_stream(mapping->stream_id, known->wanted_at)))
		return false;
	if (delivery_redrive_is_wanted(mapping->mapping_no))
		ready_if_changed(discover_unit(known, 0, REDRIVE_LANE, InvalidOid));
	if (mapping->version == known->seeks_version && mapping_catalog_acknowledge(mapping) &&
		!known->is_held_up)
		known->version = mapping->version;
	else
		known->version = 0;
	return true;
}

uint64
delivery_discover_wish(void)
{
	return ++wishes;
}

bool
delivery_discover(QueuedMapping *known)
{
	MemoryContext context = CurrentMemoryContext;
	bool		  done;

	own_transaction_begin();
	MemoryContextSwitchTo(context);
	done = discover_mapping(known);
	own_transaction_commit();
	if (done)
	{
		known->is_begun = false;
		remove_undiscovered(known);
	}
	return done;
}
