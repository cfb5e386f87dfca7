/*
 * stream_guard.c
 *	  DDL that touches captured tables: what is refused, and what is repaired.
 *
 * After the utility command, and once more before the commit, each table that
 * is noted as altered (stream_ddl.c) is checked: is everything there that
 * capture needs?  If not, an error is raised that says what to do.  What can
 * be repaired without asking is repaired: a new partition gets its TRUNCATE
 * trigger, a detached one loses it, and ENABLE TRIGGER ALL does not take
 * ENABLE ALWAYS away.  A table whose triggers come from a dump gets its stream
 * (stream_restore.c).  Where an error would harm others, the stream ends with
 * the transaction (stream_ending.c).
 *
 * ddl_hooks.c calls this file around each utility command, and
 * xact_callbacks.c before the commit.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "mapping/mapping_catalog.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/own_tables.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream.h"
#include "stream/stream_ddl.h"
#include "stream/stream_definition.h"
#include "stream/stream_ending.h"
#include "stream/stream_guard.h"
#include "stream/stream_neighbours.h"
#include "stream/stream_refuse.h"
#include "stream/stream_restore.h"
#include "stream/stream_triggers.h"

/* Are the changes those by the removal of temporary objects? */
static bool checks_removal = false;

/*
 * Checks that a capture trigger is as it must be.  One that has lost ENABLE
 * ALWAYS gets it back; if one would not capture everything, the command is
 * refused.  Returns false if a restore has dropped the trigger.
 */
static bool
check_trigger(Relation rel, const char *name, const StreamInfo *stream)
{
	switch (stream_triggers_state(rel, name))
	{
		case TRIGGER_FIRES_ALWAYS:
			break;
		case TRIGGER_FIRES_ON_ORIGIN:
			stream_triggers_set_state(rel, name, TRIGGER_FIRES_ALWAYS);
			break;
		case TRIGGER_IS_MISSING:
			if (stream_restore_is_running())
				return false;
			stream_refuse(psprintf("drop trigger \"%s\"", name), stream);
			break;
		case TRIGGER_IS_FOREIGN:
			stream_refuse(psprintf("replace trigger \"%s\"", name), stream);
			break;
		default:
			if (!stream_restore_is_running())
				stream_refuse(psprintf("disable trigger \"%s\"", name), stream);
			stream_triggers_set_state(rel, name, TRIGGER_FIRES_ALWAYS);
	}
	return true;
}

/*
 * Checks that the key is what it was; its columns may be renamed.  Returns
 * false if the stream has to end.
 */
static bool
check_key(Relation root, StreamInfo *stream)
{
	TableKey   *key = stream_key_of(root);
	const char *harm = stream_ending_harm(root, key, stream);
	bool		renamed = false;

	if (harm != NULL &&
		(checks_removal ||
		 !compat_owns_relation(RelationGetRelid(root), GetUserId())))
	{
		stream_ending_note_key_lost(stream, root, harm, checks_removal);
		return false;
	}
	if (harm != NULL)
		stream_refuse(harm, stream);

	for (int i = 0; i < key->count; i++)
		renamed |= strcmp(key->names[i], stream->key_columns[i]) != 0;
	if (renamed)
	{
		stream = stream_catalog_lock(stream->stream_id);
		if (stream != NULL)
		{
			stream->key_columns = key->names;
			stream_catalog_replace(stream);
		}
	}
	return true;
}

/* The command may have renamed columns, or changed the trigger's arguments. */
static void
update_definition(StreamInfo *stream)
{
	if (stream_definition_is_current(stream, mapping_catalog_list_of_stream(stream->stream_id)))
		return;
	stream = stream_catalog_lock(stream->stream_id);
	if (stream != NULL)
		stream_definition_store(stream);
}

/* A table without a stream: a detached partition keeps no capture trigger. */
static void
check_uncaptured(Relation rel)
{
	char row_state = stream_triggers_state(rel, DDBSTREAMS_ROW_TRIGGER);
	char truncate_state = stream_triggers_state(rel,
												DDBSTREAMS_TRUNCATE_TRIGGER);

	if (truncate_state != TRIGGER_IS_MISSING &&
		row_state == TRIGGER_IS_MISSING && !stream_restore_is_running())
		stream_triggers_drop(RelationGetRelid(rel), DDBSTREAMS_TRUNCATE_TRIGGER);
	else
	{
		/* ENABLE TRIGGER ALL must not bring back a disabled stream's. */
		stream_triggers_disable_on(rel);
		stream_triggers_make_depend(rel);
	}
}

