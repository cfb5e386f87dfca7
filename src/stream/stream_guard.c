/*
 * stream_guard.c
 *	  DDL that touches captured tables, and what follows from it.
 *
 * The object access hook notes the tables whose definition, key or triggers
 * have changed; it only notes.  After the utility command, and once more
 * before the commit, each of these tables is checked: is everything there that
 * capture needs?  If not, an error is raised that says what to do.  What can
 * be repaired without asking is repaired: a new partition gets its TRUNCATE
 * trigger, a detached one loses it, and ENABLE TRIGGER ALL does not take
 * ENABLE ALWAYS away.  A table whose triggers come from a dump gets its stream
 * (stream_restore.c).
 *
 * A dropped table's stream is disabled before the commit, behind the append of
 * what the transaction had captured.  So is the stream of a table that another
 * extension takes over, to keep its rows elsewhere (stream_neighbours.c), and
 * that of a table which loses its key with a type or collation of the key:
 *
 * - if that is temporary.  PostgreSQL removes it when its session ends, and
 *	 else before the next session uses its schema, or in autovacuum: an error
 *	 would stop all of these, for every role;
 * - if the role that drops or alters it does not own the table.  It could not
 *	 disable the stream, and the table's owner could keep it from its own.
 *
 * PostgreSQL drops temporary tables that are ON COMMIT DROP behind the last
 * check.  If a key would go with one, the hook itself raises the error.
 *
 * Notes bear the id of their subtransaction, and are dropped when it is
 * aborted.
 *
 * ddl_hooks.c calls this file around each utility command, and
 * xact_callbacks.c at the end of transactions.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "mapping/mapping_catalog.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/own_tables.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "shard/shard_tables.h"
#include "stream/stream.h"
#include "stream/stream_definition.h"
#include "stream/stream_guard.h"
#include "stream/stream_neighbours.h"
#include "stream/stream_restore.h"
#include "stream/stream_triggers.h"

/* What is refused, as errors name it */
#define ACTION_ON_KEY	   "drop or change the primary key"
#define ACTION_ON_KEY_TYPE "change the type or collation of a partition key column"

typedef enum GuardEvent
{
	TABLE_ALTERED,
	TABLE_DROPPED,
	TABLE_TAKEN_OVER, /* by another extension */
	KEY_LOST,		  /* with what it depends on */
	TRIGGER_DROPPED,  /* a capture trigger */
	RELATION_CREATED  /* perhaps an index, whose kind cannot be seen yet */
} GuardEvent;

/* What this transaction has done to a table */
typedef struct GuardNote
{
	SubTransactionId subid;
	Oid				 relid;
	GuardEvent		 event;
	Oid				 owner;		   /* of a dropped table */
	bool			 of_temporary; /* by the removal of temporary objects */
} GuardNote;

static List *notes = NIL; /* of GuardNote *, in TopTransactionContext */

/* Does PostgreSQL remove temporary objects: in the hook, and in the check? */
static bool removes_temporary = false;
static bool checks_removal = false;

/* The last check of this transaction has been made. */
static bool is_closed = false;

static void
add_guard_note(Oid relid, GuardEvent event, Oid owner)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	GuardNote	 *entry = palloc(sizeof(GuardNote));

	entry->subid = GetCurrentSubTransactionId();
	entry->relid = relid;
	entry->event = event;
	entry->owner = owner;
	entry->of_temporary = removes_temporary;
	notes = lappend(notes, entry);
	MemoryContextSwitchTo(oldcontext);
}

static void
note_altered(Oid relid)
{
	if (notes != NIL)
	{
		GuardNote *last = llast(notes);

		if (last->relid == relid && last->event == TABLE_ALTERED &&
			last->subid == GetCurrentSubTransactionId() &&
			last->of_temporary == removes_temporary)
			return;
	}
	add_guard_note(relid, TABLE_ALTERED, InvalidOid);
}

/* A relation is about to be dropped: notes it if it has or had a stream. */
static void
note_dropped(Oid relid)
{
	HeapTuple	  tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			  catalog = catalog_table_oid(CATALOG_STREAM, true);
	Form_pg_class form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if ((form->relkind == RELKIND_RELATION ||
		 form->relkind == RELKIND_PARTITIONED_TABLE) &&
		form->relpersistence != RELPERSISTENCE_TEMP && OidIsValid(catalog) &&
		form->relnamespace != get_rel_namespace(catalog) &&
		stream_catalog_list(relid, NULL) != NIL)
		add_guard_note(relid, TABLE_DROPPED, form->relowner);
	ReleaseSysCache(tuple);
}

