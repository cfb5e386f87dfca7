/*
 * wait_event.h
 *	  What processes of ddbstreams wait for, as pg_stat_activity shows it.
 */
#ifndef DDBSTREAMS_WAIT_EVENT_H
#define DDBSTREAMS_WAIT_EVENT_H

#include "base/ddbstreams.h"

typedef enum WaitReason
{
	WAIT_FOR_RECORDS, /* wait_for_records() */
	WAIT_FOR_POLL,	  /* poll(), for records or leases */
	WAIT_FOR_CLOSING, /* a split or roll-over, before it tries again */
	WAIT_FOR_WORK,	  /* a background worker, for something to do */
	WAIT_FOR_WORKERS  /* a command, for background workers to end */
} WaitReason;

/*
 * Returns the wait event for a latch or a condition variable.  PostgreSQL 17
 * and later show its name; earlier versions show "Extension" for all of them.
 */
extern uint32 wait_event_info(WaitReason reason);

#endif /* DDBSTREAMS_WAIT_EVENT_H */
