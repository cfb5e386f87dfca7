/*
 * expiry.h
 *	  Dropping what has expired.
 */
#ifndef DDBSTREAMS_EXPIRY_H
#define DDBSTREAMS_EXPIRY_H

#include "base/ddbstreams.h"

extern void expiry_run(void);

#endif /* DDBSTREAMS_EXPIRY_H */
