/*
 * delivery_prepare.c
 *	  The first transaction of a step: what is to be done with a unit.
 *
 * It reads the position and the records behind it.  If a function is to be
 * called, the call is only prepared: counted, and marked as begun.  Everything
 * else is done here: a crash is found; records are lost to the horizon, or
 * given up because of their age; a batch is given up without on_failure; the
 * checkpoint passes records that the mapping does not want; the shard ends.
 *
 * The present batch is the one whose end is on top of batch_ends.  It was
 * begun by an earlier step and is delivered as it was.  If there is none, a
 * new batch is read.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/guarded_call.h"
#include "base/sequence_number.h"
#include "base/settings.h"
#include "delivery/call_verdict.h"
#include "delivery/delivery_call.h"
#include "delivery/delivery_event.h"
#include "delivery/delivery_prepare.h"
#include "delivery/delivery_step.h"
#include "filter/filter_set.h"
#include "mapping/mapping_catalog.h"
#include "mapping/mapping_params.h"
#include "reading/stream_access.h"
#include "registry/shard_catalog.h"
#include "registry/stream_catalog.h"
#include "shard/horizon.h"
#include "shard/shard_log.h"

/* The checkpoint moves past records that were passed over after so many ... */
#define PASSED_RECORDS 1000

/* ... or after so long. */
#define PASSED_MS 1000

/* How often at most a batch that is filling is read again, as Lambda polls */
#define FILLING_MS 250

/*
 * Returns the mapping's filter, or NULL if it has none.  The filter is kept
 * for the next step, whose mapping is likely to be the same.
 */
static const FilterSet *
compiled_filter(const MappingInfo *mapping)
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

/* Returns a request for the unit's records with numbers in (after, last]. */
static BatchRequest
request_records(const DeliveryStep *step, int64 after, int64 last)
{
	BatchRequest request = {
		.mapping = step->mapping,
		.stream = step->stream,
		.shard = step->shard,
		.filter = compiled_filter(step->mapping),
		.lane = step->position->lane,
		.lanes = step->position->lanes,
		.after = after,
		.last = last,
		.careful_to = step->careful_to};

	return request;
}

static void
read_batch(DeliveryStep *step, int64 after, int64 last, int max_records, int64 window_usec)
{
	BatchRequest request = request_records(step, after, last);

	request.max_records = max_records;
	request.window_usec = window_usec;
	delivery_batch_read(&step->batch, &request, GetActiveSnapshot());
}

/*
 * Reads the present batch.  Without one, at the last call of a tumbling
 * window, the batch is empty.
 */
static void
read_present_batch(DeliveryStep *step)
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
				   MAPPING_MAX_BATCH_SIZE, 0);
		/* A new filter may let more records through than fit in a batch. */
		if (step->batch.end == BATCH_FULL)
			delivery_position_push_end(position, step->batch.numbers[step->batch.count - 1]);
	}
}

/* Counts a call and marks it as begun. */
static void
begin_call(DeliveryStep *step, StepKind kind)
{
	DeliveryPosition *position = step->position;

	step->kind = kind;
	position->in_call = true;
	position->called_at = GetCurrentTimestamp();
	if (kind != STEP_GIVE_UP)
		position->attempts++;
	if (!step->is_noted)
		delivery_step_save(step);
}

/*
 * Does the same for the first call of a new batch.  If nothing else has
 * changed it is only noted (call_verdict.c), so that this transaction writes
 * nothing.
 */
static void
begin_first_call(DeliveryStep *step)
{
	step->is_noted = !step->position_changed && !step->is_serial;
	begin_call(step, STEP_CALL);
}

/*
 * The process of the unit's last call has ended during it.  If that was the
 * handler's doing, or is to be shown, writes down the failure and returns
 * true.
 */
static bool
find_ended_call(DeliveryStep *step, CallVerdict verdict)
{
	FailureKind kind = FAILURE_BEFORE;
	const char *error;

	switch (verdict)
	{
		case CALL_TERMINATED:
			error = "the handler's process was terminated during the call";
			break;
		case CALL_FATAL:
			error = "a FATAL error has ended the handler's process during the call; see the server's log";
			break;
		case CALL_TIMED_OUT:
			kind = FAILURE_ERROR;
			error = psprintf("the handler did not end when it was cancelled after ddbstreams.handler_timeout, %d ms, and its process was ended",
							 setting_handler_timeout);
			break;
		case CALL_GUILTY:
			kind = FAILURE_CRASH;
			error = "the handler's process ended during the call";
			break;
		default:
			step->position->attempts--;
			return false;
	}
	read_present_batch(step);
	delivery_step_fail(step, kind, 0, error);
	if (verdict == CALL_TIMED_OUT)
		ereport(LOG,
				(errmsg("ddbstreams has ended the process of a call of %s for event source mapping %s",
						step->mapping->function_name, mapping_uuid_text(step->mapping)),
				 errdetail("The call did not end when it was cancelled after ddbstreams.handler_timeout.")));
	if (verdict == CALL_GUILTY)
		ereport(LOG,
				(errmsg("ddbstreams found that a call of %s for event source mapping %s has ended its process",
						step->mapping->function_name, mapping_uuid_text(step->mapping)),
				 errdetail("This was time %d for this batch, which is given up after time %d.",
						   step->position->crashes, DELIVERY_MAX_CRASHES)));
	return true;
}

