/*
 * delivery_dispatcher.c
 *	  The worker that knows what is to be delivered in a database, and gives it to
 *	  handler workers.
 *
 * There is one dispatcher in a database that has mappings to deliver for.  It
 * looks at the tables when a mapping or the lineage of a shard has changed, and
 * sleeps otherwise: commits that have appended to a shard set its latch, and so
 * do handler workers.  It never waits for a lock that a user may hold, and calls
 * nobody's code.
 *
 * Fair shares: units are served in turn (delivery_units.c), and a unit that has
 * run for a time slice goes to the end of the queue if others wait.  A call can
 * take as long as ddbstreams.handler_timeout, though.  So the last free worker is
 * left to mappings of which no unit runs; mappings whose calls take longer than a
 * time slice get no more workers each than are there for each mapping, and all of
 * them together leave one.
 *
 * A batch whose handler has ended its process is tried again while no other such
 * batch is: the crash of one restarts the server, and would be counted against
 * the others.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "delivery.h"
#include "delivery_handlers.h"
#include "delivery_position.h"
#include "delivery_units.h"
#include "horizon.h"
#include "mapping.h"
#include "own_sql.h"
#include "shard_watch.h"
#include "stream_catalog.h"
#include "worker_slots.h"

PGDLLEXPORT void delivery_dispatcher_main(Datum main_arg);

/* The tables are looked at after this, if not earlier. */
#define LOOK_INTERVAL_MS 60000

/* A handler worker that has had nothing to do for so long is ended. */
#define IDLE_MS 60000

/* When no worker could be started, try again after this. */
#define RETRY_MS 1000

/* A role that cannot log in is tried again after this, then more rarely. */
#define ROLE_RETRY_MS	  1000
#define MAX_ROLE_RETRY_MS 60000

/* A role whose worker has ended at its start */
typedef struct RoleProblem
{
	Oid			role;
	int			failures;
	TimestampTz next_start;
} RoleProblem;

static MemoryContext loop_context = NULL; /* of one turn of the main loop */
static bool			 look_wanted = true;
static TimestampTz	 looked_at = 0;
static uint32		 wishes = 0; /* that the last look has seen */
static TimestampTz	 next_start = 0;
static bool			 said_no_slot = false;
static List			*role_problems = NIL; /* of RoleProblem *, TopMemoryContext */

/* --- looking at the tables -------------------------------------------------- */

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

/* The positions of a shard, which are neighbours in a mapping's list */
typedef struct ShardPositions
{
	int	 first;
	int	 count;
	bool finished; /* all lanes */
	bool any_finished;
	bool any_drains;
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
		if (found.count++ == 0)
			found.first = i;
		found.finished &= position->finished;
		found.any_finished |= position->finished;
		found.any_drains |= position->drain_to != PG_INT64_MAX;
	}
	found.finished &= found.count > 0;
	return found;
}

/* Parents come before children; one that has expired does not count. */
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
		Unit		*unit = units_find(&key);

		if (unit != NULL && unit->state == UNIT_RUNNING)
			return true;
	}
	return false;
}

static Unit *
see_unit(UnitMapping *mapping, int64 shard_no, int lane, Oid shard_table)
{
	DeliveryUnit key = {mapping->mapping_no, shard_no, lane};
	Unit		*unit = units_add(mapping, &key, shard_table);

	unit->seen = true;
	unit->held = false;
	return unit;
}

/* Where a mapping begins in a shard: at the horizon, if the shard is older. */
static int64
first_checkpoint(const MappingInfo *mapping, const StreamInfo *stream,
				 const ShardInfo *shard)
{
	int64 start = shard->starting_number;

	if (shard->created_at <= mapping->created_at)
		start = Max(start, shard_horizon(stream, shard, GetActiveSnapshot()));
	return start - 1;
}

/* Makes the units of a shard of a mapping. */
static void
see_shard(UnitMapping *known, const MappingInfo *mapping, const StreamInfo *stream,
		  const ShardInfo *shard, List *shards, List *positions)
{
	ShardPositions found = positions_of(positions, shard->shard_no);
	int			   lanes = mapping_lanes(mapping);
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
			!delivery_position_begin(no, shard->shard_no, lanes,
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
			DivideResult result = delivery_position_divide(no, shard->shard_no, lanes);

			divided = result == DIVIDE_DONE;
			if (divided)
				found.count = lanes;
			moves = result != DIVIDE_WAITS;
		}
		else if (!held)
			delivery_position_undrain(no, shard->shard_no);
	}

	for (int lane = 0; lane < found.count; lane++)
	{
		Unit *unit = see_unit(known, shard->shard_no, lane, shard->shard_table);

		unit->held = held;
		/* What a lane has passed over may now belong to it. */
		if (divided)
			memset(&unit->outcome, 0, sizeof(DeliveryOutcome));
		if (divided || (moves && unit->state == UNIT_IDLE))
			units_make_ready(unit);
	}
}

