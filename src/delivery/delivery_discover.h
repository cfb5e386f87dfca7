/*
 * delivery_discover.h
 *	  What the tables say is to be delivered.
 */
#ifndef DDBSTREAMS_DELIVERY_DISCOVER_H
#define DDBSTREAMS_DELIVERY_DISCOVER_H

#include "base/ddbstreams.h"

/*
 * Reads the tables and makes the dispatcher's units be those that the tables
 * call for.  Called outside of a transaction.  Never waits for a lock that a
 * user may hold.
 */
extern void delivery_discover(void);

#endif /* DDBSTREAMS_DELIVERY_DISCOVER_H */
