/*
 * worker_guard.c
 *	  DDL that concerns background workers, and what follows from it.
 *
 * Some commands want a database without others in it, or locks on all that
 * workers use: DROP DATABASE; ALTER DATABASE with RENAME, SET TABLESPACE or
 * ALLOW_CONNECTIONS; CREATE DATABASE of its template; DROP EXTENSION; ALTER
 * EXTENSION UPDATE; DROP OWNED by the extension's owner.  Before one of them
 * runs, all workers of the database are told to quit and waited for, and none
 * is started there until the command's transaction has ended, or the
 * subtransaction has been aborted.  This is done only if the user may give the
 * command: otherwise any user could stop workers.
 *
 * What a transaction does to extensions, and a database that it makes, is
 * noted and told to the launcher when the transaction has committed.  All
 * other changes of databases that concern the launcher come with a hold, whose
 * end makes it read pg_database.  COMMIT PREPARED calls no transaction
 * callback: after it, what is in the catalogue is compared with what the
 * launcher knows.  Maintenance is told that streams may have changed if some
 * prepared transaction, this or another one, held a writer's lock on the table
 * of streams, of shards or of mappings before.
 *
 * src/worker/README has a table of the commands.  A transaction holds workers
 * off one database at most; a second one is only cleared of workers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/prepared_lock.h"
#include "module/worker_guard.h"
#include "registry/catalog_table.h"
#include "stream/stream_triggers.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* Workers that have not ended after this are not waited for any longer. */
#define WAIT_MS 5000

#define DEFAULT_TEMPLATE "template1"

/* The database off which this transaction holds workers, and since when */
static Oid				held_database = InvalidOid;
static SubTransactionId held_since;

/* Does the hold outlast commits? */
static bool holds_across_commits = false;

/* What the launcher is to be told at commit */
static bool extensions_changed = false;
static bool extension_is_present;

/* May the prepared transaction that ends just now have changed a stream? */
static bool prepared_changes_streams = false;
static Oid	database_created = InvalidOid;

void
worker_guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id)
{
	if (access != OAT_POST_CREATE && access != OAT_POST_ALTER && access != OAT_DROP)
		return;
	if (class_id == ExtensionRelationId)
	{
		/* Which extension it is cannot always be seen yet. */
		extensions_changed = true;
	}
	else if (class_id == DatabaseRelationId && access == OAT_POST_CREATE)
		database_created = object_id;
}

/* Ends the workers of a database, and holds others off from now on. */
static void
hold_off_workers(Oid database)
{
	if (!OidIsValid(held_database) && worker_databases_hold(database))
	{
		held_database = database;
		held_since = GetCurrentSubTransactionId();
	}
	if (!worker_slots_terminate_all(database, WAIT_MS))
		ereport(LOG,
				(errmsg("ddbstreams could not end its background workers in database %u in time",
						database)));
}

static void
let_workers_in(void)
{
	if (OidIsValid(held_database))
		worker_databases_release(held_database);
	held_database = InvalidOid;
}

/* Holds workers off a database if the user owns it. */
static void
hold_off_own_database(const char *name)
{
	Oid database = name == NULL ? InvalidOid : get_database_oid(name, true);

	if (OidIsValid(database) && compat_owns_database(database, GetUserId()))
		hold_off_workers(database);
}

static bool
is_template(Oid database)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool	  result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Older minor versions of PostgreSQL do not export their own test. */
static bool
may_create_databases(void)
{
	HeapTuple tuple;
	bool	  result = false;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

static void
before_create_database(CreatedbStmt *stmt)
{
	const char *name = DEFAULT_TEMPLATE;
	Oid			database;
	ListCell   *lc;

	foreach (lc, stmt->options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			name = defGetString(option);
	}
	database = get_database_oid(name, true);
	if (OidIsValid(database) && may_create_databases() &&
		(is_template(database) || compat_owns_database(database, GetUserId())))
		hold_off_workers(database);
}

static void
before_alter_database(AlterDatabaseStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->options)
	{
		const char *option = lfirst_node(DefElem, lc)->defname;

		if (strcmp(option, "tablespace") == 0 ||
			strcmp(option, "allow_connections") == 0)
			hold_off_own_database(stmt->dbname);
	}
}

static bool
owns_extension(void)
{
	Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

	return OidIsValid(extension) &&
		   compat_owns_extension(extension, GetUserId());
}

static void
before_change_of_extension(void)
{
	if (owns_extension())
		hold_off_workers(MyDatabaseId);
}

