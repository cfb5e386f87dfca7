/*
 * ddl_hooks.c
 *	  The hooks on DDL.
 *
 * The object access hook tells worker_guard.c, stream_ddl.c and
 * stream_notice.c what a command changes; they only take notes.  The utility
 * hook calls them before and after each utility command.
 *
 * The utility hook also sees to two more things.  COMMIT PREPARED and ROLLBACK
 * PREPARED call no transaction callback, so readers that wait are woken here.
 * And VACUUM FULL, CLUSTER and ALTER TABLE copy a table from its first page
 * on: with synchronized scans they might begin in the middle, and the records
 * of a shard would no longer be in the order of their numbers.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "miscadmin.h"
#include "tcop/utility.h"

#include "base/compat.h"
#include "delivery/delivery_call.h"
#include "module/ddl_hooks.h"
#include "module/extension_drop.h"
#include "module/own_table_guard.h"
#include "module/subscription_guard.h"
#include "module/worker_guard.h"
#include "registry/catalog_version.h"
#include "shard/shard_wake.h"
#include "stream/stream_ddl.h"
#include "stream/stream_guard.h"
#include "stream/stream_notice.h"
#include "stream/stream_restore.h"

static object_access_hook_type	next_object_access_hook = NULL;
static ProcessUtility_hook_type next_utility_hook = NULL;

static void
note_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
				   int sub_id, void *arg)
{
	if (next_object_access_hook)
		next_object_access_hook(access, class_id, object_id, sub_id, arg);

	if (IsBinaryUpgrade || !IsNormalProcessingMode() || !IsTransactionState())
		return;
	own_table_guard_object_access(access, class_id, object_id);
	worker_guard_object_access(access, class_id, object_id);
	stream_ddl_object_access(access, class_id, object_id, sub_id, arg);
	stream_notice_object_access(access, class_id, object_id, sub_id, arg);
}

/* May a command copy the rows of tables? */
static bool
may_copy_tables(Node *command)
{
	return IsA(command, VacuumStmt) || compat_is_cluster(command) ||
		   IsA(command, AlterTableStmt);
}

static bool
is_full_vacuum_or_cluster(Node *command)
{
	ListCell *lc;

	if (!IsA(command, VacuumStmt))
		return compat_is_cluster(command);
	foreach (lc, ((VacuumStmt *) command)->options)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, "full") == 0)
			return true;
	}
	return false;
}

static bool
ends_prepared_transaction(Node *command)
{
	TransactionStmtKind kind;

	if (!IsA(command, TransactionStmt))
		return false;
	kind = ((TransactionStmt *) command)->kind;
	return kind == TRANS_STMT_COMMIT_PREPARED || kind == TRANS_STMT_ROLLBACK_PREPARED;
}

static void
call_next_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				  ProcessUtilityContext context, ParamListInfo params,
				  QueryEnvironment *environment, DestReceiver *dest,
				  QueryCompletion *completion)
{
	if (next_utility_hook)
		next_utility_hook(pstmt, query, read_only_tree, context, params,
						  environment, dest, completion);
	else
		standard_ProcessUtility(pstmt, query, read_only_tree, context, params,
								environment, dest, completion);
}

/* The same, with scans that begin at a table's first page */
static void
call_next_in_heap_order(PlannedStmt *pstmt, const char *query,
						bool read_only_tree, ProcessUtilityContext context,
						ParamListInfo params, QueryEnvironment *environment,
						DestReceiver *dest, QueryCompletion *completion)
{
	volatile bool save_synchronize_seqscans = synchronize_seqscans;

	synchronize_seqscans = false;
	PG_TRY();
	{
		call_next_utility(pstmt, query, read_only_tree, context, params,
						  environment, dest, completion);
	}
	PG_CATCH();
	{
		synchronize_seqscans = save_synchronize_seqscans;
		PG_RE_THROW();
	}
	PG_END_TRY();
	synchronize_seqscans = save_synchronize_seqscans;
}

static void
process_utility(PlannedStmt *pstmt, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	/* A transaction command may free the statement, so it is examined now. */
	bool wakes = ends_prepared_transaction(pstmt->utilityStmt);
	bool copies = is_full_vacuum_or_cluster(pstmt->utilityStmt);
	bool alters = IsA(pstmt->utilityStmt, AlterTableStmt) && !IsBinaryUpgrade;
	bool updates = catalog_version_is_changed_by(pstmt->utilityStmt) && !IsBinaryUpgrade;
	bool subscribes = IsA(pstmt->utilityStmt, CreateSubscriptionStmt) ||
					  IsA(pstmt->utilityStmt, AlterSubscriptionStmt);

	if (context == PROCESS_UTILITY_TOPLEVEL && !IsBinaryUpgrade)
		extension_drop_before(pstmt->utilityStmt);
	own_table_guard_before(pstmt->utilityStmt);
	worker_guard_before(pstmt->utilityStmt);
	if (wakes)
		worker_guard_before_prepared();
	if (alters)
		stream_guard_before_alter((AlterTableStmt *) pstmt->utilityStmt);

	if (stream_restore_has_done(pstmt->utilityStmt) ||
		delivery_call_has_done(pstmt->utilityStmt))
	{
		if (completion)
			SetQueryCompletion(completion, CreateCommandTag(pstmt->utilityStmt), 0);
	}
	else if (may_copy_tables(pstmt->utilityStmt))
		call_next_in_heap_order(pstmt, query, read_only_tree, context, params,
								environment, dest, completion);
	else
		call_next_utility(pstmt, query, read_only_tree, context, params,
						  environment, dest, completion);

	if (updates)
		catalog_version_changed();
	if (copies)
		worker_guard_after_rewrite();
	if (wakes)
	{
		shard_wake_all();
		worker_guard_after_prepared();
	}
	if (alters)
		stream_guard_after_alter((AlterTableStmt *) pstmt->utilityStmt);
	if (!IsTransactionState() || IsBinaryUpgrade)
		return;
	if (subscribes)
		subscription_guard_after(pstmt->utilityStmt);
	if (stream_ddl_has_notes())
		stream_guard_check();
	stream_notice_send();
}

void
ddl_hooks_init(void)
{
	next_object_access_hook = object_access_hook;
	object_access_hook = note_object_access;
	next_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
