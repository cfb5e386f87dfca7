/*
 * wait_sql.c
 *	  wait_for_records(): sleeps until there is something to read.
 *
 * A waiting backend watches the shard (shard_watch.c), then looks with a new
 * snapshot, and sleeps only if it has found nothing.  A committing backend
 * makes its commit visible and then looks for waiting ones.  So no wake-up is
 * missed, and a commit costs next to nothing while no backend waits.
 *
 * On a standby no backend commits, and so none wakes another: there the
 * waiting backend watches the progress of replay.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/sleep_snapshot.h"
#include "base/statement_snapshot.h"
#include "base/wait_event.h"
#include "reading/iterator.h"
#include "reading/iterator_position.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "shard/shard_reader.h"
#include "shard/shard_watch.h"

PG_FUNCTION_INFO_V1(ddbstreams_wait_for_records);

#define MAX_WAIT USECS_PER_DAY

/* How often a backend on a standby looks at the replay, in milliseconds */
#define REPLAY_INTERVAL 5

/* Is there a record after the iterator now, or has the shard ended? */
static bool
has_record(const ShardIterator *iterator)
{
	Snapshot	 snapshot = RegisterSnapshot(GetLatestSnapshot());
	ShardInfo	*shard;
	ShardReader *reader;
	ShardRecord	 record;
	bool		 found;

	PushActiveSnapshot(snapshot);
	shard = stream_access_shard_by_no(iterator->stream,
									  iterator->shard->shard_no, snapshot);
	reader = shard_reader_open(shard, snapshot, iterator_position_resolve(iterator, snapshot));
	found = shard_reader_next(reader, &record) ||
			(!ShardIsOpen(shard) && reader->end == READER_AT_HEAP_END);
	shard_reader_close(reader);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	return found;
}

/* Returns the argument timeout in microseconds; an error if it is bad. */
static int64
check_timeout(const Interval *timeout)
{
	int64 usec = clock_interval_usec(timeout);

	if (usec < 0 || usec > MAX_WAIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must be between 0 and 1 day")));
	return usec;
}

/*
 * Sleeps until something may have changed, or the time is over.  "replayed" is
 * where the replay was before the caller looked for records, and "in_recovery"
 * whether there was any: a backend that did not watch then is woken by none,
 * even if the standby has been promoted meanwhile.
 */
static void
sleep_for_change(bool in_recovery, XLogRecPtr replayed, int64 remaining_ms)
{
	if (in_recovery)
	{
		TimestampTz until = GetCurrentTimestamp() + remaining_ms * 1000;

		while (GetXLogReplayRecPtr(NULL) == replayed && RecoveryInProgress() &&
			   GetCurrentTimestamp() < until)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 REPLAY_INTERVAL, wait_event_info(WAIT_FOR_RECORDS));
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	else
		(void) shard_watch_wait(remaining_ms, WAIT_FOR_RECORDS);
}

/*
 * Returns whether there is something to read behind an iterator, now or before
 * the time is over.  The caller ends the watching.
 */
static bool
wait_for_record(const ShardIterator *iterator, TimestampTz until, MemoryContext context)
{
	ShardWatchKey key = {.stream_id = iterator->stream->stream_id,
						 .shard_table = iterator->shard->shard_table};
	bool		  watches = false;

	if (has_record(iterator))
		return true;
	for (;;)
	{
		ReleasedSnapshot released;
		XLogRecPtr		 replayed;
		bool			 in_recovery;
		int64			 remaining = until - GetCurrentTimestamp();

		if (remaining <= 0)
			return false;
		/* What is replayed after has_record has looked must end the sleep. */
		replayed = GetXLogReplayRecPtr(NULL);
		in_recovery = RecoveryInProgress();
		if (!in_recovery)
		{
			if (!watches)
				shard_watch_set(&key, 1);
			watches = true;
			(void) shard_watch_take(NULL);
		}
		MemoryContextReset(context);
		if (has_record(iterator))
			return true;
		sleep_snapshot_release(&released);
		sleep_for_change(in_recovery, replayed, (remaining + 999) / 1000);
		sleep_snapshot_restore(&released);
	}
}

/*
 * wait_for_records(shard_iterator text, timeout interval) returns boolean
 *
 * It takes new snapshots as time goes by, so it is refused in a transaction
 * that keeps its first one.
 */
Datum
ddbstreams_wait_for_records(PG_FUNCTION_ARGS)
{
	MemoryContext  context;
	MemoryContext  oldcontext;
	ShardIterator *iterator;
	TimestampTz	   until;
	volatile bool  found;

	if (PG_ARGISNULL(0))
		error_null_argument("shardIterator");
	if (PG_ARGISNULL(1))
		error_null_argument("timeout");
	until = GetCurrentTimestamp() + check_timeout(PG_GETARG_INTERVAL_P(1));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot wait for records in a transaction of this isolation level"),
				 errdetail("Its snapshot would never show them."),
				 errhint("Use READ COMMITTED.")));
	iterator = iterator_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  statement_snapshot());

	context = AllocSetContextCreate(CurrentMemoryContext,
									"ddbstreams wait", ALLOCSET_DEFAULT_SIZES);
	oldcontext = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		found = wait_for_record(iterator, until, context);
	}
	PG_FINALLY();
	{
		shard_watch_end();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(oldcontext);
	MemoryContextDelete(context);
	PG_RETURN_BOOL(found);
}
