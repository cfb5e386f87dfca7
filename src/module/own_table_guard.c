/*
 * own_table_guard.c
 *	  DDL on the extension's own tables, most of which is refused.
 *
 * own_tables.c says why only ddbstreams may write to the tables of schema
 * ddbstreams_shards.  A superuser, or the extension's owner, could do harm by
 * DDL: by a column of another type, a trigger that copies rows while a tool
 * swaps the table (pg_repack), a disabled guard, a child table whose rows are
 * read with its parent's, or an index that an append would not fill.  All of
 * it is refused before it does harm.  An administrator may do what changes no
 * row: VACUUM, CLUSTER, REPACK, REINDEX, and changes of storage parameters,
 * the tablespace, statistics targets, privileges and comments.  But REPACK
 * (CONCURRENTLY) follows a table by logical decoding, which sees none of the
 * rows that are written to own tables meanwhile (decoding.c).
 *
 * Commands of the extension's own scripts, of pg_upgrade, and of ddbstreams
 * itself are not checked.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "module/own_table_guard.h"
#include "registry/catalog_table.h"
#include "registry/own_tables.h"
#include "stream/stream_triggers.h"

static void
refuse_alteration(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("table \"%s\" of ddbstreams cannot be altered", name),
			 errdetail("Only ddbstreams itself changes the tables of schema \"%s\".",
					   DDBSTREAMS_SHARD_SCHEMA),
			 errhint("Storage parameters, the tablespace, statistics targets, privileges and comments can be changed.")));
}

/*
 * Returns the own table that a name means, or the one whose index it means, or
 * InvalidOid.
 */
static Oid
find_own_table(RangeVar *name)
{
	Oid relid;

	if (name == NULL ||
		(name->schemaname != NULL &&
		 strcmp(name->schemaname, DDBSTREAMS_SHARD_SCHEMA) != 0))
		return InvalidOid;
	relid = RangeVarGetRelid(name, NoLock, true);
	if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_INDEX)
		relid = IndexGetRelation(relid, true);
	return OidIsValid(relid) && own_tables_contain(relid) ? relid : InvalidOid;
}

static void
refuse_if_own(RangeVar *name)
{
	Oid relid = find_own_table(name);

	if (OidIsValid(relid))
		refuse_alteration(get_rel_name(relid));
}

/*
 * The server refuses most own tables, which have no replica identity, but for
 * reasons of its own.
 */
static void
before_repack_concurrently(RangeVar *name)
{
	Oid relid = find_own_table(name);

	if (OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" of ddbstreams cannot be repacked concurrently",
						get_rel_name(relid)),
				 errdetail("Rows that are written meanwhile would be lost: logical decoding does not see them."),
				 errhint("Use REPACK without CONCURRENTLY.")));
}

static void
refuse_if_own_schema(const char *name)
{
	if (name != NULL && strcmp(name, DDBSTREAMS_SHARD_SCHEMA) == 0 &&
		OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("schema \"%s\" cannot be altered", name),
				 errdetail("It belongs to extension \"%s\".", DDBSTREAMS_EXTENSION)));
}

/*
 * The owner of the extension's objects can do what ddbstreams does as their
 * owner.  No command of a superuser makes another role that owner by accident.
 */
static void
raise_needs_superuser(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("extension \"%s\" must belong to a superuser",
					DDBSTREAMS_EXTENSION),
			 errhint("Name a superuser as the new owner.")));
}

static bool
belongs_to_extension(Oid class_id, Oid object_id)
{
	Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

	return OidIsValid(extension) && OidIsValid(object_id) &&
		   getExtensionOfObject(class_id, object_id) == extension;
}

/* ALTER VIEW ... OWNER TO; own tables are refused altogether. */
static void
before_change_of_owner(RangeVar *name, RoleSpec *owner)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);

	if (belongs_to_extension(RelationRelationId, relid) &&
		!superuser_arg(get_rolespec_oid(owner, true)))
		raise_needs_superuser();
}

static bool
is_harmless(AlterTableType type)
{
	switch (type)
	{
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_SetTableSpace:
		case AT_SetStatistics:
		case AT_ClusterOn:
		case AT_DropCluster:
			return true;
		default:
			return false;
	}
}

