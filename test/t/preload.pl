# Without shared_preload_libraries = 'ddbstreams' nothing is created, and no
# change goes by without its record: the write fails, and says which line to add.
# A standby without it can be made to say so at each login.
#
# To see it fail: test/mutations/run preload-not-demanded.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $line = qr/shared_preload_libraries = 'ddbstreams'/;
my $node = PostgreSQL::Test::Cluster->new('preload');
my ($status, $out, $err);

$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;

($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION ddbstreams');
isnt($status, 0, 'CREATE EXTENSION fails without the library');
like($err, qr/must be loaded via shared_preload_libraries/, '... says why');
like($err, $line, '... and which line to add');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^ddbstreams'}),
	'0', '... and leaves nothing behind');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'ddbstreams'");
$node->restart;
create_helpers($node);
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	CREATE TABLE plain (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t VALUES (1, 1)});

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
foreach my $write ('INSERT INTO t VALUES (2, 1)', 'UPDATE t SET v = 2',
	'DELETE FROM t', 'TRUNCATE t')
{
	($status, $out, $err) = $node->psql('postgres', $write);
	isnt($status, 0, "$write fails without the library");
	like($err, $line, '... and says which line to add');
}
($status, $out, $err) = $node->psql('postgres', 'SELECT * FROM ddbstreams.list_streams()');
like($err, $line, 'so does a function');
is($node->safe_psql('postgres', 'INSERT INTO plain VALUES (1); SELECT * FROM t'),
	'1|1', 'other tables can be written, and all be read');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'ddbstreams'");
$node->restart;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (3, 1); UPDATE t SET v = 5 WHERE id = 1');
is($node->safe_psql('postgres', q{SELECT story('t')}),
	'I1 I3 M1', 'capture goes on after the line is put back');
is($node->safe_psql('postgres', q{SELECT disorder('t')}), '0', '... in order');

# --- a standby without the library ---------------------------------------------
#
# Nothing runs there that could warn. A database that names the library in
# session_preload_libraries, which comes along from the primary, lets nobody in.

my $standby = PostgreSQL::Test::Cluster->new('standby');

$node->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 5");
$node->restart;
$node->safe_psql('postgres', q{
	CREATE DATABASE other;
	ALTER DATABASE postgres SET session_preload_libraries = 'ddbstreams'});
is($node->safe_psql('postgres', 'SELECT story(\'t\')'), 'I1 I3 M1',
	'session_preload_libraries changes nothing where the library is preloaded');
$node->backup('base');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$standby->start;
($status, $out, $err) = $standby->psql('postgres', 'SELECT 1');
isnt($status, 0, 'nobody gets into the database on a standby without the library');
$standby->wait_for_log(qr/FATAL:  ddbstreams must be loaded via shared_preload_libraries\n.*HINT: .*$line/);
is($standby->safe_psql('other', 'SELECT 1'), '1', '... but into others');

$standby->append_conf('postgresql.conf', "shared_preload_libraries = 'ddbstreams'");
$standby->restart;
is($standby->safe_psql('postgres', 'SELECT story(\'t\')'), 'I1 I3 M1',
	'after a restart with the library the standby reads');
$standby->promote;
$standby->safe_psql('postgres', 'INSERT INTO t VALUES (4, 1)');
is($standby->safe_psql('postgres', 'SELECT story(\'t\')'), 'I1 I3 M1 I4', '... and, promoted, captures');

$standby->stop;
$node->stop;
done_testing();
