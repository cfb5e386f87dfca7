/*
 * delivery_run.h
 *	  Runs a step of delivery, with the transactions that it consists of.
 */
#ifndef DDBSTREAMS_DELIVERY_RUN_H
#define DDBSTREAMS_DELIVERY_RUN_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"

extern DeliveryOutcome delivery_run(const DeliveryUnit	  *unit,
									const DeliveryOutcome *before);

#endif /* DDBSTREAMS_DELIVERY_RUN_H */
