/*
 * delivery_dispatcher.c
 *	  The worker that gives a database's units to handler workers.
 *
 * A database that has active mappings has one dispatcher.  It reads the tables
 * (delivery_survey.c) when a mapping has changed, when a unit has ended, as at
 * the end of its shard, and once a minute: a small part in each turn.  It
 * sleeps otherwise: commits that have appended to a shard set its latch, and
 * so do handler workers.  It never waits for a lock that a user may hold, and
 * calls no code of a user.
 *
 * Units that have something to do are ready (delivery_queue.c).  They are
 * given to handler workers (delivery_assign.c), which report how the run has
 * ended (handler_mailbox.c).
 *
 * The dispatcher keeps nothing that its successor could not find again.  It
 * may die or be terminated at any moment.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_assign.h"
#include "delivery/delivery_dispatcher.h"
#include "delivery/delivery_queue.h"
#include "delivery/delivery_survey.h"
#include "delivery/handler_mailbox.h"
#include "delivery/role_backoff.h"
#include "shard/shard_watch.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* All of the tables are read this often. */
#define THOROUGH_INTERVAL_MS 60000

/*
 * A step of reading that takes longer than this is not followed by the next
 * one before the same time has gone by, or MAX_STEP_PAUSE_MS: half of the time
 * is left for giving units to handlers, however many steps there are.
 */
#define QUICK_STEP_MS	  2
#define MAX_STEP_PAUSE_MS 1000

/* If units wait for a worker, this is how often to try to give them to one. */
#define ASSIGN_RETRY_MS 1000

static MemoryContext loop_context = NULL; /* of one turn of the main loop */
static TimestampTz	 thorough_at = 0;	  /* the last thorough survey was wanted */
static TimestampTz	 step_from = 0;		  /* no step of reading before that */
static uint32		 wishes_seen = 0;	  /* by the last survey */

/* Wants a survey if there may be something new. */
static void
want_survey(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		thorough = TimestampDifferenceExceeds(thorough_at, now, THOROUGH_INTERVAL_MS);

	if (!thorough && wishes_seen == worker_databases_wishes())
		return;
	wishes_seen = worker_databases_wishes();
	if (thorough)
		thorough_at = now;
	delivery_survey_want(thorough);
}

/* Reads a part of the tables, if one is wanted. */
static void
read_tables(void)
{
	TimestampTz began = GetCurrentTimestamp();
	TimestampTz now;

	/* The clock may have been set back. */
	if (!delivery_survey_has_work() ||
		(began < step_from &&
		 TimestampTzPlusMilliseconds(began, MAX_STEP_PAUSE_MS) >= step_from))
		return;
	delivery_survey_step();
	now = GetCurrentTimestamp();
	step_from = now;
	if (now - began > QUICK_STEP_MS * INT64CONST(1000))
		step_from = Min(now + (now - began),
						TimestampTzPlusMilliseconds(now, MAX_STEP_PAUSE_MS));
}

/* --- what has happened meanwhile ----------------------------------------- */

/* Takes back a unit whose handler worker has ended before it was done. */
static void
take_back_unit(const HandlerInfo *handler)
{
	QueuedUnit	   *unit = delivery_queue_find(&handler->unit);
	DeliveryOutcome outcome = {.result = DELIVERY_AGAIN};

	if (unit == NULL || unit->state != UNIT_RUNNING)
		return;
	/* The handler may have ended its process; the position tells. */
	outcome.suspect = handler->state == HANDLER_RUNNING;
	delivery_queue_end(unit, &outcome);
}

/* Takes note of how a run has ended. */
static void
collect_outcome(const HandlerInfo *handler)
{
	QueuedUnit *unit = delivery_queue_find(&handler->unit);

	if (unit != NULL && unit->state == UNIT_RUNNING)
	{
		delivery_queue_end(unit, &handler->outcome);
		if (handler->outcome.result == DELIVERY_CHANGED || !unit->discovered ||
			unit->held)
			delivery_survey_want_mapping(unit->mapping);
	}
	handler_mailbox_collect(handler->index);
}

