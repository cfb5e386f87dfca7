/*
 * lineage.c
 *	  Closing shards and opening their children: split and roll-over.
 *
 * A shard is closed under a lock on its table that conflicts with the lock of
 * writers, which they keep until the end of their transaction.  So the backend
 * that gets the closing lock knows which record is the shard's last.  A writer
 * that waits behind the closing finds, when it gets its lock, that the shard
 * is closed and that its children are open (writable_shards.c).  The
 * children's numbers begin above everything that is in the parent's heap.
 *
 * Writers must not be stalled:
 *
 * - The children's tables are made before the lock is asked for.
 * - The lock is waited for only briefly, because writers queue behind a
 *	 backend that waits for it.
 * - A prepared transaction may hold its lock for days.  If one does, the lock
 *	 is not asked for at all.
 *
 * A closing that cannot get its lock is given up and tried again later.
 *
 * A closing that readers have seen must not be undone by a crash, so its
 * commit is never asynchronous.
 *
 * The maintenance worker closes each shard in a transaction of its own.
 * split_shard and roll_over close in the transaction of their statement, and
 * are refused in a transaction block, which would hold the locks for long.
 * roll_over takes the shards in the order in which writers lock them, that is,
 * of their hash ranges.
 *
 * Locks, in the order in which they are taken: the stream's
 * (stream_catalog_lock), one on the extension against DROP EXTENSION, and for
 * each shard ShareRowExclusiveLock on its table.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/guarded_call.h"
#include "base/own_transaction.h"
#include "base/prepared_lock.h"
#include "base/relation_size.h"
#include "base/settings.h"
#include "base/wait_event.h"
#include "capture/change_buffer.h"
#include "lineage/agenda.h"
#include "lineage/lineage.h"
#include "lineage/shard_stats.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/shard_log.h"
#include "shard/shard_tables.h"
#include "stream/stream.h"
#include "stream/stream_definition.h"

PG_FUNCTION_INFO_V1(ddbstreams_split_shard);
PG_FUNCTION_INFO_V1(ddbstreams_roll_over);

/* How long a closing waits for its lock, and writers with it, in ms */
#define CLOSE_LOCK_TIMEOUT 200

/* How often split_shard and roll_over try, and how long they pause, in ms */
#define CLOSE_TRIES 10
#define CLOSE_PAUSE 100

/* The age at which a shard has shown its load, in microseconds */
#define SPLIT_MIN_AGE (5 * USECS_PER_SEC)

/* A shard to be closed, and the children whose tables are made already */
typedef struct ShardClosing
{
	ShardInfo *parent;
	int		   child_count;
	ShardInfo *children[2];
} ShardClosing;

/*
 * Makes the tables of the children that a shard is to have.  sibling is a
 * shard of which they are to be siblings (shard_tables_make), or NULL.
 */
static ShardClosing *
prepare_closing(const StreamInfo *stream, ShardInfo *parent, int child_count,
				const ShardInfo *sibling)
{
	ShardClosing *closing = palloc0(sizeof(ShardClosing));

	closing->parent = parent;
	closing->child_count = child_count;
	if (child_count == 1)
		closing->children[0] = shard_tables_make(stream, parent->hash_first,
												 parent->hash_last, sibling);
	else
	{
		uint64 middle = parent->hash_first +
						(parent->hash_last - parent->hash_first) / 2;

		closing->children[0] = shard_tables_make(stream, parent->hash_first, middle,
												 sibling);
		closing->children[1] = shard_tables_make(stream, middle + 1, parent->hash_last,
												 closing->children[0]);
	}
	return closing;
}

/* Drops the children's tables again: the shard stays open. */
static void
abandon_closing(const ShardClosing *closing)
{
	for (int i = 0; i < closing->child_count; i++)
		shard_tables_drop(closing->children[i]);
}

/*
 * Does a prepared transaction keep a shard from being closed?  A transaction
 * that is just ending looks the same for a moment.
 */
static bool
is_held_by_prepared(Oid shard_table)
{
	for (int looks = 0; looks < 5; looks++)
	{
		if (!prepared_lock_conflicts(shard_table, ShareRowExclusiveLock))
			return false;
		pg_usleep(1000);
	}
	return true;
}

/*
 * Closes a shard and opens its children.  The caller holds the closing lock.
 */