/*
 * Refuses to alter an own table, and to make it a partition or a child of
 * another table.
 */
static void
before_alter_table(AlterTableStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);

		if (!is_harmless(command->subtype))
			refuse_if_own(stmt->relation);
		if (command->subtype == AT_AttachPartition)
			refuse_if_own(castNode(PartitionCmd, command->def)->name);
		else if (command->subtype == AT_AddInherit)
			refuse_if_own(castNode(RangeVar, command->def));
		else if (command->subtype == AT_ChangeOwner)
			before_change_of_owner(stmt->relation, command->newowner);
	}
}

/* An index that a broken REINDEX CONCURRENTLY has left may go. */
static void
before_drop_of_index(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_INDEX ||
		get_index_isvalid(relid))
		refuse_if_own(name);
}

/*
 * Refuses to drop something that belongs to an own table.  DROP INDEX names
 * the index itself; the other commands name the table, and the object behind
 * it.
 */
static void
before_drop_of_part(DropStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->objects)
	{
		switch (stmt->removeType)
		{
			case OBJECT_INDEX:
				before_drop_of_index(makeRangeVarFromNameList(lfirst_node(List, lc)));
				break;
			case OBJECT_TRIGGER:
			case OBJECT_RULE:
			case OBJECT_POLICY:
				refuse_if_own(makeRangeVarFromNameList(
					list_copy_head(lfirst_node(List, lc),
								   list_length(lfirst_node(List, lc)) - 1)));
				break;
			default:
				return;
		}
	}
}

static void
before_create_table(CreateStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->inhRelations)
		refuse_if_own(lfirst_node(RangeVar, lc));
}

/*
 * Behind ALTER EXTENSION ... DROP nothing would protect the object any more: a
 * table, or the function of its guards.
 */
static void
before_alter_extension(AlterExtensionContentsStmt *stmt)
{
	if (stmt->action >= 0 || strcmp(stmt->extname, DDBSTREAMS_EXTENSION) != 0)
		return;
	if (stmt->objtype == OBJECT_TABLE || stmt->objtype == OBJECT_SEQUENCE)
		refuse_if_own(makeRangeVarFromNameList(castNode(List, stmt->object)));
	else if (stmt->objtype == OBJECT_SCHEMA)
		refuse_if_own_schema(strVal(stmt->object));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("extension \"%s\" keeps its objects", DDBSTREAMS_EXTENSION)));
}

/*
 * CREATE OR REPLACE FUNCTION would put another function in the place of a
 * guard, or of a trigger that runs in the sessions of all writers.
 */
static void
before_create_function(CreateFunctionStmt *stmt)
{
	char *schema_name;
	char *name;
	Oid	  schema;
	Oid	  extension;

	if (!stmt->replace)
		return;
	DeconstructQualifiedName(stmt->funcname, &schema_name, &name);
	if (schema_name == NULL)
		schema = QualifiedNameGetCreationNamespace(stmt->funcname, &name);
	else
		schema = get_namespace_oid(schema_name, true);
	extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);
	if (OidIsValid(schema) && OidIsValid(extension) &&
		getExtensionOfObject(NamespaceRelationId, schema) == extension)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function \"%s\" of schema \"%s\" cannot be replaced",
						name, get_namespace_name(schema))));
}

/* REASSIGN OWNED, which is run before a role is dropped */
static void
before_reassign_owned(ReassignOwnedStmt *stmt)
{
	Oid		  owner;
	ListCell *lc;

	if (!catalog_table_is_installed() ||
		superuser_arg(get_rolespec_oid(stmt->newrole, true)))
		return;
	owner = catalog_table_owner();
	foreach (lc, stmt->roles)
	{
		if (get_rolespec_oid(lfirst_node(RoleSpec, lc), true) == owner)
			raise_needs_superuser();
	}
}

/*
 * ALTER FUNCTION and ALTER SCHEMA ... OWNER TO.  The extension has no objects
 * of other kinds, and get_object_address() cannot take all of them as they
 * stand in this command: types are named otherwise there.
 */
