/*
 * shard_lag.c
 *	  How far a reader of a shard is behind.
 *
 * Views count the lag of event source mappings and of consumers by this one
 * function, so that the two agree.
 */
#include "postgres.h"

#include "access/relation.h"

#include "base/clock.h"
#include "shard/horizon.h"
#include "shard/shard_lag.h"
#include "shard/shard_reader.h"

/* The lag is counted up to this many records, and estimated beyond them. */
#define LAG_COUNTED 10000

ShardLag
shard_lag_behind(const StreamInfo *stream, const ShardInfo *shard,
				 int64 checkpoint, Snapshot snapshot)
{
	ShardLag	 lag = {0, 0};
	Relation	 rel = try_relation_open(shard->shard_table, AccessShareLock);
	ShardReader *reader;
	ShardRecord	 record;
	BlockNumber	 first_block;
	int64		 horizon;

	if (rel == NULL)
		return lag;
	horizon = horizon_of_shard_by_age(stream, shard);
	checkpoint = Max(checkpoint, horizon - 1);
	reader = shard_reader_open(shard, snapshot, checkpoint);
	first_block = reader->block;
	while (lag.records < LAG_COUNTED && shard_reader_next(reader, &record))
	{
		if (lag.records++ == 0)
		{
			int64 age = clock_now() - NUMBER_TIME(record.number);

			lag.seconds = Max(0, age) / (double) USECS_PER_SEC;
		}
	}
	if (lag.records == LAG_COUNTED)
	{
		double per_page = (double) lag.records / (reader->block - first_block);

		/* The rest of this page, and the pages behind it */
		lag.records += reader->count - reader->next;
		lag.records += (int64) (per_page * (reader->block_count - reader->block));
	}
	shard_reader_close(reader);
	relation_close(rel, AccessShareLock);
	return lag;
}
