/*
 * side_table.c
 *	  Values too large for a shard's page.
 *
 * Each shard has a side table with a row (transaction_id, ordinal, value) for
 * each large value of its records.  TOAST stores the value out of line,
 * compressed or not as it was.  A record refers to the row by the ordinal and,
 * if that is not the record's own, by the transaction; so VACUUM FULL may move
 * rows as it likes.
 *
 * A record refers to a value that another transaction has stored if it is
 * known to be the same (src/capture/large_value.c).  It is in the side table
 * of the record's shard in any case, so it is there as long as the record.
 *
 * Some values are listed, so that they are found by the pointer to them: a row
 * with the pointer's two numbers in place of the transaction, and LISTED in
 * place of the ordinal.
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

/* No value has this ordinal. */
#define LISTED INT64CONST(-1)

/* The value in a row that lists another one, as a bytea */
typedef struct ListedValue
{
	int32		  vl_len_;
	uint32		  ordinal;
	uint64		  transaction_id;
	uint64		  value_xid;
	ValueIdentity identity;
} ListedValue;

Datum
side_table_reference_make(uint64 transaction_id, uint32 ordinal, Size raw_size)
{
	char				  *reference = palloc(TOAST_POINTER_SIZE);
	struct varatt_external pointer;

	memset(&pointer, 0, sizeof(pointer));
	pointer.va_rawsize = raw_size;
	pointer.va_valueid = ordinal;
	pointer.va_extinfo = (uint32) (transaction_id >> 32);
	pointer.va_toastrelid = (uint32) transaction_id;
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

uint64
side_table_reference_transaction(Datum reference)
{
	struct varatt_external pointer = get_reference(reference);

	return (uint64) pointer.va_extinfo << 32 | pointer.va_toastrelid;
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

static void
insert_row(Relation side, uint64 transaction_id, int64 ordinal,
		   const void *value)
{
	Datum values[Natts_side];
	bool  nulls[Natts_side] = {false};

	values[Anum_side_transaction_id - 1] = Int64GetDatum((int64) transaction_id);
	values[Anum_side_ordinal - 1] = Int64GetDatum(ordinal);
	values[Anum_side_value - 1] = PointerGetDatum(value);
	heap_write_insert(side, values, nulls);
}

void
side_table_insert(Relation side, uint64 transaction_id, uint32 ordinal,
				  const void *value)
{
	insert_row(side, transaction_id, ordinal, value);
}

static SysScanDesc
begin_scan(Relation side, uint64 transaction_id, int64 ordinal,
		   Snapshot snapshot)
{
	List	   *indexes = RelationGetIndexList(side);
	Oid			index = linitial_oid(indexes);
	ScanKeyData keys[2];

	list_free(indexes);
	ScanKeyInit(&keys[0], Anum_side_transaction_id, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum((int64) transaction_id));
	ScanKeyInit(&keys[1], Anum_side_ordinal, BTEqualStrategyNumber,
				F_INT8EQ, Int64GetDatum(ordinal));
	return systable_beginscan(side, index, true, snapshot, 2, keys);
}

Datum
side_table_fetch(Relation side, uint64 transaction_id, uint32 ordinal,
				 Snapshot snapshot)
{
	SysScanDesc scan = begin_scan(side, transaction_id, ordinal, snapshot);
	HeapTuple	tuple;
	Datum		value;
	bool		isnull;

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
	return value;
}

bool
side_table_has(Relation side, uint64 transaction_id, uint32 ordinal)
{
	SysScanDesc scan = begin_scan(side, transaction_id, ordinal, SnapshotSelf);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	return found;
}

static uint64
listing_key(const ValueIdentity *identity)
{
	return (uint64) identity->toast_relid << 32 | identity->value_id;
}

void
side_table_list(Relation side, const ValueIdentity *identity,
				uint64 value_xid, const ValueCopy *copy)
{
	ListedValue listed;

	memset(&listed, 0, sizeof(listed));
	SET_VARSIZE(&listed, sizeof(listed));
	listed.ordinal = copy->ordinal;
	listed.transaction_id = copy->transaction_id;
	listed.value_xid = value_xid;
	listed.identity = *identity;
	insert_row(side, listing_key(identity), LISTED, &listed);
}

bool
side_table_find_listed(Relation side, const ValueIdentity *identity,
					   uint64 value_xid, ValueCopy *copy)
{
	SysScanDesc scan = begin_scan(side, listing_key(identity), LISTED,
								  SnapshotSelf);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_side_value,
										 RelationGetDescr(side), &isnull);
		ListedValue listed;

		if (VARSIZE_ANY_EXHDR(DatumGetPointer(value)) !=
			sizeof(listed) - VARHDRSZ)
			continue;
		memcpy((char *) &listed + VARHDRSZ, VARDATA_ANY(DatumGetPointer(value)),
			   sizeof(listed) - VARHDRSZ);
		found = listed.value_xid == value_xid &&
				memcmp(&listed.identity, identity, sizeof(ValueIdentity)) == 0;
		copy->transaction_id = listed.transaction_id;
		copy->ordinal = listed.ordinal;
	}
	systable_endscan(scan);
	return found;
}