/*
 * A definition in a trigger's arguments is acted upon with the rights of a
 * session that has them (stream_restore.c), which may be a later one.  So only
 * the table's owner may make such a trigger; the privilege TRIGGER, which an
 * owner grants to other roles, is not enough.
 */
static void
check_maker(Form_pg_trigger trigger)
{
	if (strcmp(NameStr(trigger->tgname), DDBSTREAMS_ROW_TRIGGER) == 0 &&
		!compat_owns_relation(trigger->tgrelid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of table \"%s\" to create trigger \"%s\"",
						get_rel_name(trigger->tgrelid), DDBSTREAMS_ROW_TRIGGER)));
}

/*
 * A capture trigger is about to be dropped, with its table or alone.  Other
 * sessions write definitions into its row without a lock on the table;
 * PostgreSQL would not wait for them, but fail with "tuple concurrently
 * updated".
 */
static void
lock_dropped_trigger(Relation pg_trigger, Form_pg_trigger trigger)
{
	(void) stream_triggers_lock(pg_trigger, trigger->tgrelid,
								DDBSTREAMS_ROW_TRIGGER, LockWaitBlock);
}

/*
 * Notes the table of a trigger, which may have been made by the present
 * command.  Triggers of any name count: the command may have renamed a capture
 * trigger.
 */
static void
note_trigger(Oid trigger, ObjectAccessType access)
{
	LOCKMODE  lockmode = access == OAT_DROP ? RowExclusiveLock : AccessShareLock;
	Relation  pg_trigger = table_open(TriggerRelationId, lockmode);
	HeapTuple tuple = stream_triggers_find_by_oid(pg_trigger, trigger);

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if (access == OAT_POST_CREATE)
			check_maker(form);
		if (access == OAT_DROP &&
			strcmp(NameStr(form->tgname), DDBSTREAMS_ROW_TRIGGER) == 0)
		{
			lock_dropped_trigger(pg_trigger, form);
			add_guard_note(form->tgrelid, TRIGGER_DROPPED, InvalidOid);
		}
		note_altered(form->tgrelid);
	}
	table_close(pg_trigger, lockmode);
}

static void
refuse_action_with_hint(const char *action, const StreamInfo *stream,
						const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot %s while the stream of table \"%s\" is enabled",
					action, stream->table_name),
			 errhint("%s", hint)));
}

/* Raises the error for an action that would take something from capture. */
static void
refuse_action(const char *action, const StreamInfo *stream)
{
	refuse_action_with_hint(action, stream, "Call ddbstreams.disable_stream first.");
}

/* The key of a table is dropped behind the last check. */
static void
refuse_late_drop(Oid relid)
{
	Oid			root;
	StreamInfo *stream;

	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;
	stream = stream_catalog_capturing(relid, &root);
	if (stream != NULL)
		refuse_action(ACTION_ON_KEY, stream);
}

/* An attribute of a composite type is dropped behind the last check. */
static void
refuse_late_attribute_drop(Oid relid)
{
	Oid		  type = get_rel_type_id(relid);
	ListCell *lc;

	if (get_rel_relkind(relid) != RELKIND_COMPOSITE_TYPE ||
		!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);

		if (StreamIsEnabled(stream) &&
			stream_key_hash_depends_on(stream->hash_functions, type))
			refuse_action(ACTION_ON_KEY_TYPE, stream);
	}
}

static void
note_dropped_constraint(Oid constraint)
{
	HeapTuple		   tuple;
	Form_pg_constraint form;

	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->contype == CONSTRAINT_PRIMARY && OidIsValid(form->conrelid))
	{
		if (is_closed)
			refuse_late_drop(form->conrelid);
		note_altered(form->conrelid);
	}
	ReleaseSysCache(tuple);
}

/*
 * PostgreSQL drops with this flag what is left of a session, and nothing else.
 */
static bool
is_removal_of_temporary(ObjectAccessType access, const ObjectAccessDrop *drop)
{
	return access == OAT_DROP && drop != NULL &&
		   (drop->dropflags & PERFORM_DELETION_SKIP_EXTENSIONS) != 0;
}

