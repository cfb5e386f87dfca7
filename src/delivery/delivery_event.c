/*
 * delivery_event.c
 *	  The documents that handlers are called with.
 *
 * These are events, as Lambda hands them to functions, and records of failure,
 * as Lambda sends them to an on-failure destination.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/sequence_number.h"
#include "delivery/delivery_event.h"
#include "mapping/mapping.h"
#include "mapping/mapping_function.h"
#include "typed_json/json_writer.h"

/* Returns a time in UTC as whole seconds, palloc'd. */
static char *
seconds_text(TimestampTz time)
{
	char *text = clock_label(time);

	strcpy(strrchr(text, '.'), "Z");
	return text;
}

static void
append_string(StringInfo buf, const char *text)
{
	json_writer_append_string(buf, text, strlen(text));
}

static void
append_records(StringInfo buf, const DeliveryBatch *batch)
{
	appendStringInfoString(buf, "\"Records\":[");
	appendBinaryStringInfo(buf, batch->records.data, batch->records.len);
	appendStringInfoChar(buf, ']');
}

char *
delivery_event(const DeliveryBatch *batch)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_records(&buf, batch);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

char *
delivery_event_of_window(const DeliveryBatch *batch, const MappingInfo *mapping,
						 const ShardInfo *shard, const DeliveryPosition *position,
						 bool is_final)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_records(&buf, batch);
	appendStringInfo(&buf, ",\"window\":{\"start\":\"%s\"",
					 seconds_text(position->window_start));
	appendStringInfo(&buf, ",\"end\":\"%s\"},\"state\":",
					 seconds_text(position->window_end));
	if (position->window_state == NULL)
		appendStringInfoString(&buf, "{}");
	else
		(void) JsonbToCString(&buf, &position->window_state->root,
							  VARSIZE(position->window_state));
	appendStringInfoString(&buf, ",\"shardId\":");
	append_string(&buf, shard->shard_id);
	appendStringInfoString(&buf, ",\"eventSourceARN\":");
	append_string(&buf, mapping->event_source_arn);
	appendStringInfo(&buf, ",\"isFinalInvokeForWindow\":%s,\"isWindowTerminatedEarly\":%s}",
					 is_final ? "true" : "false",
					 position->window_early ? "true" : "false");
	return buf.data;
}

static char *
new_uuid_text(void)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   DirectFunctionCall1(gen_random_uuid,
																   (Datum) 0)));
}

char *
delivery_event_failure(const DeliveryBatch *batch, const MappingInfo *mapping,
					   const ShardInfo *shard, const char *condition, int attempts,
					   bool unhandled)
{
	StringInfoData buf;

	/* AWS's count begins at 1, for a batch that was never called, too. */
	attempts = Max(attempts, 1);
	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"requestContext\":{\"requestId\":\"%s\",\"functionArn\":",
					 new_uuid_text());
	append_string(&buf, mapping_function_arn(mapping, mapping->function_name));
	appendStringInfo(&buf, ",\"condition\":\"%s\",\"approximateInvokeCount\":%d}",
					 condition, attempts);
	if (strcmp(condition, CONDITION_AGE) != 0)
		appendStringInfo(&buf, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\",\"functionError\":%s}",
						 unhandled ? "\"Unhandled\"" : "null");
	appendStringInfo(&buf, ",\"version\":\"1.0\",\"timestamp\":\"%sZ\"",
					 clock_label(GetCurrentTimestamp()));
	appendStringInfoString(&buf, ",\"DDBStreamBatchInfo\":{\"shardId\":");
	append_string(&buf, shard->shard_id);
	if (batch->count > 0)
	{
		int64 first = batch->numbers[0];
		int64 last = batch->numbers[batch->count - 1];

		appendStringInfo(&buf, ",\"startSequenceNumber\":\"%s\"", sequence_number_text(first));
		appendStringInfo(&buf, ",\"endSequenceNumber\":\"%s\"", sequence_number_text(last));
		appendStringInfo(&buf, ",\"approximateArrivalOfFirstRecord\":\"%s\"",
						 seconds_text(NUMBER_TIME(first)));
		appendStringInfo(&buf, ",\"approximateArrivalOfLastRecord\":\"%s\"",
						 seconds_text(NUMBER_TIME(last)));
	}
	appendStringInfo(&buf, ",\"batchSize\":%d,\"streamArn\":", batch->count);
	append_string(&buf, mapping->event_source_arn);
	appendStringInfoString(&buf, "}}");
	return buf.data;
}

char *
delivery_event_failure_with_payload(const char *failure, const DeliveryBatch *batch)
{
	StringInfoData buf;

	initStringInfo(&buf);
	/* The closing brace comes after the payload. */
	appendBinaryStringInfo(&buf, failure, strlen(failure) - 1);
	appendStringInfoString(&buf, ",\"payload\":{");
	append_records(&buf, batch);
	appendStringInfoString(&buf, "}}");
	return buf.data;
}