/*
 * DROP EXTENSION locks shards and captured tables in any order.  A transaction
 * that has changed a captured table locks a shard when it commits, and its
 * COMMIT must not end in a deadlock.  So all such transactions are waited for
 * before anything else is locked.
 */
static void
before_drop_of_extension(void)
{
	if (owns_extension())
	{
		stream_triggers_lock_tables();
		hold_off_workers(MyDatabaseId);
	}
}

static void
before_drop(DropStmt *stmt)
{
	ListCell *lc;

	if (stmt->removeType != OBJECT_EXTENSION)
		return;
	foreach (lc, stmt->objects)
	{
		if (strcmp(strVal(lfirst(lc)), DDBSTREAMS_EXTENSION) == 0)
			before_drop_of_extension();
	}
}

static void
before_drop_owned(DropOwnedStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->roles)
	{
		Oid role = get_rolespec_oid(lfirst(lc), true);
		Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

		if (OidIsValid(role) && OidIsValid(extension) &&
			has_privs_of_role(GetUserId(), role) &&
			compat_owns_extension(extension, role))
			before_drop_of_extension();
	}
}

static bool
prepared_has_written(Oid relid)
{
	return OidIsValid(relid) && prepared_lock_conflicts(relid, ShareLock);
}

/* Its changes are a part of the definitions that dumps carry. */
static Oid
mapping_table(void)
{
	return get_relname_relid("mapping", get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true));
}

void
worker_guard_before_prepared(void)
{
	prepared_changes_streams = IsTransactionState() && !RecoveryInProgress() &&
							   (prepared_has_written(catalog_table_oid(CATALOG_STREAM, true)) ||
								prepared_has_written(catalog_table_oid(CATALOG_SHARD, true)) ||
								prepared_has_written(mapping_table()));
}

void
worker_guard_before(Node *command)
{
	/* There are no workers where there is no launcher. */
	if (!IsUnderPostmaster || IsBinaryUpgrade || !IsTransactionState() ||
		RecoveryInProgress())
		return;
	switch (nodeTag(command))
	{
		case T_DropdbStmt:
			hold_off_own_database(((DropdbStmt *) command)->dbname);
			break;
		case T_CreatedbStmt:
			before_create_database((CreatedbStmt *) command);
			break;
		case T_AlterDatabaseStmt:
			before_alter_database((AlterDatabaseStmt *) command);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_DATABASE)
				hold_off_own_database(((RenameStmt *) command)->subname);
			break;
		case T_DropStmt:
			before_drop((DropStmt *) command);
			break;
		case T_AlterExtensionStmt:
			if (strcmp(((AlterExtensionStmt *) command)->extname,
					   DDBSTREAMS_EXTENSION) == 0)
				before_change_of_extension();
			break;
		case T_DropOwnedStmt:
			before_drop_owned((DropOwnedStmt *) command);
			break;
		default:
			break;
	}
}

void
worker_guard_hold_across_commits(bool hold)
{
	if (hold)
		hold_off_workers(MyDatabaseId);
	holds_across_commits = hold;
}

static bool
extension_is_known(void)
{
	return worker_databases_presence(MyDatabaseId) == EXTENSION_PRESENT;
}

void
worker_guard_after_prepared(void)
{
	if (IsTransactionState() && catalog_table_is_installed() != extension_is_known())
		extensions_changed = true;
	if (prepared_changes_streams)
		worker_databases_streams_changed(false);
}

void
worker_guard_after_rewrite(void)
{
	worker_databases_request_thorough_run(MyDatabaseId, true);
}

void
worker_guard_pre_commit(void)
{
	if (extensions_changed)
		extension_is_present = catalog_table_is_installed();
}

static void
forget_changes(void)
{
	extensions_changed = false;
	database_created = InvalidOid;
	worker_databases_end_transaction(false);
}

void
worker_guard_commit(void)
{
	if (extensions_changed && (extension_is_present || extension_is_known()))
		worker_databases_set_presence(MyDatabaseId, extension_is_present ?
														EXTENSION_PRESENT :
														EXTENSION_ABSENT);
	if (OidIsValid(database_created))
		worker_databases_set_presence(database_created, EXTENSION_UNKNOWN);
	worker_databases_end_transaction(true);
	forget_changes();
	if (!holds_across_commits)
		let_workers_in();
}

void
worker_guard_forget(void)
{
	forget_changes();
	holds_across_commits = false;
	let_workers_in();
}

void
worker_guard_cut(SubTransactionId subid)
{
	if (OidIsValid(held_database) && held_since >= subid)
		let_workers_in();
}
