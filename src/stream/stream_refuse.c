/*
 * stream_refuse.c
 *	  The error for a command that would take something from capture.
 */
#include "postgres.h"

#include "stream/stream_refuse.h"

void
stream_refuse_with_hint(const char *action, const StreamInfo *stream,
						const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot %s while the stream of table \"%s\" is enabled",
					action, stream->table_name),
			 errhint("%s", hint)));
}

void
stream_refuse(const char *action, const StreamInfo *stream)
{
	stream_refuse_with_hint(action, stream, "Call ddbstreams.disable_stream first.");
}
