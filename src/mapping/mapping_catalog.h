/*
 * mapping_catalog.h
 *	  The table of event source mappings: reading and changing its rows.
 */
#ifndef DDBSTREAMS_MAPPING_CATALOG_H
#define DDBSTREAMS_MAPPING_CATALOG_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

/*
 * What is returned is palloc'd in the caller's context, and
 * read with a new snapshot where the isolation level allows.
 */

/*
 * Called when a mapping of a stream has changed, so that the stream's trigger,
 * which carries the definitions of a stream and its mappings into dumps, can be
 * changed too.  module.c sets it: streams are a layer above mappings.
 */
extern void (*mapping_changed_hook)(int64 stream_id);

extern MappingInfo *mapping_catalog_by_uuid(const pg_uuid_t *uuid);
extern MappingInfo *mapping_catalog_by_no(int64 mapping_no);
extern List		   *mapping_catalog_list_of_stream(int64 stream_id);
extern List		   *mapping_catalog_list(void); /* of MappingInfo *, all of them */
extern void			mapping_catalog_not_found(void) pg_attribute_noreturn();
extern char		   *mapping_uuid_text(const MappingInfo *mapping);
extern ArrayType   *mapping_response_types(const MappingInfo *mapping);
extern bool			mapping_is_active(const MappingInfo *mapping);
extern void			mapping_catalog_acknowledge(const MappingInfo *mapping);

extern void			mapping_catalog_insert(MappingInfo *mapping);
extern void			mapping_catalog_replace(MappingInfo *mapping, const char *change);
extern void			mapping_catalog_remove(const MappingInfo *mapping);
extern MappingInfo *mapping_catalog_lock_for_change(const MappingInfo *mapping);
extern MappingInfo *mapping_catalog_of_function(const char *event_source_arn,
												const char *function_name);

#endif /* DDBSTREAMS_MAPPING_CATALOG_H */
