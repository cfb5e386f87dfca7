/*
 * delivery_step.c
 *	  One batch: counted, called, its end written down.
 *
 * A step takes two transactions, or three.
 *
 *	1. prepare: reads the unit's position and the records behind it, and says
 *	   what is to be done.  If the handler is to be called, the attempt is counted
 *	   and the call marked as begun, durably: whoever finds that mark later knows
 *	   that the process which made the call, or the whole server, died of it.
 *	2. perform: calls the handler and moves the checkpoint, with the role's own
 *	   settings.  Nothing of ours is locked while the handler runs.  The position
 *	   is written only if it is the one that was read (delivery_position.c), and
 *	   the mapping still exists.
 *	3. If that fails, at its commit too: the failure is written down, with what is
 *	   to become of the batch (fail).
 *
 * A batch that is to be delivered again is delivered as it was: its end is in the
 * position (batch_ends).  Bisecting puts the end of the first half upon it.
 *
 * A batch is given up by a step of its own.  It goes to failed_batch and to
 * on_failure, whose call is marked as the handler's is; if that one ends its
 * process, the batch is given up without it.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "delivery.h"
#include "delivery_batch.h"
#include "delivery_call.h"
#include "delivery_event.h"
#include "delivery_failed.h"
#include "delivery_position.h"
#include "horizon.h"
#include "mapping.h"
#include "shard_log.h"
#include "stream_access.h"
#include "stream_time.h"

#define FIRST_BACKOFF_MS 100
#define MAX_BACKOFF_MS	 5000

/* Passed-over records are worth a checkpoint after so many, or so long */
#define PASSED_RECORDS 1000
#define PASSED_MS	   1000

/* The largest that a mapping can ask for */
#define MAX_BATCH_SIZE 10000

/* How often at most a batch is looked at that is filling, as Lambda polls */
#define FILLING_MS 250

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

typedef struct Step
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
} Step;

static void
result(Step *step, DeliveryResult result, TimestampTz wake_at)
{
	step->outcome.result = result;
	step->outcome.wake_at = wake_at;
}

/* --- the position ---------------------------------------------------------- */

static void
save_position(Step *step)
{
	step->position_changed = false;
	if (!delivery_position_save(step->position))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the position of event source mapping %s has changed or is gone",
						mapping_uuid_text(step->mapping))));
}

/* The present batch is done with, up to its end. */
static void
pop_batch(DeliveryPosition *position)
{
	if (position->batch_count > 0)
	{
		position->batch_count--;
		position->checkpoint = Max(position->checkpoint,
								   position->batch_ends[position->batch_count]);
	}
	position->attempts = 0;
	position->failures = 0;
	position->next_attempt_at = 0;
	position->giving_up = NULL;
	position->unhandled = false;
	if (position->batch_count == 0)
		position->crashes = 0;
}

static void
push_batch(DeliveryPosition *position, int64 end)
{
	if (position->batch_count == MAX_BATCH_ENDS)
		elog(ERROR, "batch is divided too often");
	position->batch_ends[position->batch_count++] = end;
}

static void
close_window(DeliveryPosition *position)
{
	position->window_start = position->window_end = 0;
	position->window_early = false;
	position->state_changed = position->window_state != NULL;
	position->window_state = NULL;
}

static void
note_result(DeliveryPosition *position, const char *text)
{
	position->last_result = unconstify(char *, text);
	position->last_result_at = GetCurrentTimestamp();
}

/* --- failures -------------------------------------------------------------- */

static TimestampTz
backoff(int failures)
{
	int64 ms = (int64) FIRST_BACKOFF_MS << Min(Max(failures, 1) - 1, 10);

	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									   Min(ms, MAX_BACKOFF_MS));
}

/*
 * The call of the present batch has failed: decides what becomes of it.  The
 * position is not saved.
 */
