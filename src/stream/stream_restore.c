/*
 * stream_restore.c
 *	  Restoring a dump: the streams that its triggers define.
 *
 * stream_definition.c says how a dump carries the definition of a stream: in
 * the arguments of the table's row trigger.  When such a trigger is made on a
 * table without a stream, stream_guard.c asks this file, and enables the
 * stream: behind the data, since a dump makes triggers after it has loaded
 * rows, and in every kind of restore, since no other table and no setting is
 * needed.  The stream is a new one, empty, with a label of its own.
 *
 * A restore may also bring the primary key after the trigger: then the stream
 * is enabled with the key.  Outside of a restore a definition counts only if
 * the present transaction has made the trigger, because it is acted upon with
 * the rights of the session that adds the key.
 *
 * Enabling makes all triggers of the table and its partitions.  The dump goes
 * on to make them one by one, so those of its commands that have been carried
 * out already are skipped.  So are those of a tool that copies a table with
 * its triggers (undistribute_table of Citus).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "mapping/mapping_definition.h"
#include "registry/catalog_table.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "stream/stream.h"
#include "stream/stream_definition.h"
#include "stream/stream_restore.h"
#include "stream/stream_triggers.h"

/* A definition as it is read from the arguments */
typedef struct StreamDefinition
{
	char	 *view_type;
	int		  shard_count; /* 0: the default */
	List	 *partition_key;
	Interval *retention; /* NULL: the default */
	List	 *mappings;	 /* of char * */
} StreamDefinition;

/*
 * What pg_dump writes begins with these settings, in all versions, and users
 * do not type commands under them.  A restore has to succeed in a database
 * whose streams are enabled, too: with --clean it drops triggers before
 * tables, and with --disable-triggers it disables all triggers of a table.
 */
bool
stream_restore_is_running(void)
{
	return !check_function_bodies && namespace_search_path != NULL &&
		   namespace_search_path[0] == '\0';
}

/*
 * --- enabling the stream that a trigger defines -----------------------------
 */

bool
stream_restore_is_due(Relation rel)
{
	Oid	 relid = RelationGetRelid(rel);
	char state = stream_triggers_state(rel, DDBSTREAMS_ROW_TRIGGER);

	if (rel->rd_rel->relispartition || state == TRIGGER_IS_MISSING ||
		state == TRIGGER_IS_FOREIGN || !stream_definition_exists(relid))
		return false;
	if (stream_key_of(rel) == NULL)
	{
		ereport(stream_restore_is_running() ? DEBUG1 : WARNING,
				(errmsg("the stream that trigger \"%s\" defines waits for table \"%s\" to have a primary key",
						DDBSTREAMS_ROW_TRIGGER, RelationGetRelationName(rel))));
		return false;
	}

	/*
	 * A former owner may have made the definition, long ago.  A restore acts
	 * upon what it finds; an owner who adds a key by hand may not know of it.
	 */
	if (stream_restore_is_running() || stream_definition_is_new(relid))
		return true;
	ereport(WARNING,
			(errmsg("the stream that trigger \"%s\" of table \"%s\" defines is not enabled",
					DDBSTREAMS_ROW_TRIGGER, RelationGetRelationName(rel)),
			 errdetail("The trigger was made before the table had a primary key."),
			 errhint("Drop the trigger and call ddbstreams.enable_stream.")));
	return false;
}

static int
parse_shard_count(const char *value)
{
	int count = pg_strtoint32(value);

	if (count < 1 || count > MAX_SHARD_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("shard_count must be between 1 and %d", MAX_SHARD_COUNT)));
	return count;
}

static void
parse_argument(StreamDefinition *definition, const char *argument)
{
	const char *equals = strchr(argument, '=');
	char	   *name = equals ? pnstrdup(argument, equals - argument) : NULL;
	char	   *value = equals ? pstrdup(equals + 1) : NULL;

	if (name == NULL)
		value = NULL;
	else if (strcmp(name, "stream_view_type") == 0)
		definition->view_type = value;
	else if (strcmp(name, "shard_count") == 0)
		definition->shard_count = parse_shard_count(value);
	else if (strcmp(name, "partition_key") == 0)
		definition->partition_key =
			stream_key_names(DatumGetArrayTypeP(OidInputFunctionCall(F_ARRAY_IN,
																	 value,
																	 TEXTOID, -1)));
	else if (strcmp(name, "retention") == 0)
		definition->retention =
			DatumGetIntervalP(DirectFunctionCall3(interval_in,
												  CStringGetDatum(value),
												  ObjectIdGetDatum(InvalidOid),
												  Int32GetDatum(-1)));
	else if (strcmp(name, "mapping") == 0)
		definition->mappings = lappend(definition->mappings, value);
	else
		value = NULL;

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of trigger \"%s\" does not define a stream",
						argument, DDBSTREAMS_ROW_TRIGGER),
				 errdetail("Its arguments have the form stream_view_type=..., shard_count=..., partition_key=..., retention=... and mapping={...}."),
				 errhint("Make the trigger without arguments, and call ddbstreams.enable_stream.")));
}

