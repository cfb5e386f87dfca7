/*
 * role_backoff.h
 *	  Roles whose handler workers cannot connect.
 */
#ifndef DDBSTREAMS_ROLE_BACKOFF_H
#define DDBSTREAMS_ROLE_BACKOFF_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/*
 * Returns the time before which no worker should be started for the role; 0:
 * one may be started at once.
 */
extern TimestampTz role_backoff_next_start(Oid role);

/*
 * A worker of the role, which was started before the time, could not connect,
 * and has ended.  The role's mappings show why.  Called by the dispatcher,
 * outside of a transaction.
 */
extern void role_backoff_note_problem(Oid role, TimestampTz started_before);

/* A worker of the role has connected. */
extern void role_backoff_forget_problem(Oid role);

#endif /* DDBSTREAMS_ROLE_BACKOFF_H */
