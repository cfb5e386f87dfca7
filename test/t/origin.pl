# Mappings deliver on the server where they were enabled: not on one that has got
# another system identifier, as pg_createsubscriber and pg_resetwal give it; but
# on a base backup, and after pg_upgrade, which makes another identifier too.
#
# To see it fail: test/mutations/run mapping-delivers-in-copies
# mapping-ends-with-upgrade.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT crc32);

my $conf = q{
ddbstreams.maintenance_interval = '500ms'};
my $listed = q{SELECT state || ': ' || last_processing_result FROM ddbstreams.list_event_source_mappings()};
my $problem = 'Disabled: PROBLEM: The mapping was enabled in another database or on another server';

# Gives a server that is shut down another system identifier, as
# pg_createsubscriber does.  The checksum of pg_control is its last field: it is
# where the checksum of all before it stands.
sub change_identifier
{
	my ($node) = @_;
	my $file = $node->data_dir . '/global/pg_control';
	my $control = slurp_file($file);
	my $end;

	for (my $offset = 200; $offset < 512 && !$end; $offset += 4)
	{
		$end = $offset if unpack('L', substr($control, $offset, 4)) == crc32(0x82F63B78, substr($control, 0, $offset));
	}
	die "pg_control has no checksum" unless $end;
	substr($control, 0, 8) = pack('Q', unpack('Q', substr($control, 0, 8)) + 1);
	substr($control, $end, 4) = pack('L', crc32(0x82F63B78, substr($control, 0, $end)));
	open(my $handle, '+<', $file) or die "$file: $!";
	binmode $handle;
	print $handle $control;
	close $handle or die "$file: $!";
	command_ok([ 'pg_resetwal', '-f', '-D', $node->data_dir ], 'the server gets another identifier');
}

# A server made from a backup
sub restored
{
	my ($name, $from) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($from, 'backup');
	return $node;
}

sub delivered
{
	my ($node, $id) = @_;
	return $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM seen WHERE id = $id");
}

my $node = new_server('origin', $conf, streaming => 1);
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE seen (id int);
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO seen SELECT (r #>> '{dynamodb,Keys,id,N}')::int FROM jsonb_array_elements(event->'Records') r $$;
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.enable_stream('t', shard_count => 1), 'TRIM_HORIZON');
	INSERT INTO t VALUES (1)});
ok(delivered($node, 1), 'the mapping delivers');
$node->backup('backup');

# a base backup goes on: a failover must
my $copy = restored('copy', $node);
$copy->start;
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
ok(delivered($copy, 2), '... and on a server from a base backup');
$copy->stop;

# with another identifier it does not
change_identifier($copy);
my $from = -s $copy->logfile;
$copy->start;
is($copy->safe_psql('postgres', $listed), $problem, 'with another identifier it is Disabled, and says so');
is($copy->safe_psql('postgres', 'SELECT enabled FROM ddbstreams.list_event_source_mappings()'), 'f', '... in the list, too');
$copy->wait_for_log(qr/WARNING: .*ddbstreams has disabled the event source mappings of database "postgres"/, $from);
pass('... and a warning is logged');
is($copy->safe_psql('postgres', $listed), $problem, '... which changes nothing of it');
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (3)');
is($copy->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type <> 'maintenance' AND worker_type <> 'launcher' AND database = 'postgres'}),
	'0', '... and there is no worker for it');
$copy->safe_psql('postgres', q{SELECT ddbstreams.update_event_source_mapping(uuid, enabled => true) FROM ddbstreams.list_event_source_mappings()});
ok(delivered($copy, 3), 'once it is enabled there it delivers');
is($copy->safe_psql('postgres', q{SELECT state FROM ddbstreams.list_event_source_mappings()}), 'Enabled', '... and is Enabled');
$copy->restart;
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (4)');
ok(delivered($copy, 4), '... for good');

# pg_upgrade makes tables anew, without the mark in pg_class (upgrade.pl is the
# real one)
$copy->append_conf('postgresql.conf', "ddbstreams.maintenance_interval = '1d'");
$copy->restart;
ok($copy->poll_query_until('postgres', q{SELECT count(*) > 0 FROM ddbstreams.workers
	WHERE worker_type = 'maintenance' AND database = 'postgres' AND state = 'asleep'}), 'maintenance has run');
$copy->safe_psql('postgres', q{
	SET allow_system_table_mods = on;
	UPDATE pg_class SET relrewrite = 0 WHERE relnamespace = 'ddbstreams_shards'::regnamespace});
$copy->stop;
change_identifier($copy);
$copy->start;
is($copy->safe_psql('postgres', q{SELECT state FROM ddbstreams.list_event_source_mappings()}), 'Enabled', 'after pg_upgrade it is Enabled');
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (5)');
ok(delivered($copy, 5), '... and delivers');
ok($copy->poll_query_until('postgres', q{SELECT relrewrite <> 0 FROM pg_class WHERE oid = 'ddbstreams_shards.mapping'::regclass}),
	'... the mark comes back');
$copy->safe_psql('postgres', 'INSERT INTO t VALUES (6)');
ok(delivered($copy, 6), '... and it goes on delivering');
$copy->stop;
change_identifier($copy);
$copy->start;
is($copy->safe_psql('postgres', $listed), $problem, 'a copy of the upgraded server is told apart, too');
$copy->stop;

$node->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
ok(delivered($node, 2), 'the first server knows nothing of it');
$node->stop;
done_testing();
