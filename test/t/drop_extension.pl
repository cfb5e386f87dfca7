# DROP EXTENSION with more shards than one transaction can lock: streams are
# removed first, in transactions of bounded size.  A command that would be
# refused removes nothing.
#
# To see it fail: test/mutations/run drop-extension-at-once
# drop-extension-despite-dependents drop-extension-despite-event-triggers
# drop-extension-despite-extensions removed-stream-keeps-triggers.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

# The lock table has room for less than a third of what dropping takes.
my $node = new_server('drop_extension', q{
max_connections = 20
max_prepared_transactions = 0
max_locks_per_transaction = 64
ddbstreams.maintenance_interval = '1d'}, bare => 1);
my $shards = 400;
my $none = qr/^0$/;

# The error of a command that has to fail
sub error
{
	my ($query) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $query);

	isnt($status, 0, "fails: $query");
	return $err;
}

# What there is of the streams
sub streams
{
	return sql(q{SELECT string_agg(table_name || ' ' || stream_status || ' ' ||
			(SELECT count(*) FROM ddbstreams.describe_stream(stream_arn)), ', ' ORDER BY table_name)
		FROM ddbstreams.list_streams()});
}

sub make_streams
{
	sql('CREATE EXTENSION ddbstreams');
	for my $table ('a', 'b', 'p', 'gone')
	{
		sql("SELECT ddbstreams.enable_stream('$table', shard_count => $shards)");
	}
	sql('DROP TABLE gone');
	sql(q{INSERT INTO a SELECT generate_series(1, 1000);
		INSERT INTO p SELECT generate_series(1, 99);
		SELECT ddbstreams.create_event_source_mapping('h', ddbstreams.latest_stream_arn('a'), 'TRIM_HORIZON')});
}

sql(q{
	CREATE TABLE a (id int PRIMARY KEY);
	CREATE TABLE b (id int PRIMARY KEY);
	CREATE TABLE gone (id int PRIMARY KEY);
	CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100);
	CREATE FUNCTION h(event jsonb) RETURNS void LANGUAGE sql AS 'SELECT'});
make_streams();
my $all = streams();
is($all, "a ENABLED $shards, b ENABLED $shards, gone DISABLED $shards, p ENABLED $shards", 'there are streams');

# refused, and nothing is lost
my $depends = qr/cannot drop extension ddbstreams because other objects depend on it/;
for my $object (
	['VIEW v AS SELECT * FROM ddbstreams.list_streams()', 'VIEW v'],
	['VIEW v AS SELECT * FROM ddbstreams.stream_stats', 'VIEW v'],
	["FUNCTION f() RETURNS text BEGIN ATOMIC SELECT ddbstreams.latest_stream_arn('a'); END", 'FUNCTION f'],
	["TABLE d (a text DEFAULT ddbstreams.latest_stream_arn('a'))", 'TABLE d'],
	['TABLE ddbstreams.d (a int)', 'TABLE ddbstreams.d'],
	['TABLE ddbstreams_shards.d (a int)', 'TABLE ddbstreams_shards.d'],
	['TRIGGER other BEFORE TRUNCATE ON b EXECUTE FUNCTION ddbstreams.capture_truncate()', 'TRIGGER other ON b'])
{
	sql("CREATE $object->[0]");
	like(error('DROP EXTENSION ddbstreams'), $depends, "... because of $object->[0]");
	sql("DROP $object->[1]");
}
# what "requires" in the control file of another extension makes
sql(q{INSERT INTO pg_depend SELECT 'pg_extension'::regclass, p.oid, 0, 'pg_extension'::regclass, d.oid, 0, 'n'
	FROM pg_extension p, pg_extension d WHERE p.extname = 'plpgsql' AND d.extname = 'ddbstreams'});
like(error('DROP EXTENSION ddbstreams'), $depends, '... because of another extension');
sql(q{DELETE FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND classid = 'pg_extension'::regclass});
like(error('BEGIN; DROP EXTENSION ddbstreams'), qr/out of shared memory/, '... in a transaction block');
like(error('SET default_transaction_read_only = on; DROP EXTENSION ddbstreams'),
	qr/cannot execute DROP EXTENSION in a read-only transaction/, '... where nothing may be written');
for my $event ('ddl_command_start', 'ddl_command_end', 'sql_drop')
{
	sql("CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
			'BEGIN IF tg_tag = ''DROP EXTENSION'' THEN RAISE ''refused''; END IF; END';
		CREATE EVENT TRIGGER refuse ON $event EXECUTE FUNCTION refuse()");
	like(error('DROP EXTENSION ddbstreams CASCADE'), qr/refused|out of shared memory/, "... by an event trigger on $event");
	sql('DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()');
}
sql(q{CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
	CREATE EVENT TRIGGER note ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION note();
	CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION note();
	ALTER EVENT TRIGGER off DISABLE});
sql('CREATE ROLE other');
like(error('SET ROLE other; DROP EXTENSION ddbstreams'), qr/must be owner of extension ddbstreams/, '... by another role');
is(streams(), $all, '... and every stream is still there');
sql('INSERT INTO a VALUES (-1)');
is(sql('SELECT count(*) FROM ddbstreams.changes(null::a)'), '1001', '... and captures');

# a lock that cannot be had: the rest goes on where it broke off
my $holder = session($node);
$holder->query_safe('BEGIN; LOCK TABLE b IN ACCESS SHARE MODE');
like(error(q{SET lock_timeout = '100ms'; DROP EXTENSION ddbstreams}), qr/lock timeout/, '... while a table is in use');
$holder->query_safe('COMMIT');
$holder->quit;
isnt(sql(q{SELECT count(*) FROM pg_extension WHERE extname = 'ddbstreams'}), '0', '... and the extension is there');
like(streams(), qr/a DISABLED/, '... without the streams that were reached');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'a'::regclass AND NOT tgisinternal}), '0', '... and their triggers');
sql('INSERT INTO b VALUES (1)');
is(sql('SELECT count(*) FROM ddbstreams.changes(null::b)'), '1', '... and captures the table that was not reached');

# it passes
sql('DROP EXTENSION ddbstreams');
pass('DROP EXTENSION passes');
sub nothing_is_left
{
	like(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '^(shard|side)_\d' OR relnamespace NOT IN (SELECT oid FROM pg_namespace)}),
		$none, '... and leaves no table');
	like(sql(q{SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal}), $none, '... no trigger');
	like(sql(q{SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND refobjid NOT IN (SELECT oid FROM pg_extension)}),
		$none, '... no dependency');
}
nothing_is_left();
sql('INSERT INTO a VALUES (-2); TRUNCATE p; DELETE FROM b');
pass('... and writers go on');

# with what depends on it, by a role that owns no table
sql(q{DELETE FROM a; CREATE TABLE gone (id int PRIMARY KEY)});
make_streams();
sql(q{CREATE VIEW v AS SELECT * FROM ddbstreams.list_streams(); CREATE ROLE owner SUPERUSER;
	ALTER TABLE a OWNER TO other});
sql('SET ROLE owner; DROP EXTENSION ddbstreams CASCADE');
pass('DROP EXTENSION CASCADE passes');
is(sql(q{SELECT to_regclass('v') IS NULL}), 't', '... with what depends on it');
nothing_is_left();

$node->stop;
done_testing();
