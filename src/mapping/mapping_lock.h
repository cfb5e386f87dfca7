/*
 * mapping_lock.h
 *	  The locks between a mapping's batches and the sessions that change it.
 *
 * All of them are held until the end of the transaction.
 */
#ifndef DDBSTREAMS_MAPPING_LOCK_H
#define DDBSTREAMS_MAPPING_LOCK_H

#include "base/ddbstreams.h"

/*
 * Makes changes of a role's mappings of a stream follow one another: waits
 * until no other transaction that has called this for the two is open.
 */
extern void mapping_lock_role(int64 stream_id, Oid role_id);

/*
 * Shows other sessions that a batch of the mapping is in flight; never waits.
 */
extern void mapping_lock_batch(int64 mapping_no);

/* Has this transaction called mapping_lock_batch for the mapping? */
extern bool mapping_lock_is_my_batch(int64 mapping_no);

/* Has another open transaction called mapping_lock_batch for the mapping? */
extern bool mapping_lock_has_batch(int64 mapping_no);

/*
 * Keeps the mapping from being deleted.  Returns false if it has been deleted,
 * or if another transaction is about to delete it or to change its function;
 * then what was done for the mapping must not commit.  Never waits: the other
 * transaction may stay open for long.
 */
extern bool mapping_lock_fence(int64 mapping_no);

#endif /* DDBSTREAMS_MAPPING_LOCK_H */
