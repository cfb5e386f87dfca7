/*
 * delivery_prepare.h
 *	  The first transaction of a step.
 */
#ifndef DELIVERY_PREPARE_H
#define DELIVERY_PREPARE_H

#include "ddbstreams.h"

#include "delivery_step.h"

extern void delivery_prepare(Step *step);

#endif /* DELIVERY_PREPARE_H */
