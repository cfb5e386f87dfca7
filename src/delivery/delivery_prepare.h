/*
 * delivery_prepare.h
 *	  The first transaction of a step.
 */
#ifndef DDBSTREAMS_DELIVERY_PREPARE_H
#define DDBSTREAMS_DELIVERY_PREPARE_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

extern void delivery_prepare(DeliveryStep *step);

#endif /* DDBSTREAMS_DELIVERY_PREPARE_H */
