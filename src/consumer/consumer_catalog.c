/*
 * consumer_catalog.c
 *	  The tables of consumer groups, their leases and workers.
 *
 * Everything here is SQL that runs as the extension's owner (owner_sql.c); the
 * callers have checked what the current user may do.
 *
 * A lease belongs to the transaction that has locked its row.  A poll locks
 * rows FOR UPDATE SKIP LOCKED: polls never wait for each other and never
 * deadlock, and the leases that an open transaction has polled stay with it,
 * however old they are.
 *
 * An INSERT waits for another transaction that has inserted the same key.  So
 * that polls do not wait there either, they insert rows under locks of the
 * lock manager that are tried and not waited for: WORKER_LOCK_CLASS for the
 * row of a worker, LEASES_LOCK_CLASS for the leases of a consumer.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "consumer/consumer_catalog.h"
#include "registry/owner_sql.h"
#include "shard/shard_wake.h"

/*
 * Fourth fields of advisory lock tags, beside READER_SLOT_CLASS
 * (reader_slots.c).  Consumers whose numbers agree in the low 32 bits share a
 * tag: the transaction that does not get it leaves the work to a later poll.
 */
#define WORKER_LOCK_CLASS 58
#define LEASES_LOCK_CLASS 59

#define CONSUMER_COLUMNS                                                           \
	"consumer_no, consumer_name, stream_id, stream_arn, role_id, lease_duration, " \
	"lost_records, untold_records"

#define LEASE_COLUMNS                                                     \
	"shard_no, lease_owner, lease_counter, checkpoint_kind, checkpoint, " \
	"returned, expires_at, owner_switches, attempts, returned_at, "       \
	"lost_records, lost_told, last_error, last_error_at, worker_pid"

#define LEASE_TABLE "ddbstreams_shards.consumer_lease"

/* Reads one row of SPI_tuptable, column by column. */
typedef struct RowReader
{
	HeapTuple tuple;
	int		  column;
	bool	  isnull; /* was the last value */
} RowReader;

static Datum
next_value(RowReader *row)
{
	return SPI_getbinval(row->tuple, SPI_tuptable->tupdesc, ++row->column,
						 &row->isnull);
}

static char *
next_text(RowReader *row)
{
	Datum value = next_value(row);

	return row->isnull ? NULL : TextDatumGetCString(value);
}

static int64
next_int64(RowReader *row)
{
	Datum value = next_value(row);

	return row->isnull ? 0 : DatumGetInt64(value);
}

static int32
next_int32(RowReader *row)
{
	Datum value = next_value(row);

	return row->isnull ? 0 : DatumGetInt32(value);
}

static ConsumerInfo *
read_consumer(HeapTuple tuple)
{
	ConsumerInfo *consumer = palloc(sizeof(ConsumerInfo));
	RowReader	  row = {tuple};

	consumer->consumer_no = next_int64(&row);
	consumer->consumer_name = next_text(&row);
	consumer->stream_id = next_int64(&row);
	consumer->stream_arn = next_text(&row);
	consumer->role_id = DatumGetObjectId(next_value(&row));
	consumer->lease_usec =
		clock_interval_usec(DatumGetIntervalP(next_value(&row)));
	consumer->lost_records = next_int64(&row);
	consumer->untold_records = next_int64(&row);
	return consumer;
}

static ConsumerLease *
read_lease(HeapTuple tuple)
{
	ConsumerLease *lease = palloc(sizeof(ConsumerLease));
	RowReader	   row = {tuple};

	lease->shard_no = next_int64(&row);
	lease->owner = next_text(&row);
	lease->counter = next_int64(&row);
	lease->kind = (CheckpointKind) DatumGetChar(next_value(&row));
	lease->checkpoint = next_int64(&row);
	lease->returned = next_int64(&row);
	lease->expires_at = next_int64(&row);
	lease->owner_switches = next_int32(&row);
	lease->attempts = next_int32(&row);
	lease->returned_at = next_int64(&row);
	lease->lost_records = next_int64(&row);
	lease->lost_told = next_int64(&row);
	lease->last_error = next_text(&row);
	lease->last_error_at = next_int64(&row);
	lease->worker_pid = next_int32(&row);
	return lease;
}