/*
 * Checks that everything is there that capture needs, and raises an error if
 * not.  Returns false if the stream has to end at once, because a restore
 * drops its triggers.  One that ends with the transaction needs nothing.
 */
static bool
check_captured(Relation rel, Oid root_oid, StreamInfo *stream)
{
	Relation root;
	bool	 keeps_key;

	if (stream_ddl_has_note(root_oid, KEY_LOST))
		return true;
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		stream_refuse_with_hint(psprintf("keep rows in unlogged table \"%s\"",
										 RelationGetRelationName(rel)),
								stream,
								rel->rd_rel->relispartition ?
									"Make the partition LOGGED, or call ddbstreams.disable_stream first." :
									"Call ddbstreams.disable_stream first.");
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		stream_refuse(psprintf("keep rows in foreign table \"%s\"",
							   RelationGetRelationName(rel)),
					  stream);
	if (!check_trigger(rel, DDBSTREAMS_ROW_TRIGGER, stream))
		return false;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
	{
		char state = stream_triggers_state(rel, DDBSTREAMS_TRUNCATE_TRIGGER);

		/* PostgreSQL does not clone this trigger to a new partition. */
		if (rel->rd_rel->relispartition && state == TRIGGER_IS_MISSING)
			stream_triggers_require_truncate(rel);
		else if (!check_trigger(rel, DDBSTREAMS_TRUNCATE_TRIGGER, stream))
			return false;
	}

	stream_triggers_make_depend(rel);

	root = table_open(root_oid, AccessShareLock);
	keeps_key = check_key(root, stream);
	table_close(root, NoLock);
	if (keeps_key)
		update_definition(stream);
	return true;
}

/*
 * A composite type has got another attribute, or lost one.  If a partition key
 * has a column of it, values that were equal hash otherwise from now on.
 */
static void
check_composite(Oid relid)
{
	Oid		  type = get_rel_type_id(relid);
	ListCell *lc;

	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);
		Relation	rel;

		if (!StreamIsEnabled(stream) ||
			!stream_key_hash_depends_on(stream->hash_functions, type))
			continue;
		rel = try_table_open(stream->table_oid, AccessShareLock);
		if (rel == NULL)
			continue;
		(void) check_key(rel, stream);
		table_close(rel, NoLock);
	}
}

/*
 * Looks whether another extension keeps the rows of a table with a capture
 * trigger.  If so, nothing else is to be checked: the extension may have
 * copied or renamed the triggers.
 */
static bool
check_taken_over(Relation rel, const StreamInfo *stream, Oid root)
{
	const char *hint;
	const char *claim;

	if (stream_triggers_state(rel, DDBSTREAMS_ROW_TRIGGER) == TRIGGER_IS_MISSING &&
		stream == NULL)
		return false;
	claim = stream_neighbours_claim(RelationGetRelid(rel), &hint);
	if (claim == NULL)
		return false;
	if (stream != NULL)
		stream_ending_note_taken_over(stream, root, claim, hint);
	else
		stream_triggers_disable_on(rel);
	return true;
}

/*
 * Checks the table of a new index: an index may be all that another extension
 * makes on a table that it takes over.
 */
static void
check_created(Oid relid)
{
	Oid			table = InvalidOid;
	Relation	rel;
	StreamInfo *stream;
	Oid			root;

	if (get_rel_relkind(relid) == RELKIND_INDEX)
		table = IndexGetRelation(relid, true);
	if (!OidIsValid(table) || own_tables_contain(table))
		return;
	stream = stream_catalog_capturing(table, &root);
	if (stream == NULL)
		return;
	rel = table_open(table, AccessShareLock);
	(void) check_taken_over(rel, stream, root);
	table_close(rel, NoLock);
}

static void
check_relation(Oid relid)
{
	Relation	rel;
	StreamInfo *stream;
	Oid			root;
	bool		enables = false;
	bool		disables = false;
	char		relkind = get_rel_relkind(relid); /* 0 if it is gone */

	if (relkind == RELKIND_COMPOSITE_TYPE)
		check_composite(relid);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_FOREIGN_TABLE)
		return;
	/* A stream may have thousands of shards: not a lock for each of them. */
	if (own_tables_contain(relid))
		return;
	rel = table_open(relid, AccessShareLock);
	stream = stream_catalog_capturing(relid, &root);
	if (check_taken_over(rel, stream, root))
	{
		table_close(rel, NoLock);
		return;
	}
	if (stream == NULL)
		enables = stream_restore_is_due(rel);
	else
		disables = !check_captured(rel, root, stream);
	if (stream == NULL && !enables)
	{
		/*
		 * The definition of a trigger that is made, or gets its name, and is
		 * not acted upon waits for another session, or for a dump and its
		 * restore.
		 */
		if (stream_definition_is_written(relid))
			stream_definition_keep_allowed(relid);
		check_uncaptured(rel);
	}
	table_close(rel, NoLock);

	if (enables)
		stream_restore_enable(relid);
	if (disables)
		stream_disable(root);
}

