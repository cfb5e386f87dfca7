/*
 * mapping_catalog.h
 *	  The table of event source mappings: reading and changing its rows.
 *
 * The functions that read return what they find palloc'd in the caller's
 * memory context.  They read with a new snapshot where the isolation level
 * allows that.
 */
#ifndef DDBSTREAMS_MAPPING_CATALOG_H
#define DDBSTREAMS_MAPPING_CATALOG_H

#include "base/ddbstreams.h"

#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "mapping/mapping.h"

/*
 * Called when a mapping of a stream has changed, so that the stream's trigger
 * can be changed too: it carries the definitions of the stream and of its
 * mappings into dumps.  module.c sets the hook, because streams are a layer
 * above mappings.
 */
extern void (*mapping_changed_hook)(int64 stream_id);

/* These two return NULL if there is no such mapping. */
extern MappingInfo *mapping_catalog_by_uuid(const pg_uuid_t *uuid);
extern MappingInfo *mapping_catalog_by_no(int64 mapping_no);

/* These two return a list of MappingInfo *, in the order of their creation. */
extern List *mapping_catalog_list_of_stream(int64 stream_id);
extern List *mapping_catalog_list(void);

/* Is there an enabled mapping that works in this database? */
extern bool mapping_catalog_any_enabled(void);

/*
 * Disables the mappings whose roles have been dropped, except locked ones, and
 * takes them from these roles' numbers.
 */
extern void mapping_catalog_take_from_dropped_roles(void);

/* Raises the error for a mapping that does not exist. */
extern void mapping_catalog_not_found(void) pg_attribute_noreturn();

/*
 * Adds a mapping.  Raises an error if its role has a mapping of its stream
 * and its function already.  Takes mapping_lock_role.
 */
extern void mapping_catalog_insert(MappingInfo *mapping);

/*
 * Locks a mapping against changes by other transactions and returns it as it
 * is now.  Raises an error if it has been deleted.  Takes mapping_lock_role,
 * then FOR NO KEY UPDATE on the mapping's row.
 */
extern MappingInfo *mapping_catalog_lock_for_change(const MappingInfo *mapping);

/*
 * Writes the changed parameters of a mapping that
 * mapping_catalog_lock_for_change has returned.  change is the mapping's state
 * until the dispatcher has acknowledged the new version.
 */
extern void mapping_catalog_replace(MappingInfo *mapping, const char *change);

/*
 * Writes the tags of a mapping that mapping_catalog_lock_for_change has
 * returned.  They are no concern of the dispatcher: the version stays.
 */
extern void mapping_catalog_write_tags(const MappingInfo *mapping);

/*
 * Deletes a mapping.  Raises an error if it has been deleted already.  Takes
 * mapping_lock_role.
 */
extern void mapping_catalog_remove(const MappingInfo *mapping);

/*
 * Writes down that the dispatcher works by this version of the mapping.  If
 * another transaction has locked the row, because it changes or deletes the
 * mapping, nothing is written, and nothing is waited for.  Returns whether it
 * is written.
 */
extern bool mapping_catalog_acknowledge(const MappingInfo *mapping);

#endif /* DDBSTREAMS_MAPPING_CATALOG_H */
