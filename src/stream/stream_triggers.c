/*
 * stream_triggers.c
 *	  The capture triggers of a table and its partitions.
 *
 * The row trigger is made on the table that has the stream; PostgreSQL clones
 * it to partitions, those to come too.  The TRUNCATE trigger it does not clone:
 * each table with rows gets one of its own (stream_guard.c sees to new
 * partitions).  All are ENABLE ALWAYS, so that logical replication's changes
 * are captured, and DEPEND ON the extension, so that DROP EXTENSION takes them
 * along without CASCADE.
 *
 * Disabling a stream disables the triggers and leaves them: to drop them would
 * need a lock that waits for every reader of the table.
 */
#include "postgres.h"

#include "access/genam.h"
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
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"

#include "stream/stream_triggers.h"

static const char *const trigger_names[] = {DDBSTREAMS_ROW_TRIGGER,
											DDBSTREAMS_TRUNCATE_TRIGGER};

/*
 * Is this trigger what enable_stream makes?  Another one of its name would
 * capture nothing, or not everything.
 */
static bool
is_ours(const Trigger *trigger)
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

/*
 * Returns when a trigger of a relation fires, a TRIGGER_* of trigger.h,
 * TRIGGER_IS_MISSING, or TRIGGER_IS_FOREIGN if it has only the name of ours.
 */
char
stream_triggers_state(Relation rel, const char *name)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (strcmp(triggers->triggers[i].tgname, name) == 0)
			return is_ours(&triggers->triggers[i]) ?
					   triggers->triggers[i].tgenabled :
					   TRIGGER_IS_FOREIGN;
	}
	return TRIGGER_IS_MISSING;
}

void
stream_triggers_set_state(Relation rel, const char *name, char state)
{
	if (stream_triggers_state(rel, name) == TRIGGER_IS_FOREIGN)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" of table \"%s\" is not the one that enable_stream makes",
						name, RelationGetRelationName(rel)),
				 errhint("Drop or rename the trigger.")));
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

/* Does DROP EXTENSION take a trigger of a relation along? */
bool
stream_triggers_depend(Oid relid, const char *name)
{
	Oid trigger = get_trigger_oid(relid, name, true);

	return OidIsValid(trigger) &&
		   list_member_oid(getAutoExtensionsOfObject(TriggerRelationId, trigger),
						   get_extension_oid(DDBSTREAMS_EXTENSION, false));
}

/*
 * Sees to it that DROP EXTENSION takes along the triggers of ours that somebody
 * else has made, such as pg_restore.  Those that PostgreSQL clones to partitions
 * go with the root's.
 */
void
stream_triggers_make_depend(Relation rel)
{
	Oid relid = RelationGetRelid(rel);

	for (Size i = 0; i < lengthof(trigger_names); i++)
	{
		const char *name = trigger_names[i];
		char		state = stream_triggers_state(rel, name);

		if (state != TRIGGER_IS_MISSING && state != TRIGGER_IS_FOREIGN &&
			!(rel->rd_rel->relispartition &&
			  strcmp(name, DDBSTREAMS_ROW_TRIGGER) == 0) &&
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
	 * The caller owns the table; an owner may have revoked TRIGGER from
	 * himself, which is not what this is about.
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

/*
 * Sees to it that a relation has its TRUNCATE trigger, and that it fires.  The
 * caller holds ShareRowExclusiveLock or more.
 */
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

/* Drops a trigger of ours, if the relation has it. */
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
 * Drops the triggers that an earlier stream of their own has left on tables
 * that become parts of a partitioned one: PostgreSQL would not clone a trigger
 * to a table that has one of its name.  A partitioned table comes before its
 * parts, whose clones go with its trigger.
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

/*
 * Makes the triggers of a stream, or enables those that an earlier one has
 * left.  relids are the table and all its partitions, the table first, locked
 * ShareRowExclusive.
 */
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

/* Disables the triggers of ours that a relation has. */
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

/* Disables a stream's triggers; relids as for stream_triggers_enable. */
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

/* The tables that have triggers of ours, and are not partitions */
static List *
triggered_tables(void)
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

/*
 * Waits for all who are using a table with triggers of ours, or a partition of
 * one, and keeps others off until the end of the transaction.  A table is locked
 * before its partitions, as everybody does it.
 */
void
stream_triggers_lock_tables(void)
{
	ListCell *lc;

	foreach (lc, triggered_tables())
	{
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
		(void) find_all_inheritors(lfirst_oid(lc), AccessExclusiveLock, NULL);
	}
}