static void
write_closing(const ShardClosing *closing)
{
	ShardInfo *parent = closing->parent;
	Relation   rel = try_relation_open(parent->shard_table, NoLock);
	int64	   last_number = 0;
	int64	   now;
	int64	   starting_number;

	/* A shard whose table is missing is closed as if it were empty. */
	if (rel != NULL)
	{
		last_number = shard_log_last_number(rel);
		relation_close(rel, NoLock);
	}
	shard_tables_close(parent);
	/* The clock is read once: it may be set back at any time. */
	now = shard_log_now();
	starting_number = Max(now, Max(last_number, parent->ending_number) + 1);
	for (int i = 0; i < closing->child_count; i++)
		shard_tables_publish(closing->children[i], parent, parent->closed_at, starting_number);
	ForceSyncCommit();
}

/* Waits briefly for the closing lock, and closes the shard. */
static void
lock_briefly_and_write(void *argument)
{
	const ShardClosing *closing = argument;
	int					lock_timeout = LockTimeout;

	if (LockTimeout == 0 || LockTimeout > CLOSE_LOCK_TIMEOUT)
		LockTimeout = CLOSE_LOCK_TIMEOUT;
	LockRelationOid(closing->parent->shard_table, ShareRowExclusiveLock);
	LockTimeout = lock_timeout;
	write_closing(closing);
}

/*
 * Closes a shard if its lock can be had soon, else returns false.  The lock is
 * taken in a subtransaction of its own, whose failure leaves everything as it
 * was.
 */
static bool
lock_and_write(ShardClosing *closing)
{
	int		   lock_timeout = LockTimeout;
	ErrorData *error;

	if (is_held_by_prepared(closing->parent->shard_table))
		return false;
	error = guarded_call_error(lock_briefly_and_write, closing);
	LockTimeout = lock_timeout;
	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/*
 * Finds the stream whose shards are to be closed, and locks it.  Raises an
 * error in a transaction block, which would hold the closing locks for longer
 * than this statement, and in a transaction that has changed the stream's
 * table.
 */
static StreamInfo *
lock_stream_to_close(const char *arn, const char *function)
{
	StreamInfo *stream;
	int64		stream_id;

	PreventCommandIfReadOnly(function);
	stream = stream_of_owner(arn);
	stream_id = stream->stream_id;
	if (change_buffer_has_changes(stream_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("%s cannot run in a transaction that has changed table \"%s\"",
						function, stream->table_name),
				 errhint("Commit the changes first.")));
	if (IsTransactionBlock() || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("%s cannot run inside a transaction block", function),
				 errdetail("Writers would wait for its end."),
				 errhint("Call it in a statement of its own.")));
	stream = stream_catalog_lock(stream_id);
	if (stream == NULL || !stream_access_is_enabled(stream))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot run on disabled stream %s", function, arn),
				 errdetail("The shards of a disabled stream are closed for good.")));
	return stream;
}

static void
pause_briefly(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 CLOSE_PAUSE, wait_event_info(WAIT_FOR_CLOSING));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
check_splittable(const StreamInfo *stream, const ShardInfo *shard)
{
	if (!ShardIsOpen(shard))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot split a closed shard"),
				 errdetail("Shard %s is closed.", shard->shard_id),
				 errhint("ddbstreams.describe_stream shows the open shards: those without an ending_sequence_number.")));
	if (shard->hash_first == shard->hash_last)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot split a shard that takes a single hash"),
				 errdetail("Shard %s does.", shard->shard_id)));
	if (list_length(shard_catalog_open(stream->stream_id, NULL)) >= MAX_SHARD_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_LIMIT_EXCEEDED),
				 errmsg("a stream can have at most %d open shards", MAX_SHARD_COUNT)));
}

/*
 * split_shard(stream_arn text, shard_id text) returns setof text
 */
Datum
ddbstreams_split_shard(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StreamInfo	  *stream;
	ShardInfo	  *shard;
	ShardClosing  *closing;
	char		  *arn;
	char		  *shard_id;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	if (PG_ARGISNULL(1))
		error_null_argument("shardId");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	arn = text_to_cstring(PG_GETARG_TEXT_PP(0));
	shard_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	(void) stream_access_shard(stream_of_owner(arn), shard_id, NULL);
	stream = lock_stream_to_close(arn, "split_shard()");
	shard = stream_access_shard(stream, shard_id, NULL);
	check_splittable(stream, shard);

	closing = prepare_closing(stream, shard, 2, NULL);
	for (int tries = 1; !lock_and_write(closing); tries++)
	{
		if (tries >= CLOSE_TRIES)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("could not close the shard"),
					 errdetail("A prepared or long transaction is committing to shard %s.",
							   shard->shard_id),
					 errhint("Try again when it has ended.")));
		pause_briefly();
	}
	stream_definition_try_store(stream);
	for (int i = 0; i < closing->child_count; i++)
	{
		Datum value = CStringGetTextDatum(closing->children[i]->shard_id);
		bool  isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}

