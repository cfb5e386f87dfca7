/*
 * delivery_position.h
 *	  Where a unit is: its row of ddbstreams_shards.mapping_shard.
 */
#ifndef DDBSTREAMS_DELIVERY_POSITION_H
#define DDBSTREAMS_DELIVERY_POSITION_H

#include "base/ddbstreams.h"

#include "delivery/delivery.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* Bisecting halves at most this often; batches have at most 10,000 records */
#define MAX_BATCH_ENDS 64

/* See the install script for what the columns mean; times of 0 are null */
typedef struct DeliveryPosition
{
	int64		mapping_no;
	int64		shard_no;
	int			lane;
	int			lanes;
	int64		checkpoint;
	int64		drain_to; /* PG_INT64_MAX: none */
	bool		finished;
	int64		call_no;
	bool		in_call;
	TimestampTz called_at;
	int			attempts;
	int			crashes;
	int			failures;
	TimestampTz next_attempt_at;
	int			batch_count;
	int64		batch_ends[MAX_BATCH_ENDS];
	char	   *giving_up; /* or NULL */
	bool		unhandled;
	TimestampTz window_start;
	TimestampTz window_end;
	Jsonb	   *window_state; /* or NULL */
	bool		window_early;
	int64		records_delivered;
	int64		records_filtered;
	int64		records_lost;
	int64		batches_delivered;
	int64		batches_failed;
	char	   *last_result;
	TimestampTz last_result_at;
	char	   *last_error;
	TimestampTz last_error_at;

	int64 stored_call_no; /* of the row that was read or written last */
	bool  state_changed;  /* of window_state, which is large */
} DeliveryPosition;

extern DeliveryPosition *delivery_position_load(const DeliveryUnit *unit);
extern bool				 delivery_position_save(DeliveryPosition *position);
extern List				*delivery_position_list(int64 mapping_no);

extern bool delivery_position_begin(int64 mapping_no, int64 shard_no, int lanes,
									int64 checkpoint);
/* What delivery_position_divide has done */
typedef enum DivideResult
{
	DIVIDE_DONE,
	DIVIDE_DRAINS, /* the lanes have been told where to stop */
	DIVIDE_WAITS   /* they have not come there yet */
} DivideResult;

extern DivideResult delivery_position_divide(int64 mapping_no, int64 shard_no,
											 int lanes);
extern void			delivery_position_undrain(int64 mapping_no, int64 shard_no);
extern void			delivery_position_forget(int64 mapping_no, int64 shard_no);
extern void			delivery_position_note_problem(int64 mapping_no, const char *result,
												   const char *error);

/* In memory */
extern void delivery_position_pop(DeliveryPosition *position);
extern void delivery_position_push(DeliveryPosition *position, int64 end);
extern void delivery_position_close_window(DeliveryPosition *position);
extern void delivery_position_note(DeliveryPosition *position, const char *result);

#endif /* DDBSTREAMS_DELIVERY_POSITION_H */
