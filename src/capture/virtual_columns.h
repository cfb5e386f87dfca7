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

/* The virtual columns of a relation, ready to be computed */
typedef struct VirtualColumns VirtualColumns;

/* One row's values, in the order of the columns; see rendered_value.h */
typedef struct VirtualValues
{
	Datum *values;
	bool  *nulls;
} VirtualValues;

/*
 * Prepares the virtual columns of rel, which is root or a partition of it.
 * Returns NULL if it has none.  The current memory context must live as long
 * as the result.
 */
extern VirtualColumns *virtual_columns_build(Relation rel, Oid root,
											 const RowDescriptor *descriptor);

/*
 * Computes the values of a row, palloc'd in the current memory context.  A
 * value that cannot be computed is a marker.
 */
extern void virtual_columns_compute(VirtualColumns *virtuals,
									TupleTableSlot *slot,
									VirtualValues  *result);

/* Is the n-th value of two rows the same? */
extern bool virtual_columns_equal(const VirtualValues *a,
								  const VirtualValues *b, int n);

#endif /* DDBSTREAMS_VIRTUAL_COLUMNS_H */