static ConsumerWorker *
read_worker(HeapTuple tuple)
{
	ConsumerWorker *worker = palloc(sizeof(ConsumerWorker));
	RowReader		row = {tuple};

	worker->worker_id = next_text(&row);
	worker->expires_at = next_int64(&row);
	return worker;
}

typedef enum RowKind
{
	ROW_CONSUMER,
	ROW_LEASE,
	ROW_WORKER
} RowKind;

/*
 * Runs a query, which must be a literal (owner_sql), and returns its rows as a
 * list of structs in CurrentMemoryContext.
 */
static List *
fetch(const char *query, int nargs, const Oid *types, Datum *values, RowKind kind)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext oldcontext;
	List		 *rows = NIL;
	OwnerSql	  state;
	uint64		  count;

	owner_sql_begin(&state);
	count = owner_sql(query, nargs, types, values, NULL);
	oldcontext = MemoryContextSwitchTo(context);
	for (uint64 i = 0; i < count; i++)
	{
		HeapTuple tuple = SPI_tuptable->vals[i];

		switch (kind)
		{
			case ROW_CONSUMER:
				rows = lappend(rows, read_consumer(tuple));
				break;
			case ROW_LEASE:
				rows = lappend(rows, read_lease(tuple));
				break;
			case ROW_WORKER:
				rows = lappend(rows, read_worker(tuple));
				break;
		}
	}
	MemoryContextSwitchTo(oldcontext);
	owner_sql_end(&state);
	return rows;
}

/* Runs a statement, which must be a literal; returns the number of rows. */
static uint64
execute(const char *query, int nargs, const Oid *types, Datum *values,
		const char *nulls)
{
	OwnerSql state;
	uint64	 count;

	owner_sql_begin(&state);
	count = owner_sql(query, nargs, types, values, nulls);
	owner_sql_end(&state);
	return count;
}

ConsumerInfo *
consumer_catalog_find(const char *consumer_name)
{
	static const Oid types[] = {TEXTOID};
	Datum			 values[] = {CStringGetTextDatum(consumer_name)};
	List			*rows = fetch("SELECT " CONSUMER_COLUMNS
								  " FROM ddbstreams_shards.consumer WHERE consumer_name = $1",
								  1, types, values, ROW_CONSUMER);

	return rows == NIL ? NULL : linitial(rows);
}

ConsumerInfo *
consumer_catalog_by_name(const char *consumer_name)
{
	ConsumerInfo *consumer = consumer_catalog_find(consumer_name);

	if (consumer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("consumer \"%s\" does not exist", consumer_name),
				 errhint("Make one with ddbstreams.create_consumer.")));
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
	return fetch("SELECT " CONSUMER_COLUMNS
				 " FROM ddbstreams_shards.consumer ORDER BY consumer_name",
				 0, NULL, NULL, ROW_CONSUMER);
}

bool
consumer_catalog_insert(const ConsumerInfo *consumer, const char *starting_position,
						const Interval *lease_duration)
{
	static const Oid types[] = {INT8OID, TEXTOID, INT8OID, TEXTOID, OIDOID,
								TEXTOID, INTERVALOID, TIMESTAMPTZOID};
	Datum			 values[] = {Int64GetDatum(consumer->consumer_no),
								 CStringGetTextDatum(consumer->consumer_name),
								 Int64GetDatum(consumer->stream_id),
								 CStringGetTextDatum(consumer->stream_arn),
								 ObjectIdGetDatum(consumer->role_id),
								 CStringGetTextDatum(starting_position),
								 IntervalPGetDatum(lease_duration),
								 TimestampTzGetDatum(GetCurrentTimestamp())};

	return execute("INSERT INTO ddbstreams_shards.consumer (consumer_no, consumer_name,"
				   " stream_id, stream_arn, role_id, starting_position, lease_duration, created_at)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (consumer_name) DO NOTHING",
				   8, types, values, NULL) == 1;
}

