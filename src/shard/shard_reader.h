/*
 * shard_reader.h
 *	  Reading a shard forward from a position.
 */
#ifndef DDBSTREAMS_SHARD_READER_H
#define DDBSTREAMS_SHARD_READER_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "registry/shard_catalog.h"
#include "shard/record.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* What a walk has met when it has nothing more to return */
typedef enum ShardReaderEnd
{
	READER_NOT_AT_END,
	READER_AT_UNRESOLVED, /* a record that is still in flight */
	READER_AT_HEAP_END
} ShardReaderEnd;

/* One record, good until the next is read */
typedef struct ShardRecord
{
	int64		number;
	RecordData *data;
	Size		images_size; /* of data->images */
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
	} records[MaxHeapTuplesPerPage];
} ShardReader;

extern ShardReader *shard_reader_open(const ShardInfo *shard, Snapshot snapshot,
									  int64 position);
extern bool			shard_reader_next(ShardReader *reader, ShardRecord *record);
extern BlockNumber	shard_reader_block_of(ShardReader *reader, int64 position);
extern int			shard_reader_count_page(ShardReader *reader, BlockNumber block);
extern void			shard_reader_close(ShardReader *reader);

extern int64 shard_reader_last_number(const ShardInfo *shard);
extern int64 shard_reader_latest(const ShardInfo *shard, Snapshot snapshot);
extern int64 shard_reader_first_unresolved(const ShardInfo *shard, int64 limit,
										   Snapshot snapshot);

#endif /* DDBSTREAMS_SHARD_READER_H */
