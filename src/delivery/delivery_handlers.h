/*
 * delivery_handlers.h
 *	  What dispatcher and handler workers tell each other, in shared memory.
 */
#ifndef DELIVERY_HANDLERS_H
#define DELIVERY_HANDLERS_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"
#include "nodes/pg_list.h"
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

extern Size delivery_handlers_shmem_size(void);
extern void delivery_handlers_shmem_init(void);

/* For the dispatcher */
extern WorkerStart delivery_handlers_start(Oid role, int *index);
extern void		   delivery_handlers_assign(int index, const DeliveryUnit *unit,
											const DeliveryOutcome *before);
extern List		  *delivery_handlers_list(Oid database);
extern void		   delivery_handlers_collect(int index);
extern void		   delivery_handlers_free(int index);
extern void		   delivery_handlers_adopt(void);
extern void		   delivery_handlers_set_yield(bool yield);

/* For a handler worker */
extern void delivery_handlers_attach(int index);
extern void delivery_handlers_connected(void);
extern bool delivery_handlers_take(DeliveryUnit *unit, DeliveryOutcome *before);
extern void delivery_handlers_begin_step(void);
extern bool delivery_handlers_may_go_on(void);
extern void delivery_handlers_report(const DeliveryOutcome *outcome);

#endif /* DELIVERY_HANDLERS_H */
