/*
 * consumer_catalog.c
 *	  The tables of consumer groups, their leases and workers.
 *
 * What each poll with records and each checkpoint does is done by own_row.c;
 * all else is SQL that runs as the extension's owner (owner_sql.c, row.h).
 * The callers have checked what the current user may do.
 *
 * A lease belongs to the transaction that has locked its row.  A poll locks
 * rows FOR UPDATE SKIP LOCKED: polls never wait for each other and never
 * deadlock, and the leases that an open transaction has polled stay with it,
 * however old they are.
 *
 * An INSERT waits for another transaction that has inserted the same key.  So
 * that polls do not wait there either, they insert rows under locks of the
 * lock manager that are tried and not waited for: LOCK_CLASS_CONSUMER_WORKER
 * for the row of a worker, LOCK_CLASS_CONSUMER_LEASES for the leases of a
 * consumer.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "base/lock_class.h"
#include "consumer/consumer_catalog.h"
#include "registry/own_row.h"
#include "registry/owner_sql.h"
#include "registry/row.h"
#include "shard/shard_wake.h"

/* The columns of the three tables; the install script explains them. */
#define CONSUMER_COLUMNS(COLUMN)                             \
	COLUMN(consumer, consumer_no, INT8OID, ROW_FIXED)        \
	COLUMN(consumer, consumer_name, TEXTOID, ROW_FIXED)      \
	COLUMN(consumer, stream_id, INT8OID, ROW_FIXED)          \
	COLUMN(consumer, stream_arn, TEXTOID, ROW_FIXED)         \
	COLUMN(consumer, role_id, OIDOID, ROW_FIXED)             \
	COLUMN(consumer, starting_position, TEXTOID, ROW_FIXED)  \
	COLUMN(consumer, lease_duration, INTERVALOID, ROW_FIXED) \
	COLUMN(consumer, created_at, TIMESTAMPTZOID, ROW_FIXED)  \
	COLUMN(consumer, lost_records, INT8OID, ROW_FIXED)       \
	COLUMN(consumer, untold_records, INT8OID, ROW_FIXED)     \
	COLUMN(consumer, shard_nos, INT8ARRAYOID, ROW_PARAMETER)
ROW_TABLE(consumer, CONSUMER_COLUMNS);

#define LEASE_COLUMNS(COLUMN)                             \
	COLUMN(lease, consumer_no, INT8OID, ROW_FIXED)        \
	COLUMN(lease, shard_no, INT8OID, ROW_FIXED)           \
	COLUMN(lease, lease_owner, TEXTOID, ROW_SET)          \
	COLUMN(lease, lease_counter, INT8OID, ROW_SET)        \
	COLUMN(lease, checkpoint_kind, CHAROID, ROW_SET)      \
	COLUMN(lease, checkpoint, INT8OID, ROW_SET)           \
	COLUMN(lease, returned, INT8OID, ROW_SET)             \
	COLUMN(lease, expires_at, TIMESTAMPTZOID, ROW_SET)    \
	COLUMN(lease, owner_switches, INT4OID, ROW_SET)       \
	COLUMN(lease, attempts, INT4OID, ROW_SET)             \
	COLUMN(lease, returned_at, TIMESTAMPTZOID, ROW_SET)   \
	COLUMN(lease, lost_records, INT8OID, ROW_SET)         \
	COLUMN(lease, lost_told, INT8OID, ROW_SET)            \
	COLUMN(lease, last_error, TEXTOID, ROW_SET)           \
	COLUMN(lease, last_error_at, TIMESTAMPTZOID, ROW_SET) \
	COLUMN(lease, worker_pid, INT4OID, ROW_SET)           \
	COLUMN(lease, shard_nos, INT8ARRAYOID, ROW_PARAMETER) \
	COLUMN(lease, now, TIMESTAMPTZOID, ROW_PARAMETER)     \
	COLUMN(lease, max_count, INT8OID, ROW_PARAMETER)
ROW_TABLE(lease, LEASE_COLUMNS);

#define WORKER_COLUMNS(COLUMN)                          \
	COLUMN(worker, consumer_no, INT8OID, ROW_FIXED)     \
	COLUMN(worker, worker_id, TEXTOID, ROW_FIXED)       \
	COLUMN(worker, expires_at, TIMESTAMPTZOID, ROW_SET) \
	COLUMN(worker, now, TIMESTAMPTZOID, ROW_PARAMETER)
