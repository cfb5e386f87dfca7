/*
 * stream_catalog.h
 *	  The table of streams.
 */
#ifndef DDBSTREAMS_STREAM_CATALOG_H
#define DDBSTREAMS_STREAM_CATALOG_H

#include "base/ddbstreams.h"

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "registry/view_type.h"
#include "utils/snapshot.h"

/* A stream as its row says; see the install script */
typedef struct StreamInfo
{
	int64		   stream_id;
	char		  *arn;
	Oid			   table_oid; /* what it was, if the table is dropped */
	bool		   table_dropped;
	char		  *table_name; /* as in the ARN */
	char		  *label;
	StreamViewType view_type;
	TimestampTz	   created_at;
	TimestampTz	   disabled_at; /* 0 while the stream is enabled */
	Interval	   retention;
	int64		   retention_usec;
	Oid			   owner; /* the table's; kept when it is dropped */
	int			   key_count;
	AttrNumber	  *key_attnums; /* of the table that the stream is on */
	char		 **key_columns; /* their present or last names */
	int			   partition_count;
	AttrNumber	  *partition_attnums;
	char		  *hash_functions; /* names, to notice a key that hashes anew */
	int64		   version;		   /* of this row */
} StreamInfo;

#define StreamIsEnabled(stream) ((stream)->disabled_at == 0)

/*
 * Rows are returned in the current memory context.  A snapshot of NULL is a
 * fresh catalogue snapshot; catalog_table.c says when to use which.
 */

/*
 * Returns the streams that were made on a table, which exists, or all streams
 * if table_oid is invalid, in the order of their creation.
 */
extern List *stream_catalog_list(Oid table_oid, Snapshot snapshot);

/* Returns the stream that is enabled on a table, or NULL. */
extern StreamInfo *stream_catalog_enabled(Oid table_oid, Snapshot snapshot);

/* Returns the stream of a table that was made last, or NULL. */
extern StreamInfo *stream_catalog_latest(Oid table_oid, Snapshot snapshot);

/* Each returns one stream, or NULL. */
extern StreamInfo *stream_catalog_by_arn(const char *arn, Snapshot snapshot);
extern StreamInfo *stream_catalog_by_id(int64 stream_id, Snapshot snapshot);

/*
 * Returns the enabled stream that captures a relation, its own or that of the
 * partitioned table that it is a part of, or NULL; sets root to the table that
 * the stream is on.
 */
extern StreamInfo *stream_catalog_capturing(Oid relid, Oid *root);

/*
 * Takes the lock under which a stream and its shards are changed, until the
 * end of the transaction, and returns the stream as it is now, or NULL if it
 * is gone.  Readers and writers of records do not take this lock.
 */
extern StreamInfo *stream_catalog_lock(int64 stream_id);

/*
 * Does the same without waiting.  Returns NULL also if another transaction
 * holds the lock.
 */
extern StreamInfo *stream_catalog_try_lock(int64 stream_id);

/* Writes the first version of a stream's row. */
extern void stream_catalog_insert(const StreamInfo *stream);

/*
 * Writes what a stream is from now on, as a version above the one that was
 * read with it, under the stream's lock.
 */
extern void stream_catalog_replace(StreamInfo *stream);

/* Deletes the rows of a stream that has no shards, under the stream's lock. */
extern void stream_catalog_delete(const StreamInfo *stream);

/* Returns the owner of a relation, or InvalidOid if it does not exist. */
extern Oid stream_catalog_table_owner(Oid relid);

#endif /* DDBSTREAMS_STREAM_CATALOG_H */
