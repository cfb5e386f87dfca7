/*
 * ddbstreams.h
 *	  What every part of ddbstreams shares: words, names, errors, numbers.
 *
 * stream		the change log of one table from one enable_stream to its
 *				disabling, named by its ARN
 * shard		an append-only heap table that holds the records of one range
 *				of key hashes for a while; open, then closed for good
 * record		one change of one row: INSERT, MODIFY or REMOVE
 * image		a row version as it was, decoded by the row descriptor that it
 *				was written with and never by today's catalogues
 * number		the 64-bit sequence number of a record in its shard; its upper
 *				bits are microseconds since 2000-01-01
 */
#ifndef DDBSTREAMS_H
#define DDBSTREAMS_H

#include "postgres.h"

#include "base/compat.h"

#define DDBSTREAMS_EXTENSION	"ddbstreams"
#define DDBSTREAMS_SCHEMA		"ddbstreams"
#define DDBSTREAMS_SHARD_SCHEMA "ddbstreams_shards"

/* Triggers on a captured table, and on each of its partitions */
#define DDBSTREAMS_ROW_TRIGGER		"ddbstreams_capture"
#define DDBSTREAMS_TRUNCATE_TRIGGER "ddbstreams_capture_truncate"

/* SQLSTATEs of our own; the names in comments are AWS's */
#define ERRCODE_EXPIRED_ITERATOR	MAKE_SQLSTATE('Z', 'S', '0', '0', '1') /* ExpiredIteratorException */
#define ERRCODE_TRIMMED_DATA_ACCESS MAKE_SQLSTATE('Z', 'S', '0', '0', '2') /* TrimmedDataAccessException */
#define ERRCODE_LIMIT_EXCEEDED		MAKE_SQLSTATE('Z', 'S', '0', '0', '3') /* LimitExceededException */

/* A number holds microseconds since 2000-01-01 above this many bits */
#define NUMBER_TIME_SHIFT	11
#define NUMBER_AT_TIME(ts)	((int64) (ts) << NUMBER_TIME_SHIFT)
#define NUMBER_TIME(number) ((TimestampTz) ((number) >> NUMBER_TIME_SHIFT))

/* Sequence numbers are printed with this many digits */
#define NUMBER_DIGITS 21

#define MAX_SHARD_COUNT 1024

#endif /* DDBSTREAMS_H */
