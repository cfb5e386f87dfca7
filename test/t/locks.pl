# The lock table is full: workers go on when there is room again, and the view
# says why they did not.
#
# To see it fail: test/mutations/run worker-error-unshown.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest;

my $node = new_server('locks', q{
max_worker_processes = 16
max_locks_per_transaction = 10
ddbstreams.maintenance_interval = 200ms
});

sub sql
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

my $watcher = session($node);

# Waits until a query says what is expected.  It needs few locks: one session
# has read the tables of the view before.
sub comes_to
{
	my ($query, $expected, $name) = @_;
	my $until = time() + patience();
	my $found;

	while (1)
	{
		$found = $watcher->query($query) // '';
		last if $found eq $expected || time() > $until;
		usleep(20_000);
	}
	is($found, $expected, $name);
	return;
}

sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE seen (id int);
	SELECT ddbstreams.enable_stream('t', shard_count => 2);
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO seen VALUES (1)';
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON')});
sub errors
{
	my ($type) = @_;
	return qq{SELECT coalesce(max(last_error), '') ~ 'out of shared memory' FROM ddbstreams.workers WHERE worker_type = '$type'};
}
comes_to(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND last_run IS NOT NULL}, '1', 'maintenance runs');

# What an error has left is kept: these locks belong to the session.
my $greedy = session($node);
$greedy->query('SELECT count(pg_advisory_lock(i)) FROM generate_series(1, 1000000) i');
my $until = time() + patience();
my $next = 2_000_000;
while ($watcher->query(errors('maintenance')) ne 't' && time() < $until)
{
	# whatever others have given back since
	$greedy->query(join('; ', map { "SELECT pg_advisory_lock($_)" } $next .. $next + 9));
	$next += 10;
}
is($watcher->query(errors('maintenance')), 't', 'maintenance says that it has no locks');
$greedy->quit;
comes_to(errors('maintenance'), 'f', '... and that it is over');

$watcher->quit;
$node->stop;
done_testing();
