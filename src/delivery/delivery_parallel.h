/*
 * delivery_parallel.h
 *	  Calls of handlers whose queries have no parallel workers.
 */
#ifndef DDBSTREAMS_DELIVERY_PARALLEL_H
#define DDBSTREAMS_DELIVERY_PARALLEL_H

#include "base/ddbstreams.h"

/* Called once in each process that will call functions. */
extern void delivery_parallel_init(void);

/*
 * May queries have parallel workers from now on?  Called outside of
 * transactions.
 */
extern void delivery_parallel_allow(bool allowed);

#endif /* DDBSTREAMS_DELIVERY_PARALLEL_H */
