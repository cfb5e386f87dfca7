/*
 * known_values.h
 *	  Copies of large values that committed row versions still have.
 */
#ifndef DDBSTREAMS_KNOWN_VALUES_H
#define DDBSTREAMS_KNOWN_VALUES_H

#include "base/ddbstreams.h"

#include "capture/change_buffer.h"

extern Size known_values_shmem_size(void);

/* Called with AddinShmemInitLock held. */
extern void known_values_shmem_init(void);

/*
 * Notes that a transaction, which may be running yet, has left a value in a
 * row version, and where its copy is.  xid is that of the row version, its
 * upper half made of the epoch; side_table has the copy, and side_number is
 * its number: Oids and numbers can both be given again, but not to one table.
 */
extern void known_values_put(const ValueIdentity *identity, uint64 xid,
							 Oid side_table, int64 side_number,
							 const ValueCopy *copy);

/*
 * Looks for a copy, in a side table, of a value that a row version with an xid
 * has.  Returns false if none is known.
 */
extern bool known_values_find(const ValueIdentity *identity, uint64 xid,
							  Oid side_table, int64 side_number,
							  ValueCopy *copy);

#endif /* DDBSTREAMS_KNOWN_VALUES_H */
