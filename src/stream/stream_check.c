/*
 * stream_check.c
 *	  Tasks of maintenance: is everything there that capture needs?
 *
 * DDL is watched as it happens (stream_guard.c), and cannot take from a table
 * what its stream needs.  These tasks see to what has come about in another
 * way: while the library was not loaded, by pg_upgrade, or by changes that
 * were made to the system catalogues directly.
 *
 * A table that another extension has taken over meanwhile loses its stream,
 * and so does one whose key is not what it was: a temporary type that the key
 * has is removed also while the library does not know the catalogue.
 *
 * Every run looks each trigger up in pg_trigger by its name, which is cheap.
 * A table is locked, and opened, only if its triggers are not in order and
 * must be repaired, or if its key is looked at, in thorough runs; a table that
 * cannot be locked at once, with its triggers, waits for the next run.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/own_transaction.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_origin.h"
#include "registry/decoding.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream.h"
#include "stream/stream_check.h"
#include "stream/stream_definition.h"
#include "stream/stream_ending.h"
#include "stream/stream_neighbours.h"
#include "stream/stream_triggers.h"
#include "worker/worker_databases.h"

static bool
trigger_fires_always(Relation pg_trigger, Oid relid, const char *name)
{
	HeapTuple tuple = stream_triggers_find(pg_trigger, relid, name);

	return HeapTupleIsValid(tuple) &&
		   ((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled == TRIGGER_FIRES_ALWAYS;
}

/* Are the triggers of one table in order? */
static bool
relation_is_in_order(Relation pg_trigger, Oid relid, char relkind)
{
	return trigger_fires_always(pg_trigger, relid, DDBSTREAMS_ROW_TRIGGER) &&
		   (relkind != RELKIND_RELATION ||
			trigger_fires_always(pg_trigger, relid, DDBSTREAMS_TRUNCATE_TRIGGER));
}

/*
 * Are the triggers of a stream's table, and of all its partitions, in order?
 */
static bool
stream_is_in_order(Relation pg_trigger, Oid root)
{
	char	  relkind = get_rel_relkind(root);
	ListCell *lc;

	if (relkind == RELKIND_RELATION)
		return relation_is_in_order(pg_trigger, root, relkind);
	if (relkind != RELKIND_PARTITIONED_TABLE)
		return true; /* it is being dropped */
	foreach (lc, find_all_inheritors(root, NoLock, NULL))
	{
		relkind = get_rel_relkind(lfirst_oid(lc));
		if (relkind != '\0' &&
			!relation_is_in_order(pg_trigger, lfirst_oid(lc), relkind))
			return false;
	}
	return true;
}

/* Returns the tables whose triggers are not in order. */
static List *
find_disordered(List *relids)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	List	 *disordered = NIL;
	ListCell *lc;

	foreach (lc, relids)
	{
		CHECK_FOR_INTERRUPTS();
		if (!stream_is_in_order(pg_trigger, lfirst_oid(lc)))
			disordered = lappend_oid(disordered, lfirst_oid(lc));
	}
	table_close(pg_trigger, AccessShareLock);
	return disordered;
}

/*
 * Returns those of the tables with an enabled stream that a function chooses,
 * in the caller's memory context.
 */
static List *
find_tables(List *(*choose)(List *relids))
{
	MemoryContext context = CurrentMemoryContext;
	List		 *relids = NIL;
	List		 *found;
	MemoryContext oldcontext;
	ListCell	 *lc;

	own_transaction_begin();
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		if (StreamIsEnabled(stream) && !stream->table_dropped)
			relids = lappend_oid(relids, stream->table_oid);
	}
	found = choose(relids);
	oldcontext = MemoryContextSwitchTo(context);
	found = list_copy(found);
	MemoryContextSwitchTo(oldcontext);
	own_transaction_commit();
	return found;
}

/*
 * Locks a table and its partitions as stream_triggers_enable wants it, and
 * returns them in *relids; false if a lock cannot be had at once.
 */