/* Counts the unit's records with numbers in (after, last]. */
static int64
count_lost_records(DeliveryStep *step, int64 after, int64 last)
{
	BatchRequest request = request_records(step, after, last);

	request.max_records = INT_MAX;
	request.count_only = true;
	delivery_batch_read(&step->batch, &request, GetActiveSnapshot());
	return step->batch.count;
}

/* Moves the position to the horizon if that has overtaken it. */
static void
catch_up_with_horizon(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	int64			  before = position->checkpoint;
	int64			  horizon;
	int64			  lost;

	/* The horizon by age costs nothing, and is never below the exact one. */
	if (horizon_of_shard_by_age(step->stream, step->shard) <= before + 1)
		return;
	horizon = horizon_of_shard(step->stream, step->shard, GetActiveSnapshot());
	/*
	 * A lane that is to stop stops there: all lanes must come to one number.
	 * The lanes that come after them lose the rest.
	 */
	if (position->drain_to < horizon)
		horizon = position->drain_to + 1;
	if (horizon <= before + 1)
		return;

	lost = count_lost_records(step, before, horizon - 1);
	while (position->batch_count > 0 &&
		   position->batch_ends[position->batch_count - 1] < horizon)
		delivery_position_end_batch(position);
	position->checkpoint = horizon - 1;
	position->records_lost += lost;
	step->position_changed = true;
	if (lost > 0)
		ereport(WARNING,
				(errmsg("ddbstreams could not deliver " INT64_FORMAT " records of shard %s to event source mapping %s in time",
						lost, step->shard->shard_id, mapping_uuid_text(step->mapping)),
				 errdetail("They became older than the stream's retention before %s was done with them.",
						   step->mapping->function_name)));
}

/* The shard, or the stream, has expired before the unit came to its end. */
static void
lose_shard(DeliveryStep *step)
{
	step->position->finished = true;
	delivery_step_save(step);
	ereport(WARNING,
			(errmsg("ddbstreams could not deliver an expired shard to its end for event source mapping %s",
					mapping_uuid_text(step->mapping)),
			 errdetail("Shard number " INT64_FORMAT " was delivered up to %s.",
					   step->position->shard_no,
					   sequence_number_text(step->position->checkpoint))));
	delivery_step_set_result(step, DELIVERY_CHANGED, 0);
}

static void
check_right(void *stream)
{
	stream_access_check(stream);
}

/*
 * The mapping's role may not read the table any more.  Nothing is read for it
 * then: neither what a handler or on_failure would be called with, nor what
 * failed_batches would show.  The shard waits until the right is back, or the
 * records have expired.
 */
static void
block_without_right(DeliveryStep *step)
{
	ErrorData *error = guarded_call_error(check_right, step->stream);

	/* The right may have been given just now. */
	delivery_step_block(step, error != NULL ? error->sqlerrcode : 0,
						error != NULL ? error->message : "the table may not be read");
}

/*
 * Loads what belongs to the step's unit.  Returns false if there is nothing to
 * be done with it now; the step's result says why.
 */
static bool
load_unit(DeliveryStep *step)
{
	Snapshot snapshot = GetActiveSnapshot();

	delivery_step_set_result(step, DELIVERY_CHANGED, 0);
	step->mapping = mapping_catalog_by_no(step->unit->mapping_no);
	if (step->mapping == NULL || !mapping_is_active(step->mapping) ||
		step->mapping->role_id != GetSessionUserId())
		return false;
	step->position = delivery_position_load(step->unit);
	if (step->position == NULL)
		return false;
	if (step->position->finished)
	{
		/* The shard's other lanes may not be, so that its units stay. */
		delivery_step_set_result(step, DELIVERY_IDLE, 0);
		return false;
	}
	if (step->position->next_attempt_at > GetCurrentTimestamp())
	{
		step->outcome.suspect = step->position->crashes > 0;
		delivery_step_set_result(step, DELIVERY_BLOCKED, step->position->next_attempt_at);
		return false;
	}
	step->stream = stream_catalog_by_id(step->mapping->stream_id, snapshot);
	step->shard = shard_catalog_by_no(step->unit->shard_no, snapshot);
	if (step->stream == NULL || step->shard == NULL)
	{
		lose_shard(step);
		return false;
	}
	if (!stream_access_may_read(step->stream))
	{
		block_without_right(step);
		return false;
	}
	return true;
}

