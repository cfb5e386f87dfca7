/*
 * shard_wake.h
 *	  Waking readers of shards at the end of a transaction.
 */
#ifndef DDBSTREAMS_SHARD_WAKE_H
#define DDBSTREAMS_SHARD_WAKE_H

#include "base/ddbstreams.h"

/* When this transaction ends, wakes the readers that wait for this shard. */
extern void shard_wake_at_end(Oid shard_table);

/* The transaction ends: wakes them. */
extern void shard_wake_readers(void);

#endif /* DDBSTREAMS_SHARD_WAKE_H */
