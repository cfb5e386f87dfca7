/*
 * change_order.h
 *	  Putting a bucket's changes in the order of the row versions.
 */
#ifndef DDBSTREAMS_CHANGE_ORDER_H
#define DDBSTREAMS_CHANGE_ORDER_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

/*
 * Returns the positions of a bucket's changes, for change_buffer_item_at, in
 * an order in which each change follows the one that made the version that it
 * found.  The result is palloc'd, and *count is its length.
 */
extern uint64 *change_order_positions(ChangeBucket *bucket, uint64 *count);

#endif /* DDBSTREAMS_CHANGE_ORDER_H */
