/*
 * delivery_prepare.h
 *	  The first transaction of a step.
 */
#ifndef DDBSTREAMS_DELIVERY_PREPARE_H
#define DDBSTREAMS_DELIVERY_PREPARE_H

#include "base/ddbstreams.h"

#include "delivery/delivery_step.h"

/*
 * Finds out what is to be done with the step's unit, and does it unless it is
 * a call.  A call is only prepared: step->kind says which one.  Runs in a
 * transaction that the caller begins and commits.
 */
extern void delivery_prepare(DeliveryStep *step);

#endif /* DDBSTREAMS_DELIVERY_PREPARE_H */