/*
 * There is no catalogue, or the library does not know it: then a command that
 * has altered a table with a capture trigger, or dropped one, has to wait
 * until the extension is updated.  DROP EXTENSION may drop them.
 *
 * The removal of temporary objects cannot wait: later sessions of any role get
 * the same temporary schema, and the error each time.  What that does to keys
 * is seen by maintenance once the extension is updated (stream_check_keys).
 */
static void
check_without_catalog(const DdlChanges *changes)
{
	bool	  refused = changes->triggers_dropped;
	ListCell *lc;

	if (!catalog_table_is_installed())
		return;
	foreach (lc, changes->altered)
		refused = refused ||
				  (!changes->of_temporary &&
				   OidIsValid(get_trigger_oid(lfirst_oid(lc), DDBSTREAMS_ROW_TRIGGER, true)));
	if (refused)
		catalog_version_check();
}

void
stream_guard_check(void)
{
	DdlChanges changes;
	ListCell  *lc;

	stream_ddl_take(&changes);
	checks_removal = changes.of_temporary;
	if (changes.altered == NIL && changes.created == NIL && !changes.triggers_dropped)
		return;

	CommandCounterIncrement();
	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
	{
		check_without_catalog(&changes);
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, changes.altered)
		check_relation(lfirst_oid(lc));
	foreach (lc, changes.created)
		check_created(lfirst_oid(lc));
	PopActiveSnapshot();
	list_free(changes.altered);
	list_free(changes.created);

	/* The hook has noted the repairs, too. */
	stream_ddl_take(&changes);
	list_free(changes.altered);
	list_free(changes.created);
}

/*
 * A table is about to become a partition.  Triggers that an earlier stream of
 * its own has left are dropped; if it has a stream, the command is refused.
 */
static void
before_attach(RangeVar *partition)
{
	Oid			relid = RangeVarGetRelid(partition, NoLock, true);
	StreamInfo *stream;

	/* ALTER TABLE raises the errors for a table that cannot be attached. */
	if (!OidIsValid(relid) || !compat_owns_relation(relid, GetUserId()) ||
		!OidIsValid(get_trigger_oid(relid, DDBSTREAMS_ROW_TRIGGER, true)) ||
		!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;

	LockRelationOid(relid, AccessExclusiveLock);
	stream = stream_catalog_enabled(relid, NULL);
	if (stream != NULL)
		stream_refuse(psprintf("attach table \"%s\" as a partition", partition->relname),
					  stream);
	if (!get_rel_relispartition(relid))
		stream_triggers_drop_leftovers(find_all_inheritors(relid,
														   AccessExclusiveLock,
														   NULL));
}

void
stream_guard_before_alter(AlterTableStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);

		if (command->subtype == AT_AttachPartition)
			before_attach(castNode(PartitionCmd, command->def)->name);
	}
}

/*
 * ALTER TABLE ... ADD PRIMARY KEY and ALTER INDEX ... ATTACH PARTITION may
 * bring the key for which the stream of a restored trigger waits.
 */
void
stream_guard_after_alter(AlterTableStmt *stmt)
{
	Oid relid;

	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (OidIsValid(relid) && stmt->objtype == OBJECT_INDEX)
		relid = IndexGetRelation(relid, true);
	while (OidIsValid(relid) && get_rel_relispartition(relid))
		relid = get_partition_parent(relid, true);
	if (!OidIsValid(relid))
		return;

	/*
	 * In a parallel restore another session may be about to make the trigger,
	 * without seeing this key.
	 */
	if (stmt->objtype == OBJECT_INDEX && stream_restore_is_running())
		LockRelationOid(relid, ShareRowExclusiveLock);
	if (OidIsValid(get_trigger_oid(relid, DDBSTREAMS_ROW_TRIGGER, true)))
		stream_ddl_note_altered(relid);
}
