/*
 * stream_ddl.c
 *	  What the commands of a transaction have done to tables.
 *
 * The object access hook notes the tables whose definition, key or triggers
 * have changed; it only notes.  stream_guard.c checks these tables, and
 * stream_ending.c ends the streams of those that are gone.
 *
 * PostgreSQL drops temporary tables that are ON COMMIT DROP behind the last
 * check.  If a key would go with one, the hook itself raises the error.
 *
 * Notes bear the id of their subtransaction, and are dropped when it is
 * aborted.
 *
 * ddl_hooks.c calls this file's hook, and xact_callbacks.c the rest at the end
 * of transactions.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "registry/catalog_table.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream_ddl.h"
#include "stream/stream_refuse.h"
#include "stream/stream_triggers.h"

static List *notes = NIL; /* of DdlNote *, in TopTransactionContext */

/* Does PostgreSQL remove temporary objects? */
static bool removes_temporary = false;

/* The last check of this transaction has been made. */
static bool is_closed = false;

static void
add_note(Oid relid, DdlEvent event, Oid owner)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	DdlNote		 *entry = palloc(sizeof(DdlNote));

	entry->subid = GetCurrentSubTransactionId();
	entry->relid = relid;
	entry->event = event;
	entry->owner = owner;
	entry->of_temporary = removes_temporary;
	notes = lappend(notes, entry);
	MemoryContextSwitchTo(oldcontext);
}

void
stream_ddl_note_altered(Oid relid)
{
	if (notes != NIL)
	{
		DdlNote *last = llast(notes);

		if (last->relid == relid && last->event == TABLE_ALTERED &&
			last->subid == GetCurrentSubTransactionId() &&
			last->of_temporary == removes_temporary)
			return;
	}
	add_note(relid, TABLE_ALTERED, InvalidOid);
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
		add_note(relid, TABLE_DROPPED, form->relowner);
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
			add_note(form->tgrelid, TRIGGER_DROPPED, InvalidOid);
		}
		stream_ddl_note_altered(form->tgrelid);
	}
	table_close(pg_trigger, lockmode);
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
		stream_refuse(ACTION_ON_KEY, stream);
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
			stream_refuse(ACTION_ON_KEY_TYPE, stream);
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
		stream_ddl_note_altered(form->conrelid);
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
stream_ddl_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
						 int sub_id, void *arg)
{
	removes_temporary = is_removal_of_temporary(access, arg);
	if (class_id == RelationRelationId)
	{
		if (access == OAT_POST_CREATE && sub_id == 0)
			add_note(object_id, RELATION_CREATED, InvalidOid);
		else if (access == OAT_DROP && sub_id == 0)
			note_dropped(object_id);
		else if (access == OAT_POST_ALTER || access == OAT_DROP ||
				 (access == OAT_POST_CREATE && sub_id != 0))
		{
			if (is_closed && access == OAT_DROP)
				refuse_late_attribute_drop(object_id);
			stream_ddl_note_altered(object_id);
		}
	}
	else if (class_id == TriggerRelationId &&
			 (access == OAT_POST_CREATE || access == OAT_POST_ALTER ||
			  access == OAT_DROP))
		note_trigger(object_id, access);
	else if (class_id == ConstraintRelationId && access == OAT_DROP)
		note_dropped_constraint(object_id);
}

void
stream_ddl_note_ending(Oid relid, DdlEvent event)
{
	add_note(relid, event, InvalidOid);
}

bool
stream_ddl_has_notes(void)
{
	return notes != NIL;
}

bool
stream_ddl_has_note(Oid relid, DdlEvent event)
{
	ListCell *lc;

	foreach (lc, notes)
	{
		DdlNote *entry = lfirst(lc);

		if (entry->event == event && entry->relid == relid)
			return true;
	}
	return false;
}

List *
stream_ddl_notes(void)
{
	return list_copy(notes);
}

void
stream_ddl_take(DdlChanges *changes)
{
	ListCell *lc;

	memset(changes, 0, sizeof(DdlChanges));
	foreach (lc, notes)
	{
		DdlNote *entry = lfirst(lc);

		if (entry->event == TABLE_ALTERED)
		{
			changes->of_temporary |= entry->of_temporary;
			changes->altered = list_append_unique_oid(changes->altered, entry->relid);
			notes = foreach_delete_current(notes, lc);
		}
		else if (entry->event == RELATION_CREATED)
		{
			changes->created = lappend_oid(changes->created, entry->relid);
			notes = foreach_delete_current(notes, lc);
		}
		else if (entry->event == TRIGGER_DROPPED)
		{
			changes->triggers_dropped = true;
			notes = foreach_delete_current(notes, lc);
		}
	}
}

void
stream_ddl_close(void)
{
	is_closed = true;
}

void
stream_ddl_cut(SubTransactionId subid)
{
	ListCell *lc;

	foreach (lc, notes)
	{
		if (((DdlNote *) lfirst(lc))->subid >= subid)
			notes = foreach_delete_current(notes, lc);
	}
}

void
stream_ddl_forget(void)
{
	notes = NIL; /* the memory goes with TopTransactionContext */
	is_closed = false;
}
