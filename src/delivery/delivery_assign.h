/*
 * delivery_assign.h
 *	  Giving units to handler workers, in fair shares.
 */
#ifndef DDBSTREAMS_DELIVERY_ASSIGN_H
#define DDBSTREAMS_DELIVERY_ASSIGN_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

extern void		   delivery_assign(void);
extern TimestampTz delivery_assign_end_idle(void);

#endif /* DDBSTREAMS_DELIVERY_ASSIGN_H */
