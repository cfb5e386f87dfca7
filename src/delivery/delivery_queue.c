/*
 * delivery_queue.c
 *	  What the dispatcher knows of units, in its own memory.
 *
 * A unit is idle, waits for a time, is ready, or runs; README has a drawing of
 * the states.  Ready units are served in turn: one of each mapping that has
 * any, and among those of a mapping the one that has been ready for longest.
 *
 * Units and mappings are allocated in TopMemoryContext and live until a
 * discovery removes them (delivery_discover.c).  If the dispatcher dies, its
 * successor makes them again from the tables and from the mailbox
 * (handler_mailbox.c); all that is lost is what a unit has passed over, and
 * when it was to be woken.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/delivery_queue.h"

dlist_head delivery_queue_all_mappings = DLIST_STATIC_INIT(delivery_queue_all_mappings);
dlist_head delivery_queue_all_units = DLIST_STATIC_INIT(delivery_queue_all_units);

typedef struct UnitEntry
{
	DeliveryUnit key;
	QueuedUnit	*unit;
} UnitEntry;

static HTAB *entries = NULL;

QueuedMapping *
delivery_queue_mapping(int64 mapping_no)
{
	QueuedMapping *mapping;
	dlist_iter	   iter;

	dlist_foreach (iter, &delivery_queue_all_mappings)
	{
		mapping = dlist_container(QueuedMapping, node, iter.cur);
		if (mapping->mapping_no == mapping_no)
			return mapping;
	}
	mapping = MemoryContextAllocZero(TopMemoryContext, sizeof(QueuedMapping));
	mapping->mapping_no = mapping_no;
	dlist_init(&mapping->ready);
	dlist_push_tail(&delivery_queue_all_mappings, &mapping->node);
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

QueuedUnit *
delivery_queue_add(QueuedMapping *mapping, const DeliveryUnit *key, Oid shard_table)
{
	QueuedUnit *unit = delivery_queue_find(key);

	if (unit != NULL)
	{
		unit->shard_table = shard_table;
		return unit;
	}
	unit = MemoryContextAllocZero(TopMemoryContext, sizeof(QueuedUnit));
	unit->key = *key;
	unit->mapping = mapping;
	unit->shard_table = shard_table;
	dlist_push_tail(&delivery_queue_all_units, &unit->node);
	find_entry(key, HASH_ENTER)->unit = unit;
	delivery_queue_make_ready(unit);
	return unit;
}

void
delivery_queue_remove(QueuedUnit *unit)
{
	Assert(unit->state != UNIT_RUNNING);
	if (unit->state == UNIT_READY)
		dlist_delete(&unit->ready_node);
	dlist_delete(&unit->node);
	(void) find_entry(&unit->key, HASH_REMOVE);
	pfree(unit);
}

void
delivery_queue_remove_mapping(QueuedMapping *mapping)
{
	Assert(dlist_is_empty(&mapping->ready) && mapping->running == 0);
	dlist_delete(&mapping->node);
	pfree(mapping);
}

void
delivery_queue_make_ready(QueuedUnit *unit)
{
	if (unit->state == UNIT_RUNNING)
		unit->again = true;
	else if (unit->state != UNIT_READY)
	{
		unit->state = UNIT_READY;
		dlist_push_tail(&unit->mapping->ready, &unit->ready_node);
	}
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
			outcome->wake_at = Min(outcome->wake_at, outcome->not_before);
			return;
		}
	}
	delivery_queue_make_ready(unit);
}

void
delivery_queue_begin(QueuedUnit *unit)
{
	Assert(unit->state == UNIT_READY);
	dlist_delete(&unit->ready_node);
	unit->state = UNIT_RUNNING;
	unit->again = false;
	unit->mapping->running++;
	/* Other mappings are served before this one is again. */
	dlist_delete(&unit->mapping->node);
	dlist_push_tail(&delivery_queue_all_mappings, &unit->mapping->node);
}

void
delivery_queue_end(QueuedUnit *unit, const DeliveryOutcome *outcome)
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
				delivery_queue_make_ready(unit);
			break;
		case DELIVERY_WAIT:
		case DELIVERY_BLOCKED:
			unit->state = UNIT_WAITING;
			if (unit->again)
				delivery_queue_touch(unit);
			break;
		case DELIVERY_AGAIN:
			delivery_queue_make_ready(unit);
			break;
		case DELIVERY_CHANGED:
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
			if (unit->again)
				delivery_queue_make_ready(unit);
			break;
	}
}

TimestampTz
delivery_queue_run_timers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next = DT_NOEND;
	dlist_iter	iter;

	dlist_foreach (iter, &delivery_queue_all_units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (unit->state != UNIT_WAITING)
			continue;
		if (unit->outcome.wake_at <= now)
			delivery_queue_make_ready(unit);
		else
			next = Min(next, unit->outcome.wake_at);
	}
	return next;
}
