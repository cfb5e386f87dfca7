/*
 * stream_triggers.c
 *	  The capture triggers of a table and its partitions.
 *
 * The row trigger is made on the table that has the stream; PostgreSQL clones
 * it to the table's partitions, also to those that are added later.
 * PostgreSQL does not clone the TRUNCATE trigger: each table that has rows
 * gets one of its own (stream_guard.c sees to new partitions).  All of them
 * are ENABLE ALWAYS, so that changes made by logical replication are captured,
 * and DEPEND ON the extension, so that DROP EXTENSION takes them along without
 * CASCADE.
 *
 * When a stream is disabled its triggers are disabled and stay: to drop them
 * would need a lock that waits for every reader of the table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "stream/stream_triggers.h"

static const char *const trigger_names[] = {DDBSTREAMS_ROW_TRIGGER,
											DDBSTREAMS_TRUNCATE_TRIGGER};

HeapTuple
stream_triggers_find(Relation pg_trigger, Oid relid, const char *name)
{
	ScanKeyData keys[2];
	NameData	trigger_name;
	SysScanDesc scan;
	HeapTuple	tuple;

	namestrcpy(&trigger_name, name);
	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&trigger_name));
	scan = systable_beginscan(pg_trigger, TriggerRelidNameIndexId, true, NULL,
							  2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

HeapTuple
stream_triggers_find_by_oid(Relation pg_trigger, Oid trigger)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(pg_trigger, TriggerOidIndexId, true,
							  SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/*
 * Is this trigger what enable_stream makes?  Another one of its name would
 * capture nothing, or not everything.
 */
static bool
is_capture_trigger(const Trigger *trigger)
{
	bool  is_row = strcmp(trigger->tgname, DDBSTREAMS_ROW_TRIGGER) == 0;
	List *function = list_make2(makeString(DDBSTREAMS_SCHEMA),
								makeString(is_row ? "capture" : "capture_truncate"));
	int16 type = is_row ?
					 TRIGGER_TYPE_ROW | TRIGGER_TYPE_AFTER | TRIGGER_TYPE_INSERT |
						 TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE :
					 TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE;

	return trigger->tgtype == type && trigger->tgqual == NULL &&
		   trigger->tgnattr == 0 && !trigger->tgdeferrable &&
		   trigger->tgfoid == LookupFuncName(function, 0, NULL, true);
}

char
stream_triggers_state(Relation rel, const char *name)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (strcmp(triggers->triggers[i].tgname, name) == 0)
			return is_capture_trigger(&triggers->triggers[i]) ?
					   triggers->triggers[i].tgenabled :
					   TRIGGER_IS_FOREIGN;
	}
	return TRIGGER_IS_MISSING;
}

HeapTuple
stream_triggers_lock(Relation pg_trigger, Oid relid, const char *name,
					 LockWaitPolicy policy)
{
	HeapTuple tuple;

	while ((tuple = stream_triggers_find(pg_trigger, relid, name)) != NULL)
	{
		TM_FailureData failure;
		Buffer		   buffer;
		TM_Result	   result;

		result = heap_lock_tuple(pg_trigger, tuple, GetCurrentCommandId(true),
								 LockTupleNoKeyExclusive, policy, false,
								 &buffer, &failure);
		ReleaseBuffer(buffer);
		if (result == TM_Ok)
		{
			/* Another transaction may have changed it before it was locked. */
			return stream_triggers_find(pg_trigger, relid, name);
		}
		if (result == TM_WouldBlock)
			return NULL;
		if (result != TM_Updated && result != TM_Deleted)
			elog(ERROR, "unexpected result %d of locking trigger \"%s\"", result,
				 name);
		CHECK_FOR_INTERRUPTS();
	}
	return NULL;
}

/*
 * The trigger's row is locked, too: maintenance writes definitions into it
 * without a lock on the table (stream_definition.c).
 */