/* Shards that have expired: forgotten, or lost. */
static void
see_expired(UnitMapping *known, List *shards, List *positions)
{
	ListCell *lc;

	foreach (lc, positions)
	{
		DeliveryPosition *position = lfirst(lc);

		if (shard_is_listed(shards, position->shard_no))
			continue;
		if (position->finished)
			delivery_position_forget(known->mapping_no, position->shard_no);
		else
			(void) see_unit(known, position->shard_no, position->lane, InvalidOid);
	}
}

static void
see_mapping(const MappingInfo *mapping)
{
	UnitMapping *known = units_mapping(mapping->mapping_no);
	StreamInfo	*stream = stream_catalog_by_id(mapping->stream_id, NULL);
	List		*shards = shard_catalog_list(mapping->stream_id, NULL);
	List		*positions = delivery_position_list(mapping->mapping_no);
	ListCell	*lc;

	known->role = mapping->role_id;
	known->seen = true;
	foreach (lc, shards)
		see_shard(known, mapping, stream, lfirst(lc), shards, positions);
	see_expired(known, shards, positions);
	if (delivery_redrive_is_wanted(mapping->mapping_no))
		(void) see_unit(known, 0, REDRIVE_LANE, InvalidOid);
	mapping_acknowledge(mapping);
}

static void
unsee_all(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &units_all)
		dlist_container(Unit, node, iter.cur)->seen = false;
	dlist_foreach (iter, &units_mappings)
		dlist_container(UnitMapping, node, iter.cur)->seen = false;
}

/* Forgets what was not seen, unless it runs: then at its end. */
static void
forget_unseen(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify (iter, &units_all)
	{
		Unit *unit = dlist_container(Unit, node, iter.cur);

		if (!unit->seen && unit->state != UNIT_RUNNING)
			units_remove(unit);
		else
			unit->mapping->seen = true;
	}
	dlist_foreach_modify (iter, &units_mappings)
	{
		UnitMapping *mapping = dlist_container(UnitMapping, node, iter.cur);

		if (!mapping->seen)
			units_remove_mapping(mapping);
	}
}

static void
watch_shards(void)
{
	int		   count = 0;
	Oid		  *shards;
	dlist_iter iter;

	dlist_foreach (iter, &units_all)
		count++;
	shards = palloc(Max(count, 1) * sizeof(Oid));
	count = 0;
	dlist_foreach (iter, &units_all)
	{
		Unit *unit = dlist_container(Unit, node, iter.cur);

		if (OidIsValid(unit->shard_table))
			shards[count++] = unit->shard_table;
	}
	shard_watch_set(shards, count);
}

/*
 * Looks at the tables.  New units are ready, and are watched before anybody looks
 * at them; so nothing that is appended meanwhile is missed.
 */
static void
look(void)
{
	ListCell *lc;

	wishes = worker_slots_dispatcher_wishes();
	look_wanted = false;
	looked_at = GetCurrentTimestamp();
	unsee_all();

	delivery_begin();
	MemoryContextSwitchTo(loop_context);
	foreach (lc, mapping_list())
	{
		MappingInfo *mapping = lfirst(lc);

		if (mapping_is_active(mapping) && mapping_problem(mapping) == NULL)
			see_mapping(mapping);
	}
	mapping_shard_delete_orphans();
	delivery_commit();
	MemoryContextSwitchTo(loop_context);

	forget_unseen();
	watch_shards();
	pgstat_report_stat(true);
}

/* --- what has happened meanwhile --------------------------------------------- */

static RoleProblem *
role_problem(Oid role)
{
	ListCell *lc;

	foreach (lc, role_problems)
	{
		RoleProblem *problem = lfirst(lc);

		if (problem->role == role)
			return problem;
	}
	return NULL;
}

