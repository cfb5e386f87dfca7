/*
 * change_source.h
 *	  Where the changes in the change buffer come from: files of tables.
 */
#ifndef DDBSTREAMS_CHANGE_SOURCE_H
#define DDBSTREAMS_CHANGE_SOURCE_H

#include "base/ddbstreams.h"

#include "utils/rel.h"

/* What the changes of one file of a table have in common */
typedef struct ChangeSource
{
	Oid				  relid;
	CompatFileLocator locator;	  /* of the file that the TIDs are in */
	bool			  keeps_rows; /* see change_buffer_may_refer */
	uint32			  generation; /* rises with each new file */
	int64			  descriptor_id;
} ChangeSource;

/*
 * Returns the number of the source that a table's changes have now.  Its
 * generation tells apart rows with the same TID: those of different tables,
 * and those of the files that a table has before and after TRUNCATE or a
 * rewrite.
 */
extern uint32 change_source_find(Relation rel, int64 descriptor_id);

/* A table is about to be truncated, perhaps without getting a new file. */
extern void change_source_new_generation(Relation rel);

/* Has a table had more than one generation in this transaction? */
extern bool change_source_has_new_files(void);

/*
 * Returns the source with a number.  The result stays valid until the next
 * source is made.
 */
extern const ChangeSource *change_source_get(uint32 number);

/* The buffer is empty from here on; the transaction goes on. */
extern void change_source_close(void);

/* The transaction has ended. */
extern void change_source_forget(void);

#endif /* DDBSTREAMS_CHANGE_SOURCE_H */
