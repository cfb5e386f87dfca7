/*
 * worker_guard.c
 *	  DDL that concerns background workers, and what follows from it.
 *
 * Some commands want a database without others in it, or locks on all that
 * workers use: DROP DATABASE, ALTER DATABASE … RENAME, SET TABLESPACE and
 * ALLOW_CONNECTIONS, CREATE DATABASE of its template, DROP EXTENSION and ALTER EXTENSION … UPDATE, DROP
 * OWNED by the extension's owner.  Before one of them begins, all workers of
 * the database are told to quit and waited for, and none is started there until
 * the command's transaction has ended (or the subtransaction is aborted).  This
 * is done only for those who may give the command: nobody else may stop workers.
 *
 * What transactions do to extensions and databases is noted, and told to the
 * launcher when they have committed.  COMMIT PREPARED calls no callback: after
 * it, what is there is compared with what the launcher knows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "module/worker_guard.h"
#include "stream/stream_triggers.h"
#include "worker/worker_databases.h"
#include "worker/worker_slots.h"

/* A worker that has not ended after this is not waited for any longer. */
#define WAIT_MS 5000

#define DEFAULT_TEMPLATE "template1"

/* The database that this transaction holds workers off, and since when */
static Oid				held = InvalidOid;
static SubTransactionId held_since;

/* What is to be told to the launcher at commit */
static bool extensions_changed = false;
static bool extension_is_present;
static bool databases_changed = false;
static Oid	database_created = InvalidOid;

/* From the object access hook: only notes. */
void
worker_guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id)
{
	if (access != OAT_POST_CREATE && access != OAT_POST_ALTER && access != OAT_DROP)
		return;
	if (class_id == ExtensionRelationId)
	{
		/* Which one it is cannot always be seen yet. */
		extensions_changed = true;
	}
	else if (class_id == DatabaseRelationId)
	{
		databases_changed = true;
		if (access == OAT_POST_CREATE)
			database_created = object_id;
	}
}

/* Workers are held off a database from now on, and those in it are ended. */
static void
hold(Oid database)
{
	if (!OidIsValid(held) && worker_databases_hold(database))
	{
		held = database;
		held_since = GetCurrentSubTransactionId();
	}
	if (!worker_slots_terminate_all(database, WAIT_MS))
		ereport(LOG,
				(errmsg("background workers of ddbstreams in database %u have not ended in time",
						database)));
}

static void
release(void)
{
	if (OidIsValid(held))
		worker_databases_release(held);
	held = InvalidOid;
}

static void
hold_own_database(const char *name)
{
	Oid database = name == NULL ? InvalidOid : get_database_oid(name, true);

	if (OidIsValid(database) && compat_owns_database(database, GetUserId()))
		hold(database);
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

/* PostgreSQL's own test is not exported by older minor versions. */
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
		hold(database);
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
			hold_own_database(stmt->dbname);
	}
}

static void
before_change_of_extension(void)
{
	Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

	if (OidIsValid(extension) && compat_owns_extension(extension, GetUserId()))
		hold(MyDatabaseId);
}

/*
 * DROP EXTENSION locks shards and captured tables in any order.  Who has changed
 * a table asks for a shard in his COMMIT, which must not end in a deadlock: so
 * he is waited for before anything else is locked.
 */
static void
before_drop_of_extension(void)
{
	Oid extension = get_extension_oid(DDBSTREAMS_EXTENSION, true);

	if (OidIsValid(extension) && compat_owns_extension(extension, GetUserId()))
		stream_triggers_lock_tables();
	before_change_of_extension();
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

/* Before a utility command is carried out. */
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
			hold_own_database(((DropdbStmt *) command)->dbname);
			break;
		case T_CreatedbStmt:
			before_create_database((CreatedbStmt *) command);
			break;
		case T_AlterDatabaseStmt:
			before_alter_database((AlterDatabaseStmt *) command);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) command)->renameType == OBJECT_DATABASE)
				hold_own_database(((RenameStmt *) command)->subname);
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

static bool
extension_exists(void)
{
	return OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true));
}

static bool
extension_is_known(void)
{
	return worker_databases_presence(MyDatabaseId) == EXTENSION_PRESENT;
}

/* After COMMIT PREPARED: it may have been one that made the extension. */
void
worker_guard_after_prepared(void)
{
	if (IsTransactionState() && extension_exists() != extension_is_known())
		extensions_changed = true;
}

/*
 * After VACUUM FULL or CLUSTER: if it was one of our own tables, its TOAST table
 * is no longer kept out of logical decoding.
 */
void
worker_guard_after_rewrite(void)
{
	worker_databases_request_thorough_run(MyDatabaseId, true);
}

/* What has become of the extension in this transaction? */
void
worker_guard_pre_commit(void)
{
	if (extensions_changed)
		extension_is_present = extension_exists();
}

/* The transaction has committed. */
void
worker_guard_commit(void)
{
	if (extensions_changed && (extension_is_present || extension_is_known()))
		worker_databases_set_presence(MyDatabaseId, extension_is_present ?
														EXTENSION_PRESENT :
														EXTENSION_ABSENT);
	if (OidIsValid(database_created))
		worker_databases_set_presence(database_created, EXTENSION_UNKNOWN);
	if (databases_changed)
		worker_databases_request_search();
	worker_databases_end_transaction(true);
	worker_guard_forget();
}

/* The transaction has ended in another way, or all is told. */
void
worker_guard_forget(void)
{
	extensions_changed = false;
	databases_changed = false;
	database_created = InvalidOid;
	worker_databases_end_transaction(false);
	release();
}

/* A subtransaction is aborted. */
void
worker_guard_cut(SubTransactionId subid)
{
	if (OidIsValid(held) && held_since >= subid)
		release();
}