ROW_TABLE(worker, WORKER_COLUMNS);

#define CONSUMER_TABLE "ddbstreams_shards.consumer"
#define LEASE_TABLE	   "ddbstreams_shards.consumer_lease"
#define WORKER_TABLE   "ddbstreams_shards.consumer_worker"

#define SELECT_CONSUMERS "SELECT $(columns) FROM " CONSUMER_TABLE
#define SELECT_LEASES	 "SELECT $(columns) FROM " LEASE_TABLE " WHERE consumer_no = $consumer_no"

static void *
consumer_from_row(const TableRow *row)
{
	ConsumerInfo *consumer = palloc(sizeof(ConsumerInfo));

	consumer->consumer_no = row_int64(row, Anum_consumer_consumer_no);
	consumer->consumer_name = row_text(row, Anum_consumer_consumer_name);
	consumer->stream_id = row_int64(row, Anum_consumer_stream_id);
	consumer->stream_arn = row_text(row, Anum_consumer_stream_arn);
	consumer->role_id = row_oid(row, Anum_consumer_role_id);
	consumer->lease_usec = row_usec(row, Anum_consumer_lease_duration, 0);
	consumer->lost_records = row_int64(row, Anum_consumer_lost_records);
	consumer->untold_records = row_int64(row, Anum_consumer_untold_records);
	return consumer;
}

static void *
lease_from_row(const TableRow *row)
{
	ConsumerLease *lease = palloc(sizeof(ConsumerLease));

	lease->shard_no = row_int64(row, Anum_lease_shard_no);
	lease->owner = row_text(row, Anum_lease_lease_owner);
	lease->counter = row_int64(row, Anum_lease_lease_counter);
	lease->kind = (CheckpointKind) row_char(row, Anum_lease_checkpoint_kind);
	lease->checkpoint = row_int64(row, Anum_lease_checkpoint);
	lease->returned = row_int64(row, Anum_lease_returned);
	lease->expires_at = row_time(row, Anum_lease_expires_at);
	lease->owner_switches = row_int32(row, Anum_lease_owner_switches);
	lease->attempts = row_int32(row, Anum_lease_attempts);
	lease->returned_at = row_time(row, Anum_lease_returned_at);
	lease->lost_records = row_int64(row, Anum_lease_lost_records);
	lease->lost_told = row_int64(row, Anum_lease_lost_told);
	lease->last_error = row_text(row, Anum_lease_last_error);
	lease->last_error_at = row_time(row, Anum_lease_last_error_at);
	lease->worker_pid = row_int32(row, Anum_lease_worker_pid);
	lease->tid = row->tid;
	return lease;
}

static void *
worker_from_row(const TableRow *row)
{
	ConsumerWorker *worker = palloc(sizeof(ConsumerWorker));

	worker->worker_id = row_text(row, Anum_worker_worker_id);
	worker->expires_at = row_time(row, Anum_worker_expires_at);
	return worker;
}

/* Rows that are found by an index, without SQL (own_row.c) */
static const OwnRows consumer_of_name = {CATALOG_CONSUMER, "consumer_name_key", &consumer_table, consumer_from_row};
static const OwnRows lease_of_consumer = {CATALOG_CONSUMER_LEASE, "pkey", &lease_table, lease_from_row};
static const OwnRows worker_of_consumer = {CATALOG_CONSUMER_WORKER, "pkey", &worker_table, worker_from_row};

