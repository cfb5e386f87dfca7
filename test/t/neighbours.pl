# Other software beside ddbstreams, as far as it needs a server of its own or
# background workers.  test/neighbours runs the real ones; here an extension is
# made up.
#
# To see it fail: test/mutations/run taken-over-unnoticed.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = new_server('neighbours', 'ddbstreams.maintenance_interval = 1s');

# --- a table is taken over without DDL -------------------------------------------

$node->safe_psql('postgres', q{
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
		SELECT max(oid::int8)::int8 + 1000000, 'timescaledb', 10, 'public'::regnamespace, false, '1' FROM pg_extension;
	CREATE SCHEMA _timescaledb_catalog;
	CREATE TABLE _timescaledb_catalog.hypertable (schema_name name, table_name name);
	ALTER EXTENSION timescaledb ADD TABLE _timescaledb_catalog.hypertable;
	CREATE TABLE taken (id int PRIMARY KEY);
	CREATE TABLE kept (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('taken', shard_count => 1), ddbstreams.enable_stream('kept', shard_count => 1);
	INSERT INTO taken VALUES (1);
	INSERT INTO _timescaledb_catalog.hypertable VALUES ('public', 'taken')});
ok($node->poll_query_until('postgres', q{SELECT stream_status = 'DISABLED' FROM ddbstreams.list_streams('taken')}),
	'maintenance ends the stream of a table that another extension has taken over');
like(slurp_file($node->logfile), qr/ddbstreams has disabled the stream of table "taken": the table is now a hypertable/,
	'it says so in the log');
is($node->safe_psql('postgres', q{
	SELECT stream_status FROM ddbstreams.list_streams('kept') UNION ALL
	SELECT event FROM follow('taken') UNION ALL
	SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgrelid = 'taken'::regclass}), "ENABLED\nINSERT\nD",
	'another stream stays, and what was captured can be read');

$node->stop;
done_testing();
