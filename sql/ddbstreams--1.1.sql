-- ddbstreams--1.1.sql: all objects of the extension.
--
-- ddbstreams--1.0--1.1.sql makes the same of the objects of version 1.0: what is
-- changed in the tables here is changed there, too, and "make update-script"
-- copies the rest.  New columns are last, as ALTER TABLE adds them.
--
-- Public functions are in schema ddbstreams; each checks by itself what its
-- caller may do, so that all of them are PUBLIC's to call.  Tables that users
-- have no business with are in schema ddbstreams_shards.

\echo Use "CREATE EXTENSION ddbstreams" to load this file. \quit

CREATE SCHEMA ddbstreams;
COMMENT ON SCHEMA ddbstreams IS 'change streams of tables, as DynamoDB Streams has them';
GRANT USAGE ON SCHEMA ddbstreams TO PUBLIC;

CREATE SCHEMA ddbstreams_shards;
COMMENT ON SCHEMA ddbstreams_shards IS 'shards and catalogue tables of ddbstreams; read streams by the functions of schema ddbstreams';

---------------------------------------------------------------------------
-- Own tables (own_tables.c, own_table_guard.c)
--
-- Nobody writes to a table of this schema but ddbstreams, and nobody reads there
-- what the public functions would not show: triggers, row-level security.  What
-- C code writes by heap functions has no replica identity.  What it writes by
-- SQL has all columns for one and no primary key, so that tools which copy and
-- swap a table by logical decoding, which sees none of these tables, refuse
-- before they begin.
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams_shards.refuse_change() RETURNS trigger
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_refuse_change';
COMMENT ON FUNCTION ddbstreams_shards.refuse_change() IS
'refuses changes of the tables of this schema that are not ddbstreams'' own';
REVOKE ALL ON FUNCTION ddbstreams_shards.refuse_change() FROM PUBLIC;

CREATE FUNCTION ddbstreams_shards.protect_table(table_name regclass) RETURNS void
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'ddbstreams_protect_table';
COMMENT ON FUNCTION ddbstreams_shards.protect_table(regclass) IS
'protects a table of this schema; called by the extension''s scripts alone';
REVOKE ALL ON FUNCTION ddbstreams_shards.protect_table(regclass) FROM PUBLIC;

---------------------------------------------------------------------------
-- Catalogue tables (stream_catalog.c)
--
-- Rows are only inserted, by C code alone and unseen by logical decoding
-- (heap_write.c): of a stream's or shard's rows the highest version counts.
---------------------------------------------------------------------------

-- The numbers begin with the milliseconds since 2026, so that an extension that
-- is dropped and created again does not use a number for another stream.
CREATE SEQUENCE ddbstreams_shards.id_seq;
SELECT pg_catalog.setval('ddbstreams_shards.id_seq',
	(1000 * extract(epoch FROM pg_catalog.clock_timestamp() - '2026-01-01 00:00:00+00'))::int8);
COMMENT ON SEQUENCE ddbstreams_shards.id_seq IS 'numbers of streams and shards';

-- stream_id			identity in this database
-- stream_arn			name, unique; keeps what it was made with
-- table_oid			the table, or what it was before it was dropped
-- table_dropped		whether it was
-- table_name			the table's name in the ARN
-- stream_label			creation time in UTC, unique for a table name
-- stream_view_type		what records hold
-- created_at			creation_request_date_time
-- disabled_at			null while the stream is enabled
-- retention			how long records are kept
-- owner				role that may read once the table is dropped
-- key_attnums			the key's columns, in its order
-- key_columns			their names, present or last
-- partition_attnums	the columns whose hash chooses the shard
-- hash_functions		how they are hashed, to notice a change
-- version				rises with each change
CREATE TABLE ddbstreams_shards.stream (
	stream_id int8 NOT NULL,
	stream_arn text COLLATE "C" NOT NULL,
	table_oid regclass NOT NULL,
	table_dropped boolean NOT NULL,
	table_name text COLLATE "C" NOT NULL,
	stream_label text COLLATE "C" NOT NULL,
	stream_view_type text COLLATE "C" NOT NULL,
	created_at timestamptz NOT NULL,
	disabled_at timestamptz,
	retention interval NOT NULL,
	owner oid NOT NULL,
	key_attnums int2[] NOT NULL,
	key_columns text[] NOT NULL,
	partition_attnums int2[] NOT NULL,
	hash_functions text COLLATE "C" NOT NULL,
	version int8 NOT NULL
);
COMMENT ON TABLE ddbstreams_shards.stream IS 'streams; see ddbstreams.list_streams()';
CREATE UNIQUE INDEX stream_pkey ON ddbstreams_shards.stream (stream_id, version);
CREATE UNIQUE INDEX stream_arn_idx ON ddbstreams_shards.stream (stream_arn, version);
CREATE INDEX stream_table_oid_idx ON ddbstreams_shards.stream (table_oid);
ALTER TABLE ddbstreams_shards.stream REPLICA IDENTITY NOTHING;

-- shard_no				identity in this database, never used again
-- stream_id			the stream
-- shard_id				the shard's id, unique in its stream
-- parent_shard_id		the shard that it follows, null for a root
-- starting_number		its records have this number or higher ones
-- ending_number		the last record's, null while the shard is open
-- hash_first, hash_last	its hashes, both ends inclusive: unsigned 64-bit
--						numbers in signed columns
-- shard_table			the log
-- side_table			its large values, and those of shards that were made with it
-- created_at, closed_at	closed_at is null while the shard is open
-- version				rises with each change
CREATE TABLE ddbstreams_shards.shard (
	shard_no int8 NOT NULL,
	stream_id int8 NOT NULL,
	shard_id text COLLATE "C" NOT NULL,
	parent_shard_id text COLLATE "C",
	starting_number int8 NOT NULL,
	ending_number int8,
	hash_first int8 NOT NULL,
	hash_last int8 NOT NULL,
	shard_table regclass NOT NULL,
	side_table regclass NOT NULL,
	created_at timestamptz NOT NULL,
	closed_at timestamptz,
	version int8 NOT NULL
);
COMMENT ON TABLE ddbstreams_shards.shard IS 'shards; see ddbstreams.describe_stream()';
CREATE UNIQUE INDEX shard_pkey ON ddbstreams_shards.shard (shard_no, version);
CREATE UNIQUE INDEX shard_stream_id_idx ON ddbstreams_shards.shard (stream_id, shard_id, version);
CREATE INDEX shard_parent_shard_id_idx ON ddbstreams_shards.shard (stream_id, parent_shard_id);
CREATE INDEX shard_side_table_idx ON ddbstreams_shards.shard (side_table);
ALTER TABLE ddbstreams_shards.shard REPLICA IDENTITY NOTHING;

-- descriptor_id		keyed hash of content; two rows of one id are alike
-- content				the columns that an image has (row_descriptor.c)
CREATE TABLE ddbstreams_shards.row_descriptor (
	descriptor_id int8 NOT NULL,
	content bytea NOT NULL
);
COMMENT ON TABLE ddbstreams_shards.row_descriptor IS 'what is needed to read images without today''s catalogues';
CREATE INDEX row_descriptor_idx ON ddbstreams_shards.row_descriptor (descriptor_id);
ALTER TABLE ddbstreams_shards.row_descriptor REPLICA IDENTITY NOTHING;

-- secret				32 random bytes, made with the extension, never dumped
CREATE TABLE ddbstreams_shards.secret (
	secret bytea NOT NULL
);
COMMENT ON TABLE ddbstreams_shards.secret IS 'the key that signs shard iterators, and of the numbers of row descriptors';
ALTER TABLE ddbstreams_shards.secret REPLICA IDENTITY NOTHING;

CREATE FUNCTION ddbstreams_shards.make_secret() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_make_secret';
COMMENT ON FUNCTION ddbstreams_shards.make_secret() IS 'makes the secret; called by CREATE EXTENSION alone';
REVOKE ALL ON FUNCTION ddbstreams_shards.make_secret() FROM PUBLIC;
SELECT ddbstreams_shards.make_secret();

-- Of the tables whose rows are updated or deleted logical decoding must see
-- nothing either (decoding.c).
CREATE FUNCTION ddbstreams_shards.hide_from_decoding(table_name regclass) RETURNS void
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'ddbstreams_hide_from_decoding';
COMMENT ON FUNCTION ddbstreams_shards.hide_from_decoding(regclass) IS 'keeps a table of ddbstreams out of logical decoding';
REVOKE ALL ON FUNCTION ddbstreams_shards.hide_from_decoding(regclass) FROM PUBLIC;

---------------------------------------------------------------------------
-- Event source mappings (mapping*.c)
---------------------------------------------------------------------------

-- uuid					the mapping's name
-- mapping_no			a shorter one, of ddbstreams_shards.id_seq
-- stream_id, event_source_arn	the stream
-- function_name		the handler: schema and name, looked up at each batch
-- role_id				the role that made it; the handler runs as this role; 0 if it was dropped
-- database_id, server_id	the ones in which it was made or enabled last: in a copy of the
--						database the mapping is Disabled (mapping_origin.c)
-- starting_position	TRIM_HORIZON or LATEST
-- batch_size to filter_criteria	parameters, as Lambda's are
-- enabled				what the user wants
-- created_at, last_modified
-- version				rises with each change of the row by the user
-- change				state while the dispatcher has not seen it: Creating,
--						Enabling or Updating
-- acknowledged_version	the version that the dispatcher works by
-- metrics				Lambda's MetricsConfig
-- tags					an object of strings, for Lambda's ListTags; null if there are none
CREATE TABLE ddbstreams_shards.mapping (
	uuid uuid NOT NULL,
	mapping_no int8 NOT NULL,
	stream_id int8 NOT NULL,
	event_source_arn text COLLATE "C" NOT NULL,
	function_name text COLLATE "C" NOT NULL,
	role_id oid NOT NULL,
	database_id oid NOT NULL,
	starting_position text NOT NULL,
	batch_size int NOT NULL,
	maximum_batching_window interval NOT NULL,
	parallelization_factor int NOT NULL,
	maximum_record_age interval,
	maximum_retry_attempts int NOT NULL,
	bisect_batch_on_function_error boolean NOT NULL,
	on_failure text,
	tumbling_window interval,
	function_response_types text[] NOT NULL,
	filter_criteria jsonb,
	enabled boolean NOT NULL,
	created_at timestamptz NOT NULL,
	last_modified timestamptz NOT NULL,
	version int8 NOT NULL DEFAULT 1,
	change text NOT NULL DEFAULT 'Creating',
	acknowledged_version int8 NOT NULL DEFAULT 0,
	server_id int8 NOT NULL,
	metrics text[] NOT NULL,
	tags jsonb
) WITH (fillfactor = 70);
COMMENT ON TABLE ddbstreams_shards.mapping IS 'event source mappings; see ddbstreams.list_event_source_mappings()';
CREATE UNIQUE INDEX mapping_pkey ON ddbstreams_shards.mapping (uuid);
CREATE UNIQUE INDEX mapping_mapping_no_key ON ddbstreams_shards.mapping (mapping_no);
CREATE UNIQUE INDEX mapping_event_source_arn_function_name_key
	ON ddbstreams_shards.mapping (event_source_arn, function_name, role_id) WHERE role_id <> 0;
