/*
 * delivery_perform.c
 *	  The second transaction of a step: the call, and what its answer says.
 *
 * The handler runs with the settings of the mapping's role.  No row of
 * ddbstreams' own tables is locked meanwhile; mapping_lock.c says which locks
 * are taken when.  The position is written in the same transaction, so that
 * the handler's effects in this database and the move of the checkpoint are
 * committed together.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/sequence_number.h"
#include "delivery/delivery_answer.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_failed.h"
#include "delivery/delivery_perform.h"
#include "delivery/delivery_step.h"
#include "mapping/mapping.h"
#include "mapping/mapping_lock.h"
#include "reading/stream_access.h"

/*
 * Writes the position.  Raises an error if the mapping has been deleted
 * meanwhile.
 *
 * The transaction may be read-only by the role's settings, or by what the
 * handler has set; that does not hold for ddbstreams' own tables.
 */
static void
save_with_effects(DeliveryStep *step)
{
	bool save_read_only = XactReadOnly;

	/* After an error the end of the transaction restores it. */
	XactReadOnly = false;
	/* An error from here on is not the handler's and costs no attempt. */
	step->has_begun = false;
	if (!mapping_lock_fence(step->mapping->mapping_no))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("event source mapping %s has been deleted, or is about to be",
						mapping_uuid_text(step->mapping))));
	delivery_step_save(step);
	/* An error at the commit, a serialization failure, is the handler's. */
	step->has_begun = true;
	XactReadOnly = save_read_only;
}

/* Keeps the state of the tumbling window that the answer has. */
static void
keep_window_state(DeliveryStep *step, const DeliveryAnswer *answer)
{
	DeliveryPosition *position = step->position;

	if (position->window_end == 0)
		return;
	if (answer->state == NULL && answer->kind != ANSWER_SUCCESS)
		return;
	if (answer->state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the answer of a handler with tumbling windows has no state"),
				 errhint("Return {\"state\": {...}}.")));
	position->window_state = answer->state;
	position->state_changed = true;
	position->window_early = VARSIZE(answer->state) > DELIVERY_MAX_STATE;
}

/* Moves the checkpoint as the answer to a batch says. */
static void
apply_answer(DeliveryStep *step, const DeliveryAnswer *answer)
{
	DeliveryPosition *position = step->position;
	int				  done = step->batch.count;

	if (answer->kind == ANSWER_SUCCESS || answer->first_failed > 0)
		keep_window_state(step, answer);
	delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	position->in_call = false;
	if (answer->kind == ANSWER_SUCCESS)
	{
		delivery_position_end_batch(position);
		delivery_position_set_result(position, "OK");
		delivery_position_forget_failing(position);
		position->batches_delivered++;
	}
	else if (answer->first_failed == 0)
	{
		done = 0;
		delivery_step_fail(step, FAILURE_REPORTED, 0, "the handler reported the first record of the batch as failed");
	}
	else
	{
		/* The rest, to the same end, is a batch of its own. */
		done = answer->first_failed;
		position->checkpoint = step->batch.numbers[done - 1];
		position->attempts = 0;
		position->failures = 1;
		position->unhandled = false;
		delivery_position_forget_failing(position);
		delivery_position_set_error(position, 0,
									psprintf("the handler reported record %s as failed",
											 sequence_number_text(step->batch.numbers[done])));
		delivery_position_set_result(position, "PROBLEM: Function call failed");
		position->next_attempt_at = delivery_step_backoff(1);
		delivery_step_set_result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	}
	position->records_delivered += done;
}

static Oid
find_handler(DeliveryStep *step)
{
	stream_access_check(step->stream);
	return delivery_call_find(step->mapping->function_name, MAPPING_HANDLER);
}

static void
perform_call(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	Oid				  function = find_handler(step);
	bool			  is_final = step->kind == STEP_FINAL;
	char			 *event;
	DeliveryAnswer	  answer;

	step->has_begun = true;
	if (position->window_end != 0)
		event = delivery_event_of_window(&step->batch, step->mapping, step->shard,
										 position, is_final);
	else
		event = delivery_event(&step->batch);
	answer = delivery_answer_read(delivery_call(function, delivery_call_json(event)),
								  step->mapping->report_batch_item_failures && !is_final,
								  step->batch.numbers, step->batch.count);
	if (answer.kind == ANSWER_BATCH_FAILED)
	{
		step->has_reported = !answer.is_unhandled;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", answer.problem)));
	}
	if (is_final)
	{
		delivery_position_close_window(position);
		delivery_position_forget_failing(position);
		position->in_call = false;
		delivery_position_end_batch(position);
		delivery_position_set_result(position, "OK");
		delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	}
	else
		apply_answer(step, &answer);
}

static void
perform_give_up(DeliveryStep *step)
{
	char *failure = delivery_step_failure_record(step);
	char *problem = delivery_failed_tell(step->mapping, failure, &step->batch);

	if (problem != NULL)
	{
		ereport(LOG,
				(errmsg("ddbstreams could not deliver a failed batch to on_failure of event source mapping %s",
						mapping_uuid_text(step->mapping)),
				 errdetail("%s", problem)));
		delivery_position_set_error(step->position, 0,
									psprintf("on_failure: %s", problem));
	}
	XactReadOnly = false;
	delivery_step_give_up(step, failure);
	delivery_step_set_result(step, DELIVERY_AGAIN, 0);
}

void
delivery_perform(DeliveryStep *step)
{
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, step->mapping->function_name);
	StartTransactionCommand();
	step->is_read_only = XactReadOnly;
	MemoryContextSwitchTo(step->context);
	PushActiveSnapshot(GetTransactionSnapshot());
	mapping_lock_batch(step->mapping->mapping_no);
	if (step->kind == STEP_GIVE_UP)
		perform_give_up(step);
	else
		perform_call(step);
	save_with_effects(step);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(step->context);
}
