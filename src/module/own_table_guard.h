/*
 * own_table_guard.h
 *	  DDL on the extension's own tables, most of which is refused.
 */
#ifndef DDBSTREAMS_OWN_TABLE_GUARD_H
#define DDBSTREAMS_OWN_TABLE_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/nodes.h"

/* Raises an error if a utility command must not be carried out. */
extern void own_table_guard_before(Node *command);

/* From the object access hook: the same for triggers, however they are made. */
extern void own_table_guard_object_access(ObjectAccessType access, Oid class_id,
										  Oid object_id);

#endif /* DDBSTREAMS_OWN_TABLE_GUARD_H */
