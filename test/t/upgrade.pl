# pg_upgrade: streams, shards, records, triggers and the secret come along, and
# capture goes on in the new cluster without a command.
#
# It needs an older PostgreSQL beside the one that is tested, with its headers:
# OLD_PG_CONFIG names its pg_config; else the newest one of Debian's is taken
# (test/add-version puts one there).  Without one this test is skipped.
#
# To see it fail: test/mutations/run shards-are-no-members upgrade-is-watched.

use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my $root = abs_path(dirname(__FILE__) . '/../..');
my $dir = PostgreSQL::Test::Utils::tempdir();

sub config
{
	my ($program, $what) = @_;
	my $answer = `$program --$what`;

	chomp $answer;
	return $answer;
}

sub major
{
	my ($program) = @_;
	my ($major) = config($program, 'version') =~ /(\d+)/;

	return $major // 0;
}

# The pg_config of the newest PostgreSQL that is older than the tested one
sub find_old
{
	my @found;

	return $ENV{OLD_PG_CONFIG} if $ENV{OLD_PG_CONFIG};
	@found = grep { -x dirname($_) . '/initdb' && -f config($_, 'includedir-server') . '/postgres.h' }
	  glob('/usr/lib/postgresql/*/bin/pg_config');
	@found = grep { major($_) >= 15 && major($_) < major($pg_config) } @found;
	@found = sort { major($b) <=> major($a) } @found;
	return $found[0];
}

my $old_config = find_old();
plan skip_all => 'pg_upgrade needs two versions of PostgreSQL: see OLD_PG_CONFIG in test/t/upgrade.pl'
  unless $old_config;

# --- the extension for the old version -----------------------------------------

mkdir "$dir/build" or die;
mkdir "$dir/build/sql" or die;
copy($_, "$dir/build/") or die "$_: $!" foreach glob("$root/Makefile $root/README.md $root/*.control");
system_or_bail('cp', '-r', "$root/src", "$dir/build/");
unlink glob("$dir/build/src/*/*.o");
copy($_, "$dir/build/sql/") or die "$_: $!" foreach glob("$root/sql/*--*.sql");

# pg_upgrade looks for $libdir/name in the new server's own place only.
my $control = slurp_file("$dir/build/ddbstreams.control");
$control =~ s/\$libdir\///;
append_to_file("$dir/build/new.control", $control);
rename("$dir/build/new.control", "$dir/build/ddbstreams.control") or die;
system_or_bail('make', '-s', '-C', "$dir/build", "PG_CONFIG=$old_config", 'OPTIMIZE=-O1', 'install', "DESTDIR=$dir/inst");

my $settings = `@{[ config($old_config, 'bindir') ]}/postgres --describe-config`;
my $place;
$place = "extension_destdir = '$dir/inst'" if $settings =~ /^extension_destdir\t/m;
$place = "extension_control_path = '$dir/inst@{[ config($old_config, 'sharedir') ]}:\$system'"
  if $settings =~ /^extension_control_path\t/m;
plan skip_all => 'the old server has no private place for extensions' unless $place;

my $old = PostgreSQL::Test::Cluster->new('old', install_path => dirname(config($old_config, 'bindir')));
my @initdb = ('-k', '--locale=C', '-E', 'UTF8');

# What the tested version needs the old one may not know.
$old->init(extra => \@initdb);
my $conf = slurp_file($old->data_dir . '/postgresql.conf');
$conf =~ s/^(extension_destdir|extension_control_path|dynamic_library_path|shared_preload_libraries).*\n//mg;
open(my $file, '>', $old->data_dir . '/postgresql.conf') or die;
print $file $conf, <<CONF;
shared_preload_libraries = 'ddbstreams'
dynamic_library_path = '$dir/inst@{[ config($old_config, 'pkglibdir') ]}:\$libdir'
$place
autovacuum = off
max_prepared_transactions = 20
ddbstreams.iterator_lifetime = 0
CONF
close($file);
$old->start;

# --- what there is to carry ------------------------------------------------------

