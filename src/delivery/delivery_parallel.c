/*
 * delivery_parallel.c
 *	  Calls of handlers whose queries have no parallel workers.
 *
 * If a parallel worker of a handler's query crashes, the handler's own process
 * is ended as all others are, and its call is excused (call_verdict.c): nobody
 * knows that the crash was its doing.  Called again in the same way it would
 * crash the server again and again.  So the call that follows has no parallel
 * workers.  What crashes then is the handler's own process, and counts.
 *
 * Settings do not do for this, because a function can change them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/parsenodes.h"
#include "optimizer/planner.h"
#include "utils/guc.h"
#include "utils/plancache.h"

#include "base/compat.h"
#include "delivery/delivery_parallel.h"

static bool				 is_allowed = true;
static planner_hook_type next_planner_hook = NULL;

static PlannedStmt *
plan_without_workers(Query *parse, const char *query_string, int cursorOptions,
					 ParamListInfo boundParams COMPAT_PLANNER_TAIL)
{
	if (!is_allowed)
		cursorOptions &= ~CURSOR_OPT_PARALLEL_OK;
	if (next_planner_hook)
		return next_planner_hook(parse, query_string, cursorOptions,
								 boundParams COMPAT_PLANNER_PASS);
	return standard_planner(parse, query_string, cursorOptions,
							boundParams COMPAT_PLANNER_PASS);
}

void
delivery_parallel_init(void)
{
	next_planner_hook = planner_hook;
	planner_hook = plan_without_workers;
}

void
delivery_parallel_allow(bool allowed)
{
	/* Plans that are kept may have parallel workers, or lack them. */
	if (is_allowed != allowed)
		ResetPlanCache();
	is_allowed = allowed;

	/* CREATE INDEX asks no planner for its plan.  The session is cleaned. */
	if (!allowed)
		SetConfigOption("max_parallel_maintenance_workers", "0", PGC_USERSET,
						PGC_S_SESSION);
}