static void
fail(Step *step, FailureKind kind, const char *error)
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
		note_result(position, psprintf("PROBLEM: %s", error));
	else
		note_result(position, "PROBLEM: Function call failed");

	if (kind == FAILURE_BEFORE)
		position->attempts--;
	else
		position->unhandled = kind != FAILURE_REPORTED;
	if (kind == FAILURE_CRASH)
		position->crashes++;

	position->next_attempt_at = 0;
	if (kind == FAILURE_BEFORE)
		position->next_attempt_at = backoff(position->failures);
	else if (position->crashes >= DELIVERY_MAX_CRASHES)
		position->giving_up = CONDITION_RETRIES;
	else if (is_final)
		position->next_attempt_at = backoff(position->failures);
	else if (mapping->bisect_batch_on_function_error && step->batch.count > 1)
	{
		push_batch(position, step->batch.numbers[(step->batch.count - 1) / 2]);
		position->attempts = 0;
	}
	else if (mapping->maximum_retry_attempts >= 0 &&
			 position->attempts > mapping->maximum_retry_attempts)
		position->giving_up = CONDITION_RETRIES;
	else
		position->next_attempt_at = backoff(position->failures);

	step->outcome.suspect = position->crashes > 0;
	if (position->next_attempt_at != 0)
		result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	else
		result(step, DELIVERY_AGAIN, 0);
}

/* --- prepare --------------------------------------------------------------- */

/*
 * Returns the mapping's filter, or NULL.  It is kept for the next batch, in which
 * the mapping is likely to be the same.
 */
static const FilterSet *
mapping_filter(const MappingInfo *mapping)
{
	static MemoryContext context = NULL;
	static FilterSet	*filter = NULL;
	static int64		 mapping_no = 0;
	static int64		 version = 0;
	MemoryContext		 oldcontext;

	if (mapping->filter_criteria == NULL)
		return NULL;
	if (filter != NULL && mapping->mapping_no == mapping_no && mapping->version == version)
		return filter;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ddbstreams filter",
										ALLOCSET_DEFAULT_SIZES);
	filter = NULL;
	MemoryContextReset(context);
	oldcontext = MemoryContextSwitchTo(context);
	filter = filter_set_compile(mapping->filter_criteria);
	MemoryContextSwitchTo(oldcontext);
	mapping_no = mapping->mapping_no;
	version = mapping->version;
	return filter;
}

static void
read_batch(Step *step, int64 after, int64 last, int max_records, int64 window_usec)
{
	BatchRequest request = {
		.mapping = step->mapping,
		.stream = step->stream,
		.shard = step->shard,
		.filter = mapping_filter(step->mapping),
		.lane = step->position->lane,
		.lanes = step->position->lanes,
		.after = after,
		.last = last,
		.max_records = max_records,
		.window_usec = window_usec};

	delivery_batch_read(&step->batch, &request, GetActiveSnapshot());
}

/* Reads the batch that is to be delivered as it was. */
static void
read_present_batch(Step *step)
{
	DeliveryPosition *position = step->position;

	if (position->batch_count == 0)
	{
		memset(&step->batch, 0, sizeof(DeliveryBatch));
		initStringInfo(&step->batch.records);
		step->batch.through = position->checkpoint;
	}
	else
	{
		read_batch(step, position->checkpoint,
				   position->batch_ends[position->batch_count - 1],
				   MAX_BATCH_SIZE, 0);
		/* A new filter may let more through than fits. */
		if (step->batch.end == BATCH_FULL)
			push_batch(position, step->batch.numbers[step->batch.count - 1]);
	}
}

static void
begin_call(Step *step, StepKind kind)
{
	DeliveryPosition *position = step->position;

	step->kind = kind;
	position->in_call = true;
	position->called_at = GetCurrentTimestamp();
	position->call_no++;
	if (kind != STEP_GIVE_UP)
		position->attempts++;
	save_position(step);
	/* Not only in memory, where a crash would lose it */
	ForceSyncCommit();
}

/*
 * A call has begun and not ended.  That counts, unless it was an orderly
 * shutdown that has ended it.  Returns whether it does.
 */
static bool
find_crash(Step *step)
{
	DeliveryPosition *position = step->position;

	position->in_call = false;
	step->position_changed = true;
	if (shard_log_was_shut_down_since(position->called_at))
	{
		position->attempts--;
		return false;
	}
	read_present_batch(step);
	fail(step, FAILURE_CRASH, "the handler's process ended during the call");
	ereport(LOG,
			(errmsg("a call of %s for event source mapping %s has ended its process",
					step->mapping->function_name, mapping_uuid_text(step->mapping)),
			 errdetail("This was time %d for this batch; it is given up after %d.",
					   position->crashes, DELIVERY_MAX_CRASHES)));
	return true;
}

/* Records that the mapping would have been given and that have expired */
static int64
count_records(Step *step, int64 after, int64 last)
{
	DeliveryBatch batch;
	BatchRequest  request = {
		 .mapping = step->mapping,
		 .stream = step->stream,
		 .shard = step->shard,
		 .filter = mapping_filter(step->mapping),
		 .lane = step->position->lane,
		 .lanes = step->position->lanes,
		 .after = after,
		 .last = last,
		 .max_records = INT_MAX,
		 .count_only = true};

	delivery_batch_read(&batch, &request, GetActiveSnapshot());
	return batch.count;
}

