/*
 * record_build.h
 *	  Making the record of a change, in the change buffer.
 */
#ifndef RECORD_BUILD_H
#define RECORD_BUILD_H

#include "ddbstreams.h"

#include "executor/tuptable.h"

#include "captured_relation.h"
#include "change_buffer.h"
#include "record.h"

/* A row version to be captured */
typedef struct RowVersion
{
	HeapTuple	tuple;			/* NULL if the row is not stored like that */
	TupleTableSlot *slot;		/* deformed as far as need be */
} RowVersion;

extern void record_build(CapturedRelation *facts, StreamBuffer *buffer,
						 TupleDesc tupdesc,
						 RecordEvent event, const RowVersion *old,
						 const RowVersion *new, const bool *same,
						 ItemPointer old_tid, ItemPointer new_tid,
						 bool disordered);
extern void record_build_unchanged(CapturedRelation *facts,
								   StreamBuffer *buffer,
								   const RowVersion *version,
								   ItemPointer old_tid, ItemPointer new_tid,
								   bool disordered);

#endif							/* RECORD_BUILD_H */
