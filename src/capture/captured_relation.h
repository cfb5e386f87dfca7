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

/* A table with a stream, or a partition of one */
typedef struct CapturedRelation
{
	Oid				relid;
	bool			stale;	 /* set by the relcache callback alone */
	bool			is_copy; /* nothing is captured, and the rest is not set */
	Oid				root;	 /* the table that the stream is on */
	int64			stream_id;
	StreamViewType	view_type;
	RowDescriptor  *descriptor;
	int				key_count;
	KeyColumn	   *key;
	int				partition_count;
	KeyColumn	   *partition;		  /* the partition key */
	bool			partition_is_key; /* both hash the same columns alike */
	VirtualColumns *virtuals;		  /* NULL: none */
	bool			plain;			  /* tuples may be copied as they are */
	bool			is_heap;		  /* xids of tuples mean what heaps mean */
	Oid				trigger;		  /* known to be enable_stream's */

	/* Where capture.c keeps what it has found out for a transaction */
	uint64				 buffer_serial; /* change_buffer_serial then */
	struct StreamBuffer *buffer;
	Oid					 file_number; /* the table's, of this source */
	uint32				 source;	  /* see change_source_find */
} CapturedRelation;

/*
 * Returns what capture must know of a relation for which a capture trigger
 * fires; raises an error if no stream is enabled on it, unless the trigger is
 * a copy of one whose stream is disabled.  The result stays valid to the end
 * of the transaction.
 */
extern CapturedRelation *captured_relation_get(Relation rel);

/*
 * Returns the same if the last call was for this relation, and nothing has
 * changed since; else NULL.
 */
extern CapturedRelation *captured_relation_last(Relation rel);

/*
 * Hashes columns of a row into the unsigned 64-bit space that the ranges of
 * shards divide.  Equal values of a key have equal hashes in all partitions.
 */
extern uint64 captured_relation_hash(KeyColumn *columns, int count,
									 TupleTableSlot *slot);

/*
 * Frees what is stale.  Called at the end of each transaction, when no capture
 * trigger is on the stack.
 */
extern void captured_relation_end_transaction(void);

#endif /* DDBSTREAMS_CAPTURED_RELATION_H */
