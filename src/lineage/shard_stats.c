/*
 * shard_stats.c
 *	  How much is in a shard, and how fast it comes in.
 *
 * Nothing is counted while records are written: numbers say when they were, and
 * physical order is number order, so that those of a period lie side by side.
 * On few pages they are counted; on many the records of some pages, evenly
 * spread, are, and the rest is taken to be as dense.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/relation_size.h"
#include "lineage/shard_stats.h"
#include "reading/stream_access.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

PG_FUNCTION_INFO_V1(ddbstreams_stream_stats);

/* Up to this many pages are counted (8 MB); of more, so many are looked at */
#define MAX_COUNTED_PAGES 1000
#define SAMPLED_PAGES	  200

#define RATE_PERIOD USECS_PER_MINUTE

/*
 * Returns how many records with after < number <= last can be read of a shard.
 */
static double
count_records(const ShardInfo *shard, Snapshot snapshot, int64 after, int64 last,
			  bool *is_estimate)
{
	ShardReader *reader = shard_reader_open(shard, snapshot, after);
	BlockNumber	 first_block = reader->block;
	BlockNumber	 pages = reader->block_count == 0 ?
							 0 :
							 shard_reader_block_of(reader, last) + 1 - first_block;
	double		 count = 0;

	*is_estimate = pages > MAX_COUNTED_PAGES;
	if (*is_estimate)
	{
		for (int i = 0; i < SAMPLED_PAGES; i++)
			count += shard_reader_count_page(reader,
											 first_block + (uint64) pages * i / SAMPLED_PAGES);
		count *= (double) pages / SAMPLED_PAGES;
	}
	else
	{
		ShardRecord record;

		while (shard_reader_next(reader, &record) && record.number <= last)
			count++;
	}
	shard_reader_close(reader);
	return count;
}

/*
 * Returns how many records per second were written to a shard over the last
 * minute, or since it was opened if that is less.  What seems to have been
 * written in the future, because the clock was set back, does not count.
 * Reads at most MAX_COUNTED_PAGES pages.
 */
double
shard_stats_rate(const ShardInfo *shard, Snapshot snapshot)
{
	TimestampTz now = clock_now();
	int64		period = RATE_PERIOD;
	bool		is_estimate;

	if (!ShardIsOpen(shard) && NUMBER_TIME(shard->ending_number) < now - period)
		return 0;
	if (shard->created_at <= now)
		period = Min(period, Max(now - shard->created_at, USECS_PER_SEC));
	return count_records(shard, snapshot, NUMBER_AT_TIME(now - period),
						 NUMBER_AT_TIME(now + USECS_PER_SEC), &is_estimate) *
		   USECS_PER_SEC / period;
}

/* Returns the number of the first record that can be read, or 0. */
static int64
first_number(const ShardInfo *shard, Snapshot snapshot, int64 position)
{
	ShardReader *reader = shard_reader_open(shard, snapshot, position);
	ShardRecord	 record;
	int64		 number = shard_reader_next(reader, &record) ? record.number : 0;

	shard_reader_close(reader);
	return number;
}

/*
 * Fills stats in.  Returns false if the shard has been dropped meanwhile.
 * newest is found by the hint that readers at LATEST leave, or by one walk.
 */
bool
shard_stats_get(const StreamInfo *stream, const ShardInfo *shard,
				Snapshot snapshot, ShardStats *stats)
{
	Relation rel = try_relation_open(shard->shard_table, AccessShareLock);
	int64	 position;
	int64	 latest;
	int64	 first = 0;

	if (rel == NULL)
		return false;

	memset(stats, 0, sizeof(ShardStats));
	position = Max(horizon_of_shard(stream, shard, snapshot), shard->starting_number) - 1;
	latest = shard_reader_latest(shard, snapshot);
	if (latest > position)
		first = first_number(shard, snapshot, position);
	if (first > 0)
	{
		stats->oldest = NUMBER_TIME(first);
		stats->newest = NUMBER_TIME(latest);
		stats->records = (int64) count_records(shard, snapshot, position, latest,
											   &stats->is_estimate);
		stats->rate = shard_stats_rate(shard, snapshot);
	}
	stats->bytes = relation_size(pg_total_relation_size, shard->shard_table) +
				   relation_size(pg_total_relation_size, shard->side_table);
	relation_close(rel, AccessShareLock);
	return true;
}

/*
 * stream_stats() returns setof record
 *
 * The shards of the streams that the caller may read, or may monitor.
 */
Datum
ddbstreams_stream_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot	   snapshot = GetActiveSnapshot();
	bool		   may_monitor = has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
	ListCell	  *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, stream_catalog_list(InvalidOid, snapshot))
	{
		StreamInfo *stream = lfirst(lc);
		ListCell   *lc2;

		if (horizon_has_passed_stream(stream) ||
			(!may_monitor && !stream_access_may_read(stream)))
			continue;
		foreach (lc2, shard_catalog_list(stream->stream_id, snapshot))
		{
			ShardInfo *shard = lfirst(lc2);
			ShardStats stats;
			Datum	   values[7];
			bool	   nulls[7] = {false};

			CHECK_FOR_INTERRUPTS();
			if (!shard_stats_get(stream, shard, snapshot, &stats))
				continue;
			values[0] = CStringGetTextDatum(stream->arn);
			values[1] = CStringGetTextDatum(shard->shard_id);
			values[2] = Int64GetDatum(stats.records);
			values[3] = Int64GetDatum(stats.bytes);
			nulls[4] = nulls[5] = stats.oldest == 0;
			values[4] = TimestampTzGetDatum(stats.oldest);
			values[5] = TimestampTzGetDatum(stats.newest);
			values[6] = Float8GetDatum(rint(stats.rate * 1000) / 1000);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
