# Few worker slots: max_worker_processes is PostgreSQL's default.
#
# To see it fail: call no free_abandoned_entries (handler_mailbox.c).

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest;

my $node = new_server('slots', q{
max_worker_processes = 8
ddbstreams.maintenance_interval = 500ms
}, bare => 1);

sub sql
{
	my ($database, $query) = @_;
	return $node->safe_psql($database, $query);
}

# Waits until a query says what is expected, and tells what it says in the end.
sub comes_to
{
	my ($database, $query, $expected, $name) = @_;
	my $until = time() + patience();
	my $found;

	while (1)
	{
		$found = sql($database, $query);
		last if $found eq $expected || time() > $until;
		usleep(20_000);
	}
	return is($found, $expected, $name);
}

# A database with a mapping whose handler notes each call after some seconds.
sub create_database
{
	my ($database, $seconds, $shards) = @_;

	sql('postgres', "CREATE DATABASE $database");
	sql($database, qq{
		CREATE EXTENSION ddbstreams;
		CREATE TABLE t (id int PRIMARY KEY);
		CREATE TABLE seen (at timestamptz DEFAULT clock_timestamp());
		CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS
			'SELECT pg_sleep($seconds); INSERT INTO seen DEFAULT VALUES';
		SELECT ddbstreams.enable_stream('t', shard_count => $shards);
		SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
			batch_size => 1)});
	return;
}

# --- databases come and go --------------------------------------------------------

my $done = 1;
foreach my $i (1 .. 10)
{
	create_database("d$i", 0, 1);
	sql("d$i", 'INSERT INTO t VALUES (1)');
	$done = comes_to("d$i", 'SELECT count(*) FROM seen', '1', "database $i has its delivery");
	sql('postgres', "DROP DATABASE d$i");
	last unless $done;
}

$node->stop;
done_testing();
