/*
 * in_flight.h
 *	  Which records of a shard were in flight when a snapshot was taken.
 */
#ifndef DDBSTREAMS_IN_FLIGHT_H
#define DDBSTREAMS_IN_FLIGHT_H

#include "base/ddbstreams.h"

#include "utils/rel.h"
#include "utils/snapshot.h"

/*
 * Returns a number below which every record of a shard that was appended
 * before the snapshot was taken is resolved in it: PG_INT64_MAX if all of them
 * are, 0 if it cannot be told.
 */
extern int64 in_flight_first_number(Relation shard, Snapshot snapshot);

/*
 * Returns a number below which every record of a shard is of a transaction
 * that has ended, or of the caller's: PG_INT64_MAX if all of them are, 0 if it
 * cannot be told.  Called by a transaction that has appended to the shard.
 */
extern int64 in_flight_others_first_number(Relation shard);

#endif /* DDBSTREAMS_IN_FLIGHT_H */
