/*
 * captured_relation.h
 *	  What capture must know of a relation, looked up once.
 */
#ifndef DDBSTREAMS_CAPTURED_RELATION_H
#define DDBSTREAMS_CAPTURED_RELATION_H

#include "base/ddbstreams.h"

#include "executor/tuptable.h"

#include "capture/virtual_columns.h"
#include "registry/row_descriptor.h"
#include "registry/stream_key.h"
#include "registry/view_type.h"

typedef struct KeyColumn
{
	AttrNumber attnum; /* the relation's own */
	KeyHash	   hash;
	Oid		   collation;
} KeyColumn;

typedef struct CapturedRelation
{
	Oid					   relid;
	bool				   stale; /* set by the relcache callback, nothing else */
	Oid					   root;  /* the table that the stream is on */
	int64				   stream_id;
	StreamViewType		   view_type;
	RowDescriptor		  *descriptor;
	int					   key_count;
	KeyColumn			  *key;
	int					   partition_count;
	KeyColumn			  *partition;		 /* the partition key */
	bool				   partition_is_key; /* both hash the same columns alike */
	uint64				   buffer_serial;	 /* of the buffer that the next is in */
	struct StreamBuffer	  *buffer;
	struct WritableShards *open_shards; /* see writable_shards_make_buffer */
	Oid					   file_number; /* of the table, with this generation */
	uint32				   generation;	/* see change_buffer_generation */
	VirtualColumns		  *virtuals;	/* NULL: none */
	bool				   plain;		/* images may be copied from tuples as they are */
} CapturedRelation;

extern CapturedRelation *captured_relation_get(Relation rel);
extern uint64			 captured_relation_hash(KeyColumn *columns, int count,
												TupleTableSlot *slot);
extern void				 captured_relation_end_transaction(void);


#endif /* DDBSTREAMS_CAPTURED_RELATION_H */