static bool
any_is_held_by_prepared(List *closings)
{
	ListCell *lc;

	foreach (lc, closings)
	{
		if (is_held_by_prepared(((ShardClosing *) lfirst(lc))->parent->shard_table))
			return true;
	}
	return false;
}

/*
 * roll_over(stream_arn text) returns integer
 *
 * Once one shard is locked the call must not wait long for another.  So it
 * waits for prepared transactions before, and tries only the first shard
 * repeatedly; a later one whose lock it cannot get is left open.
 */
Datum
ddbstreams_roll_over(PG_FUNCTION_ARGS)
{
	StreamInfo *stream;
	List	   *closings = NIL;
	List	   *abandoned = NIL;
	ShardInfo  *sibling = NULL;
	ListCell   *lc;
	int			tries = 1;
	int			closed = 0;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	stream = lock_stream_to_close(text_to_cstring(PG_GETARG_TEXT_PP(0)), "roll_over()");
	foreach (lc, shard_catalog_open(stream->stream_id, NULL))
	{
		ShardClosing *closing = prepare_closing(stream, lfirst(lc), 1, sibling);

		closings = lappend(closings, closing);
		sibling = closing->children[0];
	}

	for (; tries < CLOSE_TRIES && any_is_held_by_prepared(closings); tries++)
		pause_briefly();
	foreach (lc, closings)
	{
		ShardClosing *closing = lfirst(lc);
		bool		  written = lock_and_write(closing);

		for (; !written && closed == 0 && tries < CLOSE_TRIES; tries++)
		{
			pause_briefly();
			written = lock_and_write(closing);
		}
		if (written)
			closed++;
		else
		{
			ereport(WARNING,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("shard %s was not rolled over",
							closing->parent->shard_id),
					 errdetail("A prepared or long transaction is committing to it."),
					 errhint("Call roll_over again when it has ended.")));
			abandoned = lappend(abandoned, closing);
		}
	}
	foreach (lc, abandoned)
		abandon_closing(lfirst(lc));
	PG_RETURN_INT32(closed);
}

/*
 * Returns the age at which an open shard with records is rolled over.  It
 * grows with a retention of more than a day, so that a stream has as many
 * generations of shards in a year as in a day.
 */
static int64
rollover_usec(const StreamInfo *stream)
{
	double days = stream->retention_usec / (double) USECS_PER_DAY;
	double usec = setting_rollover_interval * (double) USECS_PER_SEC * Max(1, days);

	return (int64) Min(usec, stream->retention_usec / 4.0);
}

/* A shard that the maintenance worker is to close */
typedef struct DueShard
{
	int64 stream_id;
	int64 shard_no;
} DueShard;

/*
 * Is a shard to be rolled over?  One that is old and empty is looked into
 * again after a small part of the interval.  But it must not keep the large
 * values of its siblings when these are gone.
 */
static bool
is_old(const StreamInfo *stream, List *shards, const ShardInfo *shard)
{
	int64		interval = rollover_usec(stream);
	TimestampTz now = clock_now();
	bool		is_due = shard->created_at <= now - interval;

	if (!is_due)
		agenda_note(shard->created_at + interval);
	else if (!relation_size_is_zero(shard->shard_table) ||
			 !relation_size_is_zero(shard->side_table))
		agenda_note(now);
	else
	{
		agenda_note(now + interval / 64);
		is_due = false;
	}
	return is_due;
}

/*
 * Returns how many records a second a shard gets; 0 if its table is locked, or
 * gone since the list of shards was read: nobody is waited for.
 */
static double
load_of(const ShardInfo *shard)
{
	if (!ConditionalLockRelationOid(shard->shard_table, AccessShareLock) ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(shard->shard_table)))
		return 0;
	return shard_stats_rate(shard, GetActiveSnapshot());
}

/*
 * Was the split that made the shard's range in vain, because one key has
 * nearly all of the load?  Then another split would be in vain, too.  Since
 * that split each of the halves may have been rolled over, and the other one
 * split again.
 */
