/*
 * consumer_empty.h
 *	  Shards of which a session knows that there is nothing to poll.
 */
#ifndef DDBSTREAMS_CONSUMER_EMPTY_H
#define DDBSTREAMS_CONSUMER_EMPTY_H

#include "base/ddbstreams.h"

#include "consumer/consumer_view.h"

/*
 * Is a shard known to have no record behind its lease's checkpoint, in the
 * view's snapshot?  It is open then, and need not be looked into.
 */
extern bool consumer_empty_is_known(const ConsumerView *view, const ConsumerShard *shard);

/*
 * Notes that no record behind the lease's checkpoint can be read in the view's
 * snapshot.
 */
extern void consumer_empty_note(const ConsumerView *view, const ConsumerShard *shard);

#endif /* DDBSTREAMS_CONSUMER_EMPTY_H */
