/*
 * consumer_idle.h
 *	  Workers of which a session knows that a poll has nothing to do for them.
 */
#ifndef DDBSTREAMS_CONSUMER_IDLE_H
#define DDBSTREAMS_CONSUMER_IDLE_H

#include "base/ddbstreams.h"

#include "consumer/consumer_view.h"

/*
 * Is the worker of a view that has begun known to have nothing to do: no
 * record, no lease to renew, to take or to give up?
 */
extern bool consumer_idle_is_known(const ConsumerView *view);

/* Notes that a poll has found nothing to do for the view's worker. */
extern void consumer_idle_note(const ConsumerView *view);

/*
 * When is the worker's registration in the view to be renewed, by clock_now()?
 * In the past if there is none.
 */
extern TimestampTz consumer_idle_registration_due(const ConsumerView *view);

#endif /* DDBSTREAMS_CONSUMER_IDLE_H */
