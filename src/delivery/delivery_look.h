/*
 * delivery_look.h
 *	  What the tables say is to be delivered.
 */
#ifndef DELIVERY_LOOK_H
#define DELIVERY_LOOK_H

#include "base/ddbstreams.h"

extern void delivery_look(void);

#endif /* DELIVERY_LOOK_H */
