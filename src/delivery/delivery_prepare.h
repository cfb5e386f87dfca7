/*
 * delivery_prepare.h
 *	  The first transaction of a step.
 */
#ifndef DELIVERY_PREPARE_H
#define DELIVERY_PREPARE_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

extern void delivery_prepare(DeliveryStep *step);

#endif /* DELIVERY_PREPARE_H */
