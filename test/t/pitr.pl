# A server that is restored to a point in time has the streams, positions and
# effects of that time, and goes on with numbers that nobody has seen.
#
# To see it fail: test/mutations/run position-saved-before-call.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(new_server patience comes_to sql);

my $primary = PostgreSQL::Test::Cluster->new('primary');
my $restored = PostgreSQL::Test::Cluster->new('restored');
my $arn = q{(SELECT ddbstreams.latest_stream_arn('t'))};
my ($mapping, $number, $shard);

$primary->init(has_archiving => 1, allows_streaming => 1);
$primary->start;
StreamTest::create_helpers($primary);
$primary->safe_psql('postgres', qq{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	SELECT ddbstreams.create_consumer('c', $arn);
	CREATE TABLE seen (id int, event text);
	CREATE FUNCTION handle(event jsonb) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO seen SELECT (r #>> '{dynamodb,Keys,id,N}')::int, r ->> 'eventName'
		FROM jsonb_array_elements(event -> 'Records') r \$\$;
	SELECT ddbstreams.create_event_source_mapping('handle', $arn, 'TRIM_HORIZON')});
$primary->backup('base');

# Takes what there is for the consumer, and returns it.
sub take
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		WITH record AS (SELECT * FROM ddbstreams.poll('c', 'w')),
		done AS (SELECT ddbstreams.checkpoint('c', 'w', shard_id, max(sequence_number))
			FROM record GROUP BY shard_id)
		SELECT string_agg(left(event_name, 1) || (keys #>> '{id,N}'), ' ' ORDER BY sequence_number)
		FROM record LEFT JOIN done ON true});
}

sub wait_for
{
	my ($node, $query) = @_;

	return $node->poll_query_until('postgres', $query);
}

$primary->safe_psql('postgres', 'INSERT INTO t VALUES (1, 1), (2, 1)');
is(take($primary), 'I1 I2', 'the consumer reads before the point');
wait_for($primary, 'SELECT count(*) >= 2 FROM seen');
$primary->safe_psql('postgres', 'INSERT INTO t VALUES (3, 1)');
wait_for($primary, 'SELECT count(*) >= 3 FROM seen');
$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('here')});
$primary->safe_psql('postgres', 'INSERT INTO t VALUES (4, 1); UPDATE t SET v = 2 WHERE id = 1');
is(take($primary), 'I3 I4 M1', '... and behind it');
wait_for($primary, 'SELECT count(*) >= 5 FROM seen');
($shard, $number) = split(/\|/, $primary->safe_psql('postgres', q{
	SELECT shard_id, max(sequence_number) FROM ddbstreams.changes(NULL::t) GROUP BY 1}));
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->stop;

# the restored server acts only when it has been looked at
$restored->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', <<'CONF');
recovery_target_name = 'here'
recovery_target_action = promote
ddbstreams.max_workers = 0
CONF
$restored->start;
wait_for($restored, 'SELECT NOT pg_is_in_recovery()');
is($restored->safe_psql('postgres', q{SELECT story('t')}), 'I1 I2 I3', 'the stream is as it was at the point');
is($restored->safe_psql('postgres', 'SELECT count(*) FROM seen'), '3', 'so are the effects of the mapping');
is(take($restored), 'I3', '... and the consumer goes on where it was then');

$restored->safe_psql('postgres', 'INSERT INTO t VALUES (5, 1)');
is($restored->safe_psql('postgres', qq{SELECT max(sequence_number) > '$number' FROM ddbstreams.changes(NULL::t)}),
	't', 'numbers go on behind those that were lost');
is($restored->safe_psql('postgres', qq{
	SELECT string_agg(event_name || (keys #>> '{id,N}'), ' ') FROM ddbstreams.get_records(
		ddbstreams.get_shard_iterator($arn, '$shard', 'AFTER_SEQUENCE_NUMBER', '$number'))}),
	'INSERT5', 'a reader elsewhere that has seen lost records reads what is new');
is($restored->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type IN ('dispatcher', 'handler')}),
	'0', 'with ddbstreams.max_workers = 0 no mapping runs');
$restored->safe_psql('postgres', 'ALTER SYSTEM SET ddbstreams.max_workers = 4');
$restored->reload;
wait_for($restored, 'SELECT count(*) >= 4 FROM seen');
is($restored->safe_psql('postgres', q{SELECT string_agg(event || id, ' ' ORDER BY id) FROM seen}),
	'INSERT1 INSERT2 INSERT3 INSERT5', 'the mapping delivers each change once, when it may');

$restored->stop;
done_testing();