ALTER TABLE ddbstreams_shards.mapping REPLICA IDENTITY FULL;

-- Where a mapping is in a shard, or in a lane of it: with a parallelization
-- factor the records of a shard are divided among lanes by their keys.  A shard
-- without rows is yet to begin: at its first record, once its parent is
-- finished.  Written by handlers alone, drain_to and lanes by the dispatcher
-- while none works at the shard (delivery_position.c).
--
-- mapping_no			the mapping; its rows may outlive it for a moment
-- shard_no				the shard
-- lane, lanes			the lane, and how many the shard is divided into
-- checkpoint			the lane's records behind this number are to be delivered
-- drain_to				where all lanes stop, to be divided anew
-- finished				the shard is closed and has been delivered to its end
-- call_no				rises each time that the lane's worker writes the row; while
--						a call runs it tells the call from others
-- in_call, called_at	the call has begun, and has not ended; while the first call
--						of a batch runs, the row is as it was before it
-- attempts				calls of the present batch, the present one included
-- crashes				how often one has ended its process
-- failures				failures since the last success
-- next_attempt_at		not before; null if there is no hurry to wait
-- batch_ends			the last numbers of the batches that are to be delivered
--						as they are: the present one last, before it the others
--						that bisecting has left
-- giving_up			the condition under which the present batch is given up
-- unhandled			whether an error has failed it, and not the answer
-- window_start, window_end, window_state, window_early
--						the open tumbling window, if there is one
-- records_*, batches_*	counts, for mapping_stats
-- last_result, last_result_at	of the last call, as last_processing_result
-- last_error, last_error_at, last_error_sqlstate	the last failure
-- failing_since		the first failure since the last call that succeeded
CREATE TABLE ddbstreams_shards.mapping_shard (
	mapping_no int8 NOT NULL,
	shard_no int8 NOT NULL,
	lane int2 NOT NULL,
	lanes int2 NOT NULL DEFAULT 1,
	checkpoint int8 NOT NULL,
	drain_to int8,
	finished boolean NOT NULL DEFAULT false,
	call_no int8 NOT NULL DEFAULT 0,
	in_call boolean NOT NULL DEFAULT false,
	called_at timestamptz,
	attempts int NOT NULL DEFAULT 0,
	crashes int NOT NULL DEFAULT 0,
	failures int NOT NULL DEFAULT 0,
	next_attempt_at timestamptz,
	batch_ends int8[] NOT NULL DEFAULT '{}',
	giving_up text,
	unhandled boolean NOT NULL DEFAULT false,
	window_start timestamptz,
	window_end timestamptz,
	window_state jsonb,
	window_early boolean NOT NULL DEFAULT false,
	records_delivered int8 NOT NULL DEFAULT 0,
	records_filtered int8 NOT NULL DEFAULT 0,
	records_lost int8 NOT NULL DEFAULT 0,
	batches_delivered int8 NOT NULL DEFAULT 0,
	batches_failed int8 NOT NULL DEFAULT 0,
	last_result text,
	last_result_at timestamptz,
	last_error text,
	last_error_at timestamptz,
	records_given_up int8 NOT NULL DEFAULT 0,
	last_error_sqlstate text,
	failing_since timestamptz
) WITH (fillfactor = 30);
COMMENT ON TABLE ddbstreams_shards.mapping_shard IS 'positions of event source mappings; see view ddbstreams.mapping_stats';
CREATE UNIQUE INDEX mapping_shard_pkey ON ddbstreams_shards.mapping_shard (mapping_no, shard_no, lane);
ALTER TABLE ddbstreams_shards.mapping_shard REPLICA IDENTITY FULL;

-- Batches that were given up (delivery_failed.c).
--
-- id					the batch's name
-- mapping_no, mapping	the mapping that was to deliver it
-- role_id				the role that made the mapping, and may see and redrive the batch; 0 if
--						it was dropped
-- stream_arn, shard_id
-- failure				Lambda's failure record, without its payload
-- records				the records, an array; null if jsonb cannot hold them
-- failed_at
-- redrive_at			it was asked to be delivered again, and waits for it
-- redriven_at			it was delivered again, with success
-- in_call				as in mapping_shard
-- last_error			why the last redrive has failed
-- table_oid			the stream's table: roles that may not read it do not see the batch
CREATE TABLE ddbstreams_shards.failed_batch (
	id uuid NOT NULL,
	mapping_no int8 NOT NULL,
	mapping uuid NOT NULL,
	role_id oid NOT NULL,
	stream_arn text NOT NULL,
	shard_id text NOT NULL,
	failure jsonb NOT NULL,
	records jsonb,
	failed_at timestamptz NOT NULL,
	redrive_at timestamptz,
	redriven_at timestamptz,
	in_call boolean NOT NULL DEFAULT false,
	last_error text,
	table_oid regclass NOT NULL
) WITH (fillfactor = 90);
COMMENT ON TABLE ddbstreams_shards.failed_batch IS 'batches that event source mappings have given up; see view ddbstreams.failed_batches';
CREATE UNIQUE INDEX failed_batch_pkey ON ddbstreams_shards.failed_batch (id);
ALTER TABLE ddbstreams_shards.failed_batch REPLICA IDENTITY FULL;
CREATE INDEX failed_batch_mapping_no_idx ON ddbstreams_shards.failed_batch (mapping_no);
CREATE INDEX failed_batch_failed_at_idx ON ddbstreams_shards.failed_batch (failed_at);
CREATE INDEX failed_batch_redrive_idx ON ddbstreams_shards.failed_batch (mapping_no, failed_at) WHERE redrive_at IS NOT NULL;

---------------------------------------------------------------------------
-- Consumer groups (consumer*.c)
--
-- A poll and a checkpoint update one lease each, again and again: no updated
-- column is in an index, and pages are half empty, so that the new version of a
-- row fits beside the old one and the old one is pruned (HOT).
---------------------------------------------------------------------------