/* Why a role's worker may have ended at its start; in a transaction */
static char *
reason_of(Oid role)
{
	HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	char	 *reason;

	if (!HeapTupleIsValid(tuple))
		return psprintf("role %u does not exist", role);
	if (!((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin)
		reason = psprintf("role \"%s\" is not permitted to log in",
						  NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	else if (compat_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) != ACLCHECK_OK)
		reason = psprintf("role \"%s\" has no CONNECT privilege for the database",
						  NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	else
		reason = psprintf("the worker of role \"%s\" has ended at its start; see the server's log",
						  NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	ReleaseSysCache(tuple);
	return reason;
}

/* A worker of the role has ended before it was connected. */
static void
note_role_problem(Oid role)
{
	RoleProblem *problem = role_problem(role);
	char		*reason;
	int64		 wait;
	dlist_iter	 iter;

	if (problem == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

		problem = palloc0(sizeof(RoleProblem));
		problem->role = role;
		role_problems = lappend(role_problems, problem);
		MemoryContextSwitchTo(oldcontext);
	}
	wait = (int64) ROLE_RETRY_MS << Min(problem->failures, 6);
	problem->failures++;
	problem->next_start = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  Min(wait, MAX_ROLE_RETRY_MS));

	delivery_begin();
	MemoryContextSwitchTo(loop_context);
	reason = reason_of(role);
	dlist_foreach (iter, &units_mappings)
	{
		UnitMapping *mapping = dlist_container(UnitMapping, node, iter.cur);

		if (mapping->role == role)
			delivery_position_note_problem(mapping->mapping_no,
										   psprintf("PROBLEM: %s", reason), reason);
	}
	delivery_commit();
	MemoryContextSwitchTo(loop_context);
}

static void
forget_role_problem(Oid role)
{
	RoleProblem *problem = role_problem(role);

	if (problem != NULL)
	{
		role_problems = list_delete_ptr(role_problems, problem);
		pfree(problem);
	}
}

/* A handler has ended with a unit in its hands, or has been asked to. */
static void
unit_was_dropped(const HandlerInfo *handler)
{
	Unit		   *unit = units_find(&handler->unit);
	DeliveryOutcome outcome = {.result = DELIVERY_AGAIN};

	if (unit == NULL || unit->state != UNIT_RUNNING)
		return;
	/* It may have been the unit's fault; the position tells. */
	outcome.suspect = handler->state == HANDLER_RUNNING;
	units_end(unit, &outcome);
}

static void
collect(const HandlerInfo *handler)
{
	Unit *unit = units_find(&handler->unit);

	if (unit != NULL && unit->state == UNIT_RUNNING)
	{
		units_end(unit, &handler->outcome);
		if (handler->outcome.result == DELIVERY_CHANGED || !unit->seen || unit->held)
			look_wanted = true;
	}
	delivery_handlers_collect(handler->index);
}

/* Takes note of handlers that have done their work, or are gone. */
static void
collect_all(void)
{
	ListCell *lc;

	(void) worker_slots_reap();
	foreach (lc, delivery_handlers_list(MyDatabaseId))
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
			forget_role_problem(handler->role);
		if (!is_there)
		{
			delivery_handlers_free(handler->index);
			if (!handler->connected)
				note_role_problem(handler->role);
		}
	}
}

/* Takes over what a dispatcher before this one has left. */
static void
adopt_handlers(void)
{
	ListCell *lc;

	delivery_handlers_adopt();
	foreach (lc, delivery_handlers_list(MyDatabaseId))
	{
		HandlerInfo *handler = lfirst(lc);
		Unit		*unit;

		if (handler->state == HANDLER_IDLE)
			continue;
		unit = units_find(&handler->unit);
		if (unit == NULL)
		{
			UnitMapping *mapping = units_mapping(handler->unit.mapping_no);

			mapping->role = handler->role;
			unit = units_add(mapping, &handler->unit, InvalidOid);
		}
		units_begin(unit);
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
	dlist_foreach (iter, &units_all)
	{
		Unit *unit = dlist_container(Unit, node, iter.cur);

		if (OidIsValid(unit->shard_table) && unit->state != UNIT_RUNNING &&
			unit->state != UNIT_READY)
			shard_watch_mark(&wanted, unit->shard_table);
	}
	if (!shard_watch_take_wanted(&wanted, &touched))
		return;
	dlist_foreach (iter, &units_all)
	{
		Unit *unit = dlist_container(Unit, node, iter.cur);

		if (OidIsValid(unit->shard_table) &&
			shard_watch_touched(&touched, unit->shard_table))
			units_touch(unit);
	}
}

/* --- giving units to handlers ------------------------------------------------- */

/* What there is to give units to, counted anew in each turn */
typedef struct Pool
{
	List *handlers; /* of HandlerInfo * */
	int	  count;	/* of handler workers, those included that are about to end */
	int	  busy;
	int	  mappings; /* that there are units of */
	int	  slow;		/* busy with slow mappings */
	bool  suspect_runs;
	bool  is_short; /* a ready unit has to wait for a worker */
} Pool;

static void
count_pool(Pool *pool)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;
	dlist_iter	iter;

	memset(pool, 0, sizeof(Pool));
	pool->handlers = delivery_handlers_list(MyDatabaseId);
	pool->count = list_length(pool->handlers);
	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		Unit		*unit;

		if (handler->state == HANDLER_IDLE)
			continue;
		pool->busy++;
		unit = units_find(&handler->unit);
		if (unit == NULL)
			continue;
		pool->suspect_runs |= unit->outcome.suspect;
		if (handler->state == HANDLER_RUNNING && handler->call_since != 0 &&
			TimestampDifferenceExceeds(handler->call_since, now, DELIVERY_TIME_SLICE_MS))
			unit->mapping->is_slow = true;
	}
	dlist_foreach (iter, &units_mappings)
	{
		UnitMapping *mapping = dlist_container(UnitMapping, node, iter.cur);

		pool->mappings++;
		if (mapping->is_slow)
			pool->slow += mapping->running;
	}
}

/* May the mapping have one more of the workers? */
static bool
has_share(const Pool *pool, const UnitMapping *mapping)
{
	int total = setting_max_workers;

	if (pool->busy >= total)
		return false;
	if (pool->mappings == 1 || total == 1)
		return true;
	if (mapping->is_slow &&
		(mapping->running >= Max(1, total / pool->mappings) || pool->slow >= total - 1))
		return false;
	return mapping->running == 0 || pool->busy < total - 1;
}

/* The first of a mapping's ready units that may run now, or NULL */
static Unit *
next_unit(Pool *pool, UnitMapping *mapping)
{
	dlist_iter iter;

	dlist_foreach (iter, &mapping->ready)
	{
		Unit *unit = dlist_container(Unit, ready_node, iter.cur);

		if (unit->held)
			pool->is_short = true; /* of a lane that ends its run */
		else if (!unit->outcome.suspect || !pool->suspect_runs)
			return unit;
	}
	return NULL;
}

static HandlerInfo *
idle_handler(const Pool *pool, Oid role)
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

/* Ends an idle handler of another role, to make room. */
static void
make_room(const Pool *pool, Oid role)
{
	HandlerInfo *longest = NULL;
	ListCell	*lc;

	foreach (lc, pool->handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state == HANDLER_IDLE && handler->connected &&
			handler->role != role &&
			(longest == NULL || handler->since < longest->since))
			longest = handler;
	}
	if (longest != NULL)
		worker_slots_terminate(longest->worker);
}

