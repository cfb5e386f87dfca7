/*
 * change_buffer.h
 *	  The changes that the present transaction has made to captured tables.
 */
#ifndef DDBSTREAMS_CHANGE_BUFFER_H
#define DDBSTREAMS_CHANGE_BUFFER_H

#include "base/ddbstreams.h"

#include "shard/side_table.h"
#include "storage/fd.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#define NO_FILE ((File) 0) /* fd.c gives no such number */

typedef enum ChangeKind
{
	ITEM_CHANGE,
	ITEM_VALUE,
	ITEM_UNCHANGED
} ChangeKind;

/*
 * What the buffer holds, in front of its body.  An item is one of
 *
 *	a change: the body is the entry of a frame, as it is appended to the shard;
 *		if is_reference is set, without the image that is a row version of the
 *		table and that row_reference.c copies from there;
 *	a large value, to which changes of this transaction refer by its ordinal,
 *		or the mention of one that a side table has already;
 *	an update that has changed nothing: without a body, it only tells of the
 *		versions of its row.
 *
 * If has_key_hash is set, the hash of the whole key comes before the body.
 */
typedef struct ChangeItem
{
	uint64 hash; /* of the partition key: which shard */
	union
	{
		CommandId cid;	   /* the command that changed the row */
		uint32	  ordinal; /* of a large value */
	};
	uint32			source : 31; /* a number of change_source.h */
	uint32			has_key_hash : 1;
	ItemPointerData old_tid;	/* invalid for an INSERT */
	ItemPointerData new_tid;	/* invalid for a REMOVE */
	uint32			units : 28; /* MAXALIGNs that the item takes */
	uint32			kind : 2;	/* a ChangeKind */
	uint32			is_reference : 1;
	uint32			follows_remove : 1; /* of the item before: both are the
										 * halves of a change of the key */
} ChangeItem;

#define CHANGE_ITEM_HEADER		 MAXALIGN(sizeof(ChangeItem))
#define CHANGE_ITEM_LENGTH(item) ((Size) (item)->units * MAXIMUM_ALIGNOF)

/* Returns what lies behind the header, and the hash if there is one. */
static inline char *
change_item_body(const ChangeItem *item)
{
	return (char *) item + CHANGE_ITEM_HEADER +
		   (item->has_key_hash ? sizeof(uint64) : 0);
}

/* Returns the hash of the whole key of a change's row. */
static inline uint64
change_item_key_hash(const ChangeItem *item)
{
	return item->has_key_hash ?
			   *(const uint64 *) ((const char *) item + CHANGE_ITEM_HEADER) :
			   item->hash;
}

/* The body of a large value, and the whole body of a mention */
typedef struct BufferedValue
{
	ValueCopy	  copy;
	ValueIdentity identity;
	uint64		  value_xid; /* for side_table_list; 0: it is not listed */
	TransactionId keeper;	 /* of the version that has the value on, or invalid */
} BufferedValue;

#define BUFFERED_VALUE_CONTENT(value) \
	((char *) (value) + MAXALIGN(sizeof(BufferedValue)))
#define BufferedValueIsMention(item) \
	(CHANGE_ITEM_LENGTH(item) ==     \
	 CHANGE_ITEM_HEADER + MAXALIGN(sizeof(BufferedValue)))

typedef struct ChangeChunk
{
	struct ChangeChunk *next;
	uint64				start; /* position of its first byte in the bucket */
	Size				size;
	Size				used;
	char				data[FLEXIBLE_ARRAY_MEMBER];
} ChangeChunk;

/* A subtransaction has made the items from start to the next run. */
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
	bool		 has_values; /* there are large values */
	bool		 has_mentions;
	Oid			 side_table;	   /* that of the shard that was open then */
	int64		 side_number;	   /* shard_tables_side_number */
	bool		 keeps_side_table; /* it is locked, and there */
	CommandId	 highest_cid;	   /* of all changes so far */
	bool		 disordered;	   /* they are not in the order of their commands */
} ChangeBucket;