create_helpers($old);
$old->safe_psql('postgres', q{
	CREATE ROLE owner;
	CREATE ROLE gone_owner;
	CREATE TYPE mood AS ENUM ('sad', 'happy');
	CREATE TABLE t (id int PRIMARY KEY, gone text, v text, feels mood);
	ALTER TABLE t DROP gone, ALTER v SET STORAGE EXTERNAL;
	ALTER TABLE t OWNER TO owner;
	SELECT ddbstreams.enable_stream('t', shard_count => 3, retention => '10 days');
	INSERT INTO t SELECT i, 'value ' || i, 'happy' FROM generate_series(1, 1000) AS i;
	UPDATE t SET v = repeat(v, 2000) WHERE id <= 10;
	DELETE FROM t WHERE id > 990;

	CREATE TABLE p (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE p_us (id int NOT NULL, gone int, v text, region text NOT NULL);
	ALTER TABLE p_us DROP gone;
	ALTER TABLE p ATTACH PARTITION p_us FOR VALUES IN ('us');
	CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
	SELECT ddbstreams.enable_stream('p', 'NEW_IMAGE', 2, ARRAY['id']);
	INSERT INTO p SELECT r, i, i FROM unnest(ARRAY['eu', 'us']) AS r, generate_series(1, 100) AS i;

	CREATE FUNCTION handler(jsonb) RETURNS void LANGUAGE sql AS '';
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('p'), 'LATEST',
		filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"REMOVE\"]}"}]}', enabled => false);
	SELECT ddbstreams.create_consumer('consumer', ddbstreams.latest_stream_arn('p'));
	SELECT count(*) FROM ddbstreams.poll('consumer', 'worker', max_records => 10);

	CREATE TABLE off (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('off', shard_count => 1);
	INSERT INTO off VALUES (1);
	SELECT ddbstreams.disable_stream('off');
	CREATE TABLE gone (id int PRIMARY KEY);
	ALTER TABLE gone OWNER TO gone_owner;
	SELECT ddbstreams.enable_stream('gone', shard_count => 1);
	INSERT INTO gone VALUES (1);
	DROP TABLE gone});
$old->safe_psql('postgres', 'VACUUM FULL ' . $_) foreach split(/\n/, $old->safe_psql('postgres', q{SELECT shards('t')}));
$old->safe_psql('postgres', q{INSERT INTO t SELECT i, 'later ' || i, 'sad' FROM generate_series(2001, 2100) AS i});
$old->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
$old->safe_psql($_, q{
	CREATE TABLE pages AS SELECT d.shard_id, r.next_shard_iterator AS iterator
		FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) AS d,
			ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('t'), d.shard_id, 'TRIM_HORIZON') AS i,
			LATERAL (SELECT next_shard_iterator FROM ddbstreams.get_records(i, 100) OFFSET 99) AS r}) foreach ('postgres', 'copy');