/*
 * The batch has passed over records and has none.  The checkpoint moves past
 * them only now and then; until then the dispatcher remembers them
 * (DeliveryPassed).
 */
static void
pass_over(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	DeliveryOutcome	 *outcome = &step->outcome;
	TimestampTz		  now = GetCurrentTimestamp();
	TimestampTz		  since = step->passed_before->since;
	int64			  filtered = step->passed_before->filtered + step->batch.filtered;
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
	outcome->passed.through = step->batch.through;
	outcome->passed.since = since;
	outcome->passed.filtered = filtered;
	if (outcome->result == DELIVERY_IDLE || outcome->wake_at > until)
		delivery_step_set_result(step, DELIVERY_WAIT, until);
}

/*
 * The batch has no records: moves the position past what was passed over.
 * is_present: it is the present batch, and not a new one.
 */
static void
prepare_nothing(DeliveryStep *step, bool is_present)
{
	DeliveryPosition *position = step->position;
	DeliveryBatch	 *batch = &step->batch;
	int64			  filtered = step->passed_before->filtered + batch->filtered;

	if (is_present && (batch->end == BATCH_AT_LAST || batch->end == BATCH_AT_HEAP_END))
	{
		/* A new filter, or the horizon, has left none of its records. */
		delivery_position_end_batch(position);
		step->position_changed = true;
		delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	}
	else if (batch->end == BATCH_PASSED_MANY || batch->end == BATCH_AT_LAST)
	{
		step->position_changed |= batch->through > position->checkpoint;
		position->checkpoint = batch->through;
		position->records_filtered += filtered;
		step->outcome.drained = batch->end == BATCH_AT_LAST;
		delivery_step_set_result(step, step->outcome.drained ? DELIVERY_CHANGED : DELIVERY_AGAIN, 0);
	}
	else if (batch->end == BATCH_AT_HEAP_END && !ShardIsOpen(step->shard))
	{
		position->checkpoint = Max(batch->through, step->shard->ending_number);
		position->records_filtered += filtered;
		position->finished = true;
		step->position_changed = true;
		delivery_step_set_result(step, DELIVERY_CHANGED, 0);
	}
	else
	{
		/*
		 * A window stays open as long as an unresolved record may belong to
		 * it; the end of that record's transaction is told.
		 */
		if (position->window_end != 0 && batch->end != BATCH_AT_UNRESOLVED)
			delivery_step_set_result(step, DELIVERY_WAIT,
									 clock_server_time(position->window_end));
		else
			delivery_step_set_result(step, DELIVERY_IDLE, 0);
		if (batch->through > position->checkpoint)
			pass_over(step);
	}
}

/* Gives the present batch up, or prepares the call of on_failure. */
static void
prepare_give_up(DeliveryStep *step, bool may_call)
{
	DeliveryPosition *position = step->position;

	read_present_batch(step);
	delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	if (step->batch.count == 0 && position->batch_count > 0)
		prepare_nothing(step, true);
	else if (step->mapping->on_failure != NULL && may_call)
		begin_call(step, STEP_GIVE_UP);
	else
	{
		delivery_step_give_up(step, delivery_step_failure_record(step));
		delivery_step_save(step);
	}
}

/*
 * If the batch begins with records that are older than the mapping wants,
 * makes a batch of them, which the next step gives up, and returns true.
 */
static bool
give_up_old(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	int64			  max_age = step->mapping->maximum_record_age_usec;
	int				  count = 0;

	if (max_age < 0)
		return false;
	while (count < step->batch.count &&
		   NUMBER_TIME(step->batch.numbers[count]) < clock_now() - max_age)
		count++;
	if (count == 0)
		return false;
	if (position->batch_count == 0 || count < step->batch.count)
		delivery_position_push_end(position, step->batch.numbers[count - 1]);
	position->giving_up = CONDITION_AGE;
	delivery_step_save(step);
	delivery_step_set_result(step, DELIVERY_AGAIN, 0);
	return true;
}

/* Must the open tumbling window be closed before a new batch is delivered? */
static bool
window_is_over(DeliveryStep *step, TimestampTz now)
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
	/* No record of the window can come any more (await_window). */
	return batch->end == BATCH_AT_HEAP_END &&
		   (now >= position->window_end || !ShardIsOpen(step->shard));
}

/*
 * Sees to it that all records of the open tumbling window are in the heap, if
 * the window's time is over: an append may have read the clock before the
 * window's end and be about to write.  One that begins from now on gives a
 * number of now or later.
 */
