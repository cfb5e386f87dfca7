/*
 * stream_access.h
 *	  Finding a stream or shard that a caller names; the right to read it.
 */
#ifndef DDBSTREAMS_STREAM_ACCESS_H
#define DDBSTREAMS_STREAM_ACCESS_H

#include "base/ddbstreams.h"

#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/* Can a text be the ARN of a stream?  The second raises an error if not. */
extern bool stream_access_is_arn(const char *arn);
extern void stream_access_check_arn(const char *arn);

/*
 * Hints, palloc'd, for a text that is not the ARN of a stream where one is
 * wanted, and for the ARN of a stream that does not exist
 */
extern const char *stream_access_hint_for_text(const char *text);
extern const char *stream_access_hint_for_arn(const char *arn);

/* Returns the relation that a text names, or InvalidOid; never an error. */
extern Oid stream_access_named_relation(const char *text);

/*
 * Returns the stream of an ARN that the snapshot shows and that has not
 * expired; else an error.  stream_access_by_arn raises an error, too, unless
 * the current user may read it.  What these functions return is palloc'd.
 */
extern StreamInfo *stream_access_find(const char *arn, Snapshot snapshot);
extern StreamInfo *stream_access_by_arn(const char *arn, Snapshot snapshot);

/*
 * Returns a shard of a stream, by its id or number; an error if there is none.
 */
extern ShardInfo *stream_access_shard(const StreamInfo *stream,
									  const char *shard_id, Snapshot snapshot);
extern ShardInfo *stream_access_shard_by_no(const StreamInfo *stream,
											int64 shard_no, Snapshot snapshot);

/* Returns the latest stream of a table that has not expired, or NULL. */
extern StreamInfo *stream_access_latest(Oid table_oid, Snapshot snapshot);

/*
 * Returns the name of a table as AWS's members write it, palloc'd: with schema
 * and dot in front unless the schema is public.  If there is no such table, it
 * returns NULL if missing_ok is set, else raises an error.
 */
extern char *stream_access_table_name(Oid table_oid, bool missing_ok);

/*
 * May the current user read a stream?  It takes SELECT on the table, or having
 * owned it if it is dropped; and no row-level security may apply.
 * stream_access_check raises an error if not.
 */
extern bool stream_access_may_read(const StreamInfo *stream);

/*
 * May the current user read all rows of a table, which exists: by SELECT, and
 * without row-level security that would hide some?
 */
extern bool stream_access_may_read_table(Oid table_oid);
extern void stream_access_check(const StreamInfo *stream);

/* Is the table that the stream was made on still there? */
extern bool stream_access_table_exists(const StreamInfo *stream);

/*
 * Is the stream enabled?  After DROP TABLE it is not, at once for the dropping
 * transaction too, although its row says so only when that commits.
 */
extern bool stream_access_is_enabled(const StreamInfo *stream);

#endif /* DDBSTREAMS_STREAM_ACCESS_H */
