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

#include "base/sequence_number.h"
#include "reading/image_convert.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/shard_family.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/reader_slots.h"
#include "shard/record_decode.h"

PG_FUNCTION_INFO_V1(ddbstreams_changes);

/* One shard being read, standing at a record */
typedef struct ShardCursor
{
	ShardNode	  *node;
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
	int64			  first; /* numbers from here on that have not expired */
	int64			  end;	 /* and below this one */
	ShardFamily		 *family;
	binaryheap		 *cursors; /* the lowest number on top */
} ChangesScan;

static int
compare_cursors(Datum a, Datum b, void *arg)
{
	ShardCursor *x = (ShardCursor *) DatumGetPointer(a);
	ShardCursor *y = (ShardCursor *) DatumGetPointer(b);

	if (x->record.number != y->record.number)
		return x->record.number < y->record.number ? 1 : -1;
	return -strcmp(x->node->shard->shard_id, y->node->shard->shard_id);
}

/* Reads a cursor's next record; false if there is none for this scan. */
static bool
advance(ChangesScan *scan, ShardCursor *cursor)
{
	return shard_reader_next(cursor->reader, &cursor->record) &&
		   cursor->record.number < scan->end;
}

static void
finish(ShardCursor *cursor)
{
	record_decoder_close(cursor->decoder);
	shard_reader_close(cursor->reader);
	if (cursor->has_slot)
		reader_slots_release(&cursor->slot);
	pfree(cursor);
}

/*
 * Begins to read a shard; returns false if it holds nothing for this scan.  One
 * that cannot is not opened: it may be old, and its table gone by now.
 */
static bool
start(ChangesScan *scan, ShardNode *node)
{
	const ShardInfo *shard = node->shard;
	int64			 first = Max(scan->first, shard->starting_number);
	int64			 age_horizon = horizon_of_shard_by_age(scan->stream, shard);
	ShardCursor		*cursor;

	if (shard->starting_number >= scan->end ||
		(!ShardIsOpen(shard) && shard->ending_number < Max(first, age_horizon)))
		return false;
	cursor = palloc0(sizeof(ShardCursor));
	cursor->node = node;
	cursor->has_slot = reader_slots_take(shard->shard_table, true, &cursor->slot);
	if (first < age_horizon)
		first = Max(first, horizon_of_shard(scan->stream, shard, scan->snapshot));
	cursor->reader = shard_reader_open(shard, scan->snapshot, first - 1);
	cursor->decoder = record_decoder_create(shard, scan->snapshot);
	if (!advance(scan, cursor))
	{
		finish(cursor);
		return false;
	}
	binaryheap_add(scan->cursors, PointerGetDatum(cursor));
	return true;
}

/*
 * Begins to read a shard's children, NULL's being the roots, and where there is
 * nothing (more) to read the children of those.
 */
static void
start_children(ChangesScan *scan, ShardNode *parent)
{
	List *parents = list_make1(parent);

	while (parents != NIL)
	{
		ShardNode *next = llast(parents);

		parents = list_delete_last(parents);
		for (ShardNode *child = next ? next->first_child : scan->family->first_root;
			 child; child = child->next_sibling)
		{
			CHECK_FOR_INTERRUPTS();
			if (!start(scan, child))
				parents = lappend(parents, child);
		}
	}
}

static void
begin(ChangesScan *scan, const StreamInfo *stream, const TimestampTz *since,
	  const TimestampTz *until)
{
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
	scan->family = shard_family(shard_catalog_list(stream->stream_id,
												   scan->snapshot));
	scan->cursors = binaryheap_allocate(Max(scan->family->count, 1),
										compare_cursors, NULL);
	start_children(scan, NULL);
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
	stream = stream_access_latest(table_oid, GetActiveSnapshot());
	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Table %s has no stream",
						stream_access_table_name(table_oid, false)),
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
	values[0] = CStringGetTextDatum(record_decode_event_name(decoder->event));
	values[1] = CStringGetTextDatum(sequence_number_text(number));
	values[2] = CStringGetTextDatum(cursor->node->shard->shard_id);
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
	converter = image_converter_create(row_desc, stream_catalog_table_owner(get_typ_typrelid(row_type)));
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
			ShardNode *node = cursor->node;

			(void) binaryheap_remove_first(scan.cursors);
			finish(cursor);
			start_children(&scan, node);
		}
	}
	return (Datum) 0;
}
