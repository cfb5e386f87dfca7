/*
 * stream_sql.c
 *	  The SQL functions on streams: enable, disable, alter, list, describe.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "base/errors.h"
#include "base/sequence_number.h"
#include "base/statement_snapshot.h"
#include "reading/stream_access.h"
#include "registry/catalog_table.h"
#include "registry/heap_write.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "registry/stream_key.h"
#include "shard/horizon.h"
#include "stream/stream.h"

PG_FUNCTION_INFO_V1(ddbstreams_enable_stream);
PG_FUNCTION_INFO_V1(ddbstreams_disable_stream);
PG_FUNCTION_INFO_V1(ddbstreams_alter_stream);
PG_FUNCTION_INFO_V1(ddbstreams_latest_stream_arn);
PG_FUNCTION_INFO_V1(ddbstreams_list_streams);
PG_FUNCTION_INFO_V1(ddbstreams_describe_stream);
PG_FUNCTION_INFO_V1(ddbstreams_make_secret);

static void
require_argument(FunctionCallInfo fcinfo, int n, const char *member)
{
	if (PG_ARGISNULL(n))
		error_null_argument(member);
}

/*
 * enable_stream(table_name regclass, stream_view_type text, shard_count int,
 *				 partition_key text[], retention interval) returns text
 */
Datum
ddbstreams_enable_stream(PG_FUNCTION_ARGS)
{
	int	  shard_count = 0;
	char *arn;

	require_argument(fcinfo, 0, "tableName");
	require_argument(fcinfo, 1, "streamSpecification.streamViewType");
	require_argument(fcinfo, 4, "retention");
	if (!PG_ARGISNULL(2))
	{
		shard_count = PG_GETARG_INT32(2);
		if (shard_count < 1)
			error_constraint(psprintf("%d", shard_count), "shard_count",
							 "have value greater than or equal to 1");
		if (shard_count > MAX_SHARD_COUNT)
			error_constraint(psprintf("%d", shard_count), "shard_count",
							 "have value less than or equal to 1024");
	}
	arn = stream_enable(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
						shard_count,
						PG_ARGISNULL(3) ?
							NIL :
							stream_key_names(PG_GETARG_ARRAYTYPE_P(3)),
						PG_GETARG_INTERVAL_P(4));
	PG_RETURN_TEXT_P(cstring_to_text(arn));
}

/* disable_stream(table_name regclass) returns text */
Datum
ddbstreams_disable_stream(PG_FUNCTION_ARGS)
{
	require_argument(fcinfo, 0, "tableName");
	PG_RETURN_TEXT_P(cstring_to_text(stream_disable(PG_GETARG_OID(0))));
}

/* alter_stream(stream_arn text, retention interval) returns void */
Datum
ddbstreams_alter_stream(PG_FUNCTION_ARGS)
{
	require_argument(fcinfo, 0, "streamArn");
	require_argument(fcinfo, 1, "retention");
	stream_set_retention(text_to_cstring(PG_GETARG_TEXT_PP(0)),
						 PG_GETARG_INTERVAL_P(1));
	PG_RETURN_VOID();
}

/*
 * latest_stream_arn(table_name regclass) returns text
 *
 * A null is answered with a null, so that it can be asked about a table that
 * may not be there: latest_stream_arn(to_regclass('orders')).
 */
Datum
ddbstreams_latest_stream_arn(PG_FUNCTION_ARGS)
{
	StreamInfo *stream;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	(void) stream_access_table_name(PG_GETARG_OID(0), false);
	stream = stream_access_latest(PG_GETARG_OID(0), statement_snapshot());
	if (stream == NULL)
		PG_RETURN_NULL();
	stream_access_check(stream);
	PG_RETURN_TEXT_P(cstring_to_text(stream->arn));
}

/*
 * list_streams(table_name regclass) returns setof record
 *
 * Returns the streams that the caller may read, in the order of their
 * creation.
 */
