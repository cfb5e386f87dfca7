-- stream_stats, append_stats, shard_tree, shard_graph: what they count, how they
-- draw, and who may see it.
--
-- To see it fail: test/mutations/run append-bytes-without-values
-- append-counted-for-each-shard append-time-of-stream-before
-- graph-expired-as-closed graph-not-quoted graph-points-of-children stats-all-open
-- stats-for-everybody stats-of-all-streams stats-without-barrier
-- tree-arrows-for-everybody tree-prefix-not-cut.

-- settings that the output below depends on
set standard_conforming_strings = on;
set intervalstyle = postgres;
CREATE EXTENSION IF NOT EXISTS ddbstreams;
SET client_min_messages = warning;

CREATE ROLE watching_reader;
CREATE ROLE watching_monitor IN ROLE pg_monitor;
CREATE ROLE watching_nobody;

CREATE TABLE watched (id int PRIMARY KEY, v int, t text);
CREATE TABLE "wat""ch\ed" (id int PRIMARY KEY);
GRANT SELECT ON watched TO watching_reader;
SELECT ddbstreams.enable_stream('watched', shard_count => 2) AS arn \gset
SELECT ddbstreams.enable_stream('wat"ch\ed', shard_count => 1) AS odd_arn \gset

-- Ids and times differ from run to run: shards are named by their order.
CREATE FUNCTION watched_named(line text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s record;
BEGIN
	line := replace(line, 'shardId-0000000<br/>', 'shardId-0000000');
	FOR s IN SELECT shard_id, row_number() OVER (ORDER BY shard_id) AS n FROM
		(SELECT shard_id FROM watched_ids UNION SELECT parent_shard_id FROM watched_ids WHERE parent_shard_id IS NOT NULL) i
	LOOP
		line := replace(line, s.shard_id, 'shard-' || s.n);
	END LOOP;
	-- lines are drawn with letters where the encoding has no lines
	line := replace(replace(replace(replace(line, '↓ ', 'v '), '├─ ', '|- '), '└─ ', '`- '), '│  ', '|  ');
	line := regexp_replace(line, '[0-9]+ (s|min) old', 'N s old', 'g');
	-- the axis of time depends on it
	line := regexp_replace(line, E'\n\tnode \\[shape=plaintext.*', '');
	RETURN regexp_replace(line, '/stream/[^"<]*', '/stream/LABEL');
END $$;
CREATE FUNCTION watched_told(arn text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE WARNING 'told of %', regexp_replace(arn, '/stream/.*', '');
	RETURN true;
END $$;
CREATE TEMP TABLE watched_ids (shard_id text, parent_shard_id text);
CREATE PROCEDURE watched_see(arn text) LANGUAGE sql AS $$
	DELETE FROM watched_ids;
	INSERT INTO watched_ids SELECT shard_id, parent_shard_id FROM ddbstreams.describe_stream(arn) $$;
CALL watched_see(:'arn');

-- Nothing yet
SELECT watched_named(shard_id) AS shard, records, bytes > 0 AS bytes, oldest, newest, records_per_second
FROM ddbstreams.stream_stats WHERE stream_arn = :'arn' ORDER BY shard_id;
SELECT watched_named(l) FROM ddbstreams.shard_tree(:'arn') l;

-- What the stream is
SELECT DISTINCT table_name, stream_status, stream_view_type, retention, is_open
FROM ddbstreams.stream_stats WHERE stream_arn = :'arn';
SELECT count(*) AS of_list_streams FROM ddbstreams.stream_stats s
	JOIN ddbstreams.list_streams() l USING (stream_arn, table_name, stream_status, stream_view_type, retention)
WHERE stream_arn = :'arn';

-- Records, large values, an aborted one
INSERT INTO watched SELECT i, i FROM generate_series(1, 100) i;
BEGIN;
INSERT INTO watched SELECT i, i FROM generate_series(101, 200) i;
ROLLBACK;
ALTER TABLE watched ALTER t SET STORAGE EXTERNAL;
INSERT INTO watched VALUES (1000, 1, repeat('x', 1000000));
UPDATE watched SET v = v + 1;
SELECT sum(records) AS records, sum(bytes) > 1000000 AS bytes,
	bool_and(oldest BETWEEN now() - interval '1 minute' AND now()) AS oldest,
	bool_and(newest BETWEEN oldest AND clock_timestamp()) AS newest,
	sum(records_per_second) BETWEEN 202 / 60.0 AND 202 AS rate
FROM ddbstreams.stream_stats WHERE stream_arn = :'arn';
SELECT bool_and(s.records = c.count) AS as_changes, count(*)
FROM ddbstreams.stream_stats s JOIN
	(SELECT shard_id, count(*), min(committed_at), max(committed_at) FROM ddbstreams.changes(NULL::watched) GROUP BY 1) c USING (shard_id)
WHERE s.oldest = c.min AND s.newest = c.max;

-- What was appended: by committed transactions of any number of statements, to
-- any number of shards, and of several streams
CREATE FUNCTION watched_appended(arn text) RETURNS TABLE (appends bigint, appended bigint, bytes bigint, timed bool, waits bigint)
	LANGUAGE sql AS $$
	SELECT commits, records, bytes, lock_time > 0 AND append_time BETWEEN lock_time AND 600000
		AND lock_wait_time = 0 AND stats_reset < clock_timestamp(), lock_waits
	FROM ddbstreams.append_stats WHERE stream_arn = arn $$;
SELECT appends, appended, bytes BETWEEN 1000000 AND 1050000 AS bytes, timed, waits FROM watched_appended(:'arn');
SELECT table_name, commits, records, bytes, append_time, lock_time, lock_waits, lock_wait_time, stats_reset
FROM ddbstreams.append_stats WHERE stream_arn = :'odd_arn';
BEGIN;
INSERT INTO watched VALUES (1001), (1002);
SAVEPOINT s;
INSERT INTO watched VALUES (1003);
ROLLBACK TO s;
INSERT INTO "wat""ch\ed" VALUES (1);
DELETE FROM watched WHERE id > 1000;
COMMIT;
BEGIN;
UPDATE watched SET v = v WHERE id = 1;
COMMIT;
BEGIN;
UPDATE "wat""ch\ed" SET id = 2;
COMMIT;
SELECT appends, appended, timed, waits FROM watched_appended(:'arn');
SELECT appends, appended, timed, waits FROM watched_appended(:'odd_arn');

-- A lineage
SELECT ddbstreams.roll_over(:'arn');
SELECT is_open, count(*) FROM ddbstreams.stream_stats WHERE stream_arn = :'arn' GROUP BY 1 ORDER BY 1;
CALL watched_see(:'arn');
SELECT count(*) FROM ddbstreams.split_shard(:'arn', (SELECT min(shard_id) FROM ddbstreams.describe_stream(:'arn') WHERE ending_sequence_number IS NULL));
CALL watched_see(:'arn');
SELECT count(*) FROM ddbstreams.split_shard(:'arn', (SELECT min(shard_id) FROM ddbstreams.describe_stream(:'arn') WHERE hash_range @> 1::numeric AND ending_sequence_number IS NULL));
CALL watched_see(:'arn');
INSERT INTO watched VALUES (2000, 1);
SELECT ddbstreams.roll_over(:'arn');
CALL watched_see(:'arn');
SELECT watched_named(l) FROM ddbstreams.shard_tree(:'arn') l;
-- a client whose encoding has no arrows
SET client_encoding = latin1;
SELECT watched_named(l) FROM ddbstreams.shard_tree(:'arn') l;
SELECT bool_and(octet_length(l) = length(l)) AS ascii FROM ddbstreams.shard_tree(:'arn') l;
RESET client_encoding;
SELECT l FROM regexp_split_to_table(watched_named(ddbstreams.shard_graph(:'arn')), E'\n\t') l;
-- Each shard stands at one point of the axis of time, and children behind their parents.
SELECT count(*) AS shards, count(DISTINCT i.shard_id), count(*) FILTER (WHERE strpos(p.point[1], parent_shard_id) > 0) AS beside_parents,
	min(p.no) = 1 AND max(p.no) = max(p.points) AS at_all_points
FROM (SELECT point, row_number() OVER () AS no, count(*) OVER () AS points
	FROM regexp_matches(ddbstreams.shard_graph(:'arn'), '{rank=same; ("time [^}]*)}', 'g') point) p
	JOIN watched_ids i ON strpos(p.point[1], i.shard_id) > 0;
SELECT count(*) FROM ddbstreams.stream_stats WHERE stream_arn = :'arn';

-- Names that must be quoted
CREATE TABLE "a<b>&c" (id int PRIMARY KEY);
SELECT substring(ddbstreams.shard_graph(ddbstreams.enable_stream('"a<b>&c"')) FROM 'table/.*/stream') AS in_label,
	substring(ddbstreams.shard_graph(:'odd_arn') FROM 'table/.*/stream') AS another;
DROP TABLE "a<b>&c";

-- What is old: parents that have expired
ALTER TABLE watched DROP COLUMN t;
SET ddbstreams.clock_offset = '25 h';
INSERT INTO watched VALUES (3000, 1);
SELECT sum(records), count(*), count(oldest) FROM ddbstreams.stream_stats WHERE stream_arn = :'arn';
SELECT count(*) AS expired FROM regexp_matches(ddbstreams.shard_graph(:'arn'), '<br/>expired, 0 records<br/>', 'g');
SELECT ddbstreams_shards.expire(:'arn');
SELECT regexp_replace(watched_named(l), '[0-9]+ d [0-9]+ h old', 'N d old') FROM ddbstreams.shard_tree(:'arn') l;
SELECT l FROM regexp_split_to_table(watched_named(ddbstreams.shard_graph(:'arn')), E'\n\t') l;
RESET ddbstreams.clock_offset;

-- Many records: an estimate
CREATE TABLE watched_many (id int PRIMARY KEY);
SELECT ddbstreams.enable_stream('watched_many', 'KEYS_ONLY', shard_count => 1) AS many_arn \gset
INSERT INTO watched_many SELECT i FROM generate_series(1, 600000) i;
SELECT records BETWEEN 580000 AND 620000 AS records, records_per_second > 2000 AS rate, newest = oldest AS same_time
FROM ddbstreams.stream_stats WHERE stream_arn = :'many_arn';
SELECT regexp_replace(l, '^[^ ]+ (.*)about [56][0-9]{5} records, .*', '\1about 6xxxxx') FROM ddbstreams.shard_tree(:'many_arn') l;

-- A caller that asks for one stream pays for that alone: nothing is read of another.
BEGIN;
SELECT sum(pg_stat_get_xact_blocks_fetched(shard_table)) AS read FROM ddbstreams.describe_stream(:'many_arn') \gset
SELECT count(*) FROM ddbstreams.stream_stats WHERE stream_arn = :'arn';
SELECT sum(pg_stat_get_xact_blocks_fetched(shard_table)) - :read AS pages FROM ddbstreams.describe_stream(:'many_arn');
COMMIT;

-- Rights
SET ROLE watching_reader;
SELECT count(*), count(DISTINCT stream_arn) FROM ddbstreams.stream_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
SELECT count(*), count(DISTINCT stream_arn) FROM ddbstreams.append_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
SELECT count(*) FROM ddbstreams.shard_tree(:'arn');
SELECT length(ddbstreams.shard_graph(:'arn')) > 0 AS graph;
SELECT * FROM ddbstreams.shard_tree(:'many_arn');
SELECT * FROM ddbstreams.shard_graph(:'many_arn');
SELECT * FROM ddbstreams_shards.list_mapping_stats();
SET ROLE watching_nobody;
SELECT * FROM ddbstreams.stream_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
SELECT * FROM ddbstreams.append_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
-- A function in the condition is not shown either what the view does not show.
SELECT * FROM ddbstreams.stream_stats WHERE watched_told(stream_arn);
SET ROLE watching_monitor;
SELECT count(*), count(DISTINCT stream_arn) FROM ddbstreams.stream_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
SELECT count(*), count(DISTINCT stream_arn) FROM ddbstreams.append_stats WHERE stream_arn = ANY (ARRAY[:'arn', :'odd_arn', :'many_arn']);
SELECT * FROM ddbstreams.shard_tree(:'arn');
SELECT ddbstreams_shards.expire();
RESET ROLE;

-- Bad input
SELECT * FROM ddbstreams.shard_tree(NULL);
SELECT * FROM ddbstreams.shard_graph(NULL);
SELECT * FROM ddbstreams.shard_tree('x');
SELECT * FROM ddbstreams.shard_graph('arn:aws:dynamodb:ddblocal:000000000000:table/x/stream/x');

DROP TABLE watched, "wat""ch\ed", watched_many;
DROP FUNCTION watched_named, watched_told, watched_appended;
DROP PROCEDURE watched_see;
DROP ROLE watching_reader, watching_monitor, watching_nobody;
