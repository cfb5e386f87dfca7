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
	TupleTableSlot *slot; /* deformed as far as need be */
} RowVersion;

extern ChangeBucket *record_build(CapturedRelation *facts,
								  StreamBuffer *buffer, TupleDesc tupdesc,
								  RecordEvent event, const RowVersion *old,
								  const RowVersion *new, bool *same,
								  const ChangeBucket *removed_from,
								  CommandId			  cid);
extern void			 record_build_unchanged(CapturedRelation *facts,
											StreamBuffer	 *buffer,
											const RowVersion *old,
											const RowVersion *new,
											CommandId		  cid);

#endif /* DDBSTREAMS_RECORD_BUILD_H */
