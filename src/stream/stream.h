/*
 * stream.h
 *	  Turning streams on and off.
 *
 * These functions check the rights of the current user, where nothing else is
 * said.  ARNs are palloc'd.
 */
#ifndef DDBSTREAMS_STREAM_H
#define DDBSTREAMS_STREAM_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "registry/stream_catalog.h"

/*
 * Enables a new, empty stream on a table, and returns its ARN.  shard_count 0
 * stands for the default; partition_key is a list of char *, or NIL for the
 * whole key; retention NULL stands for 24 hours.  Locks the table and its
 * partitions ShareRowExclusive.
 */
extern char *stream_enable(Oid table_oid, const char *view_type,
						   int shard_count, List *partition_key,
						   const Interval *retention);

/*
 * Disables the stream of a table, and returns its ARN.  Its shards are closed;
 * they can be read until they expire.  Takes the same locks, that of the
 * stream, and those of its shards' tables.
 */
extern char *stream_disable(Oid table_oid);

/*
 * Disables the stream of a table that can no longer be captured, if it has
 * one.  Checks no rights; what the transaction has captured must be appended
 * already.  Takes the same locks.
 */
extern void stream_end(Oid table_oid);

/*
 * Takes the locks that stream_end takes first, on the table, its partitions
 * and its stream, so that stream_end need not wait for them.
 */
extern void stream_lock(Oid table_oid);

/*
 * Disables the capture triggers of a table whose stream ends with this
 * transaction, and which cannot be captured from now on.  Takes the same
 * locks.
 */
extern void stream_stop_capture(Oid table_oid);

/*
 * For DROP EXTENSION, whose caller need not own the table: disables its
 * stream, if it has one, and drops the capture triggers.  Locks the table and
 * its partitions AccessExclusive.  Does nothing if the table is gone.
 */
extern void stream_remove(Oid table_oid);

/* Changes how long the records of a stream are kept.  Locks the stream. */
extern void stream_set_retention(const char *arn, const Interval *retention);

/*
 * Returns the stream of an ARN, palloc'd.  Raises an error unless the current
 * user owns its table, or has owned it if the table is dropped.
 */
extern StreamInfo *stream_of_owner(const char *arn);

#endif /* DDBSTREAMS_STREAM_H */
