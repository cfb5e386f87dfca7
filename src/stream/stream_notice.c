/*
 * stream_notice.c
 *	  Messages about DDL that a stream does not follow.
 *
 * A stream belongs to a table, not to a name.  A user who swaps tables by
 * renaming them may expect that the stream is on the table that has the name
 * now, so a warning says that it is not.  And no records are made of rows that
 * leave a table with a partition which is dropped or detached.  A notice says
 * so, because TRUNCATE makes such records.
 *
 * The object access hook comes while the catalogues still show what was there
 * before the command: there the old name is noted, and the root of a partition
 * that is about to leave.  After the command the notes are compared with what
 * is there.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "reading/stream_access.h"
#include "registry/catalog_table.h"
#include "registry/stream_catalog.h"
#include "stream/stream_notice.h"
#include "stream/stream_restore.h"

typedef enum NoticeKind
{
	NOTICE_TABLE,	 /* its name may have changed */
	NOTICE_SCHEMA,	 /* likewise */
	NOTICE_PARTITION /* it may have left its table */
} NoticeKind;

typedef struct NoticeNote
{
	SubTransactionId subid;
	NoticeKind		 kind;
	Oid				 oid;
	char			*name; /* before the command */
	Oid				 root; /* of a partition */
} NoticeNote;

static List *notes = NIL; /* of NoticeNote *, in TopTransactionContext */

/* Adds a note, unless the same object is noted already. */
static void
add_note(NoticeKind kind, Oid oid, const char *name, Oid root)
{
	MemoryContext oldcontext;
	NoticeNote	 *note;
	ListCell	 *lc;

	foreach (lc, notes)
	{
		note = lfirst(lc);
		if (note->kind == kind && note->oid == oid)
			return;
	}
	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	note = palloc(sizeof(NoticeNote));
	note->subid = GetCurrentSubTransactionId();
	note->kind = kind;
	note->oid = oid;
	note->name = pstrdup(name);
	note->root = root;
	notes = lappend(notes, note);
	MemoryContextSwitchTo(oldcontext);
}

/* Is a relation a permanent table, and a partition or not, as asked? */
static bool
is_table(Oid relid, bool is_partition)
{
	HeapTuple	  tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	bool		  result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	result = (form->relkind == RELKIND_RELATION ||
			  form->relkind == RELKIND_PARTITIONED_TABLE) &&
			 form->relpersistence != RELPERSISTENCE_TEMP &&
			 form->relispartition == is_partition;
	ReleaseSysCache(tuple);
	return result;
}

/* Has a partition, or a partition of it, room for rows? */
static bool
may_have_rows(Oid relid)
{
	bool	  found = false;
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		Relation rel = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (rel == NULL)
			continue;
		found = found || (rel->rd_rel->relkind == RELKIND_RELATION &&
						  RelationGetNumberOfBlocks(rel) > 0);
		relation_close(rel, NoLock);
	}
	return found;
}

/* Notes a partition that is about to leave its parent, if it has rows. */
static void
note_partition(Oid relid, Oid parent)
{
	Oid root = parent;

	while (OidIsValid(root) && get_rel_relispartition(root))
		root = get_partition_parent(root, true);
	if (OidIsValid(root) && OidIsValid(catalog_table_oid(CATALOG_STREAM, true)) &&
		stream_catalog_enabled(root, NULL) != NULL && may_have_rows(relid))
		add_note(NOTICE_PARTITION, relid, get_rel_name(relid), root);
}

void
stream_notice_object_access(ObjectAccessType access, Oid class_id,
							Oid object_id, int sub_id, void *arg)
{
	char *name = NULL;

	if (sub_id != 0)
		return;
	if (access == OAT_DROP && class_id == RelationRelationId &&
		is_table(object_id, true))
		note_partition(object_id, get_partition_parent(object_id, true));
	if (access != OAT_POST_ALTER)
		return;
	if (class_id == RelationRelationId && is_table(object_id, false) &&
		(name = stream_access_table_name(object_id, true)) != NULL)
		add_note(NOTICE_TABLE, object_id, name, InvalidOid);
	else if (class_id == NamespaceRelationId &&
			 (name = get_namespace_name(object_id)) != NULL)
		add_note(NOTICE_SCHEMA, object_id, name, InvalidOid);
	else if (class_id == InheritsRelationId && is_table(object_id, true))
		note_partition(object_id,
					   ((ObjectAccessPostAlter *) arg)->auxiliary_id);
}

