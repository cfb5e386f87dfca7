/*
 * consumer_tidy.h
 *	  What has to be tidied up behind consumer groups.
 */
#ifndef DDBSTREAMS_CONSUMER_TIDY_H
#define DDBSTREAMS_CONSUMER_TIDY_H

#include "base/ddbstreams.h"

/*
 * Tidies up behind all consumers of the database: a task of the maintenance
 * worker.  It runs outside of a transaction, and makes a transaction for each
 * consumer, because it keeps polls from the free leases that it locks.  It
 * waits for no other transaction.
 */
extern void consumer_tidy(void);

#endif /* DDBSTREAMS_CONSUMER_TIDY_H */
