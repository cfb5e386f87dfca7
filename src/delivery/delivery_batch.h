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
	BATCH_FULL,			 /* as many records, or bytes, as it may have */
	BATCH_AT_LAST,		 /* the last number that was asked for */
	BATCH_AT_WINDOW,	 /* the end of the first record's tumbling window */
	BATCH_PASSED_MANY,	 /* so many passed over that it is time for a checkpoint */
	BATCH_AT_UNRESOLVED, /* nothing more can be read now */
	BATCH_AT_HEAP_END
} BatchEnd;

typedef struct BatchRequest
{
	const MappingInfo *mapping;
	const StreamInfo  *stream;
	const ShardInfo	  *shard;
	const FilterSet	  *filter; /* or NULL */
	int				   lane;
	int				   lanes;
	int64			   after; /* numbers behind this one */
	int64			   last;  /* and not behind this one */
	int				   max_records;
	int64			   window_usec; /* end with the first record's window; 0: none */
	bool			   count_only;	/* no texts and no numbers */
} BatchRequest;

typedef struct DeliveryBatch
{
	BatchEnd	   end;
	int			   count;
	int64		  *numbers;	 /* of the records, rising */
	StringInfoData records;	 /* their JSON texts, with commas between */
	int64		   through;	 /* what is up to here is in it or was passed over */
	int64		   filtered; /* records that the filter has passed over */
} DeliveryBatch;

extern void delivery_batch_read(DeliveryBatch *batch, const BatchRequest *request,
								Snapshot snapshot);

extern TimestampTz delivery_batch_window_start(int64 number, int64 window_usec);

#endif /* DDBSTREAMS_DELIVERY_BATCH_H */
