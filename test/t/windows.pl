# Tumbling windows beside transactions that write at their end: each is closed
# once, with all of its records, and a mapping that cannot close one yet rests.
# Batching windows when the clock is set back.
#
# To see it fail: test/mutations/run batch-waits-for-set-back-clock
# window-closed-during-append window-waits-in-a-circle.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('windows', q{
ddbstreams.max_workers = 1
max_worker_processes = 16
});

sql(q{
	CREATE TABLE ticks (id int PRIMARY KEY);
	CREATE TABLE closed (n serial, window_start text, records int);
	CREATE FUNCTION tumble(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		records int := coalesce((event->'state'->>'records')::int, 0) + jsonb_array_length(event->'Records');
	BEGIN
		IF (event->>'isFinalInvokeForWindow')::bool THEN
			INSERT INTO closed (window_start, records) VALUES (event->'window'->>'start', records);
		END IF;
		RETURN jsonb_build_object('state', jsonb_build_object('records', records));
	END $$;
	SELECT ddbstreams.create_event_source_mapping('tumble', ddbstreams.enable_stream('ticks', shard_count => 1),
		'TRIM_HORIZON', tumbling_window => '1 s')});

# --- a record may belong to the window, and is not resolved -----------------------

sql(q{INSERT INTO ticks VALUES (1); BEGIN; INSERT INTO ticks VALUES (2); PREPARE TRANSACTION 'late'});
comes_to(q{SELECT sum(records_delivered) FROM ddbstreams.mapping_stats}, '1', 'the record before it is delivered');
sql(q{SELECT pg_sleep(1.1)});
comes_to(q{SELECT coalesce(bool_and(last_run < clock_timestamp() - interval '1 second'), true) FROM ddbstreams.workers WHERE worker_type = 'handler'},
	't', 'behind the end of a window the mapping rests while it waits for a transaction');
is(sql(q{SELECT count(*) FROM closed}), '0', '... and the window is open');
sql(q{COMMIT PREPARED 'late'});
comes_to(q{SELECT sum(records) FROM closed}, '2', '... until that has ended');

# --- a record that is being written ------------------------------------------------

sql(q{TRUNCATE closed});
session($node)->query_safe(q{DO $$ BEGIN
	FOR i IN 11 .. 30 LOOP
		INSERT INTO ticks VALUES (i);
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$});
comes_to(q{SELECT sum(records) FROM closed}, '20', 'all windows are closed');
is(sql(q{SELECT string_agg(window_start, ' ') FROM (SELECT window_start FROM closed GROUP BY 1 HAVING count(*) > 1) AS twice}),
	'', 'no window is closed twice');

# --- a batch that fills -------------------------------------------------------------

sql(q{
	CREATE TABLE ahead (id int PRIMARY KEY);
	CREATE TABLE delivered (records int);
	CREATE FUNCTION note(event jsonb) RETURNS void LANGUAGE sql AS $$
		INSERT INTO delivered VALUES (jsonb_array_length(event->'Records')) $$;
	SELECT ddbstreams.create_event_source_mapping('note', ddbstreams.enable_stream('ahead', shard_count => 1),
		'TRIM_HORIZON', maximum_batching_window => '300 s');
	SET ddbstreams.clock_offset = 3600;
	INSERT INTO ahead VALUES (1)});
comes_to(q{SELECT sum(records) FROM delivered}, '1', 'a batch does not fill for as long as the clock was set back');

$node->stop;
done_testing();
