/*
 * delivery_step.h
 *	  One batch, between the files that deliver it.
 */
#ifndef DDBSTREAMS_DELIVERY_STEP_H
#define DDBSTREAMS_DELIVERY_STEP_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"
#include "delivery/delivery_batch.h"
#include "delivery/delivery_position.h"
#include "mapping/mapping.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"

typedef enum StepKind
{
	STEP_NONE,
	STEP_CALL,	 /* the handler, with a batch */
	STEP_FINAL,	 /* the handler, at the end of a tumbling window */
	STEP_GIVE_UP /* on_failure */
} StepKind;

/* How a batch has failed */
typedef enum FailureKind
{
	FAILURE_BEFORE,	 /* the handler could not be called: costs no attempt */
	FAILURE_ERROR,	 /* the handler has raised an error */
	FAILURE_CRASH,	 /* its process has died */
	FAILURE_REPORTED /* by batchItemFailures */
} FailureKind;

typedef struct DeliveryStep
{
	MemoryContext		   context; /* of all of this */
	const DeliveryUnit	  *unit;
	const DeliveryOutcome *before;
	DeliveryOutcome		   outcome;
	StepKind			   kind;
	MappingInfo			  *mapping;
	StreamInfo			  *stream;
	ShardInfo			  *shard;
	DeliveryPosition	  *position;
	bool				   position_changed; /* and not saved yet */
	DeliveryBatch		   batch;
	bool				   has_begun; /* in perform: the handler was called */
} DeliveryStep;

/* delivery_step.c */
extern void		   delivery_step_result(DeliveryStep *step, DeliveryResult result,
										TimestampTz wake_at);
extern void		   delivery_step_save(DeliveryStep *step);
extern TimestampTz delivery_step_backoff(int failures);
extern void		   delivery_step_fail(DeliveryStep *step, FailureKind kind, const char *error);
extern char		  *delivery_step_failure(const DeliveryStep *step);
extern void		   delivery_step_give_up(DeliveryStep *step, const char *failure);

#endif /* DDBSTREAMS_DELIVERY_STEP_H */
