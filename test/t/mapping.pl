# Event source mappings: their states, and what they outlive.
#
# To see it fail: test/mutations/run mapping-deletes-itself
# mapping-never-acknowledged mapping-state-without-problem
# mapping-wants-no-dispatcher.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('mapping', q{
ddbstreams.max_workers = 4
ddbstreams.maintenance_interval = '1h'
max_worker_processes = 16
max_prepared_transactions = 2
});

sub make
{
	my ($function, $more) = @_;
	return sql(qq{SELECT ddbstreams.create_event_source_mapping('$function',
		ddbstreams.latest_stream_arn('t'), 'LATEST' $more)});
}

sub state_of
{
	my ($uuid) = @_;
	return qq{SELECT state FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'};
}

sub result_of
{
	my ($uuid) = @_;
	return qq{SELECT last_processing_result FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'};
}

sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	CREATE TABLE seen (who text, n int);
	CREATE TABLE script (who text, command text);
	CREATE FUNCTION run(who text, event jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE
		command text;
	BEGIN
		INSERT INTO seen SELECT run.who, (r->'dynamodb'->'Keys'->'id'->>'N')::int
		FROM jsonb_array_elements(event->'Records') AS r;
		FOR command IN SELECT s.command FROM script AS s WHERE s.who = run.who LOOP
			EXECUTE command;
		END LOOP;
		RETURN NULL;
	END $$;
	CREATE FUNCTION f(event jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT run('f', event) $$;
	CREATE FUNCTION g(event jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT run('g', event) $$;
});

# from one state to the next: maintenance, which would start a dispatcher too,
# comes but once an hour
my $uuid = make('f', '');
comes_to(state_of($uuid), 'Enabled', 'a new mapping is Enabled by the dispatcher');
is(sql(result_of($uuid)), 'No records processed', 'it has processed nothing');
sql('INSERT INTO t VALUES (1)');
comes_to(q{SELECT string_agg(n::text, ',') FROM seen}, '1', 'it delivers');
comes_to(result_of($uuid), 'OK', 'and says so');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', batch_size => 1)});
comes_to(state_of($uuid), 'Enabled', 'a changed mapping is Enabled again');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => false)});
is(sql(state_of($uuid)), 'Disabled', 'a disabled one is Disabled at once if it is idle');
sql('INSERT INTO t VALUES (2)');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(q{SELECT string_agg(n::text, ',' ORDER BY n) FROM seen}, '1,2', 'it goes on where it was');
comes_to(state_of($uuid), 'Enabled', 'and is Enabled');

# a handler may change its mapping, but not delete it
sql(qq{INSERT INTO script VALUES ('f', 'SELECT ddbstreams.delete_event_source_mapping(''$uuid'')')});
sql('INSERT INTO t VALUES (3)');
comes_to(result_of($uuid), 'PROBLEM: Function call failed', 'a handler cannot delete its mapping');
like(sql(qq{SELECT last_error FROM ddbstreams.mapping_stats WHERE mapping = '$uuid' LIMIT 1}),
	qr/Cannot delete the event source mapping because it is in use/, 'it is told so');
sql(qq{UPDATE script SET command = 'SELECT ddbstreams.update_event_source_mapping(''$uuid'', enabled => false)'});
comes_to(state_of($uuid), 'Disabled', 'a handler can disable its mapping');
is(sql(q{SELECT string_agg(n::text, ',' ORDER BY n) FROM seen}), '1,2,3', 'its batch is delivered');
sql(q{DELETE FROM script});
sql('INSERT INTO t VALUES (4)');
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(q{SELECT string_agg(n::text, ',' ORDER BY n) FROM seen}, '1,2,3,4', 'enabled, it goes on');

# the function goes, and comes back
sql('DROP FUNCTION f; INSERT INTO t VALUES (5)');
comes_to(result_of($uuid), 'PROBLEM: Function does not exist', 'without its function it fails');
is(sql(state_of($uuid)), 'Enabled', 'and stays Enabled');
sql(q{CREATE FUNCTION f(event jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT run('new f', event) $$});
comes_to(q{SELECT n FROM seen WHERE who = 'new f'}, '5', 'the new function gets what the old one could not');

# its rights go, and come back
sql(q{CREATE ROLE clerk LOGIN; GRANT SELECT ON t TO clerk; GRANT INSERT ON seen TO clerk; GRANT SELECT ON script TO clerk});
my $clerks = sql(q{SET ROLE clerk; SELECT ddbstreams.create_event_source_mapping('g',
	ddbstreams.latest_stream_arn('t'), 'LATEST')});
comes_to(state_of($clerks), 'Enabled', 'a mapping of another role');
sql('INSERT INTO t VALUES (6)');
comes_to(q{SELECT n FROM seen WHERE who = 'g'}, '6', 'delivers');
sql('REVOKE SELECT ON t FROM clerk; INSERT INTO t VALUES (7)');
comes_to(qq{SELECT last_processing_result ~ '^PROBLEM' FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$clerks'},
	't', 'a role that may no longer read the table gets nothing');
sql('GRANT SELECT ON t TO clerk');
comes_to(q{SELECT string_agg(n::text, ',' ORDER BY n) FROM seen WHERE who = 'g'}, '6,7', 'and goes on when it may again');

# made by a prepared transaction
sql(qq{BEGIN; SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => false); PREPARE TRANSACTION 'off'});
is(sql(state_of($uuid)), 'Enabled', 'prepared, a change is not made yet');
sql(q{COMMIT PREPARED 'off'});
is(sql(state_of($uuid)), 'Disabled', 'committed, it is');
sql('INSERT INTO t VALUES (8)');
comes_to(q{SELECT count(*) FROM seen WHERE who = 'g' AND n = 8}, '1', 'others get records');
is(sql(q{SELECT count(*) FROM seen WHERE n = 8}), '1', 'the disabled one does not');

# the role goes
sql('DROP OWNED BY clerk; DROP ROLE clerk');
is(sql(state_of($clerks) =~ s/state/state, last_processing_result/r),
	'Disabled|PROBLEM: The role that made the mapping does not exist', 'a mapping outlives its role, Disabled');

# the stream goes
sql(qq{SELECT ddbstreams.update_event_source_mapping('$uuid', enabled => true)});
comes_to(q{SELECT count(*) FROM seen WHERE who = 'new f' AND n = 8}, '1', 'enabled, it catches up');
comes_to(state_of($uuid), 'Enabled', 'and is Enabled');
sql(q{SELECT ddbstreams.disable_stream('t')});
is(sql(state_of($uuid)), 'Enabled', 'a disabled stream may have records yet');
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = '2d'; SELECT pg_reload_conf()});
comes_to(state_of($uuid) =~ s/state/state, last_processing_result/r, 'Disabled|PROBLEM: Stream not found',
	'a mapping outlives its stream, Disabled');
sql(q{ALTER SYSTEM SET ddbstreams.maintenance_interval = '1s'});
$node->restart;
comes_to(q{SELECT count(*) FROM ddbstreams_shards.stream}, '0', 'the stream is removed');
is(sql(state_of($uuid) =~ s/state/state, last_processing_result/r), 'Disabled|PROBLEM: Stream not found', 'the mapping is not');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$uuid'), ddbstreams.delete_event_source_mapping('$clerks')});
is(sql(q{SELECT (SELECT count(*) FROM ddbstreams.list_event_source_mappings()) + (SELECT count(*) FROM ddbstreams_shards.mapping_shard)}),
	'0', 'until it is deleted');

$node->stop;
done_testing();
