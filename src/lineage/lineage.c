/*
 * lineage.c
 *	  Closing shards and opening their children: split and roll-over.
 *
 * A shard is closed under a lock on its table that no writer's goes with.  Who
 * has appended to it holds a lock until its commit, so that whoever gets the
 * closing lock knows the shard's last record; and a writer that waits behind it
 * finds the shard closed, and its children open, when it gets its own
 * (writable_shards.c).  The children's numbers begin above everything that is in
 * the parent's heap.
 *
 * Writers must not be stalled.  The children's tables are made before the lock
 * is asked for.  The lock is waited for briefly; while we are queued writers
 * queue behind us.  A prepared transaction may hold the shard for days: then we
 * do not queue at all.  A closing that cannot get its lock is given up and tried
 * again later.
 *
 * A closing that readers have seen must not be undone by a crash, so its commit
 * is never asynchronous.
 *
 * The maintenance worker closes each shard in a transaction of its own.
 * split_shard and roll_over close in the transaction of their statement, and
 * are refused in a transaction block, which would hold the locks for long.
 * roll_over takes the shards in the order in which writers lock them.
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
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/own_transaction.h"
#include "base/settings.h"
#include "capture/change_buffer.h"
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

/* How long a closing waits for its lock, and writers behind it, in ms */
#define CLOSE_LOCK_TIMEOUT 200

/* How often split_shard and roll_over try, and how long they pause, in ms */
#define CLOSE_TRIES 10
#define CLOSE_PAUSE 100

/* A shard is not split by load before it has shown its load, in microseconds */
#define SPLIT_MIN_AGE (5 * USECS_PER_SEC)

/* A shard to be closed, and the children whose tables are made already */
typedef struct Closing
{
	ShardInfo *parent;
	int		   child_count;
	ShardInfo *children[2];
} Closing;

static Closing *
prepare(const StreamInfo *stream, ShardInfo *parent, int child_count)
{
	Closing *closing = palloc0(sizeof(Closing));

	closing->parent = parent;
	closing->child_count = child_count;
	if (child_count == 1)
		closing->children[0] = shard_tables_make(stream, parent->hash_first,
												 parent->hash_last);
	else
	{
		uint64 middle = parent->hash_first +
						(parent->hash_last - parent->hash_first) / 2;

		closing->children[0] = shard_tables_make(stream, parent->hash_first, middle);
		closing->children[1] = shard_tables_make(stream, middle + 1, parent->hash_last);
	}
	return closing;
}

static void
abandon(const Closing *closing)
{
	for (int i = 0; i < closing->child_count; i++)
		shard_tables_drop(closing->children[i]);
}

static bool
seems_held_by_prepared(Oid shard_table)
{
	LOCKTAG				  tag;
	VirtualTransactionId *holders;
	int					  count;
	bool				  found = false;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, shard_table);
	holders = GetLockConflicts(&tag, ShareRowExclusiveLock, &count);
	for (int i = 0; i < count && !found; i++)
		found = compat_vxid_is_prepared(holders[i]);
	pfree(holders);
	return found;
}

/*
 * Does a prepared transaction keep a shard from being closed?  One that is just
 * ending looks the same for a moment.
 */
static bool
is_held_by_prepared(Oid shard_table)
{
	for (int looks = 0; looks < 5; looks++)
	{
		if (!seems_held_by_prepared(shard_table))
			return false;
		pg_usleep(1000);
	}
	return true;
}

/* The lock is held: what the catalogue says from the commit on. */
static void
write_closing(const Closing *closing)
{
	ShardInfo *parent = closing->parent;
	Relation   rel = relation_open(parent->shard_table, NoLock);
	int64	   last_number = shard_log_last_number(rel);
	int64	   starting_number;

	relation_close(rel, NoLock);
	shard_tables_close(parent);
	starting_number = Max(shard_log_now(),
						  Max(last_number, parent->ending_number) + 1);
	for (int i = 0; i < closing->child_count; i++)
		shard_tables_publish(closing->children[i], parent, parent->closed_at, starting_number);
	ForceSyncCommit();
}

/*
 * Waits briefly for the closing lock.  It is taken in a subtransaction of its
 * own, whose failure leaves everything as it was.
 */
static bool
lock_and_write(const Closing *closing)
{
	MemoryContext oldcontext = CurrentMemoryContext;
	ResourceOwner oldowner = CurrentResourceOwner;
	int			  save_lock_timeout = LockTimeout;
	volatile bool written = true;

	if (is_held_by_prepared(closing->parent->shard_table))
		return false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(oldcontext);
	PG_TRY();
	{
		if (LockTimeout == 0 || LockTimeout > CLOSE_LOCK_TIMEOUT)
			LockTimeout = CLOSE_LOCK_TIMEOUT;
		LockRelationOid(closing->parent->shard_table, ShareRowExclusiveLock);
		LockTimeout = save_lock_timeout;
		write_closing(closing);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(oldcontext);
		CurrentResourceOwner = oldowner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		LockTimeout = save_lock_timeout;
		MemoryContextSwitchTo(oldcontext);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(oldcontext);
		CurrentResourceOwner = oldowner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
			error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
			ReThrowError(error);
		FreeErrorData(error);
		written = false;
	}
	PG_END_TRY();
	return written;
}

/*
 * Finds the stream that is to be changed, and locks it.  Refused is what would
 * hold the closing locks for longer than its statement, or has changed the
 * stream's table.
 */