void
consumer_catalog_delete(int64 consumer_no)
{
	static const Oid types[] = {INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no)};

	(void) execute("DELETE FROM ddbstreams_shards.consumer WHERE consumer_no = $1",
				   1, types, values, NULL);
	(void) execute("DELETE FROM " LEASE_TABLE " WHERE consumer_no = $1 AND shard_no = ANY (ARRAY("
				   "SELECT shard_no FROM " LEASE_TABLE
				   " WHERE consumer_no = $1 FOR UPDATE SKIP LOCKED))",
				   1, types, values, NULL);
	(void) execute("DELETE FROM ddbstreams_shards.consumer_worker WHERE consumer_no = $1"
				   " AND worker_id = ANY (ARRAY(SELECT worker_id FROM ddbstreams_shards.consumer_worker"
				   " WHERE consumer_no = $1 FOR UPDATE SKIP LOCKED))",
				   1, types, values, NULL);
	consumer_catalog_wake_workers(consumer_no);
}

void
consumer_catalog_delete_orphans(void)
{
	(void) execute("DELETE FROM " LEASE_TABLE " WHERE (consumer_no, shard_no) IN ("
				   "SELECT consumer_no, shard_no FROM " LEASE_TABLE " AS orphan WHERE NOT EXISTS ("
				   "SELECT FROM ddbstreams_shards.consumer AS c WHERE c.consumer_no = orphan.consumer_no)"
				   " FOR UPDATE SKIP LOCKED)",
				   0, NULL, NULL, NULL);
	(void) execute("DELETE FROM ddbstreams_shards.consumer_worker WHERE (consumer_no, worker_id) IN ("
				   "SELECT consumer_no, worker_id FROM ddbstreams_shards.consumer_worker AS orphan WHERE NOT EXISTS ("
				   "SELECT FROM ddbstreams_shards.consumer AS c WHERE c.consumer_no = orphan.consumer_no)"
				   " FOR UPDATE SKIP LOCKED)",
				   0, NULL, NULL, NULL);
}

List *
consumer_catalog_leases(int64 consumer_no)
{
	static const Oid types[] = {INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 ORDER BY shard_no",
				 1, types, values, ROW_LEASE);
}

List *
consumer_catalog_lock_own_leases(int64 consumer_no, const char *worker_id)
{
	static const Oid types[] = {INT8OID, TEXTOID};
	Datum			 values[] = {Int64GetDatum(consumer_no),
								 CStringGetTextDatum(worker_id)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 AND lease_owner = $2 AND checkpoint_kind <> 'e'"
				 " ORDER BY shard_no FOR UPDATE SKIP LOCKED",
				 2, types, values, ROW_LEASE);
}

List *
consumer_catalog_lock_free_leases(int64 consumer_no, Datum shard_nos, TimestampTz now,
								  int limit)
{
	static const Oid types[] = {INT8OID, INT8ARRAYOID, TIMESTAMPTZOID, INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no), shard_nos,
								 TimestampTzGetDatum(now), Int64GetDatum(limit)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 AND shard_no = ANY ($2) AND checkpoint_kind <> 'e'"
				 " AND (lease_owner IS NULL OR expires_at < $3)"
				 " ORDER BY shard_no LIMIT $4 FOR UPDATE SKIP LOCKED",
				 4, types, values, ROW_LEASE);
}

List *
consumer_catalog_lock_lease_of_worker(int64 consumer_no, Datum shard_nos,
									  const char *owner)
{
	static const Oid types[] = {INT8OID, INT8ARRAYOID, TEXTOID};
	Datum			 values[] = {Int64GetDatum(consumer_no), shard_nos,
								 CStringGetTextDatum(owner)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 AND shard_no = ANY ($2) AND checkpoint_kind <> 'e'"
				 " AND lease_owner = $3"
				 " ORDER BY returned > checkpoint, shard_no LIMIT 1 FOR UPDATE SKIP LOCKED",
				 3, types, values, ROW_LEASE);
}

List *
consumer_catalog_try_lock_lease(int64 consumer_no, int64 shard_no)
{
	static const Oid types[] = {INT8OID, INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no), Int64GetDatum(shard_no)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 AND shard_no = $2 AND checkpoint_kind <> 'e'"
				 " FOR UPDATE SKIP LOCKED",
				 2, types, values, ROW_LEASE);
}

List *
consumer_catalog_lock_lease(int64 consumer_no, int64 shard_no)
{
	static const Oid types[] = {INT8OID, INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no), Int64GetDatum(shard_no)};

	return fetch("SELECT " LEASE_COLUMNS " FROM " LEASE_TABLE
				 " WHERE consumer_no = $1 AND shard_no = $2 FOR UPDATE",
				 2, types, values, ROW_LEASE);
}