static void
init_int64_key(ScanKey key, AttrNumber anum, int64 value)
{
	ScanKeyInit(key, anum, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}

/* The keys of one lease */
static void
init_lease_keys(ScanKeyData keys[2], int64 consumer_no, int64 shard_no)
{
	init_int64_key(&keys[0], Anum_lease_consumer_no, consumer_no);
	init_int64_key(&keys[1], Anum_lease_shard_no, shard_no);
}

/* Makes a row of the parameters that a statement on consumers has. */
static void
consumer_row(TableRow *row, int64 consumer_no)
{
	row_init(row, &consumer_table);
	row_set_int64(row, Anum_consumer_consumer_no, consumer_no);
}

/* The same for a statement on leases */
static void
lease_row(TableRow *row, int64 consumer_no)
{
	row_init(row, &lease_table);
	row_set_int64(row, Anum_lease_consumer_no, consumer_no);
}

/* The same for a statement on workers */
static void
worker_row(TableRow *row, int64 consumer_no)
{
	row_init(row, &worker_table);
	row_set_int64(row, Anum_worker_consumer_no, consumer_no);
}

ConsumerInfo *
consumer_catalog_find(const char *consumer_name)
{
	ScanKeyData key;
	List	   *consumers;

	ScanKeyInit(&key, Anum_consumer_consumer_name, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(consumer_name));
	consumers = own_row_list(&consumer_of_name, 1, &key);
	return consumers == NIL ? NULL : linitial(consumers);
}

ConsumerInfo *
consumer_catalog_by_name(const char *consumer_name)
{
	ConsumerInfo *consumer = consumer_catalog_find(consumer_name);

	if (consumer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("consumer \"%s\" does not exist", consumer_name),
				 errhint("ddbstreams.consumer_stats shows the consumers, and ddbstreams.create_consumer makes one.")));
	if (!has_privs_of_role(GetUserId(), consumer->role_id))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for consumer \"%s\"", consumer_name),
				 errhint("It belongs to the role that made it.")));
	return consumer;
}

List *
consumer_catalog_list(void)
{
	TableRow row;

	row_init(&row, &consumer_table);
	return owner_sql_list(SELECT_CONSUMERS " ORDER BY consumer_name", &row,
						  consumer_from_row);
}

List *
consumer_catalog_list_of_stream(int64 stream_id)
{
	TableRow row;

	row_init(&row, &consumer_table);
	row_set_int64(&row, Anum_consumer_stream_id, stream_id);
	return owner_sql_list(SELECT_CONSUMERS " WHERE stream_id = $stream_id", &row,
						  consumer_from_row);
}

bool
consumer_catalog_insert(const ConsumerInfo *consumer, const char *starting_position,
						const Interval *lease_duration)
{
	TableRow row;

	consumer_row(&row, consumer->consumer_no);
	row_set_text(&row, Anum_consumer_consumer_name, consumer->consumer_name);
	row_set_int64(&row, Anum_consumer_stream_id, consumer->stream_id);
	row_set_text(&row, Anum_consumer_stream_arn, consumer->stream_arn);
	row_set_oid(&row, Anum_consumer_role_id, consumer->role_id);
	row_set_text(&row, Anum_consumer_starting_position, starting_position);
	row_set_interval(&row, Anum_consumer_lease_duration, lease_duration);
	row_set_time(&row, Anum_consumer_created_at, GetCurrentTimestamp());
	row_set_int64(&row, Anum_consumer_lost_records, 0);
	row_set_int64(&row, Anum_consumer_untold_records, 0);
	return owner_sql_execute("INSERT INTO " CONSUMER_TABLE " ($(columns)) VALUES ($(values))"
							 " ON CONFLICT (consumer_name) DO NOTHING",
							 &row) == 1;
}

void
consumer_catalog_delete(int64 consumer_no)
{
	TableRow row;

	consumer_row(&row, consumer_no);
	(void) owner_sql_execute("DELETE FROM " CONSUMER_TABLE " WHERE consumer_no = $consumer_no",
							 &row);
	(void) owner_sql_execute("DELETE FROM " LEASE_TABLE " WHERE consumer_no = $consumer_no"
							 " AND shard_no = ANY (ARRAY("
							 "SELECT shard_no FROM " LEASE_TABLE
							 " WHERE consumer_no = $consumer_no FOR UPDATE SKIP LOCKED))",
							 &row);
	(void) owner_sql_execute("DELETE FROM " WORKER_TABLE " WHERE consumer_no = $consumer_no"
							 " AND worker_id = ANY (ARRAY("
							 "SELECT worker_id FROM " WORKER_TABLE
							 " WHERE consumer_no = $consumer_no FOR UPDATE SKIP LOCKED))",
							 &row);
	consumer_catalog_wake_workers(consumer_no);
}

