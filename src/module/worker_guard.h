/*
 * worker_guard.h
 *	  DDL that concerns background workers, and what follows from it.
 */
#ifndef DDBSTREAMS_WORKER_GUARD_H
#define DDBSTREAMS_WORKER_GUARD_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"
#include "nodes/nodes.h"

/* For stream_guard.c */
extern void worker_guard_object_access(ObjectAccessType access, Oid class_id,
									   Oid object_id);
extern void worker_guard_before(Node *command);
extern void worker_guard_after_prepared(void);
extern void worker_guard_after_rewrite(void);

/* For transaction.c */
extern void worker_guard_pre_commit(void);
extern void worker_guard_commit(void);
extern void worker_guard_forget(void);
extern void worker_guard_cut(SubTransactionId subid);

#endif /* DDBSTREAMS_WORKER_GUARD_H */
