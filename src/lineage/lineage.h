/*
 * lineage.h
 *	  Closing shards and opening their children: split and roll-over.
 */
#ifndef DDBSTREAMS_LINEAGE_H
#define DDBSTREAMS_LINEAGE_H

#include "base/ddbstreams.h"

/*
 * Tasks of the maintenance worker, called outside of transactions.  The first
 * rolls the shards over that have records and are older than
 * ddbstreams.rollover_interval, which grows with a retention of more than a
 * day, or than a quarter of their stream's retention.
 * The second splits the shards that get more than ddbstreams.split_above
 * records a second.  A shard whose lock cannot be had soon is left for the
 * next run.
 */
extern void lineage_roll_over_due(void);
extern void lineage_split_hot(void);

#endif /* DDBSTREAMS_LINEAGE_H */
