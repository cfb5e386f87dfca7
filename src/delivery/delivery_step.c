/*
 * delivery_step.c
 *	  One batch: counted, called, its end written down.
 *
 * A step takes two transactions, or three.
 *
 *	1. delivery_prepare reads the unit's position and the records behind it, and says
 *	   what is to be done.  If the handler is to be called, the attempt is counted
 *	   and the call marked as begun, durably: whoever finds that mark later knows
 *	   that the process which made the call, or the whole server, died of it.
 *	2. delivery_perform calls the handler and moves the checkpoint, with the role's own
 *	   settings.  Nothing of ours is locked while the handler runs.  The position
 *	   is written only if it is the one that was read (delivery_position.c), and
 *	   the mapping still exists.
 *	3. If that fails, at its commit too: the failure is written down, with what is
 *	   to become of the batch (delivery_step_fail).
 *
 * A batch that is to be delivered again is delivered as it was: its end is in the
 * position (batch_ends).  Bisecting puts the end of the first half upon it.
 *
 * A batch is given up by a step of its own.  It goes to failed_batch and to
 * on_failure, whose call is marked as the handler's is; if that one ends its
 * process, the batch is given up without it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "delivery/delivery_step.h"
#include "mapping/mapping.h"

#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS	 5000

/* What there is to be done after this step; wake_at as result needs it */
void
delivery_step_result(DeliveryStep *step, DeliveryResult result, TimestampTz wake_at)
{
	step->outcome.result = result;
	step->outcome.wake_at = wake_at;
}

/* Writes the position down; an error if it is no longer what was read. */
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

/* When to try again after so many failures */
TimestampTz
delivery_step_backoff(int failures)
{
	int64 ms = (int64) FIRST_BACKOFF_MS << Min(Max(failures, 1) - 1, 10);

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   Min(ms, MAX_BACKOFF_MS));
}

/*
 * The call of the present batch has failed: decides what becomes of it.  The
 * position is not saved.
 */
void
delivery_step_fail(DeliveryStep *step, FailureKind kind, const char *error)
{
	DeliveryPosition  *position = step->position;
	const MappingInfo *mapping = step->mapping;
	bool			   is_final = position->batch_count == 0;

	Assert(kind == FAILURE_BEFORE || position->attempts > 0);
	position->in_call = false;
	position->failures++;
	position->last_error = unconstify(char *, error);
	position->last_error_at = GetCurrentTimestamp();
	if (kind == FAILURE_BEFORE)
		delivery_position_note(position, psprintf("PROBLEM: %s", error));
	else
		delivery_position_note(position, "PROBLEM: Function call failed");

	if (kind == FAILURE_BEFORE)
		position->attempts--;
	else
		position->unhandled = kind != FAILURE_REPORTED;
	if (kind == FAILURE_CRASH)
		position->crashes++;

	position->next_attempt_at = 0;
	if (kind == FAILURE_BEFORE)
		position->next_attempt_at = delivery_step_backoff(position->failures);
	else if (position->crashes >= DELIVERY_MAX_CRASHES)
		position->giving_up = CONDITION_RETRIES;
	else if (is_final)
		position->next_attempt_at = delivery_step_backoff(position->failures);
	else if (mapping->bisect_batch_on_function_error && step->batch.count > 1)
	{
		delivery_position_push(position, step->batch.numbers[(step->batch.count - 1) / 2]);
		position->attempts = 0;
	}
	else if (mapping->maximum_retry_attempts >= 0 &&
			 position->attempts > mapping->maximum_retry_attempts)
		position->giving_up = CONDITION_RETRIES;
	else
		position->next_attempt_at = delivery_step_backoff(position->failures);

	step->outcome.suspect = position->crashes > 0;
	if (position->next_attempt_at != 0)
		delivery_step_result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	else
		delivery_step_result(step, DELIVERY_AGAIN, 0);
}

/* Writes a batch down as failed, and goes on behind it. */
void
delivery_step_give_up(DeliveryStep *step, const char *failure)
{
	DeliveryPosition *position = step->position;

	delivery_failed_insert(step->mapping, step->shard, failure, &step->batch);
	ereport(LOG,
			(errmsg("event source mapping %s has given up a batch of %d records of shard %s",
					mapping_uuid_text(step->mapping), step->batch.count,
					step->shard->shard_id),
			 errdetail("%s", position->giving_up)));
	position->batches_failed++;
	position->in_call = false;
	if (position->batch_count == 0)
		delivery_position_close_window(position);
	delivery_position_pop(position);
}

/* Returns Lambda's record of the present batch's failure, palloc'd. */
char *
delivery_step_failure(const DeliveryStep *step)
{
	return delivery_event_failure(&step->batch, step->mapping, step->shard,
								  step->position->giving_up, step->position->attempts,
								  step->position->unhandled);
}
