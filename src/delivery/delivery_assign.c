/*
 * delivery_assign.c
 *	  Giving units to handler workers, in fair shares.
 *
 * A database has at most ddbstreams.max_workers handler workers.  Roles,
 * mappings and units are served in turn (delivery_queue.c), and a unit that
 * has run for a time slice goes to the end of the queue if others wait.  But a
 * single call can take as long as ddbstreams.handler_timeout.  Three rules
 * keep one mapping from taking all workers (has_share):
 *
 *	1. The last free worker is left to mappings of which no unit runs.
 *	2. A slow mapping, that is, one whose calls take longer than a time slice,
 *	   gets no more workers than there are for each mapping on average.
 *	3. All slow mappings together leave one worker to the others.
 *
 * That a mapping is slow is known only when its calls have run for a while, so
 * that slow mappings of one role may have taken all workers by then.
 * Therefore a fourth rule (may_exceed):
 *
 *	4. If all workers are in slow calls, a role none of whose mappings has a
 *	   worker gets one beyond ddbstreams.max_workers.
 *
 * A unit is suspect if a call of its batch has ended the process that made it.
 * Only one suspect unit runs at a time: the crash of one restarts the server,
 * and would be counted against the others.
 *
 * A worker serves the mappings of one role.  An idle worker is ended when
 * another role needs its place, or after a while.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "delivery/delivery_assign.h"
#include "delivery/delivery_queue.h"
#include "delivery/handler_mailbox.h"
#include "delivery/role_backoff.h"
#include "worker/worker_slots.h"

/* A handler worker that has had nothing to do for so long is ended. */
#define IDLE_MS 60000

/* If no worker could be started, try again after this. */
#define START_RETRY_MS 1000

static TimestampTz next_start = 0;	   /* no worker is started before that */
static bool		   lacks_slot = false; /* when one was last to be started */

/* The handler workers of the database, counted anew in each turn */
typedef struct HandlerPool
{
	List *handlers;		/* of HandlerInfo * */
	int	  count;		/* workers, also those that are about to end */
	int	  busy;			/* workers that have a unit */
	int	  slow;			/* workers that have a unit of a slow mapping */
	int	  slow_calls;	/* workers whose present call is slow */
	int	  mappings;		/* mappings that deliver */
	bool  suspect_runs; /* a suspect unit runs */
	int	  looked_at;	/* mappings, for units to give */
	bool  makes_room;	/* an idle worker has been ended for another role */
	bool  is_short;		/* a ready unit has to wait for a worker */
	bool  lacks_slot;	/* ... because there is no slot of PostgreSQL for one */
} HandlerPool;

static void
count_pool(HandlerPool *pool)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	memset(pool, 0, sizeof(HandlerPool));
	pool->handlers = handler_mailbox_list(MyDatabaseId);
	pool->count = list_length(pool->handlers);
	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		QueuedUnit	*unit;

		if (handler->state == HANDLER_IDLE)
			continue;
		pool->busy++;
		unit = delivery_queue_find(&handler->unit);
		if (unit == NULL)
			continue;
		pool->suspect_runs |= unit->outcome.suspect;
		if (handler->state == HANDLER_RUNNING && handler->call_since != 0 &&
			TimestampDifferenceExceeds(handler->call_since, now, DELIVERY_TIME_SLICE_MS))
		{
			unit->mapping->is_slow = true;
			pool->slow_calls++;
		}
	}
	pool->mappings = delivery_queue_count();
	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		QueuedUnit	*unit;

		if (handler->state == HANDLER_IDLE)
			continue;
		unit = delivery_queue_find(&handler->unit);
		if (unit != NULL && unit->mapping->is_slow)
			pool->slow++;
	}
}

/* May there be one more worker than ddbstreams.max_workers, for the role? */
static bool
may_exceed(const HandlerPool *pool, Oid role)
{
	ListCell *lc;

	if (setting_max_workers == 0 || pool->busy != setting_max_workers ||
		pool->slow_calls != pool->busy)
		return false;
	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state != HANDLER_IDLE && handler->role == role)
			return false;
	}
	return true;
}

/* How many workers may there be, if so many have a unit? */
static int
worker_limit(int busy)
{
	return setting_max_workers + (busy >= setting_max_workers ? 1 : 0);
}

/* May the mapping have one more of the workers? */
static bool
has_share(const HandlerPool *pool, const QueuedMapping *mapping)
{
	int total = setting_max_workers;

	if (pool->busy >= total)
		return may_exceed(pool, mapping->role);
	if (pool->mappings == 1 || total == 1)
		return true;
	if (mapping->is_slow &&
		(mapping->running >= Max(1, total / pool->mappings) || pool->slow >= total - 1))
		return false;
	return mapping->running == 0 || pool->busy < total - 1;
}

/* Returns the first of a mapping's ready units that may run now, or NULL. */
static QueuedUnit *
first_runnable_unit(HandlerPool *pool, QueuedMapping *mapping)
{
	dlist_iter iter;

	dlist_foreach (iter, &mapping->ready)
	{
		QueuedUnit *unit = dlist_container(QueuedUnit, ready_node, iter.cur);

		/* A held unit waits for another lane of its shard to end its run. */
		if (unit->held)
			pool->is_short = true;
		else if (!unit->outcome.suspect || !pool->suspect_runs)
			return unit;
	}
	return NULL;
}

/*
 * Returns an idle handler worker of the role, or NULL: one that is connected
 * if there is one, else one that is starting.
 */