/* The next role that is given the number must not have the consumer. */
void
consumer_catalog_take_from_dropped_roles(void)
{
	TableRow row;

	row_init(&row, &consumer_table);
	(void) owner_sql_execute("UPDATE " CONSUMER_TABLE " SET role_id = 0"
							 " WHERE consumer_no = ANY (ARRAY("
							 "SELECT consumer_no FROM " CONSUMER_TABLE
							 " WHERE role_id <> 0 AND NOT EXISTS"
							 " (SELECT FROM pg_catalog.pg_authid WHERE oid = role_id)"
							 " FOR UPDATE SKIP LOCKED))",
							 &row);
}

void
consumer_catalog_delete_orphans(void)
{
	TableRow row;

	row_init(&row, &consumer_table);
	(void) owner_sql_execute("DELETE FROM " LEASE_TABLE " WHERE (consumer_no, shard_no) IN ("
							 "SELECT consumer_no, shard_no FROM " LEASE_TABLE
							 " AS orphan WHERE NOT EXISTS (SELECT FROM " CONSUMER_TABLE
							 " AS c WHERE c.consumer_no = orphan.consumer_no)"
							 " FOR UPDATE SKIP LOCKED)",
							 &row);
	(void) owner_sql_execute("DELETE FROM " WORKER_TABLE " WHERE (consumer_no, worker_id) IN ("
							 "SELECT consumer_no, worker_id FROM " WORKER_TABLE
							 " AS orphan WHERE NOT EXISTS (SELECT FROM " CONSUMER_TABLE
							 " AS c WHERE c.consumer_no = orphan.consumer_no)"
							 " FOR UPDATE SKIP LOCKED)",
							 &row);
}

int
consumer_catalog_compare_leases(const ListCell *a, const ListCell *b)
{
	const ConsumerLease *x = lfirst(a);
	const ConsumerLease *y = lfirst(b);

	return x->shard_no < y->shard_no ? -1 : x->shard_no > y->shard_no;
}

List *
consumer_catalog_leases(int64 consumer_no)
{
	ScanKeyData key;
	List	   *leases;

	init_int64_key(&key, Anum_lease_consumer_no, consumer_no);
	leases = own_row_list(&lease_of_consumer, 1, &key);
	list_sort(leases, consumer_catalog_compare_leases);
	return leases;
}

List *
consumer_catalog_leases_of_shards(int64 consumer_no, const int64 *shard_nos, int count)
{
	List *result = NIL;

	for (int i = 0; i < count; i++)
	{
		ScanKeyData keys[2];

		init_lease_keys(keys, consumer_no, shard_nos[i]);
		result = list_concat(result, own_row_list(&lease_of_consumer, 2, keys));
	}
	return result;
}

/* Has this worker a lease that is not finished? */
static bool
is_leased_by(const void *made, const void *worker_id)
{
	const ConsumerLease *lease = made;

	return lease->owner != NULL && strcmp(lease->owner, worker_id) == 0 &&
		   lease->kind != CHECKPOINT_SHARD_END;
}

List *
consumer_catalog_lock_own_leases(int64 consumer_no, const char *worker_id,
								 const int64 *shard_nos, int count)
{
	List *result = NIL;

	for (int i = 0; i < count; i++)
	{
		ScanKeyData	   keys[2];
		ConsumerLease *lease;

		init_lease_keys(keys, consumer_no, shard_nos[i]);
		lease = own_row_lock(&lease_of_consumer, 2, keys, LockWaitSkip,
							 is_leased_by, worker_id);
		if (lease != NULL)
			result = lappend(result, lease);
	}
	return result;
}

List *
consumer_catalog_lock_free_leases(int64 consumer_no, const int64 *shard_nos,
								  int count, TimestampTz now, int limit)
{
	TableRow row;

	lease_row(&row, consumer_no);
	row_set_int64s(&row, Anum_lease_shard_nos, shard_nos, count);
	row_set_time(&row, Anum_lease_now, now);
	row_set_int64(&row, Anum_lease_max_count, limit);
	return owner_sql_list(SELECT_LEASES
						  " AND shard_no = ANY ($shard_nos) AND checkpoint_kind <> 'e'"
						  " AND (lease_owner IS NULL OR expires_at < $now)"
						  " ORDER BY shard_no LIMIT $max_count FOR UPDATE SKIP LOCKED",
						  &row, lease_from_row);
}