void
stream_guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
						   int sub_id, void *arg)
{
	removes_temporary = is_removal_of_temporary(access, arg);
	if (class_id == RelationRelationId)
	{
		if (access == OAT_POST_CREATE && sub_id == 0)
			add_guard_note(object_id, RELATION_CREATED, InvalidOid);
		else if (access == OAT_DROP && sub_id == 0)
			note_dropped(object_id);
		else if (access == OAT_POST_ALTER || access == OAT_DROP ||
				 (access == OAT_POST_CREATE && sub_id != 0))
		{
			if (is_closed && access == OAT_DROP)
				refuse_late_attribute_drop(object_id);
			note_altered(object_id);
		}
	}
	else if (class_id == TriggerRelationId &&
			 (access == OAT_POST_CREATE || access == OAT_POST_ALTER ||
			  access == OAT_DROP))
		note_trigger(object_id, access);
	else if (class_id == ConstraintRelationId && access == OAT_DROP)
		note_dropped_constraint(object_id);
}

bool
stream_guard_has_notes(void)
{
	return notes != NIL;
}

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
			refuse_action(psprintf("drop trigger \"%s\"", name), stream);
			break;
		case TRIGGER_IS_FOREIGN:
			refuse_action(psprintf("replace trigger \"%s\"", name), stream);
			break;
		default:
			if (!stream_restore_is_running())
				refuse_action(psprintf("disable trigger \"%s\"", name), stream);
			stream_triggers_set_state(rel, name, TRIGGER_FIRES_ALWAYS);
	}
	return true;
}

static bool
key_has_changed(const TableKey *key, const StreamInfo *stream)
{
	if (key == NULL || key->count != stream->key_count)
		return true;
	for (int i = 0; i < key->count; i++)
	{
		if (key->attnums[i] != stream->key_attnums[i])
			return true;
	}
	return false;
}

/* Returns what has been done to a key, so that it cannot go on, or NULL. */
static const char *
harm_to_key(Relation root, const TableKey *key, const StreamInfo *stream)
{
	if (key_has_changed(key, stream))
		return ACTION_ON_KEY;
	if (key->deferrable)
		return "make the primary key DEFERRABLE";
	if (strcmp(stream->hash_functions,
			   stream_key_hash_functions(root, stream->partition_count,
										 stream->partition_attnums)) != 0)
		return ACTION_ON_KEY_TYPE;
	return NULL;
}

static bool
has_note(Oid relid, GuardEvent event)
{
	ListCell *lc;

	foreach (lc, notes)
	{
		GuardNote *entry = lfirst(lc);

		if (entry->event == event && entry->relid == relid)
			return true;
	}
	return false;
}

static bool
lacks_key_column(Relation root, const StreamInfo *stream)
{
	TupleDesc desc = RelationGetDescr(root);

	for (int i = 0; i < stream->key_count; i++)
	{
		if (TupleDescAttr(desc, stream->key_attnums[i] - 1)->attisdropped)
			return true;
	}
	return false;
}

/*
 * Says, once, that a stream ends with a part of its key, and notes it.  A key
 * that only hashes otherwise is captured until the end of the transaction.
 * Without a column of its key the table cannot be captured; the transaction
 * has it locked already.
 */
static void
note_key_lost(const StreamInfo *stream, Relation root)
{
	if (has_note(RelationGetRelid(root), KEY_LOST))
		return;
	ereport(WARNING,
			(errmsg("the stream of table \"%s\" ends with this transaction: its key depends on what is dropped or altered",
					stream->table_name),
			 errdetail("Later changes of its rows are not captured. Records that are there can be read until they expire."),
			 checks_removal ?
				 errhint("Use types and collations that are not temporary.") :
				 errhint("Use types and collations of the table's owner.")));
	add_guard_note(RelationGetRelid(root), KEY_LOST, InvalidOid);
	if (lacks_key_column(root, stream))
		stream_stop_capture(RelationGetRelid(root));
}

/*
 * Checks that the key is what it was; its columns may be renamed.  Returns
 * false if the stream has to end.
 */
