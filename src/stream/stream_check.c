/*
 * stream_check.c
 *	  Is everything still there that capture needs?  Tasks of maintenance.
 *
 * DDL is watched as it happens (stream_guard.c), and cannot take from a table
 * what its stream needs.  These tasks see to what has come about in another way:
 * while the library was not loaded, by pg_upgrade, by a hand in the system
 * catalogues.
 *
 * Every run looks each trigger up in pg_trigger by its name, which is cheap.
 * Only tables whose triggers are not in order are locked, and opened, to be
 * mended; a table that cannot be locked at once waits for the next run.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/own_transaction.h"
#include "registry/decoding.h"
#include "registry/stream_catalog.h"
#include "stream/stream_check.h"
#include "stream/stream_definition.h"
#include "stream/stream_triggers.h"
#include "worker/worker_databases.h"

static bool
trigger_fires_always(Relation pg_trigger, Oid relid, const char *name)
{
	ScanKeyData keys[2];
	NameData	trigger_name;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result;

	namestrcpy(&trigger_name, name);
	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&trigger_name));
	scan = systable_beginscan(pg_trigger, TriggerRelidNameIndexId, true, NULL, 2,
							  keys);
	tuple = systable_getnext(scan);
	result = HeapTupleIsValid(tuple) &&
			 ((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled == TRIGGER_FIRES_ALWAYS;
	systable_endscan(scan);
	return result;
}

static bool
is_in_order(Relation pg_trigger, Oid relid, char relkind)
{
	return trigger_fires_always(pg_trigger, relid, DDBSTREAMS_ROW_TRIGGER) &&
		   (relkind != RELKIND_RELATION ||
			trigger_fires_always(pg_trigger, relid, DDBSTREAMS_TRUNCATE_TRIGGER));
}

/* Are a table's triggers, and those of all its partitions, in order? */
static bool
all_in_order(Relation pg_trigger, Oid root)
{
	char	  relkind = get_rel_relkind(root);
	ListCell *lc;

	if (relkind == RELKIND_RELATION)
		return is_in_order(pg_trigger, root, relkind);
	if (relkind != RELKIND_PARTITIONED_TABLE)
		return true; /* being dropped */
	foreach (lc, find_all_inheritors(root, NoLock, NULL))
	{
		relkind = get_rel_relkind(lfirst_oid(lc));
		if (relkind != '\0' && !is_in_order(pg_trigger, lfirst_oid(lc), relkind))
			return false;
	}
	return true;
}

/* The tables with an enabled stream whose triggers are not in order */
static List *
find_disordered(MemoryContext context)
{
	List	 *disordered = NIL;
	Relation  pg_trigger;
	ListCell *lc;

	own_transaction_begin();
	pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo	 *stream = lfirst(lc);
		MemoryContext oldcontext;

		CHECK_FOR_INTERRUPTS();
		if (!StreamIsEnabled(stream) || stream->table_dropped ||
			all_in_order(pg_trigger, stream->table_oid))
			continue;
		oldcontext = MemoryContextSwitchTo(context);
		disordered = lappend_oid(disordered, stream->table_oid);
		MemoryContextSwitchTo(oldcontext);
	}
	table_close(pg_trigger, AccessShareLock);
	own_transaction_commit();
	return disordered;
}

/* Locks a table and its partitions as stream_triggers_enable wants it. */
static bool
lock_at_once(Oid root, List **relids)
{
	ListCell *lc;

	/* With the root's lock its partitions stay. */
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

static void
mend(Oid root)
{
	List	   *relids;
	Relation	pg_trigger;
	StreamInfo *stream;

	own_transaction_begin();
	if (lock_at_once(root, &relids))
	{
		pg_trigger = table_open(TriggerRelationId, AccessShareLock);
		stream = stream_catalog_enabled(root, NULL);
		if (stream != NULL && !all_in_order(pg_trigger, root))
		{
			stream_triggers_enable(relids);
			ereport(LOG,
					(errmsg("capture triggers of table \"%s\" were missing or did not always fire, and have been mended",
							stream->table_name),
					 errdetail("Changes that were made meanwhile may be missing in stream \"%s\".",
							   stream->arn)));
		}
		table_close(pg_trigger, AccessShareLock);
	}
	own_transaction_commit();
}

/*
 * Roles that have mappings may have got other names, and splits by load wait for
 * nobody.
 */
static void
refresh_definitions(void)
{
	ListCell *lc;

	own_transaction_begin();
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (StreamIsEnabled(stream) && !stream->table_dropped &&
			SearchSysCacheExists1(RELOID, ObjectIdGetDatum(stream->table_oid)))
			stream_definition_try_store(stream);
	}
	own_transaction_commit();
}

/*
 * A task of the maintenance worker: mends capture triggers that are missing, or
 * do not fire always, and what they say to pg_dump.
 */
void
stream_check_triggers(void)
{
	List	 *disordered = find_disordered(CurrentMemoryContext);
	ListCell *lc;

	foreach (lc, disordered)
	{
		CHECK_FOR_INTERRUPTS();
		mend(lfirst_oid(lc));
	}
	list_free(disordered);
	refresh_definitions();
}

/*
 * A task of the maintenance worker: keeps tables of ours out of logical decoding
 * that have lost the mark.  That happens by pg_upgrade and by VACUUM FULL.
 */
void
stream_check_decoding(void)
{
	if (!worker_databases_is_thorough_run())
		return;
	own_transaction_begin();
	if (!decoding_hide_all())
		worker_databases_request_thorough_run(MyDatabaseId, false);
	own_transaction_commit();
}