List *
consumer_catalog_lock_lease_of_worker(int64 consumer_no, const int64 *shard_nos,
									  int count, const char *owner)
{
	TableRow row;

	lease_row(&row, consumer_no);
	row_set_int64s(&row, Anum_lease_shard_nos, shard_nos, count);
	row_set_text(&row, Anum_lease_lease_owner, owner);
	return owner_sql_list(SELECT_LEASES
						  " AND shard_no = ANY ($shard_nos) AND checkpoint_kind <> 'e'"
						  " AND lease_owner = $lease_owner"
						  " ORDER BY returned > checkpoint, shard_no LIMIT 1"
						  " FOR UPDATE SKIP LOCKED",
						  &row, lease_from_row);
}

/* Is a lease not finished? */
static bool
is_unfinished(const void *made, const void *arg)
{
	return ((const ConsumerLease *) made)->kind != CHECKPOINT_SHARD_END;
}

List *
consumer_catalog_try_lock_lease(int64 consumer_no, int64 shard_no)
{
	ScanKeyData	   keys[2];
	ConsumerLease *lease;

	init_lease_keys(keys, consumer_no, shard_no);
	lease = own_row_lock(&lease_of_consumer, 2, keys, LockWaitSkip, is_unfinished, NULL);
	return lease == NULL ? NIL : list_make1(lease);
}

ConsumerLease *
consumer_catalog_lock_lease(int64 consumer_no, int64 shard_no)
{
	ScanKeyData keys[2];

	init_lease_keys(keys, consumer_no, shard_no);
	return own_row_lock(&lease_of_consumer, 2, keys, LockWaitBlock, NULL, NULL);
}

static void
row_from_lease(int64 consumer_no, const ConsumerLease *lease, TableRow *row)
{
	lease_row(row, consumer_no);
	row_set_int64(row, Anum_lease_shard_no, lease->shard_no);
	row_set_text(row, Anum_lease_lease_owner, lease->owner);
	row_set_int64(row, Anum_lease_lease_counter, lease->counter);
	row_set_char(row, Anum_lease_checkpoint_kind, (char) lease->kind);
	row_set_int64(row, Anum_lease_checkpoint, lease->checkpoint);
	row_set_int64(row, Anum_lease_returned, lease->returned);
	row_set_time(row, Anum_lease_expires_at, lease->expires_at);
	row_set_int32(row, Anum_lease_owner_switches, lease->owner_switches);
	row_set_int32(row, Anum_lease_attempts, lease->attempts);
	row_set_time(row, Anum_lease_returned_at, lease->returned_at);
	row_set_int64(row, Anum_lease_lost_records, lease->lost_records);
	row_set_int64(row, Anum_lease_lost_told, lease->lost_told);
	row_set_text(row, Anum_lease_last_error, lease->last_error);
	row_set_time(row, Anum_lease_last_error_at, lease->last_error_at);
	if (lease->worker_pid != 0)
		row_set_int32(row, Anum_lease_worker_pid, lease->worker_pid);
	row->tid = lease->tid;
}

bool
consumer_catalog_insert_lease(int64 consumer_no, const ConsumerLease *lease)
{
	TableRow row;

	row_from_lease(consumer_no, lease, &row);
	return owner_sql_execute("INSERT INTO " LEASE_TABLE " ($(columns)) VALUES ($(values))"
							 " ON CONFLICT DO NOTHING",
							 &row) == 1;
}

void
consumer_catalog_update_lease(int64 consumer_no, const ConsumerLease *lease)
{
	ScanKeyData keys[2];
	TableRow	row;

	row_from_lease(consumer_no, lease, &row);
	init_lease_keys(keys, consumer_no, lease->shard_no);
	if (!own_row_update(&lease_of_consumer, 2, keys, &row))
		elog(ERROR, "lease of shard " INT64_FORMAT " is missing", lease->shard_no);
}

