-- What test/fuzz/parsers begins with: a table with records of each kind, and
-- names for the fuzzer to find.

CREATE EXTENSION ddbstreams;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text, c mood, d numeric[]);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE t (id int PRIMARY KEY, name text, pair pair, tags text[], data jsonb);
CREATE SCHEMA "S.s";
CREATE TABLE "S.s"."T.t" (id int PRIMARY KEY);

CREATE FUNCTION handler(event jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION "S.s"."Handler"(event jsonb) RETURNS void LANGUAGE sql AS '';
SELECT ddbstreams.enable_stream('t', shard_count => 1);
INSERT INTO t SELECT i, repeat('x', i), (i, 'b', 'ok', '{1.50,NULL}')::pair, '{a,"\""}', '{"a": [1, null, {}]}' FROM generate_series(1, 30) i;
UPDATE t SET name = 'y' WHERE id % 2 = 0;
DELETE FROM t WHERE id < 5;
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'LATEST', enabled => false);

-- What stands for things of this database in the inputs
CREATE TABLE words AS
	SELECT array['<arn>', arn, '<shard>', shard_id, '<iterator>', iterator, '<number>', sequence_number, '<uuid>', uuid::text] AS words
	FROM ddbstreams.latest_stream_arn('t') AS arn, ddbstreams.describe_stream(arn),
		ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON') AS iterator,
		ddbstreams.get_records(iterator, 1), ddbstreams.list_event_source_mappings();

CREATE FUNCTION fuzz(target text, words text[], options text[]) RETURNS void LANGUAGE c STRICT
	AS 'ddbstreams', 'ddbstreams_fuzz';
