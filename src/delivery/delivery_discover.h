/*
 * delivery_discover.h
 *	  What the tables say is to be delivered for a mapping.
 */
#ifndef DDBSTREAMS_DELIVERY_DISCOVER_H
#define DDBSTREAMS_DELIVERY_DISCOVER_H

#include "base/ddbstreams.h"

#include "delivery/delivery_queue.h"

/*
 * Takes a step of the discovery of a mapping, or its first one: reads the
 * tables and makes the mapping's units be those that they call for.  Returns
 * whether that is complete.  Called outside of a transaction.  Never waits for
 * a lock that a user may hold.
 */
extern bool delivery_discover(QueuedMapping *known);

/*
 * Returns what tells a wish for a discovery from those before it.  What a
 * discovery reads is not older than the wish.
 */
extern uint64 delivery_discover_wish(void);

#endif /* DDBSTREAMS_DELIVERY_DISCOVER_H */
