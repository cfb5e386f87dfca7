/*
 * stream_triggers.h
 *	  The capture triggers of a table and its partitions.
 */
#ifndef DDBSTREAMS_STREAM_TRIGGERS_H
#define DDBSTREAMS_STREAM_TRIGGERS_H

#include "base/ddbstreams.h"

#include "utils/rel.h"

/* How a trigger of ours fires; TRIGGER_* of commands/trigger.h, or: */
#define TRIGGER_IS_MISSING '\0'
#define TRIGGER_IS_FOREIGN 'f' /* another trigger has its name */

extern void stream_triggers_enable(List *relids);
extern void stream_triggers_disable(List *relids);
extern void stream_triggers_disable_on(Relation rel);
extern void stream_triggers_require_truncate(Relation rel);
extern void stream_triggers_drop(Oid relid, const char *name);
extern void stream_triggers_drop_leftovers(List *relids);
extern bool stream_triggers_depend(Oid relid, const char *name);
extern void stream_triggers_lock_tables(void);
extern void stream_triggers_make_depend(Relation rel);
extern char stream_triggers_state(Relation rel, const char *name);
extern void stream_triggers_set_state(Relation rel, const char *name, char state);

#endif /* DDBSTREAMS_STREAM_TRIGGERS_H */