static void
warn_of_rename(const char *before, const char *after)
{
	ereport(WARNING,
			(errmsg("table \"%s\" is now called \"%s\", and its stream stays on it",
					before, after),
			 errdetail("Changes of another table that takes the old name are not captured."),
			 errhint("If another table takes its place, call ddbstreams.disable_stream for this one and ddbstreams.enable_stream for the other one.")));
}

/* A stream that this transaction has made is known by the new name alone. */
static bool
is_known(const StreamInfo *stream)
{
	return stream != NULL && StreamIsEnabled(stream) &&
		   !stream->table_dropped &&
		   stream->created_at < GetCurrentTransactionStartTimestamp();
}

static void
send_for_table(const NoticeNote *note)
{
	char *name = stream_access_table_name(note->oid, true);

	if (name != NULL && strcmp(name, note->name) != 0 &&
		is_known(stream_catalog_enabled(note->oid, NULL)))
		warn_of_rename(note->name, name);
}

static void
send_for_schema(const NoticeNote *note)
{
	char	 *schema = get_namespace_name(note->oid);
	ListCell *lc;

	if (schema == NULL || strcmp(schema, note->name) == 0)
		return;
	foreach (lc, stream_catalog_list(InvalidOid, NULL))
	{
		StreamInfo *stream = lfirst(lc);
		char	   *name = get_rel_name(stream->table_oid);
		char	   *after = stream_access_table_name(stream->table_oid, true);

		/* The tables are not locked: one may be dropped meanwhile. */
		if (is_known(stream) && name != NULL && after != NULL &&
			get_rel_namespace(stream->table_oid) == note->oid)
			warn_of_rename(psprintf("%s.%s", note->name, name), after);
	}
}

/* Has a partition left its table, which goes on to be captured? */
static bool
has_left(const NoticeNote *note)
{
	Oid top = note->oid;

	while (get_rel_relispartition(top))
		top = get_partition_parent(top, true);
	return top != note->root && OidIsValid(get_rel_namespace(note->root)) &&
		   stream_catalog_enabled(note->root, NULL) != NULL;
}

static void
send_for_partition(const NoticeNote *note)
{
	if (!stream_restore_is_running() && has_left(note))
		ereport(NOTICE,
				(errmsg("the rows of partition \"%s\" leave table \"%s\" without REMOVE records",
						note->name, get_rel_name(note->root)),
				 errhint("If readers of the stream are to see the rows go, run TRUNCATE or DELETE on a partition before it is dropped or detached.")));
}

static void
send_note(const NoticeNote *note)
{
	switch (note->kind)
	{
		case NOTICE_TABLE:
			send_for_table(note);
			break;
		case NOTICE_SCHEMA:
			send_for_schema(note);
			break;
		case NOTICE_PARTITION:
			send_for_partition(note);
			break;
	}
}

void
stream_notice_send(void)
{
	List	 *due = notes;
	ListCell *lc;

	if (due == NIL)
		return;
	notes = NIL;
	CommandCounterIncrement();
	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach (lc, due)
		send_note(lfirst(lc));
	PopActiveSnapshot();
}

void
stream_notice_cut(SubTransactionId subid)
{
	ListCell *lc;

	foreach (lc, notes)
	{
		if (((NoticeNote *) lfirst(lc))->subid >= subid)
			notes = foreach_delete_current(notes, lc);
	}
}

void
stream_notice_forget(void)
{
	notes = NIL; /* the memory goes with TopTransactionContext */
}
