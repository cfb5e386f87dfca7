/*
 * catalog_table.c
 *	  The tables that are read and written as system catalogues are.
 *
 * Streams, shards, row descriptors and the secret are rows of tables in schema
 * ddbstreams_shards.  Capture, append and DDL need them where no SQL can run,
 * and the rows must not depend on the caller's rights and settings.  So they
 * are read by systable scans and written by heap_write.c.
 *
 * A scan takes the snapshot that the caller names, or a fresh catalogue
 * snapshot for NULL.  Capture, append and DDL pass NULL: in REPEATABLE READ
 * the transaction's own snapshot would show them closed shards as open.
 * Readers pass their statement's snapshot, so that what they see of streams,
 * shards and records is of one moment.
 *
 * The tables of consumers are among them because own_row.c finds rows there.
 *
 * Rows of streams and shards are inserted, never updated: a stream or shard
 * that changes gets a new row with a higher version, and of the versions that
 * a snapshot shows the highest counts.  All of them go when the stream or
 * shard expires.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/relcache_callbacks.h"
#include "registry/catalog_table.h"
#include "registry/catalog_version.h"
#include "registry/heap_write.h"
#include "registry/own_tables.h"

static const char *const table_names[] = {
	[CATALOG_STREAM] = "stream",
	[CATALOG_SHARD] = "shard",
	[CATALOG_ROW_DESCRIPTOR] = "row_descriptor",
	[CATALOG_SECRET] = "secret",
	[CATALOG_CONSUMER] = "consumer",
	[CATALOG_CONSUMER_LEASE] = "consumer_lease",
	[CATALOG_CONSUMER_WORKER] = "consumer_worker"};

/* The tables that were found to be the extension's, by their names */
static Oid members[lengthof(table_names)];

/*
 * An index that was found by its name; REINDEX CONCURRENTLY gives the name to
 * another one.
 */
typedef struct KnownIndex
{
	CatalogTable table;
	const char	*suffix; /* a literal */
	Oid			 relid;
} KnownIndex;

/* More than there are */
#define MAX_KNOWN_INDEXES 16

static KnownIndex known_indexes[MAX_KNOWN_INDEXES];
static int		  known_index_count = 0;

static void
raise_not_installed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("extension \"%s\" is not installed in this database",
					DDBSTREAMS_EXTENSION),
			 errhint("Run CREATE EXTENSION %s.", DDBSTREAMS_EXTENSION)));
}

/* Relcache callback: only marks. */
static void
forget_relation(Oid relid)
{
	for (Size i = 0; i < lengthof(members); i++)
	{
		if (!OidIsValid(relid) || members[i] == relid)
			members[i] = InvalidOid;
	}
	for (int i = 0; i < known_index_count; i++)
	{
		if (!OidIsValid(relid) || known_indexes[i].relid == relid)
			known_indexes[i].relid = InvalidOid;
	}
}

/*
 * Is a table the extension's?  Anybody who may create schemas could make one
 * of that name in a database without the extension.
 */
static bool
is_member(CatalogTable table, Oid relid)
{
	static bool registered = false;

	if (!registered)
	{
		relcache_callbacks_add(forget_relation);
		registered = true;
	}
	if (members[table] != relid)
	{
		if (!own_tables_contain(relid))
			return false;
		members[table] = relid;
	}
	return true;
}

/* Returns the OID of a table of any version, or InvalidOid. */
static Oid
find_table(CatalogTable table)
{
	Oid schema;
	Oid relid = InvalidOid;

	if (OidIsValid(members[table]))
		return members[table];
	schema = get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, true);
	if (OidIsValid(schema))
		relid = get_relname_relid(table_names[table], schema);
	if (OidIsValid(relid) && !is_member(table, relid))
		relid = InvalidOid;
	return relid;
}

Oid
catalog_table_oid(CatalogTable table, bool missing_ok)
{
	Oid relid = find_table(table);

	if (missing_ok)
		return OidIsValid(relid) && catalog_version_is_known() ? relid : InvalidOid;
	if (!OidIsValid(relid))
		raise_not_installed();
	catalog_version_check();
	return relid;
}

