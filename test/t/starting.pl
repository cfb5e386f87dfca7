# Handler workers that end before they are connected: because their role may not
# connect, which keeps the next ones waiting for longer and longer; or for another reason,
# which does not.
#
# To see it fail: test/mutations/run start-given-up-is-problem
# starts-at-once-counted-apart.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('starting', q{
max_worker_processes = 24
ddbstreams.max_workers = 5
ddbstreams.maintenance_interval = '1h'
log_min_messages = debug1
});

# Ten shards, which are as many units for a mapping
sql(q{
	CREATE ROLE late LOGIN;
	CREATE ROLE barred LOGIN;
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE seen (name text, id int);
	GRANT SELECT ON t TO PUBLIC;
	GRANT INSERT ON seen TO PUBLIC;
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS $$
		INSERT INTO seen SELECT current_user, (r->'dynamodb'->'Keys'->'id'->>'N')::int
		FROM jsonb_array_elements(event->'Records') r $$;
	SELECT ddbstreams.enable_stream('t', shard_count => 10);
	INSERT INTO t SELECT generate_series(1, 100)});

sub make
{
	my ($role, $parameters) = @_;

	$parameters //= '';
	return qq{SET ROLE $role; SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'),
		'TRIM_HORIZON' $parameters); RESET ROLE};
}

# The same for a session that is connected already
sub comes_to_in
{
	my ($session, $query, $expected, $name) = @_;
	my $until = time() + patience();
	my $found;

	do
	{
		usleep(20_000);
		$found = $session->query_safe($query);
	} while ($found ne $expected && time() < $until);
	return is($found, $expected, $name);
}

# --- a start that is given up -------------------------------------------------------------

# The postmaster is stopped while a dispatcher asks it for workers, and goes on when
# that dispatcher has ended.
sql(make('postgres'));
comes_to(q{SELECT count(*) FROM seen}, '100', 'records are delivered');
my $session = session($node);
my $dispatcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
kill('STOP', $postmaster);
$session->query_safe(make('late'));
comes_to_in($session, q{SELECT count(*) > 1 FROM ddbstreams.workers WHERE worker_type = 'handler' AND pid IS NULL}, 't',
	'a dispatcher waits for handler workers');
$session->query_safe("SELECT pg_terminate_backend($dispatcher)");
comes_to_in($session, "SELECT count(*) FROM ddbstreams.workers WHERE pid = $dispatcher", '0', '... and ends');
kill('CONT', $postmaster);
$session->quit;
comes_to(q{SELECT count(*) FROM seen WHERE name = 'late'}, '100', 'the next one has the records delivered');
is(sql(q{SELECT count(*) FROM ddbstreams.mapping_stats WHERE last_error IS NOT NULL}), '0', '... and nothing is said against the role');

# --- a role that may not connect ----------------------------------------------------------

# Each of the log's lines is one worker.
sub refusals
{
	my $log = slurp_file($node->logfile);

	return scalar(() = $log =~ /FATAL:  permission denied for database "postgres"/g);
}

sub counted
{
	my $log = slurp_file($node->logfile);
	my @counts = $log =~ /workers of role \d+ could not connect, time (\d+)/g;

	return $counts[-1] // 0;
}

sql(make('barred', ', enabled => false'));
sql('REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
sql(q{SELECT ddbstreams.update_event_source_mapping(uuid, enabled => true) FROM ddbstreams.list_event_source_mappings()});
my $until = time() + patience();
usleep(50_000) while (counted() < 3 && time() < $until);
my $counted = counted();
cmp_ok($counted, '>=', 3, 'workers of a role that may not connect are started again and again');
cmp_ok($counted, '<', refusals(), '... and those that were started together count once');
is(sql(q{SELECT DISTINCT last_error FROM ddbstreams.mapping_stats WHERE last_error IS NOT NULL}),
	'role "barred" has no CONNECT privilege for the database', '... and its mapping tells');
sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC');
comes_to(q{SELECT count(*) FROM seen WHERE name = 'barred'}, '100', '... until it may');

$node->stop;
done_testing();
