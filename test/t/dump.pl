# pg_dump and restore: the streams' definitions come along, their records do not,
# and capture goes on in the restored database without a command.
#
# To see it fail: test/mutations/run dump-defines-nothing
# dump-without-retention dump-without-split key-behind-trigger-unnoticed
# restore-not-recognized.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = new_server('dump', '', bare => 1);
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $connection = $node->connstr;

$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE other LOGIN; CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION ddbstreams;
	ALTER DATABASE source OWNER TO owner;
	GRANT ALL ON SCHEMA public TO owner;
	GRANT other TO owner;
	SET ROLE owner;
	CREATE SCHEMA sales;

	CREATE TABLE t (id int PRIMARY KEY, v text);
	INSERT INTO t SELECT i, 'before' FROM generate_series(1, 50) AS i;
	CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t);
	SELECT ddbstreams.enable_stream('t', shard_count => 3);
	SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('t'), '3 days 2 hours');
	SELECT ddbstreams.enable_stream('child', 'OLD_IMAGE', shard_count => 1);
	INSERT INTO t SELECT i, 'captured' FROM generate_series(51, 100) AS i});
like($node->safe_psql('source', q{SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'ddbstreams_capture' AND tgrelid = 't'::regclass}),
	qr/'shard_count=3', .* 'retention=P3DT2H'/, 'another retention is told at once');
$node->safe_psql('source', q{SELECT ddbstreams.split_shard(ddbstreams.latest_stream_arn('t'), (SELECT min(shard_id)
	FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))))});
like($node->safe_psql('source', q{SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'ddbstreams_capture' AND tgrelid = 't'::regclass}),
	qr/'shard_count=4', .* 'retention=P3DT2H'/, 'a split is told at once');
