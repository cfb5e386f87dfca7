/*
 * delivery_lanes.h
 *	  The lanes of a shard: making, dividing and removing their positions.
 *
 * The dispatcher calls these, in a transaction, while no handler worker runs a
 * unit of the shard for the mapping.  They never wait for a lock.
 */
#ifndef DDBSTREAMS_DELIVERY_LANES_H
#define DDBSTREAMS_DELIVERY_LANES_H

#include "base/ddbstreams.h"

/*
 * Makes the positions with which a mapping begins a shard.  Returns false, and
 * makes none, if the mapping has been deleted or is about to be.
 */
extern bool delivery_lanes_begin(int64 mapping_no, int64 shard_no, int lanes,
								 int64 checkpoint);

/* What delivery_lanes_divide has done */
typedef enum DivideResult
{
	DIVIDE_DONE,
	DIVIDE_DRAINS, /* the lanes have been told where to stop */
	DIVIDE_WAITS   /* they have not come there yet, or are locked */
} DivideResult;

/*
 * Divides a shard into another number of lanes, or prepares that: see
 * delivery_lanes.c.
 */
extern DivideResult delivery_lanes_divide(int64 mapping_no, int64 shard_no,
										  int lanes);

/* The lanes of a shard need not stop any more: it is not to be divided. */
extern void delivery_lanes_cancel_divide(int64 mapping_no, int64 shard_no);

/* Removes the finished positions of a shard that has expired. */
extern void delivery_lanes_forget(int64 mapping_no, int64 shard_no);

#endif /* DDBSTREAMS_DELIVERY_LANES_H */
