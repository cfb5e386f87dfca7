/*
 * changes_sql.c
 *	  changes(): the records of all shards as typed rows, in one stream.
 *
 * Shards are merged by sequence number, those of a parent before those of its
 * children.  It is for looking: while one looks, a record with a lower number
 * may still be on its way in another shard.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "horizon.h"
#include "image_convert.h"
#include "reader_slots.h"
#include "record_decode.h"
#include "stream.h"
#include "stream_access.h"
#include "stream_time.h"

PG_FUNCTION_INFO_V1(ddbstreams_changes);

/* One shard being read, standing at a record */
typedef struct ShardCursor
{
	ShardInfo	  *shard;
	ShardReader	  *reader;
	RecordDecoder *decoder;
	ShardRecord	   record;
	LOCKTAG		   slot;
	bool		   has_slot;
} ShardCursor;

typedef struct ChangesScan
{
	const StreamInfo *stream;
	Snapshot		  snapshot;
	int64			  first;   /* numbers from here on that have not expired */
	int64			  end;	   /* and below this one */
	List			 *shards;  /* of ShardInfo * */
	binaryheap		 *cursors; /* the lowest number on top */
} ChangesScan;

static int
compare_cursors(Datum a, Datum b, void *arg)
{
	ShardCursor *x = (ShardCursor *) DatumGetPointer(a);
	ShardCursor *y = (ShardCursor *) DatumGetPointer(b);

	if (x->record.number != y->record.number)
		return x->record.number < y->record.number ? 1 : -1;
	return -strcmp(x->shard->shard_id, y->shard->shard_id);
}

/* Reads a cursor's next record; false if there is none for this scan. */
static bool
advance(ChangesScan *scan, ShardCursor *cursor)
{
	return shard_reader_next(cursor->reader, &cursor->record) &&
		   cursor->record.number < scan->end;
}

static void start_children(ChangesScan *scan, const char *parent_shard_id);

static void
finish(ChangesScan *scan, ShardCursor *cursor)
{
	record_decoder_close(cursor->decoder);
	shard_reader_close(cursor->reader);
	if (cursor->has_slot)
		reader_slots_release(&cursor->slot);
	start_children(scan, cursor->shard->shard_id);
}

static void
start(ChangesScan *scan, ShardInfo *shard)
{
	ShardCursor *cursor = palloc0(sizeof(ShardCursor));
	int64		 first = Max(scan->first, shard->starting_number);

	check_stack_depth();
	cursor->shard = shard;
	cursor->has_slot = reader_slots_take(shard->shard_table, true, &cursor->slot);
	if (first < shard_age_horizon(scan->stream, shard))
		first = Max(first, shard_horizon(scan->stream, shard, scan->snapshot));
	cursor->reader = shard_reader_open(shard, scan->snapshot, first - 1);
	cursor->decoder = record_decoder_create(shard, scan->snapshot);
	if (advance(scan, cursor))
		binaryheap_add(scan->cursors, PointerGetDatum(cursor));
	else
		finish(scan, cursor);
}

static void
start_children(ChangesScan *scan, const char *parent_shard_id)
{
	ListCell *lc;

	foreach (lc, scan->shards)
	{
		ShardInfo *shard = lfirst(lc);

		if (shard->parent_shard_id != NULL &&
			strcmp(shard->parent_shard_id, parent_shard_id) == 0)
			start(scan, shard);
	}
}

static bool
is_listed(ChangesScan *scan, const char *shard_id)
{
	ListCell *lc;

	foreach (lc, scan->shards)
	{
		if (strcmp(((ShardInfo *) lfirst(lc))->shard_id, shard_id) == 0)
			return true;
	}
	return false;
}

