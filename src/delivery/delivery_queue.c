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
 *
 * A turn of the dispatcher looks at the mappings that have ready units, and at
 * the shards to which a record was appended: not at all that there are.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/delivery_queue.h"
#include "shard/shard_slot.h"
#include "shard/shard_watch.h"

dlist_head delivery_queue_all_mappings = DLIST_STATIC_INIT(delivery_queue_all_mappings);
dlist_head delivery_queue_ready_mappings = DLIST_STATIC_INIT(delivery_queue_ready_mappings);
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
static HTAB *roles = NULL;	  /* of QueuedRole */

static uint64 served = 0;  /* how many units have been given to workers */
static int	  counted = 0; /* mappings with counts */

/* The shards by slot, and how many of each are resting */
static dlist_head shards_of_slot[SHARD_SLOTS];
static int		  resting_of_slot[SHARD_SLOTS];

static HTAB *
make_table(const char *name, long count, Size keysize, Size entrysize)
{
	HASHCTL ctl;

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	return hash_create(name, count, &ctl, HASH_ELEM | HASH_BLOBS);
}

static QueuedRole *
find_role(Oid role, HASHACTION action)
{
	QueuedRole *entry;
	bool		found;

	if (roles == NULL)
		roles = make_table("ddbstreams roles with mappings", 16, sizeof(Oid), sizeof(QueuedRole));
	entry = hash_search(roles, &role, action, &found);
	if (action == HASH_ENTER && !found)
	{
		entry->mappings = 0;
		entry->served = 0;
	}
	return entry;
}

bool
delivery_queue_role_has_mappings(Oid role)
{
	return find_role(role, HASH_FIND) != NULL;
}

/* Brings the count of mappings up to date behind a change of one. */
static void
count_mapping(QueuedMapping *mapping)
{
	bool counts = mapping->active || mapping->running > 0 ||
				  !dlist_is_empty(&mapping->ready);

	counted += counts - mapping->counts;
	mapping->counts = counts;
}

int
delivery_queue_count(void)
{
	return counted;
}

void
delivery_queue_set_active(QueuedMapping *mapping, bool active)
{
	mapping->active = active;
	count_mapping(mapping);
}