/* Starts a handler for a role, if that can be. */
static HandlerInfo *
start_handler(Pool *pool, Oid role)
{
	TimestampTz	 now = GetCurrentTimestamp();
	RoleProblem *problem = role_problem(role);
	HandlerInfo *handler;
	WorkerStart	 result;
	int			 index;

	if (now < next_start || (problem != NULL && now < problem->next_start))
		return NULL;
	if (pool->count >= setting_max_workers)
	{
		make_room(pool, role);
		return NULL;
	}
	result = delivery_handlers_start(role, &index);
	if (result != WORKER_STARTED)
	{
		next_start = TimestampTzPlusMilliseconds(now, RETRY_MS);
		if (result == WORKER_NO_SLOT && !said_no_slot)
		{
			said_no_slot = true;
			worker_slots_report_error("no background worker can be started: max_worker_processes is reached");
			ereport(WARNING,
					(errmsg("no worker can be started for event source mappings"),
					 errhint("You might need to increase max_worker_processes.")));
		}
		return NULL;
	}
	if (said_no_slot)
		worker_slots_report_error(NULL);
	said_no_slot = false;
	handler = palloc0(sizeof(HandlerInfo));
	handler->index = index;
	handler->role = role;
	pool->handlers = lappend(pool->handlers, handler);
	pool->count++;
	return handler;
}