static void
await_window(const DeliveryStep *step, TimestampTz now)
{
	const DeliveryPosition *position = step->position;

	if (position->window_end != 0 && now >= position->window_end &&
		ShardIsOpen(step->shard))
		shard_log_await_appends(step->shard->shard_table);
}

/* Prepares the last call of a tumbling window, which has no records. */
static void
prepare_final(DeliveryStep *step)
{
	step->batch.count = 0;
	resetStringInfo(&step->batch.records);
	begin_call(step, STEP_FINAL);
}

/*
 * Returns until when the new batch may go on filling; 0: not at all.  If its
 * first record's time is to come, because the clock was set back, nobody knows
 * for how long it has been waiting.
 */
static TimestampTz
fills_until(DeliveryStep *step)
{
	TimestampTz until;

	if (step->mapping->maximum_batching_window_usec == 0 ||
		NUMBER_TIME(step->batch.numbers[0]) > clock_now() + CLOCK_TOLERANCE ||
		(step->batch.end != BATCH_AT_HEAP_END &&
		 step->batch.end != BATCH_AT_UNRESOLVED) ||
		!ShardIsOpen(step->shard))
		return 0;
	until = NUMBER_TIME(step->batch.numbers[0]) +
			step->mapping->maximum_batching_window_usec;
	if (step->position->window_end != 0)
		until = Min(until, step->position->window_end);
	until = clock_server_time(until);
	return until > GetCurrentTimestamp() ? until : 0;
}

/* Opens the tumbling window of the first record, if there are windows. */
static void
open_window(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	int64			  usec = step->mapping->tumbling_window_usec;

	if (usec == 0 || position->window_end != 0)
		return;
	position->window_start = delivery_batch_window_start(step->batch.numbers[0], usec);
	position->window_end = position->window_start + usec;
}

/*
 * The batch is a record that cannot be read.  That counts as a call that has
 * failed, unless memory or the like was short.
 */
static void
fail_unreadable(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	const ErrorData	 *error = step->batch.error;
	bool			  is_short = ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
								 ERRCODE_INSUFFICIENT_RESOURCES;

	position->attempts++;
	delivery_step_fail(step, is_short ? FAILURE_BEFORE : FAILURE_ERROR,
					   error->sqlerrcode, delivery_call_error_text(error));
	delivery_position_set_result(position, psprintf("PROBLEM: %s", position->last_error));
	delivery_step_save(step);
}

/* Reads a batch, the present one or a new one, and prepares its call. */
static void
prepare_batch(DeliveryStep *step)
{
	DeliveryPosition *position = step->position;
	TimestampTz		  now = clock_now();
	bool			  is_present = position->batch_count > 0;
	TimestampTz		  until;

	await_window(step, now);
	if (is_present)
		read_present_batch(step);
	else
		read_batch(step, Max(position->checkpoint, step->passed_before->through),
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
	until = is_present || step->batch.error != NULL ? 0 : fills_until(step);
	if (until != 0)
	{
		delivery_step_set_result(step, DELIVERY_WAIT, until);
		step->outcome.not_before =
			Min(until, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FILLING_MS));
		return;
	}
	if (!is_present)
	{
		open_window(step);
		delivery_position_push_end(position, step->batch.end == BATCH_FULL ?
												 step->batch.numbers[step->batch.count - 1] :
												 step->batch.through);
		position->records_filtered += step->passed_before->filtered + step->batch.filtered;
	}
	if (step->batch.error != NULL)
		fail_unreadable(step);
	else if (is_present)
		begin_call(step, STEP_CALL);
	else
		begin_first_call(step);
}

void
delivery_prepare(DeliveryStep *step)
{
	CallVerdict verdict = CALL_EXCUSED;
	bool		is_recalled;

	if (!load_unit(step))
		return;
	is_recalled = delivery_position_recall(step->position);
	if (step->position->in_call)
	{
		verdict = call_verdict_find(step->unit, step->position->call_no);
		step->is_judged = is_recalled || verdict != CALL_EXCUSED;
		step->judged_call = step->position->call_no;
		step->is_serial = verdict == CALL_EXCUSED;
		step->position->in_call = false;
		step->position_changed = true;
		if (step->position->giving_up == NULL && find_ended_call(step, verdict))
		{
			delivery_step_save(step);
			return;
		}
	}
	step->is_serial |= step->position->crashes > 0;
	catch_up_with_horizon(step);
	if (step->position->giving_up != NULL)
		prepare_give_up(step, verdict != CALL_GUILTY && verdict != CALL_TIMED_OUT);
	else
		prepare_batch(step);
	if (step->position_changed)
		delivery_step_save(step);
	step->outcome.suspect = step->position->crashes > 0;
}
