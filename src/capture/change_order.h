/*
 * change_order.h
 *	  Putting a bucket's changes in the order of the row versions.
 */
#ifndef DDBSTREAMS_CHANGE_ORDER_H
#define DDBSTREAMS_CHANGE_ORDER_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

extern uint64 *change_order_positions(ChangeBucket *bucket, uint64 *count);

#endif /* DDBSTREAMS_CHANGE_ORDER_H */