Oid
catalog_table_owner(void)
{
	HeapTuple tuple = SearchSysCache1(RELOID,
									  ObjectIdGetDatum(find_table(CATALOG_STREAM)));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		raise_not_installed();
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

bool
catalog_table_is_installed(void)
{
	return OidIsValid(get_extension_oid(DDBSTREAMS_EXTENSION, true)) &&
		   OidIsValid(find_table(CATALOG_STREAM));
}

Relation
catalog_table_open(CatalogTable table, LOCKMODE lockmode)
{
	Relation rel = try_relation_open(catalog_table_oid(table, false), lockmode);

	if (rel == NULL)
		raise_not_installed();
	return rel;
}

/* Returns the place where an index is known, or is to be; NULL: no room */
static KnownIndex *
find_known_index(CatalogTable table, const char *suffix)
{
	KnownIndex *known;

	for (int i = 0; i < known_index_count; i++)
	{
		known = &known_indexes[i];
		if (known->table == table && strcmp(known->suffix, suffix) == 0)
			return known;
	}
	if (known_index_count == MAX_KNOWN_INDEXES)
		return NULL;
	known = &known_indexes[known_index_count++];
	known->table = table;
	known->suffix = suffix;
	known->relid = InvalidOid;
	return known;
}

Oid
catalog_table_index(CatalogTable table, const char *suffix)
{
	KnownIndex *known = find_known_index(table, suffix);
	char	   *name;
	Oid			relid;

	if (known != NULL && OidIsValid(known->relid))
		return known->relid;
	name = psprintf("%s_%s", table_names[table], suffix);
	relid = get_relname_relid(name, get_namespace_oid(DDBSTREAMS_SHARD_SCHEMA, false));
	pfree(name);
	if (known != NULL && OidIsValid(members[table]))
		known->relid = relid;
	return relid;
}

/* One version of a row, and what was made of it */
typedef struct TableRowVersion
{
	int64 id;
	int64 version;
	void *made;
} TableRowVersion;

static int
compare_versions(const ListCell *a, const ListCell *b)
{
	const TableRowVersion *x = lfirst(a);
	const TableRowVersion *y = lfirst(b);

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->version < y->version ? -1 : x->version > y->version;
}

/* Returns what was made of the highest version of each row. */
static List *
take_highest(List *versions)
{
	List			*result = NIL;
	TableRowVersion *previous = NULL;
	ListCell		*lc;

	list_sort(versions, compare_versions);
	foreach (lc, versions)
	{
		TableRowVersion *row = lfirst(lc);

		if (previous != NULL && previous->id == row->id)
			llast(result) = row->made;
		else
			result = lappend(result, row->made);
		previous = row;
	}
	return result;
}

List *
catalog_table_read(const VersionedTable *versioned, const char *index_suffix,
				   int nkeys, ScanKey keys, Snapshot snapshot)
{
	List	   *versions = NIL;
	Relation	rel = catalog_table_open(versioned->table, AccessShareLock);
	Oid			index = index_suffix ?
							catalog_table_index(versioned->table, index_suffix) :
							InvalidOid;
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index),
										  snapshot, nkeys, keys);
	HeapTuple	tuple;

	row_check_readable(versioned->columns, RelationGetDescr(rel));
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		TableRowVersion *version = palloc(sizeof(TableRowVersion));
		TableRow		 row;

		row_read(&row, versioned->columns, tuple, RelationGetDescr(rel));
		version->id = row_int64(&row, versioned->id_anum);
		version->version = row_int64(&row, versioned->version_anum);
		version->made = versioned->from_row(&row);
		versions = lappend(versions, version);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return take_highest(versions);
}

bool
catalog_table_is_empty(CatalogTable table)
{
	Relation	rel = catalog_table_open(table, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	bool		empty = !HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return empty;
}

bool
catalog_table_has_other(const VersionedTable *versioned, const char *index_suffix,
						ScanKey key, int64 id)
{
	Relation	rel = catalog_table_open(versioned->table, AccessShareLock);
	Oid			index = catalog_table_index(versioned->table, index_suffix);
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, key);
	HeapTuple	tuple;
	bool		found = false;

	row_check_readable(versioned->columns, RelationGetDescr(rel));
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		TableRow row;

		row_read(&row, versioned->columns, tuple, RelationGetDescr(rel));
		found = row_int64(&row, versioned->id_anum) != id;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

void
catalog_table_insert(CatalogTable table, TableRow *row)
{
	Relation rel = table_open(catalog_table_oid(table, false), RowExclusiveLock);

	row_check_columns(row->table, RelationGetDescr(rel));
	PushActiveSnapshot(GetTransactionSnapshot());
	heap_write_insert(rel, row->values, row->nulls);
	PopActiveSnapshot();
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

void
catalog_table_delete(const VersionedTable *versioned, int64 id)
{
	Relation	rel = table_open(catalog_table_oid(versioned->table, false),
								 RowExclusiveLock);
	ScanKeyData key;

	ScanKeyInit(&key, versioned->id_anum, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(id));
	heap_write_delete(rel, catalog_table_index(versioned->table, "pkey"), 1, &key);
	table_close(rel, NoLock);
}

bytea *
catalog_table_secret(void)
{
	Relation	rel = catalog_table_open(CATALOG_SECRET, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bytea	   *secret;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the secret that signs shard iterators is missing"),
				 errhint("Drop and create extension \"%s\" again.",
						 DDBSTREAMS_EXTENSION)));
	secret = DatumGetByteaPCopy(heap_getattr(tuple, 1, RelationGetDescr(rel),
											 &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return secret;
}
