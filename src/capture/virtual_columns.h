/*
 * virtual_columns.h
 *	  The values that virtual generated columns have when a row is captured.
 */
#ifndef DDBSTREAMS_VIRTUAL_COLUMNS_H
#define DDBSTREAMS_VIRTUAL_COLUMNS_H

#include "base/ddbstreams.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "registry/row_descriptor.h"

typedef struct VirtualColumns VirtualColumns;

/* One row's, in the order of the columns: rendered values (rendered_value.h) */
typedef struct VirtualValues
{
	Datum *values;
	bool  *nulls;
} VirtualValues;

extern VirtualColumns *virtual_columns_build(Relation rel, Oid root,
											 const RowDescriptor *descriptor);
extern void			   virtual_columns_compute(VirtualColumns *virtuals,
											   TupleTableSlot *slot,
											   VirtualValues  *result);
extern bool			   virtual_columns_equal(const VirtualValues *a,
											 const VirtualValues *b, int n);

#endif /* DDBSTREAMS_VIRTUAL_COLUMNS_H */
