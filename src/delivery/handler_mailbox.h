/*
 * handler_mailbox.h
 *	  What dispatcher and handler workers tell each other, in shared memory.
 */
#ifndef DDBSTREAMS_HANDLER_MAILBOX_H
#define DDBSTREAMS_HANDLER_MAILBOX_H

#include "base/ddbstreams.h"

#include "nodes/pg_list.h"

#include "delivery/delivery.h"
#include "worker/worker_slots.h"

typedef enum HandlerState
{
	HANDLER_FREE,	  /* the entry is */
	HANDLER_IDLE,	  /* nothing to do; it may be starting */
	HANDLER_ASSIGNED, /* it has a unit to run */
	HANDLER_RUNNING,
	HANDLER_DONE /* the outcome is to be collected */
} HandlerState;

/* A copy of what is known of a handler worker */
typedef struct HandlerInfo
{
	int				index; /* its name between dispatcher and worker */
	HandlerState	state;
	WorkerId		worker;
	Oid				database;
	Oid				role;
	bool			connected;	/* the role could log in */
	TimestampTz		since;		/* of the state */
	TimestampTz		call_since; /* of the present step; 0: none */
	DeliveryUnit	unit;		/* of all states but idle */
	DeliveryOutcome outcome;	/* before the run, and behind it */
} HandlerInfo;

extern Size handler_mailbox_shmem_size(void);
extern void handler_mailbox_shmem_init(void);

/* For the dispatcher */
extern WorkerStart handler_mailbox_start(Oid role, int *index);
extern void		   handler_mailbox_assign(int index, const DeliveryUnit *unit,
										  const DeliveryOutcome *before);
extern List		  *handler_mailbox_list(Oid database);
extern void		   handler_mailbox_collect(int index);
extern void		   handler_mailbox_free(int index);
extern void		   handler_mailbox_adopt(void);
extern void		   handler_mailbox_set_yield(bool yield);

/* For a handler worker */
extern void handler_mailbox_attach(int index);
extern void handler_mailbox_connected(void);
extern bool handler_mailbox_take(DeliveryUnit *unit, DeliveryOutcome *before);
extern void handler_mailbox_begin_step(void);
extern bool handler_mailbox_may_go_on(void);
extern void handler_mailbox_report(const DeliveryOutcome *outcome);

#endif /* DDBSTREAMS_HANDLER_MAILBOX_H */