/*
 * Has a worker failed that is not there any more?  It has not if it was told
 * to end, nor if it was not started because the dispatcher that had asked for
 * it has ended.
 */
static bool
could_not_connect(const HandlerInfo *handler)
{
	return handler->refused || (!handler->started && !handler->adopted);
}

/* Takes note of handler workers that have ended a run, or their process. */
static void
collect_from_handlers(void)
{
	ListCell *lc;

	(void) worker_slots_reap();
	foreach (lc, handler_mailbox_list(MyDatabaseId))
	{
		HandlerInfo *handler = lfirst(lc);
		WorkerInfo	 worker;
		bool		 is_there = worker_slots_get(handler->worker, &worker);

		/*
		 * This state is a copy: the worker may have reported since, and ended.
		 */
		if (handler->state == HANDLER_DONE)
			collect_outcome(handler);
		/* The last unit of an idle worker may run in another worker now. */
		else if (!is_there && handler->state != HANDLER_IDLE)
			take_back_unit(handler);
		if (handler->connected)
			role_backoff_forget_problem(handler->role);
		if (!is_there)
		{
			handler_mailbox_free(handler->index);
			if (could_not_connect(handler))
				role_backoff_note_problem(handler->role, handler->since);
			else if (!handler->connected)
				delivery_assign_pause();
		}
	}
}

/* Takes over the handler workers of a dispatcher that has died. */
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
			QueuedMapping *mapping = delivery_queue_mapping(handler->unit.mapping_no,
															handler->role);

			unit = delivery_queue_add(mapping, &handler->unit, InvalidOid);
		}
		delivery_queue_begin(unit);

		/*
		 * A record may have been appended before this dispatcher watches the
		 * shard.
		 */
		unit->again = true;
	}
}

/* --- the main loop ------------------------------------------------------- */

/*
 * Ends the process if this database has no units, or may have no workers.  The
 * launcher starts a dispatcher when that has changed.
 */
static void
end_if_unused(void)
{
	bool	  is_unused = dlist_is_empty(&delivery_queue_all_mappings) &&
						  !delivery_survey_has_work();
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
		(setting_max_workers == 0 || worker_databases_dispatcher_may_end(wishes_seen)))
		proc_exit(0);
}

static long
milliseconds_until(TimestampTz time)
{
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time) + 1;
}

/* Runs one turn of the main loop.  Returns when the next one is to come. */
static TimestampTz
run_turn(void)
{
	TimestampTz next;
	TimestampTz idle_end;

	collect_from_handlers();
	want_survey();
	read_tables();
	delivery_queue_touch_shards();
	next = delivery_queue_run_timers();
	delivery_assign();
	idle_end = delivery_assign_end_idle();
	end_if_unused();
	return Min(next, idle_end);
}

void
delivery_dispatcher_main(Datum main_arg)
{
	worker_slots_attach(main_arg);
	call_verdict_attach(-1);
	worker_slots_connect();
	loop_context = AllocSetContextCreate(TopMemoryContext, "ddbstreams dispatcher",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	adopt_handlers();
	for (;;)
	{
		TimestampTz next = run_turn();

		next = Min(next, TimestampTzPlusMilliseconds(thorough_at, THOROUGH_INTERVAL_MS));
		/* Are there ready units that no worker has been found for? */
		if (!dlist_is_empty(&delivery_queue_ready_mappings))
			next = Min(next, TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 ASSIGN_RETRY_MS));
		if (delivery_survey_has_work())
			next = Min(next, Min(step_from,
								 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															 MAX_STEP_PAUSE_MS)));
		MemoryContextReset(loop_context);
		worker_slots_set_state("waiting");
		pgstat_report_activity(STATE_IDLE, NULL);
		worker_slots_wait(milliseconds_until(next));
	}
}

void
delivery_dispatcher_init(void)
{
	worker_slots_register_type(WORKER_DISPATCHER, "dispatcher",
							   "delivery_dispatcher_main");
}
