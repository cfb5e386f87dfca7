/*
 * extension_drop.c
 *	  DROP EXTENSION with more shards than one transaction can lock.
 *
 * PostgreSQL locks everything that a command drops until the end of the
 * transaction: for each shard a table with its row type and triggers, and for
 * each side table its indexes and its TOAST table, too.  The lock table of a
 * server with default settings has room for some fifteen hundred shards, and a
 * database may have more.
 *
 * So DROP EXTENSION first removes the streams, if they are many: it disables
 * one after the other, and drops some shards in each transaction.  What is
 * left is dropped by PostgreSQL as usual.  This cannot be done in a
 * transaction block, where all must be one transaction.
 *
 * A command that would be refused in the end must not have removed anything:
 * whether other objects depend on the extension is looked up first.  What an
 * event trigger will say cannot be known, so there is but one transaction
 * where the command fires one.  Workers are held off the database from the
 * beginning to the end.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "module/extension_drop.h"
#include "module/worker_guard.h"
#include "registry/catalog_table.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/shard_tables.h"
#include "stream/stream.h"
#include "stream/stream_triggers.h"

/*
 * What dropping takes: measured in pg_locks, with some to spare.  A shard that
 * shares its side table takes less.
 */
#define LOCKS_PER_SHARD 14
#define LOCKS_PER_TABLE 5

/*
 * Finds what depends on the extension or a member of it, is not a member
 * itself, not a part of one, and no capture trigger.
 */
static const char dependents_query[] =
	"WITH member AS MATERIALIZED ("
	" SELECT classid, objid FROM pg_depend"
	" WHERE refclassid = 'pg_extension'::regclass AND refobjid = $1 AND deptype IN ('e', 'x')"
	" UNION ALL SELECT 'pg_extension'::regclass, $1) "
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid),"
	" pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)"
	" FROM pg_depend d JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid"
	" WHERE d.deptype = 'n'"
	" AND NOT EXISTS (SELECT FROM member o WHERE o.classid = d.classid AND o.objid = d.objid)"
	" AND NOT EXISTS (SELECT FROM pg_depend p JOIN member o ON o.classid = p.refclassid AND o.objid = p.refobjid"
	"  WHERE p.classid = d.classid AND p.objid = d.objid AND p.deptype IN ('i', 'a'))"
	" AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid"
	"  JOIN member o ON o.classid = 'pg_proc'::regclass AND o.objid = f.oid"
	"  WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid"
	"  AND t.tgname IN ('" DDBSTREAMS_ROW_TRIGGER "', '" DDBSTREAMS_TRUNCATE_TRIGGER "'))"
	" LIMIT 1";

/*
 * Finds event triggers of users that DROP EXTENSION fires.  Those of
 * extensions look after their own objects.
 */
static const char event_triggers_query[] =
	"SELECT FROM pg_event_trigger t"
	" WHERE evtenabled <> 'D' AND evtevent IN ('ddl_command_start', 'sql_drop', 'ddl_command_end')"
	" AND (evttags IS NULL OR 'DROP EXTENSION' = ANY (evttags))"
	" AND NOT EXISTS (SELECT FROM pg_depend d"
	"  WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')"
	" LIMIT 1";

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
begin_queries(int *nest_level)
{
	*nest_level = NewGUCNestLevel();
	set_locally("search_path", "pg_catalog, pg_temp");
	/* There may be no statistics yet of a pg_depend that has just grown. */
	set_locally("enable_nestloop", "off");
	SPI_connect();
}

static void
end_queries(int nest_level)
{
	SPI_finish();
	AtEOXact_GUC(true, nest_level);
}

static bool
fires_event_trigger(void)
{
	int	 nest_level;
	bool fires;

	begin_queries(&nest_level);
	if (SPI_execute(event_triggers_query, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for event triggers");
	fires = SPI_processed > 0;
	end_queries(nest_level);
	return fires;
}

/* Raises PostgreSQL's error if other objects depend on the extension. */
static void
check_dependents(Oid extension)
{
	Oid	  types[1] = {OIDOID};
	Datum values[1] = {ObjectIdGetDatum(extension)};
	int	  nest_level;

	begin_queries(&nest_level);
	if (SPI_execute_with_args(dependents_query, 1, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for objects that depend on extension \"%s\"",
			 DDBSTREAMS_EXTENSION);
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop extension %s because other objects depend on it",
						DDBSTREAMS_EXTENSION),
				 errdetail("%s depends on %s",
						   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
						   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2)),
				 errhint("Use DROP ... CASCADE to drop the dependent objects too.")));
	end_queries(nest_level);
}

