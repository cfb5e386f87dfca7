/*
 * shard_reader.h
 *	  Reading a shard forward from a position.
 */
#ifndef DDBSTREAMS_SHARD_READER_H
#define DDBSTREAMS_SHARD_READER_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "registry/shard_catalog.h"
#include "shard/frame.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* What a walk has met where it has nothing more to return */
typedef enum ShardReaderEnd
{
	READER_NOT_AT_END,
	READER_AT_UNRESOLVED, /* a record follows whose transaction is in flight */
	READER_AT_HEAP_END
} ShardReaderEnd;

/* One record; it points into the reader's copy of its page */
typedef struct ShardRecord
{
	int64		number;
	uint64		transaction_id;
	int64		descriptor_id;
	uint8		event; /* these as in RecordData */
	uint8		flags;
	uint16		old_size;
	const char *images;
} ShardRecord;

typedef struct ShardReader
{
	const ShardInfo *shard;
	Relation		 rel;
	Snapshot		 snapshot;
	int64			 position; /* records after this number are to be read */
	ShardReaderEnd	 end;
	BlockNumber		 block;		  /* the next page to read */
	BlockNumber		 block_count; /* when the walk began */
	PGAlignedBlock	 page;		  /* a copy of the present page */
	int				 count;		  /* readable records of it, in number order */
	int				 next;
	bool			 stop_behind; /* an unresolved record follows them */
	int64			 stop;		  /* its number, else PG_INT64_MAX */
	struct
	{
		int64		 number;
		OffsetNumber offset;
		uint16		 entry; /* where it begins in its frame, or 0 */
	} records[MAX_RECORDS_PER_PAGE];
} ShardReader;

/*
 * Begins to read a shard behind a position.  The reader lives in
 * CurrentMemoryContext; the snapshot stays the caller's.  Raises an error if
 * the shard's table has been dropped.
 *
 * The caller has looked the shard up before this call.  If the shard is closed
 * then, no record can have been appended since the heap's length was taken.
 */
extern ShardReader *shard_reader_open(const ShardInfo *shard, Snapshot snapshot,
									  int64 position);

/*
 * Reads the next record, which is good until the next call.  Returns false if
 * there is none to be read now; the reader's end then tells why, and its
 * position is the last record's.
 */
extern bool shard_reader_next(ShardReader *reader, ShardRecord *record);

/*
 * Is the next record in the reader's copy of a page, so that shard_reader_next
 * does not look into the shard?
 */
static inline bool
shard_reader_has_next(const ShardReader *reader)
{
	return reader->next < reader->count;
}

/* Returns the page where reading behind a position would begin. */
extern BlockNumber shard_reader_block_of(ShardReader *reader, int64 position);

/*
 * Returns how many records behind the reader's position can be read on a page;
 * the reader goes on behind that page.
 */
extern int shard_reader_count_page(ShardReader *reader, BlockNumber block);

extern void shard_reader_close(ShardReader *reader);

/*
 * Returns the number of the last record that has been committed, or that this
 * transaction has appended: it may close a dropped table's shard behind its
 * own append.  If there is none it returns the shard's starting number.  The
 * caller holds a lock that keeps writers out.
 */
extern int64 shard_reader_last_number(const ShardInfo *shard);

/*
 * Returns LATEST: the number of the last record before the first one that is
 * unresolved in the snapshot, or the number just before the shard's start if
 * there is none.  It is taken neither from the clock nor from what is
 * committed by now: a reader that reads the table in the same snapshot, and
 * the stream from here, misses no change.
 */
extern int64 shard_reader_latest(const ShardInfo *shard, Snapshot snapshot);

/*
 * Writes the numbers of the last records above a number that can be read,
 * newest first and at most max_count, to numbers.  Returns how many there are.
 */
extern int shard_reader_newest(const ShardInfo *shard, Snapshot snapshot,
							   int64 after, int max_count, int64 *numbers);

/*
 * Returns the number of the first record that is unresolved in the snapshot,
 * if it is below a limit, else the limit.
 */
extern int64 shard_reader_first_unresolved(const ShardInfo *shard, int64 limit,
										   Snapshot snapshot);

#endif /* DDBSTREAMS_SHARD_READER_H */