void
consumer_catalog_clean_leases(int64 consumer_no, const int64 *shard_nos, int count)
{
	TableRow row;

	consumer_row(&row, consumer_no);
	row_set_int64s(&row, Anum_consumer_shard_nos, shard_nos, count);
	(void) owner_sql_execute("WITH own AS (SELECT consumer_no FROM " CONSUMER_TABLE
							 " WHERE consumer_no = $consumer_no FOR UPDATE SKIP LOCKED),"
							 " gone AS (DELETE FROM " LEASE_TABLE
							 " WHERE consumer_no IN (SELECT consumer_no FROM own)"
							 " AND shard_no = ANY (ARRAY(SELECT shard_no FROM " LEASE_TABLE
							 " WHERE consumer_no = $consumer_no AND shard_no = ANY ($shard_nos)"
							 " FOR UPDATE SKIP LOCKED))"
							 " RETURNING lost_records, lost_told),"
							 " lost AS (SELECT sum(lost_records) AS records,"
							 " sum(lost_records - lost_told) AS untold FROM gone)"
							 " UPDATE " CONSUMER_TABLE " SET lost_records = lost_records + records,"
							 " untold_records = untold_records + untold"
							 " FROM lost WHERE consumer_no = $consumer_no AND records > 0",
							 &row);
}

int64
consumer_catalog_take_untold(int64 consumer_no)
{
	TableRow row;
	OwnerSql state;
	int64	 untold = 0;

	consumer_row(&row, consumer_no);
	owner_sql_begin(&state);
	if (owner_sql_run("WITH own AS (SELECT consumer_no, untold_records AS untold FROM " CONSUMER_TABLE
					  " WHERE consumer_no = $consumer_no AND untold_records > 0 FOR UPDATE SKIP LOCKED)"
					  " UPDATE " CONSUMER_TABLE " AS c SET untold_records = 0 FROM own"
					  " WHERE c.consumer_no = own.consumer_no RETURNING untold",
					  &row) == 1)
	{
		bool isnull;

		untold = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1, &isnull));
	}
	owner_sql_end(&state);
	return untold;
}

List *
consumer_catalog_workers(int64 consumer_no)
{
	ScanKeyData key;

	init_int64_key(&key, Anum_worker_consumer_no, consumer_no);
	return own_row_list(&worker_of_consumer, 1, &key);
}

/*
 * Takes an advisory lock until the transaction ends; returns false at once if
 * another transaction has it.  Consumers whose numbers agree in the low 32
 * bits share the lock: the one that does not get it leaves the work to a later
 * poll.
 */
static bool
try_advisory_lock(int64 consumer_no, uint32 key, int class)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) consumer_no, key, class);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
consumer_catalog_register_worker(int64 consumer_no, const char *worker_id,
								 TimestampTz now, TimestampTz expires_at)
{
	TableRow row;

	if (!try_advisory_lock(consumer_no,
						   hash_bytes((const unsigned char *) worker_id, strlen(worker_id)),
						   LOCK_CLASS_CONSUMER_WORKER))
		return false;
	worker_row(&row, consumer_no);
	row_set_text(&row, Anum_worker_worker_id, worker_id);
	row_set_time(&row, Anum_worker_expires_at, expires_at);
	row_set_time(&row, Anum_worker_now, now);
	if (owner_sql_execute("UPDATE " WORKER_TABLE " SET $(set)"
						  " WHERE consumer_no = $consumer_no AND worker_id = $worker_id"
						  " AND expires_at >= $now",
						  &row) == 1)
		return false;
	(void) owner_sql_execute("DELETE FROM " WORKER_TABLE
							 " WHERE consumer_no = $consumer_no AND worker_id = ANY (ARRAY("
							 "SELECT worker_id FROM " WORKER_TABLE
							 " WHERE consumer_no = $consumer_no AND worker_id <> $worker_id"
							 " AND expires_at < $now - 10 * ($expires_at - $now)"
							 " FOR UPDATE SKIP LOCKED))",
							 &row);
	(void) owner_sql_execute("INSERT INTO " WORKER_TABLE " ($(columns)) VALUES ($(values))"
							 " ON CONFLICT (consumer_no, worker_id) DO UPDATE SET $(set)",
							 &row);
	return true;
}

bool
consumer_catalog_may_create_leases(int64 consumer_no)
{
	return try_advisory_lock(consumer_no, 0, LOCK_CLASS_CONSUMER_LEASES);
}

ShardWatchKey
consumer_catalog_watch_key(int64 consumer_no)
{
	return shard_watch_number_key(consumer_no);
}

void
consumer_catalog_wake_workers(int64 consumer_no)
{
	ShardWatchKey key = consumer_catalog_watch_key(consumer_no);

	shard_wake_at_end(key.shard_table, key.stream_id);
}
