/*
 * stream_guard.h
 *	  DDL that touches captured tables, and what follows from it.
 */
#ifndef DDBSTREAMS_STREAM_GUARD_H
#define DDBSTREAMS_STREAM_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/parsenodes.h"

/* For ddl_hooks.c */
extern void stream_guard_object_access(ObjectAccessType access, Oid class_id,
									   Oid object_id, int sub_id);
extern bool stream_guard_has_notes(void);
extern void stream_guard_before_alter(AlterTableStmt *stmt);
extern void stream_guard_after_alter(AlterTableStmt *stmt);
extern bool stream_guard_has_done(Node *command);

/* For ddl_hooks.c and xact_callbacks.c */
extern void stream_guard_check(void);
extern bool stream_guard_has_dropped(void);
extern void stream_guard_close_dropped(void);
extern void stream_guard_cut(SubTransactionId subid);
extern void stream_guard_forget(void);

#endif /* DDBSTREAMS_STREAM_GUARD_H */
