/*
 * delivery_perform.h
 *	  The second transaction of a step.
 */
#ifndef DDBSTREAMS_DELIVERY_PERFORM_H
#define DDBSTREAMS_DELIVERY_PERFORM_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

/*
 * Makes the call that delivery_prepare has prepared, moves the position as the
 * answer says, and commits.  An error, which may also be one of the commit,
 * leaves a transaction that is to be aborted.
 */
extern void delivery_perform(DeliveryStep *step);

#endif /* DDBSTREAMS_DELIVERY_PERFORM_H */
