/*
 * delivery_perform.h
 *	  The second transaction of a step.
 */
#ifndef DDBSTREAMS_DELIVERY_PERFORM_H
#define DDBSTREAMS_DELIVERY_PERFORM_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

extern void delivery_perform(DeliveryStep *step);

#endif /* DDBSTREAMS_DELIVERY_PERFORM_H */
