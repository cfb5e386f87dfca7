/*
 * role_backoff.c
 *	  Roles whose handler workers cannot connect.
 *
 * These are roles that may not log in, or not into this database, or that have
 * been dropped.  Their workers are started again more and more rarely, and
 * their mappings show the reason.  The dispatcher keeps this in its own
 * memory.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/backoff.h"
#include "base/own_transaction.h"
#include "delivery/delivery_position.h"
#include "delivery/delivery_queue.h"
#include "delivery/role_backoff.h"

/*
 * A worker is started again after this, which doubles each time, up to that.
 */
#define FIRST_RETRY_MS 1000
#define MAX_RETRY_MS   60000

typedef struct RoleProblem
{
	Oid			role;
	int			failures;	/* one after the other */
	TimestampTz failed_at;	/* the last one */
	TimestampTz next_start; /* no worker is started before that */
} RoleProblem;

static List *problems = NIL; /* of RoleProblem *, in TopMemoryContext */

static RoleProblem *
find_problem(Oid role)
{
	ListCell *lc;

	foreach (lc, problems)
	{
		RoleProblem *problem = lfirst(lc);

		if (problem->role == role)
			return problem;
	}
	return NULL;
}

/*
 * Returns why a worker of the role may have ended at its start, palloc'd.
 * Needs a transaction.
 */
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

TimestampTz
role_backoff_next_start(Oid role)
{
	RoleProblem *problem = find_problem(role);

	return problem == NULL ? 0 : problem->next_start;
}

void
role_backoff_note_problem(Oid role, TimestampTz started_before)
{
	RoleProblem	 *problem = find_problem(role);
	MemoryContext context = CurrentMemoryContext;
	char		 *reason;
	dlist_iter	  iter;

	if (problem == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

		problem = palloc0(sizeof(RoleProblem));
		problem->role = role;
		problems = lappend(problems, problem);
		MemoryContextSwitchTo(oldcontext);
	}
	/* Workers that were started together fail together: one failure. */
	if (started_before < problem->failed_at)
		return;
	problem->failed_at = GetCurrentTimestamp();
	problem->failures++;
	elog(DEBUG1, "workers of role %u could not connect, time %d", role,
		 problem->failures);
	problem->next_start = backoff_until(problem->failures, FIRST_RETRY_MS,
										MAX_RETRY_MS);

	own_transaction_begin();
	MemoryContextSwitchTo(context);
	reason = reason_of(role);
	dlist_foreach (iter, &delivery_queue_all_mappings)
	{
		QueuedMapping *mapping = dlist_container(QueuedMapping, node, iter.cur);

		if (mapping->role == role)
			delivery_position_note_problem(mapping->mapping_no,
										   psprintf("PROBLEM: %s", reason), reason);
	}
	own_transaction_commit();
}

void
role_backoff_forget_problem(Oid role)
{
	RoleProblem *problem = find_problem(role);

	if (problem != NULL)
	{
		problems = list_delete_ptr(problems, problem);
		pfree(problem);
	}
}
