/*
 * stream_definition.h
 *	  The definition of a stream that a dump of its table carries.
 */
#ifndef DDBSTREAMS_STREAM_DEFINITION_H
#define DDBSTREAMS_STREAM_DEFINITION_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "utils/rel.h"

#include "registry/stream_catalog.h"

/*
 * Writes the definition of a stream into its row trigger, where pg_dump finds
 * it, or takes it away if the stream is disabled.  The caller has just made
 * the stream, or holds its lock.  Waits for a transaction that changes the
 * trigger.
 */
extern void stream_definition_store(const StreamInfo *stream);

/*
 * Does the same without waiting: for a caller that holds a lock for which
 * writers wait.  A definition that cannot be written now is written at the
 * next occasion.
 */
extern void stream_definition_try_store(const StreamInfo *stream);

/*
 * Notes that a mapping of a stream has changed, and warns of mappings that the
 * definition has no room for.
 */
extern void stream_definition_note_mappings(int64 stream_id);

/*
 * Stores the definitions of the streams that were noted, before a commit, and
 * forgets them at the end of the transaction.
 */
extern void stream_definition_at_commit(void);
extern void stream_definition_forget(void);

/*
 * Does the row trigger say what stream_definition_store would write?  Also
 * true if there is no row trigger.  mappings has the stream's mappings, as
 * mapping_catalog.h returns them, and may have those of others.
 */
extern bool stream_definition_is_current(const StreamInfo *stream,
										 const List		  *mappings);

/* Does the row trigger of a relation without a stream define one? */
extern bool stream_definition_exists(Oid relid);

/*
 * Returns the arguments of a trigger, found by stream_triggers_find: one text
 * behind the other, each with a terminating zero.
 */
extern bytea *stream_definition_arguments(Relation pg_trigger, HeapTuple tuple);

/* Was the row trigger of a relation made by this transaction? */
extern bool stream_definition_is_new(Oid relid);

/* Was it made, or altered, by this transaction? */
extern bool stream_definition_is_written(Oid relid);

/*
 * Takes mappings out of the definition that the row trigger of a relation has,
 * if there is one, which the current user could not make; warns of each.
 */
extern void stream_definition_keep_allowed(Oid relid);

#endif /* DDBSTREAMS_STREAM_DEFINITION_H */
