/*
 * mapping_change.h
 *	  Making, changing and deleting mappings, and the rights that this needs.
 *
 * To make a mapping: mapping_change_begin_create, functions that set
 * parameters, mapping_change_finish_create.  To change one:
 * mapping_change_begin_update, the same functions,
 * mapping_change_finish_update.  The functions that set parameters are those
 * below and those of mapping_params.h; they check the value and change the
 * MappingInfo alone.
 *
 * What is returned is palloc'd in the caller's memory context.
 */
#ifndef DDBSTREAMS_MAPPING_CHANGE_H
#define DDBSTREAMS_MAPPING_CHANGE_H

#include "base/ddbstreams.h"

#include "nodes/pg_list.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"

#include "mapping/mapping.h"

/*
 * Returns a new mapping of the current user with the default parameters.  The
 * stream is looked up in the snapshot; the user must be allowed to read it.
 * Nothing is written yet.
 */
extern MappingInfo *mapping_change_begin_create(const char *event_source_arn,
												const char *starting_position,
												Snapshot	snapshot);

/*
 * Writes a new mapping.  LATEST is taken in the snapshot: records of
 * transactions that the snapshot does not see as committed will be delivered.
 */
extern void mapping_change_finish_create(MappingInfo *mapping,
										 Snapshot	  snapshot);

/*
 * Returns a mapping of the current user, locked against changes by others
 * until the end of the transaction (see mapping_catalog_lock_for_change).
 * Raises an error if there is none.
 */
extern MappingInfo *mapping_change_begin_update(const pg_uuid_t *uuid);

/*
 * Writes the parameters that have been set.  was_active is what
 * mapping_is_active said before they were set.
 */
extern void mapping_change_finish_update(MappingInfo *mapping, bool was_active);

/* Deletes a mapping of the current user and returns what it was. */
extern MappingInfo *mapping_change_delete(const pg_uuid_t *uuid);

/*
 * Returns a mapping that the current user may see and change.  Raises an error
 * if there is none of that uuid or if it belongs to somebody else.
 */
extern MappingInfo *mapping_change_find_mine(const pg_uuid_t *uuid);

/*
 * Returns the mappings that the current user may see, as MappingInfo *, in the
 * order of their creation: those of one stream if event_source_arn is not
 * NULL, and those of one function if function_name is not NULL.
 */
extern List *mapping_change_list_mine(const char *event_source_arn,
									  const char *function_name);

/* Raises an error if the text cannot be the ARN of an event source. */
extern void mapping_change_check_event_source_arn(const char *arn);

/* Raises an error if a mapping cannot start at its starting position. */
extern void mapping_change_check_starting_position(const MappingInfo *mapping);

/* Sets the handler, which must be a function that can be one. */
extern void mapping_change_set_function(MappingInfo *mapping, Oid function);

/*
 * Sets the function that is told of failed batches; InvalidOid: there is none.
 */
extern void mapping_change_set_on_failure(MappingInfo *mapping, Oid function);

/* Enables a mapping, in this database, or disables it. */
extern void mapping_change_set_enabled(MappingInfo *mapping, bool enabled);

#endif /* DDBSTREAMS_MAPPING_CHANGE_H */