/* All changes of one stream */
typedef struct StreamBuffer
{
	struct StreamBuffer	  *next;
	int64				   stream_id;
	struct WritableShards *writable; /* of writable_shards.c */
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
	Size		   window_size; /* how much to read at once */
	char		  *window;		/* what was read from the file */
	Size		   window_capacity;
	uint64		   window_start;
	Size		   window_length;
} ChangeScan;

/*
 * --- buffers and buckets --------------------------------------------------
 */

/* Returns all buffers of this transaction, linked by next. */
extern StreamBuffer *change_buffer_streams(void);

/* Returns this transaction's buffer for a stream, or NULL. */
extern StreamBuffer *change_buffer_find(int64 stream_id);

/*
 * Makes this transaction's buffer for a stream.  hash_first has the first hash
 * of each bucket; they rise from 0.
 */
extern StreamBuffer *change_buffer_create(int64 stream_id, int bucket_count,
										  const uint64 *hash_first);

/* Returns the bucket for a hash of the partition key. */
extern ChangeBucket *change_buffer_bucket(StreamBuffer *buffer, uint64 hash);

/*
 * Returns a number that tells the buffers of one transaction from those of the
 * next.  What a session has found out about a buffer holds as long as the
 * number stays the same.
 */
extern uint64 change_buffer_serial(void);

/*
 * Is there an item in a buffer?  A rolled back savepoint may have emptied it.
 */
extern bool change_buffer_is_filled(const StreamBuffer *buffer);

/* Has this transaction changed rows of a stream's table? */
extern bool change_buffer_has_changes(int64 stream_id);

/* Returns an ordinal for a large value, unique in this transaction. */
extern uint32 change_buffer_next_ordinal(void);

/*
 * --- adding items -----------------------------------------------------------
 */

/*
 * May a change of a source refer to a row version of size bytes, in place of
 * having a copy of it?  If so, it is counted as one that does.
 */
extern bool change_buffer_may_refer(uint32 source, Size size);

/*
 * Returns room for an item with size bytes behind its header, and sets its
 * units.  It becomes a part of the bucket by change_buffer_commit; nothing
 * else may be added in between.
 */
extern ChangeItem *change_buffer_reserve(ChangeBucket *bucket, Size size);
extern void		   change_buffer_commit(ChangeBucket *bucket, ChangeItem *item);

/*
 * Adds a copy of a large value, or its mention if content is NULL; to be
 * called before the changes that refer to it are added.
 */
extern void change_buffer_add_value(ChangeBucket *bucket, uint64 hash,
									const BufferedValue *value,
									const void *content, Size length);

/*
 * --- reading items
 * ------------------------------------------------------------
 */

/* Begins to read the items of a bucket that are of a kind. */
extern void change_buffer_scan_begin(ChangeScan *scan, ChangeBucket *bucket,
									 ChangeScanKind kind);

/*
 * Returns the next item, or NULL at the end of the bucket.  Items in memory
 * stay valid as long as the bucket.  Items that were read from the file stay
 * valid until the window is read anew; with may_refill false this does not
 * happen, and NULL also means that it would have to.
 */
extern ChangeItem *change_buffer_scan_next(ChangeScan *scan, bool may_refill);

/*
 * Returns the item at a position that was a scan's item_position before.  It
 * stays valid until the next call.
 */
extern ChangeItem *change_buffer_item_at(ChangeScan *scan, uint64 position);

extern void change_buffer_scan_end(ChangeScan *scan);

/*
 * --- ends of transactions
 * ------------------------------------------------------
 */

/*
 * Drops the items that an aborted subtransaction, and those in it, have added.
 */
extern void change_buffer_cut(SubTransactionId subid);

/* Ends all buffers, behind the append: closes files and frees chunks. */
extern void change_buffer_close(void);

/* Forgets all buffers, at the end of the transaction. */
extern void change_buffer_forget(void);

#endif /* DDBSTREAMS_CHANGE_BUFFER_H */
