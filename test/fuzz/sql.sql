-- What test/fuzz/sql begins with: a role that owns captured tables, with streams,
-- a mapping and a consumer.

CREATE EXTENSION ddbstreams;
CREATE ROLE fuzz_owner LOGIN;
CREATE SCHEMA fuzz AUTHORIZATION fuzz_owner;
GRANT USAGE ON SCHEMA ddbstreams TO fuzz_owner;
ALTER ROLE fuzz_owner SET search_path = fuzz, public;
SET ROLE fuzz_owner;
SET search_path = fuzz;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE people (
	id int PRIMARY KEY, name text, born date, mood mood, tags text[], score numeric,
	data jsonb, photo bytea, since timestamptz DEFAULT now(), stay interval, pair pair, many positive);
CREATE TABLE orders (
	region text, no bigint, amount numeric(12, 2), paid boolean, lines jsonb,
	twice numeric GENERATED ALWAYS AS (amount * 2) STORED, PRIMARY KEY (region, no));
CREATE TABLE parts (id int, part text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;

SELECT ddbstreams.enable_stream('people', shard_count => 2), ddbstreams.enable_stream('orders', 'KEYS_ONLY'),
	ddbstreams.enable_stream('parts');

-- Numbers are a shard's own: behind a recovery several shards go on from the same.
CREATE TABLE seen (event_id text PRIMARY KEY, sequence_number text, id text);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO fuzz.seen
	SELECT r ->> 'eventID', r #>> '{dynamodb,SequenceNumber}', r #>> '{dynamodb,Keys,id,N}' FROM jsonb_array_elements(event -> 'Records') r
$$;
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('people'), 'TRIM_HORIZON');
SELECT ddbstreams.create_consumer('fuzz', ddbstreams.latest_stream_arn('orders'));

-- Functions with whose results sqlsmith can call others: what it makes up itself
-- is neither an ARN nor an iterator. It calls no function that returns a set.

CREATE DOMAIN arn AS text;
CREATE DOMAIN shard AS text;
CREATE DOMAIN number AS text;
CREATE DOMAIN iterator AS text;
CREATE DOMAIN iterator_type AS text;
CREATE DOMAIN operation AS text;
CREATE DOMAIN request AS json;

CREATE FUNCTION arn() RETURNS arn LANGUAGE sql AS
	$$ SELECT stream_arn FROM ddbstreams.list_streams() ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION shard(arn) RETURNS shard LANGUAGE sql AS
	$$ SELECT shard_id FROM ddbstreams.describe_stream($1) ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION number() RETURNS number LANGUAGE sql AS
	$$ SELECT sequence_number FROM ddbstreams.changes(null::people, now() - interval '5 s') ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION iterator_type() RETURNS iterator_type LANGUAGE sql AS $$
	SELECT (ARRAY['TRIM_HORIZON', 'LATEST', 'AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER', 'AT_TIMESTAMP'])[1 + (random() * 4)::int]
$$;
CREATE FUNCTION iterator() RETURNS iterator LANGUAGE sql AS $$
	SELECT ddbstreams.get_shard_iterator(a, shard(a), (ARRAY['TRIM_HORIZON', 'LATEST'])[1 + random()::int]) FROM arn() a
$$;
CREATE FUNCTION iterator(arn, shard, iterator_type, number, timestamptz) RETURNS iterator LANGUAGE sql AS
	$$ SELECT ddbstreams.get_shard_iterator($1, $2, $3, $4, $5) $$;
CREATE FUNCTION next(iterator) RETURNS iterator LANGUAGE sql AS $$ SELECT ddbstreams.next_shard_iterator($1) $$;
CREATE FUNCTION wait(iterator, interval) RETURNS boolean LANGUAGE sql AS $$ SELECT ddbstreams.wait_for_records($1, $2) $$;
CREATE FUNCTION records(iterator, int) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM ddbstreams.get_records($1, $2) $$;
CREATE FUNCTION image(iterator, int) RETURNS json LANGUAGE sql AS
	$$ SELECT ddbstreams.unmarshal(new_image) FROM ddbstreams.get_records($1, $2) WHERE new_image IS NOT NULL LIMIT 1 $$;
CREATE FUNCTION person(timestamptz, timestamptz) RETURNS people LANGUAGE sql AS
	$$ SELECT new_image FROM ddbstreams.changes(null::people, $1, $2) LIMIT 1 $$;