/* How many locks fit into the server's lock table */
static int
lock_capacity(void)
{
	return max_locks_per_xact * (MaxBackends + max_prepared_xacts);
}

static int
count_locks(void)
{
	int		  count = list_length(stream_triggers_tables()) * LOCKS_PER_TABLE;
	ListCell *lc;

	foreach (lc, stream_catalog_list(InvalidOid, NULL))
		count += LOCKS_PER_SHARD *
				 list_length(shard_catalog_list(((StreamInfo *) lfirst(lc))->stream_id,
												NULL));
	return count;
}

/* Commits what has been done, and begins the next transaction. */
static void
begin_next_step(void)
{
	ForgetPortalSnapshots();
	CommitTransactionCommand();
	CHECK_FOR_INTERRUPTS();
	StartTransactionCommand();
	EnsurePortalSnapshotExists();
}

/*
 * Drops up to limit shards of a stream, and the stream with the last of them.
 * Returns false when the stream is gone.
 */
static bool
drop_some_shards(int64 stream_id, int limit)
{
	StreamInfo *stream = stream_catalog_lock(stream_id);
	List	   *shards;
	ListCell   *lc;

	if (stream == NULL)
		return false;
	shards = shard_catalog_list(stream_id, NULL);
	foreach (lc, shards)
	{
		if (foreach_current_index (lc) == limit)
			return true;
		shard_tables_drop(lfirst(lc));
		shard_catalog_delete(lfirst(lc));
	}
	stream_catalog_delete(stream);
	return false;
}

/* The identities of all streams, in a list of int64 * that outlives commits */
static List *
list_streams(void)
{
	List		 *streams = stream_catalog_list(InvalidOid, NULL);
	List		 *result = NIL;
	ListCell	 *lc;
	MemoryContext oldcontext = MemoryContextSwitchTo(PortalContext);

	foreach (lc, streams)
	{
		int64 *stream_id = palloc(sizeof(int64));

		*stream_id = ((StreamInfo *) lfirst(lc))->stream_id;
		result = lappend(result, stream_id);
	}
	MemoryContextSwitchTo(oldcontext);
	return result;
}

static List *
list_tables(void)
{
	List		 *tables = stream_triggers_tables();
	MemoryContext oldcontext = MemoryContextSwitchTo(PortalContext);

	tables = list_copy(tables);
	MemoryContextSwitchTo(oldcontext);
	return tables;
}

static void
remove_streams(void)
{
	int		  limit = Max(lock_capacity() / 20 / LOCKS_PER_SHARD, 1);
	List	 *tables = list_tables();
	ListCell *lc;

	foreach (lc, tables)
	{
		stream_remove(lfirst_oid(lc));
		begin_next_step();
	}
	foreach (lc, list_streams())
	{
		bool more = true;

		while (more)
		{
			more = drop_some_shards(*(int64 *) lfirst(lc), limit);
			begin_next_step();
		}
	}
}

/* Is this DROP EXTENSION ddbstreams, by a user who may do that? */
static bool
drops_extension(Node *command)
{
	DropStmt *stmt = (DropStmt *) command;
	Oid		  extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

	return OidIsValid(extension) && list_length(stmt->objects) == 1 &&
		   strcmp(strVal(linitial(stmt->objects)), DDBSTREAMS_EXTENSION) == 0 &&
		   compat_owns_extension(extension, GetUserId()) &&
		   OidIsValid(catalog_table_oid(CATALOG_STREAM, true)) &&
		   OidIsValid(catalog_table_oid(CATALOG_SHARD, true));
}

void
extension_drop_before(Node *command)
{
	if (!IsA(command, DropStmt) ||
		((DropStmt *) command)->removeType != OBJECT_EXTENSION ||
		!IsUnderPostmaster || RecoveryInProgress() || !IsTransactionState() ||
		IsInTransactionBlock(true) || !drops_extension(command) ||
		count_locks() < lock_capacity() / 4 || fires_event_trigger())
		return;

	PreventCommandIfReadOnly("DROP EXTENSION");
	PreventInTransactionBlock(true, "DROP EXTENSION");
	if (((DropStmt *) command)->behavior == DROP_RESTRICT)
		check_dependents(get_extension_oid(DDBSTREAMS_EXTENSION, false));
	worker_guard_hold_across_commits(true);
	remove_streams();
	worker_guard_hold_across_commits(false);
}
