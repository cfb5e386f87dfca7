/*
 * own_values.h
 *	  Copies of large values that the present transaction knows.
 */
#ifndef DDBSTREAMS_OWN_VALUES_H
#define DDBSTREAMS_OWN_VALUES_H

#include "base/ddbstreams.h"

#include "access/xact.h"

#include "capture/change_buffer.h"

/* Which value, in which file of its table; without padding */
typedef struct OwnValueKey
{
	ValueIdentity identity;
	uint32		  generation; /* of its source, see change_source_find */
} OwnValueKey;

/* A value that a change of this transaction has or had */
typedef struct OwnValue
{
	OwnValueKey	  key;
	ValueCopy	  copy;
	Oid			  side_table; /* that the bucket expects */
	int64		  side_number;
	uint64		  hash;	  /* of the partition key of the change */
	TransactionId keeper; /* of the row version that it was found in last,
								* or invalid */
} OwnValue;

/* Returns what is known of a value, or NULL. */
extern OwnValue *own_values_find(const OwnValueKey *key);

/* Remembers a value, in place of what was known of it. */
extern void own_values_put(const OwnValue *value);

/* Forgets what an aborted subtransaction, and those in it, have put. */
extern void own_values_cut(SubTransactionId subid);

#endif /* DDBSTREAMS_OWN_VALUES_H */
