/*
 * row_reference.h
 *	  Changes that refer to a row version of their table.
 */
#ifndef DDBSTREAMS_ROW_REFERENCE_H
#define DDBSTREAMS_ROW_REFERENCE_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "storage/buf.h"

#include "capture/change_buffer.h"
#include "shard/frame.h"

/* A change that refers to a row version, and where its entry is to be */
typedef struct RowReference
{
	const ChangeItem *item;
	FrameEntry		 *out; /* MAXALIGNed, with room for the entry's size */
} RowReference;

/* A page of a table, which is pinned if buffer is valid */
typedef struct RowPage
{
	CompatFileLocator locator;
	BlockNumber		  block;
	Buffer			  buffer;
} RowPage;

typedef struct RowReferences
{
	RowPage current;
	RowPage next;
} RowReferences;

extern void row_reference_begin(RowReferences *references);

/*
 * Writes the entries of changes that refer to row versions: what each item has
 * of it, and the image.
 */
extern void row_reference_resolve(RowReferences		 *references,
								  const RowReference *list, int count);

/* Unpins what is pinned; row_reference_resolve can be called again. */
extern void row_reference_end(RowReferences *references);

/*
 * Writes the image that a tuple of length bytes is: the null bitmap, if any,
 * and the values.
 */
extern void row_image_write(const HeapTupleHeaderData *tuple, Size length,
							char *out);

#endif /* DDBSTREAMS_ROW_REFERENCE_H */
