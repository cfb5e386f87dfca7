/*
 * delivery_step.c
 *	  One batch: what the files share that deliver it, and what becomes of it.
 *
 * A step takes up to three transactions (delivery_run.c).
 *
 *	1. delivery_prepare reads the unit's position and the records behind it,
 *	   and finds out what is to be done.  If the handler is to be called, it
 *	   counts the attempt and marks the call as begun, durably; or, if it is
 *	   the first call of a batch, leaves that to call_verdict.c.  A worker that
 *	   finds the mark later knows that the process which made the call has died
 *	   of it, alone or with the whole server.
 *	2. delivery_perform calls the handler and moves the checkpoint.  It writes
 *	   the position only if that is still the one that was read
 *	   (delivery_position.c), and if the mapping still exists.
 *	3. If the second transaction fails, be it at its commit, the third one
 *	   writes the failure down, with what is to become of the batch
 *	   (delivery_step_fail).
 *
 * A batch that is to be delivered again is delivered as it was: its end stands
 * in the position (batch_ends).  Bisecting pushes the end of the first half on
 * top of it.
 *
 * A batch is given up by a step of its own.  It goes to failed_batch and to
 * on_failure, whose call is marked as a handler's call is.  If on_failure ends
 * its process, the batch is given up without it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/backoff.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "delivery/delivery_step.h"
#include "mapping/mapping.h"

#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS	 5000

void
delivery_step_set_result(DeliveryStep *step, DeliveryResult result, TimestampTz wake_at)
{
	step->outcome.result = result;
	step->outcome.wake_at = wake_at;
}

void
delivery_step_save(DeliveryStep *step)
{
	step->position_changed = false;
	if (!delivery_position_save(step->position))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the position of event source mapping %s has changed or is gone",
						mapping_uuid_text(step->mapping))));
}

TimestampTz
delivery_step_backoff(int failures)
{
	return backoff_until(failures, FIRST_BACKOFF_MS, MAX_BACKOFF_MS);
}

/* What becomes of a batch whose call has failed */
typedef enum FailureDecision
{
	DECISION_RETRY,	 /* the same call again, after a while */
	DECISION_BISECT, /* its first half, at once */
	DECISION_GIVE_UP /* the next step gives it up */
} FailureDecision;

/* Decides by the table in README; the failure has been counted. */
static FailureDecision
decide_on_failure(const DeliveryStep *step, FailureKind kind)
{
	const DeliveryPosition *position = step->position;
	const MappingInfo	   *mapping = step->mapping;
	bool					is_final = position->batch_count == 0;

	if (kind == FAILURE_BEFORE)
		return DECISION_RETRY;
	if (position->crashes >= DELIVERY_MAX_CRASHES)
		return DECISION_GIVE_UP;
	if (is_final)
		return DECISION_RETRY;
	if (mapping->bisect_batch_on_function_error && step->batch.count > 1)
		return DECISION_BISECT;
	if (mapping->maximum_retry_attempts >= 0 &&
		position->attempts > mapping->maximum_retry_attempts)
		return DECISION_GIVE_UP;
	return DECISION_RETRY;
}

/* Counts a failure and writes down what it was. */
static void
count_failure(DeliveryPosition *position, FailureKind kind, int sqlstate,
			  const char *error)
{
	position->in_call = false;
	position->failures++;
	delivery_position_set_error(position, sqlstate, error);
	if (kind == FAILURE_BEFORE)
	{
		position->attempts--;
		delivery_position_set_result(position, psprintf("PROBLEM: %s", error));
		return;
	}
	position->unhandled = kind != FAILURE_REPORTED;
	if (kind == FAILURE_CRASH)
		position->crashes++;
	delivery_position_set_result(position, "PROBLEM: Function call failed");
}

void
delivery_step_fail(DeliveryStep *step, FailureKind kind, int sqlstate,
				   const char *error)
{
	DeliveryPosition *position = step->position;

	Assert(kind == FAILURE_BEFORE || position->attempts > 0);
	count_failure(position, kind, sqlstate, error);
	position->next_attempt_at = 0;
	delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	switch (decide_on_failure(step, kind))
	{
		case DECISION_RETRY:
			position->next_attempt_at = delivery_step_backoff(position->failures);
			delivery_step_set_result(step, DELIVERY_BLOCKED, position->next_attempt_at);
			break;
		case DECISION_BISECT:
			delivery_position_push_end(position,
									   step->batch.numbers[(step->batch.count - 1) / 2]);
			position->attempts = 0;
			break;
		case DECISION_GIVE_UP:
			position->giving_up = CONDITION_RETRIES;
			break;
	}
	step->outcome.suspect = position->crashes > 0;
}

void
delivery_step_block(DeliveryStep *step, int sqlstate, const char *error)
{
	DeliveryPosition *position = step->position;

	position->failures++;
	delivery_position_set_error(position, sqlstate, error);
	delivery_position_set_result(position, psprintf("PROBLEM: %s", error));
	position->next_attempt_at = delivery_step_backoff(position->failures);
	delivery_position_save_failure(position);
	delivery_step_set_result(step, DELIVERY_BLOCKED, position->next_attempt_at);
}

void
delivery_step_give_up(DeliveryStep *step, const char *failure)
{
	DeliveryPosition *position = step->position;

	delivery_failed_insert(step->mapping, step->stream, step->shard, failure,
						   &step->batch);
	ereport(LOG,
			(errmsg("ddbstreams gave up a batch of %d records of shard %s for event source mapping %s",
					step->batch.count, step->shard->shard_id,
					mapping_uuid_text(step->mapping)),
			 errdetail("%s", position->giving_up)));
	position->batches_failed++;
	position->records_given_up += step->batch.count;
	position->in_call = false;
	if (position->batch_count == 0)
		delivery_position_close_window(position);
	delivery_position_end_batch(position);
}

char *
delivery_step_failure_record(const DeliveryStep *step)
{
	return delivery_event_failure(&step->batch, step->mapping, step->shard,
								  step->position->giving_up, step->position->attempts,
								  step->position->unhandled);
}
