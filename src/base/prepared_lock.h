/*
 * prepared_lock.h
 *	  Locks that prepared transactions hold.
 */
#ifndef DDBSTREAMS_PREPARED_LOCK_H
#define DDBSTREAMS_PREPARED_LOCK_H

#include "base/ddbstreams.h"

#include "storage/lockdefs.h"

/*
 * Does a prepared transaction hold a lock on a table of this database that
 * conflicts with a mode?  A transaction that is just ending looks the same for
 * a moment.
 */
extern bool prepared_lock_conflicts(Oid relid, LOCKMODE mode);

#endif /* DDBSTREAMS_PREPARED_LOCK_H */
