/*
 * delivery_lanes.c
 *	  The lanes of a shard: making, dividing and removing their positions.
 *
 * With a parallelization factor n a mapping has n lanes in each shard, among
 * which the records are divided by their keys (delivery_batch.c).  Each lane
 * has its own checkpoint, and lanes do not wait for each other.
 *
 * When n changes, records of a key may come to another lane.  None of them may
 * be lost or delivered twice, and none may be overtaken by a later one of its
 * key.  So all lanes must stand at the same checkpoint when the shard is
 * divided anew:
 *
 *	1. The dispatcher holds the shard's units until none of them runs
 *	   (delivery_discover.c).
 *	2. If all lanes stand at one checkpoint and none has a batch or a tumbling
 *	   window begun, go to 6.
 *	3. Else find the number up to which the lane that is farthest ahead has
 *	   come, or will have come when it is done with the batches that it has
 *	   begun.
 *	4. Write that number into drain_to of all lanes: a lane that has a drain_to
 *	   reads no new batch beyond it (delivery_prepare.c).  A batch that a lane
 *	   has begun ends there at the latest, because of step 3.  A lane that the
 *	   horizon overtakes goes no further either.
 *	5. Let the units run.  When one has come to drain_to, or has nothing more
 *	   to do, it ends its run, and the dispatcher begins again at 1.
 *	6. Keep the rows of the lanes that the old and the new division both have,
 *	   remove or add the others, and take drain_to away.  Lane 0 gets the
 *	   counts of all lanes.  call_no rises, so that a worker that still had one
 *	   of the old rows could write nothing.
 *
 * If n is changed back in the meantime, drain_to is taken away
 * (delivery_lanes_cancel_divide).
 *
 * What makes a position or raises its call_no is flushed at its commit
 * (delivery_position.c).
 *
 * All rows of a shard are locked before one is changed, without waiting.  If
 * another transaction has locked one of them, because it is deleting the
 * mapping, nothing is done.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "delivery/delivery_lanes.h"
#include "delivery/delivery_position.h"
#include "registry/owner_sql.h"
#include "registry/row.h"

/* The columns of mapping_shard that are written here */
#define LANE_COLUMNS(COLUMN)                          \
	COLUMN(lane, mapping_no, INT8OID, ROW_FIXED)      \
	COLUMN(lane, shard_no, INT8OID, ROW_FIXED)        \
	COLUMN(lane, lane, INT2OID, ROW_FIXED)            \
	COLUMN(lane, lanes, INT2OID, ROW_SET)             \
	COLUMN(lane, checkpoint, INT8OID, ROW_SET)        \
	COLUMN(lane, drain_to, INT8OID, ROW_SET)          \
	COLUMN(lane, call_no, INT8OID, ROW_SET)           \
	COLUMN(lane, records_delivered, INT8OID, ROW_SET) \
	COLUMN(lane, records_filtered, INT8OID, ROW_SET)  \
	COLUMN(lane, records_lost, INT8OID, ROW_SET)      \
	COLUMN(lane, records_given_up, INT8OID, ROW_SET)  \
	COLUMN(lane, batches_delivered, INT8OID, ROW_SET) \
	COLUMN(lane, batches_failed, INT8OID, ROW_SET)
ROW_TABLE(lane, LANE_COLUMNS);

#define POSITION_TABLE "ddbstreams_shards.mapping_shard"
#define OF_SHARD	   " WHERE mapping_no = $mapping_no AND shard_no = $shard_no"

/* What the lanes of a shard have in common */
typedef struct LanesSummary
{
	int64 least;	/* the lowest checkpoint */
	int64 most;		/* the highest checkpoint */
	int64 farthest; /* the highest number that any lane's batches end at */
	bool  is_busy;	/* a lane has a batch or a tumbling window begun */
	int64 call_no;	/* the highest one */
	int64 records_delivered;
	int64 records_filtered;
	int64 records_lost;
	int64 records_given_up;
	int64 batches_delivered;
	int64 batches_failed;
} LanesSummary;

static void
row_for_shard(TableRow *row, int64 mapping_no, int64 shard_no)
{
	row_init(row, &lane_table);
	row_set_int64(row, Anum_lane_mapping_no, mapping_no);
	row_set_int64(row, Anum_lane_shard_no, shard_no);
}

/* Locks the rows of a shard; returns false if that failed for one of them. */
static bool
lock_lanes(const TableRow *shard)
{
	return owner_sql_execute("SELECT FROM " POSITION_TABLE OF_SHARD
							 " FOR UPDATE SKIP LOCKED",
							 shard) ==
		   owner_sql_execute("SELECT FROM " POSITION_TABLE OF_SHARD, shard);
}