static bool
was_split_in_vain(List *shards, const ShardInfo *shard, double rate)
{
	const ShardInfo *whole = shard;
	double			 other_rate = 0;
	ListCell		*lc;

	while (whole != NULL && whole->hash_first == shard->hash_first &&
		   whole->hash_last == shard->hash_last)
		whole = whole->parent_shard_id == NULL ?
					NULL :
					shard_catalog_in_list(shards, whole->parent_shard_id);
	if (whole == NULL)
		return false;

	foreach (lc, shards)
	{
		ShardInfo *other = lfirst(lc);

		if (ShardIsOpen(other) && other->shard_no != shard->shard_no &&
			other->hash_first >= whole->hash_first && other->hash_last <= whole->hash_last)
			other_rate += load_of(other);
	}
	return other_rate < rate / 20;
}

/* Is a shard to be split for its load? */
static bool
is_hot(const StreamInfo *stream, List *shards, const ShardInfo *shard)
{
	double rate;

	if (shard->hash_first == shard->hash_last ||
		shard->created_at > clock_now() - SPLIT_MIN_AGE)
		return false;
	rate = load_of(shard);
	return rate > setting_split_above && !was_split_in_vain(shards, shard, rate);
}

/*
 * Finds the open shards of all streams of which a test is true, as a list of
 * DueShard in the caller's memory context.
 */
static List *
find_due(bool (*is_due)(const StreamInfo *, List *, const ShardInfo *))
{
	MemoryContext context = CurrentMemoryContext;
	List		 *due = NIL;
	ListCell	 *lc;

	own_transaction_begin();
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);
		List	   *shards;
		ListCell   *lc2;

		if (!stream_access_is_enabled(stream))
			continue;
		shards = shard_catalog_list(stream->stream_id, NULL);
		foreach (lc2, shards)
		{
			ShardInfo *shard = lfirst(lc2);

			CHECK_FOR_INTERRUPTS();
			if (ShardIsOpen(shard) && is_due(stream, shards, shard))
			{
				MemoryContext oldcontext = MemoryContextSwitchTo(context);
				DueShard	 *entry = palloc(sizeof(DueShard));

				entry->stream_id = stream->stream_id;
				entry->shard_no = shard->shard_no;
				due = lappend(due, entry);
				MemoryContextSwitchTo(oldcontext);
			}
		}
	}
	own_transaction_commit();
	return due;
}

/* Returns a shard that was made just before, if it is one of the stream's. */
static ShardInfo *
find_sibling(const StreamInfo *stream, int64 shard_no)
{
	ShardInfo *shard = shard_no != 0 ? shard_catalog_by_no(shard_no, NULL) : NULL;

	return shard != NULL && shard->stream_id == stream->stream_id ? shard : NULL;
}

/*
 * Closes one shard in a transaction of its own, if its lock can be had soon.
 * A stream that another session changes waits for the next run: that session
 * must not hold up the streams of others.  *sibling_no is the number of the
 * child that was made last, or 0.
 */
static void
close_in_transaction(const DueShard *due, int child_count, int64 *sibling_no)
{
	StreamInfo *stream;
	ShardInfo  *shard;

	own_transaction_begin();
	stream = stream_catalog_try_lock(due->stream_id);
	shard = shard_catalog_by_no(due->shard_no, NULL);
	if (stream != NULL && stream_access_is_enabled(stream) && shard != NULL &&
		ShardIsOpen(shard) && !is_held_by_prepared(shard->shard_table) &&
		list_length(shard_catalog_open(stream->stream_id, NULL)) + child_count - 1 <= MAX_SHARD_COUNT)
	{
		ShardClosing *closing = prepare_closing(stream, shard, child_count,
												find_sibling(stream, *sibling_no));

		if (lock_and_write(closing))
		{
			*sibling_no = closing->children[0]->shard_no;
			if (child_count > 1)
				stream_definition_try_store(stream);
		}
		else
			abandon_closing(closing);
	}
	own_transaction_commit();
}

static void
close_all_due(List *due, int child_count)
{
	int64	  sibling_no = 0;
	ListCell *lc;

	foreach (lc, due)
	{
		CHECK_FOR_INTERRUPTS();
		close_in_transaction(lfirst(lc), child_count, &sibling_no);
	}
	list_free_deep(due);
}

void
lineage_roll_over_due(void)
{
	if (agenda_is_due())
		close_all_due(find_due(is_old), 1);
}

void
lineage_split_hot(void)
{
	if (setting_split_above > 0)
		close_all_due(find_due(is_hot), 2);
}
