/*
 * stream.h
 *	  Turning streams on and off.
 */
#ifndef DDBSTREAMS_STREAM_H
#define DDBSTREAMS_STREAM_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "registry/stream_catalog.h"

/*
 * Both check the caller's rights and return the stream's ARN, palloc'd.
 * shard_count 0: the default; partition_key NIL: the whole key, else a list of
 * char *; retention NULL: 24 hours.
 */
extern char *stream_enable(Oid table_oid, const char *view_type, int shard_count,
						   List *partition_key, const Interval *retention);
extern char *stream_disable(Oid table_oid);
extern void	 stream_set_retention(const char *arn, const Interval *retention);

extern StreamInfo *stream_of_owner(const char *arn);

/* The name that AWS's members give a table, palloc'd: see SPEC.md on ARNs */

/* The latest stream of a table that has not expired, or NULL */

#endif /* DDBSTREAMS_STREAM_H */
