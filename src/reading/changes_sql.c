/*
 * changes_sql.c
 *	  changes(): the records of all shards in one order, with images as rows of
 *	  the table's type or as JSON.
 *
 * The records of all shards are merged by sequence number, but those of a
 * parent come before those of its children.  A heap has a cursor for each
 * shard that is being read; when a shard is read to its end, cursors of its
 * children take its place.
 *
 * This is for looking at what has happened and not for following it: a later
 * call may show a record of another shard with a lower number.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "base/sequence_number.h"
#include "base/statement_snapshot.h"
#include "reading/image_convert.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/shard_family.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/reader_slots.h"
#include "shard/record_decode.h"

PG_FUNCTION_INFO_V1(ddbstreams_changes);

/* The columns of the result */
enum
{
	OUT_EVENT_NAME,
	OUT_SEQUENCE_NUMBER,
	OUT_SHARD_ID,
	OUT_COMMITTED_AT,
	OUT_TRANSACTION_ID,
	OUT_OLD_IMAGE,
	OUT_NEW_IMAGE,
	OUT_COUNT
};

/* A shard that is being read, and its present record */
typedef struct ShardCursor
{
	ShardNode	  *node;
	ShardReader	  *reader;
	RecordDecoder *decoder;
	ShardRecord	   record;
} ShardCursor;

typedef struct ChangesScan
{
	const StreamInfo *stream;
	Snapshot		  snapshot;
	int64			  first; /* the lowest number that is wanted */
	int64			  end;	 /* numbers from here on are not wanted */
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

/*
 * Reads a cursor's next record; false if there is none for this scan.  It
 * takes a reader slot only for as long as it reads a page: what follows may
 * call code of the reader's own, which may take any time.
 */
static bool
advance_cursor(ChangesScan *scan, ShardCursor *cursor)
{
	bool	has_slot = false;
	LOCKTAG slot;
	bool	found;

	if (!shard_reader_has_next(cursor->reader))
		has_slot = reader_slots_take(cursor->node->shard->shard_table,
									 READER_WAITS, &slot);
	found = shard_reader_next(cursor->reader, &cursor->record);
	if (has_slot)
		reader_slots_release(&slot);
	return found && cursor->record.number < scan->end;
}

static void
close_cursor(ShardCursor *cursor)
{
	record_decoder_close(cursor->decoder);
	shard_reader_close(cursor->reader);
	pfree(cursor);
}

/*
 * Opens a cursor of a shard; returns false if the shard holds nothing for this
 * scan.  If its numbers say so already, its table is not opened: an old
 * shard's may have been dropped by now.
 */
static bool
open_cursor(ChangesScan *scan, ShardNode *node)
{
	const ShardInfo *shard = node->shard;
	int64			 first = Max(scan->first, shard->starting_number);
	int64			 age_horizon = horizon_of_shard_by_age(scan->stream, shard);
	ShardCursor		*cursor;
	LOCKTAG			 slot;
	bool			 has_slot;

	if (shard->starting_number >= scan->end ||
		(!ShardIsOpen(shard) && shard->ending_number < Max(first, age_horizon)))
		return false;
	cursor = palloc0(sizeof(ShardCursor));
	cursor->node = node;
	has_slot = reader_slots_take(shard->shard_table, READER_WAITS, &slot);
	if (first < age_horizon)
	{
		int64 horizon = horizon_of_shard(scan->stream, shard, scan->snapshot);

		first = Max(first, horizon);
	}
	cursor->reader = shard_reader_open(shard, scan->snapshot, first - 1);
	if (has_slot)
		reader_slots_release(&slot);
	cursor->decoder = record_decoder_create(shard, scan->snapshot);
	if (!advance_cursor(scan, cursor))
	{
		close_cursor(cursor);
		return false;
	}
	binaryheap_add(scan->cursors, PointerGetDatum(cursor));
	return true;
}

/*
 * Opens cursors of a shard's children, or of the roots if parent is NULL.
 * Where a child holds nothing for this scan, its own children take its place.
 */
static void
open_children(ChangesScan *scan, ShardNode *parent)
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
			if (!open_cursor(scan, child))
				parents = lappend(parents, child);
		}
	}
}

/* Begins a scan with the statement's snapshot; since and until may be NULL. */
static void
begin_scan(ChangesScan *scan, const StreamInfo *stream,
		   const TimestampTz *since, const TimestampTz *until)
{
	scan->snapshot = statement_snapshot();
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
	open_children(scan, NULL);
}

/*
 * Finds the stream that the arguments name, and the row type of the result's
 * images, InvalidOid for JSON.  Without an ARN it is the latest stream of the
 * table, which is named or has the row type.
 */
