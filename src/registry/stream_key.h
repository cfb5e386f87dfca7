/*
 * stream_key.h
 *	  The key of a table: which columns it has, and how they are hashed.
 */
#ifndef DDBSTREAMS_STREAM_KEY_H
#define DDBSTREAMS_STREAM_KEY_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
#include "catalog/partition.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/rel.h"

typedef struct TableKey
{
	int			count;
	AttrNumber *attnums;
	char	  **names;
	bool		deferrable;
} TableKey;

/* Returns a table's primary key as it is now, palloc'd, or NULL. */
extern TableKey *stream_key_of(Relation rel);

/* How the values of a type are hashed */
typedef struct KeyHash
{
	FmgrInfo function;
	bool	 is_narrow; /* it makes 32 bits, which are spread over 64 */
} KeyHash;

/*
 * Finds the function that hashes values of a type, as hash partitioning does
 * or, if the type's hash operator class is without a 64-bit function, as hash
 * joins do, and sets it up in a memory context.  Returns false if the type has
 * no hash operator class.
 */
extern bool stream_key_hash_find(Oid type, KeyHash *hash, MemoryContext context);

/* Hashes a value, which is not null. */
static inline uint64
stream_key_hash_value(KeyHash *hash, Oid collation, Datum value)
{
	if (hash->is_narrow)
		return DatumGetUInt64(hash_uint32_extended(DatumGetUInt32(FunctionCall1Coll(&hash->function,
																					collation,
																					value)),
												   HASH_PARTITION_SEED));
	return DatumGetUInt64(FunctionCall2Coll(&hash->function, collation, value,
											UInt64GetDatum(HASH_PARTITION_SEED)));
}

/*
 * Returns a text, palloc'd, that says how some columns are hashed: the
 * function, the type in all its parts, and the collation where it matters.
 * Two keys with the same text hash alike.  Raises an error if a column cannot
 * be hashed.
 */
extern char *stream_key_hash_functions(Relation rel, int count,
									   const AttrNumber *attnums);

/*
 * May the text that stream_key_hash_functions has returned be another one
 * after an ALTER TYPE of a composite type?
 */
extern bool stream_key_hash_depends_on(const char *hash_functions, Oid type);

/*
 * Returns the columns that the argument partition_key names, as a list of
 * char *.  Raises an error if it names none.
 */
extern List *stream_key_names(ArrayType *partition_key);

#endif /* DDBSTREAMS_STREAM_KEY_H */