/* Goes on at the horizon, if that has overtaken the position. */
static void
pass_horizon(Step *step)
{
	DeliveryPosition *position = step->position;
	int64			  before = position->checkpoint;
	int64			  horizon;
	int64			  lost;

	if (shard_age_horizon(step->stream, step->shard) <= before + 1)
		return;
	horizon = shard_horizon(step->stream, step->shard, GetActiveSnapshot());
	if (horizon <= before + 1)
		return;

	lost = count_records(step, before, horizon - 1);
	while (position->batch_count > 0 &&
		   position->batch_ends[position->batch_count - 1] < horizon)
		pop_batch(position);
	position->checkpoint = horizon - 1;
	position->records_lost += lost;
	step->position_changed = true;
	if (lost > 0)
		ereport(WARNING,
				(errmsg("event source mapping %s has lost " INT64_FORMAT " records of shard %s",
						mapping_uuid_text(step->mapping), lost, step->shard->shard_id),
				 errdetail("They were older than the stream's retention before %s was done with them.",
						   step->mapping->function_name)));
}

/* The shard, or the stream, has expired before its end was reached. */
static void
lose_shard(Step *step)
{
	step->position->finished = true;
	save_position(step);
	ereport(WARNING,
			(errmsg("event source mapping %s has not reached the end of a shard that has expired",
					mapping_uuid_text(step->mapping)),
			 errdetail("Shard number " INT64_FORMAT " was delivered up to %s.",
					   step->position->shard_no,
					   sequence_number_text(step->position->checkpoint))));
	result(step, DELIVERY_CHANGED, 0);
}

/* Finds what a unit is about; false if there is nothing to be done with it. */
static bool
find_unit(Step *step)
{
	Snapshot snapshot = GetActiveSnapshot();

	result(step, DELIVERY_CHANGED, 0);
	step->mapping = mapping_by_no(step->unit->mapping_no);
	if (step->mapping == NULL || !mapping_is_active(step->mapping) ||
		step->mapping->role_id != GetSessionUserId())
		return false;
	step->position = delivery_position_load(step->unit);
	if (step->position == NULL || step->position->finished)
		return false;
	if (step->position->next_attempt_at > GetCurrentTimestamp())
	{
		step->outcome.suspect = step->position->crashes > 0;
		result(step, DELIVERY_BLOCKED, step->position->next_attempt_at);
		return false;
	}
	step->stream = stream_catalog_by_id(step->mapping->stream_id, snapshot);
	step->shard = shard_catalog_by_no(step->unit->shard_no, snapshot);
	if (step->stream == NULL || step->shard == NULL)
	{
		lose_shard(step);
		return false;
	}
	return true;
}

/* Writes a batch down as failed, and goes on behind it. */
static void
give_up(Step *step, const char *failure)
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
		close_window(position);
	pop_batch(position);
}

static char *
failure_record(Step *step)
{
	return delivery_failure(&step->batch, step->mapping, step->shard,
							step->position->giving_up, step->position->attempts,
							step->position->unhandled);
}

/*
 * Nothing but records that are passed over.  That is worth writing down only now
 * and then; until then it is remembered by the dispatcher.
 */
static void
pass_over(Step *step)
{
	DeliveryPosition *position = step->position;
	DeliveryOutcome	 *outcome = &step->outcome;
	TimestampTz		  now = GetCurrentTimestamp();
	TimestampTz		  since = step->before->scanned_since;
	int64			  filtered = step->before->scanned_filtered + step->batch.filtered;
	TimestampTz		  until;

	if (since == 0)
		since = now;
	until = TimestampTzPlusMilliseconds(since, PASSED_MS);
	if (filtered >= PASSED_RECORDS || now >= until)
	{
		position->checkpoint = step->batch.through;
		position->records_filtered += filtered;
		step->position_changed = true;
		return;
	}
	outcome->scanned_to = step->batch.through;
	outcome->scanned_since = since;
	outcome->scanned_filtered = filtered;
	if (outcome->result == DELIVERY_IDLE || outcome->wake_at > until)
		result(step, DELIVERY_WAIT, until);
}

