/*
 * subscription_guard.h
 *	  Subscriptions have none of ddbstreams' own tables.
 */
#ifndef DDBSTREAMS_SUBSCRIPTION_GUARD_H
#define DDBSTREAMS_SUBSCRIPTION_GUARD_H

#include "base/ddbstreams.h"

#include "nodes/parsenodes.h"

/*
 * Called after CREATE and ALTER SUBSCRIPTION: takes the own tables of this
 * database, and their sequence, out of the subscription.
 */
extern void subscription_guard_after(Node *command);

#endif /* DDBSTREAMS_SUBSCRIPTION_GUARD_H */
