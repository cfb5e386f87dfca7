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

CREATE TABLE seen (sequence_number text PRIMARY KEY, id text);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO fuzz.seen
	SELECT r #>> '{dynamodb,SequenceNumber}', r #>> '{dynamodb,Keys,id,N}' FROM jsonb_array_elements(event -> 'Records') r
$$;
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('people'), 'TRIM_HORIZON');
SELECT ddbstreams.create_consumer('fuzz', ddbstreams.latest_stream_arn('orders'));

RESET ROLE;

-- What follows is asked at the end, by the superuser.

-- Has the handler seen every record of people?
CREATE FUNCTION fuzz.delivered() RETURNS boolean LANGUAGE sql AS $$
	SELECT count(*) > 0 AND bool_and(EXISTS (SELECT FROM fuzz.seen s WHERE s.sequence_number = c.sequence_number::text))
	FROM ddbstreams.changes(null::fuzz.people) c
$$;

-- Does each stream, read from its beginning, lead to the rows of its table?
CREATE FUNCTION fuzz.streams_agree() RETURNS boolean LANGUAGE sql AS $$
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
