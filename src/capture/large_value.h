/*
 * large_value.h
 *	  Values that records refer to: storing them, or finding their copies.
 */
#ifndef DDBSTREAMS_LARGE_VALUE_H
#define DDBSTREAMS_LARGE_VALUE_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

/* A value of a change, and where it was found */
typedef struct LargeValue
{
	ChangeBucket *bucket; /* of the change */
	uint64		  hash;	  /* of its partition key */
	ValueIdentity identity;
	uint32		  generation; /* of the table's file */

	/* The xids of row versions that have the value, or invalid ones */
	TransactionId holder; /* of the version that the change has found */
	TransactionId keeper; /* of the version that it has made */

	uint64 value_xid; /* set by large_value_find, for large_value_store */
} LargeValue;

/*
 * Sets the identity of a value out of line.  Returns false if it has none by
 * which a copy could be found.
 */
extern bool large_value_identify(Datum value, ValueIdentity *identity);

/*
 * Finds a copy of the value that the record may refer to.  Returns false if
 * there is none, else sets the reference, palloc'd.
 */
extern bool large_value_find(LargeValue *value, Datum *reference);

/*
 * Adds a value, a varlena of any kind but an external one, to the buffer, and
 * returns the reference to it, palloc'd.  If it has no identity its copy is
 * not going to be found.
 */
extern Datum large_value_store(const LargeValue *value, Datum content);

/*
 * For the append: other changes may refer to the copy of a value from now on,
 * which is in this side table.  transaction_id is that of the present
 * transaction.
 */
extern void large_value_publish(const BufferedValue *value,
								uint64 transaction_id, Oid side_table,
								int64 side_number);

#endif /* DDBSTREAMS_LARGE_VALUE_H */
