/*
 * delivery_run.h
 *	  Runs a step of delivery, with the transactions that it consists of.
 */
#ifndef DDBSTREAMS_DELIVERY_RUN_H
#define DDBSTREAMS_DELIVERY_RUN_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"

/*
 * Does the next step of a unit, outside of a transaction.  passed_before is
 * what the unit's last step has passed over.  If this raises an error, the
 * error is not the handler's, and leaves a transaction that is to be aborted.
 */
extern DeliveryOutcome delivery_run(const DeliveryUnit	 *unit,
									const DeliveryPassed *passed_before);

#endif /* DDBSTREAMS_DELIVERY_RUN_H */