/* There is nothing to deliver. */
static void
prepare_nothing(Step *step, bool is_present)
{
	DeliveryPosition *position = step->position;
	DeliveryBatch	 *batch = &step->batch;
	int64			  filtered = step->before->scanned_filtered + batch->filtered;

	if (is_present && (batch->end == BATCH_AT_LAST || batch->end == BATCH_AT_HEAP_END))
	{
		/* The filter has changed. */
		pop_batch(position);
		step->position_changed = true;
		result(step, DELIVERY_AGAIN, 0);
	}
	else if (batch->end == BATCH_PASSED_MANY || batch->end == BATCH_AT_LAST)
	{
		step->position_changed = batch->through > position->checkpoint;
		position->checkpoint = batch->through;
		position->records_filtered += filtered;
		result(step, batch->end == BATCH_AT_LAST ? DELIVERY_CHANGED : DELIVERY_AGAIN, 0);
	}
	else if (batch->end == BATCH_AT_HEAP_END && !ShardIsOpen(step->shard))
	{
		position->checkpoint = Max(batch->through, step->shard->ending_number);
		position->records_filtered += filtered;
		position->finished = true;
		step->position_changed = true;
		result(step, DELIVERY_CHANGED, 0);
	}
	else
	{
		if (position->window_end != 0)
			result(step, DELIVERY_WAIT,
				   position->window_end - (stream_time_now() - GetCurrentTimestamp()));
		else
			result(step, DELIVERY_IDLE, 0);
		if (batch->through > position->checkpoint)
			pass_over(step);
	}
}

static void
prepare_give_up(Step *step, bool may_call)
{
	DeliveryPosition *position = step->position;

	read_present_batch(step);
	result(step, DELIVERY_AGAIN, 0);
	if (step->batch.count == 0 && position->batch_count > 0)
		prepare_nothing(step, true);
	else if (step->mapping->on_failure != NULL && may_call)
		begin_call(step, STEP_GIVE_UP);
	else
	{
		give_up(step, failure_record(step));
		save_position(step);
	}
}

/*
 * Records that are older than the mapping wants are given up by themselves, from
 * the front of the batch.  Returns whether there are any.
 */
static bool
give_up_old(Step *step)
{
	DeliveryPosition *position = step->position;
	int64			  max_age = step->mapping->maximum_record_age_usec;
	int				  count = 0;

	if (max_age < 0)
		return false;
	while (count < step->batch.count &&
		   NUMBER_TIME(step->batch.numbers[count]) < stream_time_now() - max_age)
		count++;
	if (count == 0)
		return false;
	if (position->batch_count == 0 || count < step->batch.count)
		push_batch(position, step->batch.numbers[count - 1]);
	position->giving_up = CONDITION_AGE;
	save_position(step);
	result(step, DELIVERY_AGAIN, 0);
	return true;
}

/* Must the open tumbling window be closed before this batch is delivered? */
static bool
window_is_over(Step *step, TimestampTz now)
{
	DeliveryPosition *position = step->position;
	DeliveryBatch	 *batch = &step->batch;

	if (position->window_end == 0)
		return false;
	if (position->window_early ||
		step->mapping->tumbling_window_usec != position->window_end - position->window_start)
		return true;
	if (batch->count > 0)
		return NUMBER_TIME(batch->numbers[0]) >= position->window_end ||
			   NUMBER_TIME(batch->numbers[0]) < position->window_start;
	/* What is appended from now on has a number that is not before now. */
	return batch->end == BATCH_AT_HEAP_END &&
		   (now >= position->window_end || !ShardIsOpen(step->shard));
}

static void
prepare_final(Step *step)
{
	step->batch.count = 0;
	resetStringInfo(&step->batch.records);
	begin_call(step, STEP_FINAL);
}

/* Returns when a batch that is not full is to be delivered; 0: now. */
static TimestampTz
fills_until(Step *step)
{
	TimestampTz until;

	if (step->mapping->maximum_batching_window_usec == 0 ||
		(step->batch.end != BATCH_AT_HEAP_END &&
		 step->batch.end != BATCH_AT_UNRESOLVED) ||
		!ShardIsOpen(step->shard))
		return 0;
	until = NUMBER_TIME(step->batch.numbers[0]) +
			step->mapping->maximum_batching_window_usec;
	if (step->position->window_end != 0)
		until = Min(until, step->position->window_end);
	until -= stream_time_now() - GetCurrentTimestamp();
	return until > GetCurrentTimestamp() ? until : 0;
}

