/*
 * own_row.h
 *	  Rows of ddbstreams' own tables, found by an index, read, locked and
 *	  updated as SQL would, without SQL.
 */
#ifndef DDBSTREAMS_OWN_ROW_H
#define DDBSTREAMS_OWN_ROW_H

#include "base/ddbstreams.h"

#include "access/skey.h"
#include "nodes/lockoptions.h"
#include "nodes/pg_list.h"
#include "registry/catalog_table.h"
#include "registry/row.h"

/* Which rows: those that an index finds by its first columns */
typedef struct OwnRows
{
	CatalogTable	table;
	const char	   *index_suffix; /* the index's name without the table's */
	const RowTable *columns;

	/* Makes one thing of a row that was read, palloc'd. */
	void *(*from_row)(const TableRow *row);
} OwnRows;

/* Is a row wanted, of which from_row has made this? */
typedef bool (*OwnRowTest)(const void *made, const void *arg);

/*
 * Returns what from_row makes of the rows that these keys find, in the order
 * of the index, in the current memory context.
 */
extern List *own_row_list(const OwnRows *rows, int nkeys, ScanKey keys);

/*
 * Locks the one row that these keys find for update, until the transaction
 * ends, and returns what from_row makes of it; NULL if there is none.  As in
 * SELECT FOR UPDATE, the row is one that a new snapshot shows and that is
 * wanted; it may not be wanted any more when it is locked, and then stays
 * locked.  Every row is wanted if is_wanted is NULL.
 */
extern void *own_row_lock(const OwnRows *rows, int nkeys, ScanKey keys,
						  LockWaitPolicy policy, OwnRowTest is_wanted, const void *arg);

/*
 * Sets all columns of a row that the transaction has locked: the row at
 * row->tid, which from_row has had from own_row_lock, or, if that is invalid,
 * the one that these keys find.  Returns false if there is none.
 */
extern bool own_row_update(const OwnRows *rows, int nkeys, ScanKey keys, TableRow *row);

#endif /* DDBSTREAMS_OWN_ROW_H */