Datum
ddbstreams_list_streams(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			   table_oid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	List		  *streams;
	ListCell	  *lc;

	if (!PG_ARGISNULL(0))
		(void) stream_access_table_name(table_oid, false);
	InitMaterializedSRF(fcinfo, 0);
	streams = stream_catalog_list(table_oid, statement_snapshot());
	foreach (lc, streams)
	{
		StreamInfo *stream = lfirst(lc);
		Datum		values[7];
		bool		nulls[7] = {false};

		if (horizon_has_passed_stream(stream) || !stream_access_may_read(stream))
			continue;
		values[0] = CStringGetTextDatum(stream->arn);
		values[1] = CStringGetTextDatum(stream->table_name);
		values[2] = CStringGetTextDatum(stream->label);
		values[3] = CStringGetTextDatum(stream_access_is_enabled(stream) ?
											"ENABLED" :
											"DISABLED");
		values[4] = CStringGetTextDatum(view_type_name(stream->view_type));
		values[5] = TimestampTzGetDatum(stream->created_at);
		values[6] = IntervalPGetDatum(&stream->retention);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static Datum
uint64_numeric(uint64 value)
{
	char *text = psprintf(UINT64_FORMAT, value);

	return DirectFunctionCall3(numeric_in, CStringGetDatum(text),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static Datum
number_text(int64 number)
{
	return CStringGetTextDatum(sequence_number_text(number));
}

/* Returns the half-open range of a shard's hashes, up to 2^64, as numrange. */
static Datum
hash_range_datum(const ShardInfo *shard)
{
	TypeCacheEntry *typcache = lookup_type_cache(NUMRANGEOID,
												 TYPECACHE_RANGE_INFO);
	RangeBound		lower = {0};
	RangeBound		upper = {0};

	lower.val = uint64_numeric(shard->hash_first);
	lower.inclusive = true;
	lower.lower = true;
	upper.val = DirectFunctionCall2(numeric_add, uint64_numeric(shard->hash_last),
									uint64_numeric(1));
	return RangeTypePGetDatum(compat_make_range(typcache, &lower, &upper));
}

/*
 * describe_stream(stream_arn text, children_of text) returns setof record
 *
 * Returns the shards of a stream, or the children of one, in the order of
 * their ids.
 */
Datum
ddbstreams_describe_stream(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	StreamInfo	  *stream;
	List		  *shards;
	ListCell	  *lc;

	require_argument(fcinfo, 0, "streamArn");
	InitMaterializedSRF(fcinfo, 0);
	stream = stream_access_by_arn(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								  statement_snapshot());
	if (PG_ARGISNULL(1))
		shards = shard_catalog_list(stream->stream_id, statement_snapshot());
	else
		shards = shard_catalog_children(stream->stream_id,
										text_to_cstring(PG_GETARG_TEXT_PP(1)),
										statement_snapshot());
	foreach (lc, shards)
	{
		ShardInfo *shard = lfirst(lc);
		Datum	   values[6];
		bool	   nulls[6] = {false};

		values[0] = CStringGetTextDatum(shard->shard_id);
		nulls[1] = shard->parent_shard_id == NULL;
		values[1] = nulls[1] ? (Datum) 0 :
							   CStringGetTextDatum(shard->parent_shard_id);
		values[2] = number_text(shard->starting_number);
		nulls[3] = ShardIsOpen(shard);
		values[3] = nulls[3] ? (Datum) 0 : number_text(shard->ending_number);
		values[4] = ObjectIdGetDatum(shard->shard_table);
		values[5] = hash_range_datum(shard);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * make_secret() returns void
 *
 * Makes the secret that signs iterators; only CREATE EXTENSION calls it.
 */
Datum
ddbstreams_make_secret(PG_FUNCTION_ARGS)
{
	char	 bytes[VARHDRSZ + 32];
	Relation rel;
	Datum	 value;
	bool	 isnull = false;

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the secret is made by CREATE EXTENSION")));
	SET_VARSIZE(bytes, sizeof(bytes));
	if (!pg_strong_random(bytes + VARHDRSZ, sizeof(bytes) - VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	value = PointerGetDatum(bytes);
	rel = table_open(catalog_table_oid(CATALOG_SECRET, false), RowExclusiveLock);
	heap_write_insert(rel, &value, &isnull);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}