static void
open_window(Step *step)
{
	DeliveryPosition *position = step->position;
	int64			  usec = step->mapping->tumbling_window_usec;

	if (usec == 0 || position->window_end != 0)
		return;
	position->window_start = delivery_window_start(step->batch.numbers[0], usec);
	position->window_end = position->window_start + usec;
}

static void
prepare_batch(Step *step)
{
	DeliveryPosition *position = step->position;
	TimestampTz		  now = stream_time_now();
	bool			  is_present = position->batch_count > 0;
	TimestampTz		  until;

	if (is_present)
		read_present_batch(step);
	else
		read_batch(step, Max(position->checkpoint, step->before->scanned_to),
				   position->drain_to, step->mapping->batch_size,
				   step->mapping->tumbling_window_usec);

	if (!is_present && window_is_over(step, now))
	{
		prepare_final(step);
		return;
	}
	if (step->batch.count == 0)
	{
		prepare_nothing(step, is_present);
		return;
	}
	if (give_up_old(step))
		return;
	until = is_present ? 0 : fills_until(step);
	if (until != 0)
	{
		result(step, DELIVERY_WAIT, until);
		step->outcome.not_before =
			Min(until, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FILLING_MS));
		return;
	}
	if (!is_present)
	{
		open_window(step);
		push_batch(position, step->batch.end == BATCH_FULL ?
								 step->batch.numbers[step->batch.count - 1] :
								 step->batch.through);
		position->records_filtered += step->before->scanned_filtered + step->batch.filtered;
	}
	begin_call(step, STEP_CALL);
}

/* The first transaction */
static void
prepare(Step *step)
{
	bool was_in_call;

	if (!find_unit(step))
		return;
	was_in_call = step->position->in_call;
	if (was_in_call && step->position->giving_up == NULL && find_crash(step))
	{
		save_position(step);
		return;
	}
	pass_horizon(step);
	if (step->position->giving_up != NULL)
		prepare_give_up(step, !was_in_call);
	else
		prepare_batch(step);
	if (step->position_changed)
		save_position(step);
	step->outcome.suspect = step->position->crashes > 0;
}

/* --- perform --------------------------------------------------------------- */

/*
 * Writes the position in the handler's transaction, which the role may have
 * wanted to be read-only, unless the mapping has been deleted meanwhile.
 */
static void
save_with_effects(Step *step)
{
	bool save_read_only = XactReadOnly;

	/* After an error the transaction's end restores it. */
	XactReadOnly = false;
	if (!mapping_fence(step->mapping->mapping_no))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("event source mapping %s has been deleted",
						mapping_uuid_text(step->mapping))));
	save_position(step);
	XactReadOnly = save_read_only;
}

static void
keep_state(Step *step, const DeliveryAnswer *answer)
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
				 errhint("Return {\"state\": {…}}.")));
	position->window_state = answer->state;
	position->state_changed = true;
	position->window_early = VARSIZE(answer->state) > DELIVERY_MAX_STATE;
}

/* Moves the checkpoint as the answer to a batch says. */
static void
apply_answer(Step *step, const DeliveryAnswer *answer)
{
	DeliveryPosition *position = step->position;
	int				  done = step->batch.count;

	if (answer->kind == ANSWER_SUCCESS || answer->first_failed > 0)
		keep_state(step, answer);
	result(step, DELIVERY_AGAIN, 0);
	position->in_call = false;
	if (answer->kind == ANSWER_SUCCESS)
	{
		pop_batch(position);
		note_result(position, "OK");
		position->batches_delivered++;
	}
	else if (answer->first_failed == 0)
	{
		done = 0;
		fail(step, FAILURE_REPORTED, "the handler reported the first record of the batch as failed");
	}
	else
	{
		/* What remains is a batch of its own. */
		done = answer->first_failed;
		position->checkpoint = step->batch.numbers[done - 1];
		position->attempts = 0;
		position->failures = 1;
		position->unhandled = false;
		position->last_error =
			psprintf("the handler reported record %s as failed",
					 sequence_number_text(step->batch.numbers[done]));
		position->last_error_at = GetCurrentTimestamp();
		note_result(position, "PROBLEM: Function call failed");
		position->next_attempt_at = backoff(1);
		result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	}
	position->records_delivered += done;
}

static Oid
find_handler(Step *step)
{
	stream_access_check(step->stream);
	return delivery_call_find(step->mapping->function_name, MAPPING_HANDLER);
}

