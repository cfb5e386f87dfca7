/*
 * side_table.h
 *	  Values too large for a shard's page.
 */
#ifndef DDBSTREAMS_SIDE_TABLE_H
#define DDBSTREAMS_SIDE_TABLE_H

#include "base/ddbstreams.h"

#include "utils/rel.h"
#include "utils/snapshot.h"

/*
 * Returns a reference, palloc'd, to a large value (a varlena) that is stored
 * under an ordinal.
 */
extern Datum side_table_reference_make(uint32 ordinal, Datum value);

extern uint32 side_table_reference_ordinal(Datum reference);

/* Returns the size of the value when decompressed, header included. */
extern Size side_table_reference_raw_size(Datum reference);

/*
 * Writes a large value, a varlena of any kind but an external one.  side is
 * open with RowExclusiveLock, and a snapshot is active.
 */
extern void side_table_insert(Relation side, uint64 transaction_id,
							  uint32 ordinal, const void *value);

/*
 * Reads a large value back, compressed or not as it was written, palloc'd.
 * The snapshot is the one that has shown the record.
 */
extern Datum side_table_fetch(Relation side, uint64 transaction_id,
							  uint32 ordinal, Snapshot snapshot);

#endif /* DDBSTREAMS_SIDE_TABLE_H */
