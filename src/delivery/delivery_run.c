/*
 * delivery_run.c
 *	  Runs a step of delivery, with the transactions that it consists of.
 *
 * The first transaction reads a batch and counts the attempt
 * (delivery_prepare.c).  The second one calls the handler and moves the position
 * (delivery_perform.c).  If either fails, it is rolled back, and a third one
 * writes down what has failed (delivery_step.c decides what follows from that).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_perform.h"
#include "delivery/delivery_prepare.h"
#include "delivery/delivery_run.h"
#include "delivery/delivery_step.h"
#include "mapping/mapping.h"

/* How long a step waits for the session that has locked its position */
#define RETRY_MS 1000

/* Tells of an error in the log, but of a lasting one less and less often. */
static void
log_failure(DeliveryStep *step, const ErrorData *error)
{
	int failures = step->position->failures;

	if ((failures & (failures - 1)) == 0)
		ereport(LOG,
				(errmsg("%s for event source mapping %s has failed, time %d: %s",
						step->mapping->function_name, mapping_uuid_text(step->mapping),
						failures, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0,
				 error->context ? (errcontext("%s", error->context)) : 0));
}

/* The third transaction, after an error in the second one */
static void
record_failure(DeliveryStep *step, const ErrorData *error)
{
	/* The next step gives the batch up without on_failure. */
	if (step->kind == STEP_GIVE_UP)
	{
		delivery_step_result(step, DELIVERY_AGAIN, 0);
		return;
	}
	own_transaction_begin();
	MemoryContextSwitchTo(step->context);
	delivery_step_fail(step, step->has_begun ? FAILURE_ERROR : FAILURE_BEFORE,
					   delivery_call_error_text(error));
	if (!delivery_position_save(step->position))
		delivery_step_result(step, DELIVERY_BLOCKED, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RETRY_MS));
	own_transaction_commit();
}

/*
 * The first transaction has failed, by what the records are or by what was done
 * to our tables: writes that down where the user will see it.
 */
static void
record_own_failure(DeliveryStep *step, const ErrorData *error)
{
	DeliveryPosition *position;

	own_transaction_begin();
	MemoryContextSwitchTo(step->context);
	position = delivery_position_load(step->unit);
	delivery_step_result(step, DELIVERY_CHANGED, 0);
	if (position != NULL)
	{
		step->position = position;
		position->failures++;
		position->last_error = delivery_call_error_text(error);
		position->last_error_at = GetCurrentTimestamp();
		delivery_position_note(position, psprintf("PROBLEM: %s", position->last_error));
		position->next_attempt_at = delivery_step_backoff(position->failures);
		/* Who holds the row may yet change his mind. */
		(void) delivery_position_save(position);
		delivery_step_result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	}
	own_transaction_commit();
	if (position != NULL && step->mapping != NULL)
		log_failure(step, error);
}

/* The first transaction; returns NULL, or the error that has undone it. */
static ErrorData *
try_to_prepare(DeliveryStep *step)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		own_transaction_begin();
		MemoryContextSwitchTo(step->context);
		delivery_prepare(step);
		own_transaction_commit();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(step->context);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(step->context);
		step->kind = STEP_NONE;
	}
	PG_END_TRY();
	return error;
}

/* Runs perform; returns NULL, or the error that has undone it. */
static ErrorData *
try_to_perform(DeliveryStep *step)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		delivery_perform(step);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(step->context);
		error = CopyErrorData();
		FlushErrorState();
		delivery_call_end();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(step->context);
	}
	PG_END_TRY();
	return error;
}

/*
 * Does the next step of a unit, outside of a transaction.  before tells how the
 * last one has ended.  An error that gets out of here is not the handler's, and
 * leaves a transaction to be aborted.
 */
DeliveryOutcome
delivery_run(const DeliveryUnit *unit, const DeliveryOutcome *before)
{
	static MemoryContext context = NULL;
	MemoryContext		 oldcontext;
	DeliveryStep		 step = {.unit = unit, .before = before};
	ErrorData			*error;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ddbstreams step",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	step.context = context;

	oldcontext = MemoryContextSwitchTo(context);
	error = try_to_prepare(&step);
	if (error != NULL)
		record_own_failure(&step, error);
	if (step.kind != STEP_NONE)
	{
		TimestampTz		 started = GetCurrentTimestamp();
		DeliveryPosition position = *step.position;

		error = try_to_perform(&step);
		step.outcome.slow = TimestampDifferenceExceeds(started, GetCurrentTimestamp(),
													   DELIVERY_TIME_SLICE_MS);
		if (error != NULL)
		{
			*step.position = position;
			record_failure(&step, error);
			log_failure(&step, error);
		}
	}
	MemoryContextSwitchTo(oldcontext);
	return step.outcome;
}