static HandlerInfo *
find_idle_handler(const HandlerPool *pool, Oid role)
{
	HandlerInfo *starting = NULL;
	ListCell	*lc;

	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state != HANDLER_IDLE || handler->role != role)
			continue;
		if (handler->connected)
			return handler;
		starting = handler;
	}
	return starting;
}

/*
 * Ends the handler worker of another role that has been idle for longest, to
 * make room for one of this role.  The worker gets no unit any more.  One in a
 * turn is enough.
 */
static void
make_room(HandlerPool *pool, Oid role)
{
	HandlerInfo *longest = NULL;
	ListCell	*lc;

	if (pool->makes_room)
		return;
	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state == HANDLER_IDLE && handler->connected &&
			handler->role != role &&
			(longest == NULL || handler->since < longest->since))
			longest = handler;
	}
	if (longest != NULL)
	{
		worker_slots_terminate(longest->worker);
		longest->role = InvalidOid;
		pool->makes_room = true;
	}
}

/* Starts a handler worker for a role; returns NULL if that cannot be now. */
static HandlerInfo *
start_handler(HandlerPool *pool, Oid role)
{
	TimestampTz	 now = GetCurrentTimestamp();
	HandlerInfo *handler;
	WorkerStart	 result;
	int			 index;

	if (now < role_backoff_next_start(role))
		return NULL;
	if (now < next_start)
	{
		pool->lacks_slot |= lacks_slot;
		return NULL;
	}
	if (pool->count >= worker_limit(pool->busy))
	{
		make_room(pool, role);
		return NULL;
	}
	result = handler_mailbox_start(role, &index);
	if (result != WORKER_STARTED)
	{
		next_start = TimestampTzPlusMilliseconds(now, START_RETRY_MS);
		if (result == WORKER_NO_SLOT)
		{
			lacks_slot = pool->lacks_slot = true;
			make_room(pool, role);
		}
		return NULL;
	}
	lacks_slot = false;
	handler = palloc0(sizeof(HandlerInfo));
	handler->index = index;
	handler->role = role;
	pool->handlers = lappend(pool->handlers, handler);
	pool->count++;
	return handler;
}

/* Gives one of a mapping's units to a worker; false if that cannot be now. */
static bool
assign_one(HandlerPool *pool, QueuedMapping *mapping)
{
	QueuedUnit	*unit = first_runnable_unit(pool, mapping);
	HandlerInfo *handler;

	pool->looked_at++;
	if (unit == NULL)
		return false;
	handler = NULL;
	if (has_share(pool, mapping))
	{
		handler = find_idle_handler(pool, mapping->role);
		if (handler == NULL)
			handler = start_handler(pool, mapping->role);
	}
	if (handler == NULL)
	{
		pool->is_short = true;
		return false;
	}
	elog(DEBUG1, "giving mapping " INT64_FORMAT " to a handler worker", mapping->mapping_no);
	handler_mailbox_assign(handler->index, &unit->key, &unit->outcome);
	handler->state = HANDLER_ASSIGNED;
	pool->busy++;
	if (mapping->is_slow)
		pool->slow++;
	pool->suspect_runs |= unit->outcome.suspect;
	delivery_queue_begin(unit);
	return true;
}

void
delivery_assign(void)
{
	static bool was_short = false;
	HandlerPool pool;
	bool		lacked_slot;
	bool		any;

	count_pool(&pool);
	lacked_slot = lacks_slot;
	/* Where none may run, a unit that runs must not go on and on. */
	pool.is_short = setting_max_workers == 0;
	do
	{
		dlist_iter iter;

		any = false;
		/* A mapping that is served changes the order of the list. */
		dlist_foreach (iter, &delivery_queue_ready_mappings)
		{
			any = assign_one(&pool, dlist_container(QueuedMapping, turn_node, iter.cur));
			if (any)
				break;
		}
	} while (any);
	if (pool.looked_at > 0)
		elog(DEBUG1, "looked at %d mappings for units to give", pool.looked_at);
	if (pool.is_short || was_short)
		handler_mailbox_set_yield(pool.is_short);
	was_short = pool.is_short;

	if (lacked_slot && !pool.lacks_slot)
		worker_slots_unwanted(WORKER_HANDLER, MyDatabaseId);
	lacks_slot = pool.lacks_slot;
	if (lacked_slot != lacks_slot)
		worker_slots_report_error(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
								  lacks_slot ? "no handler worker can be started: max_worker_processes is reached" : NULL);
}

void
delivery_assign_pause(void)
{
	next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), START_RETRY_MS);
}

TimestampTz
delivery_assign_end_idle(void)
{
	TimestampTz next = DT_NOEND;
	List	   *handlers = handler_mailbox_list(MyDatabaseId);
	List	   *kept = NIL; /* roles of which a worker is kept */
	int			busy = 0;
	ListCell   *lc;

	foreach (lc, handlers)
	{
		if (((HandlerInfo *) lfirst(lc))->state != HANDLER_IDLE)
			busy++;
	}
	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		TimestampTz	 end = TimestampTzPlusMilliseconds(handler->since, IDLE_MS);

		if (handler->state != HANDLER_IDLE || !handler->connected)
			continue;
		if (list_length(handlers) <= worker_limit(busy) &&
			delivery_queue_role_has_mappings(handler->role) && !list_member_oid(kept, handler->role))
			kept = lappend_oid(kept, handler->role);
		else if (end <= GetCurrentTimestamp() ||
				 list_length(handlers) > worker_limit(busy) ||
				 !delivery_queue_role_has_mappings(handler->role))
			worker_slots_terminate(handler->worker);
		else
			next = Min(next, end);
	}
	return next;
}
