# An UPDATE that leaves a large value alone does not pay for it: what it writes is
# counted.  The images that refer to a copy are whole on a standby, behind a
# crash, and behind a promotion.
#
# The number of a value is given again when the value is gone: that is brought
# about, and the new value must not be taken for the old one.
#
# So may that of a side table, if its sequence is set back.
#
# To see it fail: test/mutations/run kept-value-stored-again
# kept-value-not-listed kept-value-by-number-alone
# kept-value-of-number-given-again table-known-for-ever.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest;

my $size = 100_000;
my $node = new_server('kept', q{
full_page_writes = off
max_wal_senders = 5
ddbstreams.maintenance_interval = 1h
}, streaming => 1);

# The bytes of WAL that a statement writes with its commit
sub written
{
	my ($server, $statement) = @_;
	my $at = q{SELECT pg_current_wal_insert_lsn() - '0/0'};
	my $before = $server->safe_psql('postgres', $at);

	$server->safe_psql('postgres', $statement);
	return $server->safe_psql('postgres', $at) - $before;
}

# How many records there are, and how many of their images are not what the row was
sub faults
{
	my ($server) = @_;
	return $server->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE md5(v) IS DISTINCT FROM (image->'m'->>'S'))
		FROM follow('t') f, LATERAL (VALUES (old), (new)) i (image), LATERAL (SELECT image->'v'->>'S') s (v)
		WHERE image IS NOT NULL});
}

my $update = 'UPDATE t SET n = n + 1';

$node->safe_psql('postgres', qq{
	CREATE TABLE t (id int PRIMARY KEY, n int, m text, v text);
	ALTER TABLE t ALTER v SET STORAGE EXTERNAL;
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t SELECT 1, 0, md5(v), v FROM repeat('0123456789', $size / 10) v});
foreach my $level ('replica', 'logical')
{
	if ($level eq 'logical')
	{
		$node->append_conf('postgresql.conf', "wal_level = $level");
		$node->restart;
		cmp_ok(written($node, $update), '>', $size, 'a restart has forgotten where the copy of an INSERT is');
	}
	cmp_ok(written($node, $update), '<', 5000, "an update writes little, wal_level = $level");
	cmp_ok(written($node, "BEGIN; $update; SAVEPOINT a; $update; ROLLBACK TO a; $update; COMMIT"), '<', 5000, '... as does a transaction with a savepoint');
	cmp_ok(written($node, 'UPDATE t SET id = id + 1'), '<', 5000, '... a change of the key');
}
is(faults($node), '19|0', 'all images are whole');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('kept_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', $update);
$node->wait_for_catchup($standby);
is(faults($standby), '21|0', '... on a standby, too');

kill_server($node);
$node->start;
is(faults($node), '21|0', '... and behind a crash');
cmp_ok(written($node, $update), '<', 5000, 'the value is listed: the crash has not forgotten where the copy of an UPDATE is');
$node->safe_psql('postgres', 'VACUUM FREEZE t');
cmp_ok(written($node, $update), '<', 5000, '... nor has VACUUM FREEZE');
cmp_ok(written($node, 'DELETE FROM t'), '<', 5000, 'a deletion writes little');
is(faults($node), '26|0', 'all images are whole');

$node->safe_psql('postgres', qq{
	INSERT INTO t SELECT 1, 0, md5(v), v FROM repeat('9876543210', $size / 10) v;
	$update});
$node->wait_for_catchup($standby);
$node->stop;
$standby->promote;
cmp_ok(written($standby, $update), '>', $size, 'a promoted standby stores the value');
cmp_ok(written($standby, $update), '<', 5000, '... once');
is(faults($standby), '33|0', '... and its images are whole');

# The same number for another value of the same size
$node = new_server('again', q{ddbstreams.maintenance_interval = 1h});
my $toast = q{(SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 't'::regclass)};
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, n int, v text);
	ALTER TABLE t ALTER v SET STORAGE EXTERNAL;
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t VALUES (1, 0, repeat('a', 5000))});
$toast = $node->safe_psql('postgres', "SELECT $toast");
$node->restart;
$node->safe_psql('postgres', $update);
my $number = $node->safe_psql('postgres', "SELECT DISTINCT chunk_id FROM $toast");
$node->safe_psql('postgres', 'DELETE FROM t');
my $left = 1;
for (my $until = time() + patience(); $left > 0 && time() < $until; usleep(20_000))
{
	$node->safe_psql('postgres', 'VACUUM t');
	$left = $node->safe_psql('postgres', "SELECT count(*) FROM $toast");
}
is($left, 0, 'the old value is gone');
$node->stop;
command_ok([ 'pg_resetwal', '-o', $number, $node->data_dir ], 'the counter is set back');
$node->start;
$node->safe_psql('postgres', q{INSERT INTO t VALUES (1, 0, repeat('b', 5000))});
is($node->safe_psql('postgres', "SELECT DISTINCT chunk_id FROM $toast"), $number, 'a new value has the number of the old one');
$node->restart;
$node->safe_psql('postgres', $update);
$node->restart;
$node->safe_psql('postgres', $update);
is( $node->safe_psql('postgres', q{SELECT string_agg(concat(left(event, 1), left(old->'v'->>'S', 1), left(new->'v'->>'S', 1)), ' ' ORDER BY at) FROM follow('t')}),
	'Ia Maa Ra Ib Mbb Mbb', 'the number means another value');

# The same number for another side table
my $side = q{SELECT split_part(side_table::regclass::text, '.', 2), stream_id FROM ddbstreams_shards.shard};
my ($name, $stream) = split /\|/, $node->safe_psql('postgres', "$side LIMIT 1");
$node->safe_psql('postgres', qq{
	SET client_min_messages = warning;
	DROP EXTENSION ddbstreams CASCADE;
	CREATE EXTENSION ddbstreams;
	SELECT setval('ddbstreams_shards.id_seq', $stream - 1);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	$update});
is($node->safe_psql('postgres', $side), "$name|$stream", 'a new side table has the number of an old one');
is( $node->safe_psql('postgres', q{
		SELECT left(old_image->'v'->>'S', 1) FROM ddbstreams.newest_records(ddbstreams.latest_stream_arn('t'))}),
	'b', '... and has the value');

done_testing();
