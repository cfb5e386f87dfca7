# Temporary objects are removed while the extension is not updated: by the next session
# that gets their schema, if a crash has left them. A stream whose key goes with them
# ends when the extension is updated.
#
# To see it fail: test/mutations/run temporary-key-refused-before-update
# harmed-key-stays.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('temporary_key', q{
max_connections = 30
ddbstreams.maintenance_interval = '1s'
});
my $version = sql(q{SELECT extversion FROM pg_extension WHERE extname = 'ddbstreams'});

# The temporary schema bears the number of a backend, and a new backend takes the
# lowest one that is free: behind these sessions it is none that a worker can have.
my @before = map { session($node) } 1 .. 12;
my $left = session($node);
$left->query_safe(q{
	CREATE TYPE pg_temp.mood AS ENUM ('calm', 'wild');
	CREATE TABLE moody (id pg_temp.mood PRIMARY KEY, v int);
	CREATE TABLE plain (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream(name, shard_count => 1) FROM unnest('{moody,plain}'::regclass[]) AS name;
	INSERT INTO moody VALUES ('calm', 1)});
my $types = q{SELECT count(*) FROM pg_type WHERE typname = 'mood'};
is(sql($types), '1', 'a key has a temporary type');
sql(q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'ddbstreams'});

kill_server($node);
eval { $_->quit } for $left, @before;
$node->start;
is(sql($types), '1', 'a crash leaves it');

# One of so many sessions gets the schema, and removes what is there.
my @sessions = map { session($node) } 1 .. 25;
my $failed = 0;
for my $session (@sessions)
{
	$session->{stderr} = '';
	$session->query('CREATE TEMPORARY TABLE mine (id int)');
	$failed++ if $session->{stderr} =~ /ERROR/;
	diag($session->{stderr}) if $session->{stderr} =~ /ERROR/;
}
is($failed, 0, 'later sessions can make temporary objects');
is(sql($types), '0', '... and have removed the type');
$_->quit for @sessions;

my ($code, $out, $err) = $node->psql('postgres', 'ALTER TABLE plain DROP CONSTRAINT plain_pkey');
like($err, qr/is of version 0\.9, and the library of version \Q$version\E/, 'other changes of captured tables wait');

sql(qq{UPDATE pg_extension SET extversion = '$version' WHERE extname = 'ddbstreams'});
comes_to(q{SELECT stream_status FROM ddbstreams.list_streams('moody')}, 'DISABLED', 'the stream ends when it can');
is(sql(q{SELECT stream_status FROM ddbstreams.list_streams('plain')}), 'ENABLED', '... and no other one');
is(sql(q{SELECT event_name || ' ' || keys::text FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('moody')) AS s,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('moody'), s.shard_id, 'TRIM_HORIZON'))}),
	'INSERT {"id":{"S":"calm"}}', '... with its records');
is(sql('INSERT INTO moody VALUES (2); SELECT count(*) FROM moody'), '2', 'and the table can be written to');
ok($node->log_contains(qr/ddbstreams has disabled the stream of table "moody": its key is not what it was/), 'the log says why');

$node->stop;
done_testing();
