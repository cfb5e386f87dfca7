/*
 * expiry.c
 *	  Dropping what has expired.
 *
 * What has expired is out of reach already (horizon.c); here its room is given
 * back.  No record is ever deleted.  A shard goes with its tables when all
 * that it held has expired, at the same cost whatever it held, in a
 * transaction of its own.  A disabled stream without shards goes with its
 * rows; and when there is no stream at all the row descriptors go.
 *
 * Expiry waits for nobody, and nobody waits for it.  Every lock is taken
 * without waiting; a shard that is being read, or that a vacuum is at, is left
 * for the next run, as is a stream that is being changed.  A reader that asks
 * for a shard while it is being dropped gets "Shard does not exist" some
 * milliseconds later.  pg_dump locks no shard, for they are members of the
 * extension.
 *
 * A transaction that has appended to a shard holds a lock on its table to its
 * end, prepared or not.  So the backend that gets the strongest lock on the
 * table of a closed shard knows that none of its records is unresolved.
 *
 * A clock that ran ahead may have closed a shard at a time that is still to
 * come.  As soon as such a time is met it is set to now.
 *
 * Locks, in the order in which they are taken: the tables of streams and of
 * shards (RowExclusive, against DROP EXTENSION), the stream's, and for each of
 * the shard's tables AccessExclusive on the table, its indexes and its TOAST
 * table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/clock.h"
#include "base/own_transaction.h"
#include "lineage/agenda.h"
#include "lineage/expiry.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/heap_write.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_tables.h"

PG_FUNCTION_INFO_V1(ddbstreams_expire);

/* A shard that may be dropped, or a stream if shard_no is 0 */
typedef struct ExpiryItem
{
	int64 stream_id;
	int64 shard_no;
} ExpiryItem;

/* Does a time lie in the future by more than clocks differ? */
static bool
lies_ahead(TimestampTz time)
{
	return time > clock_now() + CLOCK_TOLERANCE;
}

/*
 * Has a shard expired, or does its time of closing have to be set right?  A
 * closed one expires one retention after its closing, or after that.
 */
static bool
shard_needs_work(const StreamInfo *stream, const ShardInfo *shard)
{
	bool needs_work = horizon_has_passed_shard(stream, shard) ||
					  (!ShardIsOpen(shard) && lies_ahead(shard->closed_at));

	if (needs_work)
		agenda_note(clock_now());
	else if (!ShardIsOpen(shard))
		agenda_note(shard->closed_at + stream->retention_usec);
	return needs_work;
}

static List *
add_item(List *items, int64 stream_id, int64 shard_no)
{
	ExpiryItem *item = palloc(sizeof(ExpiryItem));

	item->stream_id = stream_id;
	item->shard_no = shard_no;
	return lappend(items, item);
}

/*
 * Finds what there is to do, the shards of a stream before the stream, as a
 * list of ExpiryItem in a memory context.  A snapshot is active.
 */
static List *
find_items(MemoryContext context)
{
	List	 *items = NIL;
	ListCell *lc;

	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo	 *stream = lfirst(lc);
		List		 *shards = shard_catalog_list(stream->stream_id, NULL);
		MemoryContext oldcontext = MemoryContextSwitchTo(context);
		ListCell	 *lc2;

		CHECK_FOR_INTERRUPTS();
		foreach (lc2, shards)
		{
			ShardInfo *shard = lfirst(lc2);

			if (shard_needs_work(stream, shard))
				items = add_item(items, stream->stream_id, shard->shard_no);
		}
		if (shards == NIL)
			agenda_note(clock_now());
		if (!StreamIsEnabled(stream))
			items = add_item(items, stream->stream_id, 0);
		MemoryContextSwitchTo(oldcontext);
	}
	return items;
}

/* Keeps DROP EXTENSION from the tables whose rows are to be deleted. */
static bool
lock_catalog_tables(void)
{
	return ConditionalLockRelationOid(catalog_table_oid(CATALOG_STREAM, false),
									  RowExclusiveLock) &&
		   ConditionalLockRelationOid(catalog_table_oid(CATALOG_SHARD, false),
									  RowExclusiveLock);
}

/*
 * Takes the locks on a table, its indexes and its TOAST table that dropping
 * them needs.  Returns false if one of them cannot be had at once; true also
 * if there is no such table.
 */
static bool
lock_table_to_drop(Oid relid)
{
	bool	  locked = true;
	Oid		  toast;
	List	 *indexes;
	ListCell *lc;
	Relation  rel;

	if (!ConditionalLockRelationOid(relid, AccessExclusiveLock))
		return false;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return true;
	toast = rel->rd_rel->reltoastrelid;
	indexes = RelationGetIndexList(rel);
	relation_close(rel, NoLock);

	foreach (lc, indexes)
		locked = locked && ConditionalLockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
	list_free(indexes);
	return locked && (!OidIsValid(toast) || lock_table_to_drop(toast));
}

