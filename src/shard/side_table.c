/*
 * side_table.c
 *	  Values too large for a shard's page.
 *
 * Each shard has a side table with a row (transaction_id, ordinal, value) for
 * each large value of its records.  TOAST stores the value out of line,
 * compressed or not as it was.  A record refers to the row by the ordinal, and
 * the row's transaction is the record's; so VACUUM FULL may move rows as it
 * likes.
 *
 * In an image the reference takes the shape of a TOAST pointer, so that the
 * functions that form and deform tuples step over it.  No such reference
 * leaves its image: only record_decode.c looks at the values of an image.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/fmgroids.h"

#include "registry/heap_write.h"
#include "shard/side_table.h"

#define Anum_side_transaction_id 1
#define Anum_side_ordinal		 2
#define Anum_side_value			 3
#define Natts_side				 3

Datum
side_table_reference_make(uint32 ordinal, Datum value)
{
	char				  *reference = palloc(TOAST_POINTER_SIZE);
	struct varatt_external pointer;

	memset(&pointer, 0, sizeof(pointer));
	pointer.va_rawsize = toast_raw_datum_size(value);
	pointer.va_valueid = ordinal;
	SET_VARTAG_EXTERNAL(reference, VARTAG_ONDISK);
	memcpy(VARDATA_EXTERNAL(reference), &pointer, sizeof(pointer));
	return PointerGetDatum(reference);
}

static struct varatt_external
get_reference(Datum reference)
{
	struct varatt_external pointer;

	Assert(VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(reference)));
	memcpy(&pointer, VARDATA_EXTERNAL(DatumGetPointer(reference)),
		   sizeof(pointer));
	return pointer;
}

uint32
side_table_reference_ordinal(Datum reference)
{
	return get_reference(reference).va_valueid;
}

Size
side_table_reference_raw_size(Datum reference)
{
	return get_reference(reference).va_rawsize;
}

void
side_table_insert(Relation side, uint64 transaction_id, uint32 ordinal,
				  const void *value)
{
	Datum values[Natts_side];
	bool  nulls[Natts_side] = {false};

	values[Anum_side_transaction_id - 1] = Int64GetDatum((int64) transaction_id);
	values[Anum_side_ordinal - 1] = Int64GetDatum(ordinal);
	values[Anum_side_value - 1] = PointerGetDatum(value);
	heap_write_insert(side, values, nulls);
}

Datum
side_table_fetch(Relation side, uint64 transaction_id, uint32 ordinal,
				 Snapshot snapshot)
{
	List	   *indexes = RelationGetIndexList(side);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Datum		value;
	bool		isnull;

	ScanKeyInit(&keys[0], Anum_side_transaction_id, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum((int64) transaction_id));
	ScanKeyInit(&keys[1], Anum_side_ordinal, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(ordinal));
	scan = systable_beginscan(side, linitial_oid(indexes), true, snapshot,
							  2, keys);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("large value %u of transaction " UINT64_FORMAT " is missing in \"%s\"",
						ordinal, transaction_id, RelationGetRelationName(side))));
	value = heap_getattr(tuple, Anum_side_value, RelationGetDescr(side), &isnull);
	if (VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		value = PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(value)));
	else
	{
		Size  size = VARSIZE_ANY(DatumGetPointer(value));
		char *copy = palloc(size);

		memcpy(copy, DatumGetPointer(value), size);
		value = PointerGetDatum(copy);
	}
	systable_endscan(scan);
	list_free(indexes);
	return value;
}