static StreamInfo *
lock_stream(const char *arn, const char *function)
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
					 CLOSE_PAUSE, PG_WAIT_EXTENSION);
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
	Closing		  *closing;
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
	stream = lock_stream(arn, "split_shard()");
	shard = stream_access_shard(stream, shard_id, NULL);
	check_splittable(stream, shard);

	closing = prepare(stream, shard, 2);
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
		if (is_held_by_prepared(((Closing *) lfirst(lc))->parent->shard_table))
			return true;
	}
	return false;
}

/*
 * roll_over(stream_arn text) returns integer
 *
 * Once one shard is locked there is no waiting for another for long, so
 * prepared transactions are waited for before, and a shard that cannot be had
 * then is left open: only the first is tried repeatedly.
 */
Datum
ddbstreams_roll_over(PG_FUNCTION_ARGS)
{
	StreamInfo *stream;
	List	   *closings = NIL;
	ListCell   *lc;
	int			tries = 1;
	int			closed = 0;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	stream = lock_stream(text_to_cstring(PG_GETARG_TEXT_PP(0)), "roll_over()");
	foreach (lc, shard_catalog_open(stream->stream_id, NULL))
		closings = lappend(closings, prepare(stream, lfirst(lc), 1));

	for (; tries < CLOSE_TRIES && any_is_held_by_prepared(closings); tries++)
		pause_briefly();
	foreach (lc, closings)
	{
		Closing *closing = lfirst(lc);
		bool	 written = lock_and_write(closing);

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
			abandon(closing);
		}
	}
	PG_RETURN_INT32(closed);
}

/* After this time an open shard with records is rolled over. */
static int64
rollover_usec(const StreamInfo *stream)
{
	return Min((int64) setting_rollover_interval * USECS_PER_SEC,
			   stream->retention_usec / 4);
}

static bool
has_records(const ShardInfo *shard)
{
	Relation rel = try_relation_open(shard->shard_table, AccessShareLock);
	bool	 found;

	if (rel == NULL)
		return false;
	found = RelationGetNumberOfBlocks(rel) > 0;
	relation_close(rel, AccessShareLock);
	return found;
}

typedef struct DueShard
{
	int64 stream_id;
	int64 shard_no;
} DueShard;

static bool
is_old(const StreamInfo *stream, List *shards, const ShardInfo *shard)
{
	return shard->created_at <= clock_now() - rollover_usec(stream) &&
		   has_records(shard);
}

/* The shard with which one came into being when their parent was split, or NULL */
static ShardInfo *
sibling_of(List *shards, const ShardInfo *shard)
{
	ListCell *lc;

	foreach (lc, shards)
	{
		ShardInfo *other = lfirst(lc);

		if (other->shard_no != shard->shard_no && other->parent_shard_id != NULL &&
			shard->parent_shard_id != NULL &&
			strcmp(other->parent_shard_id, shard->parent_shard_id) == 0)
			return other;
	}
	return NULL;
}

/*
 * Was a split of the shard's parent in vain, because one key has nearly all of
 * the load?  Then another would be, too.
 */
static bool
was_split_in_vain(List *shards, const ShardInfo *shard, double rate)
{
	ShardInfo *sibling = sibling_of(shards, shard);

	return sibling != NULL && ShardIsOpen(sibling) &&
		   shard_stats_rate(sibling, GetActiveSnapshot()) < rate / 20;
}

static bool
is_hot(const StreamInfo *stream, List *shards, const ShardInfo *shard)
{
	double rate;

	if (shard->hash_first == shard->hash_last ||
		shard->created_at > clock_now() - SPLIT_MIN_AGE)
		return false;
	rate = shard_stats_rate(shard, GetActiveSnapshot());
	return rate > setting_split_above && !was_split_in_vain(shards, shard, rate);
}

/*
 * Finds the open shards of all streams of which the test is true.  The list
 * lives in the caller's context.
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

/* Closes one shard in a transaction of its own, if it can be had now. */
static void
close_in_transaction(const DueShard *due, int child_count)
{
	StreamInfo *stream;
	ShardInfo  *shard;

	own_transaction_begin();
	stream = stream_catalog_lock(due->stream_id);
	shard = shard_catalog_by_no(due->shard_no, NULL);
	if (stream != NULL && stream_access_is_enabled(stream) && shard != NULL &&
		ShardIsOpen(shard) && !is_held_by_prepared(shard->shard_table) &&
		list_length(shard_catalog_open(stream->stream_id, NULL)) + child_count - 1 <= MAX_SHARD_COUNT)
	{
		Closing *closing = prepare(stream, shard, child_count);

		if (!lock_and_write(closing))
			abandon(closing);
		else if (child_count > 1)
			stream_definition_try_store(stream);
	}
	own_transaction_commit();
}

static void
close_all_due(List *due, int child_count)
{
	ListCell *lc;

	foreach (lc, due)
	{
		CHECK_FOR_INTERRUPTS();
		close_in_transaction(lfirst(lc), child_count);
	}
	list_free_deep(due);
}

/*
 * A task of the maintenance worker, called outside of transactions: rolls the
 * shards over that are older than ddbstreams.rollover_interval, or a quarter of
 * their stream's retention, and have records.  What cannot be locked is left
 * for the next run.
 */
void
lineage_roll_over_due(void)
{
	close_all_due(find_due(is_old), 1);
}

/*
 * Another: splits the shards that get more than ddbstreams.split_above records
 * a second.
 */
void
lineage_split_hot(void)
{
	if (setting_split_above > 0)
		close_all_due(find_due(is_hot), 2);
}
