# Claims on the worker slots of PostgreSQL lapse.
#
# Five maintenance workers run for long, which is as many as may; the slots that
# are left when the fifth starts have been claimed for a sixth one meanwhile.
# Parallel workers take the slots until then.
#
# To see it fail: test/mutations/run slots-claims-stay.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest qw(:DEFAULT sql comes_to create_maintained);

my $node = new_server('claims', q{
max_worker_processes = 8
max_logical_replication_workers = 0
max_parallel_workers = 8
ddbstreams.maintenance_interval = 200ms
}, bare => 1);

sub maintenance
{
	my ($database, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.workers
		WHERE worker_type = 'maintenance' AND database = '$database'};
}

sub is_busy
{
	my ($database, $name) = @_;
	return comes_to(maintenance($database, q{EXISTS (SELECT FROM pg_stat_activity a
		WHERE a.pid = workers.pid AND wait_event = 'PgSleep')}), 't', $name, $database) || BAIL_OUT($name);
}

sub end_filler
{
	my ($filler) = @_;

	sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND query ~ 'sleeps' AND pid <> pg_backend_pid()});
	finish_query($filler);
	return;
}

create_maintained("m$_") foreach 1 .. 6;
foreach my $i (1 .. 4)
{
	sql('INSERT INTO busy DEFAULT VALUES', "m$i");
	is_busy("m$i", "the maintenance of database m$i runs for long");
}
sql('ALTER DATABASE m6 ALLOW_CONNECTIONS false');
comes_to(maintenance('m6', 'state'), 'not allowed to connect', 'one database has no maintenance', 'm1');

sql(q{
	-- A page for each row: the workers take pages.
	CREATE TABLE parallel (i int, filler text);
	ALTER TABLE parallel ALTER filler SET STORAGE PLAIN;
	INSERT INTO parallel SELECT i, repeat('x', 5000) FROM generate_series(1, 10) i;
	CREATE FUNCTION sleeps(i int) RETURNS bool LANGUAGE plpgsql PARALLEL SAFE AS
		$$BEGIN PERFORM pg_sleep(600); RETURN true; END$$;
	ALTER TABLE parallel SET (parallel_workers = 3)});
my $filler = session($node);
$filler->query_safe('SET max_parallel_workers_per_gather = 3; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET statement_timeout = 0');
my $fill = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND wait_event = 'PgSleep'};
# A maintenance worker may have had a slot when it began: then it is tried again.
# How long it takes to begin depends on the machine.
for (my $wait = 0.5; ; $wait *= 2)
{
	my $until = time() + $wait;

	send_query($filler, 'SELECT count(*) FROM parallel WHERE sleeps(i)');
	usleep(20_000) while sql($fill) ne '3' && time() < $until;
	last if sql($fill) eq '3' || $wait > patience();
	end_filler($filler);
}
is(sql($fill), '3', 'parallel workers take the other slots') or BAIL_OUT('slots are free');

comes_to(maintenance('m5', 'state'), 'waiting for a worker slot', 'a fifth maintenance worker waits for a slot', 'm5');
sql('INSERT INTO busy DEFAULT VALUES', 'm5');
sql('ALTER DATABASE m6 ALLOW_CONNECTIONS true');
comes_to(maintenance('m6', 'state'), 'waiting for a worker slot', '... and a sixth one behind it', 'm6');
end_filler($filler);
is_busy('m5', 'the fifth has a slot, and runs for long');
comes_to(q{SELECT backend_start < now() - interval '1 s' FROM pg_stat_activity
	WHERE datname = 'm5' AND backend_type = 'ddbstreams maintenance'}, 't', '... for longer than an interval');

sql('CREATE DATABASE delivers');
sql(q{
	CREATE EXTENSION ddbstreams;
	CREATE TABLE seen (n int);
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO public.seen VALUES (1)';
	CREATE TABLE t (id int PRIMARY KEY);
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.enable_stream('t', shard_count => 1), 'TRIM_HORIZON')},
	'delivers');
sql('INSERT INTO t VALUES (1)', 'delivers');
comes_to('SELECT count(*) FROM seen', '1', 'the sixth, which is not tried any more, holds up no other worker', 'delivers');
is(sql(maintenance('m6', 'pid IS NULL, state, last_run < (SELECT backend_start FROM pg_stat_activity a
		WHERE a.datname = \'m5\' AND backend_type = \'ddbstreams maintenance\')'), 'm6'),
	't|asleep|t', '... though it has not run');

sql('DELETE FROM busy', "m$_") foreach 1 .. 5;
my $before = sql('SELECT clock_timestamp()');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'ddbstreams maintenance'});
comes_to(maintenance('m6', "last_run > '$before'"), 't', 'it runs when another one has ended', 'm6');

$node->stop;
done_testing();
