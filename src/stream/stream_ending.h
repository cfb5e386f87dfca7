/*
 * stream_ending.h
 *	  Streams that end with the transaction, without disable_stream.
 */
#ifndef DDBSTREAMS_STREAM_ENDING_H
#define DDBSTREAMS_STREAM_ENDING_H

#include "base/ddbstreams.h"

#include "utils/relcache.h"

#include "registry/stream_catalog.h"
#include "registry/stream_key.h"

/*
 * Returns what has been done to a key, so that its stream cannot go on, as
 * errors name it (stream_refuse.h), or NULL.
 */
extern const char *stream_ending_harm(Relation root, const TableKey *key,
									  const StreamInfo *stream);

/*
 * Notes that the stream of a table ends with a part of its key, perhaps
 * because temporary objects are removed, and says so once: with what has been
 * done to the key.
 */
extern void stream_ending_note_key_lost(const StreamInfo *stream, Relation root,
										const char *harm, bool of_temporary);

/*
 * Notes that the stream of a table ends because another extension keeps the
 * table's rows, and says so once: what the table is now, and what to do.
 */
extern void stream_ending_note_taken_over(const StreamInfo *stream, Oid root,
										  const char *claim, const char *hint);

/* May there be streams that end with this transaction? */
extern bool stream_ending_is_due(void);

/* Takes the locks on tables and streams that stream_ending_perform needs. */
extern void stream_ending_lock(void);

/*
 * Disables the streams of the tables that this transaction has dropped, that
 * another extension has taken over, or that have lost their key with what it
 * depends on.  Locks each stream, and closes its shards.
 */
extern void stream_ending_perform(void);

#endif /* DDBSTREAMS_STREAM_ENDING_H */