static void
begin(ChangesScan *scan, const StreamInfo *stream, const TimestampTz *since,
	  const TimestampTz *until)
{
	ListCell *lc;

	scan->snapshot = GetActiveSnapshot();
	scan->stream = stream;
	scan->first = 0;
	if (since != NULL && *since > NUMBER_TIME(PG_INT64_MAX))
		scan->first = PG_INT64_MAX;
	else if (since != NULL && *since > 0)
		scan->first = NUMBER_AT_TIME(*since);
	scan->end = PG_INT64_MAX;
	if (until != NULL && *until <= NUMBER_TIME(PG_INT64_MAX))
		scan->end = *until <= 0 ? 0 : NUMBER_AT_TIME(*until);
	scan->shards = shard_catalog_list(stream->stream_id, scan->snapshot);
	scan->cursors = binaryheap_allocate(Max(list_length(scan->shards), 1),
										compare_cursors, NULL);
	foreach (lc, scan->shards)
	{
		ShardInfo *shard = lfirst(lc);

		if (shard->parent_shard_id == NULL ||
			!is_listed(scan, shard->parent_shard_id))
			start(scan, shard);
	}
}

/*
 * Finds the stream and the row type that are meant.  The row type's table names
 * the stream, unless there is an ARN.
 */
static StreamInfo *
find_stream(FunctionCallInfo fcinfo, Oid *row_type)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			table_oid;
	StreamInfo *stream;

	type = OidIsValid(type) ? getBaseType(type) : InvalidOid;
	table_oid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;
	if (!OidIsValid(table_oid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("row_type must be of the row type of a table"),
				 errhint("Write, for example, ddbstreams.changes(null::orders).")));
	*row_type = type;

	if (!PG_ARGISNULL(3))
		return stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(3)),
									GetActiveSnapshot());
	stream = stream_latest(table_oid, GetActiveSnapshot());
	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Table %s has no stream",
						stream_table_name(table_oid, false)),
				 errhint("Enable one with ddbstreams.enable_stream, or name a stream by its ARN.")));
	stream_access_check(stream);
	return stream;
}

static void
fill_row(ImageConverter *converter, ShardCursor *cursor, Datum *values, bool *nulls)
{
	RecordDecoder *decoder = cursor->decoder;
	int64		   number = cursor->record.number;

	record_decode(decoder, &cursor->record);
	values[0] = CStringGetTextDatum(record_event_name(decoder->event));
	values[1] = CStringGetTextDatum(sequence_number_text(number));
	values[2] = CStringGetTextDatum(cursor->shard->shard_id);
	values[3] = TimestampTzGetDatum(NUMBER_TIME(number));
	values[4] = UInt64GetDatum(decoder->transaction_id);
	nulls[5] = !decoder->has_old;
	values[5] = nulls[5] ? (Datum) 0 : image_convert(converter, decoder, &decoder->old);
	nulls[6] = !decoder->has_new;
	values[6] = nulls[6] ? (Datum) 0 : image_convert(converter, decoder, &decoder->new);
}

/*
 * changes(row_type anyelement, since timestamptz, until timestamptz,
 *		   stream_arn text) returns setof record
 */
Datum
ddbstreams_changes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo  *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz		since = PG_ARGISNULL(1) ? 0 : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz		until = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	Oid				row_type;
	StreamInfo	   *stream = find_stream(fcinfo, &row_type);
	TupleDesc		row_desc;
	ImageConverter *converter;
	ChangesScan		scan;
	MemoryContext	row_context;

	InitMaterializedSRF(fcinfo, 0);
	row_desc = lookup_rowtype_tupdesc_copy(row_type, -1);
	converter = image_converter_create(row_desc, relation_owner(get_typ_typrelid(row_type)));
	begin(&scan, stream, PG_ARGISNULL(1) ? NULL : &since,
		  PG_ARGISNULL(2) ? NULL : &until);

	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"ddbstreams changes row",
										ALLOCSET_DEFAULT_SIZES);
	while (!binaryheap_empty(scan.cursors))
	{
		ShardCursor *cursor =
			(ShardCursor *) DatumGetPointer(binaryheap_first(scan.cursors));
		MemoryContext oldcontext = MemoryContextSwitchTo(row_context);
		Datum		  values[7];
		bool		  nulls[7] = {false};

		CHECK_FOR_INTERRUPTS();
		fill_row(converter, cursor, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(row_context);

		if (advance(&scan, cursor))
			binaryheap_replace_first(scan.cursors, PointerGetDatum(cursor));
		else
		{
			(void) binaryheap_remove_first(scan.cursors);
			finish(&scan, cursor);
		}
	}
	return (Datum) 0;
}
