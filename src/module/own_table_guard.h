/*
 * own_table_guard.h
 *	  DDL on the extension's own tables, most of which is refused.
 */
#ifndef DDBSTREAMS_OWN_TABLE_GUARD_H
#define DDBSTREAMS_OWN_TABLE_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/nodes.h"

/* Called before a utility command: raises an error if it must not be run. */
extern void own_table_guard_before(Node *command);

/*
 * Called by the object access hook: raises an error if a trigger is made on an
 * own table, by whatever command.
 */
extern void own_table_guard_object_access(ObjectAccessType access, Oid class_id,
										  Oid object_id);

#endif /* DDBSTREAMS_OWN_TABLE_GUARD_H */
