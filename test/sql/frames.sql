-- Records of one transaction that lie on one page are one row of the shard:
-- they are read one by one all the same, from any position, with their own
-- numbers, descriptors and identities.
--
-- To see it fail: test/mutations/run frame-one-descriptor frame-read-from-start
-- append-tiny-windows.
CREATE EXTENSION IF NOT EXISTS ddbstreams;
SET client_min_messages = warning;

-- The first record behind a number, of a stream with one shard
CREATE FUNCTION framed_behind(arn text, number text) RETURNS text LANGUAGE sql AS $$
	SELECT event_name || ' ' || coalesce(new_image, old_image)::text
	FROM ddbstreams.describe_stream(arn) s,
		ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, s.shard_id, 'AFTER_SEQUENCE_NUMBER', number), 1) $$;

-- For how many records of a shard is the next one read that changes() tells?
CREATE FUNCTION framed_walk(arn text, OUT records bigint, OUT wrong bigint, OUT rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE walked ON COMMIT DROP AS
		SELECT row_number() OVER (ORDER BY sequence_number) AS at, sequence_number,
			event_name || ' ' || coalesce(new_image, old_image)::text AS told
		FROM ddbstreams.describe_stream(arn) s,
			ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, s.shard_id, 'TRIM_HORIZON'), 1000);
	SELECT count(*), count(*) FILTER (WHERE framed_behind(arn, w.sequence_number) IS DISTINCT FROM
		(SELECT told FROM walked n WHERE n.at = w.at + 1))
	INTO records, wrong FROM walked w;
	EXECUTE (SELECT format('SELECT count(*) FROM %s', shard_table) FROM ddbstreams.describe_stream(arn)) INTO rows;
	DROP TABLE walked;
END $$;

-- Descriptors: partitions, and a table that is altered in between
CREATE TABLE framed (id int, v int, t text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE framed_low PARTITION OF framed FOR VALUES FROM (0) TO (100);
CREATE TABLE framed_high (t text, gone int, v int, id int NOT NULL);
ALTER TABLE framed_high DROP gone;
ALTER TABLE framed ATTACH PARTITION framed_high FOR VALUES FROM (100) TO (200);
SELECT ddbstreams.enable_stream('framed', shard_count => 1) AS arn \gset

BEGIN;
INSERT INTO framed VALUES (1, 1, 'low'), (101, 2, 'high'), (2, NULL, 'low'), (102, 3, NULL);
SET LOCAL ddbstreams.user_identity = 'Service:expires.example.com';
UPDATE framed SET v = v + 10;
RESET ddbstreams.user_identity;
ALTER TABLE framed ADD w bigint DEFAULT 7;
INSERT INTO framed VALUES (3, 4, 'low', 8), (103, 5, repeat('long ', 10), 9);
DELETE FROM framed WHERE id IN (1, 102);
COMMIT;
SELECT event_name, keys, old_image, new_image, user_identity
FROM ddbstreams.describe_stream(:'arn') s,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', s.shard_id, 'TRIM_HORIZON'), 1000);
SELECT * FROM framed_walk(:'arn');

-- Alone a record is a row by itself
INSERT INTO framed VALUES (4, 4, 'alone', 4);
SELECT * FROM framed_walk(:'arn');

-- Whatever the sizes: pages are filled to their ends, and what is too long for
-- a page lies beside it
CREATE TABLE framed_sizes (id int PRIMARY KEY, t text);
ALTER TABLE framed_sizes ALTER t SET STORAGE EXTERNAL;
SELECT ddbstreams.enable_stream('framed_sizes', shard_count => 1) AS arn \gset
INSERT INTO framed_sizes SELECT i, repeat('x', 1 + i * i * 7 % 9001) FROM generate_series(1, 100) i;
INSERT INTO framed_sizes SELECT i, repeat('y', n) FROM generate_series(0, 29) g,
	LATERAL (VALUES (101 + 2 * g, 8000 - 5 * g), (102 + 2 * g, g)) v (i, n);
SELECT records, wrong, rows < records / 2 AS framed FROM framed_walk(:'arn');
SELECT count(*), count(*) FILTER (WHERE t = (s.new_image).t) AS same
FROM framed_sizes JOIN ddbstreams.changes(NULL::framed_sizes, stream_arn => :'arn') s ON id = (s.new_image).id;

-- Nothing but the key
CREATE TABLE framed_keys (id bool PRIMARY KEY);
SELECT ddbstreams.enable_stream('framed_keys', 'KEYS_ONLY', shard_count => 1) AS arn \gset
BEGIN;
DO $$ BEGIN
	FOR i IN 1 .. 450 LOOP
		INSERT INTO framed_keys VALUES (true);
		DELETE FROM framed_keys;
	END LOOP;
END $$;
COMMIT;
SELECT records, wrong, rows <= 5 AS framed FROM framed_walk(:'arn');

-- A savepoint's records are of its transaction, and gone with it
BEGIN;
INSERT INTO framed_keys VALUES (true);
SAVEPOINT a;
INSERT INTO framed_keys VALUES (false);
DELETE FROM framed_keys;
ROLLBACK TO a;
INSERT INTO framed_keys VALUES (false);
COMMIT;
SELECT string_agg(event_name || (keys -> 'id' ->> 'BOOL'), ' ' ORDER BY sequence_number) FROM ddbstreams.newest_records(:'arn', 2);

DROP TABLE framed, framed_sizes, framed_keys;
DROP FUNCTION framed_behind, framed_walk;

-- Many shards of a large transaction, whose changes were in a file, share the memory
-- in which it is read again: each gets as much of it as a page's records need.
CREATE TABLE framed_shards (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('framed_shards', 'KEYS_ONLY', shard_count => 256) AS arn \gset
SET ddbstreams.buffer_memory = '64kB';
INSERT INTO framed_shards SELECT generate_series(1, 40000);
RESET ddbstreams.buffer_memory;
CREATE FUNCTION framed_rows(arn text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	shard regclass;
	rows bigint;
	total bigint := 0;
BEGIN
	FOR shard IN SELECT shard_table FROM ddbstreams.describe_stream(arn) LOOP
		EXECUTE format('SELECT count(*) FROM %s', shard) INTO rows;
		total := total + rows;
	END LOOP;
	RETURN total;
END $$;
SELECT framed_rows(:'arn') AS rows;
DROP TABLE framed_shards;
DROP FUNCTION framed_rows;
