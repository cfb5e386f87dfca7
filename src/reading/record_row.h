/*
 * record_row.h
 *	  A record as a row: the columns of get_records.
 */
#ifndef DDBSTREAMS_RECORD_ROW_H
#define DDBSTREAMS_RECORD_ROW_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "reading/record_page.h"
#include "utils/tuplestore.h"

/* Makes the rows of a page, one after another. */
typedef struct RecordRow
{
	RecordPage	  *page;
	const char	  *shard_id; /* the first column, or NULL: there is none */
	StringInfoData tuple;	 /* the present one */
} RecordRow;

/*
 * Prepares for the rows of a page, in the current memory context.  With a
 * shard id they have it as their first column.
 */
extern void record_row_begin(RecordRow *row, RecordPage *page, const char *shard_id);

/* Puts a row with the page's present record to a tuplestore. */
extern void record_row_put(RecordRow *row, Tuplestorestate *store);

#endif /* DDBSTREAMS_RECORD_ROW_H */
