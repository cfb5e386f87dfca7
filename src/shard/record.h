/*
 * record.h
 *	  How a record lies in its shard.
 *
 * A shard's row is (sequence_number int8, transaction_id xid8, body bytea);
 * the body begins with event, flags, the old image's size and the descriptor's
 * number, then come the images.  An image is
 *
 *		[bitmap of columns that are as in the old image]	if RECORD_NEW_DELTA
 *		[null bitmap, as in a heap tuple]					if RECORD_*_NULLS
 *		padding to MAXALIGN
 *		the values, as in a heap tuple of the descriptor's stored_desc
 *
 * and each image begins at MAXALIGN of the row.  Before the images comes the
 * identity on whose behalf the row was changed, if there is one
 * (RECORD_HAS_IDENTITY).  A large value is replaced by a reference in the
 * shape of a TOAST pointer (side_table.c), which names the transaction that
 * has stored it if that is not the record's.  An image that is too large even
 * so is kept whole in the side table (RECORD_*_ASIDE), and the record holds
 * only its ordinal.
 *
 * Records of one transaction that lie on one page are packed into one row, a
 * frame (frame.c).  Its sequence_number is the first record's; the others'
 * follow without a gap.
 */
#ifndef DDBSTREAMS_RECORD_H
#define DDBSTREAMS_RECORD_H

#include "base/ddbstreams.h"

#include "access/htup_details.h"

typedef enum RecordEvent
{
	RECORD_INSERT = 'i',
	RECORD_MODIFY = 'm',
	RECORD_REMOVE = 'r'
} RecordEvent;

#define RECORD_HAS_OLD	 0x01
#define RECORD_HAS_NEW	 0x02
#define RECORD_OLD_NULLS 0x04
#define RECORD_NEW_NULLS 0x08
#define RECORD_NEW_DELTA 0x10 /* new holds what differs from old */
#define RECORD_KEYS_ONLY 0x20 /* the one image holds the key alone */
#define RECORD_OLD_ASIDE 0x40
#define RECORD_NEW_ASIDE 0x80

/* Beside a RecordEvent, in the same byte */
#define RECORD_HAS_IDENTITY 0x80

/* In the place of a RecordEvent: the row is a frame. */
#define RECORD_FRAME 'f'

/* What lies behind the tuple header, at RECORD_HOFF */
typedef struct RecordData
{
	int64  number;
	uint64 transaction_id; /* a FullTransactionId's value */
	int32  vl_len_;		   /* the bytea's header: the rest is its content */
	uint8  event;		   /* a RecordEvent, and RECORD_HAS_IDENTITY */
	uint8  flags;
	uint16 old_size; /* of the old image, MAXALIGNed; in a frame, how many
					  * records it has */
	int64  descriptor_id;
	char   images[FLEXIBLE_ARRAY_MEMBER];
} RecordData;

#define RECORD_HOFF MAXALIGN(SizeofHeapTupleHeader)
#define RECORD_DATA(tuple_header) \
	((RecordData *) ((char *) (tuple_header) + RECORD_HOFF))
#define RECORD_IMAGES	  (RECORD_HOFF + offsetof(RecordData, images))
#define RECORD_MAX_LENGTH MAXALIGN_DOWN(MaxHeapTupleSize)

/* An identity, MAXALIGNed, at the beginning of images */
typedef struct RecordIdentity
{
	uint16 length;
	char   text[FLEXIBLE_ARRAY_MEMBER]; /* type:principalId */
} RecordIdentity;

#define RECORD_IDENTITY_SIZE(length) \
	MAXALIGN(offsetof(RecordIdentity, text) + (length))

#define RECORD_NATTS			   3
#define Anum_record_number		   1
#define Anum_record_transaction_id 2
#define Anum_record_body		   3

/* A record that is to be appended to a shard */
typedef struct NewRecord
{
	const struct FrameEntry *entry; /* as frame.h says, MAXALIGNed */
	int64					 descriptor_id;
} NewRecord;

#endif /* DDBSTREAMS_RECORD_H */
