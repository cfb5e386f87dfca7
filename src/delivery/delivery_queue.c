/*
 * delivery_queue.c
 *	  What the dispatcher knows of units, in its own memory.
 *
 * A unit is idle, waits for a time, is ready, or runs; README has a drawing of
 * the states.  Ready units are served in turn: one of each role that has any,
 * among those of a role one of each mapping, and among those of a mapping the
 * one that has been ready for longest.  So a role that makes many mappings
 * does not keep those of others waiting.
 *
 * Units and mappings live until a discovery removes them
 * (delivery_discover.c).  If the dispatcher dies, its successor makes them
 * again from the tables and from the mailbox (handler_mailbox.c); all that is
 * lost is what a unit has passed over, and when it was to be woken.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/delivery_queue.h"

dlist_head delivery_queue_all_mappings = DLIST_STATIC_INIT(delivery_queue_all_mappings);
dlist_head delivery_queue_all_shards = DLIST_STATIC_INIT(delivery_queue_all_shards);
uint64	   delivery_queue_shard_changes = 0;

static int compare_wake_times(const pairingheap_node *a, const pairingheap_node *b, void *arg);

/* Units that wait; the first is the one whose time comes first. */
static pairingheap waiting_units = {.ph_compare = compare_wake_times};

typedef struct UnitEntry
{
	DeliveryUnit key;
	QueuedUnit	*unit;
} UnitEntry;

static HTAB *entries = NULL;
static HTAB *shards = NULL;	  /* of QueuedShard */
static HTAB *mappings = NULL; /* of QueuedMapping */

QueuedMapping *
delivery_queue_mapping(int64 mapping_no, Oid role)
{
	QueuedMapping *mapping;
	bool		   found;

	if (mappings == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(QueuedMapping);
		mappings = hash_create("ddbstreams mappings with units", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS);
	}
	mapping = hash_search(mappings, &mapping_no, HASH_ENTER, &found);
	if (!found)
	{
		memset(mapping, 0, sizeof(QueuedMapping));
		mapping->mapping_no = mapping_no;
		mapping->role = role;
		dlist_init(&mapping->units);
		dlist_init(&mapping->ready);
		dlist_push_tail(&delivery_queue_all_mappings, &mapping->node);
	}
	return mapping;
}

