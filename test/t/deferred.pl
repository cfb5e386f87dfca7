# What a handler leaves for the commit is a part of its call: deferred triggers
# and cursors WITH HOLD. It does not run without a limit of time.
#
# To see it fail: test/mutations/run deferred-triggers-without-limit deferred-again-without-limit.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('deferred', q{
max_worker_processes = 16
ddbstreams.maintenance_interval = 1h
ddbstreams.handler_timeout = 500ms
});

sql(q{
CREATE FUNCTION sleep_for_ever() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1000); RETURN 1; END';
CREATE FUNCTION act_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.what = 'sleep' THEN
		PERFORM sleep_for_ever();
	ELSIF new.what = 'fail' THEN
		RAISE 'too late';
	ELSIF new.what = 'defer again' THEN
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO deferred VALUES ('sleep');
	END IF;
	INSERT INTO done VALUES (new.what);
	RETURN NULL;
END $$;
CREATE TABLE done (what text);
CREATE TABLE deferred (what text);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION act_late();

CREATE TABLE t (id serial PRIMARY KEY, what text);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	what text := event #>> '{Records,0,dynamodb,NewImage,what,S}';
BEGIN
	IF what = 'hold' THEN
		INSERT INTO done VALUES (what);
		EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT sleep_for_ever()';
	ELSE
		INSERT INTO deferred VALUES (what);
	END IF;
END $$;
CREATE FUNCTION on_failure(event jsonb) RETURNS void LANGUAGE sql AS $$ INSERT INTO deferred VALUES ('fail') $$;
SELECT ddbstreams.enable_stream('t', shard_count => 1);
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
	batch_size => 1, maximum_retry_attempts => 0);
});

# Reads a column of mapping_stats.
sub stats
{
	my ($column) = @_;
	return "SELECT $column FROM ddbstreams.mapping_stats";
}

sql(q{INSERT INTO t (what) VALUES ('sleep')});
comes_to(stats('batches_failed, last_error'), '1|the handler was cancelled after ddbstreams.handler_timeout, 500 ms',
	'a deferred trigger is cancelled at the time limit');
sql(q{INSERT INTO t (what) VALUES ('fail')});
comes_to(stats('batches_failed, last_error'), '2|too late', 'an error of a deferred trigger is one of the call');
sql(q{INSERT INTO t (what) VALUES ('good')});
comes_to('SELECT what FROM done', 'good', 'what a deferred trigger does is kept with the call');
sql(q{INSERT INTO t (what) VALUES ('hold')});
comes_to(q{SELECT count(*) FROM done WHERE what = 'hold'}, '1', 'a cursor WITH HOLD is closed behind the call');

sql(q{SELECT ddbstreams.update_event_source_mapping(uuid, on_failure => 'on_failure') FROM ddbstreams.list_event_source_mappings();
	INSERT INTO t (what) VALUES ('fail')});
comes_to(stats('batches_failed, last_error'), '3|on_failure: too late',
	'an error of a trigger that on_failure has deferred is one of on_failure');
is(sql('SELECT count(*) FROM deferred'), '1', '... and nothing of it is left');

sql(q{SELECT ddbstreams.update_event_source_mapping(uuid, on_failure => '-') FROM ddbstreams.list_event_source_mappings();
	INSERT INTO t (what) VALUES ('defer again')});
comes_to(stats('batches_failed, last_error'), '4|the handler was cancelled after ddbstreams.handler_timeout, 500 ms',
	'what a deferred trigger defers again is cancelled at the time limit');

$node->stop;
done_testing();
