/*
 * horizon.c
 *	  What has passed its retention and is out of reach.
 *
 * A record's number says when it was written.  So a record expires without
 * anything being done: readers do not look below the horizon, the number that
 * the clock had one retention ago.  They look at the clock in each call,
 * whether a worker has dropped the tables of expired shards already (expiry.c)
 * or not.
 *
 * The horizon of a shard does not pass its first unresolved record, which may
 * belong to a prepared transaction that is older than the retention.  A reader
 * that began beyond that record would never see it, nor what it holds back.
 *
 * The clock may have been wrong.  If it ran ahead, numbers and times of
 * closing lie in the future.  A closed shard whose last number lies in the
 * future expires by the time of its closing alone; expiry.c sets that time
 * right if it lies in the future, too.  If the clock was behind when a shard
 * was closed, its last record seems to have been written after the closing;
 * then the number counts.
 */
#include "postgres.h"

#include "base/clock.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

/* Returns the lowest number that is within a stream's retention. */
static int64
number_one_retention_ago(const StreamInfo *stream)
{
	TimestampTz horizon = clock_now() - stream->retention_usec;

	return horizon < 0 ? 0 : NUMBER_AT_TIME(horizon);
}

bool
horizon_has_passed_shard(const StreamInfo *stream, const ShardInfo *shard)
{
	TimestampTz now = clock_now();
	TimestampTz last = NUMBER_TIME(shard->ending_number);

	return !ShardIsOpen(shard) &&
		   shard->closed_at < now - stream->retention_usec &&
		   (last < now - stream->retention_usec || last > now + CLOCK_TOLERANCE);
}

bool
horizon_has_passed_stream(const StreamInfo *stream)
{
	TimestampTz now = clock_now();
	ListCell   *lc;

	/* In the usual cases the shards need not be read. */
	if (StreamIsEnabled(stream) ||
		(stream->disabled_at >= now - stream->retention_usec &&
		 stream->disabled_at <= now))
		return false;
	foreach (lc, shard_catalog_list(stream->stream_id, NULL))
	{
		if (!horizon_has_passed_shard(stream, lfirst(lc)))
			return false;
	}
	return true;
}

int64
horizon_of_shard_by_age(const StreamInfo *stream, const ShardInfo *shard)
{
	int64 horizon = number_one_retention_ago(stream);

	if (horizon_has_passed_shard(stream, shard))
		return Max(horizon, shard->ending_number + 1);
	return horizon;
}

int64
horizon_of_shard(const StreamInfo *stream, const ShardInfo *shard, Snapshot snapshot)
{
	int64 horizon = horizon_of_shard_by_age(stream, shard);

	if (horizon <= shard->starting_number)
		return horizon;
	return shard_reader_first_unresolved(shard, horizon, snapshot);
}
