/*
 * reader_slots.h
 *	  How many may read a shard at the same moment.
 */
#ifndef DDBSTREAMS_READER_SLOTS_H
#define DDBSTREAMS_READER_SLOTS_H

#include "base/ddbstreams.h"

#include "storage/lock.h"

extern bool reader_slots_take(Oid shard_table, bool wait, LOCKTAG *slot);
extern void reader_slots_release(const LOCKTAG *slot);

#endif /* DDBSTREAMS_READER_SLOTS_H */
