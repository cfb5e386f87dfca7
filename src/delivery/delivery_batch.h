/*
 * delivery_batch.h
 *	  The records that a handler is called with.
 */
#ifndef DDBSTREAMS_DELIVERY_BATCH_H
#define DDBSTREAMS_DELIVERY_BATCH_H

#include "base/ddbstreams.h"

#include "lib/stringinfo.h"
#include "utils/snapshot.h"

#include "filter/filter_set.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/* What has ended a batch */
typedef enum BatchEnd
{
	BATCH_FULL,			 /* it has as many records, or bytes, as it may have */
	BATCH_AT_LAST,		 /* the last number that was asked for */
	BATCH_AT_WINDOW,	 /* the end of the first record's tumbling window */
	BATCH_PASSED_MANY,	 /* so many passed over that a checkpoint is due */
	BATCH_AT_UNRESOLVED, /* a record whose transaction is still in flight */
	BATCH_AT_HEAP_END	 /* the end of what the shard has */
} BatchEnd;

typedef struct BatchRequest
{
	const MappingInfo *mapping;
	const StreamInfo  *stream;
	const ShardInfo	  *shard;
	const FilterSet	  *filter; /* or NULL */
	int				   lane;
	int				   lanes;
	int64			   after; /* records with higher numbers than this one */
	int64			   last;  /* and not higher than this one */
	int				   max_records;
	int64			   window_usec; /* of the window that it ends with; or 0 */
	bool			   count_only;	/* no texts and no numbers are wanted */
	int64			   careful_to;	/* may be unreadable up to here; or 0 */
} BatchRequest;

typedef struct DeliveryBatch
{
	BatchEnd	   end;
	int			   count;
	int64		  *numbers;	 /* of the records, rising */
	StringInfoData records;	 /* their JSON texts, with commas between them */
	int64		   through;	 /* all up to here are in it or passed over */
	int64		   filtered; /* how many the filter has passed over */
	int64		   reading;	 /* the record that has caused an error; or 0 */
	ErrorData	  *error;	 /* it is a record that cannot be read; or NULL */
} DeliveryBatch;

/*
 * Reads the batch that is asked for, under the snapshot, into
 * CurrentMemoryContext.  Waits until the shard has fewer deliveries that read
 * it than it may have (reader_slots.c); holds no lock afterwards.
 *
 * An error can be that of a record which cannot be read, or not be shown to
 * the filter: batch->reading is its number then.  Records up to careful_to
 * raise no such error: a batch ends before one that cannot be read, and if
 * that would be the first one, it is a batch of its own, without keys and
 * images, and no filter is asked.
 */
extern void delivery_batch_read(DeliveryBatch *batch, const BatchRequest *request,
								Snapshot snapshot);

/*
 * Can an error be that of a record?  A cancellation, a deadlock or a lock that
 * could not be had cannot.
 */
extern bool delivery_batch_is_error_of_record(const ErrorData *error);

/*
 * Returns when the tumbling window begins that the record of that number
 * belongs to.  window_usec is the length of a window in microseconds; windows
 * are counted from 1970.
 */
extern TimestampTz delivery_batch_window_start(int64 number, int64 window_usec);

#endif /* DDBSTREAMS_DELIVERY_BATCH_H */