void
stream_triggers_set_state(Relation rel, const char *name, char state)
{
	Relation pg_trigger;

	if (stream_triggers_state(rel, name) == TRIGGER_IS_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" of table \"%s\" is not the one that enable_stream makes",
						name, RelationGetRelationName(rel)),
				 errhint("Drop or rename the trigger.")));
	pg_trigger = table_open(TriggerRelationId, RowExclusiveLock);
	(void) stream_triggers_lock(pg_trigger, RelationGetRelid(rel), name,
								LockWaitBlock);
	table_close(pg_trigger, NoLock);
	compat_enable_disable_trigger(rel, name, state, ShareRowExclusiveLock);
	CommandCounterIncrement();
}

static void
depend_on_extension(Oid trigger_oid)
{
	ObjectAddress trigger;
	ObjectAddress extension;

	ObjectAddressSet(trigger, TriggerRelationId, trigger_oid);
	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid(DDBSTREAMS_EXTENSION, false));
	recordDependencyOn(&trigger, &extension, DEPENDENCY_AUTO_EXTENSION);
	CommandCounterIncrement();
}

bool
stream_triggers_depend(Oid relid, const char *name)
{
	Oid trigger = get_trigger_oid(relid, name, true);

	return OidIsValid(trigger) &&
		   list_member_oid(getAutoExtensionsOfObject(TriggerRelationId, trigger),
						   get_extension_oid(DDBSTREAMS_EXTENSION, false));
}

void
stream_triggers_make_depend(Relation rel)
{
	Oid relid = RelationGetRelid(rel);

	for (Size i = 0; i < lengthof(trigger_names); i++)
	{
		const char *name = trigger_names[i];
		char		state = stream_triggers_state(rel, name);

		/* A clone of the row trigger goes with the trigger of the root. */
		if (rel->rd_rel->relispartition &&
			strcmp(name, DDBSTREAMS_ROW_TRIGGER) == 0)
			continue;
		if (state != TRIGGER_IS_MISSING && state != TRIGGER_IS_FOREIGN &&
			!stream_triggers_depend(relid, name))
			depend_on_extension(get_trigger_oid(relid, name, false));
	}
}

static void
create_trigger(Oid relid, const char *name, const char *function, bool row,
			   int16 timing, int16 events)
{
	List		   *function_name = list_make2(makeString(DDBSTREAMS_SCHEMA),
											   makeString(pstrdup(function)));
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);
	ObjectAddress	trigger;
	Oid				save_userid;
	int				save_sec_context;

	stmt->trigname = pstrdup(name);
	stmt->row = row;
	stmt->timing = timing;
	stmt->events = events;

	/*
	 * The user owns the table, which has been checked.  An owner may have
	 * revoked the privilege TRIGGER on the table from the owner's role; that
	 * does not matter here.
	 */
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	trigger = CreateTriggerFiringOn(stmt, NULL, relid, InvalidOid, InvalidOid,
									InvalidOid,
									LookupFuncName(function_name, 0, NULL, false),
									InvalidOid, NULL, false, false,
									TRIGGER_FIRES_ALWAYS);
	SetUserIdAndSecContext(save_userid, save_sec_context);

	depend_on_extension(trigger.objectId);
}

void
stream_triggers_require_truncate(Relation rel)
{
	char state = stream_triggers_state(rel, DDBSTREAMS_TRUNCATE_TRIGGER);

	if (state == TRIGGER_IS_MISSING)
		create_trigger(RelationGetRelid(rel), DDBSTREAMS_TRUNCATE_TRIGGER,
					   "capture_truncate", false, TRIGGER_TYPE_BEFORE,
					   TRIGGER_TYPE_TRUNCATE);
	else if (state != TRIGGER_FIRES_ALWAYS)
		stream_triggers_set_state(rel, DDBSTREAMS_TRUNCATE_TRIGGER,
								  TRIGGER_FIRES_ALWAYS);
}

