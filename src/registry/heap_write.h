/*
 * heap_write.h
 *	  Writing rows of ddbstreams' own tables, unseen by logical decoding.
 */
#ifndef DDBSTREAMS_HEAP_WRITE_H
#define DDBSTREAMS_HEAP_WRITE_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "access/skey.h"
#include "utils/rel.h"

/*
 * Inserts a row.  rel is open with RowExclusiveLock; a snapshot is active, for
 * the row may be toasted.  Later commands see the row, this one does not.
 */
extern void heap_write_insert(Relation rel, Datum *values, bool *nulls);

/*
 * Updates the row at tid to these values of all columns.  The transaction has
 * locked the row, or nobody else can update it.  Later commands see it.  The
 * table has the mark of decoding.c, which keeps the update out of logical
 * decoding.
 */
extern void heap_write_update(Relation rel, ItemPointer tid, Datum *values, bool *nulls);

/*
 * Deletes the rows that one index finds, or all rows if index is invalid, as
 * they are now.  rel is open with RowExclusiveLock; the caller holds a lock
 * under which no other backend deletes these rows.
 */
extern void heap_write_delete(Relation rel, Oid index, int nkeys, ScanKey keys);

#endif /* DDBSTREAMS_HEAP_WRITE_H */
