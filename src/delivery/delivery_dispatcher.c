/*
 * delivery_dispatcher.c
 *	  The worker that knows what is to be delivered in a database, and gives it to
 *	  handler workers.
 *
 * There is one dispatcher in a database that has mappings to deliver for.  It
 * looks at the tables when a mapping or the lineage of a shard has changed
 * (delivery_discover.c), and sleeps otherwise: commits that have appended to a shard
 * set its latch, and so do handler workers.  It never waits for a lock that a
 * user may hold, and calls nobody's code.
 *
 * Units that have something to do are ready (delivery_queue.c), and are given to
 * handler workers (delivery_assign.c), who tell how it has ended.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "delivery/delivery_assign.h"
#include "delivery/delivery_discover.h"
#include "delivery/delivery_dispatcher.h"
#include "delivery/delivery_queue.h"
#include "delivery/handler_mailbox.h"
#include "delivery/role_backoff.h"
#include "shard/shard_watch.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* The tables are looked at after this, if not earlier. */
#define LOOK_INTERVAL_MS 60000

/* Units that wait for a worker are tried after this. */
#define RETRY_MS 1000

static MemoryContext loop_context = NULL; /* of one turn of the main loop */
static bool			 look_wanted = true;
static TimestampTz	 looked_at = 0;
static uint32		 wishes = 0; /* that the last look has seen */

static void
look(void)
{
	wishes = worker_databases_wishes();
	look_wanted = false;
	looked_at = GetCurrentTimestamp();
	delivery_discover();
}

/* --- what has happened meanwhile --------------------------------------------- */

/* A handler has ended with a unit in its hands, or has been asked to. */
static void
unit_was_dropped(const HandlerInfo *handler)
{
	QueuedUnit	   *unit = delivery_queue_find(&handler->unit);
	DeliveryOutcome outcome = {.result = DELIVERY_AGAIN};

	if (unit == NULL || unit->state != UNIT_RUNNING)
		return;
	/* It may have been the unit's fault; the position tells. */
	outcome.suspect = handler->state == HANDLER_RUNNING;
	delivery_queue_end(unit, &outcome);
}

static void
collect(const HandlerInfo *handler)
{
	QueuedUnit *unit = delivery_queue_find(&handler->unit);

	if (unit != NULL && unit->state == UNIT_RUNNING)
	{
		delivery_queue_end(unit, &handler->outcome);
		if (handler->outcome.result == DELIVERY_CHANGED || !unit->seen || unit->held)
			look_wanted = true;
	}
	handler_mailbox_collect(handler->index);
}

/* Takes note of handlers that have done their work, or are gone. */
static void
collect_all(void)
{
	ListCell *lc;

	(void) worker_slots_reap();
	foreach (lc, handler_mailbox_list(MyDatabaseId))
	{
		HandlerInfo *handler = lfirst(lc);
		WorkerInfo	 worker;
		/* Before its state is read again it may have ended in good order. */
		bool is_there = worker_slots_get(handler->worker, &worker);

		if (handler->state == HANDLER_DONE)
			collect(handler);
		else if (!is_there)
			unit_was_dropped(handler);
		if (handler->connected)
			role_backoff_forget_problem(handler->role);
		if (!is_there)
		{
			handler_mailbox_free(handler->index);
			if (!handler->connected)
				role_backoff_note_problem(handler->role);
		}
	}
}

/* Takes over what a dispatcher before this one has left. */
static void
adopt_handlers(void)
{
	ListCell *lc;

	handler_mailbox_adopt();
	foreach (lc, handler_mailbox_list(MyDatabaseId))
	{
		HandlerInfo *handler = lfirst(lc);
		QueuedUnit	*unit;

		if (handler->state == HANDLER_IDLE)
			continue;
		unit = delivery_queue_find(&handler->unit);
		if (unit == NULL)
		{
			QueuedMapping *mapping = delivery_queue_mapping(handler->unit.mapping_no);

			mapping->role = handler->role;
			unit = delivery_queue_add(mapping, &handler->unit, InvalidOid);
		}
		delivery_queue_begin(unit);
		look_wanted = true;
	}
}

/* Makes units ready to whose shards something was appended. */
static void
take_touched(void)
{
	ShardWatchBits wanted = {0};
	ShardWatchBits touched;
	dlist_iter	   iter;

	/* Others have been touched, no more than that. */
	dlist_foreach (iter, &delivery_queue_all_units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (OidIsValid(unit->shard_table) && unit->state != UNIT_RUNNING &&
			unit->state != UNIT_READY)
			shard_watch_mark(&wanted, unit->shard_table);
	}
	if (!shard_watch_take_wanted(&wanted, &touched))
		return;
	dlist_foreach (iter, &delivery_queue_all_units)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, node, iter.cur);

		if (OidIsValid(unit->shard_table) &&
			shard_watch_touched(&touched, unit->shard_table))
			delivery_queue_touch(unit);
	}
}

/* --- the main loop ------------------------------------------------------------ */

/*
 * Ends the process if there is nothing to deliver in this database, or nobody to
 * do it; the launcher starts one when that has changed.
 */
static void
end_if_unused(void)
{
	bool	  is_unused = dlist_is_empty(&delivery_queue_all_mappings);
	List	 *handlers;
	ListCell *lc;

	if (!is_unused && setting_max_workers > 0)
		return;
	handlers = handler_mailbox_list(MyDatabaseId);
	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state == HANDLER_IDLE)
			worker_slots_terminate(handler->worker);
	}
	if (handlers == NIL &&
		(setting_max_workers == 0 || worker_databases_dispatcher_may_end(wishes)))
		proc_exit(0);
}

static long
milliseconds_until(TimestampTz time)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time) + 1;
}

static TimestampTz
turn(void)
{
	TimestampTz next;

	collect_all();
	if (look_wanted || wishes != worker_databases_wishes() ||
		TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), LOOK_INTERVAL_MS))
		look();
	take_touched();
	next = delivery_queue_run_timers();
	delivery_assign();
	next = Min(next, delivery_assign_end_idle());
	end_if_unused();
	return next;
}

/* Are there ready units that only time will bring a worker for? */
static bool
waits_for_workers(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &delivery_queue_all_mappings)
	{
		if (!dlist_is_empty(&dlist_container(QueuedMapping, node, iter.cur)->ready))
			return true;
	}
	return false;
}

void
delivery_dispatcher_main(Datum main_arg)
{
	worker_slots_attach(main_arg);
	worker_slots_connect();
	loop_context = AllocSetContextCreate(TopMemoryContext, "ddbstreams dispatcher",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	adopt_handlers();
	for (;;)
	{
		TimestampTz next = turn();

		next = Min(next, TimestampTzPlusMilliseconds(looked_at, LOOK_INTERVAL_MS));
		if (waits_for_workers())
			next = Min(next, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS));
		MemoryContextReset(loop_context);
		worker_slots_set_state("waiting");
		pgstat_report_activity(STATE_IDLE, NULL);
		if (!look_wanted)
			worker_slots_wait(milliseconds_until(next));
	}
}

void
delivery_dispatcher_init(void)
{
	worker_slots_register_type(WORKER_DISPATCHER, "dispatcher",
							   "delivery_dispatcher_main");
}