CREATE FUNCTION polled(text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM ddbstreams.poll('fuzz', $1) $$;
CREATE FUNCTION alter_stream(arn, interval) RETURNS boolean LANGUAGE sql AS $$ SELECT ddbstreams.alter_stream($1, $2) IS NULL $$;
CREATE FUNCTION graph(arn) RETURNS text LANGUAGE sql AS $$ SELECT ddbstreams.shard_graph($1) $$;
CREATE FUNCTION disable() RETURNS arn LANGUAGE sql AS $$ SELECT ddbstreams.disable_stream('orders') $$;
CREATE FUNCTION enable(text, int, interval) RETURNS arn LANGUAGE sql AS
	$$ SELECT ddbstreams.enable_stream('seen', $1, $2, retention => $3) $$;
CREATE FUNCTION map(arn, int, interval, boolean, jsonb) RETURNS uuid LANGUAGE sql AS $$
	SELECT ddbstreams.create_event_source_mapping('handler', $1, 'TRIM_HORIZON', $2, tumbling_window => $3,
		bisect_batch_on_function_error => $4, filter_criteria => $5)
$$;
CREATE FUNCTION operation() RETURNS operation LANGUAGE sql AS $$
	SELECT (ARRAY['ListStreams', 'DescribeStream', 'GetShardIterator', 'GetRecords', 'DescribeTable', 'ListTables',
		'ListEventSourceMappings'])[1 + (random() * 6)::int]
$$;
CREATE FUNCTION request(arn, shard, iterator_type, iterator, int) RETURNS request LANGUAGE sql AS $$
	SELECT json_strip_nulls(json_build_object('StreamArn', $1, 'ShardId', $2, 'ShardIteratorType', $3, 'ShardIterator', $4, 'Limit', $5))
$$;
CREATE FUNCTION aws(operation, request) RETURNS json LANGUAGE sql AS $$ SELECT ddbstreams.aws($1, $2) $$;

RESET ROLE;

-- The functions that sqlsmith finds. PostgreSQL's are left out if random arguments
-- are no use to them: polymorphic ones, which sqlsmith calls with types that do
-- not match, and casts with a type modifier, acldefault and the functions behind
-- aggregates, which answer to a wrong argument with an internal error. Of the
-- others one in ten is enough, for sqlsmith takes all functions of a type as
-- often.
CREATE SCHEMA smith;
GRANT USAGE ON SCHEMA smith TO fuzz_owner;
CREATE VIEW smith.pg_proc AS
SELECT * FROM pg_catalog.pg_proc AS p
WHERE pronamespace::regnamespace::text IN ('fuzz', 'ddbstreams', 'ddbstreams_shards')
	OR (pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'i'
		AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.oid = ANY (p.proargtypes || p.prorettype) AND t.typtype = 'p')
		AND NOT EXISTS (SELECT FROM pg_cast WHERE castfunc = p.oid AND p.pronargs > 1)
		AND p.oid::bigint % 10 = 0
		AND proname !~ '^(acldefault|int[248]sh[lr])$'
		AND NOT EXISTS (SELECT FROM pg_aggregate
			WHERE p.oid IN (aggtransfn, aggfinalfn, aggcombinefn, aggmtransfn, aggminvtransfn, aggmfinalfn)));
GRANT SELECT ON smith.pg_proc TO fuzz_owner;

-- PostgreSQL shifts integers by as many bits as it is told to, which C leaves
-- undefined; a sanitizer would end the server. Operators cannot be hidden.
DELETE FROM pg_operator WHERE oprcode IN ('int2shl'::regproc, 'int2shr', 'int4shl', 'int4shr', 'int8shl', 'int8shr');

-- What follows is asked at the end, by the superuser.
CREATE SCHEMA oracle;

-- Has the handler seen every record of people?
CREATE FUNCTION oracle.delivered() RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM fuzz.seen) AND NOT EXISTS (
		SELECT sequence_number FROM ddbstreams.changes(null::fuzz.people)
		EXCEPT ALL SELECT sequence_number FROM fuzz.seen)
$$;

-- Does each stream, read from its beginning, lead to the rows of its table?
CREATE FUNCTION oracle.streams_agree() RETURNS boolean LANGUAGE sql AS $$
	WITH people AS (
		SELECT DISTINCT ON ((coalesce(new_image, old_image)).id) event_name, new_image
		FROM ddbstreams.changes(null::fuzz.people) ORDER BY (coalesce(new_image, old_image)).id, sequence_number DESC),
	parts AS (
		SELECT DISTINCT ON ((coalesce(new_image, old_image)).id, (coalesce(new_image, old_image)).part) event_name, new_image
		FROM ddbstreams.changes(null::fuzz.parts)
		ORDER BY (coalesce(new_image, old_image)).id, (coalesce(new_image, old_image)).part, sequence_number DESC)
	SELECT NOT EXISTS (
			(SELECT (new_image).id, (new_image).name, (new_image).score, (new_image).data FROM people WHERE event_name <> 'REMOVE')
			EXCEPT SELECT id, name, score, data FROM fuzz.people)
		AND NOT EXISTS (
			SELECT id, name, score, data FROM fuzz.people
			EXCEPT (SELECT (new_image).id, (new_image).name, (new_image).score, (new_image).data FROM people WHERE event_name <> 'REMOVE'))
		AND NOT EXISTS (
			SELECT id, part FROM fuzz.parts
			EXCEPT (SELECT (new_image).id, (new_image).part FROM parts WHERE event_name <> 'REMOVE'))
$$;
