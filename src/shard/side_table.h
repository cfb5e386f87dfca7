/*
 * side_table.h
 *	  Values too large for a shard's page.
 */
#ifndef DDBSTREAMS_SIDE_TABLE_H
#define DDBSTREAMS_SIDE_TABLE_H

#include "base/ddbstreams.h"

#include "utils/rel.h"
#include "utils/snapshot.h"

/* A value out of line, as the pointer to it says; all zeros: there is none */
typedef struct ValueIdentity
{
	Oid	   toast_relid;
	Oid	   value_id;
	uint32 raw_size;
	uint32 extinfo; /* va_extinfo */
} ValueIdentity;

/* Where a large value is, in a side table */
typedef struct ValueCopy
{
	uint64 transaction_id; /* that has stored it; 0 for the present one */
	uint32 ordinal;
} ValueCopy;

/*
 * Returns a reference, palloc'd, to a large value that a transaction stores
 * under an ordinal: another one than the record's, or 0 for the record's.
 * raw_size is the value's size when decompressed, header included.
 */
extern Datum side_table_reference_make(uint64 transaction_id, uint32 ordinal,
									   Size raw_size);

/* Returns the transaction that has stored the value; 0 for the record's. */
extern uint64 side_table_reference_transaction(Datum reference);

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

/* Is a value there, be it written by this transaction or a committed one? */
extern bool side_table_has(Relation side, uint64 transaction_id,
						   uint32 ordinal);

/*
 * Lists a value that is stored, by what the pointer to it says and by the xid
 * that has stored it in the stream's table, with its epoch.
 */
extern void side_table_list(Relation side, const ValueIdentity *identity,
							uint64 value_xid, const ValueCopy *copy);

/*
 * Looks for a value that was listed, by this transaction or a committed one.
 * Returns false if there is none.
 */
extern bool side_table_find_listed(Relation side, const ValueIdentity *identity,
								   uint64 value_xid, ValueCopy *copy);

#endif /* DDBSTREAMS_SIDE_TABLE_H */
