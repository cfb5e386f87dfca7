/*
 * delivery_position.h
 *	  Where a unit is: its row of ddbstreams_shards.mapping_shard.
 */
#ifndef DDBSTREAMS_DELIVERY_POSITION_H
#define DDBSTREAMS_DELIVERY_POSITION_H

#include "base/ddbstreams.h"

#include "delivery/call_verdict.h"
#include "delivery/delivery.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/*
 * More than bisecting can leave of a batch, which has at most 10,000 records
 */
#define DELIVERY_MAX_BATCH_ENDS 64

/*
 * The columns; the install script says what they mean, and README how they
 * work together.  A time of 0 and a pointer that is NULL stand for null.
 */
typedef struct DeliveryPosition
{
	int64		mapping_no;
	int64		shard_no;
	int			lane;
	int			lanes;
	int64		checkpoint;
	int64		drain_to; /* PG_INT64_MAX: null */
	bool		finished;
	int64		call_no;
	bool		in_call;
	TimestampTz called_at;
	int			attempts;
	int			crashes;
	int			failures;
	TimestampTz next_attempt_at;
	int			batch_count; /* of batch_ends */
	int64		batch_ends[DELIVERY_MAX_BATCH_ENDS];
	char	   *giving_up;
	bool		unhandled;
	TimestampTz window_start;
	TimestampTz window_end;
	Jsonb	   *window_state;
	bool		window_early;
	int64		records_delivered;
	int64		records_filtered;
	int64		records_lost;
	int64		records_given_up; /* in the batches that have failed */
	int64		batches_delivered;
	int64		batches_failed;
	char	   *last_result;
	TimestampTz last_result_at;
	char	   *last_error;
	TimestampTz last_error_at;
	char		last_error_sqlstate[6]; /* empty: null */
	TimestampTz failing_since;

	int64 stored_call_no; /* call_no of the row when it was read or written */
	bool  state_changed;  /* window_state is to be written; it may be large */
} DeliveryPosition;

/* Returns a unit's position, palloc'd, or NULL if there is none. */
extern DeliveryPosition *delivery_position_load(const DeliveryUnit *unit);

/*
 * Returns the positions of a mapping, as DeliveryPosition *, palloc'd, ordered
 * by shard and lane, without their window_state.
 */
extern List *delivery_position_list(int64 mapping_no);

/* Returns those of one shard. */
extern List *delivery_position_list_of_shard(int64 mapping_no, int64 shard_no);

/*
 * If a call that was only noted (call_verdict.h) has ended its process,
 * changes a position that was read to what it would be if it had been written
 * before the call, with in_call.  Returns whether that is so.
 */
extern bool delivery_position_recall(DeliveryPosition *position);

/* Returns what is to be noted of a call that begins with this position. */
extern CallNote delivery_position_note(const DeliveryPosition *position);

/*
 * Writes a position that was read, with a new call_no.  Returns false if its
 * row is not the one that was read any more, or if another transaction has
 * locked it, because it is about to delete it; then the caller's transaction
 * must not commit.  Never waits.  The transaction is flushed at its commit,
 * whatever synchronous_commit is.
 */
extern bool delivery_position_save(DeliveryPosition *position);

/*
 * Writes of a position only that its unit could not be run, before anything
 * was found out about its last call: call_no stays, by which the verdict on
 * that call is found.  Does nothing where the function above returns false:
 * the transaction that is about to delete the row may still roll back.
 */
extern void delivery_position_save_failure(const DeliveryPosition *position);

/*
 * Writes down what keeps all of a mapping's units from running, except where a
 * handler worker is writing.
 */
extern void delivery_position_note_problem(int64 mapping_no, const char *result,
										   const char *error);

/*
 * The following change a position in memory alone.
 */

/*
 * Writes down what has gone wrong now: the text, and the SQLSTATE, or 0 if it
 * was no error of PostgreSQL's.
 */
extern void delivery_position_set_error(DeliveryPosition *position, int sqlstate,
										const char *error);

/* Writes down that a call has succeeded, for the whole batch or for a part. */
extern void delivery_position_forget_failing(DeliveryPosition *position);

/*
 * The present batch is done with, delivered or not: moves the checkpoint to
 * its end and forgets its failures.
 */
extern void delivery_position_end_batch(DeliveryPosition *position);

/* The batch that ends here becomes the present one. */
extern void delivery_position_push_end(DeliveryPosition *position, int64 end);

/* Closes the tumbling window that is open. */
extern void delivery_position_close_window(DeliveryPosition *position);

/* Sets how the last call has ended, worded as a last_processing_result. */
extern void delivery_position_set_result(DeliveryPosition *position, const char *result);

#endif /* DDBSTREAMS_DELIVERY_POSITION_H */
