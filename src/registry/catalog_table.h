/*
 * catalog_table.h
 *	  The tables that are read and written as system catalogues are.
 */
#ifndef DDBSTREAMS_CATALOG_TABLE_H
#define DDBSTREAMS_CATALOG_TABLE_H

#include "base/ddbstreams.h"

#include "access/skey.h"
#include "nodes/pg_list.h"
#include "registry/row.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef enum CatalogTable
{
	CATALOG_STREAM,
	CATALOG_SHARD,
	CATALOG_ROW_DESCRIPTOR,
	CATALOG_SECRET,
	CATALOG_CONSUMER,
	CATALOG_CONSUMER_LEASE,
	CATALOG_CONSUMER_WORKER
} CatalogTable;

/* How the rows of a table are read that has them in versions */
typedef struct VersionedTable
{
	CatalogTable	table;
	const RowTable *columns;
	int				id_anum;	  /* the column that says what a row is of */
	int				version_anum; /* the row with the highest version counts */

	/* Makes what is returned for a row, palloc'd. */
	void *(*from_row)(const TableRow *row);
} VersionedTable;

/*
 * Returns the OID of a table in this database.  If it is not there, because
 * the extension is not, or if the library does not know the extension's
 * version (catalog_version.h): an error, or InvalidOid if missing_ok.
 */
extern Oid catalog_table_oid(CatalogTable table, bool missing_ok);

/* Opens a table; the same error if it is gone by the time it is locked. */
extern Relation catalog_table_open(CatalogTable table, LOCKMODE lockmode);

/*
 * Returns the OID of a table's index, whose name is the table's with a suffix.
 * It is invalid while DROP EXTENSION is at work, which may drop the index
 * before the table.
 */
extern Oid catalog_table_index(CatalogTable table, const char *suffix);

/*
 * Returns the owner of ddbstreams' tables, of whatever version: the role that
 * made the extension.
 */
extern Oid catalog_table_owner(void);

/* Is the extension in this database, with its tables, of whatever version? */
extern bool catalog_table_is_installed(void);

/*
 * Reads the rows that one index of a table finds, in their highest versions,
 * and returns a list of what from_row makes of them, in the order of their
 * ids, in the current memory context.  index_suffix is the index's name
 * without the table's; NULL reads the whole table.  A snapshot of NULL is a
 * fresh catalogue snapshot.
 */
extern List *catalog_table_read(const VersionedTable *versioned,
								const char *index_suffix, int nkeys,
								ScanKey keys, Snapshot snapshot);

/* Has a table no rows, as they are now? */
extern bool catalog_table_is_empty(CatalogTable table);

/*
 * Does an index find a row, by its one key, that is none of a certain id's?  A
 * fresh catalogue snapshot is used.
 */
extern bool catalog_table_has_other(const VersionedTable *versioned,
									const char *index_suffix, ScanKey key,
									int64 id);

/* Inserts a row and makes it visible to this transaction's next command. */
extern void catalog_table_insert(CatalogTable table, TableRow *row);

/*
 * Deletes all versions of a row, found by its id, the first column of the
 * primary key.  The caller holds the lock of the stream that the row is of.
 */
extern void catalog_table_delete(const VersionedTable *versioned, int64 id);

/*
 * Returns the secret that signs iterators and is the key of the numbers of row
 * descriptors, palloc'd.
 */
extern bytea *catalog_table_secret(void);

#endif /* DDBSTREAMS_CATALOG_TABLE_H */
