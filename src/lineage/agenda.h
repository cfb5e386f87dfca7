/*
 * agenda.h
 *	  When there will be something to roll over or to drop.
 */
#ifndef DDBSTREAMS_AGENDA_H
#define DDBSTREAMS_AGENDA_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/* A maintenance run begins.  Called before its tasks. */
extern void agenda_begin(void);

/* Are the lists of streams and shards to be read in this run? */
extern bool agenda_is_due(void);

/* A task that reads the lists has found that this is when it has to again. */
extern void agenda_note(TimestampTz time);

/* All tasks of the run have succeeded: its notes count. */
extern void agenda_end(void);

#endif /* DDBSTREAMS_AGENDA_H */
