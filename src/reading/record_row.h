/*
 * record_row.h
 *	  A record as a row: the columns of get_records.
 */
#ifndef DDBSTREAMS_RECORD_ROW_H
#define DDBSTREAMS_RECORD_ROW_H

#include "base/ddbstreams.h"

#include "reading/record_page.h"

#define RECORD_ROW_COLUMNS 15

/* What all rows of a page share */
typedef struct RecordRow
{
	Datum version;
	Datum source;
	Datum region;
	Datum view_type;
} RecordRow;

/* Prepares for the rows of a page, in the current memory context. */
extern void record_row_begin(RecordRow *row, const RecordPage *page);

/*
 * Fills RECORD_ROW_COLUMNS values and nulls with the page's present record.
 * They are palloc'd in the current memory context.
 */
extern void record_row_fill(const RecordRow *row, RecordPage *page,
							Datum *values, bool *nulls);

#endif /* DDBSTREAMS_RECORD_ROW_H */
