/*
 * reader_slots.h
 *	  How many calls may read a shard at the same moment.
 */
#ifndef DDBSTREAMS_READER_SLOTS_H
#define DDBSTREAMS_READER_SLOTS_H

#include "base/ddbstreams.h"

#include "storage/lock.h"

/*
 * Takes a slot of a shard and sets *slot to it.  Returns false if there is no
 * limit; then there is nothing to release.  If all slots are taken, the call
 * waits for one, or raises LimitExceededException.
 */
extern bool reader_slots_take(Oid shard_table, bool wait, LOCKTAG *slot);

extern void reader_slots_release(const LOCKTAG *slot);

#endif /* DDBSTREAMS_READER_SLOTS_H */
