/*
 * delivery_assign.h
 *	  Giving units to handler workers, in fair shares.
 */
#ifndef DDBSTREAMS_DELIVERY_ASSIGN_H
#define DDBSTREAMS_DELIVERY_ASSIGN_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/*
 * Gives ready units to handler workers, one of each mapping in turn, as long
 * as there are workers for them.  Starts workers where that helps.
 */
extern void delivery_assign(void);

/* No worker is started for a while: one has ended before it was connected. */
extern void delivery_assign_pause(void);

/*
 * Ends handler workers that have been idle for long, except for one of each
 * role that has mappings.  Returns when to call this again, or DT_NOEND.
 */
extern TimestampTz delivery_assign_end_idle(void);

#endif /* DDBSTREAMS_DELIVERY_ASSIGN_H */