static void
perform_call(Step *step)
{
	DeliveryPosition *position = step->position;
	Oid				  function = find_handler(step);
	bool			  is_final = step->kind == STEP_FINAL;
	char			 *event;
	DeliveryAnswer	  answer;

	step->has_begun = true;
	if (position->window_end != 0)
		event = delivery_window_event(&step->batch, step->mapping, step->shard,
									  position, is_final);
	else
		event = delivery_event(&step->batch);
	answer = delivery_answer_read(delivery_call(function, delivery_json(event)),
								  step->mapping->report_batch_item_failures && !is_final,
								  step->batch.numbers, step->batch.count);
	if (answer.kind == ANSWER_BATCH_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", answer.problem)));
	if (is_final)
	{
		close_window(position);
		position->in_call = false;
		pop_batch(position);
		note_result(position, "OK");
		result(step, DELIVERY_AGAIN, 0);
	}
	else
		apply_answer(step, &answer);
}

static void
perform_give_up(Step *step)
{
	char *failure = failure_record(step);
	char *problem = delivery_failed_tell(step->mapping, failure, &step->batch);

	if (problem != NULL)
	{
		ereport(LOG,
				(errmsg("on_failure of event source mapping %s has failed",
						mapping_uuid_text(step->mapping)),
				 errdetail("%s", problem)));
		step->position->last_error = psprintf("on_failure: %s", problem);
		step->position->last_error_at = GetCurrentTimestamp();
	}
	XactReadOnly = false;
	give_up(step, failure);
	result(step, DELIVERY_AGAIN, 0);
}

/* The second transaction.  An error ends it, at its commit too. */
static void
perform(Step *step)
{
	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, step->mapping->function_name);
	StartTransactionCommand();
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

/* --- failures of perform --------------------------------------------------- */

/* Tells of an error in the log, but of a lasting one less and less often. */
static void
log_failure(Step *step, const ErrorData *error)
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
record_failure(Step *step, const ErrorData *error)
{
	/* The next step gives the batch up without on_failure. */
	if (step->kind == STEP_GIVE_UP)
	{
		result(step, DELIVERY_AGAIN, 0);
		return;
	}
	delivery_begin();
	MemoryContextSwitchTo(step->context);
	fail(step, step->has_begun ? FAILURE_ERROR : FAILURE_BEFORE,
		 delivery_error_text(error));
	if (!delivery_position_save(step->position))
		result(step, DELIVERY_CHANGED, 0);
	delivery_commit();
	MemoryContextSwitchTo(step->context);
}

/* --- the step -------------------------------------------------------------- */

/*
 * The first transaction has failed, by what the records are or by what was done
 * to our tables: writes that down where the user will see it.
 */
static void
record_own_failure(Step *step, const ErrorData *error)
{
	DeliveryPosition *position;

	delivery_begin();
	MemoryContextSwitchTo(step->context);
	position = delivery_position_load(step->unit);
	result(step, DELIVERY_CHANGED, 0);
	if (position != NULL)
	{
		step->position = position;
		position->failures++;
		position->last_error = delivery_error_text(error);
		position->last_error_at = GetCurrentTimestamp();
		note_result(position, psprintf("PROBLEM: %s", position->last_error));
		position->next_attempt_at = backoff(position->failures);
		if (delivery_position_save(position))
			result(step, DELIVERY_BLOCKED, position->next_attempt_at);
	}
	delivery_commit();
	MemoryContextSwitchTo(step->context);
	if (position != NULL && step->mapping != NULL)
		log_failure(step, error);
}

/* The first transaction; returns NULL, or the error that has undone it. */
static ErrorData *
try_to_prepare(Step *step)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		delivery_begin();
		MemoryContextSwitchTo(step->context);
		prepare(step);
		delivery_commit();
		MemoryContextSwitchTo(step->context);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(step->context);
		error = CopyErrorData();
		FlushErrorState();
		delivery_abort();
		MemoryContextSwitchTo(step->context);
		step->kind = STEP_NONE;
	}
	PG_END_TRY();
	return error;
}

/* Runs perform; returns NULL, or the error that has undone it. */
static ErrorData *
try_to_perform(Step *step)
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		perform(step);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(step->context);
		error = CopyErrorData();
		FlushErrorState();
		delivery_call_end();
		delivery_abort();
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
delivery_step(const DeliveryUnit *unit, const DeliveryOutcome *before)
{
	static MemoryContext context = NULL;
	MemoryContext		 oldcontext;
	Step				 step = {.unit = unit, .before = before};
	ErrorData			*error;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "ddbstreams step",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	step.context = context;

	oldcontext = CurrentMemoryContext;
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
