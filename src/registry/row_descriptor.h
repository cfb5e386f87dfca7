/*
 * row_descriptor.h
 *	  What is needed to read an image without today's catalogues.
 */
#ifndef DDBSTREAMS_ROW_DESCRIPTOR_H
#define DDBSTREAMS_ROW_DESCRIPTOR_H

#include "base/ddbstreams.h"

#include "access/tupdesc.h"
#include "typed_json/quick_value.h"
#include "utils/rel.h"

/* How a column's values are kept in an image */
typedef enum ColumnForm
{
	COLUMN_RAW = 'r',	   /* as PostgreSQL stores them */
	COLUMN_RENDERED = 't', /* rendered at capture (rendered_value.h) */
	COLUMN_DROPPED = 'd'
} ColumnForm;

typedef struct RowColumn
{
	char	  *name;
	int		   name_length;
	char	  *json_name; /* "name": as JSON, with the colon */
	int		   json_name_length;
	Oid		   type;		 /* base type, of raw columns only */
	int32	   typmod;		 /* and its modifier */
	AttrNumber root_attnum;	 /* the column's number in the stream's table */
	int		   key_position; /* 1 for the key's first column; 0: no key */
	ColumnForm form;
	bool	   is_virtual; /* generated when read: computed at capture */

	/* For reading many images: how a value lies, and how it is written */
	int16	  attlen;
	bool	  attbyval;
	uint8	  alignment; /* in bytes */
	QuickKind quick;
	char	 *lead; /* ,"name":{"S":" up to the value, padded to 16 bytes */
	int		  lead_length;
} RowColumn;

typedef struct RowDescriptor
{
	int64		id;		 /* a keyed hash of the content */
	bytea	   *content; /* stored under that id; set if built here */
	int			natts;
	int			key_count;
	AttrNumber *key_attnums; /* in the order of the key */
	TupleDesc	stored_desc; /* how the columns lie in an image */
	bool		has_rendered;
	bool		has_virtual;
	RowColumn	columns[FLEXIBLE_ARRAY_MEMBER];
} RowDescriptor;

/* One that was read from the table */
typedef struct StoredDescriptor
{
	RowDescriptor *descriptor;
	MemoryContext  context; /* of all of it */
	int			   pins;
	bool		   is_kept; /* the session keeps it for others, too */
} StoredDescriptor;

/*
 * Describes a relation, which is root or a partition of it, as it is now.
 * key_attnums are the relation's own.  The result is palloc'd in
 * CurrentMemoryContext.
 */
extern RowDescriptor *row_descriptor_build(Relation rel, Oid root, int key_count,
										   const AttrNumber *key_attnums);

/*
 * Returns the descriptor that has this number, or raises an error.  It stays
 * where it is, whatever else the session reads, until it is unpinned.
 */
extern StoredDescriptor *row_descriptor_pin(int64 id);
extern void				 row_descriptor_unpin(StoredDescriptor *stored);

/*
 * Notes that this transaction's changes need a descriptor, which lives as long
 * as the transaction.  If the change is rolled back later, the note does no
 * harm.
 */
extern void row_descriptor_use(const RowDescriptor *descriptor);

/* Is it known that row_descriptor_store_used has nothing to do? */
extern bool row_descriptor_all_stored(void);

/*
 * Stores the descriptors that this transaction's changes need and that are not
 * in the table yet.
 */
extern void row_descriptor_store_used(void);

/* The transaction ends: forgets what its changes need. */
extern void row_descriptor_forget_used(void);

#endif /* DDBSTREAMS_ROW_DESCRIPTOR_H */
