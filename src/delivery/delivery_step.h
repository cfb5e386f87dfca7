/*
 * delivery_step.h
 *	  One batch, between the files that deliver it.
 */
#ifndef DDBSTREAMS_DELIVERY_STEP_H
#define DDBSTREAMS_DELIVERY_STEP_H

#include "base/ddbstreams.h"

#include "delivery/call_verdict.h"
#include "delivery/delivery.h"
#include "delivery/delivery_batch.h"
#include "delivery/delivery_position.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

/* The call that the first transaction has prepared for the second one */
typedef enum StepKind
{
	STEP_NONE,	 /* there is none */
	STEP_CALL,	 /* the handler, with a batch */
	STEP_FINAL,	 /* the handler, at the end of a tumbling window */
	STEP_GIVE_UP /* on_failure, with a batch that is given up */
} StepKind;

/* How a call has failed */
typedef enum FailureKind
{
	FAILURE_BEFORE,	 /* not the handler's fault: costs no attempt */
	FAILURE_ERROR,	 /* the handler has raised an error */
	FAILURE_CRASH,	 /* the process that called it has died */
	FAILURE_REPORTED /* the answer reports the first record as failed, or
					  * its batchItemFailures are not valid */
} FailureKind;

/*
 * What the transactions of a step share.  Everything that it points to lives
 * in context, which delivery_run resets with each step.
 */
typedef struct DeliveryStep
{
	MemoryContext		  context;
	const DeliveryUnit	 *unit;
	const DeliveryPassed *passed_before; /* by the unit's last step */
	DeliveryOutcome		  outcome;
	StepKind			  kind;
	MappingInfo			 *mapping;
	StreamInfo			 *stream;
	ShardInfo			 *shard;
	DeliveryPosition	 *position;
	bool				  position_changed; /* and has not been saved since */
	DeliveryBatch		  batch;
	int64				  careful_to;	/* as in BatchRequest */
	bool				  is_noted;		/* the position does not tell of the call */
	bool				  is_judged;	/* a verdict is to be forgotten ... */
	int64				  judged_call;	/* ... on the call with this call_no */
	bool				  is_serial;	/* the call has no parallel workers */
	bool				  has_begun;	/* an error now is the handler's */
	bool				  has_reported; /* ... and was not raised by it */
	bool				  is_read_only; /* by settings, not by the handler */
} DeliveryStep;

/* Sets what is to be done with the unit after the step; wake_at may be 0. */
extern void delivery_step_set_result(DeliveryStep *step, DeliveryResult result,
									 TimestampTz wake_at);

/*
 * Writes the position.  Raises an error if its row is not the one that was
 * read any more.
 */
extern void delivery_step_save(DeliveryStep *step);

/* Returns when to try again after so many failures in a row. */
extern TimestampTz delivery_step_backoff(int failures);

/*
 * Decides what becomes of the batch after its call has failed; README has the
 * table.  Changes the position without saving it, and sets the step's result.
 * The SQLSTATE is 0 if the failure was no error.
 */
extern void delivery_step_fail(DeliveryStep *step, FailureKind kind, int sqlstate,
							   const char *error);

/*
 * Writes into the position why its unit cannot be run now, and has it tried
 * again later.  The SQLSTATE is 0 if that was no error.
 */
extern void delivery_step_block(DeliveryStep *step, int sqlstate, const char *error);

/* Returns Lambda's record of the present batch's failure, palloc'd. */
extern char *delivery_step_failure_record(const DeliveryStep *step);

/*
 * Writes the present batch down as failed, with that record, and moves the
 * position past it without saving it.
 */
extern void delivery_step_give_up(DeliveryStep *step, const char *failure);

#endif /* DDBSTREAMS_DELIVERY_STEP_H */