static bool
try_lock_with_partitions(Oid root, List **relids)
{
	ListCell *lc;

	/* While the root is locked no partition comes or goes. */
	if (!ConditionalLockRelationOid(root, ShareRowExclusiveLock) ||
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(root)))
		return false;
	*relids = find_all_inheritors(root, NoLock, NULL);
	for_each_from (lc, *relids, 1)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(lc), ShareRowExclusiveLock))
			return false;
	}
	return true;
}

/*
 * The same with the partitions that are half detached, as stream_end wants it
 */
static bool
try_lock_to_end(Oid root, List **relids)
{
	List	 *detaching;
	ListCell *lc;

	if (!try_lock_with_partitions(root, relids))
		return false;
	detaching = stream_triggers_detaching(*relids);
	foreach (lc, detaching)
	{
		if (!ConditionalLockRelationOid(lfirst_oid(lc), ShareRowExclusiveLock))
			return false;
	}
	*relids = list_concat(*relids, detaching);
	return true;
}

/*
 * Locks the rows of the tables' triggers, which another transaction may have
 * changed; false if one cannot be had at once.  To wait for it would hold up
 * all that write to the tables, which are locked.
 */
static bool
try_lock_triggers(List *relids)
{
	static const char *const names[] = {DDBSTREAMS_ROW_TRIGGER,
										DDBSTREAMS_TRUNCATE_TRIGGER};
	Relation				 pg_trigger = table_open(TriggerRelationId, RowExclusiveLock);
	bool					 locked = true;
	ListCell				*lc;

	foreach (lc, relids)
	{
		for (Size i = 0; locked && i < lengthof(names); i++)
			locked = stream_triggers_find(pg_trigger, lfirst_oid(lc), names[i]) == NULL ||
					 stream_triggers_lock(pg_trigger, lfirst_oid(lc), names[i],
										  LockWaitSkip) != NULL;
	}
	table_close(pg_trigger, NoLock);
	return locked;
}

static void
repair_triggers(Oid root)
{
	List	   *relids;
	Relation	pg_trigger;
	StreamInfo *stream;

	own_transaction_begin();
	if (try_lock_with_partitions(root, &relids))
	{
		pg_trigger = table_open(TriggerRelationId, AccessShareLock);
		stream = stream_catalog_enabled(root, NULL);
		if (stream != NULL && !stream_is_in_order(pg_trigger, root) &&
			try_lock_triggers(relids))
		{
			stream_triggers_enable(relids);
			ereport(LOG,
					(errmsg("ddbstreams has repaired the capture triggers of table \"%s\", which were missing or did not always fire",
							stream->table_name),
					 errdetail("Changes that were made meanwhile may be missing in stream \"%s\".",
							   stream->arn)));
		}
		table_close(pg_trigger, AccessShareLock);
	}
	own_transaction_commit();
}

/*
 * Writes the definitions that dumps carry, where they are out of date: roles
 * that have mappings may have been renamed, and a split does not wait for the
 * trigger if another transaction changes it.
 */
void
stream_check_definitions(void)
{
	List	 *mappings;
	ListCell *lc;

	own_transaction_begin();
	/* All at once: queries for each stream would take most of the time. */
	mappings = mapping_catalog_list();
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (StreamIsEnabled(stream) && !stream->table_dropped &&
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream->table_oid)) &&
			!stream_definition_is_current(stream, mappings))
			stream_definition_try_store(stream);
	}
	own_transaction_commit();
}

/*
 * The stream of a dropped table can be read by the role that owned the table.
 * If that has been dropped, too, it must not be another one that is given the
 * same number later.
 */
void
stream_check_owners(void)
{
	ListCell *lc;

	own_transaction_begin();
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (!stream->table_dropped || !OidIsValid(stream->owner) ||
			SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(stream->owner)))
			continue;
		stream = stream_catalog_try_lock(stream->stream_id);
		if (stream == NULL)
			continue;
		stream->owner = InvalidOid;
		stream_catalog_replace(stream);
	}
	own_transaction_commit();
}

