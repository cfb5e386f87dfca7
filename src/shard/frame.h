/*
 * frame.h
 *	  Several records in one row of a shard.
 */
#ifndef DDBSTREAMS_FRAME_H
#define DDBSTREAMS_FRAME_H

#include "base/ddbstreams.h"

#include "shard/record.h"

/*
 * What lies behind a frame's RecordData, once for each of its records.  A
 * record waits in this form for its append: then has_descriptor is false, and
 * the end of images that only pads them is counted.
 */
typedef struct FrameEntry
{
	uint8  event; /* these as in RecordData */
	uint8  flags;
	uint16 old_size;
	uint16 size;		   /* of images, MAXALIGNed */
	bool   has_descriptor; /* images begins with a descriptor_id of its own */
	uint8  padding;		   /* of size; 0 in a frame */
	char   images[FLEXIBLE_ARRAY_MEMBER];
} FrameEntry;

#define FRAME_ENTRY_SIZE offsetof(FrameEntry, images)

/* No page holds more records: each has a value of its key. */
#define MAX_RECORDS_PER_PAGE (BLCKSZ / (FRAME_ENTRY_SIZE + MAXIMUM_ALIGNOF))

static inline bool
frame_is(const RecordData *data)
{
	return data->event == RECORD_FRAME;
}

/* Returns how many records are in a row of a shard. */
static inline int
frame_count(const RecordData *data)
{
	return frame_is(data) ? data->old_size : 1;
}

/* Returns the number of the last record in a row of a shard. */
static inline int64
frame_last_number(const RecordData *data)
{
	return data->number + frame_count(data) - 1;
}

/* Returns how long a shard's row is that holds one record alone. */
static inline Size
frame_single_length(const FrameEntry *entry)
{
	return RECORD_IMAGES + entry->size - entry->padding;
}

/*
 * Returns how many of count records fit in a row of at most room bytes, and
 * how long it is then: one as a row by itself, or several in a frame.
 */
extern int frame_measure(const NewRecord *records, int count, Size room,
						 Size *length);

/*
 * Writes the row that holds count records, complete but for its number and
 * transaction, to out, which is aligned.  The length is frame_measure's.
 */
extern void frame_build(const NewRecord *records, int count, Size length,
						char *out);

/*
 * Returns where the entry behind another one begins in a frame's tuple of
 * length bytes; the first one begins at RECORD_IMAGES.  Raises an error if the
 * entry at this place does not lie within the tuple.
 */
extern Size frame_next_entry(const char *tuple, Size length, Size at);

#endif /* DDBSTREAMS_FRAME_H */
