/*
 * row_descriptor.h
 *	  What is needed to read an image without today's catalogues.
 */
#ifndef DDBSTREAMS_ROW_DESCRIPTOR_H
#define DDBSTREAMS_ROW_DESCRIPTOR_H

#include "base/ddbstreams.h"

#include "access/tupdesc.h"
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
} RowColumn;

typedef struct RowDescriptor
{
	int64		id;		 /* a hash of the content */
	bytea	   *content; /* stored under that id; set if built here */
	int			natts;
	int			key_count;
	AttrNumber *key_attnums; /* in the order of the key */
	TupleDesc	stored_desc; /* how the columns lie in an image */
	bool		has_rendered;
	bool		has_virtual;
	RowColumn	columns[FLEXIBLE_ARRAY_MEMBER];
} RowDescriptor;

extern RowDescriptor	   *row_descriptor_build(Relation rel, Oid root, int key_count,
												 const AttrNumber *key_attnums);
extern const RowDescriptor *row_descriptor_get(int64 id);
extern uint64				row_descriptor_generation(void);
extern bool					row_descriptor_is_stale(uint64 generation);

extern void row_descriptor_use(const RowDescriptor *descriptor);
extern bool row_descriptor_all_stored(void);
extern void row_descriptor_store_used(void);
extern void row_descriptor_forget_used(void);

#endif /* DDBSTREAMS_ROW_DESCRIPTOR_H */
