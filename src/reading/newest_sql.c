/*
 * newest_sql.c
 *	  newest_records(): the end of a stream, for looking at it.
 *
 * Each shard is read backward, page by page, for the numbers of its last
 * records.  The lowest number that belongs to the result tells where the
 * reading of each shard begins; records are decoded then, and no others.
 * Shards that end before that number are not opened.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "base/errors.h"
#include "base/statement_snapshot.h"
#include "reading/record_page.h"
#include "reading/record_row.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_reader.h"

PG_FUNCTION_INFO_V1(ddbstreams_newest_records);

/* The shards of a stream, and the numbers of their newest records */
typedef struct NewestRecords
{
	StreamInfo *stream;
	Snapshot	snapshot;
	int			max_records;
	int64	   *numbers; /* the highest ones so far, in falling order */
	int			count;	 /* at most max_records */
} NewestRecords;

/* Open shards come first, then those that were closed last. */
static int
compare_shards(const ListCell *a, const ListCell *b)
{
	const ShardInfo *x = lfirst(a);
	const ShardInfo *y = lfirst(b);
	int64			 x_end = ShardIsOpen(x) ? PG_INT64_MAX : x->ending_number;
	int64			 y_end = ShardIsOpen(y) ? PG_INT64_MAX : y->ending_number;

	if (x_end != y_end)
		return x_end > y_end ? -1 : 1;
	return strcmp(x->shard_id, y->shard_id);
}

static int
compare_falling(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x < y) - (x > y);
}

/* Returns the number that a record must be above to belong to the result. */
static int64
threshold(const NewestRecords *newest)
{
	return newest->count < newest->max_records ? -1 :
												 newest->numbers[newest->count - 1];
}

/* Adds the numbers of a shard's last records. */
static void
add_shard(NewestRecords *newest, const ShardInfo *shard)
{
	int64 horizon = horizon_of_shard(newest->stream, shard, newest->snapshot);
	int64 begin = Max(horizon, shard->starting_number) - 1;
	int64 lowest = threshold(newest);
	int64 after = Max(lowest, begin);
	int	  added = shard_reader_newest(shard, newest->snapshot, after,
									  newest->max_records,
									  newest->numbers + newest->count);

	newest->count += added;
	qsort(newest->numbers, newest->count, sizeof(int64), compare_falling);
	newest->count = Min(newest->count, newest->max_records);
}

/*
 * Returns the records of a shard from a number on, at most max_records, and
 * how many they were.
 */
static int
return_records(NewestRecords *newest, ShardInfo *shard, int64 first,
			   int max_records, ReturnSetInfo *rsinfo)
{
	int64 horizon = horizon_of_shard(newest->stream, shard, newest->snapshot);
	int64 position = Max(first, Max(horizon, shard->starting_number)) - 1;
	int	  returned = 0;
	bool  more = true;

	/* A page may end early, because its records are large. */
	while (more && returned < max_records)
	{
		RecordPage page;
		RecordRow  row;

		record_page_begin_at(&page, newest->stream, shard, position, horizon,
							 max_records - returned, newest->snapshot);
		record_row_begin(&row, &page, shard->shard_id);
		while (record_page_next(&page))
		{
			record_row_put(&row, rsinfo->setResult);
			position = page.record.number;
		}
		returned += page.count;
		more = page.count > 0 && page.reader->end == READER_NOT_AT_END;
		record_page_end(&page);
	}
	return returned;
}

/*
 * newest_records(stream_arn text, max_records int) returns setof record
 */
Datum
ddbstreams_newest_records(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	NewestRecords  newest = {0};
	List		  *shards;
	ListCell	  *lc;
	int64		   first;
	int			   left;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	if (PG_ARGISNULL(1))
		error_null_argument("limit");
	newest.max_records = PG_GETARG_INT32(1);
	if (newest.max_records < 1)
		error_constraint(psprintf("%d", newest.max_records), "limit",
						 "have value greater than or equal to 1");
	if (newest.max_records > PAGE_MAX_RECORDS)
		error_constraint(psprintf("%d", newest.max_records), "limit",
						 "have value less than or equal to 1000");
	InitMaterializedSRF(fcinfo, 0);

	newest.snapshot = statement_snapshot();
	newest.stream = stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)),
										 newest.snapshot);
	newest.numbers = palloc(2 * newest.max_records * sizeof(int64));

	shards = shard_catalog_list(newest.stream->stream_id, newest.snapshot);
	list_sort(shards, compare_shards);
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (!ShardIsOpen(shard) && shard->ending_number <= threshold(&newest))
			break;
		/* Maintenance may be about to drop it. */
		if (!horizon_has_passed_shard(newest.stream, shard))
			add_shard(&newest, shard);
	}
	if (newest.count == 0)
		return (Datum) 0;

	first = newest.numbers[newest.count - 1];
	left = newest.count;
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);

		if (left == 0 || (!ShardIsOpen(shard) && shard->ending_number < first))
			break;
		if (!horizon_has_passed_shard(newest.stream, shard))
			left -= return_records(&newest, shard, first, left, rsinfo);
	}
	return (Datum) 0;
}
