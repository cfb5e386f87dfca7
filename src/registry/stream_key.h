/*
 * stream_key.h
 *	  The key of a table: which columns, and how it is hashed.
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

extern TableKey *stream_key_of(Relation rel);
extern bool		 stream_key_hash_function(Oid type, FmgrInfo *finfo,
										  MemoryContext context);
extern char		*stream_key_hash_functions(Relation rel, int count,
										   const AttrNumber *attnums);
extern List		*stream_key_names(ArrayType *partition_key);

#endif /* DDBSTREAMS_STREAM_KEY_H */