void
stream_check_triggers(void)
{
	List	 *disordered = find_tables(find_disordered);
	ListCell *lc;

	foreach (lc, disordered)
	{
		CHECK_FOR_INTERRUPTS();
		repair_triggers(lfirst_oid(lc));
	}
	list_free(disordered);
}

/*
 * Ends the stream of a table if a function still has something against it,
 * which it returns in words.  Returns whether the stream has been ended: also
 * if a lock cannot be had at once, it has not.
 */
static bool
end_if(Oid root, const char *(*objection)(Oid root))
{
	List	   *relids;
	StreamInfo *stream = NULL;
	const char *reason = NULL;

	own_transaction_begin();
	if (try_lock_to_end(root, &relids))
		stream = stream_catalog_enabled(root, NULL);
	if (stream != NULL)
		stream = stream_catalog_try_lock(stream->stream_id);
	if (stream != NULL && StreamIsEnabled(stream))
		reason = objection(root);
	if (reason != NULL && !try_lock_triggers(relids))
		reason = NULL;
	if (reason != NULL)
	{
		stream_end(root);
		ereport(WARNING,
				(errmsg("ddbstreams has disabled the stream of table \"%s\": %s",
						stream->table_name, reason),
				 errdetail("Changes that were made meanwhile may be missing in stream \"%s\".",
						   stream->arn)));
	}
	own_transaction_commit();
	return reason != NULL;
}

static const char *
claim_of_neighbour(Oid root)
{
	const char *hint;
	const char *claim = stream_neighbours_claim(root, &hint);

	return claim == NULL ? NULL : psprintf("the table is now %s", claim);
}

void
stream_check_neighbours(void)
{
	List	 *taken_over = find_tables(stream_neighbours_claimed);
	ListCell *lc;

	foreach (lc, taken_over)
	{
		CHECK_FOR_INTERRUPTS();
		(void) end_if(lfirst_oid(lc), claim_of_neighbour);
	}
	list_free(taken_over);
}

/* Is the key of a table with a stream not what it was?  It is locked. */
static bool
key_is_harmed(Oid root)
{
	Relation	rel = try_table_open(root, NoLock);
	StreamInfo *stream;
	bool		harmed = false;

	if (rel == NULL)
		return false;
	stream = stream_catalog_enabled(root, NULL);
	if (stream != NULL)
		harmed = stream_ending_harm(rel, stream_key_of(rel), stream) != NULL;
	table_close(rel, NoLock);
	return harmed;
}

/* A table that cannot be locked at once is looked at in the next run. */
static List *
find_harmed(List *relids)
{
	List	 *harmed = NIL;
	ListCell *lc;

	foreach (lc, relids)
	{
		CHECK_FOR_INTERRUPTS();
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
		{
			worker_databases_request_thorough_run(MyDatabaseId, false);
			continue;
		}
		if (key_is_harmed(lfirst_oid(lc)))
			harmed = lappend_oid(harmed, lfirst_oid(lc));
		/* Not a lock for each table until the end of the transaction */
		UnlockRelationOid(lfirst_oid(lc), AccessShareLock);
	}
	return harmed;
}

static const char *
harm_of_key(Oid root)
{
	return key_is_harmed(root) ? "its key is not what it was" : NULL;
}

void
stream_check_keys(void)
{
	List	 *harmed;
	ListCell *lc;

	if (!worker_databases_is_thorough_run())
		return;
	harmed = find_tables(find_harmed);
	foreach (lc, harmed)
	{
		CHECK_FOR_INTERRUPTS();
		if (!end_if(lfirst_oid(lc), harm_of_key))
			worker_databases_request_thorough_run(MyDatabaseId, false);
	}
	list_free(harmed);
}

void
stream_check_decoding(void)
{
	if (!worker_databases_is_thorough_run())
		return;
	own_transaction_begin();
	mapping_origin_settle(); /* it needs to see whether marks are missing */
	if (!decoding_hide_all())
		worker_databases_request_thorough_run(MyDatabaseId, false);
	own_transaction_commit();
}
