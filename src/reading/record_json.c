/*
 * record_json.c
 *	  A record as the JSON that AWS writes.
 *
 * This is the inner loop of reading, so there is no formatting: room for all
 * is made at once, and the parts are copied into it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/sequence_number.h"
#include "reading/record_json.h"
#include "registry/view_type.h"

/* More than a record needs besides its keys, its images and the region */
#define FRAME_LENGTH 512

#define EPOCH_DIFFERENCE \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static inline char *
put(char *out, const char *data, size_t length)
{
	memcpy(out, data, length);
	return out + length;
}

#define put_literal(out, literal) put(out, "" literal, sizeof(literal) - 1)

static inline char *
put_text(char *out, const char *text)
{
	return put(out, text, strlen(text));
}

/* Whole seconds since 1970, rounded down */
static int64
creation_time(int64 number)
{
	return NUMBER_TIME(number) / USECS_PER_SEC + EPOCH_DIFFERENCE;
}

/* Writes the member "dynamodb"; the buffer has room for it. */
static char *
put_stream_record(char *out, const RecordPage *page, RecordForm form)
{
	int64 number = page->record.number;

	out = put_literal(out, "{\"ApproximateCreationDateTime\":");
	out += pg_lltoa(creation_time(number), out);
	if (form == RECORD_OF_EVENT)
		out = put_literal(out, ".0");
	out = put_literal(out, ",\"Keys\":");
	out = put(out, page->keys.data, page->keys.len);
	if (page->new_image.len > 0)
	{
		out = put_literal(out, ",\"NewImage\":");
		out = put(out, page->new_image.data, page->new_image.len);
	}
	if (page->old_image.len > 0)
	{
		out = put_literal(out, ",\"OldImage\":");
		out = put(out, page->old_image.data, page->old_image.len);
	}
	out = put_literal(out, ",\"SequenceNumber\":\"");
	sequence_number_write(number, out);
	out += NUMBER_DIGITS;
	out = put_literal(out, "\",\"SizeBytes\":");
	out += pg_lltoa(page->size_bytes, out);
	out = put_literal(out, ",\"StreamViewType\":\"");
	out = put_text(out, view_type_name(page->iterator->stream->view_type));
	return put_literal(out, "\"}");
}

void
record_json_append_members(StringInfo buf, RecordPage *page, RecordForm form)
{
	char *out;

	enlargeStringInfo(buf, FRAME_LENGTH + page->region_length + page->keys.len +
							   page->new_image.len + page->old_image.len);
	out = buf->data + buf->len;
	out = put_literal(out, "\"eventID\":\"");
	record_page_event_id(page, out);
	out += EVENT_ID_LENGTH;
	out = put_literal(out, "\",\"eventName\":\"");
	out = put_text(out, record_decode_event_name(page->decoder->event));
	out = put_literal(out, "\",\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"");
	out = put(out, page->region, page->region_length);
	out = put_literal(out, "\",\"dynamodb\":");
	out = put_stream_record(out, page, form);
	buf->len = out - buf->data;
	Assert(buf->len < buf->maxlen);
	buf->data[buf->len] = '\0';
	if (unlikely(page->decoder->identity != NULL))
	{
		appendStringInfoString(buf, ",\"userIdentity\":");
		if (form == RECORD_OF_EVENT)
			record_decode_append_identity(page->decoder, buf, "type", "principalId");
		else
			record_decode_append_identity(page->decoder, buf, "Type", "PrincipalId");
	}
}

void
record_json_append(StringInfo buf, RecordPage *page)
{
	appendStringInfoCharMacro(buf, '{');
	record_json_append_members(buf, page, RECORD_OF_PAGE);
	appendStringInfoCharMacro(buf, '}');
}
