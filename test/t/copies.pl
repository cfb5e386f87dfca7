# Databases made by TEMPLATE from one with streams: the streams go on in the
# copy, at once and apart from the original.  And an extension whose owner goes.
#
# To see it fail: test/mutations/run event-id-without-database.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = new_server('copies', 'ddbstreams.iterator_lifetime = 0');

$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v text);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 3000) AS i;
	INSERT INTO t VALUES (2, 'small');
	CREATE FUNCTION handler(jsonb) RETURNS void LANGUAGE sql AS '';
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'LATEST', enabled => false)});
my $arn = $node->safe_psql('postgres', q{SELECT ddbstreams.latest_stream_arn('t')});
my $iterator = $node->safe_psql('postgres', q{SELECT latest('t')});

foreach my $strategy ('wal_log', 'file_copy')
{
	$node->safe_psql('postgres', "CREATE DATABASE $strategy TEMPLATE postgres STRATEGY $strategy");
	is($node->safe_psql($strategy, q{SELECT ddbstreams.latest_stream_arn('t')}), $arn, "$strategy: the stream bears its name");
	is($node->safe_psql($strategy, q{SELECT story('t')}), 'I1 I2', '... has its records');
	is($node->safe_psql($strategy, q{SELECT length(new->'v'->>'S') FROM follow('t') WHERE id = '1' AND event = 'INSERT'}), '96000', '... with large values');
	$node->safe_psql($strategy, q{INSERT INTO t SELECT 3, v || v FROM t WHERE id = 1; DELETE FROM t WHERE id = 1});
	is($node->safe_psql($strategy, q{SELECT story('t')}), 'I1 I2 I3 R1', '... and goes on');
	is($node->safe_psql($strategy, q{SELECT disorder('t')}), '0', '... in order');
	is($node->safe_psql($strategy, "SELECT behind('$iterator')"), 'I3 R1', 'an iterator of the original goes on in the copy');
	is($node->safe_psql($strategy, q{SELECT state FROM ddbstreams.list_event_source_mappings()}), 'Disabled', 'mappings are disabled');
}
is($node->safe_psql('postgres', q{SELECT story('t')}), 'I1 I2', 'the original knows nothing of it');
$node->safe_psql('postgres', q{INSERT INTO t VALUES (4)});
is($node->safe_psql('postgres', "SELECT behind('$iterator')"), 'I4', '... and goes on by itself');

my $ids = q{SELECT event_id FROM ddbstreams.get_records(
	(SELECT ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('t'), shard_id, 'TRIM_HORIZON')
		FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))))};
my %seen;
$seen{$_}++ foreach map { split(/\n/, $node->safe_psql($_, $ids)) } ('postgres', 'wal_log', 'file_copy');
is(scalar(keys %seen), 11, 'no event id is in two databases');

# Numbers do not go back in a copy either, nor ids of streams twice.
$node->safe_psql('wal_log', q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))});
$node->safe_psql('wal_log', q{INSERT INTO t VALUES (5)});
is($node->safe_psql('wal_log', q{SELECT count(*), max(number) = (SELECT max(number) FROM follow('t') WHERE id = '5') FROM follow('t')}),
	'5|t', 'shards roll over in the copy');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))}),
	'1', '... and there alone');
$node->safe_psql('wal_log', q{
	CREATE TABLE u (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('u');
	INSERT INTO u VALUES (1);
	DROP TABLE t});
is($node->safe_psql('wal_log', q{SELECT table_name, stream_status FROM ddbstreams.list_streams() ORDER BY 1}),
	"t|DISABLED\nu|ENABLED", 'streams come and go in the copy');
$node->safe_psql('postgres', 'DROP DATABASE file_copy');
$node->safe_psql('postgres', 'DROP DATABASE wal_log');
is($node->safe_psql('postgres', q{SELECT story('t')}), 'I1 I2 I4', 'copies can be dropped');

# --- an extension changes hands ---------------------------------------------------

$node->safe_psql('postgres', q{CREATE ROLE maker SUPERUSER LOGIN; CREATE ROLE heir SUPERUSER LOGIN; CREATE ROLE owner LOGIN; CREATE DATABASE made});
$node->safe_psql('made', q{SET ROLE maker; CREATE EXTENSION ddbstreams});
$node->safe_psql('made', q{
	GRANT ALL ON SCHEMA public TO owner;
	SET ROLE owner;
	CREATE TABLE t (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t VALUES (1)});
my $owners = q{SELECT string_agg(DISTINCT relowner::regrole::text, ' ') FROM pg_class WHERE relnamespace = 'ddbstreams_shards'::regnamespace};
is($node->safe_psql('made', $owners), 'maker', 'all tables belong to who made the extension');
my ($status, $out, $err) = $node->psql('made', 'DROP ROLE maker');
like($err, qr/cannot be dropped/, '... who is not to be dropped');
$node->safe_psql('made', 'REASSIGN OWNED BY maker TO heir; DROP ROLE maker');
is($node->safe_psql('made', q{
	SET ROLE owner;
	INSERT INTO t VALUES (2);
	SELECT string_agg((new_image).id::text, ' ') FROM ddbstreams.changes(NULL::t)}), '1 2', 'capture goes on under another owner');
$node->safe_psql('made', q{SELECT count(*) FROM ddbstreams.split_shard(ddbstreams.latest_stream_arn('t'), (SELECT shard_id FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))))});
is($node->safe_psql('made', q{
	SET ROLE owner;
	INSERT INTO t SELECT generate_series(3, 100);
	SELECT count(*) FROM ddbstreams.changes(NULL::t)}), '100', '... in new shards, too');
is($node->safe_psql('made', $owners), 'heir', '... which are the heir\'s');
$node->safe_psql('made', 'DROP OWNED BY heir; DROP ROLE heir');
is($node->safe_psql('made', q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'ddbstreams%'
	UNION ALL SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'ddbstreams%'
	UNION ALL SELECT count(*) FROM pg_class WHERE relname ~ '^(shard|side)_\d'}), "0\n0\n0", 'DROP OWNED leaves nothing behind');
is($node->safe_psql('made', 'INSERT INTO t VALUES (101); SELECT count(*) FROM t'), '101', '... but the table');

$node->stop;
done_testing();