# All that can be seen of streams, shards, records and what guards them
my %state = (
	streams => 'SELECT * FROM ddbstreams.list_streams()',
	shards => 'SELECT stream_arn, d.* FROM ddbstreams.list_streams() AS l, ddbstreams.describe_stream(l.stream_arn) AS d',
	records => q{SELECT l.stream_arn, d.shard_id, count(*), md5(string_agg(
			row (event_id, event_name, event_version, event_source, aws_region, approximate_creation_date_time, keys::text,
				new_image::text, old_image::text, sequence_number, size_bytes, r.stream_view_type, transaction_id)::text, ' ' ORDER BY sequence_number))
		FROM ddbstreams.list_streams() AS l, ddbstreams.describe_stream(l.stream_arn) AS d,
			ddbstreams.get_records(ddbstreams.get_shard_iterator(l.stream_arn, d.shard_id, 'TRIM_HORIZON')) AS r
		GROUP BY 1, 2 ORDER BY 1, 2},
	iterators => 'SELECT shard_id, (SELECT count(*) FROM ddbstreams.get_records(iterator)) FROM pages ORDER BY shard_id',
	# (what arguments the clones of partitions have means nothing)
	triggers => q{SELECT tgrelid::regclass, tgname, tgenabled, tgtype, CASE tgparentid WHEN 0 THEN encode(tgargs, 'escape') END
		FROM pg_trigger WHERE tgname LIKE 'ddbstreams%' ORDER BY tgrelid::regclass::text, tgname},
	dependencies => q{SELECT pg_describe_object(classid, objid, objsubid), deptype FROM pg_depend
		WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ddbstreams')
			AND classid <> 'pg_type'::regclass ORDER BY 1, 2},
	tables => q{SELECT c.oid::regclass, relkind, relpersistence, am.amname, reloptions, relacl IS NULL OR relkind = 'S' AS no_acl,
			(SELECT reloptions FROM pg_class AS t WHERE t.oid = c.reltoastrelid) AS toast,
			(SELECT string_agg(format('%s %s %s %s', attname, atttypid::regtype, attstorage, attnotnull), ', ' ORDER BY attnum)
				FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
		FROM pg_class AS c LEFT JOIN pg_am AS am ON am.oid = c.relam
		WHERE relnamespace = 'ddbstreams_shards'::regnamespace ORDER BY c.oid::regclass::text},
	mappings => q{SELECT to_jsonb(m) - 'server_id' FROM ddbstreams_shards.mapping AS m},
	listed => 'SELECT * FROM ddbstreams.list_event_source_mappings()',
	consumers => 'SELECT * FROM ddbstreams_shards.consumer',
	secret => 'SELECT secret FROM ddbstreams_shards.secret');

sub state_of
{
	my ($node, $database) = @_;
	my %answers = map { $_ => $node->safe_psql($database, $state{$_}) } keys %state;

	return \%answers;
}

my $before = state_of($old, 'postgres');
my $before_copy = state_of($old, 'copy');
my $last = $old->safe_psql('postgres', q{SELECT max(number) FROM follow('t')});
my $dumped = $old->safe_psql('postgres', q{SELECT count(*) FROM follow('t')});
cmp_ok($dumped, '==', 1120, 'there are records to carry');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => \@initdb);
$new->append_conf('postgresql.conf', <<CONF);
autovacuum = off
max_prepared_transactions = 20
wal_level = logical
ddbstreams.iterator_lifetime = 0
CONF

# Late minor releases mark all columns by an option that others, such as those in
# Debian's trixie and forky when this was written, cannot take over, with or
# without ddbstreams.
$new->start;
my ($known) = $new->psql('postgres', 'CREATE TABLE t (a int); ALTER TABLE t ALTER a SET (pg_attver = 1)');
$new->safe_psql('postgres', 'DROP TABLE t');
$new->stop;
if ($known != 0)
{
	foreach my $database ('postgres', 'copy')
	{
		$old->safe_psql($database, q{SET allow_system_table_mods = on;
			UPDATE pg_attribute SET attoptions = NULL WHERE attrelid >= 16384 AND attoptions::text ~ '^{pg_attver=\d+}$'});
	}
}
$old->stop;

# --- pg_upgrade --------------------------------------------------------------------

chdir $dir or die;
$new->command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
	'-b', config($old_config, 'bindir'), '-B', config($pg_config, 'bindir'),
	'-s', $new->host, '-p', $old->port, '-P', $new->port, '-j', '2' ],
	"pg_upgrade from @{[ major($old_config) ]} to @{[ major($pg_config) ]}")
  or diag(grep { /error|fatal/i } map { split(/^/m, slurp_file($_)) } glob($new->data_dir . '/pg_upgrade_output.d/*/{.,log}/*.{txt,log}'));
$new->start;

my $after = state_of($new, 'postgres');
is($after->{$_}, $before->{$_}, "$_ are as they were") foreach sort keys %state;
my $after_copy = state_of($new, 'copy');
is($after_copy->{$_}, $before_copy->{$_}, "... in a copy of the database: $_") foreach sort keys %state;

# --- capture goes on ------------------------------------------------------------------

$new->safe_psql('postgres', q{SELECT slot_name FROM pg_create_logical_replication_slot('test', 'test_decoding')});
$new->safe_psql('postgres', q{
	INSERT INTO t VALUES (5001, repeat('new', 10000), 'sad');
	UPDATE t SET v = 'short' WHERE id = 1;
	TRUNCATE p_us;
	INSERT INTO p VALUES ('us', 1000)});
