/*
 * large_value.c
 *	  Values that records refer to: storing them, or finding their copies.
 *
 * A value out of line that an UPDATE leaves alone is the same in both versions
 * of the row, as a pointer: the numbers of its TOAST table and of the value in
 * it.  If the side table has a copy of it already, because an earlier change
 * has stored it, the record can refer to that.  README says when two pointers
 * that are equal are known to mean the same value; the rules are
 *
 *	in this transaction: always, in one file of the table;
 *	of another transaction: if the row version that has the pointer was made by
 *		the transaction that is noted with the copy (known_values.c); or if the
 *		value itself was stored by the one that is listed with the copy, which
 *		takes a look at its TOAST table (side_table.c).
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/transam.h"
#include "access/xact.h"
#include "utils/fmgroids.h"

#include "capture/change_source.h"
#include "capture/known_values.h"
#include "capture/large_value.h"
#include "capture/own_values.h"
#include "capture/writable_shards.h"
#include "shard/side_table.h"

bool
large_value_identify(Datum value, ValueIdentity *identity)
{
	struct varatt_external pointer;

	memset(identity, 0, sizeof(ValueIdentity));
	if (!VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
		return false;
	VARATT_EXTERNAL_GET_POINTER(pointer, (struct varlena *) DatumGetPointer(value));
	identity->toast_relid = pointer.va_toastrelid;
	identity->value_id = pointer.va_valueid;
	identity->raw_size = pointer.va_rawsize;
	identity->extinfo = pointer.va_extinfo;
	return true;
}

/*
 * Returns an xid with its epoch.  It is that of a row version that is not
 * frozen, so it is not far from this transaction's.
 */
static uint64
xid_with_epoch(TransactionId xid)
{
	FullTransactionId own = GetTopFullTransactionId();
	int32			  distance = (int32) (xid - XidFromFullTransactionId(own));

	return U64FromFullTransactionId(own) + (int64) distance;
}

/* Adds a mention of a copy to the buffer, for the append. */
static void
add_mention(const LargeValue *value, const ValueCopy *copy)
{
	BufferedValue header;

	memset(&header, 0, sizeof(header));
	header.identity = value->identity;
	header.keeper = value->keeper;
	header.copy = *copy;
	change_buffer_add_value(value->bucket, value->hash, &header, NULL, 0);
}

static void
remember(const LargeValue *value, const ValueCopy *copy)
{
	OwnValue own;

	own.key.identity = value->identity;
	own.key.generation = value->generation;
	own.copy = *copy;
	own.side_table = value->bucket->side_table;
	own.side_number = value->bucket->side_number;
	own.hash = value->hash;
	own.keeper = value->keeper;
	own_values_put(&own);
}

/*
 * A copy that this transaction stores goes to the side table of its change's
 * shard.  A change with another hash may go to a shard with another one; so
 * may one with the same hash, if a partition has gone to another table with a
 * stream.
 */
static bool
find_own(const LargeValue *value, ValueCopy *copy)
{
	const OwnValueKey key = {value->identity, value->generation};
	OwnValue		 *own = own_values_find(&key);

	if (own == NULL)
		return false;
	*copy = own->copy;
	if (own->side_table != value->bucket->side_table ||
		own->side_number != value->bucket->side_number)
		return false;
	if (own->hash != value->hash && copy->transaction_id == 0)
		return false;
	if (own->hash != value->hash ||
		(TransactionIdIsValid(value->keeper) && own->keeper != value->keeper))
	{
		add_mention(value, copy);
		own->keeper = value->keeper;
	}
	return true;
}

static bool
find_known(const LargeValue *value, ValueCopy *copy)
{
	if (!TransactionIdIsNormal(value->holder) ||
		TransactionIdIsCurrentTransactionId(value->holder) ||
		!known_values_find(&value->identity, xid_with_epoch(value->holder),
						   value->bucket->side_table,
						   value->bucket->side_number, copy) ||
		!writable_shards_keep_side_table(value->bucket))
		return false;
	add_mention(value, copy);
	remember(value, copy);
	return true;
}

/*
 * Returns the xid that has stored a value in its TOAST table, with its epoch;
 * 0 if it cannot be told, or is one that may yet store another.
 */
static uint64
storing_xid(const ValueIdentity *identity)
{
	Relation	toast = table_open(identity->toast_relid, AccessShareLock);
	Oid			index = toast_get_valid_index(identity->toast_relid, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	uint64		result = 0;
	int			count = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(identity->value_id));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(0));
	scan = systable_beginscan(toast, index, true, SnapshotAny, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		TransactionId xid = HeapTupleHeaderGetRawXmin(tuple->t_data);
		bool		  frozen = HeapTupleHeaderXminFrozen(tuple->t_data);

		count++;
		if (!TransactionIdIsNormal(xid) ||
			TransactionIdIsCurrentTransactionId(xid))
			continue;
		/* Of a frozen one the epoch is known as long as there is only one. */
		if (!frozen)
			result = xid_with_epoch(xid);
		else if (EpochFromFullTransactionId(GetTopFullTransactionId()) == 0)
			result = xid;
	}
	systable_endscan(scan);
	table_close(toast, AccessShareLock);
	return count == 1 ? result : 0;
}

/*
 * Looks for a value that was in a version of another transaction in the list
 * of the side table.
 */
static bool
find_listed(LargeValue *value, ValueCopy *copy)
{
	Relation side;
	bool	 found;

	if (!TransactionIdIsValid(value->holder) ||
		TransactionIdIsCurrentTransactionId(value->holder) ||
		!writable_shards_keep_side_table(value->bucket))
		return false;
	value->value_xid = storing_xid(&value->identity);
	if (value->value_xid == 0)
		return false;
	side = table_open(value->bucket->side_table, AccessShareLock);
	found = side_table_find_listed(side, &value->identity, value->value_xid, copy);
	table_close(side, AccessShareLock);
	if (found)
	{
		add_mention(value, copy);
		remember(value, copy);
	}
	return found;
}

bool
large_value_find(LargeValue *value, Datum *reference)
{
	ValueCopy copy;

	if (!find_own(value, &copy) && !find_known(value, &copy) &&
		!find_listed(value, &copy))
		return false;
	*reference = side_table_reference_make(copy.transaction_id, copy.ordinal,
										   value->identity.raw_size);
	return true;
}

Datum
large_value_store(const LargeValue *value, Datum content)
{
	BufferedValue header;

	memset(&header, 0, sizeof(header));
	header.identity = value->identity;
	header.keeper = value->keeper;
	header.value_xid = value->value_xid;
	header.copy.ordinal = change_buffer_next_ordinal();
	change_buffer_add_value(value->bucket, value->hash, &header,
							DatumGetPointer(content),
							VARSIZE_ANY(DatumGetPointer(content)));
	if (OidIsValid(value->identity.toast_relid))
		remember(value, &header.copy);
	return side_table_reference_make(0, header.copy.ordinal,
									 toast_raw_datum_size(content));
}

/*
 * A transaction in which a table had more than one file may have left two
 * values with one number.  What it has is not published.
 */
void
large_value_publish(const BufferedValue *value, uint64 transaction_id,
					Oid side_table, int64 side_number)
{
	ValueCopy copy = value->copy;

	if (!OidIsValid(value->identity.toast_relid) ||
		!TransactionIdIsNormal(value->keeper) ||
		change_source_has_new_files())
		return;
	if (copy.transaction_id == 0)
		copy.transaction_id = transaction_id;
	known_values_put(&value->identity, xid_with_epoch(value->keeper),
					 side_table, side_number, &copy);
}
