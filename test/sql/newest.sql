-- newest_records: the end of a stream, as changes() has it; rights; bad input.
--
-- To see it fail: test/mutations/run newest-opens-expired newest-unsorted.
CREATE EXTENSION IF NOT EXISTS ddbstreams;
SET client_min_messages = warning;

CREATE ROLE newest_reader;
CREATE ROLE newest_nobody;

CREATE TABLE latest (id int PRIMARY KEY, v int, t text);
ALTER TABLE latest ALTER t SET STORAGE EXTERNAL;
GRANT SELECT ON latest TO newest_reader;
SELECT ddbstreams.enable_stream('latest', shard_count => 3) AS arn \gset

-- For how many of these counts does newest_records return what changes() ends with?
CREATE FUNCTION newest_agrees(arn text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(n::text, ' ' ORDER BY n)
	FROM unnest('{1, 2, 3, 7, 40, 1000}'::int[]) n
	WHERE (SELECT array_agg(shard_id || sequence_number ORDER BY sequence_number, shard_id)
			FROM ddbstreams.newest_records(arn, n))
		IS NOT DISTINCT FROM
		(SELECT array_agg(shard_id || sequence_number ORDER BY sequence_number, shard_id)
			FROM (SELECT * FROM ddbstreams.changes(NULL::latest, stream_arn => arn)
				ORDER BY sequence_number DESC, shard_id LIMIT n) c) $$;

-- Nothing yet
SELECT count(*) FROM ddbstreams.newest_records(:'arn');

-- Some records, more than a page of them, and an aborted end
INSERT INTO latest SELECT i, i FROM generate_series(1, 3) i;
SELECT newest_agrees(:'arn');
INSERT INTO latest SELECT i, i, 'text ' || i FROM generate_series(4, 3000) i;
SELECT newest_agrees(:'arn');
BEGIN;
UPDATE latest SET v = 0;
ROLLBACK;
UPDATE latest SET v = -1 WHERE id = 7;
SELECT event_name, keys, old_image, new_image, stream_view_type
FROM ddbstreams.newest_records(:'arn', 1);
SELECT newest_agrees(:'arn');
SELECT count(*), count(DISTINCT event_id), count(DISTINCT shard_id) FROM ddbstreams.newest_records(:'arn');

-- The rows are those of get_records, and one goes on behind them.
SELECT count(*) AS alike
FROM ddbstreams.newest_records(:'arn', 20) n,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', n.shard_id, 'AT_SEQUENCE_NUMBER', n.sequence_number), 1) r
WHERE (r.event_id, r.event_name, r.approximate_creation_date_time, r.keys::text, r.new_image::text, r.size_bytes, r.transaction_id)
	IS NOT DISTINCT FROM
	(n.event_id, n.event_name, n.approximate_creation_date_time, n.keys::text, n.new_image::text, n.size_bytes, n.transaction_id);
SELECT sum((SELECT count(*) FROM ddbstreams.get_records(n.next_shard_iterator))) AS behind
FROM (SELECT next_shard_iterator FROM ddbstreams.newest_records(:'arn', 1)) n;

-- Closed shards are behind the open ones, until these have records.
SELECT ddbstreams.roll_over(:'arn');
SELECT newest_agrees(:'arn');
SELECT count(*) FROM ddbstreams.split_shard(:'arn', (SELECT max(shard_id) FROM ddbstreams.describe_stream(:'arn') WHERE ending_sequence_number IS NULL));
UPDATE latest SET v = v + 1 WHERE id % 100 = 0;
SELECT newest_agrees(:'arn');

-- More than a page of GetRecords can hold
UPDATE latest SET t = repeat('x', 400000) WHERE id <= 5;
SELECT count(*), sum(size_bytes) > 1500000 AS large FROM ddbstreams.newest_records(:'arn', 5);
SELECT newest_agrees(:'arn');

-- Records of this transaction are not shown before its end.
BEGIN;
DELETE FROM latest WHERE id = 9;
SELECT event_name FROM ddbstreams.newest_records(:'arn', 1);
COMMIT;
SELECT event_name, keys FROM ddbstreams.newest_records(:'arn', 1);

-- What has passed its retention is not shown.
CREATE TABLE closed AS SELECT shard_table FROM ddbstreams.describe_stream(:'arn') WHERE ending_sequence_number IS NOT NULL;
SET ddbstreams.clock_offset = '25 h';
SELECT count(*) FROM ddbstreams.newest_records(:'arn');
-- Nor is it looked into: maintenance may be dropping it.
BEGIN;
DO $$
DECLARE
	name regclass;
BEGIN
	FOR name IN SELECT shard_table FROM closed LOOP
		DELETE FROM pg_depend WHERE deptype = 'e' AND objid = name;
		EXECUTE 'DROP TABLE ' || name;
	END LOOP;
END $$;
SELECT count(*) FROM ddbstreams.newest_records(:'arn');
ROLLBACK;
DROP TABLE closed;
RESET ddbstreams.clock_offset;
SELECT count(*) FROM ddbstreams.newest_records(:'arn');

-- list_stream_stats of one stream
SELECT count(*) FROM ddbstreams.list_stream_stats(:'arn') s JOIN ddbstreams.stream_stats v USING (stream_arn, shard_id, records, bytes);
SELECT count(*) = (SELECT count(*) FROM ddbstreams.describe_stream(:'arn')) AS all_shards FROM ddbstreams.list_stream_stats(:'arn');

-- Rights
SET ROLE newest_reader;
SELECT count(*) FROM ddbstreams.newest_records(:'arn', 2);
SELECT count(*) > 0 AS stats FROM ddbstreams.list_stream_stats(:'arn');
SET ROLE newest_nobody;
SELECT count(*) FROM ddbstreams.newest_records(:'arn', 2);
SELECT count(*) FROM ddbstreams.list_stream_stats(:'arn');
RESET ROLE;
GRANT pg_monitor TO newest_nobody;
SET ROLE newest_nobody;
SELECT count(*) FROM ddbstreams.newest_records(:'arn', 2);
SELECT count(*) > 0 AS stats FROM ddbstreams.list_stream_stats(:'arn');
RESET ROLE;

-- Bad input
SELECT * FROM ddbstreams.newest_records(NULL);
SELECT * FROM ddbstreams.newest_records(:'arn', NULL);
SELECT * FROM ddbstreams.newest_records(:'arn', 0);
SELECT * FROM ddbstreams.newest_records(:'arn', 1001);
SELECT * FROM ddbstreams.newest_records('x');
SELECT * FROM ddbstreams.newest_records('arn:aws:dynamodb:ddblocal:000000000000:table/x/stream/x');
SELECT * FROM ddbstreams.list_stream_stats('x');
SELECT * FROM ddbstreams.list_stream_stats('arn:aws:dynamodb:ddblocal:000000000000:table/x/stream/x');

DROP TABLE latest;
DROP ROLE newest_reader, newest_nobody;