static bool
check_key(Relation root, StreamInfo *stream)
{
	TableKey   *key = stream_key_of(root);
	const char *harm = harm_to_key(root, key, stream);
	bool		renamed = false;

	if (harm != NULL &&
		(checks_removal ||
		 !compat_owns_relation(RelationGetRelid(root), GetUserId())))
	{
		note_key_lost(stream, root);
		return false;
	}
	if (harm != NULL)
		refuse_action(harm, stream);

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

	if (has_note(root_oid, KEY_LOST))
		return true;
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		refuse_action_with_hint(psprintf("keep rows in unlogged table \"%s\"",
										 RelationGetRelationName(rel)),
								stream,
								rel->rd_rel->relispartition ?
									"Make the partition LOGGED, or call ddbstreams.disable_stream first." :
									"Call ddbstreams.disable_stream first.");
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		refuse_action(psprintf("keep rows in foreign table \"%s\"",
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
 * Another extension has taken over a table that has a stream: says so, once,
 * and notes that the stream has to end.
 */
static void
note_taken_over(const StreamInfo *stream, Oid root, const char *claim,
				const char *hint)
{
	if (has_note(root, TABLE_TAKEN_OVER))
		return;
	ereport(WARNING,
			(errmsg("the stream of table \"%s\" ends with this transaction: the table is now %s",
					stream->table_name, claim),
			 errdetail("Later changes of its rows are not captured. Records that are there can be read until they expire."),
			 errhint("%s", hint)));
	add_guard_note(root, TABLE_TAKEN_OVER, InvalidOid);
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
		note_taken_over(stream, root, claim, hint);
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
 */
static void
check_without_catalog(const List *altered, bool triggers_dropped)
{
	bool	  refused = triggers_dropped;
	ListCell *lc;

	if (!catalog_table_is_installed())
		return;
	foreach (lc, altered)
		refused = refused ||
				  OidIsValid(get_trigger_oid(lfirst_oid(lc), DDBSTREAMS_ROW_TRIGGER, true));
	if (refused)
		catalog_version_check();
}

void
stream_guard_check(void)
{
	List	 *altered = NIL;
	List	 *created = NIL;
	bool	  triggers_dropped = false;
	ListCell *lc;

	checks_removal = false;
	foreach (lc, notes)
	{
		GuardNote *entry = lfirst(lc);

		if (entry->event == TABLE_ALTERED)
		{
			checks_removal |= entry->of_temporary;
			altered = list_append_unique_oid(altered, entry->relid);
			notes = foreach_delete_current(notes, lc);
		}
		else if (entry->event == RELATION_CREATED)
		{
			created = lappend_oid(created, entry->relid);
			notes = foreach_delete_current(notes, lc);
		}
		else if (entry->event == TRIGGER_DROPPED)
		{
			triggers_dropped = true;
			notes = foreach_delete_current(notes, lc);
		}
	}
	if (altered == NIL && created == NIL && !triggers_dropped)
		return;

	CommandCounterIncrement();
	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
	{
		check_without_catalog(altered, triggers_dropped);
		return;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, altered)
		check_relation(lfirst_oid(lc));
	foreach (lc, created)
		check_created(lfirst_oid(lc));
	PopActiveSnapshot();

	/* The hook has noted the repairs, too. */
	foreach (lc, notes)
	{
		GuardEvent event = ((GuardNote *) lfirst(lc))->event;

		if (event == TABLE_ALTERED || event == RELATION_CREATED ||
			event == TRIGGER_DROPPED)
			notes = foreach_delete_current(notes, lc);
	}
	list_free(altered);
	list_free(created);
}

bool
stream_guard_has_ending(void)
{
	return notes != NIL && OidIsValid(catalog_table_oid(CATALOG_STREAM, true));
}

/*
 * Disables the stream of a table that is gone.  All its streams, also those
 * that were disabled before, can be read by its last owner from now on.
 */
static void
close_dropped(Oid relid, Oid owner)
{
	ListCell *lc;

	foreach (lc, stream_catalog_list(relid, NULL))
	{
		StreamInfo *stream =
			stream_catalog_lock(((StreamInfo *) lfirst(lc))->stream_id);

		if (stream == NULL)
			continue;
		if (StreamIsEnabled(stream))
		{
			shard_tables_close_all(stream->stream_id);
			stream->disabled_at = clock_now();
		}
		stream->table_dropped = true;
		stream->owner = owner;
		stream_catalog_replace(stream);
	}
}

void
stream_guard_end_streams(void)
{
	List	 *due = list_copy(notes);
	ListCell *lc;

	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, due)
	{
		GuardNote *entry = lfirst(lc);
		bool	   exists = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(entry->relid));

		if (entry->event == TABLE_DROPPED && !exists)
			close_dropped(entry->relid, entry->owner);
		else if ((entry->event == TABLE_TAKEN_OVER || entry->event == KEY_LOST) &&
				 exists)
			stream_end(entry->relid);
	}
	PopActiveSnapshot();
}

void
stream_guard_close(void)
{
	is_closed = true;
}

void
stream_guard_cut(SubTransactionId subid)
{
	ListCell *lc;

	foreach (lc, notes)
	{
		if (((GuardNote *) lfirst(lc))->subid >= subid)
			notes = foreach_delete_current(notes, lc);
	}
}

void
stream_guard_forget(void)
{
	notes = NIL; /* the memory goes with TopTransactionContext */
	is_closed = false;
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
		refuse_action(psprintf("attach table \"%s\" as a partition", partition->relname),
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
		note_altered(relid);
}