#define LEASE_PARAMETERS 16

static const Oid lease_types[LEASE_PARAMETERS] = {
	INT8OID, INT8OID, TEXTOID, INT8OID, CHAROID, INT8OID, INT8OID,
	TIMESTAMPTZOID, INT4OID, INT4OID, TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID,
	TIMESTAMPTZOID, INT4OID};

/* Fills the parameters of a statement: consumer_no, then LEASE_COLUMNS. */
static void
lease_values(int64 consumer_no, const ConsumerLease *lease, Datum *values,
			 char *nulls)
{
	int i = 0;

	memset(nulls, ' ', LEASE_PARAMETERS);
	values[i++] = Int64GetDatum(consumer_no);
	values[i++] = Int64GetDatum(lease->shard_no);
	nulls[i] = lease->owner == NULL ? 'n' : ' ';
	values[i++] = lease->owner == NULL ? (Datum) 0 : CStringGetTextDatum(lease->owner);
	values[i++] = Int64GetDatum(lease->counter);
	values[i++] = CharGetDatum((char) lease->kind);
	values[i++] = Int64GetDatum(lease->checkpoint);
	values[i++] = Int64GetDatum(lease->returned);
	nulls[i] = lease->expires_at == 0 ? 'n' : ' ';
	values[i++] = TimestampTzGetDatum(lease->expires_at);
	values[i++] = Int32GetDatum(lease->owner_switches);
	values[i++] = Int32GetDatum(lease->attempts);
	nulls[i] = lease->returned_at == 0 ? 'n' : ' ';
	values[i++] = TimestampTzGetDatum(lease->returned_at);
	values[i++] = Int64GetDatum(lease->lost_records);
	values[i++] = Int64GetDatum(lease->lost_told);
	nulls[i] = lease->last_error == NULL ? 'n' : ' ';
	values[i++] = lease->last_error == NULL ? (Datum) 0 :
											  CStringGetTextDatum(lease->last_error);
	nulls[i] = lease->last_error_at == 0 ? 'n' : ' ';
	values[i++] = TimestampTzGetDatum(lease->last_error_at);
	nulls[i] = lease->worker_pid == 0 ? 'n' : ' ';
	values[i++] = Int32GetDatum(lease->worker_pid);
	Assert(i == LEASE_PARAMETERS);
}

bool
consumer_catalog_insert_lease(int64 consumer_no, const ConsumerLease *lease)
{
	Datum values[LEASE_PARAMETERS];
	char  nulls[LEASE_PARAMETERS];

	lease_values(consumer_no, lease, values, nulls);
	return execute("INSERT INTO " LEASE_TABLE " (consumer_no, " LEASE_COLUMNS ")"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
				   " ON CONFLICT DO NOTHING",
				   LEASE_PARAMETERS, lease_types, values, nulls) == 1;
}

void
consumer_catalog_update_lease(int64 consumer_no, const ConsumerLease *lease)
{
	Datum values[LEASE_PARAMETERS];
	char  nulls[LEASE_PARAMETERS];

	lease_values(consumer_no, lease, values, nulls);
	if (execute("UPDATE " LEASE_TABLE " SET lease_owner = $3, lease_counter = $4,"
				" checkpoint_kind = $5, checkpoint = $6, returned = $7, expires_at = $8,"
				" owner_switches = $9, attempts = $10, returned_at = $11, lost_records = $12,"
				" lost_told = $13, last_error = $14, last_error_at = $15, worker_pid = $16"
				" WHERE consumer_no = $1 AND shard_no = $2",
				LEASE_PARAMETERS, lease_types, values, nulls) != 1)
		elog(ERROR, "lease of shard " INT64_FORMAT " is missing", lease->shard_no);
}

