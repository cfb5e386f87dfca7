/*
 * delivery_run.c
 *	  Runs a step of delivery, with the transactions that it consists of.
 *
 * The first transaction reads a batch and counts the attempt
 * (delivery_prepare.c); it writes nothing if that is the first one.  The
 * second one calls the handler and moves the position (delivery_perform.c).
 * If one of them fails, it is rolled back, and another one writes the failure
 * down; delivery_step.c decides what follows from it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/own_transaction.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_parallel.h"
#include "delivery/delivery_perform.h"
#include "delivery/delivery_prepare.h"
#include "delivery/delivery_run.h"
#include "delivery/delivery_step.h"
#include "delivery/handler_mailbox.h"
#include "mapping/mapping.h"

/* When to try again if another transaction has locked the position */
#define LOCKED_RETRY_MS 1000

/* Reports an error in the log; a lasting one less and less often. */
static void
log_failure(DeliveryStep *step, const ErrorData *error)
{
	int failures = step->position->failures;

	if ((failures & (failures - 1)) == 0)
		ereport(LOG,
				(errmsg("ddbstreams could not deliver a batch of event source mapping %s to %s, time %d: %s",
						mapping_uuid_text(step->mapping), step->mapping->function_name,
						failures, error->message),
				 error->detail ? errdetail_internal("%s", error->detail) : 0,
				 error->hint ? errhint("%s", error->hint) : 0,
				 error->context ? (errcontext("%s", error->context)) : 0));
}

/*
 * Is an error in the second transaction the handler's?  It is not if the
 * handler could not write because the server, the database or the role is
 * read-only, as before a switchover.
 */
static FailureKind
kind_of_failure(const DeliveryStep *step, const ErrorData *error)
{
	if (!step->has_begun ||
		(step->is_read_only && error->sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION))
		return FAILURE_BEFORE;
	return step->has_reported ? FAILURE_REPORTED : FAILURE_ERROR;
}

/* The third transaction, after an error in the second one */
static void
record_failure(DeliveryStep *step, const ErrorData *error)
{
	/* The next step gives the batch up without on_failure. */
	if (step->kind == STEP_GIVE_UP)
	{
		delivery_step_set_result(step, DELIVERY_AGAIN, 0);
		return;
	}
	own_transaction_begin();
	MemoryContextSwitchTo(step->context);
	delivery_step_fail(step, kind_of_failure(step, error), error->sqlerrcode,
					   delivery_call_error_text(error));
	if (!delivery_position_save(step->position))
		delivery_step_set_result(step, DELIVERY_BLOCKED,
								 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															 LOCKED_RETRY_MS));
	own_transaction_commit();
}

/*
 * A transaction of its own, after an error in the first one that is not of a
 * record: a lock or memory could not be had, or ddbstreams' own tables were
 * changed.  Writes it down where the user will see it.
 */
static void
record_own_failure(DeliveryStep *step, const ErrorData *error)
{
	DeliveryPosition *position;

	own_transaction_begin();
	MemoryContextSwitchTo(step->context);
	position = delivery_position_load(step->unit);
	delivery_step_set_result(step, DELIVERY_CHANGED, 0);
	if (position != NULL)
	{
		step->position = position;
		delivery_step_block(step, error->sqlerrcode, delivery_call_error_text(error));
	}
	own_transaction_commit();
	if (position != NULL && step->mapping != NULL)
		log_failure(step, error);
}

/* Runs the first transaction; returns the error that undid it, or NULL. */
static ErrorData *
try_to_prepare(DeliveryStep *step)
{
	ErrorData *volatile error = NULL;

	memset(&step->batch, 0, sizeof(DeliveryBatch));
	memset(&step->outcome, 0, sizeof(DeliveryOutcome));
	step->position_changed = false;
	step->is_noted = false;
	step->is_judged = false;
	PG_TRY();
	{
		own_transaction_begin();
		MemoryContextSwitchTo(step->context);
		delivery_prepare(step);
		own_transaction_commit();
		if (step->is_judged)
			call_verdict_forget(step->unit, step->judged_call);
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

/* Runs the second transaction; returns as the function above. */
static ErrorData *
try_to_perform(DeliveryStep *step)
{
	ErrorData *volatile error = NULL;
	CallNote note = {0};

	if (step->is_noted)
		note = delivery_position_note(step->position);
	delivery_parallel_allow(!step->is_serial);
	handler_mailbox_begin_call(step->position->attempts);
	call_verdict_begin(step->unit, step->position->stored_call_no,
					   step->is_noted ? &note : NULL);
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
	call_verdict_end();
	handler_mailbox_end_call();
	return error;
}

DeliveryOutcome
delivery_run(const DeliveryUnit *unit, const DeliveryPassed *passed_before)
{
	static MemoryContext context = NULL;
	MemoryContext		 oldcontext;
	DeliveryStep		 step = {.unit = unit, .passed_before = passed_before};
	ErrorData			*error;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ddbstreams step",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	step.context = context;

	oldcontext = MemoryContextSwitchTo(context);
	error = try_to_prepare(&step);
	/*
	 * If a record cannot be read, or not be shown to the filter, the step
	 * begins anew and looks out for such records: what comes before them is
	 * delivered, and each of them is a batch of its own whose delivery fails.
	 * After a second one all records are read with care: to begin anew at each
	 * would take time with the square of their number.
	 */
	while (error != NULL && step.batch.reading > step.careful_to &&
		   delivery_batch_is_error_of_record(error))
	{
		FreeErrorData(error);
		step.careful_to = step.careful_to == 0 ? step.batch.reading : PG_INT64_MAX;
		error = try_to_prepare(&step);
	}
	if (error == NULL && step.batch.error != NULL)
		log_failure(&step, step.batch.error);
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