QueuedMapping *
delivery_queue_mapping(int64 mapping_no, Oid role)
{
	QueuedMapping *mapping;
	bool		   found;

	if (mappings == NULL)
		mappings = make_table("ddbstreams mappings with units", 64, sizeof(int64), sizeof(QueuedMapping));
	mapping = hash_search(mappings, &mapping_no, HASH_ENTER, &found);
	if (!found)
	{
		memset(mapping, 0, sizeof(QueuedMapping));
		mapping->mapping_no = mapping_no;
		mapping->role = role;
		mapping->of_role = find_role(role, HASH_ENTER);
		mapping->of_role->mappings++;
		mapping->served = ++served;
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
		entries = make_table("ddbstreams units", 256, sizeof(DeliveryUnit), sizeof(UnitEntry));
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
		shards = make_table("ddbstreams shards with units", 64, sizeof(Oid), sizeof(QueuedShard));
	shard = hash_search(shards, &shard_table, HASH_ENTER, &found);
	if (!found)
	{
		shard->resting = 0;
		dlist_init(&shard->units);
		dlist_push_tail(&shards_of_slot[shard_slot_number(shard_table)],
						&shard->slot_node);
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

/* So many more units of a shard are resting, or fewer. */
static void
add_resting(QueuedShard *shard, int count)
{
	shard->resting += count;
	resting_of_slot[shard_slot_number(shard->shard_table)] += count;
}

/* Takes a unit from its shard, if it has one. */
static void
leave_shard(QueuedUnit *unit)
{
	QueuedShard *shard = unit->shard;

	if (shard == NULL)
		return;
	unit->shard = NULL;
	add_resting(shard, -is_resting(unit));
	dlist_delete(&unit->shard_node);
	if (dlist_is_empty(&shard->units))
	{
		dlist_delete(&shard->node);
		dlist_delete(&shard->slot_node);
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
	add_resting(unit->shard, is_resting(unit));
	dlist_push_tail(&unit->shard->units, &unit->shard_node);
}

/* Is a mapping to be served before another one? */
static bool
comes_before(const QueuedMapping *mapping, const QueuedMapping *other)
{
	if (mapping->of_role->served != other->of_role->served)
		return mapping->of_role->served < other->of_role->served;
	return mapping->served < other->served;
}

/* Puts a mapping that has a ready unit among the others that have. */
static void
take_turn(QueuedMapping *mapping)
{
	dlist_node *node = delivery_queue_ready_mappings.head.prev;

	while (node != &delivery_queue_ready_mappings.head &&
		   comes_before(mapping, dlist_container(QueuedMapping, turn_node, node)))
		node = node->prev;
	dlist_insert_after(node, &mapping->turn_node);
}

static void
set_state(QueuedUnit *unit, UnitState state)
{
	bool was_resting = is_resting(unit);

	if (unit->state == UNIT_READY)
	{
		dlist_delete(&unit->ready_node);
		if (dlist_is_empty(&unit->mapping->ready))
			dlist_delete(&unit->mapping->turn_node);
	}
	else if (unit->state == UNIT_WAITING)
		pairingheap_remove(&waiting_units, &unit->waiting_node);
	unit->state = state;
	if (state == UNIT_READY)
	{
		if (dlist_is_empty(&unit->mapping->ready))
			take_turn(unit->mapping);
		dlist_push_tail(&unit->mapping->ready, &unit->ready_node);
	}
	else if (state == UNIT_WAITING)
		pairingheap_add(&waiting_units, &unit->waiting_node);
	if (unit->shard != NULL)
		add_resting(unit->shard, is_resting(unit) - was_resting);
	count_mapping(unit->mapping);
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
	delivery_queue_set_active(mapping, false);
	if (--mapping->of_role->mappings == 0)
		(void) find_role(mapping->role, HASH_REMOVE);
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

/* A record was appended to the unit's shard. */
static void
touch(QueuedUnit *unit)
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

static void
touch_units(QueuedShard *shard)
{
	dlist_iter iter;

	dlist_foreach (iter, &shard->units)
		touch(dlist_container(QueuedUnit, shard_node, iter.cur));
}

/* One of a slot's shards, which have the same bit */
static Oid
table_of_slot(int slot)
{
	return dlist_head_element(QueuedShard, slot_node, &shards_of_slot[slot])->shard_table;
}

void
delivery_queue_touch_shards(void)
{
	ShardWatchBits wanted = {0};
	ShardWatchBits touched;
	dlist_iter	   iter;

	/* A unit that runs or is ready need not be told. */
	for (int slot = 0; slot < SHARD_SLOTS; slot++)
	{
		if (resting_of_slot[slot] > 0)
			shard_watch_mark(&wanted, table_of_slot(slot));
	}
	if (!shard_watch_take_wanted(&wanted, &touched))
		return;
	for (int slot = 0; slot < SHARD_SLOTS; slot++)
	{
		if (dlist_is_empty(&shards_of_slot[slot]) ||
			!shard_watch_touched(&touched, table_of_slot(slot)))
			continue;
		dlist_foreach (iter, &shards_of_slot[slot])
			touch_units(dlist_container(QueuedShard, slot_node, iter.cur));
	}
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
move_behind_others(QueuedMapping *mapping)
{
	mapping->served = mapping->of_role->served = ++served;
	delivery_queue_move_role(&delivery_queue_ready_mappings,
							 offsetof(QueuedMapping, turn_node), mapping->role);
	if (dlist_is_empty(&mapping->ready))
		return;
	dlist_delete(&mapping->turn_node);
	dlist_push_tail(&delivery_queue_ready_mappings, &mapping->turn_node);
}

void
delivery_queue_begin(QueuedUnit *unit)
{
	Assert(unit->state == UNIT_READY);
	unit->mapping->running++;
	set_state(unit, UNIT_RUNNING);
	unit->again = false;
	unit->has_changed = false;
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
				touch(unit);
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
