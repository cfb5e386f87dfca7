/*
 * iterator_position.c
 *	  Where an iterator of each type starts to read.
 *
 * TRIM_HORIZON becomes a position when the iterator is used and not when it is
 * made: an old iterator then starts at the horizon of that moment.  The other
 * types become a position at once.
 */
#include "postgres.h"

#include "access/relation.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/sequence_number.h"
#include "reading/iterator.h"
#include "reading/iterator_position.h"
#include "shard/horizon.h"
#include "shard/shard_log.h"
#include "shard/shard_reader.h"

typedef enum IteratorType
{
	TYPE_TRIM_HORIZON,
	TYPE_LATEST,
	TYPE_AT_SEQUENCE_NUMBER,
	TYPE_AFTER_SEQUENCE_NUMBER,
	TYPE_AT_TIMESTAMP
} IteratorType;

static const char *const type_names[] = {
	[TYPE_TRIM_HORIZON] = "TRIM_HORIZON",
	[TYPE_LATEST] = "LATEST",
	[TYPE_AT_SEQUENCE_NUMBER] = "AT_SEQUENCE_NUMBER",
	[TYPE_AFTER_SEQUENCE_NUMBER] = "AFTER_SEQUENCE_NUMBER",
	[TYPE_AT_TIMESTAMP] = "AT_TIMESTAMP"};

int64
iterator_position_resolve(const ShardIterator *iterator, Snapshot snapshot)
{
	if (iterator->kind == ITERATOR_AFTER)
		return iterator->position;
	return Max(iterator->shard->starting_number,
			   horizon_of_shard(iterator->stream, iterator->shard, snapshot)) -
		   1;
}

static IteratorType
parse_type(const char *type)
{
	for (int i = 0; i < (int) lengthof(type_names); i++)
	{
		if (strcmp(type, type_names[i]) == 0)
			return (IteratorType) i;
	}
	error_enum(type, "shardIteratorType", "shard_iterator_type",
			   "AFTER_SEQUENCE_NUMBER, AT_TIMESTAMP, LATEST, AT_SEQUENCE_NUMBER, TRIM_HORIZON");
}

static void
check_type_arguments(IteratorType type, const char *sequence_number,
					 const TimestampTz *at)
{
	bool wants_number = type == TYPE_AT_SEQUENCE_NUMBER ||
						type == TYPE_AFTER_SEQUENCE_NUMBER;

	if (wants_number && sequence_number == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("One or more parameter values were invalid: SequenceNumber is required for ShardIteratorType %s",
						type_names[type]),
				 errhint("Give it as sequence_number => '...', or as SequenceNumber of GetShardIterator.")));
	if (!wants_number && sequence_number != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("One or more parameter values were invalid: SequenceNumber must not be specified for ShardIteratorType %s",
						type_names[type])));
	if (type == TYPE_AT_TIMESTAMP && at == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("One or more parameter values were invalid: a time is required for ShardIteratorType %s",
						type_names[type]),
				 errhint("Give it as at => '...', or as Timestamp of GetShardIterator.")));
	if (type != TYPE_AT_TIMESTAMP && at != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("One or more parameter values were invalid: a time must not be specified for ShardIteratorType %s",
						type_names[type])));
}

static void
report_trimmed(int64 number)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIMMED_DATA_ACCESS),
			 errmsg("The data you are trying to access has been trimmed"),
			 errdetail("Sequence number %s is older than the stream's retention.",
					   sequence_number_text(number)),
			 errhint("Start at TRIM_HORIZON.")));
}

/*
 * Is a number higher than any that a shard has given?  In a closed shard no
 * number is higher than the ending number.  An open shard may have given
 * numbers up to the present time, and higher ones if the clock was set back;
 * then the last number tells.
 */
static bool
is_past_end(const ShardInfo *shard, int64 number)
{
	Relation rel;
	int64	 last;

	if (!ShardIsOpen(shard))
		return number > shard->ending_number;
	if (number <= NUMBER_AT_TIME(clock_now() + CLOCK_TOLERANCE))
		return false;
	rel = relation_open(shard->shard_table, AccessShareLock);
	last = shard_log_last_number(rel);
	relation_close(rel, AccessShareLock);
	return number > last;
}

/* Returns the position for reading from a number on, or behind it if after. */
static int64
position_of_number(const StreamInfo *stream, const ShardInfo *shard,
				   const char *sequence_number, bool after, Snapshot snapshot)
{
	int64 number = sequence_number_parse(sequence_number);

	if (number < horizon_of_shard_by_age(stream, shard) &&
		number < horizon_of_shard(stream, shard, snapshot))
		report_trimmed(number);
	if (number < shard->starting_number || is_past_end(shard, number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("Invalid SequenceNumber: %s is not in the range of shard %s",
						sequence_number, shard->shard_id),
				 errhint("ddbstreams.describe_stream shows the ranges.")));
	return after ? number : number - 1;
}

/*
 * Returns the position for reading what was written at a time and later, or -1
 * for TRIM_HORIZON.
 */
static int64
position_of_time(const StreamInfo *stream, const ShardInfo *shard, TimestampTz at)
{
	if (at > clock_now())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("One or more parameter values were invalid: the time of an AT_TIMESTAMP iterator must not lie in the future")));
	if (at < 0 || NUMBER_AT_TIME(at) < horizon_of_shard_by_age(stream, shard))
		return -1;
	return Max(NUMBER_AT_TIME(at), shard->starting_number) - 1;
}

const char *
iterator_position_make(StreamInfo *stream, ShardInfo *shard, const char *type_name,
					   const char *sequence_number, const TimestampTz *at,
					   Snapshot snapshot)
{
	IteratorType   type = parse_type(type_name);
	IteratorWriter writer;
	const char	  *text;
	int64		   position = -1; /* TRIM_HORIZON */

	check_type_arguments(type, sequence_number, at);
	switch (type)
	{
		case TYPE_TRIM_HORIZON:
			break;
		case TYPE_LATEST:
			position = shard_reader_latest(shard, snapshot);
			break;
		case TYPE_AT_SEQUENCE_NUMBER:
			position = position_of_number(stream, shard, sequence_number, false,
										  snapshot);
			break;
		case TYPE_AFTER_SEQUENCE_NUMBER:
			position = position_of_number(stream, shard, sequence_number, true,
										  snapshot);
			break;
		case TYPE_AT_TIMESTAMP:
			position = position_of_time(stream, shard, *at);
			break;
	}
	iterator_writer_init(&writer, stream, shard);
	if (position < 0)
		text = iterator_writer_write(&writer, ITERATOR_AT_HORIZON, 0);
	else
		text = iterator_writer_write(&writer, ITERATOR_AFTER, position);
	return text;
}