/* Gives one of a mapping's units to a handler; false if that cannot be now. */
static bool
assign_one(Pool *pool, UnitMapping *mapping)
{
	Unit		*unit = next_unit(pool, mapping);
	HandlerInfo *handler;

	if (unit == NULL)
		return false;
	handler = has_share(pool, mapping) ? idle_handler(pool, mapping->role) : NULL;
	if (handler == NULL && has_share(pool, mapping))
		handler = start_handler(pool, mapping->role);
	if (handler == NULL)
	{
		pool->is_short = true;
		return false;
	}
	delivery_handlers_assign(handler->index, &unit->key, &unit->outcome);
	handler->state = HANDLER_ASSIGNED;
	pool->busy++;
	if (mapping->is_slow)
		pool->slow++;
	pool->suspect_runs |= unit->outcome.suspect;
	units_begin(unit);
	return true;
}

/* Gives out ready units, one of each mapping in turn. */
static void
assign_all(void)
{
	static bool yields = false;
	Pool		pool;
	bool		any;

	count_pool(&pool);
	do
	{
		dlist_mutable_iter iter;
		int				   rest = pool.mappings;

		any = false;
		/* Who is served goes to the end of the list. */
		dlist_foreach_modify (iter, &units_mappings)
		{
			if (rest-- == 0)
				break;
			any |= assign_one(&pool, dlist_container(UnitMapping, node, iter.cur));
		}
	} while (any);
	if (pool.is_short || yields)
		delivery_handlers_set_yield(pool.is_short);
	yields = pool.is_short;
}

static bool
role_has_mappings(Oid role)
{
	dlist_iter iter;

	dlist_foreach (iter, &units_mappings)
	{
		if (dlist_container(UnitMapping, node, iter.cur)->role == role)
			return true;
	}
	return false;
}

/*
 * Ends handlers that have been idle for long, but for one of each role that has
 * mappings.  Returns when the next one is to be looked at.
 */
static TimestampTz
end_idle_handlers(void)
{
	TimestampTz next = DT_NOEND;
	List	   *handlers = delivery_handlers_list(MyDatabaseId);
	List	   *kept = NIL;
	ListCell   *lc;

	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);
		TimestampTz	 end = TimestampTzPlusMilliseconds(handler->since, IDLE_MS);

		if (handler->state != HANDLER_IDLE || !handler->connected)
			continue;
		if (list_length(handlers) <= setting_max_workers &&
			role_has_mappings(handler->role) && !list_member_oid(kept, handler->role))
			kept = lappend_oid(kept, handler->role);
		else if (end <= GetCurrentTimestamp() ||
				 list_length(handlers) > setting_max_workers ||
				 !role_has_mappings(handler->role))
			worker_slots_terminate(handler->worker);
		else
			next = Min(next, end);
	}
	return next;
}

/* --- the main loop ------------------------------------------------------------ */

/*
 * Ends the process if there is nothing to deliver in this database, or nobody to
 * do it; the launcher starts one when that has changed.
 */
static void
end_if_unused(void)
{
	bool	  is_unused = dlist_is_empty(&units_mappings);
	List	 *handlers;
	ListCell *lc;

	if (!is_unused && setting_max_workers > 0)
		return;
	handlers = delivery_handlers_list(MyDatabaseId);
	foreach (lc, handlers)
	{
		HandlerInfo *handler = lfirst(lc);

		if (handler->state == HANDLER_IDLE)
			worker_slots_terminate(handler->worker);
	}
	if (handlers == NIL &&
		(setting_max_workers == 0 || worker_slots_dispatcher_may_end(wishes)))
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
	if (look_wanted || wishes != worker_slots_dispatcher_wishes() ||
		TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), LOOK_INTERVAL_MS))
		look();
	take_touched();
	next = units_run_timers();
	assign_all();
	next = Min(next, end_idle_handlers());
	end_if_unused();
	return next;
}

/* Are there ready units that only time will bring a worker for? */
static bool
waits_for_workers(void)
{
	dlist_iter iter;

	dlist_foreach (iter, &units_mappings)
	{
		if (!dlist_is_empty(&dlist_container(UnitMapping, node, iter.cur)->ready))
			return true;
	}
	return false;
}

/* The entry point, found by its name. */
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