static void
summarize_lanes(LanesSummary *summary, int64 mapping_no, int64 shard_no)
{
	ListCell *lc;

	memset(summary, 0, sizeof(LanesSummary));
	summary->least = PG_INT64_MAX;
	foreach (lc, delivery_position_list_of_shard(mapping_no, shard_no))
	{
		DeliveryPosition *position = lfirst(lc);

		(void) delivery_position_recall(position);
		summary->least = Min(summary->least, position->checkpoint);
		summary->most = Max(summary->most, position->checkpoint);
		summary->farthest = Max(summary->farthest, position->checkpoint);
		for (int i = 0; i < position->batch_count; i++)
			summary->farthest = Max(summary->farthest, position->batch_ends[i]);
		summary->is_busy |= position->in_call || position->batch_count > 0 ||
							position->window_start != 0;
		summary->call_no = Max(summary->call_no, position->call_no);
		summary->records_delivered += position->records_delivered;
		summary->records_filtered += position->records_filtered;
		summary->records_lost += position->records_lost;
		summary->records_given_up += position->records_given_up;
		summary->batches_delivered += position->batches_delivered;
		summary->batches_failed += position->batches_failed;
	}
}

/* Step 6 of the opening comment */
static void
write_lanes(TableRow *row, const LanesSummary *summary, int lanes)
{
	row_set_int16(row, Anum_lane_lanes, lanes);
	row_set_int64(row, Anum_lane_checkpoint, summary->most);
	row_set_int64(row, Anum_lane_call_no, summary->call_no + 1);
	for (int lane = 0; lane < lanes; lane++)
	{
		bool has_counts = lane == 0;

		row_set_int16(row, Anum_lane_lane, lane);
		row_set_int64(row, Anum_lane_records_delivered,
					  has_counts ? summary->records_delivered : 0);
		row_set_int64(row, Anum_lane_records_filtered,
					  has_counts ? summary->records_filtered : 0);
		row_set_int64(row, Anum_lane_records_lost,
					  has_counts ? summary->records_lost : 0);
		row_set_int64(row, Anum_lane_records_given_up,
					  has_counts ? summary->records_given_up : 0);
		row_set_int64(row, Anum_lane_batches_delivered,
					  has_counts ? summary->batches_delivered : 0);
		row_set_int64(row, Anum_lane_batches_failed,
					  has_counts ? summary->batches_failed : 0);
		(void) owner_sql_execute("INSERT INTO " POSITION_TABLE " ($(columns))"
								 " VALUES ($(values))"
								 " ON CONFLICT (mapping_no, shard_no, lane)"
								 " DO UPDATE SET $(set)",
								 row);
	}
	(void) owner_sql_execute("DELETE FROM " POSITION_TABLE OF_SHARD
							 " AND lane >= $lanes",
							 row);
}

bool
delivery_lanes_begin(int64 mapping_no, int64 shard_no, int lanes,
					 int64 checkpoint)
{
	TableRow row;

	ForceSyncCommit();
	row_for_shard(&row, mapping_no, shard_no);
	row_set_int16(&row, Anum_lane_lanes, lanes);
	row_set_int64(&row, Anum_lane_checkpoint, checkpoint);
	return owner_sql_execute("INSERT INTO " POSITION_TABLE
							 " (mapping_no, shard_no, lane, lanes, checkpoint)"
							 " SELECT m.mapping_no, $shard_no, lane, $lanes, $checkpoint"
							 " FROM (SELECT mapping_no FROM ddbstreams_shards.mapping"
							 "       WHERE mapping_no = $mapping_no"
							 "       FOR KEY SHARE SKIP LOCKED) AS m,"
							 " generate_series(0, $lanes - 1) AS lane",
							 &row) > 0;
}

DivideResult
delivery_lanes_divide(int64 mapping_no, int64 shard_no, int lanes)
{
	LanesSummary summary;
	TableRow	 row;

	ForceSyncCommit();
	row_for_shard(&row, mapping_no, shard_no);
	if (!lock_lanes(&row))
		return DIVIDE_WAITS;
	summarize_lanes(&summary, mapping_no, shard_no);
	if (summary.least == summary.most && !summary.is_busy)
	{
		write_lanes(&row, &summary, lanes);
		return DIVIDE_DONE;
	}
	row_set_int64(&row, Anum_lane_drain_to, summary.farthest);
	return owner_sql_execute("UPDATE " POSITION_TABLE " SET drain_to = $drain_to" OF_SHARD
							 " AND drain_to IS DISTINCT FROM $drain_to",
							 &row) > 0 ?
			   DIVIDE_DRAINS :
			   DIVIDE_WAITS;
}

void
delivery_lanes_cancel_divide(int64 mapping_no, int64 shard_no)
{
	TableRow row;

	row_for_shard(&row, mapping_no, shard_no);
	if (lock_lanes(&row))
		(void) owner_sql_execute("UPDATE " POSITION_TABLE " SET drain_to = NULL" OF_SHARD
								 " AND drain_to IS NOT NULL",
								 &row);
}

void
delivery_lanes_forget(int64 mapping_no, int64 shard_no)
{
	TableRow row;

	row_for_shard(&row, mapping_no, shard_no);
	if (lock_lanes(&row))
		(void) owner_sql_execute("DELETE FROM " POSITION_TABLE OF_SHARD " AND finished",
								 &row);
}
