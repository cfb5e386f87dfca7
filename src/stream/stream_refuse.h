/*
 * stream_refuse.h
 *	  The error for a command that would take something from capture.
 */
#ifndef DDBSTREAMS_STREAM_REFUSE_H
#define DDBSTREAMS_STREAM_REFUSE_H

#include "base/ddbstreams.h"

#include "registry/stream_catalog.h"

/* What is refused, as errors name it */
#define ACTION_ON_KEY	   "drop or change the primary key"
#define ACTION_ON_KEY_TYPE "change the type or collation of a partition key column"

/* These two raise the error; the second one has a hint of its own. */
extern void stream_refuse(const char *action, const StreamInfo *stream);
extern void stream_refuse_with_hint(const char *action, const StreamInfo *stream,
									const char *hint);

#endif /* DDBSTREAMS_STREAM_REFUSE_H */