void
stream_triggers_drop(Oid relid, const char *name)
{
	Oid			  trigger = get_trigger_oid(relid, name, true);
	ObjectAddress address;

	if (!OidIsValid(trigger))
		return;
	ObjectAddressSet(address, TriggerRelationId, trigger);
	performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/*
 * PostgreSQL would not clone a trigger to a table that has one of its name.
 * The clones of a partitioned table's trigger go with it, so that table comes
 * first.
 */
void
stream_triggers_drop_leftovers(List *relids)
{
	ListCell *lc;

	foreach (lc, relids)
	{
		stream_triggers_drop(lfirst_oid(lc), DDBSTREAMS_ROW_TRIGGER);
		stream_triggers_drop(lfirst_oid(lc), DDBSTREAMS_TRUNCATE_TRIGGER);
	}
}

void
stream_triggers_enable(List *relids)
{
	ListCell *lc;

	if (!OidIsValid(get_trigger_oid(linitial_oid(relids), DDBSTREAMS_ROW_TRIGGER,
									true)))
		stream_triggers_drop_leftovers(relids);

	foreach (lc, relids)
	{
		Oid		 relid = lfirst_oid(lc);
		Relation rel = table_open(relid, NoLock);
		char	 state = stream_triggers_state(rel, DDBSTREAMS_ROW_TRIGGER);

		if (state == TRIGGER_IS_MISSING)
			create_trigger(relid, DDBSTREAMS_ROW_TRIGGER, "capture", true,
						   TRIGGER_TYPE_AFTER,
						   TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
							   TRIGGER_TYPE_DELETE);
		else if (state != TRIGGER_FIRES_ALWAYS)
			stream_triggers_set_state(rel, DDBSTREAMS_ROW_TRIGGER,
									  TRIGGER_FIRES_ALWAYS);
		if (rel->rd_rel->relkind == RELKIND_RELATION)
			stream_triggers_require_truncate(rel);
		stream_triggers_make_depend(rel);
		table_close(rel, NoLock);
	}
}

void
stream_triggers_disable_on(Relation rel)
{
	for (Size i = 0; i < lengthof(trigger_names); i++)
	{
		char state = stream_triggers_state(rel, trigger_names[i]);

		if (state != TRIGGER_IS_MISSING && state != TRIGGER_IS_FOREIGN &&
			state != TRIGGER_DISABLED)
			stream_triggers_set_state(rel, trigger_names[i], TRIGGER_DISABLED);
	}
}

void
stream_triggers_disable(List *relids)
{
	ListCell *lc;

	foreach (lc, relids)
	{
		Relation rel = table_open(lfirst_oid(lc), NoLock);

		stream_triggers_disable_on(rel);
		table_close(rel, NoLock);
	}
}

List *
stream_triggers_detaching(List *relids)
{
	List	 *all = list_copy(relids);
	List	 *detaching = NIL;
	ListCell *lc;

	/* The list grows while it is gone through. */
	foreach (lc, all)
	{
		bool  is_new = foreach_current_index (lc) >= list_length(relids);
		bool  exist = false;
		List *children;

		if (get_rel_relkind(lfirst_oid(lc)) != RELKIND_PARTITIONED_TABLE)
			continue;
		children = find_inheritance_children_extended(lfirst_oid(lc), false, NoLock,
													  &exist, NULL);
		if (!is_new && !exist)
			continue;
		children = list_difference_oid(children, all);
		detaching = list_concat(detaching, children);
		all = list_concat(all, children);
	}
	list_free(all);
	return detaching;
}

List *
stream_triggers_tables(void)
{
	List	   *relids = NIL;
	Relation	pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_trigger, InvalidOid, false, NULL, 0,
										  NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if ((strcmp(NameStr(form->tgname), DDBSTREAMS_ROW_TRIGGER) == 0 ||
			 strcmp(NameStr(form->tgname), DDBSTREAMS_TRUNCATE_TRIGGER) == 0) &&
			!get_rel_relispartition(form->tgrelid))
			relids = list_append_unique_oid(relids, form->tgrelid);
	}
	systable_endscan(scan);
	table_close(pg_trigger, AccessShareLock);
	list_sort(relids, list_oid_cmp);
	return relids;
}

/* A table is locked before its partitions, as other commands do it. */
void
stream_triggers_lock_tables(void)
{
	ListCell *lc;

	foreach (lc, stream_triggers_tables())
	{
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
		(void) find_all_inheritors(lfirst_oid(lc), AccessExclusiveLock, NULL);
	}
}
