# What a run of maintenance costs: it reads the table of mappings, and the list of
# tables of another extension, as often with many streams as with few; it gives way
# to a user's command, and depends neither on settings of users nor on their locks.
#
# To see it fail: test/mutations/run maintenance-asks-for-each-stream
# maintenance-reads-lists-for-each-stream maintenance-waits-for-locks
# maintenance-waits-for-owner maintenance-waits-for-trigger workers-end-on-error
# worker-fails-since-last-run workers-with-settings.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to run_maintenance);

my $node = new_server('maintenance', q{
max_worker_processes = 16
ddbstreams.maintenance_interval = 1h
deadlock_timeout = 20s
});

# How often the table of mappings and the list of hypertables are read in a run
sub scans
{
	my ($name) = @_;
	my $scans = q{SELECT sum(pg_stat_get_numscans(c.oid)) FROM pg_class c, unnest(ARRAY[
			'ddbstreams_shards.mapping'::regclass, '_timescaledb_catalog.hypertable'::regclass]) r
		WHERE c.oid = r OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = r)
		GROUP BY r ORDER BY r::text COLLATE "C"};

	run_maintenance("... and runs once more, $name"); # what was made just now has been written down
	my @before = split(/\n/, sql($scans));
	run_maintenance($name);
	my @after = split(/\n/, sql($scans));
	return map { $after[$_] - $before[$_] } 0 .. 1;
}

sub add_streams
{
	my ($first, $last) = @_;
	foreach my $i ($first .. $last)
	{
		sql(qq{CREATE TABLE t$i (id int PRIMARY KEY);
			SELECT ddbstreams.enable_stream('t$i', shard_count => 1);
			SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t$i'), 'TRIM_HORIZON', enabled => false)});
	}
	return;
}

# An extension is made up that has a list of tables.
sql(q{
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
		SELECT max(oid::int8)::int8 + 1000000, 'timescaledb', 10, 'public'::regnamespace, false, '1' FROM pg_extension;
	CREATE SCHEMA _timescaledb_catalog;
	CREATE TABLE _timescaledb_catalog.hypertable (schema_name name, table_name name);
	ALTER EXTENSION timescaledb ADD TABLE _timescaledb_catalog.hypertable});
sql(q{CREATE TABLE plain ();
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS ''});
comes_to(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND last_run IS NOT NULL}, '1', 'maintenance has run');
add_streams(1, 2);
my ($lists, $mappings) = scans('with two streams');
cmp_ok($mappings, '>', 0, 'it reads the mappings');
cmp_ok($lists, '>', 0, '... and the list of another extension');
add_streams(3, 20);
my ($more_lists, $more_mappings) = scans('with twenty streams');
is($more_mappings, $mappings, 'it reads the mappings as often for twenty streams as for two');
is($more_lists, $lists, '... and the list');

# What is written down in the triggers is right: a role that is renamed is there.
sql(q{CREATE FUNCTION other(event jsonb) RETURNS void LANGUAGE sql AS '';
	CREATE ROLE ada LOGIN; GRANT SELECT ON t1 TO ada; SET ROLE ada;
	SELECT ddbstreams.create_event_source_mapping('other', ddbstreams.latest_stream_arn('t1'), 'TRIM_HORIZON', enabled => false);
	RESET ROLE; ALTER ROLE ada RENAME TO grace});
run_maintenance('it runs when a role has been renamed');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 't1'::regclass AND tgname = 'ddbstreams_capture'
	AND encode(tgargs, 'escape') ~ 'grace' AND encode(tgargs, 'escape') !~ 'ada'}), '1', '... and the definition has the new name');

# Settings of the database are for its users: the mappings, sorted, take more
# memory than work_mem, and an error that ends a task does not end the process.
my $error = q{SELECT coalesce(last_error, '') FROM ddbstreams.workers WHERE worker_type = 'maintenance'};
my $session = $node->background_psql('postgres', on_error_stop => 0);
sql(q{
	DO $$
	BEGIN
		FOR i IN 1 .. 60 LOOP
			EXECUTE format('CREATE FUNCTION f%s(event jsonb) RETURNS void LANGUAGE sql AS %L', i, '');
			PERFORM ddbstreams.create_event_source_mapping(('f' || i)::regproc, ddbstreams.latest_stream_arn('t3'), 'TRIM_HORIZON',
				enabled => false, filter_criteria => jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern',
					(SELECT json_build_object('eventName', array_agg(md5(n::text))) FROM generate_series(1, 45) n)::text))));
		END LOOP;
	END $$;
	ALTER DATABASE postgres SET enable_indexscan = off;
	ALTER DATABASE postgres SET work_mem = '64kB';
	ALTER DATABASE postgres SET temp_file_limit = 0;
	ALTER DATABASE postgres SET exit_on_error = on});
