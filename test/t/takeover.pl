# A dispatcher that has taken over the call of another one is told when the process
# of the call ends, and does not find that only when it reads the tables again,
# after a minute.  Nothing else wakes it here: neither other mappings nor
# maintenance.
#
# To see it fail: test/mutations/run ended-worker-wakes-nobody.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('takeover', q{
max_worker_processes = 16
ddbstreams.maintenance_interval = '1h'
});

sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE seen (id int);
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO seen VALUES (1);
		PERFORM pg_advisory_lock_shared(1);
		PERFORM pg_advisory_unlock_shared(1);
	END $$;
	SELECT ddbstreams.enable_stream('t', shard_count => 1)});
my $holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON')});
sql(q{INSERT INTO t VALUES (1)});
comes_to(q{SELECT state, attempts FROM ddbstreams.mapping_stats}, 'delivering|1', 'a call is running');

my $dispatcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});
kill('TERM', $dispatcher);
comes_to(qq{SELECT count(*) FROM ddbstreams.workers
	WHERE worker_type = 'dispatcher' AND pid <> $dispatcher AND state = 'waiting'}, '1', '... and has been taken over');
is(sql(q{SELECT pg_terminate_backend(pid) FROM ddbstreams.workers WHERE worker_type = 'handler' AND state = 'delivering'}), 't',
	'its process is ended');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
{
	local $PostgreSQL::Test::Utils::timeout_default = 40;
	comes_to(q{SELECT count(*) FROM seen}, '1', '... and the call is made again, before the dispatcher looks of its own accord');
}
$holder->quit;

$node->stop;
done_testing();
