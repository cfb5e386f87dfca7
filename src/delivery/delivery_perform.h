/*
 * delivery_perform.h
 *	  The second transaction of a step.
 */
#ifndef DELIVERY_PERFORM_H
#define DELIVERY_PERFORM_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

extern void delivery_perform(DeliveryStep *step);

#endif /* DELIVERY_PERFORM_H */
