-- Makes the pictures of a lineage that docs/shards.md shows, of real output:
--
--   cd docs/pictures
--   psql -X -q -A -t -f lineage.sql
--   for i in 1 2 3 4; do dot -Tsvg -o lineage-$i.svg lineage-$i.dot; rm lineage-$i.dot; done
--
-- A stream of 30 hours in some seconds: the clock is set.  It rolled over after
-- 4 hours, a shard was split when the load grew, and in the end the first shards
-- have expired.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ddbstreams;
CREATE TABLE orders (id int PRIMARY KEY, status text);
SET ddbstreams.clock_offset = '-30h';
SELECT ddbstreams.enable_stream('orders', shard_count => 2) AS arn \gset
INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 4200) i;
SET ddbstreams.clock_offset = '-27h';
\o lineage-1.dot
SELECT ddbstreams.shard_graph(:'arn');
\o

SET ddbstreams.clock_offset = '-26h';
SELECT ddbstreams.roll_over(:'arn') AS closed \gset
SET ddbstreams.clock_offset = '-20h';
INSERT INTO orders SELECT i, 'new' FROM generate_series(4201, 9000) i;

\o lineage-2.dot
SELECT ddbstreams.shard_graph(:'arn');
\o

SET ddbstreams.clock_offset = '-9h';
SELECT count(*) AS split FROM ddbstreams.split_shard(:'arn',
	(SELECT min(shard_id) FROM ddbstreams.describe_stream(:'arn') WHERE ending_sequence_number IS NULL)) \gset
INSERT INTO orders SELECT i, 'new' FROM generate_series(9001, 18000) i;
\o lineage-3.dot
SELECT ddbstreams.shard_graph(:'arn');
\o

SET ddbstreams.clock_offset = '-5h';
SELECT ddbstreams.roll_over(:'arn') AS closed \gset
INSERT INTO orders SELECT i, 'new' FROM generate_series(18001, 24000) i;

SET ddbstreams.clock_offset = '-2h';
SELECT count(*) AS split FROM ddbstreams.split_shard(:'arn',
	(SELECT max(shard_id) FROM ddbstreams.describe_stream(:'arn') WHERE ending_sequence_number IS NULL)) \gset
INSERT INTO orders SELECT i, 'new' FROM generate_series(24001, 30000) i;

RESET ddbstreams.clock_offset;
SELECT ddbstreams_shards.expire();
\o lineage-4.dot
SELECT ddbstreams.shard_graph(:'arn');
\o
DROP TABLE orders;