static void
before_alter_owner(AlterOwnerStmt *stmt)
{
	ObjectAddress object;
	Relation	  relation;

	if ((stmt->objectType != OBJECT_FUNCTION &&
		 stmt->objectType != OBJECT_ROUTINE &&
		 stmt->objectType != OBJECT_SCHEMA) ||
		superuser_arg(get_rolespec_oid(stmt->newowner, true)) ||
		!OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)))
		return;
	object = get_object_address(stmt->objectType, stmt->object, &relation,
								AccessShareLock, true);
	if (belongs_to_extension(object.classId, object.objectId))
		raise_needs_superuser();
}

/* Does the command come from PostgreSQL itself, pg_upgrade or ddbstreams? */
static bool
is_trusted(void)
{
	return IsBinaryUpgrade || !IsTransactionState() || own_tables_may_write() ||
		   (creating_extension &&
			CurrentExtensionObject == get_extension_oid(DDBSTREAMS_EXTENSION, true));
}

void
own_table_guard_before(Node *command)
{
	if (is_trusted())
		return;
	before_repack_concurrently(compat_repacked_concurrently(command));
	switch (nodeTag(command))
	{
		case T_AlterTableStmt:
			before_alter_table((AlterTableStmt *) command);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_SCHEMA)
				refuse_if_own_schema(((RenameStmt *) command)->subname);
			else
				refuse_if_own(((RenameStmt *) command)->relation);
			break;
		case T_AlterObjectSchemaStmt:
			refuse_if_own(((AlterObjectSchemaStmt *) command)->relation);
			break;
		case T_AlterSeqStmt:
			refuse_if_own(((AlterSeqStmt *) command)->sequence);
			break;
		case T_IndexStmt:
			refuse_if_own(((IndexStmt *) command)->relation);
			break;
		case T_RuleStmt:
			refuse_if_own(((RuleStmt *) command)->relation);
			break;
		case T_CreatePolicyStmt:
			refuse_if_own(((CreatePolicyStmt *) command)->table);
			break;
		case T_AlterPolicyStmt:
			refuse_if_own(((AlterPolicyStmt *) command)->table);
			break;
		case T_CreateTrigStmt:
			refuse_if_own(((CreateTrigStmt *) command)->relation);
			break;
		case T_CreateStmt:
			before_create_table((CreateStmt *) command);
			break;
		case T_CreateForeignTableStmt:
			before_create_table(&((CreateForeignTableStmt *) command)->base);
			break;
		case T_CreateFunctionStmt:
			before_create_function((CreateFunctionStmt *) command);
			break;
		case T_AlterOwnerStmt:
			before_alter_owner((AlterOwnerStmt *) command);
			break;
		case T_ReassignOwnedStmt:
			before_reassign_owned((ReassignOwnedStmt *) command);
			break;
		case T_DropStmt:
			before_drop_of_part((DropStmt *) command);
			break;
		case T_AlterExtensionContentsStmt:
			before_alter_extension((AlterExtensionContentsStmt *) command);
			break;
		default:
			break;
	}
}

/*
 * Returns the table of a trigger that has just been made, or InvalidOid if the
 * trigger is one that guards an own table.
 */
static Oid
table_of_foreign_trigger(Oid trigger)
{
	Relation  pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple tuple = stream_triggers_find_by_oid(pg_trigger, trigger);
	Oid		  table = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
		char		   *function = get_func_name(form->tgfoid);

		if (function == NULL ||
			strcmp(function, OWN_TABLES_GUARD_FUNCTION) != 0 ||
			get_func_namespace(form->tgfoid) !=
				get_rel_namespace(form->tgrelid))
			table = form->tgrelid;
	}
	table_close(pg_trigger, AccessShareLock);
	return table;
}

void
own_table_guard_object_access(ObjectAccessType access, Oid class_id,
							  Oid object_id)
{
	Oid table;

	if (access != OAT_POST_CREATE || class_id != TriggerRelationId || is_trusted())
		return;
	table = table_of_foreign_trigger(object_id);
	if (OidIsValid(table) && own_tables_contain(table))
		refuse_alteration(get_rel_name(table));
}
