/*
 * delivery.h
 *	  Delivering records to handlers: words, and what dispatcher and handler
 *	  workers tell each other.
 *
 * unit			what is delivered in order: one lane of a shard for a mapping,
 *				or those failed batches of a mapping that are to be redriven
 * dispatcher	the process of a database that knows its units and gives them
 *				to handler workers (delivery_dispatcher.c)
 * handler worker	a process that runs units, one at a time, as the role that
 *				made the mapping (handler_worker.c)
 * run			what a handler worker does with a unit until it gives the unit
 *				back: one step after another
 * step			one batch: the attempt is counted, the handler called, and the
 *				end of the call written down (delivery_step.c)
 *
 * README tells how these work together, and has the state machines.
 */
#ifndef DDBSTREAMS_DELIVERY_H
#define DDBSTREAMS_DELIVERY_H

#include "base/ddbstreams.h"

#include "datatype/timestamp.h"

/* The lane of the unit of a mapping's failed batches, whose shard_no is 0 */
#define REDRIVE_LANE (-1)

typedef struct DeliveryUnit
{
	int64 mapping_no;
	int64 shard_no;
	int64 lane; /* as wide as the others, so that it can be hashed as bytes */
} DeliveryUnit;

/* What is to be done with a unit after a step */
typedef enum DeliveryResult
{
	DELIVERY_IDLE,	  /* nothing until a record is appended to its shard */
	DELIVERY_AGAIN,	  /* the next step at once: there may be more to do */
	DELIVERY_WAIT,	  /* nothing until wake_at or until a record is appended */
	DELIVERY_BLOCKED, /* nothing until wake_at */
	DELIVERY_CHANGED  /* the unit has ended: the tables tell what follows */
} DeliveryResult;

/*
 * Records behind the checkpoint that a filter or another lane has passed over.
 * They are not worth a new checkpoint each time.  The dispatcher remembers
 * them instead, from the unit's last step to its next one; they are looked at
 * again if it forgets them.
 */
typedef struct DeliveryPassed
{
	int64		through;  /* the last number that was passed over; 0: none */
	TimestampTz since;	  /* when the first of them was */
	int64		filtered; /* how many of them the filter has passed over */
} DeliveryPassed;

/*
 * How a step has ended.  Which members mean something depends on result:
 *
 *				IDLE	AGAIN	WAIT	BLOCKED	CHANGED
 * wake_at		-		-		x		x		-
 * not_before	-		-		x		-		-
 * suspect		x		x		x		x		-
 * slow			x		x		x		x		x
 * passed		x		-		x		-		-
 * drained		-		-		-		-		x
 *
 * The others are 0 or false.
 */
typedef struct DeliveryOutcome
{
	DeliveryResult result;
	TimestampTz	   wake_at;	   /* when to do the next step */
	TimestampTz	   not_before; /* appended records do not matter before that */
	bool		   suspect;	   /* a call of its batch has ended a process */
	bool		   slow;	   /* its call took longer than a time slice */
	DeliveryPassed passed;
	bool		   drained; /* the lane has come to where it is to stop */
} DeliveryOutcome;

/* How long a unit may run while others wait */
#define DELIVERY_TIME_SLICE_MS 500

/* A batch whose calls have ended so many processes is given up. */
#define DELIVERY_MAX_CRASHES 3

/* The payload of a request and of an answer, in bytes, as Lambda limits it */
#define DELIVERY_MAX_PAYLOAD (6 * 1024 * 1024)

/* The state of a tumbling window, in bytes */
#define DELIVERY_MAX_STATE (1024 * 1024)

#endif /* DDBSTREAMS_DELIVERY_H */
