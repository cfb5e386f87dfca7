/*
 * page_writer.h
 *	  Filling the pages at a shard's end.
 */
#ifndef DDBSTREAMS_PAGE_WRITER_H
#define DDBSTREAMS_PAGE_WRITER_H

#include "base/ddbstreams.h"

#include "shard/record.h"
#include "storage/block.h"
#include "utils/rel.h"

/*
 * Appends records to a shard's heap, in their order, as tuples of the present
 * transaction, and gives them the numbers from first_number on.  The caller
 * holds the shard's append lock.  An error may leave some of them in the heap;
 * they are of an aborted transaction then.  Returns how many pages the shard
 * had before.
 */
extern BlockNumber page_writer_append(Relation shard, const NewRecord *records,
									  int count, int64 first_number,
									  uint64 transaction_id);

#endif /* DDBSTREAMS_PAGE_WRITER_H */