void
stream_restore_enable(Oid relid)
{
	StreamDefinition definition = {.view_type = "NEW_AND_OLD_IMAGES"};
	Relation		 pg_trigger = table_open(TriggerRelationId, AccessShareLock);
	HeapTuple		 tuple;
	bytea			*arguments;
	const char		*argument;
	const char		*end;
	StreamInfo		*stream;
	ListCell		*lc;

	tuple = stream_triggers_find(pg_trigger, relid, DDBSTREAMS_ROW_TRIGGER);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "trigger \"%s\" of relation %u is missing",
			 DDBSTREAMS_ROW_TRIGGER, relid);
	arguments = stream_definition_arguments(pg_trigger, tuple);
	end = VARDATA_ANY(arguments) + VARSIZE_ANY_EXHDR(arguments);
	for (argument = VARDATA_ANY(arguments); argument < end;
		 argument += strlen(argument) + 1)
		parse_argument(&definition, argument);
	table_close(pg_trigger, AccessShareLock);

	stream_enable(relid, definition.view_type, definition.shard_count,
				  definition.partition_key, definition.retention);
	CommandCounterIncrement();
	stream = stream_catalog_enabled(relid, NULL);
	foreach (lc, definition.mappings)
		mapping_definition_restore(stream, lfirst(lc));
}

/*
 * --- commands that have been carried out already ----------------------------
 */

/* Is this the command that makes the TRUNCATE trigger of a stream? */
static bool
makes_truncate_trigger(CreateTrigStmt *stmt)
{
	List *function = list_make2(makeString(DDBSTREAMS_SCHEMA),
								makeString("capture_truncate"));
	Oid	  wanted = LookupFuncName(function, 0, NULL, true);

	return strcmp(stmt->trigname, DDBSTREAMS_TRUNCATE_TRIGGER) == 0 &&
		   !stmt->isconstraint && !stmt->row &&
		   stmt->timing == TRIGGER_TYPE_BEFORE &&
		   stmt->events == TRIGGER_TYPE_TRUNCATE && stmt->whenClause == NULL &&
		   OidIsValid(wanted) &&
		   LookupFuncName(stmt->funcname, 0, NULL, true) == wanted;
}

/*
 * Is a trigger made that is there already?  A restore, or a tool that copies a
 * table with its triggers, makes the triggers of a stream one by one, but with
 * the first of them all were made.
 */
static bool
is_made_already(CreateTrigStmt *stmt)
{
	Oid		 relid;
	Relation rel;
	char	 state;

	if (!OidIsValid(catalog_table_oid(CATALOG_STREAM, true)) ||
		!makes_truncate_trigger(stmt))
		return false;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid) ||
		pg_class_aclcheck(relid, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		return false;

	/* CREATE TRIGGER takes this lock, too: another session may be at it. */
	rel = table_open(relid, ShareRowExclusiveLock);
	state = stream_triggers_state(rel, stmt->trigname);
	table_close(rel, NoLock);
	if (state == TRIGGER_IS_MISSING || state == TRIGGER_IS_FOREIGN)
		return false;
	if (!stream_restore_is_running())
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("trigger \"%s\" of table \"%s\" is there already, skipping",
						stmt->trigname, get_rel_name(relid))));
	return true;
}

/*
 * Is a trigger made to depend on the extension that does so already?  ALTER
 * TRIGGER ... DEPENDS ON EXTENSION follows in a restore.  If it were run, two
 * processes of a parallel restore could wait for each other: it locks the
 * extension, to which the shards of the new stream have been added.
 */
static bool
depends_already(AlterObjectDependsStmt *stmt)
{
	Oid			relid;
	const char *name;

	if (stmt->objectType != OBJECT_TRIGGER || stmt->remove ||
		strcmp(strVal(stmt->extname), DDBSTREAMS_EXTENSION) != 0 ||
		!OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)))
		return false;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	name = strVal(llast(castNode(List, stmt->object)));
	return OidIsValid(relid) && stream_triggers_depend(relid, name);
}

bool
stream_restore_has_done(Node *command)
{
	if (IsBinaryUpgrade)
		return false;
	if (IsA(command, CreateTrigStmt))
		return is_made_already((CreateTrigStmt *) command);
	return IsA(command, AlterObjectDependsStmt) &&
		   depends_already((AlterObjectDependsStmt *) command);
}