static UnitEntry *
find_entry(const DeliveryUnit *key, HASHACTION action)
{
	if (entries == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(DeliveryUnit);
		ctl.entrysize = sizeof(UnitEntry);
		entries = hash_create("ddbstreams units", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	return hash_search(entries, key, action, NULL);
}

QueuedUnit *
delivery_queue_find(const DeliveryUnit *key)
{
	UnitEntry *entry = find_entry(key, HASH_FIND);

	return entry == NULL ? NULL : entry->unit;
}

static QueuedShard *
find_shard(Oid shard_table)
{
	QueuedShard *shard;
	bool		 found;

	if (shards == NULL)
	{
		HASHCTL ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(QueuedShard);
		shards = hash_create("ddbstreams shards with units", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS);
	}
	shard = hash_search(shards, &shard_table, HASH_ENTER, &found);
	if (!found)
	{
		shard->resting = 0;
		dlist_init(&shard->units);
		dlist_push_tail(&delivery_queue_all_shards, &shard->node);
		delivery_queue_shard_changes++;
	}
	return shard;
}

static int
compare_wake_times(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(QueuedUnit, waiting_node, a)->outcome.wake_at;
	TimestampTz y = pairingheap_const_container(QueuedUnit, waiting_node, b)->outcome.wake_at;

	return x < y ? 1 : x > y ? -1 :
							   0;
}

static bool
is_resting(const QueuedUnit *unit)
{
	return unit->state == UNIT_IDLE || unit->state == UNIT_WAITING;
}

/* Takes a unit from its shard, if it has one. */
static void
leave_shard(QueuedUnit *unit)
{
	QueuedShard *shard = unit->shard;

	if (shard == NULL)
		return;
	unit->shard = NULL;
	shard->resting -= is_resting(unit);
	dlist_delete(&unit->shard_node);
	if (dlist_is_empty(&shard->units))
	{
		dlist_delete(&shard->node);
		delivery_queue_shard_changes++;
		(void) hash_search(shards, &shard->shard_table, HASH_REMOVE, NULL);
	}
}

static void
set_shard(QueuedUnit *unit, Oid shard_table)
{
	if ((unit->shard == NULL ? InvalidOid : unit->shard->shard_table) == shard_table)
		return;
	leave_shard(unit);
	if (!OidIsValid(shard_table))
		return;
	unit->shard = find_shard(shard_table);
	unit->shard->resting += is_resting(unit);
	dlist_push_tail(&unit->shard->units, &unit->shard_node);
}

static void
set_state(QueuedUnit *unit, UnitState state)
{
	bool was_resting = is_resting(unit);

	if (unit->state == UNIT_READY)
		dlist_delete(&unit->ready_node);
	else if (unit->state == UNIT_WAITING)
		pairingheap_remove(&waiting_units, &unit->waiting_node);
	unit->state = state;
	if (state == UNIT_READY)
		dlist_push_tail(&unit->mapping->ready, &unit->ready_node);
	else if (state == UNIT_WAITING)
		pairingheap_add(&waiting_units, &unit->waiting_node);
	if (unit->shard != NULL)
		unit->shard->resting += is_resting(unit) - was_resting;
}

QueuedUnit *
delivery_queue_add(QueuedMapping *mapping, const DeliveryUnit *key, Oid shard_table)
{
	QueuedUnit *unit = delivery_queue_find(key);

	if (unit != NULL)
	{
		set_shard(unit, shard_table);
		return unit;
	}
	unit = MemoryContextAllocZero(TopMemoryContext, sizeof(QueuedUnit));
	unit->key = *key;
	unit->mapping = mapping;
	set_shard(unit, shard_table);
	dlist_push_tail(&mapping->units, &unit->node);
	find_entry(key, HASH_ENTER)->unit = unit;
	delivery_queue_make_ready(unit);
	return unit;
}

void
delivery_queue_remove(QueuedUnit *unit)
{
	Assert(unit->state != UNIT_RUNNING);
	set_state(unit, UNIT_IDLE);
	leave_shard(unit);
	dlist_delete(&unit->node);
	(void) find_entry(&unit->key, HASH_REMOVE);
	pfree(unit);
}

void
delivery_queue_remove_mapping(QueuedMapping *mapping)
{
	Assert(dlist_is_empty(&mapping->units) && mapping->wish == DISCOVERY_NOT_WANTED);
	dlist_delete(&mapping->node);
	(void) hash_search(mappings, &mapping->mapping_no, HASH_REMOVE, NULL);
}

void
delivery_queue_make_ready(QueuedUnit *unit)
{
	if (unit->state == UNIT_RUNNING)
		unit->again = true;
	else if (unit->state != UNIT_READY)
		set_state(unit, UNIT_READY);
}

void
delivery_queue_touch(QueuedUnit *unit)
{
	DeliveryOutcome *outcome = &unit->outcome;

	if (unit->state == UNIT_WAITING)
	{
		/* The batch that has failed is delivered before the new record is. */
		if (outcome->result == DELIVERY_BLOCKED)
			return;
		if (outcome->not_before > GetCurrentTimestamp())
		{
			pairingheap_remove(&waiting_units, &unit->waiting_node);
			outcome->wake_at = Min(outcome->wake_at, outcome->not_before);
			pairingheap_add(&waiting_units, &unit->waiting_node);
			return;
		}
	}
	delivery_queue_make_ready(unit);
}

void
delivery_queue_move_role(dlist_head *list, size_t node_offset, Oid role)
{
	dlist_head		   of_role = DLIST_STATIC_INIT(of_role);
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, list)
	{
		QueuedMapping *mapping = (QueuedMapping *) ((char *) iter.cur - node_offset);

		if (mapping->role != role)
			continue;
		dlist_delete(iter.cur);
		dlist_push_tail(&of_role, iter.cur);
	}
	while (!dlist_is_empty(&of_role))
		dlist_push_tail(list, dlist_pop_head_node(&of_role));
}

/*
 * Lets the mappings of other roles be served before one of this role is again,
 * and its other mappings before this one.
 */
static void
move_behind_others(QueuedMapping *served)
{
	delivery_queue_move_role(&delivery_queue_all_mappings,
							 offsetof(QueuedMapping, node), served->role);
	dlist_delete(&served->node);
	dlist_push_tail(&delivery_queue_all_mappings, &served->node);
}

void
delivery_queue_begin(QueuedUnit *unit)
{
	Assert(unit->state == UNIT_READY);
	set_state(unit, UNIT_RUNNING);
	unit->again = false;
	unit->has_changed = false;
	unit->mapping->running++;
	move_behind_others(unit->mapping);
}

void
delivery_queue_end(QueuedUnit *unit, const DeliveryOutcome *outcome)
{
	Assert(unit->state == UNIT_RUNNING);
	unit->mapping->running--;
	unit->mapping->is_slow = outcome->slow;
	unit->outcome = *outcome;
	set_state(unit, UNIT_IDLE);
	switch (outcome->result)
	{
		case DELIVERY_IDLE:
			if (unit->again)
				delivery_queue_make_ready(unit);
			break;
		case DELIVERY_WAIT:
		case DELIVERY_BLOCKED:
			set_state(unit, UNIT_WAITING);
			if (unit->again)
				delivery_queue_touch(unit);
			break;
		case DELIVERY_AGAIN:
			delivery_queue_make_ready(unit);
			break;
		case DELIVERY_CHANGED:
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
			unit->has_changed = !outcome->drained;
			if (unit->again)
				delivery_queue_make_ready(unit);
			break;
	}
}

TimestampTz
delivery_queue_run_timers(void)
{
	TimestampTz now = GetCurrentTimestamp();

	while (!pairingheap_is_empty(&waiting_units))
	{
		QueuedUnit *unit = pairingheap_container(QueuedUnit, waiting_node,
												 pairingheap_first(&waiting_units));

		if (unit->outcome.wake_at > now)
			return unit->outcome.wake_at;
		delivery_queue_make_ready(unit);
	}
	return DT_NOEND;
}
