/*
 * delivery_discover.h
 *	  What the tables say is to be delivered.
 */
#ifndef DDBSTREAMS_DELIVERY_DISCOVER_H
#define DDBSTREAMS_DELIVERY_DISCOVER_H

#include "base/ddbstreams.h"

extern void delivery_discover(void);

#endif /* DDBSTREAMS_DELIVERY_DISCOVER_H */
