/*
 * delivery.h
 *	  Delivering records to handlers.
 *
 * unit			what is delivered in order: a lane of a shard for a mapping, or
 *				a mapping's failed batches that are redriven
 * dispatcher	the process of a database that knows its units and says which
 *				are to be looked at (delivery_dispatcher.c)
 * handler worker	a process that runs units, one at a time, as the role that
 *				made the mapping (handler_worker.c)
 * step			one batch: counted, called, its end written down (delivery_step.c)
 */
#ifndef DDBSTREAMS_DELIVERY_H
#define DDBSTREAMS_DELIVERY_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/* The lane of the unit of a mapping's failed batches, whose shard_no is 0 */
#define REDRIVE_LANE (-1)

typedef struct DeliveryUnit
{
	int64 mapping_no;
	int64 shard_no;
	int64 lane; /* as wide as the others, so that it can be hashed as bytes */
} DeliveryUnit;

/* What there is to be done with a unit after a handler has looked at it */
typedef enum DeliveryResult
{
	DELIVERY_IDLE,	  /* nothing until something is appended */
	DELIVERY_AGAIN,	  /* there may be more at once */
	DELIVERY_WAIT,	  /* nothing until wake_at or until something is appended */
	DELIVERY_BLOCKED, /* nothing until wake_at */
	DELIVERY_CHANGED  /* it is finished or gone: the tables tell */
} DeliveryResult;

typedef struct DeliveryOutcome
{
	DeliveryResult result;
	TimestampTz	   wake_at;
	TimestampTz	   not_before; /* no use to look earlier, whatever is appended */
	bool		   suspect;	   /* its batch has ended a process before */
	bool		   slow;	   /* its call took longer than a time slice */

	/*
	 * Records that a filter or another lane has passed over are not worth a
	 * checkpoint each time; nothing up to here need be looked at again.
	 */
	int64		scanned_to;
	TimestampTz scanned_since;	  /* when that was ahead of the checkpoint first */
	int64		scanned_filtered; /* how many were passed over by the filter */
} DeliveryOutcome;

/* How long a unit may run while others wait */
#define DELIVERY_TIME_SLICE_MS 500

/* After so many processes have died of one batch it is given up */
#define DELIVERY_MAX_CRASHES 3

/* A request's and an answer's payload, as Lambda limits them */
#define DELIVERY_MAX_PAYLOAD (6 * 1024 * 1024)

/* A tumbling window's state */
#define DELIVERY_MAX_STATE (1024 * 1024)

#endif /* DDBSTREAMS_DELIVERY_H */
