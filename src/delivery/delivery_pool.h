/*
 * delivery_pool.h
 *	  Giving units to handler workers, in fair shares.
 */
#ifndef DELIVERY_POOL_H
#define DELIVERY_POOL_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern void		   delivery_pool_assign(void);
extern TimestampTz delivery_pool_end_idle(void);

#endif /* DELIVERY_POOL_H */
