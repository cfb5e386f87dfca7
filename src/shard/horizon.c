/*
 * horizon.c
 *	  What has passed its retention and is out of reach.
 *
 * A record's number says when it was written, so that nobody has to do anything
 * for a record to expire: readers do not look below the horizon, the number
 * that the clock had one retention ago.  They judge by the clock at each call,
 * whether a worker drops the tables of expired shards (expiry.c) or not.
 *
 * The horizon of a shard does not pass its first unresolved record, which may
 * belong to a prepared transaction older than the retention: what comes behind
 * it could not be read, and a reader that began beyond it would never see it.
 *
 * The clock may have been wrong.  Where it ran ahead, numbers and times of
 * closing lie in the future.  A closed shard whose last number does so expires
 * by the time of its closing alone; expiry.c sets that right should it lie in
 * the future, too.  Where the clock was behind, a shard was closed earlier than
 * its last record was written; then the number counts.
 */
#include "postgres.h"

#include "base/clock.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

/* Returns the lowest number that is within a stream's retention by the clock. */
int64
horizon_of_stream(const StreamInfo *stream)
{
	TimestampTz horizon = clock_now() - stream->retention_usec;

	return horizon < 0 ? 0 : NUMBER_AT_TIME(horizon);
}

/*
 * Is all that a shard holds out of reach, so that it may be dropped?  It is
 * closed, and as much time has gone by since the closing as its records are
 * kept: readers have had that long to follow it to its children.
 */
bool
horizon_has_passed_shard(const StreamInfo *stream, const ShardInfo *shard)
{
	TimestampTz now = clock_now();
	TimestampTz last = NUMBER_TIME(shard->ending_number);

	return !ShardIsOpen(shard) &&
		   shard->closed_at < now - stream->retention_usec &&
		   (last < now - stream->retention_usec || last > now + CLOCK_TOLERANCE);
}

/*
 * Is a stream gone: disabled, and all its shards expired?  Looks at the shards
 * that there are now.
 */
bool
horizon_has_passed_stream(const StreamInfo *stream)
{
	TimestampTz now = clock_now();
	ListCell   *lc;

	/* The usual cases need no look at the shards. */
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

/*
 * Returns the number below which a shard's records are out of reach if none of
 * them is unresolved.  Costs nothing.
 */
int64
horizon_of_shard_by_age(const StreamInfo *stream, const ShardInfo *shard)
{
	int64 horizon = horizon_of_stream(stream);

	if (horizon_has_passed_shard(stream, shard))
		return Max(horizon, shard->ending_number + 1);
	return horizon;
}

/*
 * Returns the number below which a shard's records are out of reach: not above
 * the first one that is unresolved in the snapshot.
 */
int64
horizon_of_shard(const StreamInfo *stream, const ShardInfo *shard, Snapshot snapshot)
{
	int64 horizon = horizon_of_shard_by_age(stream, shard);

	if (horizon <= shard->starting_number)
		return horizon;
	return shard_reader_first_unresolved(shard, horizon, snapshot);
}
