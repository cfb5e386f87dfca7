/*
 * delivery_units.c
 *	  What the dispatcher knows of units, in its own memory.
 *
 * A unit is idle, waits for a time, is ready, or runs.  Ready units are served
 * in turn: one of each mapping that has any, and of a mapping's the one that has
 * been ready for longest.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/delivery_units.h"

dlist_head units_mappings = DLIST_STATIC_INIT(units_mappings);
dlist_head units_all = DLIST_STATIC_INIT(units_all);

typedef struct UnitEntry
{
	DeliveryUnit key;
	Unit		*unit;
} UnitEntry;

static HTAB *entries = NULL;

/* Returns what is known of a mapping; it may be new. */
UnitMapping *
units_mapping(int64 mapping_no)
{
	UnitMapping *mapping;
	dlist_iter	 iter;

	dlist_foreach (iter, &units_mappings)
	{
		mapping = dlist_container(UnitMapping, node, iter.cur);
		if (mapping->mapping_no == mapping_no)
			return mapping;
	}
	mapping = MemoryContextAllocZero(TopMemoryContext, sizeof(UnitMapping));
	mapping->mapping_no = mapping_no;
	dlist_init(&mapping->ready);
	dlist_push_tail(&units_mappings, &mapping->node);
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

Unit *
units_find(const DeliveryUnit *key)
{
	UnitEntry *entry = find_entry(key, HASH_FIND);

	return entry == NULL ? NULL : entry->unit;
}

/* Returns a unit, a new one if need be; that is ready. */
Unit *
units_add(UnitMapping *mapping, const DeliveryUnit *key, Oid shard_table)
{
	Unit *unit = units_find(key);

	if (unit != NULL)
	{
		unit->shard_table = shard_table;
		return unit;
	}
	unit = MemoryContextAllocZero(TopMemoryContext, sizeof(Unit));
	unit->key = *key;
	unit->mapping = mapping;
	unit->shard_table = shard_table;
	dlist_push_tail(&units_all, &unit->node);
	find_entry(key, HASH_ENTER)->unit = unit;
	units_make_ready(unit);
	return unit;
}

/* Forgets a unit, which does not run. */
void
units_remove(Unit *unit)
{
	Assert(unit->state != UNIT_RUNNING);
	if (unit->state == UNIT_READY)
		dlist_delete(&unit->ready_node);
	dlist_delete(&unit->node);
	(void) find_entry(&unit->key, HASH_REMOVE);
	pfree(unit);
}

/* Forgets a mapping that has no units. */
void
units_remove_mapping(UnitMapping *mapping)
{
	Assert(dlist_is_empty(&mapping->ready) && mapping->running == 0);
	dlist_delete(&mapping->node);
	pfree(mapping);
}

void
units_make_ready(Unit *unit)
{
	if (unit->state == UNIT_RUNNING)
		unit->again = true;
	else if (unit->state != UNIT_READY)
	{
		unit->state = UNIT_READY;
		dlist_push_tail(&unit->mapping->ready, &unit->ready_node);
	}
}

/* Something was appended. */
void
units_touch(Unit *unit)
{
	DeliveryOutcome *outcome = &unit->outcome;

	if (unit->state == UNIT_WAITING)
	{
		if (outcome->result == DELIVERY_BLOCKED)
			return;
		if (outcome->not_before > GetCurrentTimestamp())
		{
			outcome->wake_at = Min(outcome->wake_at, outcome->not_before);
			return;
		}
	}
	units_make_ready(unit);
}

/* A ready unit is given to a handler. */
void
units_begin(Unit *unit)
{
	Assert(unit->state == UNIT_READY);
	dlist_delete(&unit->ready_node);
	unit->state = UNIT_RUNNING;
	unit->again = false;
	unit->mapping->running++;
	/* The next one is another mapping's. */
	dlist_delete(&unit->mapping->node);
	dlist_push_tail(&units_mappings, &unit->mapping->node);
}

/* A handler has ended its run. */
void
units_end(Unit *unit, const DeliveryOutcome *outcome)
{
	Assert(unit->state == UNIT_RUNNING);
	unit->mapping->running--;
	unit->mapping->is_slow = outcome->slow;
	unit->outcome = *outcome;
	unit->state = UNIT_IDLE;
	switch (outcome->result)
	{
		case DELIVERY_IDLE:
			if (unit->again)
				units_make_ready(unit);
			break;
		case DELIVERY_WAIT:
		case DELIVERY_BLOCKED:
			unit->state = UNIT_WAITING;
			if (unit->again)
				units_touch(unit);
			break;
		case DELIVERY_AGAIN:
			units_make_ready(unit);
			break;
		case DELIVERY_CHANGED:
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
			if (unit->again)
				units_make_ready(unit);
			break;
	}
}

/*
 * Makes those ready whose time has come.  Returns when the next one's will, or
 * DT_NOEND.
 */
TimestampTz
units_run_timers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = DT_NOEND;
	dlist_iter	iter;

	dlist_foreach (iter, &units_all)
	{
		Unit *unit = dlist_container(Unit, node, iter.cur);

		if (unit->state != UNIT_WAITING)
			continue;
		if (unit->outcome.wake_at <= now)
			units_make_ready(unit);
		else
			next = Min(next, unit->outcome.wake_at);
	}
	return next;
}
