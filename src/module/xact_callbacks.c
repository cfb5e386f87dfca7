/*
 * xact_callbacks.c
 *	  What ddbstreams does when a transaction or a subtransaction ends.
 *
 * Before a commit, and before a PREPARE TRANSACTION, in this order:
 *
 *	1. stream_guard.c looks once more at the captured tables that DDL of this
 *	   transaction has touched, and may refuse the commit; stream_notice.c
 *	   says what is left to be said of it;
 *	   stream_definition.c writes changed mappings into the triggers of their
 *	   streams, but not before a PREPARE TRANSACTION;
 *	2. stream_ending.c locks what it has to change in step 4;
 *	3. append.c appends the captured changes to the shards;
 *	4. stream_ending.c disables the streams of tables that are dropped, or
 *	   taken over by another extension, behind the append of what the
 *	   transaction had captured before;
 *	5. worker_guard.c finds out what the transaction leaves of the extension.
 *
 * After a commit the launcher is told what DDL has changed for workers.  After
 * a commit, an abort or a PREPARE, all that these files remember of the
 * transaction is forgotten, and readers that wait for records of its shards
 * are woken: after an abort too, because they can read then what stands behind
 * an aborted record.  From then on the client may be waited for again.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "replication/logicalworker.h"

#include "base/client_wait.h"
#include "capture/append.h"
#include "capture/change_buffer.h"
#include "capture/own_values.h"
#include "module/worker_guard.h"
#include "module/xact_callbacks.h"
#include "registry/catalog_version.h"
#include "registry/own_tables.h"
#include "shard/shard_wake.h"
#include "stream/stream_ddl.h"
#include "stream/stream_definition.h"
#include "stream/stream_ending.h"
#include "stream/stream_guard.h"
#include "stream/stream_notice.h"

/*
 * May this transaction have ended a prepared one?  The worker of a
 * subscription with two_phase does so past the utility hook, and in a
 * transaction that changes nothing itself.
 */
static bool
may_have_ended_prepared(void)
{
	return IsLogicalWorker() && max_prepared_xacts > 0 &&
		   !FullTransactionIdIsValid(GetTopFullTransactionIdIfAny());
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			stream_guard_check();
			if (event == XACT_EVENT_PRE_COMMIT)
				stream_definition_at_commit();
			stream_notice_send();
			if (stream_ending_is_due())
				append_without_lock_timeout(stream_ending_lock);
			append_at_commit();
			if (stream_ending_is_due())
				append_without_lock_timeout(stream_ending_perform);
			worker_guard_pre_commit();
			stream_ddl_close();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			if (event == XACT_EVENT_COMMIT)
				worker_guard_commit();
			else
				worker_guard_forget();
			stream_ddl_forget();
			stream_definition_forget();
			stream_notice_forget();
			append_end_transaction();
			client_wait_allow(CLIENT_WAIT_APPENDED);
			client_wait_allow(CLIENT_WAIT_READER_SLOT);
			own_tables_end_transaction();
			if (event == XACT_EVENT_ABORT)
				catalog_version_rolled_back();
			catalog_version_end_transaction();
			shard_wake_readers();
			if (event == XACT_EVENT_COMMIT && may_have_ended_prepared())
				shard_wake_all();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent_subid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		change_buffer_cut(subid);
		own_values_cut(subid);
		stream_ddl_cut(subid);
		stream_notice_cut(subid);
		worker_guard_cut(subid);
		own_tables_cut();
		client_wait_allow(CLIENT_WAIT_READER_SLOT);
		catalog_version_rolled_back();
	}
}

void
xact_callbacks_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
