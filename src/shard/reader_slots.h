/*
 * reader_slots.h
 *	  How many calls may read a shard at the same moment.
 */
#ifndef DDBSTREAMS_READER_SLOTS_H
#define DDBSTREAMS_READER_SLOTS_H

#include "base/ddbstreams.h"

#include "storage/lock.h"

/* What becomes of a reader if all slots are taken */
typedef enum ReaderKind
{
	READER_RAISES_ERROR, /* LimitExceededException */
	READER_WAITS,
	READER_DELIVERS /* it waits; but deliveries have slots of their own */
} ReaderKind;

/*
 * Takes a slot of a shard and sets *slot to it.  Returns false if there is no
 * limit; then there is nothing to release.
 */
extern bool reader_slots_take(Oid shard_table, ReaderKind kind, LOCKTAG *slot);

extern void reader_slots_release(const LOCKTAG *slot);

#endif /* DDBSTREAMS_READER_SLOTS_H */
