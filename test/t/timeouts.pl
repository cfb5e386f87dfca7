# transaction_timeout, which PostgreSQL 17 and later have: it does not apply to
# handlers.  One that sets it itself is ended by it, which costs no attempt.
#
# To see it fail, on 17 or later: test/mutations/run fatal-errors-cost
# transaction-timeout-applies.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('timeouts', q{
max_worker_processes = 16
});

if (sql(q{SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'}) eq '0')
{
	plan skip_all => 'no transaction_timeout';
}

sql(q{
	CREATE ROLE maker LOGIN;
	ALTER ROLE maker SET transaction_timeout = '500ms';
	ALTER SYSTEM SET transaction_timeout = '500ms';
	SELECT pg_reload_conf();
	GRANT CREATE ON SCHEMA public TO maker});

sub make
{
	my ($name, $body) = @_;

	sql(qq{
		SET ROLE maker;
		CREATE TABLE $name (id int PRIMARY KEY);
		CREATE TABLE ${name}_seen (id int);
		CREATE FUNCTION h_$name(event jsonb) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN $body; INSERT INTO ${name}_seen VALUES (1); END \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => 1);
		SELECT ddbstreams.create_event_source_mapping('h_$name', ddbstreams.latest_stream_arn('$name'), 'TRIM_HORIZON',
			maximum_retry_attempts => 0);
		INSERT INTO $name VALUES (1)});
	return;
}

make('slow', 'PERFORM pg_sleep(2)');
comes_to('SELECT count(*) FROM slow_seen', '1', 'a handler may take longer than transaction_timeout');
make('setting', q{SET LOCAL transaction_timeout = '100ms'; PERFORM pg_sleep(600)});
comes_to(q{SELECT last_error ~ 'FATAL', attempts, batches_failed FROM ddbstreams.mapping_stats WHERE function_name ~ 'setting'}, 't|0|0',
	'one that sets it itself is ended by it, which costs no attempt');
sql(q{CREATE OR REPLACE FUNCTION h_setting(event jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO setting_seen VALUES (2)'});
comes_to('SELECT max(id) FROM setting_seen', '2', '... and the batch is delivered in the end');
is(sql('SELECT sum(batches_failed) FROM ddbstreams.mapping_stats'), '0', 'no batch is given up');
is(sql(q{SELECT count(*) FROM ddbstreams.workers WHERE last_error IS NOT NULL AND worker_type <> 'handler'}), '0',
	'transactions of maintenance and dispatcher have not been ended');

$node->stop;
done_testing();
