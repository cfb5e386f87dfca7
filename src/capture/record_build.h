/*
 * record_build.h
 *	  Making the record of a change, in the change buffer.
 */
#ifndef DDBSTREAMS_RECORD_BUILD_H
#define DDBSTREAMS_RECORD_BUILD_H

#include "base/ddbstreams.h"

#include "executor/tuptable.h"

#include "capture/captured_relation.h"
#include "capture/change_buffer.h"
#include "shard/record.h"

/* A row version to be captured */
typedef struct RowVersion
{
	HeapTuple		tuple;
	TupleTableSlot *slot; /* of the same tuple; deformed as far as need be */
	const struct RowVersion *before; /* of which an UPDATE has made it, or NULL */
	const struct RowVersion *after;	 /* which an UPDATE has made of it, or NULL */
} RowVersion;

/*
 * Adds the record of one change to the transaction's buffer, and returns the
 * bucket that it is in.  old and new are the versions of the row, and same
 * says which columns of a MODIFY have not changed; what the event does not
 * have is NULL.  removed_from is NULL, or, for the INSERT half of a change of
 * the key, the bucket of its REMOVE half.  cid is the command that changed the
 * row.
 */
extern ChangeBucket *record_build(CapturedRelation *captured,
								  StreamBuffer *buffer, TupleDesc tupdesc,
								  RecordEvent event, const RowVersion *old,
								  const RowVersion *new, bool *same,
								  const ChangeBucket *removed_from,
								  CommandId			  cid);

/* Notes an update that has changed nothing; it makes no record. */
extern void record_build_unchanged(CapturedRelation *captured,
								   StreamBuffer *buffer, const RowVersion *old,
								   const RowVersion *new, CommandId cid);

#endif /* DDBSTREAMS_RECORD_BUILD_H */
