/*
 * delivery_discover.h
 *	  What the tables say is to be delivered.
 */
#ifndef DELIVERY_DISCOVER_H
#define DELIVERY_DISCOVER_H

#include "base/ddbstreams.h"

extern void delivery_discover(void);

#endif /* DELIVERY_DISCOVER_H */