void
consumer_catalog_clean_leases(int64 consumer_no, Datum shard_nos)
{
	static const Oid types[] = {INT8OID, INT8ARRAYOID};
	Datum			 values[] = {Int64GetDatum(consumer_no), shard_nos};

	(void) execute("WITH own AS (SELECT consumer_no FROM ddbstreams_shards.consumer"
				   " WHERE consumer_no = $1 FOR UPDATE SKIP LOCKED),"
				   " gone AS (DELETE FROM " LEASE_TABLE " WHERE consumer_no IN (SELECT consumer_no FROM own)"
				   " AND shard_no = ANY (ARRAY(SELECT shard_no FROM " LEASE_TABLE
				   " WHERE consumer_no = $1 AND shard_no = ANY ($2) FOR UPDATE SKIP LOCKED))"
				   " RETURNING lost_records, lost_told), lost AS (SELECT sum(lost_records) AS records,"
				   " sum(lost_records - lost_told) AS untold FROM gone)"
				   " UPDATE ddbstreams_shards.consumer SET lost_records = lost_records + records,"
				   " untold_records = untold_records + untold"
				   " FROM lost WHERE consumer_no = $1 AND records > 0",
				   2, types, values, NULL);
}

int64
consumer_catalog_take_untold(int64 consumer_no)
{
	static const Oid types[] = {INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no)};
	OwnerSql		 state;
	int64			 untold = 0;

	owner_sql_begin(&state);
	if (owner_sql("WITH own AS (SELECT consumer_no, untold_records AS untold FROM ddbstreams_shards.consumer"
				  " WHERE consumer_no = $1 AND untold_records > 0 FOR UPDATE SKIP LOCKED)"
				  " UPDATE ddbstreams_shards.consumer AS c SET untold_records = 0 FROM own"
				  " WHERE c.consumer_no = own.consumer_no RETURNING untold",
				  1, types, values, NULL) == 1)
	{
		RowReader row = {SPI_tuptable->vals[0]};

		untold = next_int64(&row);
	}
	owner_sql_end(&state);
	return untold;
}

List *
consumer_catalog_workers(int64 consumer_no)
{
	static const Oid types[] = {INT8OID};
	Datum			 values[] = {Int64GetDatum(consumer_no)};

	return fetch("SELECT worker_id, expires_at FROM ddbstreams_shards.consumer_worker"
				 " WHERE consumer_no = $1 ORDER BY worker_id",
				 1, types, values, ROW_WORKER);
}

/*
 * Takes an advisory lock until the transaction ends; returns false at once if
 * another transaction has it.
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
	static const Oid types[] = {INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum			 values[] = {Int64GetDatum(consumer_no),
								 CStringGetTextDatum(worker_id),
								 TimestampTzGetDatum(now),
								 TimestampTzGetDatum(expires_at)};

	if (!try_advisory_lock(consumer_no,
						   hash_bytes((const unsigned char *) worker_id, strlen(worker_id)),
						   WORKER_LOCK_CLASS))
		return false;
	if (execute("UPDATE ddbstreams_shards.consumer_worker SET expires_at = $4"
				" WHERE consumer_no = $1 AND worker_id = $2 AND expires_at >= $3",
				4, types, values, NULL) == 1)
		return false;
	(void) execute("DELETE FROM ddbstreams_shards.consumer_worker"
				   " WHERE consumer_no = $1 AND worker_id = ANY (ARRAY("
				   "SELECT worker_id FROM ddbstreams_shards.consumer_worker WHERE consumer_no = $1"
				   " AND worker_id <> $2 AND expires_at < $3 - 10 * ($4 - $3) FOR UPDATE SKIP LOCKED))",
				   4, types, values, NULL);
	(void) execute("INSERT INTO ddbstreams_shards.consumer_worker VALUES ($1, $2, $4)"
				   " ON CONFLICT (consumer_no, worker_id) DO UPDATE SET expires_at = $4",
				   4, types, values, NULL);
	return true;
}

bool
consumer_catalog_may_create_leases(int64 consumer_no)
{
	return try_advisory_lock(consumer_no, 0, LEASES_LOCK_CLASS);
}

Datum
consumer_catalog_shard_nos(const int64 *shard_nos, int count)
{
	Datum *elems = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elems[i] = Int64GetDatum(shard_nos[i]);
	return PointerGetDatum(construct_array(elems, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The low half of the number.  Where a shard's table or another consumer has
 * the same key, a session is woken in vain now and then, and looks again.
 */
Oid
consumer_catalog_watch_key(int64 consumer_no)
{
	return (Oid) (uint32) consumer_no;
}

void
consumer_catalog_wake_workers(int64 consumer_no)
{
	shard_wake_at_end(consumer_catalog_watch_key(consumer_no));
}
