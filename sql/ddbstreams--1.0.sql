-- ddbstreams--1.0.sql: all objects of the extension, as they were in version 1.0.
--
-- This script is not changed any more: it is what databases have that were made
-- with version 1.0, and where ddbstreams--1.0--1.1.sql begins.  (Its COMMENTs
-- have only ASCII characters now.)  The present objects are in
-- ddbstreams--1.1.sql.
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
-- side_table			its large values
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
ALTER TABLE ddbstreams_shards.shard REPLICA IDENTITY NOTHING;

-- descriptor_id		hash of content; two rows of one id are alike
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
COMMENT ON TABLE ddbstreams_shards.secret IS 'the key that signs shard iterators';
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
-- role_id				who made it; the handler runs as this role
-- database_id			where it was made or enabled last: in a copy of the
--						database the mapping is Disabled
-- starting_position	TRIM_HORIZON or LATEST
-- batch_size ... filter_criteria	parameters, as Lambda's are
-- enabled				what the user wants
-- created_at, last_modified
-- version				rises with each change of the row by the user
-- change				state while the dispatcher has not seen it: Creating,
--						Enabling or Updating
-- acknowledged_version	the version that the dispatcher works by
CREATE TABLE ddbstreams_shards.mapping (
	uuid uuid PRIMARY KEY,
	mapping_no int8 NOT NULL UNIQUE,
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
	UNIQUE (event_source_arn, function_name)
) WITH (fillfactor = 70);
COMMENT ON TABLE ddbstreams_shards.mapping IS 'event source mappings; see ddbstreams.list_event_source_mappings()';

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
-- call_no				rises with each call of the handler
-- in_call, called_at	the call has begun, and has not ended
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
-- last_error, last_error_at	the last failure
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
	PRIMARY KEY (mapping_no, shard_no, lane)
) WITH (fillfactor = 30);
COMMENT ON TABLE ddbstreams_shards.mapping_shard IS 'positions of event source mappings; see view ddbstreams.mapping_stats';

-- Batches that were given up (delivery_failed.c).
--
-- id					the batch's name
-- mapping_no, mapping	whose it was
-- role_id				who made the mapping: who may see and redrive the batch
-- stream_arn, shard_id
-- failure				Lambda's failure record, without its payload
-- records				the records, an array; null if jsonb cannot hold them
-- failed_at
-- redrive_at			it was asked to be delivered again, and waits for it
-- redriven_at			it was delivered again, with success
-- in_call				as in mapping_shard
-- last_error			why the last redrive has failed
CREATE TABLE ddbstreams_shards.failed_batch (
	id uuid PRIMARY KEY,
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
	last_error text
) WITH (fillfactor = 90);
COMMENT ON TABLE ddbstreams_shards.failed_batch IS 'batches that event source mappings have given up; see view ddbstreams.failed_batches';
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
-- role_id				whose the consumer is
-- starting_position	TRIM_HORIZON or LATEST
-- lease_duration		a lease that is not renewed for so long may be taken
-- created_at
-- lost_records			lost to the retention in shards whose lease is gone
-- untold_records		how many of them no poll has warned about
CREATE TABLE ddbstreams_shards.consumer (
	consumer_no int8 PRIMARY KEY,
	consumer_name text COLLATE "C" NOT NULL UNIQUE,
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
	worker_pid int4,
	PRIMARY KEY (consumer_no, shard_no)
) WITH (fillfactor = 50);
COMMENT ON TABLE ddbstreams_shards.consumer_lease IS 'leases of consumer groups; see ddbstreams.leases()';

