/*
 * stream_definition.h
 *	  What a dump of a table says of its stream.
 */
#ifndef DDBSTREAMS_STREAM_DEFINITION_H
#define DDBSTREAMS_STREAM_DEFINITION_H

#include "base/ddbstreams.h"

#include "access/htup.h"
#include "utils/rel.h"

#include "registry/stream_catalog.h"

extern void	  stream_definition_store(const StreamInfo *stream);
extern void	  stream_definition_try_store(const StreamInfo *stream);
extern void	  stream_definition_refresh(int64 stream_id);
extern bool	  stream_definition_is_current(const StreamInfo *stream);
extern bool	  stream_definition_find_trigger(Relation pg_trigger, Oid relid,
											 HeapTuple *tuple);
extern bytea *stream_definition_arguments(Relation pg_trigger, HeapTuple tuple);
extern bool	  stream_definition_exists(Oid relid);

/* Was the row trigger of a relation made by this transaction? */
extern bool stream_definition_is_new(Oid relid);

#endif /* DDBSTREAMS_STREAM_DEFINITION_H */
