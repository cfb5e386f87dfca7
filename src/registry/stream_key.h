/*
 * stream_key.h
 *	  The key of a table: which columns it has, and how they are hashed.
 */
#ifndef DDBSTREAMS_STREAM_KEY_H
#define DDBSTREAMS_STREAM_KEY_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
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

/*
 * Finds the function that hashes values of a type, as hash partitioning does,
 * and sets finfo up in a memory context.  Returns false if the type has no
 * hash operator class that supports a 64-bit hash.
 */
extern bool stream_key_hash_function(Oid type, FmgrInfo *finfo,
									 MemoryContext context);

/*
 * Returns the names of the functions that hash some columns, with their
 * collations where these matter, palloc'd.  Two keys with the same names hash
 * alike.  Raises an error if a column cannot be hashed.
 */
extern char *stream_key_hash_functions(Relation rel, int count,
									   const AttrNumber *attnums);

/*
 * Returns the columns that the argument partition_key names, as a list of
 * char *.  Raises an error if it names none.
 */
extern List *stream_key_names(ArrayType *partition_key);

#endif /* DDBSTREAMS_STREAM_KEY_H */