is($new->safe_psql('postgres', qq{SELECT event, id, new->'v'->>'S' = repeat('new', 10000), old->'v'->>'S' = repeat('value 1', 2000), number > '$last'
	FROM follow('t') WHERE number > '$last' ORDER BY number}),
	"INSERT|5001|t||t\nMODIFY|1|f|t|t", 'changes are captured, with higher numbers');
is($new->safe_psql('postgres', q{SELECT event, count(*) FROM follow('p') GROUP BY 1 ORDER BY 1}),
	"INSERT|201\nREMOVE|100", '... of partitions, too');
is($new->safe_psql('postgres', q{SELECT disorder('t')}), '0', 'numbers rise');
is($new->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.changes(NULL::t)}), $dumped + 2, 'typed rows can be read');

my ($status, $out, $err);
foreach my $shard (split(/\n/, $new->safe_psql('postgres', q{SELECT shards('t')})))
{
	($status, $out, $err) = $new->psql('postgres', "DELETE FROM $shard");
	like($err, qr/cannot be changed by SQL/, 'shards are guarded');
}
($status, $out, $err) = $new->psql('postgres', 'ALTER TABLE t DISABLE TRIGGER ddbstreams_capture');
like($err, qr/disable_stream/, 'triggers are guarded');

# Tables of our own that are updated are kept out of decoding, once the worker has
# been there.
$new->poll_query_until('postgres', q{SELECT relrewrite <> 0 FROM pg_class WHERE oid = 'ddbstreams_shards.mapping'::regclass})
  or die 'tables are not hidden from decoding';
$new->safe_psql('postgres', q{
	SELECT ddbstreams.update_event_source_mapping(uuid, batch_size => 7) FROM ddbstreams.list_event_source_mappings();
	SELECT ddbstreams.delete_event_source_mapping(uuid) FROM ddbstreams.list_event_source_mappings();
	SELECT ddbstreams.drop_consumer('consumer')});
$new->safe_psql('postgres', q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))});
$new->safe_psql('postgres', q{
	SELECT ddbstreams.disable_stream('p');
	SELECT ddbstreams.enable_stream('p', shard_count => 1);
	INSERT INTO p VALUES ('eu', 1000)});
unlike($new->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_get_changes('test', NULL, NULL)}),
	qr/ddbstreams_shards/, 'logical decoding sees nothing of it');
is($new->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.changes(NULL::t)}), $dumped + 2, 'shards roll over');

# Shards that are older than the upgrade are dropped when they expire.
my $expired = $new->safe_psql('postgres', q{SELECT shard_table FROM ddbstreams.list_streams() AS l,
	ddbstreams.describe_stream(l.stream_arn) WHERE table_name = 'off'});
$new->safe_psql('postgres', q{SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('off'), '1 minute')});
$new->append_conf('postgresql.conf', "ddbstreams.clock_offset = '1 hour'\nddbstreams.maintenance_interval = '100ms'");
$new->reload;
$new->poll_query_until('postgres', "SELECT to_regclass('$expired') IS NULL") or die "$expired is not dropped";
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'ddbstreams'}), '1', 'shards expire, and nothing else');
is($new->safe_psql('postgres', q{SELECT story('p')}), 'I1000', 'a stream can be enabled anew');

$new->safe_psql('postgres', 'DROP TABLE pages; DROP EXTENSION ddbstreams');
is($new->safe_psql('postgres', q{
	SELECT tgname FROM pg_trigger WHERE tgname LIKE 'ddbstreams%'
	UNION ALL SELECT relname FROM pg_class WHERE relname ~ '^(shard|side)_\d'}), '', 'DROP EXTENSION leaves nothing behind');
is($new->safe_psql('copy', q{INSERT INTO t VALUES (7000); SELECT event, id FROM follow('t') WHERE id::int > 5000}),
	'INSERT|7000', 'the copy goes on');

$new->stop;
done_testing();
