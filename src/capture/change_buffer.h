/*
 * change_buffer.h
 *	  The changes that the present transaction has made to captured tables.
 */
#ifndef DDBSTREAMS_CHANGE_BUFFER_H
#define DDBSTREAMS_CHANGE_BUFFER_H

#include "base/ddbstreams.h"

#include "storage/fd.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#define NO_FILE ((File) 0) /* fd.c gives no such number */

/*
 * One buffered thing: a change (the shard row, ready but for its number), a
 * large value that changes of this transaction refer to by its ordinal, or an
 * update that changed nothing (no body), which only tells of row versions.
 */
typedef struct ChangeItem
{
	uint32			length;			/* with this header and padding, MAXALIGNed */
	uint32			body_length;	/* without */
	uint64			hash;			/* of the partition key: which shard */
	uint64			key_hash;		/* of the whole key */
	uint32			generation;		/* of the table's file that the TIDs are in */
	CommandId		cid;			/* the command that changed the row */
	uint32			ordinal;		/* a value's; 0: this is not a value */
	ItemPointerData old_tid;		/* invalid for an INSERT */
	ItemPointerData new_tid;		/* invalid for a REMOVE */
	bool			follows_remove; /* the INSERT half of a key change: the REMOVE
								 * half is the item before, in this bucket */
} ChangeItem;

#define CHANGE_ITEM_HEADER		 MAXALIGN(sizeof(ChangeItem))
#define ChangeItemIsValue(item)	 ((item)->ordinal != 0)
#define ChangeItemIsChange(item) ((item)->ordinal == 0 && (item)->body_length > 0)
#define CHANGE_ITEM_BODY(item)	 ((char *) (item) + CHANGE_ITEM_HEADER)

typedef struct ChangeChunk
{
	struct ChangeChunk *next;
	uint64				start; /* position of its first byte in the bucket */
	Size				size;
	Size				used;
	char				data[FLEXIBLE_ARRAY_MEMBER];
} ChangeChunk;

/* From here to the next run, items were made by this subtransaction */
typedef struct ChangeRun
{
	SubTransactionId subid;
	uint64			 start;
} ChangeRun;

/*
 * The items of one hash range, in the order of capture.  Positions count bytes
 * from the first item; those before memory_start are in the file.
 */
typedef struct ChangeBucket
{
	uint64		 hash_first; /* inclusive */
	uint64		 hash_last;	 /* inclusive */
	uint64		 end;
	uint64		 memory_start;
	ChangeChunk *first_chunk;
	ChangeChunk *last_chunk;
	File		 file; /* or NO_FILE */
	ChangeRun	*runs;
	int			 run_count;
	int			 run_capacity;
	bool		 has_values;
	CommandId	 highest_cid; /* of the changes so far */
	bool		 disordered;  /* capture order may not be version order */
} ChangeBucket;

typedef struct StreamBuffer
{
	struct StreamBuffer	  *next;
	int64				   stream_id;
	struct WritableShards *open_shards; /* of writable_shards.c */
	int					   bucket_count;
	ChangeBucket		  *buckets; /* in the order of their ranges, gapless */
} StreamBuffer;

/* What a scan is to return */
typedef enum ChangeScanKind
{
	SCAN_CHANGES,
	SCAN_VALUES,
	SCAN_VERSIONS /* changes, and updates that changed nothing */
} ChangeScanKind;

/* Reads a bucket's items; see change_buffer_scan_next */
typedef struct ChangeScan
{
	ChangeBucket  *bucket;
	ChangeScanKind kind;
	uint64		   position;	  /* of the next item */
	uint64		   item_position; /* of the item returned last */
	ChangeChunk	  *chunk;
	char		  *window; /* what was read from the file */
	Size		   window_capacity;
	uint64		   window_start;
	Size		   window_length;
} ChangeScan;

extern StreamBuffer *change_buffer_find(int64 stream_id);
extern StreamBuffer *change_buffer_create(int64 stream_id, int bucket_count,
										  const uint64 *hash_first);
extern StreamBuffer *change_buffer_streams(void);
extern ChangeBucket *change_buffer_bucket(StreamBuffer *buffer, uint64 hash);
extern uint64		 change_buffer_serial(void);
extern bool			 change_buffer_is_filled(const StreamBuffer *buffer);
extern bool			 change_buffer_has_changes(int64 stream_id);
extern uint32		 change_buffer_next_ordinal(void);
extern uint32		 change_buffer_generation(Relation rel);
extern void			 change_buffer_new_generation(Relation rel);

extern ChangeItem *change_buffer_reserve(ChangeBucket *bucket, Size body_length);
extern void		   change_buffer_commit(ChangeBucket *bucket, ChangeItem *item);
extern void		   change_buffer_add_value(ChangeBucket *bucket, uint64 hash,
										   uint32 ordinal, const void *value,
										   Size length);

extern void		   change_buffer_scan_begin(ChangeScan *scan, ChangeBucket *bucket,
											ChangeScanKind kind);
extern ChangeItem *change_buffer_scan_next(ChangeScan *scan, bool may_refill);
extern ChangeItem *change_buffer_item_at(ChangeScan *scan, uint64 position);
extern void		   change_buffer_scan_end(ChangeScan *scan);

extern void change_buffer_cut(SubTransactionId subid);
extern void change_buffer_close(void);
extern void change_buffer_forget(void);

#endif /* DDBSTREAMS_CHANGE_BUFFER_H */
