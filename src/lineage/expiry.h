/*
 * expiry.h
 *	  Dropping what has expired.
 */
#ifndef DDBSTREAMS_EXPIRY_H
#define DDBSTREAMS_EXPIRY_H

#include "base/ddbstreams.h"

/*
 * A task of the maintenance worker, called outside of transactions: drops what
 * has expired, each shard in a transaction of its own.  What cannot be locked
 * at once is left for the next run.  The first error, if any, is raised when
 * all the rest is done.
 */
extern void expiry_run(void);

#endif /* DDBSTREAMS_EXPIRY_H */