/* Drops a shard if it has expired and its locks can be had at once. */
static void
expire_shard(StreamInfo *stream, ShardInfo *shard)
{
	if (!ShardIsOpen(shard) && lies_ahead(shard->closed_at))
	{
		shard->closed_at = clock_now();
		shard_catalog_replace(shard);
	}
	else if (horizon_has_passed_shard(stream, shard) &&
			 lock_table_to_drop(shard->shard_table) &&
			 (shard_catalog_shares_side_table(shard) ||
			  lock_table_to_drop(shard->side_table)))
	{
		shard_tables_drop(shard);
		shard_catalog_delete(shard);
	}
}

/* Removes a disabled stream that has no shards any more. */
static void
expire_stream(StreamInfo *stream)
{
	if (!StreamIsEnabled(stream) &&
		shard_catalog_list(stream->stream_id, NULL) == NIL)
		stream_catalog_delete(stream);
}

/*
 * Does one item, if its locks can be had at once and it is still to be done.
 * A snapshot is active.
 */
static void
expire_item(const ExpiryItem *item)
{
	StreamInfo *stream = NULL;
	ShardInfo  *shard;

	if (lock_catalog_tables())
		stream = stream_catalog_try_lock(item->stream_id);
	if (stream == NULL)
		return;
	if (item->shard_no == 0)
		expire_stream(stream);
	else
	{
		shard = shard_catalog_by_no(item->shard_no, NULL);
		if (shard != NULL)
			expire_shard(stream, shard);
	}
}

/*
 * Removes the row descriptors when there is no stream.  The lock keeps new
 * streams from being made meanwhile; a session that writes to one later hears
 * first that what it knows of descriptors is stale.
 */
static void
expire_descriptors(void)
{
	Oid		 streams = catalog_table_oid(CATALOG_STREAM, false);
	Oid		 descriptors = catalog_table_oid(CATALOG_ROW_DESCRIPTOR, false);
	Relation rel;

	if (!catalog_table_is_empty(CATALOG_STREAM) ||
		catalog_table_is_empty(CATALOG_ROW_DESCRIPTOR) ||
		!ConditionalLockRelationOid(streams, ShareLock) ||
		!ConditionalLockRelationOid(descriptors, RowExclusiveLock) ||
		!catalog_table_is_empty(CATALOG_STREAM))
		return;
	rel = table_open(descriptors, NoLock);
	heap_write_delete(rel, InvalidOid, 0, NULL);
	table_close(rel, NoLock);
	CacheInvalidateRelcacheByRelid(descriptors);
}

/*
 * Does one item, or the descriptors if it is NULL, in a transaction of its
 * own.
 */
static void
expire_in_transaction(const ExpiryItem *item)
{
	own_transaction_begin();
	if (item != NULL)
		expire_item(item);
	else
		expire_descriptors();
	own_transaction_commit();
}

/*
 * Does the same, but returns the error, in a memory context, instead of
 * raising it: one shard that cannot be dropped must not keep the others.
 * Cancellation and shutdown are raised.
 */
static ErrorData *
try_in_transaction(const ExpiryItem *item, MemoryContext context)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		expire_in_transaction(item);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return error;
}

void
expiry_run(void)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData	 *first_error = NULL;
	List		 *items;
	ListCell	 *lc;

	if (!agenda_is_due())
		return;
	own_transaction_begin();
	items = find_items(context);
	own_transaction_commit();

	items = lappend(items, NULL);
	foreach (lc, items)
	{
		ErrorData *error = try_in_transaction(lfirst(lc), context);

		if (first_error == NULL)
			first_error = error;
	}
	list_free(items);
	if (first_error != NULL)
		ReThrowError(first_error);
}

/*
 * expire(stream_arn text) returns void
 *
 * Does the same within the caller's transaction, for one stream or for all:
 * for tests.
 */
Datum
ddbstreams_expire(PG_FUNCTION_ARGS)
{
	StreamInfo *only = NULL;
	ListCell   *lc;

	PreventCommandIfReadOnly("expire()");
	catalog_version_check();
	if (!PG_ARGISNULL(0))
		only = stream_catalog_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)), NULL);
	foreach (lc, find_items(CurrentMemoryContext))
	{
		ExpiryItem *item = lfirst(lc);

		if (PG_ARGISNULL(0) ||
			(only != NULL && only->stream_id == item->stream_id))
			expire_item(item);
	}
	expire_descriptors();
	PG_RETURN_VOID();
}
