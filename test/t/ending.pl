# What ends a worker, and what that costs: a shutdown, DDL, an administrator, a
# crash, the handler itself.
#
# To see it fail: let worker_end_is_ordered know only slots that quit
# (worker_end.c).

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest;

my $node = new_server('ending', q{
ddbstreams.max_workers = 4
ddbstreams.maintenance_interval = 200ms
max_worker_processes = 24
restart_after_crash = on
});

sub sql
{
	my ($query, $database) = @_;
	return $node->safe_psql($database // 'postgres', $query);
}

# Waits until a query says what is expected, and tells what it says in the end.
# The server may be restarting.
sub comes_to
{
	my ($query, $expected, $name, $database) = @_;
	my $until = time() + 180;
	my $found;

	while (1)
	{
		my ($code, $out, $err) = $node->psql($database // 'postgres', $query);
		$found = defined $code && $code == 0 ? $out : $err;
		last if $found eq $expected || time() > $until;
		usleep(20_000);
	}
	is($found, $expected, $name);
	return;
}

# A table with a stream of one shard, and a mapping with a handler with this
# body, which may write to NAME_seen.
sub make
{
	my ($name, $body, $parameters, $role) = @_;

	sql(qq{
		CREATE TABLE $name (id int PRIMARY KEY);
		CREATE TABLE ${name}_seen (id int);
		GRANT SELECT ON $name TO PUBLIC;
		GRANT ALL ON ${name}_seen TO PUBLIC;
		CREATE FUNCTION ${name}_handler(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$ $body \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => 1)});
	$parameters = $parameters ? ", $parameters" : '';
	$role //= 'postgres';
	return sql(qq{SET ROLE $role; SELECT ddbstreams.create_event_source_mapping('${name}_handler',
		ddbstreams.latest_stream_arn('$name'), 'TRIM_HORIZON' $parameters)});
}

sub stats
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'};
}

# A statement for handlers: writes down which rows the batch has.
sub note_ids
{
	my ($name) = @_;
	return qq{INSERT INTO ${name}_seen SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int
		FROM jsonb_array_elements(event->'Records') r;};
}

# What the log says of worker processes that ended, since a position in it
sub ends_in_log
{
	my ($from) = @_;
	my $log = substr(slurp_file($node->logfile), $from);

	return join("\n", grep { /FATAL|background worker "ddbstreams/ } split(/\n/, $log));
}

# A call that waits until the lock is free.  Holding the lock in a session of
# ours keeps a call running for as long as a test needs it.
my $uuid = make('waits', 'BEGIN PERFORM pg_advisory_xact_lock_shared(5); ' . note_ids('waits') . ' RETURN NULL; END',
	'maximum_retry_attempts => 0');
my $holder;

sub hold_call
{
	my ($id) = @_;

	$holder = session($node);
	$holder->query_safe('SELECT pg_advisory_lock(5)');
	sql("INSERT INTO waits VALUES ($id)");
	comes_to(stats($uuid, 'state'), 'delivering', 'a call runs');
	return;
}

sub free_call
{
	my ($id) = @_;

	$holder->query_safe('SELECT pg_advisory_unlock(5)') if $holder;
	$holder = undef;
	comes_to("SELECT count(*) FROM waits_seen WHERE id = $id", '1', '... with success in the end');
	is(sql(stats($uuid, 'batches_failed')), '0', '... and no batch was given up');
	return;
}

# --- a shutdown ---------------------------------------------------------------

hold_call(1);
my $from = -s $node->logfile;
$holder->quit;
$holder = undef;
$node->stop('fast');
is(ends_in_log($from), '', 'a shutdown ends workers quietly, one in a call too');
$node->start;
free_call(1);
comes_to(q{SELECT string_agg(DISTINCT worker_type, ' ' ORDER BY worker_type) FROM ddbstreams.workers WHERE pid IS NOT NULL
	AND worker_type <> 'maintenance'},
	'dispatcher handler launcher', 'idle workers');
$from = -s $node->logfile;
$node->stop('smart');
is(ends_in_log($from), '', '... end quietly, too');
$node->start;

$node->stop;
done_testing();
