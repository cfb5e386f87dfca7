/*
 * records_sql.c
 *	  The SQL functions that read records by iterators.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/errors.h"
#include "base/statement_snapshot.h"
#include "reading/iterator_position.h"
#include "reading/record_page.h"
#include "reading/record_row.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

PG_FUNCTION_INFO_V1(ddbstreams_get_shard_iterator);
PG_FUNCTION_INFO_V1(ddbstreams_next_shard_iterator);
PG_FUNCTION_INFO_V1(ddbstreams_get_records);

/*
 * get_shard_iterator(stream_arn text, shard_id text, shard_iterator_type text,
 *					  sequence_number text, at timestamptz) returns text
 */
Datum
ddbstreams_get_shard_iterator(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = statement_snapshot();
	StreamInfo *stream;
	ShardInfo  *shard;
	TimestampTz at = 0;
	const char *iterator;

	if (PG_ARGISNULL(0))
		error_null_argument("streamArn");
	if (PG_ARGISNULL(1))
		error_null_argument("shardId");
	if (PG_ARGISNULL(2))
		error_null_argument("shardIteratorType");
	if (!PG_ARGISNULL(4))
		at = PG_GETARG_TIMESTAMPTZ(4);

	stream = stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)), snapshot);
	shard = stream_access_shard(stream, text_to_cstring(PG_GETARG_TEXT_PP(1)),
								snapshot);
	iterator = iterator_position_make(stream, shard,
									  text_to_cstring(PG_GETARG_TEXT_PP(2)),
									  PG_ARGISNULL(3) ? NULL :
														text_to_cstring(PG_GETARG_TEXT_PP(3)),
									  PG_ARGISNULL(4) ? NULL : &at, snapshot);
	PG_RETURN_TEXT_P(cstring_to_text(iterator));
}

/*
 * next_shard_iterator(shard_iterator text) returns text
 *
 * Returns the same position in an iterator that is issued now, or null if it
 * is at the end of a closed shard.
 */
Datum
ddbstreams_next_shard_iterator(PG_FUNCTION_ARGS)
{
	ShardIterator *iterator;
	IteratorWriter writer;
	const char	  *written;
	bool		   at_end;

	if (PG_ARGISNULL(0))
		error_null_argument("shardIterator");
	iterator = iterator_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							  statement_snapshot());
	at_end = !ShardIsOpen(iterator->shard);
	if (at_end)
	{
		ShardReader *reader = shard_reader_open(iterator->shard,
												statement_snapshot(),
												iterator_position_resolve(iterator,
																		  statement_snapshot()));
		ShardRecord	 record;

		at_end = !shard_reader_next(reader, &record) &&
				 reader->end == READER_AT_HEAP_END;
		shard_reader_close(reader);
	}
	if (at_end)
		PG_RETURN_NULL();
	iterator_writer_init(&writer, iterator->stream, iterator->shard);
	written = iterator_writer_write(&writer, iterator->kind, iterator->position);
	PG_RETURN_TEXT_P(cstring_to_text(written));
}

/*
 * get_records(shard_iterator text, max_records int) returns setof record
 */
Datum
ddbstreams_get_records(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RecordPage	   page;
	RecordRow	   row;

	if (PG_ARGISNULL(0))
		error_null_argument("shardIterator");
	if (PG_ARGISNULL(1))
		error_null_argument("limit");
	InitMaterializedSRF(fcinfo, 0);

	record_page_begin(&page, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  PG_GETARG_INT32(1), statement_snapshot());
	record_row_begin(&row, &page, NULL);
	while (record_page_next(&page))
		record_row_put(&row, rsinfo->setResult);
	record_page_end(&page);
	return (Datum) 0;
}
