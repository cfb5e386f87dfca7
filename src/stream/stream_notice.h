/*
 * stream_notice.h
 *	  Messages about DDL that a stream does not follow.
 */
#ifndef DDBSTREAMS_STREAM_NOTICE_H
#define DDBSTREAMS_STREAM_NOTICE_H

#include "base/ddbstreams.h"

#include "catalog/objectaccess.h"

/*
 * For ddl_hooks.c: notes what a command renames, drops or detaches; arg is
 * what PostgreSQL hands to the hook.
 */
extern void stream_notice_object_access(ObjectAccessType access, Oid class_id,
										Oid object_id, int sub_id, void *arg);

/*
 * For ddl_hooks.c and xact_callbacks.c: says what there is to say of the
 * notes, and drops them.  Does nothing, cheaply, if there is no note.
 */
extern void stream_notice_send(void);

/*
 * For xact_callbacks.c: a subtransaction has been aborted, the transaction
 * has ended.
 */
extern void stream_notice_cut(SubTransactionId subid);
extern void stream_notice_forget(void);

#endif /* DDBSTREAMS_STREAM_NOTICE_H */
