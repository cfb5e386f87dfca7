/*
 * xid_times.h
 *	  Since when a transaction can have appended at all.
 */
#ifndef DDBSTREAMS_XID_TIMES_H
#define DDBSTREAMS_XID_TIMES_H

#include "base/ddbstreams.h"

extern Size xid_times_shmem_size(void);

/* Called in the postmaster, at its start and after a crash of a backend. */
extern void xid_times_shmem_init(void);

/*
 * Notes the clock beside the next transaction id, if that has not been done a
 * moment ago.  Called outside of recovery, and before each append.
 */
extern void xid_times_note(void);

/*
 * Compares a number that comes of the clock with the notes, which are void if
 * the clock has been set back.  Called under the append lock, before a record
 * gets a number that may be as low as this one.
 */
extern void xid_times_check(int64 number);

/*
 * Returns a number below which there is no record of this transaction, nor of
 * a younger one, in any shard; 0 if no note is old enough.
 */
extern int64 xid_times_first_number(TransactionId xid);

#endif /* DDBSTREAMS_XID_TIMES_H */