run_maintenance('it runs under settings of the database');
is(sql($error), '', '... without an error');
$session->query_safe('BEGIN; LOCK TABLE ddbstreams_shards.shard');
run_maintenance('it runs when tasks fail');
like(sql($error), qr/roll over: .*; expire: /, '... to the end');
my $failing = q{SELECT concat_ws(' ', last_error_sqlstate, failing_since) FROM ddbstreams.workers WHERE worker_type = 'maintenance'};
my $since = sql($failing);
like($since, qr/^55P03 \d/, '... with an SQLSTATE, and since when');
run_maintenance('it runs when they fail again');
is(sql($failing), $since, '... since the first time');
$session->query('ROLLBACK');
run_maintenance('it runs when they fail no more');
is(sql($failing), '', '... without an error');
sql("ALTER DATABASE postgres RESET $_") foreach qw(enable_indexscan work_mem temp_file_limit exit_on_error);

# What a role holds of its own holds up nothing of others: streams to be rolled over,
# failed batches to be removed, and mappings that come from another server.
my $shards = q{SELECT string_agg(n::text, ' ' ORDER BY t) FROM (VALUES ('t1'), ('t2')) AS v (t),
	LATERAL (SELECT count(*) AS n FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn(t::regclass))) AS d};
my $moved = q{SELECT string_agg((server_id = 1 AND enabled)::int::text, '' ORDER BY mapping_no) FROM ddbstreams_shards.mapping
	WHERE event_source_arn IN (ddbstreams.latest_stream_arn('t1'), ddbstreams.latest_stream_arn('t2'))
		AND function_name = 'public.handler'};
sql(q{
	INSERT INTO t1 VALUES (1);
	INSERT INTO t2 VALUES (1);
	SELECT own_sql($$INSERT INTO ddbstreams_shards.failed_batch
			(id, mapping_no, mapping, role_id, stream_arn, shard_id, failure, failed_at, table_oid)
		SELECT gen_random_uuid(), mapping_no, uuid, role_id, event_source_arn, 'x', '{}', now() - interval '1 year', 'public.t1'::regclass
		FROM ddbstreams_shards.mapping WHERE function_name = 'public.handler' LIMIT 2$$);
	SELECT own_sql($$UPDATE ddbstreams_shards.mapping SET server_id = 1, enabled = true WHERE function_name = 'public.handler'
		AND event_source_arn IN (ddbstreams.latest_stream_arn('public.t1'), ddbstreams.latest_stream_arn('public.t2'))$$)});
$session->query_safe(q{BEGIN;
	SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('t1'), '2 days');
	SELECT FROM ddbstreams_shards.failed_batch LIMIT 1 FOR UPDATE;
	SELECT FROM ddbstreams_shards.mapping WHERE event_source_arn = ddbstreams.latest_stream_arn('t1')
		AND function_name = 'public.handler' FOR NO KEY UPDATE});
is(sql($moved), '11', 'mappings come from another server');
$node->append_conf('postgresql.conf', 'ddbstreams.rollover_interval = 1s');
$node->reload;
run_maintenance('it runs while a role holds what is its own');
is(sql($error), '', '... without an error');
is(sql($shards), '1 2', '... it rolls the stream of another over');
is(sql('SELECT count(*) FROM ddbstreams_shards.failed_batch'), '1', '... removes the failed batch of another');
is(sql($moved), '10', '... and disables the mapping of another');
$session->query('ROLLBACK');
run_maintenance('it runs when the role has let go');
is(sql("SELECT ($shards), (SELECT count(*) FROM ddbstreams_shards.failed_batch), ($moved)"), '2 2|0|00', '... and does the rest');
$node->append_conf('postgresql.conf', 'ddbstreams.rollover_interval = 4h');
$node->reload;

# A command that waits for a run which waits for the command: the run gives up.
$session->query_safe(q{SET deadlock_timeout = '10s'; BEGIN; LOCK TABLE ddbstreams_shards.shard});
sql('VACUUM FULL plain');
my $held = q{SELECT min(held.relation::regclass::text) FROM pg_locks held JOIN pg_locks wanted USING (pid)
	WHERE NOT wanted.granted AND wanted.relation = 'ddbstreams_shards.shard'::regclass
		AND held.granted AND held.relation IN (SELECT oid FROM pg_class
			WHERE relnamespace = 'ddbstreams_shards'::regnamespace AND relkind = 'r' AND oid <> wanted.relation)};
comes_to("SELECT ($held) IS NOT NULL", 't', 'a run waits for a command');
my $table = sql($held);
$session->query("LOCK TABLE $table");
is($session->query('SELECT 1'), '1', '... which goes on when it wants what the run has');
$session->query('ROLLBACK');

# A trigger that is to be repaired, and whose row another transaction has changed:
# the run leaves it to the next one, and does not wait while it holds the table.
my $disable = q{UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 't2'::regclass AND tgname = 'ddbstreams_capture'};
my $enabled = q{SELECT tgenabled::text FROM pg_trigger WHERE tgrelid = 't2'::regclass AND tgname = 'ddbstreams_capture'};
sql("SET allow_system_table_mods = on; $disable");
$session->query_safe("SET allow_system_table_mods = on; BEGIN; $disable");
run_maintenance('it runs while another transaction has changed a trigger');
is(sql("$enabled UNION ALL SELECT coalesce(last_error, 'no error') FROM ddbstreams.workers WHERE worker_type = 'maintenance'"), "D\nno error", '... for whose end it does not wait');
$session->query_safe('ROLLBACK');
run_maintenance('it runs when that has ended');
is(sql($enabled), 'A', '... and repairs the trigger');
$session->quit;

$node->stop;
done_testing();
