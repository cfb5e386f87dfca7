/*
 * stream_restore.h
 *	  Restoring a dump: the streams that its triggers define.
 */
#ifndef DDBSTREAMS_STREAM_RESTORE_H
#define DDBSTREAMS_STREAM_RESTORE_H

#include "base/ddbstreams.h"

#include "nodes/nodes.h"
#include "utils/rel.h"

/* Do the commands of this session come from pg_dump? */
extern bool stream_restore_is_running(void);

/*
 * Does the row trigger of a table without a stream define one that is to be
 * enabled now?  Warns if it is not: because the table has no primary key yet,
 * or because an earlier transaction has made the trigger.
 */
extern bool stream_restore_is_due(Relation rel);

/*
 * Enables the stream, and makes the mappings, that the row trigger of a table
 * defines.  The rights that are needed, and the locks that are taken, are
 * those of stream_enable.
 */
extern void stream_restore_enable(Oid relid);

/*
 * Has enabling the stream done already what this command of a restore would
 * do?  Then the command must not be run.  Called before each utility command.
 */
extern bool stream_restore_has_done(Node *command);

#endif /* DDBSTREAMS_STREAM_RESTORE_H */
