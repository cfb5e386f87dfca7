/*
 * catalog_version.c
 *	  Whether the catalogue of this database is the one that the library knows.
 *
 * The extension's version says what its tables and functions look like, and
 * the library works with those of its own version alone.  A server that was
 * restarted with a newer library has an older catalogue until ALTER EXTENSION
 * UPDATE has run in each database; one that went back to an older library, or
 * a standby that was forgotten, has a newer one.  There is nothing to guess
 * then: what reads or writes the catalogue raises an error that says what to
 * do.  Changes of captured tables fail, because they could not be captured;
 * sessions that touch no captured table notice nothing.
 *
 * DROP EXTENSION and ALTER EXTENSION UPDATE work with every catalogue.
 *
 * The version is read once for a session, and again after a relcache message
 * for the table of streams: each update sends one.  But a session does not
 * process the messages of its transaction's last command if the commit fails.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/relcache_callbacks.h"
#include "registry/catalog_version.h"

/* The table by whose messages sessions learn that the version has changed */
#define MESSENGER "stream"

/* Was the library's version found here, and no message has come since? */
static bool is_known = false;
static Oid	messenger = InvalidOid;

/* Has this transaction updated the extension? */
static bool is_updated = false;

/* Relcache callback: only marks. */
static void
forget_version(Oid relid)
{
	if (!OidIsValid(relid) || relid == messenger)
		is_known = false;
}

static Oid
messenger_oid(void)
{
	Oid schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(MESSENGER, schema) : InvalidOid;
}

/* Returns the extension's version, palloc'd, or NULL if it is not there. */
static char *
read_version(void)
{
	char	   *version = NULL;
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(DDBSTREAMS_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool  isnull;
		Datum value = heap_getattr(tuple, Anum_pg_extension_extversion,
								   RelationGetDescr(rel), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * Looks at the version if it is not known.  Returns NULL if it is the
 * library's, or if there is none; else the version.
 */
static char *
find_unknown_version(void)
{
	static bool registered = false;
	char	   *version;

	if (is_known)
		return NULL;
	if (!registered)
	{
		relcache_callbacks_add(forget_version);
		registered = true;
	}
	/* A message that comes meanwhile takes is_known back. */
	messenger = messenger_oid();
	is_known = OidIsValid(messenger);
	version = read_version();
	if (version != NULL && strcmp(version, DDBSTREAMS_VERSION) == 0)
		return NULL;
	is_known = false;
	return version;
}

/* Is a script of the extension running? */
static bool
runs_script(void)
{
	return creating_extension &&
		   CurrentExtensionObject == get_extension_oid(DDBSTREAMS_EXTENSION, true);
}

/* Is a version, "1.1", newer than the library's? */
static bool
is_newer(const char *version)
{
	int major;
	int minor;
	int own_major;
	int own_minor;

	if (sscanf(version, "%d.%d", &major, &minor) != 2 ||
		sscanf(DDBSTREAMS_VERSION, "%d.%d", &own_major, &own_minor) != 2)
		return false;
	return major != own_major ? major > own_major : minor > own_minor;
}

static void
raise_unknown_version(const char *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the catalogue of ddbstreams in this database is of version %s, and the library of version %s",
					version, DDBSTREAMS_VERSION),
			 is_newer(version) ?
				 errhint("Install ddbstreams %s and restart the server.", version) :
				 errhint("Run ALTER EXTENSION %s UPDATE.", DDBSTREAMS_EXTENSION)));
}

bool
catalog_version_is_known(void)
{
	if (is_known)
		return !creating_extension || !runs_script();
	return find_unknown_version() == NULL && is_known && !runs_script();
}

void
catalog_version_check(void)
{
	char *version;

	if (is_known || runs_script())
		return;
	version = find_unknown_version();
	if (version != NULL)
		raise_unknown_version(version);
}

bool
catalog_version_is_changed_by(Node *command)
{
	return IsA(command, AlterExtensionStmt) &&
		   strcmp(((AlterExtensionStmt *) command)->extname, DDBSTREAMS_EXTENSION) == 0;
}

void
catalog_version_changed(void)
{
	char *version;

	is_known = false;
	is_updated = true;
	version = find_unknown_version();
	if (version != NULL && is_newer(version))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library of version %s cannot work with a catalogue of version %s",
						DDBSTREAMS_VERSION, version),
				 errhint("Restart the server, which loads the new library, before you update the extension.")));
	if (OidIsValid(messenger))
		CacheInvalidateRelcacheByRelid(messenger);
}

void
catalog_version_rolled_back(void)
{
	if (is_updated)
		is_known = false;
}

void
catalog_version_end_transaction(void)
{
	is_updated = false;
}