$node->safe_psql('source', q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))});
$node->safe_psql('source', q{
	SET ROLE owner;
	INSERT INTO child SELECT i, i FROM generate_series(1, 100) AS i;

	CREATE TABLE sales.orders (shop int, "the ""id"" \, {1}" int, id int, v int,
		PRIMARY KEY (shop, "the ""id"" \, {1}", id));
	SELECT ddbstreams.enable_stream('sales.orders', 'KEYS_ONLY', 2,
		ARRAY['the "id" \, {1}', 'shop'], '1 year 1 mon -1 day 90 minutes');
	INSERT INTO sales.orders VALUES (1, 1, 1);
	ALTER TABLE sales.orders RENAME shop TO "Shop";

	CREATE FUNCTION sales.handler(jsonb) RETURNS void LANGUAGE sql AS '';
	CREATE FUNCTION "Odd 'h"(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
	SELECT ddbstreams.create_event_source_mapping('sales.handler', ddbstreams.latest_stream_arn('sales.orders'), 'LATEST', 17,
		'2 seconds', 3, '1 hour', 4, true, 'sales.handler', '1 minute', ARRAY['ReportBatchItemFailures'],
		'{"Filters": [{"Pattern": "{\"eventName\": [\"INSERT\", \"it''s\"]}"}]}');
	SELECT ddbstreams.create_event_source_mapping('"Odd ''h"', ddbstreams.latest_stream_arn('sales.orders'), 'TRIM_HORIZON', 1);
	SELECT ddbstreams.update_event_source_mapping(uuid, batch_size => 2, enabled => false)
		FROM ddbstreams.list_event_source_mappings() WHERE batch_size = 1;
	SELECT ddbstreams.aws('UpdateEventSourceMapping', json_build_object('UUID', uuid, 'MetricsConfig', '{"Metrics": ["EventCount"]}'::json)),
		ddbstreams.aws('TagResource', json_build_object('Resource', 'arn:aws:lambda:x:y:event-source-mapping:' || uuid,
			'Tags', json_build_object('it''s', '"', 'b', '')))
		FROM ddbstreams.list_event_source_mappings() WHERE batch_size = 17;
	SELECT ddbstreams.create_event_source_mapping('"Odd ''h"', ddbstreams.latest_stream_arn('t'), 'LATEST');
	SELECT ddbstreams.delete_event_source_mapping(uuid) FROM ddbstreams.list_event_source_mappings() WHERE event_source_arn ~ '/t/';
	GRANT SELECT ON t TO other;
	SET ROLE other;
	SELECT ddbstreams.create_event_source_mapping('"Odd ''h"', ddbstreams.latest_stream_arn('t'), 'LATEST');
	SET ROLE owner;

	CREATE TABLE "Odd 'n" (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('"Odd ''n"', shard_count => 1);
	ALTER TABLE "Odd 'n" RENAME TO "Odd 's";

	CREATE TABLE p (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
	CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
	CREATE TABLE p_us (id int NOT NULL, gone int, v text, region text NOT NULL);
	ALTER TABLE p_us DROP gone;
	CREATE TABLE p_as PARTITION OF p FOR VALUES IN ('as') PARTITION BY RANGE (id);
	CREATE TABLE p_as_1 PARTITION OF p_as FOR VALUES FROM (0) TO (10);
	SELECT ddbstreams.enable_stream('p', 'NEW_IMAGE', partition_key => ARRAY['id'], shard_count => 5);
	ALTER TABLE p ATTACH PARTITION p_us FOR VALUES IN ('us');
	INSERT INTO p SELECT r, i FROM unnest(ARRAY['eu', 'us', 'as']) AS r, generate_series(0, 9) AS i;

	CREATE TABLE off (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('off');
	INSERT INTO off VALUES (1);
	SELECT ddbstreams.disable_stream('off');
	CREATE TABLE never (id int PRIMARY KEY);
	CREATE TABLE gone (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('gone');
	DROP TABLE gone});

# What there is to carry, as the catalogue has it
my $definitions = q{
	SELECT s.table_oid::regclass, stream_view_type, retention,
		(SELECT array_agg(attname ORDER BY n) FROM unnest(partition_attnums) WITH ORDINALITY AS k (num, n)
			JOIN pg_attribute ON attrelid = table_oid AND attnum = num),
		(SELECT count(*) FROM ddbstreams.describe_stream(stream_arn) WHERE ending_sequence_number IS NULL)
	FROM ddbstreams_shards.stream AS s
	WHERE NOT table_dropped AND disabled_at IS NULL
		AND version = (SELECT max(version) FROM ddbstreams_shards.stream AS o WHERE o.stream_id = s.stream_id)
	ORDER BY s.table_oid::regclass::text COLLATE "C"};
my $expected = $node->safe_psql('source', $definitions);
is($expected, <<'EXPECTED' =~ s/\n\z//r, 'the streams of the source');
"Odd 's"|NEW_AND_OLD_IMAGES|24:00:00|{id}|1
child|OLD_IMAGE|24:00:00|{id}|1
p|NEW_IMAGE|24:00:00|{id}|5
sales.orders|KEYS_ONLY|1 year 1 mon -1 days +01:30:00|{"the \"id\" \\, {1}",Shop}|2
t|NEW_AND_OLD_IMAGES|3 days 02:00:00|{id}|4
EXPECTED

# Mappings, without what is new with each stream
my $mappings = q{
	SELECT split_part(split_part(m.event_source_arn, ':table/', 2), '/stream/', 1), role_id::regrole,
		to_jsonb(m) - ARRAY['mapping_no', 'stream_id', 'event_source_arn', 'role_id', 'database_id',
			'enabled', 'created_at', 'last_modified', 'version', 'change', 'acknowledged_version']
	FROM ddbstreams_shards.mapping AS m
	WHERE EXISTS (SELECT FROM ddbstreams.list_streams() AS s WHERE s.stream_arn = m.event_source_arn AND stream_status = 'ENABLED')
	ORDER BY 1, 2, 3};
my $expected_mappings = $node->safe_psql('source', $mappings);
is(scalar(split(/\n/, $expected_mappings)), 3, 'the mappings of the source');

# How many records the streams of a database have
my $records = q{
	SELECT count(*) FROM ddbstreams.list_streams() AS l, ddbstreams.describe_stream(l.stream_arn) AS d,
		ddbstreams.get_records(ddbstreams.get_shard_iterator(l.stream_arn, d.shard_id, 'TRIM_HORIZON'))};
cmp_ok($node->safe_psql('source', $records), '>', 100, '... have records');

# Triggers, their states and what goes with the extension
my $triggers = q{
	SELECT tgrelid::regclass, tgname, tgenabled,
		(SELECT count(*) FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND objid = g.oid AND deptype = 'x')
	FROM pg_trigger AS g WHERE tgname LIKE 'ddbstreams_capture%' ORDER BY tgrelid::regclass::text COLLATE "C", tgname};
my $expected_triggers = $node->safe_psql('source', $triggers);

sub fresh_database
{
	my ($name, %params) = @_;

	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $name");
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0");
	$node->safe_psql($name, 'CREATE EXTENSION ddbstreams') if $params{extension};
	return;
}

# Runs a program of PostgreSQL's; it must succeed and have nothing to say.
sub runs_silently
{
	my ($what, @command) = @_;
	my ($out, $err) = ('', '');
	my $status = IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);

	ok($status && $err !~ /error|warning/i, $what) or diag("@command\n$err");
	return;
}

# Does a restored database have all streams, empty, and does it go on?
sub check_restored
{
	my ($way, $name, %params) = @_;
	my $has_p = $expected =~ /^p\|/m;

	is($node->safe_psql($name, $definitions), $expected, "$way: definitions");
	is($node->safe_psql($name, $triggers), $expected_triggers, "$way: triggers");
	is($node->safe_psql($name, $mappings), $expected_mappings, "$way: mappings");
	is($node->safe_psql($name, 'SELECT DISTINCT state FROM ddbstreams.list_event_source_mappings()'), 'Disabled',
		"$way: mappings are disabled");
	is($node->safe_psql($name, $records), '0', "$way: no records")
	  unless $params{records};
	$node->safe_psql($name, q{
		CREATE TABLE at AS SELECT l.stream_arn, d.shard_id, ddbstreams.get_shard_iterator(l.stream_arn, d.shard_id, 'LATEST') AS iterator
			FROM ddbstreams.list_streams() AS l, ddbstreams.describe_stream(l.stream_arn) AS d;
		INSERT INTO t VALUES (1000, 'new');
		UPDATE child SET id = -id WHERE id = 1;
		INSERT INTO off VALUES (2);
		UPDATE sales.orders SET v = 2;
		INSERT INTO "Odd 's" VALUES (1)} . ($has_p ? q{; UPDATE p SET v = 'new' WHERE id = 1; TRUNCATE p_as} : ''));
	is($node->safe_psql($name, q{
		SELECT name, string_agg(r.event_name, ' ' ORDER BY r.event_name)
		FROM at, split_part(split_part(stream_arn, ':table/', 2), '/stream/', 1) AS name, ddbstreams.get_records(iterator) AS r
		GROUP BY name ORDER BY name COLLATE "C"}),
		"Odd 's|INSERT\nchild|INSERT REMOVE\n"
		. ($has_p ? 'p|MODIFY MODIFY MODIFY' . ' REMOVE' x 10 . "\n" : '') . "sales.orders|MODIFY\nt|INSERT",
		"$way: capture goes on");
	is($node->safe_psql($name, 'SELECT count(*) FROM ddbstreams.list_streams() WHERE stream_arn IN (SELECT unnest(string_to_array(' .
		"'" . ($node->safe_psql('source', q{SELECT string_agg(stream_arn, ' ') FROM ddbstreams.list_streams()}) =~ s/'/''/gr) . q{', ' ')))}),
		'0', "$way: under new labels");
	return;
}

# --- into a new database ------------------------------------------------------

runs_silently('pg_dump', 'pg_dump', '-d', "$connection dbname=source", '-f', "$dir/plain.sql");
runs_silently('pg_dump -Fc', 'pg_dump', '-d', "$connection dbname=source", '-Fc', '-f', "$dir/custom");
runs_silently('pg_dump -Fd -j', 'pg_dump', '-d', "$connection dbname=source", '-Fd', '-j3', '-f', "$dir/directory");
runs_silently('pg_dump -Ft', 'pg_dump', '-d', "$connection dbname=source", '-Ft', '-f', "$dir/tar");
unlike(slurp_file("$dir/plain.sql"), qr/(shard|side)_\d/, 'no shard is dumped');

my @psql = ('psql', '-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d');
my %ways = (
	'plain' => [ @psql, "$connection dbname=r", '-f', "$dir/plain.sql" ],
	'plain in one transaction' => [ @psql, "$connection dbname=r", '-1', '-f', "$dir/plain.sql" ],
	'custom' => [ 'pg_restore', '-e', '-d', "$connection dbname=r", "$dir/custom" ],
	'custom in one transaction' => [ 'pg_restore', '-1', '-d', "$connection dbname=r", "$dir/custom" ],
	'custom in parallel' => [ 'pg_restore', '-e', '-j4', '-d', "$connection dbname=r", "$dir/custom" ],
	'directory in parallel' => [ 'pg_restore', '-e', '-j4', '-d', "$connection dbname=r", "$dir/directory" ],
	'tar' => [ 'pg_restore', '-e', '-d', "$connection dbname=r", "$dir/tar" ]);
foreach my $way (sort keys %ways)
{
	fresh_database('r');
	runs_silently($way, @{ $ways{$way} });
	check_restored($way, 'r');
}

# The restored streams are carried on by the next dump, and all goes with the
# extension.
runs_silently('dump of a restored database', 'pg_dump', '-d', "$connection dbname=r", '-Fc', '-f', "$dir/second");
fresh_database('second');
runs_silently('second restore', 'pg_restore', '-e', '-d', "$connection dbname=second", "$dir/second");
is($node->safe_psql('second', $definitions), $expected, 'a restored database can be dumped and restored');
$node->safe_psql('second', 'DROP EXTENSION ddbstreams');
is($node->safe_psql('second', $triggers), '', 'DROP EXTENSION takes restored triggers along');

# --- in parts -----------------------------------------------------------------

fresh_database('r');
foreach my $section ('pre-data', 'data', 'post-data')
{
	runs_silently("section $section", 'pg_restore', '-e', "--section=$section", '-d', "$connection dbname=r", "$dir/custom");
}
check_restored('sections', 'r');

# With the schema alone capture begins before the rows are loaded.
fresh_database('r');
runs_silently('schema only', 'pg_restore', '-e', '--schema-only', '-d', "$connection dbname=r", "$dir/custom");
is($node->safe_psql('r', $definitions), $expected, 'schema only: definitions');
is($node->safe_psql('r', $records), '0', 'schema only: no records');
runs_silently('data only', 'pg_restore', '-e', '--data-only', '--disable-triggers', '-d', "$connection dbname=r", "$dir/custom");
is($node->safe_psql('r', $triggers), $expected_triggers, 'data only with disabled triggers: ours go on');
is($node->safe_psql('r', q{SELECT count(*) FROM t UNION ALL SELECT count(*) FROM ddbstreams.changes(NULL::t) WHERE event_name = 'INSERT'}),
	"100\n100", 'data only with disabled triggers: rows loaded into a live stream are captured');
check_restored('schema and data', 'r', records => 1);

fresh_database('r', extension => 1);
runs_silently('dump of one table', 'pg_dump', '-d', "$connection dbname=source", '-t', 'sales.orders', '-f', "$dir/one.sql");
$node->safe_psql('r', 'CREATE SCHEMA sales');
runs_silently('one table', @psql, "$connection dbname=r", '-f', "$dir/one.sql");
is($node->safe_psql('r', $definitions), (grep { /sales/ } split(/\n/, $expected))[0], 'one table: its definition, and no other');
is($node->safe_psql('r', $records), '0', 'one table: no records');

# --- by a user without privileges ---------------------------------------------

# COMMENT ON EXTENSION is what the extension's owner alone may do, any extension's.
runs_silently('dump by the owner', 'pg_dump', '-d', "$connection dbname=source user=owner", '-Fc',
	'--no-comments', '-f', "$dir/owner");
fresh_database('r', extension => 1);
$node->safe_psql('postgres', 'ALTER DATABASE r OWNER TO owner');
$node->safe_psql('r', 'ALTER SCHEMA public OWNER TO owner');
runs_silently('restore by the owner', 'pg_restore', '-e', '-j2', '-d', "$connection dbname=r user=owner", "$dir/owner");
is($node->safe_psql('r', $definitions), $expected, 'restore by the owner: definitions');
check_restored('restore by the owner', 'r');

# --- over streams that are live -------------------------------------------------

# (--clean does not know how to drop the primary keys of partitions, without
# ddbstreams either.)
$node->safe_psql('source', 'DROP TABLE p');
$node->safe_psql('r', 'DROP TABLE p, at');
$expected = $node->safe_psql('source', $definitions);
$expected_triggers = $node->safe_psql('source', $triggers);
runs_silently('pg_dump -Fc', 'pg_dump', '-d', "$connection dbname=source", '-Fc', '-f', "$dir/custom");
runs_silently('pg_dump --clean', 'pg_dump', '-d', "$connection dbname=source", '--inserts', '--clean', '--if-exists', '-f', "$dir/clean.sql");
foreach my $way (['--clean'], [ '--clean', '--if-exists' ], [ '--clean', '--if-exists', '-j3' ], [ '--clean', '-1' ])
{
	runs_silently("restore @$way over live streams", 'pg_restore', '-e', @$way, '-d', "$connection dbname=r", "$dir/custom");
	check_restored("@$way", 'r');
	$node->safe_psql('r', 'DROP TABLE at');
}
runs_silently('plain --clean over live streams', @psql, "$connection dbname=r", '-f', "$dir/clean.sql");
check_restored('plain --clean', 'r');
fresh_database('r');
runs_silently('plain --clean where nothing is', @psql, "$connection dbname=r", '-f', "$dir/clean.sql");
check_restored('plain --clean where nothing is', 'r');

# Without DROP EXTENSION the old streams stay readable.
is($node->safe_psql('r', q{SELECT count(*) FROM ddbstreams.list_streams()}), '4', 'streams before restoring one table anew');
runs_silently('dump --clean of one table', 'pg_dump', '-d', "$connection dbname=source", '--clean', '-t', 'sales.orders', '-f', "$dir/one.sql");
runs_silently('one table --clean over itself', @psql, "$connection dbname=r", '-1', '-f', "$dir/one.sql");
is($node->safe_psql('r', $definitions), $expected, 'one table anew: definitions');
is($node->safe_psql('r', q{SELECT stream_status, (SELECT count(*) FROM ddbstreams.describe_stream(stream_arn) AS d,
		ddbstreams.get_records(ddbstreams.get_shard_iterator(stream_arn, d.shard_id, 'TRIM_HORIZON')))
	FROM ddbstreams.list_streams() WHERE table_name = 'sales.orders' ORDER BY stream_arn}),
	"DISABLED|1\nENABLED|0", 'one table anew: the old stream stays readable, the new one is empty');

# --- what is not a restore ------------------------------------------------------

my ($status, $out, $err);
my $mapping_of = 'mapping={"role": "postgres", "function_name": "public.f", ';
my $create = 'CREATE TRIGGER ddbstreams_capture AFTER INSERT OR DELETE OR UPDATE ON w FOR EACH ROW EXECUTE FUNCTION ddbstreams.capture';

$node->safe_psql('r', "CREATE TABLE w (id int); $create()");
is($node->safe_psql('r', q{SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'w'::regclass}),
	'D', 'a trigger without a definition enables nothing');
$node->safe_psql('r', q{ALTER TABLE w ADD PRIMARY KEY (id); ALTER TABLE w ENABLE ALWAYS TRIGGER ddbstreams_capture});
is($node->safe_psql('r', q{SELECT ddbstreams.latest_stream_arn('w') IS NULL}), 't', '... ever');
$node->safe_psql('r', q{SELECT ddbstreams.enable_stream('w', 'KEYS_ONLY'); SELECT ddbstreams.disable_stream('w');
	ALTER TABLE w ENABLE ALWAYS TRIGGER ddbstreams_capture});
is($node->safe_psql('r', q{SELECT stream_status FROM ddbstreams.list_streams('w')}),
	'DISABLED', 'a disabled stream has no definition');

$node->safe_psql('r', "DROP TRIGGER ddbstreams_capture ON w; ALTER TABLE w DROP CONSTRAINT w_pkey");
($status, $out, $err) = $node->psql('r', "$create('shard_count=2', 'retention=2 hours')");
is($status, 0, 'a definition may come before the key');
like($err, qr/WARNING:.*waits for table "w" to have a primary key/, '... and says so');
($status, $out, $err) = $node->psql('r', 'ALTER TABLE w ADD PRIMARY KEY (id)');
is($status, 0, 'the key may come by hand');
like($err, qr/WARNING:.*the stream that trigger "ddbstreams_capture" of table "w" defines is not enabled/,
	'... which enables nothing, for the definition may be of another owner');
is($node->safe_psql('r', q{SELECT count(*) FROM ddbstreams.list_streams('w') WHERE stream_status = 'ENABLED'}), '0', '... indeed');
$node->safe_psql('r', 'ALTER TABLE w DROP CONSTRAINT w_pkey');
is($node->safe_psql('r', q{INSERT INTO w VALUES (1);
	SET check_function_bodies = off; DO $$ BEGIN PERFORM set_config('search_path', '', false); END $$;
	ALTER TABLE public.w ADD PRIMARY KEY (id);
	RESET search_path; RESET check_function_bodies; INSERT INTO w VALUES (2);
	SELECT new_image FROM ddbstreams.changes(NULL::w);
	SELECT stream_view_type, retention, (SELECT count(*) FROM ddbstreams.describe_stream(stream_arn)) FROM ddbstreams.list_streams('w') WHERE stream_status = 'ENABLED'}),
	"(2)\nNEW_AND_OLD_IMAGES|02:00:00|2", 'in a restore it counts from the key on');

foreach my $bad ([ 'shard_count=0', qr/shard_count must be between 1 and 1024/ ], [ 'shard_count=many', qr/invalid input syntax/ ],
	[ 'stream_view_type=ALL', qr/enum value set/ ], [ 'partition_key={v}', qr/not a column of the table's primary key/ ],
	[ 'partition_key={}', qr/names no column/ ], [ 'partition_key=id', qr/malformed array literal/ ],
	[ 'mapping={}', qr/no valid "role"/ ], [ 'mapping=[1]', qr/no valid "role"/ ], [ 'mapping={', qr/invalid input syntax/ ],
	[ 'mapping={"role": 1}', qr/no valid "role"/ ], [ 'mapping={"role": "postgres"}', qr/no valid "function_name"/ ],
	[ $mapping_of . '"starting_position": "NOW"}', qr/enum value set/ ],
	[ $mapping_of . '"starting_position": "LATEST", "batch_size": 0}', qr/batchSize/ ],
	[ $mapping_of . '"starting_position": "LATEST", "batch_size": 1e30}', qr/out of range/ ],
	[ $mapping_of . '"starting_position": "LATEST", "tumbling_window": "1"}', qr/no valid "tumbling_window"/ ],
	[ $mapping_of . '"starting_position": "LATEST", "maximum_record_age": 3}', qr/maximumRecordAgeInSeconds/ ],
	[ $mapping_of . '"starting_position": "LATEST", "uuid": "x"}', qr/invalid input syntax for type uuid/ ],
	[ $mapping_of . '"starting_position": "LATEST", "filter_criteria": {"Filters": [{"Pattern": "{"}]}}', qr/filter pattern/ ],
	[ 'retention=1 second', qr/between 1 minute/ ], [ 'shards=1', qr/does not define a stream/ ], [ '', qr/does not define a stream/ ])
{
	($status, $out, $err) = $node->psql('r', "DROP TABLE w; CREATE TABLE w (id int PRIMARY KEY); $create('$bad->[0]')");
	isnt($status, 0, "refused: $bad->[0]");
	like($err, $bad->[1], '... with a reason');
}
$node->safe_psql('r', 'DROP TABLE w; CREATE TABLE w (id int PRIMARY KEY); GRANT TRIGGER ON w TO other');
($status, $out, $err) = $node->psql('r', "SET ROLE other; $create('shard_count=2')");
like($err, qr/must be owner of table "w" to create trigger/, 'a role that may make triggers on a table may not enable its stream');


# A role that has had no hand in a mapping does not come to own it.
$node->safe_psql('r', 'ALTER TABLE w OWNER TO other; GRANT CREATE ON SCHEMA public TO other');
foreach my $role ('postgres', 'owner', 'nobody')
{
	my $definition = $mapping_of =~ s/postgres/$role/r . '"starting_position": "LATEST"}';

	($status, $out, $err) = $node->psql('r', "SET ROLE other; $create('shard_count=2', '$definition')");
	is($status, 0, "a mapping of $role\'s: the stream is restored");
	like($err, qr/WARNING: .* to function public.f is left out\nDETAIL:  It belongs to role "$role"/, '... the mapping is not');
	is($node->safe_psql('r', q{SELECT count(*) FROM ddbstreams_shards.mapping WHERE function_name = 'public.f'}), '0', '... really');
	$node->safe_psql('r', q{SELECT ddbstreams.disable_stream('w'); DROP TRIGGER ddbstreams_capture ON w});
}

$node->stop;
done_testing();
