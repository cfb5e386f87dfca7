/*
 * mapping_change.h
 *	  Making, changing and deleting mappings, and who may.
 */
#ifndef DDBSTREAMS_MAPPING_CHANGE_H
#define DDBSTREAMS_MAPPING_CHANGE_H

#include "base/ddbstreams.h"

#include "mapping/mapping.h"

extern MappingInfo *mapping_change_begin_create(const char *event_source_arn,
												const char *starting_position,
												Snapshot	snapshot);
extern void			mapping_change_finish_create(MappingInfo *mapping,
												 Snapshot	  snapshot);
extern List		   *mapping_change_list_mine(const char *event_source_arn,
											 const char *function_name);
extern void			mapping_change_check_event_source_arn(const char *arn);
extern void			mapping_change_check_starting_position(const MappingInfo *mapping);
extern bool			mapping_change_is_mine(const MappingInfo *mapping);
extern MappingInfo *mapping_change_find_mine(const pg_uuid_t *uuid);
extern MappingInfo *mapping_change_begin_update(const pg_uuid_t *uuid);
extern void			mapping_change_finish_update(MappingInfo *mapping, bool was_active);
extern MappingInfo *mapping_change_delete(const pg_uuid_t *uuid);
extern void			mapping_change_set_function(MappingInfo *mapping, Oid function);
extern void			mapping_change_set_on_failure(MappingInfo *mapping, Oid function);
extern void			mapping_change_set_enabled(MappingInfo *mapping, bool enabled);

#endif /* DDBSTREAMS_MAPPING_CHANGE_H */