static StreamInfo *
find_named_stream(FunctionCallInfo fcinfo, Oid *row_type)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			table_oid;
	StreamInfo *stream;

	type = OidIsValid(type) ? getBaseType(type) : InvalidOid;
	*row_type = InvalidOid;
	if (type == TEXTOID && PG_ARGISNULL(0))
		error_null_argument("tableName");
	if (type == TEXTOID)
		table_oid = DatumGetObjectId(DirectFunctionCall1(
			regclassin, CStringGetDatum(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	else
	{
		table_oid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;
		*row_type = type;
	}
	if (!OidIsValid(table_oid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("row_type must be of the row type of a table"),
				 errhint("Write, for example, ddbstreams.changes(null::orders), or ddbstreams.changes('orders') for images in JSON.")));

	if (!PG_ARGISNULL(3))
		return stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(3)),
									statement_snapshot());
	stream = stream_access_latest(table_oid, statement_snapshot());
	if (stream == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("Requested resource not found: Table %s has no stream",
						stream_access_table_name(table_oid, false)),
				 get_rel_relispartition(table_oid) ?
					 errhint("It is a partition: the stream would be on its root.") :
				 get_rel_relkind(table_oid) == RELKIND_VIEW ?
					 errhint("It is a view: name the table that it reads.") :
				 get_rel_relkind(table_oid) == RELKIND_COMPOSITE_TYPE ?
					 errhint("It is a composite type: name a stream by its ARN, as stream_arn.") :
					 errhint("Enable one with ddbstreams.enable_stream, or name a stream by its ARN.")));
	stream_access_check(stream);
	return stream;
}

/* Returns an image of the present record as a row, or as typed JSON. */
static Datum
image_of(ImageConverter *converter, RecordDecoder *decoder, DecodedImage *image)
{
	StringInfoData json;

	if (converter != NULL)
		return image_convert(converter, decoder, image);
	initStringInfo(&json);
	if (image == &decoder->old)
		(void) record_decode_append_old_image(decoder, &json);
	else
		(void) record_decode_append_new_image(decoder, &json);
	return PointerGetDatum(cstring_to_text_with_len(json.data, json.len));
}

/*
 * Fills the columns of the result with a cursor's present record.  Images are
 * JSON if the converter is NULL.
 */
static void
fill_row(ImageConverter *converter, ShardCursor *cursor, Datum *values, bool *nulls)
{
	RecordDecoder *decoder = cursor->decoder;
	int64		   number = cursor->record.number;

	record_decode(decoder, &cursor->record);
	memset(nulls, false, OUT_COUNT * sizeof(bool));
	values[OUT_EVENT_NAME] = CStringGetTextDatum(record_decode_event_name(decoder->event));
	values[OUT_SEQUENCE_NUMBER] = CStringGetTextDatum(sequence_number_text(number));
	values[OUT_SHARD_ID] = CStringGetTextDatum(cursor->node->shard->shard_id);
	values[OUT_COMMITTED_AT] = TimestampTzGetDatum(NUMBER_TIME(number));
	values[OUT_TRANSACTION_ID] = UInt64GetDatum(decoder->transaction_id);
	nulls[OUT_OLD_IMAGE] = !decoder->has_old;
	values[OUT_OLD_IMAGE] = decoder->has_old ?
								image_of(converter, decoder, &decoder->old) :
								(Datum) 0;
	nulls[OUT_NEW_IMAGE] = !decoder->has_new;
	values[OUT_NEW_IMAGE] = decoder->has_new ?
								image_of(converter, decoder, &decoder->new) :
								(Datum) 0;
}

/*
 * changes(row_type anyelement, since timestamptz, until timestamptz,
 *		   stream_arn text) returns setof record; in place of the row type a
 * text may name the table.
 */
Datum
ddbstreams_changes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo  *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz		since = PG_ARGISNULL(1) ? 0 : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz		until = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	Oid				row_type;
	StreamInfo	   *stream = find_named_stream(fcinfo, &row_type);
	ImageConverter *converter = NULL;
	ChangesScan		scan;
	MemoryContext	row_context;

	InitMaterializedSRF(fcinfo, 0);
	if (OidIsValid(row_type))
		converter = image_converter_create(lookup_rowtype_tupdesc_copy(row_type, -1),
										   stream_catalog_table_owner(get_typ_typrelid(row_type)));
	begin_scan(&scan, stream, PG_ARGISNULL(1) ? NULL : &since,
			   PG_ARGISNULL(2) ? NULL : &until);

	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"ddbstreams changes row",
										ALLOCSET_DEFAULT_SIZES);
	while (!binaryheap_empty(scan.cursors))
	{
		ShardCursor *cursor =
			(ShardCursor *) DatumGetPointer(binaryheap_first(scan.cursors));
		MemoryContext oldcontext = MemoryContextSwitchTo(row_context);
		Datum		  values[OUT_COUNT];
		bool		  nulls[OUT_COUNT];

		CHECK_FOR_INTERRUPTS();
		fill_row(converter, cursor, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(oldcontext);
		MemoryContextReset(row_context);

		if (advance_cursor(&scan, cursor))
			binaryheap_replace_first(scan.cursors, PointerGetDatum(cursor));
		else
		{
			ShardNode *node = cursor->node;

			(void) binaryheap_remove_first(scan.cursors);
			close_cursor(cursor);
			open_children(&scan, node);
		}
	}
	return (Datum) 0;
}