-- consumer_no			identity, of ddbstreams_shards.id_seq
-- consumer_name		unique
-- stream_id, stream_arn	the stream
-- role_id				whose the consumer is; 0 if the role was dropped
-- starting_position	TRIM_HORIZON or LATEST
-- lease_duration		a lease that is not renewed for so long may be taken
-- created_at
-- lost_records			lost to the retention in shards whose lease is gone
-- untold_records		how many of them no poll has warned about
CREATE TABLE ddbstreams_shards.consumer (
	consumer_no int8 NOT NULL,
	consumer_name text COLLATE "C" NOT NULL,
	stream_id int8 NOT NULL,
	stream_arn text COLLATE "C" NOT NULL,
	role_id oid NOT NULL,
	starting_position text NOT NULL,
	lease_duration interval NOT NULL,
	created_at timestamptz NOT NULL,
	lost_records int8 NOT NULL DEFAULT 0,
	untold_records int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE ddbstreams_shards.consumer IS 'consumer groups; see ddbstreams.consumer_stats';
CREATE UNIQUE INDEX consumer_pkey ON ddbstreams_shards.consumer (consumer_no);
CREATE UNIQUE INDEX consumer_consumer_name_key ON ddbstreams_shards.consumer (consumer_name);
ALTER TABLE ddbstreams_shards.consumer REPLICA IDENTITY FULL;

-- consumer_no, shard_no	whose lease of which shard
-- lease_owner			worker id, null when the lease is free
-- lease_counter		rises with each renewal and each change of owner
-- checkpoint_kind		h: TRIM_HORIZON, l: LATEST, n: a number, e: SHARD_END
-- checkpoint			records after this number are still to be processed
-- returned				the last number that poll has returned to this owner
-- expires_at			when others may take the lease; without an owner: until then it
--						is for workers that have few
-- owner_switches		since the last checkpoint
-- attempts				polls that have returned records since the last checkpoint
-- returned_at			when poll has returned records of this shard last
-- lost_records			records that the horizon has overtaken
-- lost_told			how many of them a poll has warned about
-- last_error, last_error_at
-- worker_pid			the backend that served the owner last
CREATE TABLE ddbstreams_shards.consumer_lease (
	consumer_no int8 NOT NULL,
	shard_no int8 NOT NULL,
	lease_owner text COLLATE "C",
	lease_counter int8 NOT NULL,
	checkpoint_kind "char" NOT NULL,
	checkpoint int8 NOT NULL,
	returned int8 NOT NULL,
	expires_at timestamptz,
	owner_switches int4 NOT NULL,
	attempts int4 NOT NULL,
	returned_at timestamptz,
	lost_records int8 NOT NULL,
	lost_told int8 NOT NULL,
	last_error text,
	last_error_at timestamptz,
	worker_pid int4
) WITH (fillfactor = 50);
COMMENT ON TABLE ddbstreams_shards.consumer_lease IS 'leases of consumer groups; see ddbstreams.leases()';
CREATE UNIQUE INDEX consumer_lease_pkey ON ddbstreams_shards.consumer_lease (consumer_no, shard_no);
ALTER TABLE ddbstreams_shards.consumer_lease REPLICA IDENTITY FULL;

-- consumer_no, worker_id	a worker that has polled, maybe without a lease
-- expires_at			when it is taken for dead
CREATE TABLE ddbstreams_shards.consumer_worker (
	consumer_no int8 NOT NULL,
	worker_id text COLLATE "C" NOT NULL,
	expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE ddbstreams_shards.consumer_worker IS 'workers of consumer groups';
CREATE UNIQUE INDEX consumer_worker_pkey ON ddbstreams_shards.consumer_worker (consumer_no, worker_id);
ALTER TABLE ddbstreams_shards.consumer_worker REPLICA IDENTITY FULL;

SELECT ddbstreams_shards.hide_from_decoding(name), ddbstreams_shards.protect_table(name)
FROM unnest(ARRAY['stream', 'shard', 'row_descriptor', 'secret', 'mapping',
	'mapping_shard', 'failed_batch', 'consumer', 'consumer_lease', 'consumer_worker']) AS own (table_name),
	LATERAL CAST('ddbstreams_shards.' || table_name AS pg_catalog.regclass) AS name;

-- Default privileges of the role that creates the extension do not reach in here.
DO $$
DECLARE
	grant_ record;
BEGIN
	FOR grant_ IN
		SELECT DISTINCT relkind, oid::regclass AS name,
			CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS role
		FROM pg_catalog.pg_class, pg_catalog.aclexplode(relacl)
		WHERE relnamespace = 'ddbstreams_shards'::pg_catalog.regnamespace AND grantee <> relowner
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE',
			CASE grant_.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, grant_.name, grant_.role);
	END LOOP;
	FOR grant_ IN
		SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END AS role
		FROM pg_catalog.pg_namespace, pg_catalog.aclexplode(nspacl)
		WHERE nspname = 'ddbstreams_shards' AND grantee <> nspowner
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA ddbstreams_shards FROM %s CASCADE', grant_.role);
	END LOOP;
END $$;

---------------------------------------------------------------------------
-- Trigger functions (capture.c, shard_tables.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.capture() RETURNS trigger
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_capture';
COMMENT ON FUNCTION ddbstreams.capture() IS
'The trigger function that captures changes of rows. enable_stream makes the trigger
ddbstreams_capture, which calls it; users do not make such triggers.

The trigger''s arguments carry the definition of the stream, so that a dump has it:
stream_view_type=..., shard_count=..., partition_key=..., retention=... and one
mapping={...} for each event source mapping. Where a dump restores the trigger on a
table without a stream, a new stream is enabled as they say.

Errors:
39P01: the function is not called by a trigger that enable_stream has made.
55000: the table has the trigger but no enabled stream.';

CREATE FUNCTION ddbstreams.capture_truncate() RETURNS trigger
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_capture_truncate';
COMMENT ON FUNCTION ddbstreams.capture_truncate() IS
'The trigger function that captures TRUNCATE as a REMOVE of each row. enable_stream makes
the trigger ddbstreams_capture_truncate, which calls it; users do not make such
triggers.

Errors:
39P01: the function is not called by a trigger that enable_stream has made.
55000: the table has the trigger but no enabled stream.';

---------------------------------------------------------------------------
-- Streams on tables (stream_sql.c, lineage.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.enable_stream(
	table_name regclass,
	stream_view_type text DEFAULT 'NEW_AND_OLD_IMAGES',
	shard_count int DEFAULT NULL,
	partition_key text[] DEFAULT NULL,
	retention interval DEFAULT '24 hours')
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_enable_stream';
COMMENT ON FUNCTION ddbstreams.enable_stream(regclass, text, int, text[], interval) IS
'Starts a new, empty stream on a table and returns its ARN.

Every change that is made after the call has returned is captured, in the same
transaction too. The stream ends with disable_stream or when the table is dropped. The
call needs the owner of the table. It locks the table and its partitions as CREATE
TRIGGER does: readers go on, writers wait.

Arguments:
table_name: a table with a primary key. A partitioned table is named by its root; its
  stream has the changes of all partitions.
stream_view_type: what a record holds beside the key: KEYS_ONLY (nothing), NEW_IMAGE
  (the new row), OLD_IMAGE (the old row) or NEW_AND_OLD_IMAGES.
shard_count: the number of shards, 1 to 1024. Null takes the number of leaf partitions
  of a partitioned table, else ddbstreams.default_shard_count.
partition_key: one or more columns of the primary key. Their hash chooses the shard, and
  changes with equal values in them are ordered among themselves. Null takes the whole
  primary key.
retention: how long a record is kept, 1 minute to 100 years.

Errors:
22023: the table has an enabled stream already, or an argument has a bad value.
42809: this kind of table cannot have a stream; the hint says what to do.
42501: the caller does not own the table.
42704: there is no such table.
42710: the table has a trigger with the name of a capture trigger, of another kind.
55006: a statement of this session is using the table.
25006: the transaction or the server is read-only.

From DynamoDB''s UpdateTable, and the StreamSpecification of CreateTable.';

CREATE FUNCTION ddbstreams.disable_stream(table_name regclass)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_disable_stream';
COMMENT ON FUNCTION ddbstreams.disable_stream(regclass) IS
'Ends the stream that is enabled on a table, and returns its ARN.

All its shards are closed. The stream can be read until its last record has passed the
retention. The call needs the owner of the table, and locks it as enable_stream does.

Arguments:
table_name: the table; for a partitioned table its root.

Errors:
22023: no stream is enabled on the table.
42501: the caller does not own the table.
42704: there is no such table.
55006: the transaction has changed the table, or a statement of this session is using
  it.
25006: the transaction or the server is read-only.

From DynamoDB''s UpdateTable.';

CREATE FUNCTION ddbstreams.alter_stream(stream_arn text, retention interval)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_alter_stream';
COMMENT ON FUNCTION ddbstreams.alter_stream(text, interval) IS
'Changes how long the records of a stream are kept. It holds for the records that are
there already, too. The call needs the owner of the table, and locks no table.

Arguments:
stream_arn: the stream, enabled or not.
retention: how long a record is kept, 1 minute to 100 years.

Errors:
22023: the ARN is malformed, or the retention is out of range.
42704: there is no such stream.
42501: the caller does not own the table.
25006: the transaction or the server is read-only.

DynamoDB keeps records for 24 hours, always.';

CREATE FUNCTION ddbstreams.latest_stream_arn(table_name regclass)
	RETURNS text
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_latest_stream_arn';
COMMENT ON FUNCTION ddbstreams.latest_stream_arn(regclass) IS
'The ARN of the stream that was enabled last on a table. A disabled stream counts until
it has expired. Null if there is none, or if table_name is null, as to_regclass returns it
for a table that is not there.

Arguments:
table_name: the table; for a partitioned table its root.

Errors:
42501: the caller may not read the stream: SELECT on the table is missing, or row-level
  security would apply.
42704: there is no such table.

From LatestStreamArn in DynamoDB''s DescribeTable.';

CREATE FUNCTION ddbstreams.list_streams(
	table_name regclass DEFAULT NULL,
	OUT stream_arn text,
	OUT table_name text,
	OUT stream_label text,
	OUT stream_status text,
	OUT stream_view_type text,
	OUT creation_request_date_time timestamptz,
	OUT retention interval)
	RETURNS SETOF record
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_streams';
COMMENT ON FUNCTION ddbstreams.list_streams(regclass) IS
'The streams that the caller may read, in the order of their creation. A disabled stream
is listed until it has expired.

Arguments:
table_name: the table whose streams are listed; null lists those of all tables.

Columns:
stream_arn: the name of the stream, for all other functions.
table_name: the table as AWS''s members name it: with its schema and a dot in front
  unless that is public, and as it was called when the stream was enabled.
stream_label: the time of creation, in UTC and ISO 8601; the last part of the ARN.
stream_status: ENABLED or DISABLED.
stream_view_type: KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES.
creation_request_date_time: when the stream was enabled.
retention: how long records are kept.

Errors:
42704: there is no such table.

From DynamoDB''s ListStreams.';

CREATE FUNCTION ddbstreams.describe_stream(
	stream_arn text,
	children_of text DEFAULT NULL,
	OUT shard_id text,
	OUT parent_shard_id text,
	OUT starting_sequence_number text,
	OUT ending_sequence_number text,
	OUT shard_table regclass,
	OUT hash_range numrange)
	RETURNS SETOF record
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_describe_stream';
COMMENT ON FUNCTION ddbstreams.describe_stream(text, text) IS
'The shards of a stream in the order of their ids. A child''s id sorts after its parent''s.

Arguments:
stream_arn: the stream.
children_of: the id of a shard, whose children alone are returned; none if it has none or
  is not there; null: all shards.

Columns:
shard_id: the shard.
parent_shard_id: the shard that it follows, which may have expired already; null for a
  shard that was made with the stream.
starting_sequence_number: no record of the shard has a lower number.
ending_sequence_number: the number of the last record; the starting number if the shard
  was closed without one; null while the shard is open.
shard_table: the table that holds the records, in schema ddbstreams_shards. It is there
  to look at sizes; records are read by get_records.
hash_range: the hashes of partition keys that belong to the shard, without its upper
  end. The ranges of the open shards cover [0, 2^64) without a gap.

Errors:
22023: the ARN is malformed.
42704: there is no such stream.
42501: the caller may not read the stream.

From DynamoDB''s DescribeStream.';

CREATE FUNCTION ddbstreams.split_shard(stream_arn text, shard_id text)
	RETURNS SETOF text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 2
	AS 'MODULE_PATHNAME', 'ddbstreams_split_shard';
COMMENT ON FUNCTION ddbstreams.split_shard(text, text) IS
'Closes an open shard and opens two, each with one half of its hashes. Returns the ids of
the two new shards.

Writers wait for 0.2 seconds at most. While a transaction is committing to the shard,
the function tries ten times, and then gives up. The call needs the owner of the
table.

Arguments:
stream_arn: the stream, which is enabled.
shard_id: an open shard of the stream.

Errors:
55006: the call stands in a transaction block, the same statement has changed the table,
  or the shard could not be had.
22023: the shard is closed, it has a single hash, or the stream is disabled.
ZS003: the stream has 1024 open shards already.
42704: there is no such stream or shard.
42501: the caller does not own the table.
25006: the transaction or the server is read-only.

From Kinesis'' SplitShard; DynamoDB splits by itself.';

CREATE FUNCTION ddbstreams.roll_over(stream_arn text)
	RETURNS int
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_roll_over';
COMMENT ON FUNCTION ddbstreams.roll_over(text) IS
'Closes every open shard of a stream and opens one child for each, with the same hashes.
Returns the number of shards that were closed.

A shard that a prepared or long transaction is committing to stays open, with a warning.
The call needs the owner of the table.

Arguments:
stream_arn: the stream, which is enabled.

Errors:
55006: the call stands in a transaction block, or the same statement has changed the
  table.
22023: the stream is disabled, or the ARN is malformed.
42704: there is no such stream.
42501: the caller does not own the table.
25006: the transaction or the server is read-only.

DynamoDB does this by itself every four hours, and so does the maintenance worker.';

---------------------------------------------------------------------------
-- Expiry (expiry.c): what the maintenance worker does, by hand
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams_shards.expire(stream_arn text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_expire';
COMMENT ON FUNCTION ddbstreams_shards.expire(text) IS 'drops the shards and streams, or those of one stream, that have expired and that nobody is using';
REVOKE ALL ON FUNCTION ddbstreams_shards.expire(text) FROM PUBLIC;

---------------------------------------------------------------------------
-- Reading (records_sql.c, wait_sql.c, changes_sql.c, unmarshal.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.get_shard_iterator(
	stream_arn text,
	shard_id text,
	shard_iterator_type text,
	sequence_number text DEFAULT NULL,
	at timestamptz DEFAULT NULL)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_get_shard_iterator';
COMMENT ON FUNCTION ddbstreams.get_shard_iterator(text, text, text, text, timestamptz) IS
'A position in a shard, for get_records. It is valid for ddbstreams.iterator_lifetime.

Arguments:
stream_arn: the stream.
shard_id: the shard.
shard_iterator_type: where to begin. TRIM_HORIZON: at the oldest record that is kept
  when the iterator is used. LATEST: behind the last record that the snapshot of this
  statement can see. AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER: at a record, or
  behind it. AT_TIMESTAMP: at the first record that was written at a time or later.
sequence_number: the number, for AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER alone.
at: the time, for AT_TIMESTAMP alone. A time before the retention means the oldest
  record that is kept.

Errors:
22023: a bad type, number or time; a number or a time that is missing or not wanted.
42704: there is no such stream or shard.
42501: the caller may not read the stream.
ZS002: the number is older than the stream''s retention.

From DynamoDB''s GetShardIterator.';

CREATE FUNCTION ddbstreams.next_shard_iterator(shard_iterator text)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_next_shard_iterator';
COMMENT ON FUNCTION ddbstreams.next_shard_iterator(text) IS
'The same position in an iterator that is issued now. Null if the shard is closed and no
record comes after the position. A reader calls it when a page was empty and its
iterator grows old.

Arguments:
shard_iterator: an iterator that has not expired.

Errors:
22023: the text is no iterator of this database, or was altered.
ZS001: the iterator has expired.
42704: the stream or the shard is gone.
42501: the caller may not read the stream.';

CREATE FUNCTION ddbstreams.get_records(
	shard_iterator text,
	max_records int DEFAULT 1000,
	OUT event_id text,
	OUT event_name text,
	OUT event_version text,
	OUT event_source text,
	OUT aws_region text,
	OUT approximate_creation_date_time timestamptz,
	OUT keys json,
	OUT new_image json,
	OUT old_image json,
	OUT sequence_number text,
	OUT size_bytes bigint,
	OUT stream_view_type text,
	OUT user_identity json,
	OUT transaction_id xid8,
	OUT next_shard_iterator text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_get_records';
COMMENT ON FUNCTION ddbstreams.get_records(text, int) IS
'The records after an iterator, in order: at most 1 MB, but always one record if one may
be read. No row means that nothing more can be read now.

Arguments:
shard_iterator: the position to read from.
max_records: the number of records at most, 1 to 1000.

Columns:
event_id: a name that no record of another shard or stream has; 32 hexadecimal digits.
event_name: INSERT, MODIFY or REMOVE.
event_version: 1.1.
event_source: aws:dynamodb.
aws_region: the region in the stream''s ARN.
approximate_creation_date_time: when the transaction wrote the record, just before its
  commit.
keys: the primary key, as typed JSON.
new_image: the row after the change, as typed JSON; null for a REMOVE, and if the view
  type leaves it out.
old_image: the row before the change; null for an INSERT, and if the view type leaves it
  out.
sequence_number: the place in the shard; 21 digits, so that text order is number order.
size_bytes: the size of keys and images by DynamoDB''s rules.
stream_view_type: the stream''s.
user_identity: on whose behalf the row was changed, {"type": ..., "principalId": ...}; null
  unless the writer has set ddbstreams.user_identity.
transaction_id: the transaction that made the change.
next_shard_iterator: the position just after this row; null on the last row of a closed
  shard.

Errors:
22023: the text is no iterator of this database, or max_records is out of range.
ZS001: the iterator has expired.
ZS002: the next record is older than the stream''s retention.
ZS003: ddbstreams.max_readers_per_shard calls read the shard already.
42704: the stream or the shard is gone.
42501: the caller may not read the stream.

From DynamoDB''s GetRecords.';

CREATE FUNCTION ddbstreams.wait_for_records(shard_iterator text, timeout interval)
	RETURNS boolean
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_wait_for_records';
COMMENT ON FUNCTION ddbstreams.wait_for_records(text, interval) IS
'Waits for something to read. True as soon as there is a record after the iterator, or
the shard has ended; false when the time is over. A waiting session is woken by the
commit itself, within milliseconds. On a standby it watches the replay of WAL.

Arguments:
shard_iterator: the position after which a record is waited for.
timeout: how long to wait, 0 to 1 day.

Errors:
25001: the transaction is REPEATABLE READ or SERIALIZABLE, whose snapshot would never
  show the record.
22023: the text is no iterator of this database, or the timeout is out of range.
ZS001: the iterator had expired when the call began.
42704: the stream or the shard is gone.
42501: the caller may not read the stream.';

CREATE FUNCTION ddbstreams.changes(
	row_type anyelement,
	since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL,
	stream_arn text DEFAULT NULL,
	OUT event_name text,
	OUT sequence_number text,
	OUT shard_id text,
	OUT committed_at timestamptz,
	OUT transaction_id xid8,
	OUT old_image anyelement,
	OUT new_image anyelement)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'ddbstreams_changes';
COMMENT ON FUNCTION ddbstreams.changes(anyelement, timestamptz, timestamptz, text) IS
'The records of all shards of a stream as rows of the table''s own type, for looking at
what has changed:

  SELECT event_name, (new_image).* FROM ddbstreams.changes(null::orders);

Parents come before their children, and otherwise records are merged by sequence number.
It is not for following a stream: a record of another shard with a lower number may
appear later.

Columns are matched by their attribute number. A value whose column has another type now
is converted by the assignment cast; if that fails it is null, with a warning. The
conversion runs as the owner of the table if the caller can become that role by SET ROLE,
else as the caller.

Arguments:
row_type: null::name of the table. The table''s latest stream is read unless stream_arn
  says otherwise.
since: the first time that is of interest; null begins with the oldest record.
until: the first time that is of interest no longer; null ends with the newest record.
stream_arn: another stream, which may be one of a table that was dropped. row_type can
  be a composite type then.

Columns:
event_name: INSERT, MODIFY or REMOVE.
sequence_number: the place in the shard.
shard_id: the shard.
committed_at: when the transaction wrote the record, just before its commit.
transaction_id: the transaction that made the change.
old_image: the row before the change, or null.
new_image: the row after the change, or null.

Errors:
42809: row_type is not the row type of a table.
42704: the table has no stream, or there is no such stream.
42501: the caller may not read the stream.
22023: the ARN is malformed.';

CREATE FUNCTION ddbstreams.changes(
	table_name text,
	since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL,
	stream_arn text DEFAULT NULL,
	OUT event_name text,
	OUT sequence_number text,
	OUT shard_id text,
	OUT committed_at timestamptz,
	OUT transaction_id xid8,
	OUT old_image json,
	OUT new_image json)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 1000
	AS 'MODULE_PATHNAME', 'ddbstreams_changes';
COMMENT ON FUNCTION ddbstreams.changes(text, timestamptz, timestamptz, text) IS
'The records of all shards of a stream, as changes(null::orders) returns them, but with
images in typed JSON, as get_records has them. So the table can be named:

  SELECT event_name, new_image FROM ddbstreams.changes(''orders'');

unmarshal makes plain JSON of an image.

Arguments:
table_name: the table. Its latest stream is read unless stream_arn says otherwise.
since: the first time that is of interest; null begins with the oldest record.
until: the first time that is of interest no longer; null ends with the newest record.
stream_arn: another stream, for example one of an earlier time.

Columns:
event_name: INSERT, MODIFY or REMOVE.
sequence_number: the place in the shard.
shard_id: the shard.
committed_at: when the transaction wrote the record, just before its commit.
transaction_id: the transaction that made the change.
old_image: the row before the change as typed JSON, or null.
new_image: the row after the change as typed JSON, or null.

Errors:
22023: table_name is null, or the ARN is malformed.
42P01: there is no such table.
42704: the table has no stream, or there is no such stream.
42501: the caller may not read the stream.';

CREATE FUNCTION ddbstreams.newest_records(
	stream_arn text,
	max_records int DEFAULT 100,
	OUT shard_id text,
	OUT event_id text,
	OUT event_name text,
	OUT event_version text,
	OUT event_source text,
	OUT aws_region text,
	OUT approximate_creation_date_time timestamptz,
	OUT keys json,
	OUT new_image json,
	OUT old_image json,
	OUT sequence_number text,
	OUT size_bytes bigint,
	OUT stream_view_type text,
	OUT user_identity json,
	OUT transaction_id xid8,
	OUT next_shard_iterator text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_newest_records';
COMMENT ON FUNCTION ddbstreams.newest_records(text, int) IS
'The records of all shards that have the highest sequence numbers among those that can
be read now, shard by shard. It reads the ends of the shards alone, however much they
hold.

It is not for following a stream: a record of another shard with a lower number may
appear later. A call waits for its turn when ddbstreams.max_readers_per_shard calls read
a shard already.

Arguments:
stream_arn: the stream.
max_records: the number of records at most, 1 to 1000.

Columns:
shard_id: the shard.
event_id: as in get_records, and so are the columns that follow.
event_name: INSERT, MODIFY or REMOVE.
event_version: 1.1.
event_source: aws:dynamodb.
aws_region: the region in the stream''s ARN.
approximate_creation_date_time: when the transaction wrote the record.
keys: the primary key, as typed JSON.
new_image: the row after the change, or null.
old_image: the row before the change, or null.
sequence_number: the place in the shard.
size_bytes: the size of keys and images by DynamoDB''s rules.
stream_view_type: the stream''s.
user_identity: as in get_records.
transaction_id: the transaction that made the change.
next_shard_iterator: the position just after this row.

Errors:
22023: the ARN is malformed, or max_records is out of range.
42704: there is no such stream.
42501: the caller may not read the stream.';

CREATE FUNCTION ddbstreams.unmarshal(image json)
	RETURNS json
	LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_unmarshal';
COMMENT ON FUNCTION ddbstreams.unmarshal(json) IS
'Turns DynamoDB''s typed JSON into plain JSON: {"id":{"N":"1"}} becomes {"id":1}. Bytes
stay base64.

Arguments:
image: an image, or a single attribute value.

Errors:
22023: the argument is null or no typed JSON.';

---------------------------------------------------------------------------
-- Event source mappings (mapping_sql.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.create_event_source_mapping(
	function_name regproc,
	event_source_arn text,
	starting_position text,
	batch_size int DEFAULT 100,
	maximum_batching_window interval DEFAULT '0',
	parallelization_factor int DEFAULT 1,
	maximum_record_age interval DEFAULT NULL,
	maximum_retry_attempts int DEFAULT -1,
	bisect_batch_on_function_error boolean DEFAULT false,
	on_failure regproc DEFAULT NULL,
	tumbling_window interval DEFAULT NULL,
	function_response_types text[] DEFAULT '{}',
	filter_criteria jsonb DEFAULT NULL,
	enabled boolean DEFAULT true)
	RETURNS uuid
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_create_event_source_mapping';
COMMENT ON FUNCTION ddbstreams.create_event_source_mapping(regproc, text, text, int, interval, int, interval, int, boolean, regproc, interval, text[], jsonb, boolean) IS
'Has a function called with the records of a stream, in a background worker. Returns the
name of the mapping.

The function runs as the role that makes the mapping. The call and the move of the
position are one transaction, so that its effects in the database happen once. Times are
whole seconds.

Arguments:
function_name: f(event jsonb), which returns jsonb or void. It is remembered by its name
  and looked up at each batch. If several functions have the name, write
  ''f(jsonb)''::regprocedure.
event_source_arn: the stream.
starting_position: TRIM_HORIZON: the oldest record that is kept. LATEST: all that
  commits later than what the snapshot of this statement sees.
batch_size: the number of records in a call at most, 1 to 10000.
maximum_batching_window: how long to wait for a full batch, 0 to 300 seconds.
parallelization_factor: the number of calls at the same time for one shard, 1 to 10. The
  order of each key is kept.
maximum_record_age: older records are given up, 60 seconds to 7 days; null or -1 second:
  none is.
maximum_retry_attempts: how often a failed batch is tried again, 0 to 10000; -1: until
  its records expire.
bisect_batch_on_function_error: whether a failed batch is tried again in halves.
on_failure: f(failure jsonb), which is called with each batch that is given up.
tumbling_window: the time over which the handler''s state is handed on, 1 to 900 seconds;
  null or 0: none.
function_response_types: {} or {ReportBatchItemFailures}.
filter_criteria: {"Filters": [{"Pattern": "..."}]} with at most 5 filters, of which one
  must match.
enabled: whether delivery begins at once.

Errors:
22023: a bad value, an unknown stream, or an unknown function.
42809: a function of another kind.
42710: the role has a mapping of the stream and the function already.
42501: SELECT on the table, EXECUTE on a function or USAGE on its schema is missing, or
  before PostgreSQL 17 the role may not log in.
ZS003: the stream has 200 mappings of one role, or 1000 in all.
25006: the transaction or the server is read-only.

From Lambda''s CreateEventSourceMapping.';

CREATE FUNCTION ddbstreams.update_event_source_mapping(
	uuid uuid,
	function_name regproc DEFAULT NULL,
	batch_size int DEFAULT NULL,
	maximum_batching_window interval DEFAULT NULL,
	parallelization_factor int DEFAULT NULL,
	maximum_record_age interval DEFAULT NULL,
	maximum_retry_attempts int DEFAULT NULL,
	bisect_batch_on_function_error boolean DEFAULT NULL,
	on_failure regproc DEFAULT NULL,
	tumbling_window interval DEFAULT NULL,
	function_response_types text[] DEFAULT NULL,
	filter_criteria jsonb DEFAULT NULL,
	enabled boolean DEFAULT NULL)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_update_event_source_mapping';
COMMENT ON FUNCTION ddbstreams.update_event_source_mapping(uuid, regproc, int, interval, int, interval, int, boolean, regproc, interval, text[], jsonb, boolean) IS
'Changes an event source mapping. What is null stays as it is. The handler goes on
running as the role that made the mapping.

Arguments:
uuid: the mapping.
function_name: another function.
batch_size: as in create_event_source_mapping.
maximum_batching_window: as in create_event_source_mapping; a negative interval: 0.
parallelization_factor: as in create_event_source_mapping.
maximum_record_age: as in create_event_source_mapping; a negative interval: none.
maximum_retry_attempts: as in create_event_source_mapping.
bisect_batch_on_function_error: as in create_event_source_mapping.
on_failure: another function; ''-'': none.
tumbling_window: as in create_event_source_mapping; a negative interval: none.
function_response_types: as in create_event_source_mapping.
filter_criteria: as in create_event_source_mapping; ''{}'': none.
enabled: false stops delivery behind the batch that is in flight; true goes on from
  there. In a copy of the database, where mappings are Disabled, true enables them.

Errors:
22023: a bad value or an unknown function.
42809: a function of another kind.
42704: there is no such mapping.
42710: the role has a mapping of the stream and the new function already.
42501: the caller cannot become the role that made the mapping by SET ROLE, or that role
  lacks a right on the function.
25006: the transaction or the server is read-only.

From Lambda''s UpdateEventSourceMapping.';

CREATE FUNCTION ddbstreams.delete_event_source_mapping(uuid uuid)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_delete_event_source_mapping';
COMMENT ON FUNCTION ddbstreams.delete_event_source_mapping(uuid) IS
'Deletes an event source mapping and its positions. A batch in flight is rolled back. The
batches that the mapping has given up go with it.

Arguments:
uuid: the mapping.

Errors:
42704: there is no such mapping.
42501: the caller cannot become the role that made the mapping by SET ROLE.
55006: the mapping''s own handler calls this.
25006: the transaction or the server is read-only.

From Lambda''s DeleteEventSourceMapping.';

CREATE FUNCTION ddbstreams.list_event_source_mappings(
	event_source_arn text DEFAULT NULL,
	function_name regproc DEFAULT NULL,
	OUT uuid uuid,
	OUT function_name text,
	OUT event_source_arn text,
	OUT starting_position text,
	OUT state text,
	OUT last_processing_result text,
	OUT batch_size int,
	OUT maximum_batching_window interval,
	OUT parallelization_factor int,
	OUT maximum_record_age interval,
	OUT maximum_retry_attempts int,
	OUT bisect_batch_on_function_error boolean,
	OUT on_failure text,
	OUT tumbling_window interval,
	OUT function_response_types text[],
	OUT filter_criteria jsonb,
	OUT enabled boolean)
	RETURNS SETOF record
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_event_source_mappings';
COMMENT ON FUNCTION ddbstreams.list_event_source_mappings(text, regproc) IS
'The event source mappings of the roles that the caller may become by SET ROLE, in the
order of their creation.

Arguments:
event_source_arn: the stream whose mappings are listed; null: all streams.
function_name: the function whose mappings are listed; null: all functions.

Columns:
uuid: the mapping.
function_name: the handler, with its schema.
event_source_arn: the stream.
starting_position: TRIM_HORIZON or LATEST.
state: Creating, Enabling or Updating until the dispatcher works by the change; Enabled;
  Disabling while the last batch is in flight; Disabled, also in a copy of the database,
  and once the stream or the role is gone.
last_processing_result: No records processed, OK, or PROBLEM: and what it is.
batch_size: the number of records in a call at most.
maximum_batching_window: how long a batch may take to fill.
parallelization_factor: the number of calls at the same time for one shard.
maximum_record_age: older records are given up; null: none.
maximum_retry_attempts: how often a failed batch is tried again; -1: without a limit.
bisect_batch_on_function_error: whether a failed batch is tried again in halves.
on_failure: the function that is called with what is given up, or null.
tumbling_window: the time over which the handler''s state is handed on; null: none.
function_response_types: {} or {ReportBatchItemFailures}.
filter_criteria: the filters, or null.
enabled: whether the mapping delivers in this database.

Errors:
22023: the ARN is malformed.
42704: there is no such function.

From Lambda''s ListEventSourceMappings.';

---------------------------------------------------------------------------
-- Batches that were given up (delivery_redrive.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams_shards.may_read_batch(stream_arn text, table_oid regclass) RETURNS boolean
	LANGUAGE C STABLE STRICT
	AS 'MODULE_PATHNAME', 'ddbstreams_may_read_batch';
COMMENT ON FUNCTION ddbstreams_shards.may_read_batch(text, regclass) IS
'whether the current user may read the records of a failed batch; for view failed_batches';

CREATE VIEW ddbstreams.failed_batches WITH (security_barrier) AS
	SELECT id, mapping, stream_arn, shard_id,
		failure || pg_catalog.jsonb_build_object('payload', pg_catalog.jsonb_build_object('Records', records)) AS failure,
		records, failed_at, redriven_at, redrive_at IS NOT NULL AS redrive_pending, last_error
	FROM ddbstreams_shards.failed_batch
	WHERE pg_catalog.pg_has_role(role_id, 'USAGE')
		AND ddbstreams_shards.may_read_batch(stream_arn, table_oid);
COMMENT ON VIEW ddbstreams.failed_batches IS
'Batches that event source mappings have given up. Shows those of mappings that were made
by a role whose privileges the reader has, as long as the reader may SELECT from the
stream''s table. They go with the mapping, and ddbstreams.failed_batch_retention after
they failed. Lambda sends these to an on-failure destination.';
COMMENT ON COLUMN ddbstreams.failed_batches.id IS 'the batch, for redrive.';
COMMENT ON COLUMN ddbstreams.failed_batches.mapping IS 'the event source mapping.';
COMMENT ON COLUMN ddbstreams.failed_batches.stream_arn IS 'the stream.';
COMMENT ON COLUMN ddbstreams.failed_batches.shard_id IS 'the shard.';
COMMENT ON COLUMN ddbstreams.failed_batches.failure IS 'Lambda''s record of the failure, with the records as its payload.';
COMMENT ON COLUMN ddbstreams.failed_batches.records IS 'the records, an array; null if jsonb cannot hold them.';
COMMENT ON COLUMN ddbstreams.failed_batches.failed_at IS 'when the batch was given up.';
COMMENT ON COLUMN ddbstreams.failed_batches.redriven_at IS 'when redrive has delivered the batch after all, or null.';
COMMENT ON COLUMN ddbstreams.failed_batches.redrive_pending IS 'whether the batch waits to be delivered again.';
COMMENT ON COLUMN ddbstreams.failed_batches.last_error IS 'why the last redrive has failed, or null.';
GRANT SELECT ON ddbstreams.failed_batches TO PUBLIC;

CREATE FUNCTION ddbstreams.redrive(uuid uuid DEFAULT NULL)
	RETURNS int
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_redrive';
COMMENT ON FUNCTION ddbstreams.redrive(uuid) IS
'Delivers failed batches again, and returns how many. The mapping''s workers deliver them
once this transaction has committed, each once. A batch that fails again stays in
failed_batches with last_error.

Batches that were delivered already, that have no records, or whose mapping has been
deleted are left out; so are those of a stream that has expired, whose mapping can
deliver nothing any more. The records come late: changes of the same keys may have been
delivered before them.

Arguments:
uuid: a batch by its id, or all batches of a mapping by its uuid; null: all that the
  caller may see.

Errors:
42704: there is no such batch or mapping, or the caller may not see it.
25006: the transaction or the server is read-only.

Lambda sends failed batches to a destination instead; Amazon SQS has a redrive.';
---------------------------------------------------------------------------
-- How far event source mappings are (delivery_stats.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams_shards.list_mapping_stats(
	OUT mapping uuid,
	OUT function_name text,
	OUT stream_arn text,
	OUT shard_id text,
	OUT lane int,
	OUT state text,
	OUT lag_records bigint,
	OUT lag_seconds double precision,
	OUT attempts int,
	OUT next_attempt_at timestamptz,
	OUT last_error text,
	OUT last_error_at timestamptz,
	OUT worker_pid int,
	OUT checkpoint text,
	OUT records_delivered bigint,
	OUT records_filtered bigint,
	OUT records_lost bigint,
	OUT batches_delivered bigint,
	OUT batches_failed bigint,
	OUT records_given_up bigint,
	OUT role_name text,
	OUT last_error_sqlstate text,
	OUT failing_since timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_list_mapping_stats';
COMMENT ON FUNCTION ddbstreams_shards.list_mapping_stats() IS 'reads ddbstreams.mapping_stats';

CREATE VIEW ddbstreams.mapping_stats AS
	SELECT mapping, function_name, stream_arn, shard_id, lane, state, lag_records, lag_seconds, attempts,
		next_attempt_at, last_error, last_error_at, worker_pid, checkpoint, records_delivered,
		records_filtered, records_lost, batches_delivered, batches_failed, records_given_up, role_name,
		last_error_sqlstate, failing_since
	FROM ddbstreams_shards.list_mapping_stats();
COMMENT ON VIEW ddbstreams.mapping_stats IS
'How far each event source mapping is in each shard of its stream: one row for each lane
that a shard is divided into by the parallelization factor. Shows the mappings of roles
whose privileges the reader has, and all of them to members of pg_monitor.';
COMMENT ON COLUMN ddbstreams.mapping_stats.mapping IS 'the event source mapping.';
COMMENT ON COLUMN ddbstreams.mapping_stats.function_name IS 'the handler, with its schema.';
COMMENT ON COLUMN ddbstreams.mapping_stats.stream_arn IS 'the stream.';
COMMENT ON COLUMN ddbstreams.mapping_stats.shard_id IS 'the shard.';
COMMENT ON COLUMN ddbstreams.mapping_stats.lane IS 'the lane, from 0; null for a shard that is yet to begin.';
COMMENT ON COLUMN ddbstreams.mapping_stats.state IS 'disabled; waiting (for the parent shard); delivering (a call is running); retrying (the present batch has failed, and blocks the lane); giving up (the batch goes to on_failure); ready (up to date, or about to go on); finished (the shard has ended and is delivered).';
COMMENT ON COLUMN ddbstreams.mapping_stats.lag_records IS 'records behind the checkpoint that can be read. Those of other lanes, and those that the filter will pass over, are counted too. Beyond 10,000 it is estimated.';
COMMENT ON COLUMN ddbstreams.mapping_stats.lag_seconds IS 'age of the first record behind the checkpoint, in seconds; 0 if there is none.';
COMMENT ON COLUMN ddbstreams.mapping_stats.attempts IS 'calls for the present batch so far; 0 between batches.';
COMMENT ON COLUMN ddbstreams.mapping_stats.next_attempt_at IS 'when the present batch is tried again; null if there is nothing to wait for.';
COMMENT ON COLUMN ddbstreams.mapping_stats.last_error IS 'the error of the last call that failed, also when others have succeeded since.';
COMMENT ON COLUMN ddbstreams.mapping_stats.last_error_at IS 'when that was.';
COMMENT ON COLUMN ddbstreams.mapping_stats.worker_pid IS 'the handler worker that runs it now; null if none does.';
COMMENT ON COLUMN ddbstreams.mapping_stats.checkpoint IS 'records with higher sequence numbers are to be delivered.';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_delivered IS 'records whose effects have been committed.';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_filtered IS 'records that the filter has passed over.';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_lost IS 'records that have expired before they were delivered.';
COMMENT ON COLUMN ddbstreams.mapping_stats.batches_delivered IS 'batches that were delivered completely.';
COMMENT ON COLUMN ddbstreams.mapping_stats.batches_failed IS 'batches that were given up: see failed_batches.';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_given_up IS 'records in these batches.';
COMMENT ON COLUMN ddbstreams.mapping_stats.role_name IS 'the role that made the mapping, as which its functions run; null if it was dropped.';
COMMENT ON COLUMN ddbstreams.mapping_stats.last_error_sqlstate IS 'the SQLSTATE of that error; 22023 for an answer that cannot be used; null if there was no error: the answer names records that have failed, or the process has ended.';
COMMENT ON COLUMN ddbstreams.mapping_stats.failing_since IS 'the first failure since a call succeeded last; null if the last call succeeded.';
GRANT SELECT ON ddbstreams.mapping_stats TO PUBLIC;

---------------------------------------------------------------------------
-- Filters of event source mappings (filter*.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.filter_matches(pattern jsonb, record jsonb)
	RETURNS bool
	LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_filter_matches';
COMMENT ON FUNCTION ddbstreams.filter_matches(jsonb, jsonb) IS
'Whether a filter of an event source mapping lets a record through.

All keys of a pattern must match. Its leaves are arrays, and of each one member must
match: a string, a number (by its value), true, false, null, or an operator: prefix,
suffix, equals-ignore-case, anything-but, numeric, exists, wildcard or cidr. "$or" with
two objects or more is a choice. Values have DynamoDB''s types: an N is a string, which
numeric does not match.

Arguments:
pattern: {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S":
  ["open"]}}}}
record: what a handler finds in Records of its event: {"eventName": "INSERT",
  "dynamodb": {"Keys": {"id": {"N": "1"}}}}

Errors:
22023: the pattern is none ("Invalid filter pattern definition."; the detail says
  where), or the record is no object.

From the FilterCriteria of Lambda, whose patterns are EventBridge''s.';

---------------------------------------------------------------------------
-- Consumer groups (consumer_sql.c, consumer_poll.c, consumer_stats.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.create_consumer(
	consumer_name text,
	stream_arn text,
	starting_position text DEFAULT 'TRIM_HORIZON',
	lease_duration interval DEFAULT '10 seconds')
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_create_consumer';
COMMENT ON FUNCTION ddbstreams.create_consumer(text, text, text, interval) IS
'Makes a consumer group: a named set of workers that share the shards of a stream by
leases. It belongs to the role that makes it.

Arguments:
consumer_name: 1 to 128 characters, unique in the database.
stream_arn: the stream.
starting_position: TRIM_HORIZON: the oldest record that is kept. LATEST: behind what the
  snapshot of this statement sees. What the same snapshot shows of the table, and what
  the consumer returns, lose nothing between them.
lease_duration: how long a worker keeps a lease without renewing it, 1 second to 1 day.

Errors:
22023: a bad value, or a malformed ARN.
42710: there is a consumer of that name.
42704: there is no such stream.
42501: the caller may not read the stream.
ZS003: the stream has 200 consumers of one role, or 1000 in all.
25006: the transaction or the server is read-only.

From the application and lease table of the Kinesis Client Library.';

CREATE FUNCTION ddbstreams.drop_consumer(consumer_name text)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_drop_consumer';
COMMENT ON FUNCTION ddbstreams.drop_consumer(text) IS
'Drops a consumer group with its checkpoints. It waits for no worker: a worker that polls
later gets 42704, and one that has polled before can no longer checkpoint.

Arguments:
consumer_name: the consumer.

Errors:
42704: there is no such consumer.
42501: the caller is not a member of the role that made it.
25006: the transaction or the server is read-only.';

CREATE FUNCTION ddbstreams.poll(
	consumer_name text,
	worker_id text,
	max_records int DEFAULT 100,
	max_wait interval DEFAULT '0',
	OUT shard_id text,
	OUT event_id text,
	OUT event_name text,
	OUT event_version text,
	OUT event_source text,
	OUT aws_region text,
	OUT approximate_creation_date_time timestamptz,
	OUT keys json,
	OUT new_image json,
	OUT old_image json,
	OUT sequence_number text,
	OUT size_bytes bigint,
	OUT stream_view_type text,
	OUT user_identity json,
	OUT transaction_id xid8,
	OUT next_shard_iterator text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_poll';
COMMENT ON FUNCTION ddbstreams.poll(text, text, int, interval) IS
'Renews or takes a worker''s fair share of a consumer group''s leases, and returns the
records after their checkpoints.

Records of one shard come in order, and children of a shard only when the shard is
finished. What was returned and not checkpointed is returned again. Until the
transaction ends no other worker gets its leases; so poll, effects and checkpoint in one
transaction happen exactly once. Records that were lost to the retention are told by a
warning.

Arguments:
consumer_name: the consumer.
worker_id: 1 to 128 characters; the name of one thing that processes records. Workers
  that run at the same time have different names.
max_records: the number of records at most, 1 to 10000. At most 1 MB of a shard is
  returned, but always one record.
max_wait: how long to wait for a record, 0 to 1 day. The call may return nothing
  earlier, when leases change hands.

Columns:
shard_id: the shard, for checkpoint.
event_id: as in get_records, and so are the columns that follow.
event_name: INSERT, MODIFY or REMOVE.
event_version: 1.1.
event_source: aws:dynamodb.
aws_region: the region in the stream''s ARN.
approximate_creation_date_time: when the transaction wrote the record.
keys: the primary key, as typed JSON.
new_image: the row after the change, or null.
old_image: the row before the change, or null.
sequence_number: the place in the shard, for checkpoint.
size_bytes: the size of keys and images by DynamoDB''s rules.
stream_view_type: the stream''s.
user_identity: as in get_records.
transaction_id: the transaction that made the change.
next_shard_iterator: the position just after this row.

Errors:
22023: a bad value.
42704: there is no such consumer, or its stream is gone.
42501: the caller is not a member of the consumer''s role, or may not read the stream.
25001: the transaction is REPEATABLE READ or SERIALIZABLE.
25006: the transaction is read-only, or the server is a standby.

From the Kinesis Client Library.';

CREATE FUNCTION ddbstreams.checkpoint(
	consumer_name text,
	worker_id text,
	shard_id text,
	sequence_number text)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_checkpoint';
COMMENT ON FUNCTION ddbstreams.checkpoint(text, text, text, text) IS
'Says that the records of a shard up to a number are processed, and renews the lease.
With the last record of a closed shard the shard is finished, and its children begin. To
give the same checkpoint again is no error.

Arguments:
consumer_name: the consumer.
worker_id: the worker that has polled the records.
shard_id: the shard.
sequence_number: the number of the last record that is processed.

Errors:
55006: the worker does not hold the lease, or not any more. Another worker processes the
  records that it has not checkpointed.
22023: the number is malformed, was not returned by poll to this worker, or lies before
  the checkpoint.
42704: there is no such consumer or shard, or the stream is gone.
42501: the caller is not a member of the consumer''s role, or may not read the stream.
25006: the transaction or the server is read-only.

From the Kinesis Client Library.';

CREATE FUNCTION ddbstreams.leases(
	consumer_name text,
	OUT shard_id text,
	OUT parent_shard_id text,
	OUT lease_owner text,
	OUT lease_counter bigint,
	OUT checkpoint text,
	OUT expires_at timestamptz,
	OUT owner_switches_since_checkpoint int)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_leases';
COMMENT ON FUNCTION ddbstreams.leases(text) IS
'The leases of a consumer group in the order of shard ids.

Arguments:
consumer_name: the consumer.

Columns:
shard_id: the shard.
parent_shard_id: the shard that must be finished first, or null.
lease_owner: the worker that holds the lease, or null.
lease_counter: rises with each renewal and each change of the owner.
checkpoint: the last number that is processed, TRIM_HORIZON, LATEST, or SHARD_END for a
  finished shard.
expires_at: when another worker may take the lease; null without an owner.
owner_switches_since_checkpoint: how often the lease has gone from one worker to another
  since the last checkpoint.

Errors:
42704: there is no such consumer, or its stream is gone.
42501: the caller is a member neither of the consumer''s role nor of pg_monitor.

From the lease table of the Kinesis Client Library.';

-- The maintenance worker does it; this is for tests.
CREATE FUNCTION ddbstreams_shards.tidy_consumers() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_tidy_consumers';
COMMENT ON FUNCTION ddbstreams_shards.tidy_consumers() IS 'deletes leases of shards that are gone, counts what consumers have lost';
REVOKE ALL ON FUNCTION ddbstreams_shards.tidy_consumers() FROM PUBLIC;

CREATE FUNCTION ddbstreams.list_consumer_stats(
	OUT consumer_name text,
	OUT stream_arn text,
	OUT shard_id text,
	OUT state text,
	OUT lease_owner text,
	OUT lag_records bigint,
	OUT lag_seconds double precision,
	OUT attempts int,
	OUT lost_records bigint,
	OUT last_error text,
	OUT last_error_at timestamptz,
	OUT worker_pid int)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_consumer_stats';
COMMENT ON FUNCTION ddbstreams.list_consumer_stats() IS
'The rows of view ddbstreams.consumer_stats, which explains the columns.';

CREATE VIEW ddbstreams.consumer_stats AS
	SELECT consumer_name, stream_arn, shard_id, state, lease_owner, lag_records, lag_seconds,
		attempts, lost_records, last_error, last_error_at, worker_pid
	FROM ddbstreams.list_consumer_stats();
GRANT SELECT ON ddbstreams.consumer_stats TO PUBLIC;
COMMENT ON VIEW ddbstreams.consumer_stats IS
'How far each consumer group is in each shard of its stream. Shows the consumers of the
reader''s roles and those of streams that the reader may read, and all of them to members
of pg_monitor. A consumer whose stream is gone has one row.';
COMMENT ON COLUMN ddbstreams.consumer_stats.consumer_name IS 'the consumer.';
COMMENT ON COLUMN ddbstreams.consumer_stats.stream_arn IS 'the stream.';
COMMENT ON COLUMN ddbstreams.consumer_stats.shard_id IS 'the shard; null if the stream is gone.';
COMMENT ON COLUMN ddbstreams.consumer_stats.state IS 'free, owned, expired (another worker may take the lease), waiting (for the parent shard), finished, or stream is gone.';
COMMENT ON COLUMN ddbstreams.consumer_stats.lease_owner IS 'the worker that holds the lease, or null.';
COMMENT ON COLUMN ddbstreams.consumer_stats.lag_records IS 'records after the checkpoint that can be read. Beyond 10,000 it is estimated.';
COMMENT ON COLUMN ddbstreams.consumer_stats.lag_seconds IS 'age of the first of them, in seconds; 0 if there is none.';
COMMENT ON COLUMN ddbstreams.consumer_stats.attempts IS 'polls that have returned records of this shard since the last checkpoint.';
COMMENT ON COLUMN ddbstreams.consumer_stats.lost_records IS 'records of all shards that the consumer has lost to the retention.';
COMMENT ON COLUMN ddbstreams.consumer_stats.last_error IS 'the last such loss in this shard, or null.';
COMMENT ON COLUMN ddbstreams.consumer_stats.last_error_at IS 'when that was.';
COMMENT ON COLUMN ddbstreams.consumer_stats.worker_pid IS 'the backend that served the lease''s owner last.';

---------------------------------------------------------------------------
-- AWS's operations (aws*.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.aws(operation text, request json DEFAULT '{}')
	RETURNS json
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_aws';
COMMENT ON FUNCTION ddbstreams.aws(text, json) IS
'An operation of DynamoDB Streams, DynamoDB or Lambda, with AWS''s members in request and
answer, and AWS''s limits, paging and error texts.

Of DynamoDB Streams: ListStreams, DescribeStream, GetShardIterator, GetRecords. Of
DynamoDB: DescribeTable, ListTables, UpdateTable (StreamSpecification alone). Of Lambda:
CreateEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings,
UpdateEventSourceMapping, DeleteEventSourceMapping; ListTags, TagResource, UntagResource,
of event source mappings.

Arguments:
operation: the name of the operation; the name that AWS''s clients send may stand in
  front, as in DynamoDBStreams_20120810.ListStreams.
request: the request, an object.

Errors:
22023: an unknown operation, or a request that AWS would refuse as well. 42704, 42809,
  42501, 42710, 55006, ZS001, ZS002, ZS003: as the SQL function that does the same. AWS''s
  name for the error stands in its field CONSTRAINT_NAME.';

---------------------------------------------------------------------------
-- Background workers (workers_view.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.list_workers(
	OUT pid int,
	OUT database name,
	OUT worker_type text,
	OUT state text,
	OUT last_run timestamptz,
	OUT last_error text,
	OUT last_error_sqlstate text,
	OUT failing_since timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_workers';
COMMENT ON FUNCTION ddbstreams.list_workers() IS
'The rows of view ddbstreams.workers, which explains the columns.';

CREATE VIEW ddbstreams.workers AS
	SELECT pid, database, worker_type, state, last_run, last_error, last_error_sqlstate, failing_since
	FROM ddbstreams.list_workers();
COMMENT ON VIEW ddbstreams.workers IS
'The background workers of ddbstreams in all databases of the server. Members of
pg_monitor see all of it; others see the workers of the database that they are connected
to, without errors. Empty on a standby.';
COMMENT ON COLUMN ddbstreams.workers.pid IS 'the process; null while there is none. Maintenance has none between two runs.';
COMMENT ON COLUMN ddbstreams.workers.database IS 'the database; null for the launcher.';
COMMENT ON COLUMN ddbstreams.workers.worker_type IS 'launcher (starts the others), maintenance (one for each database that has the extension), dispatcher (one for each database that has enabled event source mappings) or handler (runs functions). In pg_stat_activity they are "ddbstreams launcher" and so on.';
COMMENT ON COLUMN ddbstreams.workers.state IS 'what the worker is doing, or waiting for.';
COMMENT ON COLUMN ddbstreams.workers.last_run IS 'the end of the last run of maintenance or of a handler, or the launcher''s last look at the databases.';
COMMENT ON COLUMN ddbstreams.workers.last_error IS 'what has gone wrong, also why a worker could not be started or has died; null once a run has succeeded.';
COMMENT ON COLUMN ddbstreams.workers.last_error_sqlstate IS 'its SQLSTATE; null where last_error is null, and for a worker that could not be started.';
COMMENT ON COLUMN ddbstreams.workers.failing_since IS 'the first error since a run has succeeded; null where last_error is null.';
GRANT SELECT ON ddbstreams.workers TO PUBLIC;

---------------------------------------------------------------------------
-- Watching (shard_stats.c, shard_graph.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.list_stream_stats(
	stream_arn text DEFAULT NULL,
	OUT stream_arn text,
	OUT shard_id text,
	OUT records bigint,
	OUT bytes bigint,
	OUT oldest timestamptz,
	OUT newest timestamptz,
	OUT records_per_second double precision,
	OUT table_name text,
	OUT stream_status text,
	OUT stream_view_type text,
	OUT retention interval,
	OUT is_open boolean)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_list_stream_stats';
COMMENT ON FUNCTION ddbstreams.list_stream_stats(text) IS
'The rows of view ddbstreams.stream_stats, which explains the columns.

Arguments:
stream_arn: the stream; null: all streams that the view shows. The cost is that of the
  shards that are returned.

Errors:
22023: the ARN is malformed.
42704: there is no such stream.
42501: the caller may not read the stream, and is no member of pg_monitor.';

CREATE FUNCTION ddbstreams_shards.stats_of_stream(
	stream_arn text,
	OUT stream_arn text,
	OUT shard_id text,
	OUT records bigint,
	OUT bytes bigint,
	OUT oldest timestamptz,
	OUT newest timestamptz,
	OUT records_per_second double precision,
	OUT table_name text,
	OUT stream_status text,
	OUT stream_view_type text,
	OUT retention interval,
	OUT is_open boolean)
	RETURNS SETOF record
	LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_stats_of_stream';
COMMENT ON FUNCTION ddbstreams_shards.stats_of_stream(text) IS
'as list_stream_stats, but no row for a stream that the current user may not read; for view stream_stats';

-- A condition on stream_arn comes before the function, which looks at one stream.
CREATE VIEW ddbstreams.stream_stats WITH (security_barrier) AS
	SELECT s.stream_arn COLLATE "default" AS stream_arn, t.shard_id, t.records, t.bytes, t.oldest, t.newest,
		t.records_per_second, t.table_name, t.stream_status, t.stream_view_type, t.retention, t.is_open
	FROM ddbstreams_shards.stream s, ddbstreams_shards.stats_of_stream(s.stream_arn) t
	WHERE s.version = (SELECT pg_catalog.max(v.version) FROM ddbstreams_shards.stream v WHERE v.stream_id = s.stream_id)
	ORDER BY s.created_at, s.stream_id, t.shard_id COLLATE "C";
COMMENT ON VIEW ddbstreams.stream_stats IS
'How much is in each shard, one row for each, in the order of the streams'' creation and
of shard ids. Shows the streams that the reader may read, and all of them to members of
pg_monitor.';
COMMENT ON COLUMN ddbstreams.stream_stats.stream_arn IS 'the stream.';
COMMENT ON COLUMN ddbstreams.stream_stats.shard_id IS 'the shard.';
COMMENT ON COLUMN ddbstreams.stream_stats.records IS 'records that can be read now: committed and within the retention. Counted up to 1,000 pages (8 MB); beyond that estimated from 200 pages.';
COMMENT ON COLUMN ddbstreams.stream_stats.bytes IS 'what the shard takes on disk, with large values and with records that have expired. Shards that were made together share the table of their large values, and each shows an equal part of it.';
COMMENT ON COLUMN ddbstreams.stream_stats.oldest IS 'time of the first record that can be read; null if there is none.';
COMMENT ON COLUMN ddbstreams.stream_stats.newest IS 'time of the last record that can be read; null if there is none.';
COMMENT ON COLUMN ddbstreams.stream_stats.records_per_second IS 'records written per second over the last minute, or since the shard was opened if that is less; three decimals.';
COMMENT ON COLUMN ddbstreams.stream_stats.table_name IS 'the table''s name as in list_streams.';
COMMENT ON COLUMN ddbstreams.stream_stats.stream_status IS 'ENABLED or DISABLED.';
COMMENT ON COLUMN ddbstreams.stream_stats.stream_view_type IS 'what the stream''s records show.';
COMMENT ON COLUMN ddbstreams.stream_stats.retention IS 'how long the stream keeps its records.';
COMMENT ON COLUMN ddbstreams.stream_stats.is_open IS 'whether the shard still gets records.';
GRANT SELECT ON ddbstreams.stream_stats TO PUBLIC;

CREATE FUNCTION ddbstreams_shards.list_append_stats(
	OUT stream_arn text,
	OUT table_name text,
	OUT commits bigint,
	OUT records bigint,
	OUT bytes bigint,
	OUT append_time double precision,
	OUT lock_time double precision,
	OUT lock_waits bigint,
	OUT lock_wait_time double precision,
	OUT stats_reset timestamptz)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_append_stats';
COMMENT ON FUNCTION ddbstreams_shards.list_append_stats() IS 'reads ddbstreams.append_stats';

CREATE VIEW ddbstreams.append_stats AS
	SELECT stream_arn, table_name, commits, records, bytes, append_time, lock_time, lock_waits, lock_wait_time,
		stats_reset
	FROM ddbstreams_shards.list_append_stats();
COMMENT ON VIEW ddbstreams.append_stats IS
'What COMMIT takes for streams: one row for each stream, in the order of their creation,
with cumulative numbers. They begin at zero when the server starts, and after a crash of a
backend; on a standby nothing is counted. The server keeps those of 4,096 streams, and
gives up the ones that were not written to for longest. Shows the streams that the reader
may read, and all of them to members of pg_monitor.';
COMMENT ON COLUMN ddbstreams.append_stats.stream_arn IS 'the stream.';
COMMENT ON COLUMN ddbstreams.append_stats.table_name IS 'the table''s name as in list_streams.';
COMMENT ON COLUMN ddbstreams.append_stats.commits IS 'transactions that have appended records to the stream, just before their COMMIT or PREPARE TRANSACTION.';
COMMENT ON COLUMN ddbstreams.append_stats.records IS 'records that they have appended.';
COMMENT ON COLUMN ddbstreams.append_stats.bytes IS 'bytes of these records and of their large values.';
COMMENT ON COLUMN ddbstreams.append_stats.append_time IS 'time that the appends have taken, in milliseconds: from the first lock of a shard to the last record, waiting included.';
COMMENT ON COLUMN ddbstreams.append_stats.lock_time IS 'the part of append_time in which a shard''s append lock was held. Appends to one shard cannot overlap in this time.';
COMMENT ON COLUMN ddbstreams.append_stats.lock_waits IS 'how often an append lock was held by another transaction, and had to be waited for.';
COMMENT ON COLUMN ddbstreams.append_stats.lock_wait_time IS 'the part of append_time in which append locks were waited for, in milliseconds.';
COMMENT ON COLUMN ddbstreams.append_stats.stats_reset IS 'since when the stream''s numbers are counted; null if nothing was counted since the server''s start.';
GRANT SELECT ON ddbstreams.append_stats TO PUBLIC;

CREATE FUNCTION ddbstreams.shard_tree(stream_arn text)
	RETURNS SETOF text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_shard_tree';
COMMENT ON FUNCTION ddbstreams.shard_tree(text) IS
'The lineage of a stream as lines of text, one for each shard: its id, its share of the
hashes, open or closed, the number of records, and the age.

Below a shard stands the one that follows it, with an arrow in front, or the two that it
was split into, with branches in front.

Arguments:
stream_arn: the stream.

Errors:
22023: the ARN is malformed.
42704: there is no such stream.
42501: the caller may not read the stream.';

CREATE FUNCTION ddbstreams.shard_graph(stream_arn text)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_shard_graph';
COMMENT ON FUNCTION ddbstreams.shard_graph(text) IS
'The lineage of a stream as a graph in Graphviz'' language, for dot -Tsvg: a node for each
shard, an arrow from each parent to its children, and an axis with the times (UTC) at
which shards were opened, from top to bottom. A legend tells open shards (green), closed
ones (grey) and those that have expired (dashed) apart. In SVG the tip of a node is the
shard''s id.

Arguments:
stream_arn: the stream.

Errors:
22023: the ARN is malformed.
42704: there is no such stream.
42501: the caller may not read the stream.';
