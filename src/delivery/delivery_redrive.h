/*
 * delivery_redrive.h
 *	  Delivering failed batches again.
 */
#ifndef DDBSTREAMS_DELIVERY_REDRIVE_H
#define DDBSTREAMS_DELIVERY_REDRIVE_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"

/* Does a failed batch of the mapping wait to be delivered again? */
extern bool delivery_redrive_is_wanted(int64 mapping_no);

/*
 * Delivers the next failed batch that waits for it: the step of a unit whose
 * lane is REDRIVE_LANE.  Called as delivery_run is.
 */
extern DeliveryOutcome delivery_redrive_step(const DeliveryUnit *unit);

#endif /* DDBSTREAMS_DELIVERY_REDRIVE_H */
