/*
 * expiry.h
 *	  Dropping what has expired.
 */
#ifndef EXPIRY_H
#define EXPIRY_H

#include "base/ddbstreams.h"

extern void expiry_run(void);

#endif /* EXPIRY_H */
