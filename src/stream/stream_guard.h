/*
 * stream_guard.h
 *	  DDL that touches captured tables, and what follows from it.
 */
#ifndef DDBSTREAMS_STREAM_GUARD_H
#define DDBSTREAMS_STREAM_GUARD_H

#include "base/ddbstreams.h"

#include "nodes/parsenodes.h"

/*
 * Called before and after ALTER TABLE and ALTER INDEX.  The first one refuses
 * to attach a table with a stream as a partition, and locks a table that is to
 * be attached and has capture triggers AccessExclusive.  The second one notes
 * a table that may have got its primary key.
 */
extern void stream_guard_before_alter(AlterTableStmt *stmt);
extern void stream_guard_after_alter(AlterTableStmt *stmt);

/*
 * Checks the tables that were altered since the last call.  Repairs what can
 * be repaired, enables streams that restored triggers define, and raises an
 * error if a stream would lose changes.
 */
extern void stream_guard_check(void);

#endif /* DDBSTREAMS_STREAM_GUARD_H */