-- consumer_no, worker_id	a worker that has polled, maybe without a lease
-- expires_at			when it is taken for dead
CREATE TABLE ddbstreams_shards.consumer_worker (
	consumer_no int8 NOT NULL,
	worker_id text COLLATE "C" NOT NULL,
	expires_at timestamptz NOT NULL,
	PRIMARY KEY (consumer_no, worker_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE ddbstreams_shards.consumer_worker IS 'workers of consumer groups';

SELECT ddbstreams_shards.hide_from_decoding(name)
FROM unnest(ARRAY['stream', 'shard', 'row_descriptor', 'secret', 'mapping',
	'mapping_shard', 'failed_batch', 'consumer', 'consumer_lease', 'consumer_worker']) AS own (table_name),
	LATERAL CAST('ddbstreams_shards.' || table_name AS pg_catalog.regclass) AS name;

-- Default privileges of whoever creates the extension do not reach in here.
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
'Captures changes of rows; enable_stream makes the trigger that calls it. The trigger''s arguments define the stream for pg_dump (stream_view_type=..., shard_count=..., partition_key=..., retention=..., mapping={...}): where they are restored on a table without a stream, a new stream is enabled.';

CREATE FUNCTION ddbstreams.capture_truncate() RETURNS trigger
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_capture_truncate';
COMMENT ON FUNCTION ddbstreams.capture_truncate() IS
'captures TRUNCATE as a REMOVE of each row; enable_stream makes the trigger that calls it';

CREATE FUNCTION ddbstreams_shards.refuse_change() RETURNS trigger
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_refuse_change';
COMMENT ON FUNCTION ddbstreams_shards.refuse_change() IS
'refuses changes of shards by SQL';
REVOKE ALL ON FUNCTION ddbstreams_shards.refuse_change() FROM PUBLIC;

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
'Starts a new, empty stream on a table that the caller owns and returns its ARN. stream_view_type: KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES. shard_count: 1 to 1024; null takes the number of leaf partitions of a partitioned table, else ddbstreams.default_shard_count. partition_key: columns of the primary key whose hash chooses the shard; null takes the whole key. retention: how long records are kept, 1 minute to 100 years. Errors: 22023 for a stream that is enabled already and for bad values, 42809 for a table that cannot have a stream, 42501, 42704. From DynamoDB''s UpdateTable.';

CREATE FUNCTION ddbstreams.disable_stream(table_name regclass)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_disable_stream';
COMMENT ON FUNCTION ddbstreams.disable_stream(regclass) IS
'Closes every shard of the stream that is enabled on a table of the caller''s, and returns its ARN; the stream stays readable until its records have expired. Errors: 22023 if no stream is enabled, 55006 in a transaction that has changed the table, 42501, 42704. From DynamoDB''s UpdateTable.';

CREATE FUNCTION ddbstreams.alter_stream(stream_arn text, retention interval)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_alter_stream';
COMMENT ON FUNCTION ddbstreams.alter_stream(text, interval) IS
'Changes how long the records of a stream are kept, 1 minute to 100 years. Errors: 22023 for a bad value, 42704 for an unknown stream, 42501 unless the caller owns the table. DynamoDB has 24 hours, always.';

CREATE FUNCTION ddbstreams.latest_stream_arn(table_name regclass)
	RETURNS text
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_latest_stream_arn';
COMMENT ON FUNCTION ddbstreams.latest_stream_arn(regclass) IS
'The ARN of the stream that was enabled last on a table, be it enabled or not, until it has expired; null if there is none. Errors: 42501 unless the caller may SELECT from the table, 42704. From DynamoDB''s DescribeTable.';

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
'The streams that the caller may read, of one table or (null) of all, in the order of their creation; also disabled ones until they have expired. Errors: 42704 for a table that does not exist. From DynamoDB''s ListStreams.';

CREATE FUNCTION ddbstreams.describe_stream(
	stream_arn text,
	OUT shard_id text,
	OUT parent_shard_id text,
	OUT starting_sequence_number text,
	OUT ending_sequence_number text,
	OUT shard_table regclass,
	OUT hash_range numrange)
	RETURNS SETOF record
	LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_describe_stream';
COMMENT ON FUNCTION ddbstreams.describe_stream(text) IS
'The shards of a stream in the order of their ids. ending_sequence_number is null while a shard is open. hash_range is half-open; those of the open shards tile [0, 2^64). Errors: 22023 for a malformed ARN, 42704 for an unknown stream, 42501 unless the caller may SELECT from the table. From DynamoDB''s DescribeStream.';

CREATE FUNCTION ddbstreams.split_shard(stream_arn text, shard_id text)
	RETURNS SETOF text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE ROWS 2
	AS 'MODULE_PATHNAME', 'ddbstreams_split_shard';
COMMENT ON FUNCTION ddbstreams.split_shard(text, text) IS
'Closes an open shard, opens two with the halves of its hash range, and returns their ids. Writers wait 0.2 s at most; a shard that a transaction is committing to is tried again for some seconds. Errors: 55006 in a transaction block, in a statement that has changed the table, or if the shard cannot be had; 22023 for a closed shard or a disabled stream; ZS003 for a stream with 1024 open shards; 42704, 42501 unless the caller owns the table. DynamoDB splits by itself; from Kinesis''s SplitShard.';

CREATE FUNCTION ddbstreams.roll_over(stream_arn text)
	RETURNS int
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_roll_over';
COMMENT ON FUNCTION ddbstreams.roll_over(text) IS
'Closes every open shard of a stream, opens one child for each, and returns how many it has closed. A shard that a prepared or long transaction is committing to stays open, with a warning. Errors: 55006 in a transaction block or in a statement that has changed the table; 22023 for a disabled stream; 42704, 42501 unless the caller owns the table. DynamoDB does it by itself every four hours, as the maintenance worker does.';

---------------------------------------------------------------------------
-- Expiry (expiry.c): what the maintenance worker does, by hand
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams_shards.expire() RETURNS void
	LANGUAGE C VOLATILE
	AS 'MODULE_PATHNAME', 'ddbstreams_expire';
COMMENT ON FUNCTION ddbstreams_shards.expire() IS 'drops the shards and streams that have expired and that nobody is using';
REVOKE ALL ON FUNCTION ddbstreams_shards.expire() FROM PUBLIC;

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
'A position in a shard, for get_records. shard_iterator_type: TRIM_HORIZON (the oldest record that is kept when the iterator is used), LATEST (behind the last record that this statement''s snapshot can see), AT_SEQUENCE_NUMBER and AFTER_SEQUENCE_NUMBER (with sequence_number), AT_TIMESTAMP (with at; not in DynamoDB). It expires after ddbstreams.iterator_lifetime. Errors: 22023, 42704, 42501, ZS002 for a number older than the retention. From DynamoDB''s GetShardIterator.';

CREATE FUNCTION ddbstreams.next_shard_iterator(shard_iterator text)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_next_shard_iterator';
COMMENT ON FUNCTION ddbstreams.next_shard_iterator(text) IS
'The same position, issued now; null when the shard is closed and no record comes after the position. For readers whose last page was empty. Errors: 22023 for an iterator that is not one, ZS001 for an expired one, 42704, 42501.';

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
'The records after an iterator, in order: at most max_records (1 to 1000) and 1 MB, at least one if one may be read; no row means that nothing more can be read now. next_shard_iterator stands just after its row; it is null on the last row of a closed shard. Errors: 22023, 42704, 42501, ZS001 (expired iterator), ZS002 (records older than the retention), ZS003 (more than ddbstreams.max_readers_per_shard at the same moment). From DynamoDB''s GetRecords.';

CREATE FUNCTION ddbstreams.wait_for_records(shard_iterator text, timeout interval)
	RETURNS boolean
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_wait_for_records';
COMMENT ON FUNCTION ddbstreams.wait_for_records(text, interval) IS
'Waits until there is a record after the iterator or the shard has ended (true), or the timeout, 0 to 1 day, is over (false). Wakes within milliseconds of the commit. Errors: 25001 in a REPEATABLE READ or SERIALIZABLE transaction; 22023, 42704, 42501, ZS001 as get_records.';

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
'The records of all shards of a table''s latest stream (or of stream_arn) as typed rows, parents before children, merged by sequence number, with since <= time < until: SELECT event_name, (new_image).status FROM ddbstreams.changes(null::orders). Columns are matched by attribute number and converted to the type that they have now, by assignment cast; what cannot be is null, with a warning. For looking, not for following: a record of another shard with a lower number may appear later. Errors: 42809 if row_type is no table''s row type, 42704, 42501.';

CREATE FUNCTION ddbstreams.unmarshal(image json)
	RETURNS json
	LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_unmarshal';
COMMENT ON FUNCTION ddbstreams.unmarshal(json) IS
'Turns DynamoDB''s typed JSON, an image or a single attribute value, into plain JSON: {"id":{"N":"1"}} becomes {"id":1}. Bytes stay base64. Error: 22023 for what is not typed JSON.';

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
'Has a function called, in a background worker and as the role that makes the mapping, with the records of a stream, and returns the name of the mapping. The call and the move of the position are one transaction. function_name: f(event jsonb) that returns jsonb or void; remembered by its name and looked up at each batch (if several functions have the name, write ''f(jsonb)''::regprocedure). starting_position: TRIM_HORIZON, or LATEST: all that commits later than what this statement''s snapshot sees. batch_size: records of a call at most, 1 to 10000. maximum_batching_window: time to wait for a full batch, 0 to 300 s. parallelization_factor: calls of one shard at a time, 1 to 10; the order of each key is kept. maximum_record_age: older records are given up, 60 s to 7 days, null or -1 s for never. maximum_retry_attempts: -1 (no limit) to 10000. bisect_batch_on_function_error: a batch that failed is retried in halves. on_failure: f(failure jsonb), called with what is given up. tumbling_window: time for which the handler''s state is handed on, 0 (none) to 900 s. Times are whole seconds. function_response_types: {} or {ReportBatchItemFailures}. filter_criteria: {"Filters": [{"Pattern": "..."}]}, at most 5. Errors: 22023 for bad values, an unknown stream or function, 42809 for a function of another kind, 42710 if the stream and the function have a mapping, 42501 without SELECT on the table or EXECUTE on the functions. From Lambda''s CreateEventSourceMapping.';

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
'Changes a mapping; what is null stays. on_failure => ''-'', filter_criteria => ''{}'' and a negative interval take away what was set. The handler goes on running as the role that made the mapping. enabled => false stops delivery behind the batch that is in flight; true goes on from there, also in a copy of the database, where mappings wake up Disabled. Values and errors as of create_event_source_mapping; 42704 for an unknown mapping, 42501 unless the caller may become the role that made it. From Lambda''s UpdateEventSourceMapping.';

CREATE FUNCTION ddbstreams.delete_event_source_mapping(uuid uuid)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_delete_event_source_mapping';
COMMENT ON FUNCTION ddbstreams.delete_event_source_mapping(uuid) IS
'Deletes a mapping and its positions; the batches that it has given up stay. A batch in flight is rolled back. Errors: 42704 for an unknown mapping, 42501 unless the caller may become the role that made it, 55006 if its own handler calls this. From Lambda''s DeleteEventSourceMapping.';

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
'The mappings of the roles that the caller is or may become, of one stream, of one function, or (null) of all, in the order of their creation. state: Creating, Enabling or Updating until the dispatcher has taken note; Enabled; Disabling while the last batch is in flight; Disabled, also in a copy of the database and once the stream or the role is gone. last_processing_result: No records processed, OK, or PROBLEM: and what it is. Errors: 22023 for a malformed ARN, 42704 for a function that does not exist. From Lambda''s ListEventSourceMappings.';

---------------------------------------------------------------------------
-- Batches that were given up (delivery_redrive.c)
---------------------------------------------------------------------------

CREATE VIEW ddbstreams.failed_batches WITH (security_barrier) AS
	SELECT id, mapping, stream_arn, shard_id,
		failure || pg_catalog.jsonb_build_object('payload', pg_catalog.jsonb_build_object('Records', records)) AS failure,
		records, failed_at, redriven_at, redrive_at IS NOT NULL AS redrive_pending, last_error
	FROM ddbstreams_shards.failed_batch
	WHERE pg_catalog.pg_has_role(role_id, 'USAGE');
COMMENT ON VIEW ddbstreams.failed_batches IS
'Batches that event source mappings have given up, of mappings made by a role whose privileges the reader has. failure is Lambda''s failure record with the records as its payload; records is the array of them, null if jsonb cannot hold them. redriven_at is when ddbstreams.redrive() has delivered the batch after all, redrive_pending whether it is to, last_error why it has failed to. Lambda sends these to an on-failure destination.';
GRANT SELECT ON ddbstreams.failed_batches TO PUBLIC;

CREATE FUNCTION ddbstreams.redrive(uuid uuid DEFAULT NULL)
	RETURNS int
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_redrive';
COMMENT ON FUNCTION ddbstreams.redrive(uuid) IS
'Delivers failed batches again: one of ddbstreams.failed_batches by its id, all of an event source mapping by its uuid, or (null) all that the caller may see. Returns how many will be delivered, once this transaction has committed, by the mapping''s workers, each once and exactly once; those that were delivered already, or whose mapping has been deleted, are left out. A batch that fails again stays in failed_batches, with last_error. It comes late: changes of the same keys may have been delivered before it. Errors: 42704 for an unknown uuid.';
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
	OUT batches_failed bigint)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_list_mapping_stats';
COMMENT ON FUNCTION ddbstreams_shards.list_mapping_stats() IS 'reads ddbstreams.mapping_stats';

CREATE VIEW ddbstreams.mapping_stats AS
	SELECT mapping, function_name, stream_arn, shard_id, lane, state, lag_records, lag_seconds, attempts,
		next_attempt_at, last_error, last_error_at, worker_pid, checkpoint, records_delivered,
		records_filtered, records_lost, batches_delivered, batches_failed
	FROM ddbstreams_shards.list_mapping_stats();
COMMENT ON VIEW ddbstreams.mapping_stats IS
'How far each event source mapping is in each shard of its stream: one row for each lane that a shard is divided into by the parallelization factor. Shows the mappings of roles whose privileges the reader has, all of them to pg_monitor.';
COMMENT ON COLUMN ddbstreams.mapping_stats.lane IS 'from 0; null for a shard that is yet to begin';
COMMENT ON COLUMN ddbstreams.mapping_stats.state IS 'disabled; waiting (for the parent shard); delivering (a call is running); retrying (the present batch has failed, and blocks the shard); giving up (the batch goes to on_failure); ready (up to date, or about to go on); finished (the shard has ended and is delivered)';
COMMENT ON COLUMN ddbstreams.mapping_stats.lag_records IS 'records behind the checkpoint that can be read, those of other lanes and those that the filter will pass over included; estimated by the size of the shard beyond 10,000';
COMMENT ON COLUMN ddbstreams.mapping_stats.lag_seconds IS 'age of the first record behind the checkpoint, 0 if there is none';
COMMENT ON COLUMN ddbstreams.mapping_stats.attempts IS 'calls for the present batch so far, 0 between batches';
COMMENT ON COLUMN ddbstreams.mapping_stats.next_attempt_at IS 'when the present batch is tried again, null if nothing is to be waited for';
COMMENT ON COLUMN ddbstreams.mapping_stats.last_error IS 'of the last call that failed, also when others have succeeded since';
COMMENT ON COLUMN ddbstreams.mapping_stats.last_error_at IS 'when that was';
COMMENT ON COLUMN ddbstreams.mapping_stats.worker_pid IS 'the handler worker that runs it now, null if none does';
COMMENT ON COLUMN ddbstreams.mapping_stats.checkpoint IS 'records with higher sequence numbers are to be delivered';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_delivered IS 'records whose effects have been committed';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_filtered IS 'records that the filter has passed over';
COMMENT ON COLUMN ddbstreams.mapping_stats.records_lost IS 'records that have expired before they were delivered';
COMMENT ON COLUMN ddbstreams.mapping_stats.batches_delivered IS 'batches that were delivered completely';
COMMENT ON COLUMN ddbstreams.mapping_stats.batches_failed IS 'batches that were given up: see ddbstreams.failed_batches';
GRANT SELECT ON ddbstreams.mapping_stats TO PUBLIC;

---------------------------------------------------------------------------
-- Filters of event source mappings (filter*.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.filter_matches(pattern jsonb, record jsonb)
	RETURNS bool
	LANGUAGE C IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_filter_matches';
COMMENT ON FUNCTION ddbstreams.filter_matches(jsonb, jsonb) IS
'Whether a filter with this pattern lets a record through. The record is what a handler finds in Records of its event: {"eventName": "INSERT", "dynamodb": {"Keys": ..., "NewImage": ...}}. The pattern is an object whose leaves are arrays of values and operators: {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": [{"prefix": "open"}]}}}}. All keys must match, and of an array one member: a string, number (compared by its text), true, false, null, or an operator: prefix, suffix, equals-ignore-case, anything-but, numeric (JSON numbers that a double holds; DynamoDB''s N are strings), exists (leaves only), as in EventBridge wildcard and cidr; "$or" with two objects or more is a choice. Array elements match together. Error: 22023 Invalid filter pattern definition.';

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
'Makes a consumer group: a named set of workers that share the shards of a stream by leases. consumer_name: 1 to 128 characters, unique in the database. starting_position: TRIM_HORIZON (the oldest record that is kept) or LATEST (behind what this statement''s snapshot sees: what that snapshot shows of the table and the stream from there lose nothing between them). lease_duration: 1 second to 1 day; a lease that its worker does not renew for so long goes to another. It belongs to the role that makes it. Errors: 22023, 42710 for a name that is taken, 42704 for an unknown stream, 42501 unless the caller may SELECT from the table. From the Kinesis Client Library''s application and lease table.';

CREATE FUNCTION ddbstreams.drop_consumer(consumer_name text)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_drop_consumer';
COMMENT ON FUNCTION ddbstreams.drop_consumer(text) IS
'Drops a consumer group with its checkpoints. Waits for no worker: one that polls gets 42704, and one that has polled can no longer checkpoint. Errors: 42704, 42501 unless the caller is a member of the role that made it.';

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
'Renews or takes this worker''s fair share of a consumer group''s leases and returns the records after their checkpoints, those of each shard in order, children of a shard only when the shard is finished. What was returned and not checkpointed is returned again. worker_id: 1 to 128 characters, a name for whoever processes the records, different for each that does so at the same time. max_records: 1 to 10000; at most 1 MB of a shard at a time, but always one record. max_wait: 0 to 1 day, waits so long for a record; may return nothing earlier when leases change hands. Until the transaction ends nobody takes its leases: poll, effects and checkpoint in one READ COMMITTED transaction happen exactly once. Warns about records that were lost to the retention. Errors: 22023; 42704 for an unknown consumer or a stream that is gone; 42501 unless the caller is a member of the consumer''s role and may SELECT from the table; 25001 in a REPEATABLE READ or SERIALIZABLE transaction; 25006 on a standby. From the Kinesis Client Library.';

CREATE FUNCTION ddbstreams.checkpoint(
	consumer_name text,
	worker_id text,
	shard_id text,
	sequence_number text)
	RETURNS void
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_checkpoint';
COMMENT ON FUNCTION ddbstreams.checkpoint(text, text, text, text) IS
'Says that the records of a shard up to a sequence number are processed, and renews the lease. With the last record of a closed shard the shard is finished and its children begin. The same checkpoint again is no error. Errors: 55006 if the worker does not hold the lease (any more): what it has processed since is another''s; 22023 for a number that is none, that poll has not returned to this worker, or that lies before the checkpoint; 42704, 42501, as poll. From the Kinesis Client Library.';

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
'The leases of a consumer group in the order of shard ids. lease_counter rises with each renewal and change of owner; checkpoint is a sequence number, TRIM_HORIZON, LATEST or SHARD_END (finished). Errors: 42704, 42501 unless the caller is a member of the consumer''s role or of pg_monitor. From the Kinesis Client Library''s lease table.';

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
'The rows of view ddbstreams.consumer_stats.';

CREATE VIEW ddbstreams.consumer_stats AS
	SELECT consumer_name, stream_arn, shard_id, state, lease_owner, lag_records, lag_seconds,
		attempts, lost_records, last_error, last_error_at, worker_pid
	FROM ddbstreams.list_consumer_stats();
GRANT SELECT ON ddbstreams.consumer_stats TO PUBLIC;
COMMENT ON VIEW ddbstreams.consumer_stats IS
'How far each consumer group is in each shard; shows the consumers of streams that the reader may read, all of them to pg_monitor. state: free, owned, expired (the lease may be taken), waiting (for the parent shard) or finished. lag_records: records after the checkpoint that can be read, counted up to 10,000 and estimated by the size of the shard beyond; lag_seconds: age of the first of them. attempts: polls that have returned records since the last checkpoint. lost_records: records of all shards that the consumer has lost to the retention. last_error: the last such loss in this shard. worker_pid: the backend that served the lease''s owner last.';

---------------------------------------------------------------------------
-- AWS's operations (aws*.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.aws(operation text, request json)
	RETURNS json
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'ddbstreams_aws';
COMMENT ON FUNCTION ddbstreams.aws(text, json) IS
'An operation of DynamoDB Streams, DynamoDB or Lambda with AWS''s request and response members: ListStreams, DescribeStream, GetShardIterator, GetRecords, DescribeTable, ListTables, UpdateTable (StreamSpecification); and of Lambda: CreateEventSourceMapping, GetEventSourceMapping, ListEventSourceMappings, UpdateEventSourceMapping, DeleteEventSourceMapping. The operation may bear its target prefix. Errors: AWS''s texts, with the SQLSTATEs of the SQL functions.';

---------------------------------------------------------------------------
-- Background workers (workers_view.c)
---------------------------------------------------------------------------

CREATE FUNCTION ddbstreams.list_workers(
	OUT pid int,
	OUT database name,
	OUT worker_type text,
	OUT state text,
	OUT last_run timestamptz,
	OUT last_error text)
	RETURNS SETOF record
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_list_workers';
COMMENT ON FUNCTION ddbstreams.list_workers() IS
'The rows of view ddbstreams.workers.';

CREATE VIEW ddbstreams.workers AS
	SELECT pid, database, worker_type, state, last_run, last_error
	FROM ddbstreams.list_workers();
COMMENT ON VIEW ddbstreams.workers IS
'The background workers of ddbstreams in all databases of the server: the launcher, which starts the others; for each database that has the extension its maintenance, which runs every ddbstreams.maintenance_interval and has no process (pid is null) in between; the dispatcher of a database that has enabled event source mappings, and the handlers that it has started. last_run: the end of the last run of maintenance, the last look of the launcher at the databases. last_error: of the last run that failed, null when one has succeeded since; also why a worker cannot be started or has died. Members of pg_monitor see all of it; others the workers of the database that they are connected to, without last_error. Empty on a standby.';
COMMENT ON COLUMN ddbstreams.workers.pid IS 'process, null while there is none';
COMMENT ON COLUMN ddbstreams.workers.database IS 'database, null for the launcher';
COMMENT ON COLUMN ddbstreams.workers.worker_type IS 'launcher, maintenance, dispatcher or handler; in pg_stat_activity ddbstreams launcher, ...';
COMMENT ON COLUMN ddbstreams.workers.state IS 'what it is doing, or waiting for';
COMMENT ON COLUMN ddbstreams.workers.last_run IS 'when its work was done last';
COMMENT ON COLUMN ddbstreams.workers.last_error IS 'what has gone wrong, null if nothing has since';
GRANT SELECT ON ddbstreams.workers TO PUBLIC;

---------------------------------------------------------------------------
-- Watching (shard_stats.c, shard_graph.c)
---------------------------------------------------------------------------

-- Checks by itself what its caller may see.
CREATE FUNCTION ddbstreams_shards.stream_stats(
	OUT stream_arn text,
	OUT shard_id text,
	OUT records bigint,
	OUT bytes bigint,
	OUT oldest timestamptz,
	OUT newest timestamptz,
	OUT records_per_second double precision)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100
	AS 'MODULE_PATHNAME', 'ddbstreams_stream_stats';
COMMENT ON FUNCTION ddbstreams_shards.stream_stats() IS 'reads ddbstreams.stream_stats';

CREATE VIEW ddbstreams.stream_stats AS
	SELECT stream_arn, shard_id, records, bytes, oldest, newest, records_per_second
	FROM ddbstreams_shards.stream_stats();
COMMENT ON VIEW ddbstreams.stream_stats IS
'What is in each shard of the streams that one may read; pg_monitor sees all. One row for each shard, in the order of the streams'' creation and of shard ids.';
COMMENT ON COLUMN ddbstreams.stream_stats.stream_arn IS 'the stream';
COMMENT ON COLUMN ddbstreams.stream_stats.shard_id IS 'the shard';
COMMENT ON COLUMN ddbstreams.stream_stats.records IS 'records that can be read now: committed and within the retention. Exact up to 1,000 pages (8 MB), above that estimated by the density of 200 pages';
COMMENT ON COLUMN ddbstreams.stream_stats.bytes IS 'what the shard takes on disk, large values and expired records included';
COMMENT ON COLUMN ddbstreams.stream_stats.oldest IS 'time of the first record that can be read; null if there is none';
COMMENT ON COLUMN ddbstreams.stream_stats.newest IS 'time of the last record that can be read; null if there is none';
COMMENT ON COLUMN ddbstreams.stream_stats.records_per_second IS 'records written per second over the last minute, or since the shard was opened if that is less; to three decimals';
GRANT SELECT ON ddbstreams.stream_stats TO PUBLIC;

CREATE FUNCTION ddbstreams.shard_tree(stream_arn text)
	RETURNS SETOF text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED ROWS 10
	AS 'MODULE_PATHNAME', 'ddbstreams_shard_tree';
COMMENT ON FUNCTION ddbstreams.shard_tree(text) IS
'The lineage of a stream as lines of text, one for each shard: id, share of the hashes, open or closed, number of records, age. Below a shard stands the one that follows it (after an arrow downwards), or the ones that it was split into (with lines). Errors: 22023 for a malformed ARN, 42704 for an unknown stream, 42501 unless the caller may SELECT from the table. DynamoDB has nothing like it.';

CREATE FUNCTION ddbstreams.shard_graph(stream_arn text)
	RETURNS text
	LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'ddbstreams_shard_graph';
COMMENT ON FUNCTION ddbstreams.shard_graph(text) IS
'The lineage of a stream as a graph in Graphviz''s language, for dot -Tsvg: a node for each shard, the open ones coloured, an arrow from each parent to its children, expired parents dashed. Errors as shard_tree. DynamoDB has nothing like it.';
