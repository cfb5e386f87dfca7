/*
 * delivery_redrive.h
 *	  Delivering failed batches again.
 */
#ifndef DDBSTREAMS_DELIVERY_REDRIVE_H
#define DDBSTREAMS_DELIVERY_REDRIVE_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"

extern bool			   delivery_redrive_is_wanted(int64 mapping_no);
extern DeliveryOutcome delivery_redrive_step(const DeliveryUnit *unit);

#endif /* DDBSTREAMS_DELIVERY_REDRIVE_H */
