/*
 * stream_access.h
 *	  Finding a stream or shard that a caller names, and whether he may read it.
 */
#ifndef DDBSTREAMS_STREAM_ACCESS_H
#define DDBSTREAMS_STREAM_ACCESS_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

extern bool		   stream_access_is_arn(const char *arn);
extern void		   stream_access_check_arn(const char *arn);
extern StreamInfo *stream_access_find(const char *arn, Snapshot snapshot);
extern StreamInfo *stream_access_by_arn(const char *arn, Snapshot snapshot);
extern ShardInfo  *stream_access_shard(const StreamInfo *stream,
									   const char *shard_id, Snapshot snapshot);
extern ShardInfo  *stream_access_shard_by_no(const StreamInfo *stream,
											 int64 shard_no, Snapshot snapshot);

extern char		  *stream_access_table_name(Oid table_oid, bool missing_ok);
extern StreamInfo *stream_access_latest(Oid table_oid, Snapshot snapshot);
extern bool		   stream_access_may_read(const StreamInfo *stream);
extern void		   stream_access_check(const StreamInfo *stream);
extern bool		   stream_access_table_exists(const StreamInfo *stream);
extern bool		   stream_access_is_enabled(const StreamInfo *stream);

#endif /* DDBSTREAMS_STREAM_ACCESS_H */
