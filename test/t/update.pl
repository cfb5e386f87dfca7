# ALTER EXTENSION ddbstreams UPDATE: a database of version 1.0, with streams,
# records, mappings and consumers, gets what a fresh one has, and loses nothing.
# Until then the library refuses its catalogue, and stops no other session.
#
# test/data/version-1.0.sql is such a database.  "test/check updated" runs the
# regress tests in databases that were updated.
#
# To see it fail: test/mutations/run unknown-catalogue-is-used,
# update-forgets-positions, update-keeps-hash-functions, update-leaves-shards,
# failed-update-is-known, newer-catalogue-is-made.

use strict;
use warnings;

use File::Basename;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(new_server patience sql comes_to);

my $data = "$FindBin::Bin/../data";
my $node = new_server('update', 'ddbstreams.maintenance_interval = 1s', bare => 1);
my ($version) = slurp_file("$FindBin::Bin/../../ddbstreams.control") =~ /^default_version = '(.*)'$/m;

# Runs a script as psql does, and returns what it prints.
sub script
{
	my ($file, $database) = @_;
	return $node->safe_psql($database, slurp_file("$data/$file"));
}

# A command fails in the old database, with these texts.
sub refused
{
	my ($command, $name, $message, $hint) = @_;
	my ($status, $out, $err) = $node->psql('old', $command);

	$message //= "the catalogue of ddbstreams in this database is of version 1.0, and the library of version $version";
	$hint //= 'Run ALTER EXTENSION ddbstreams UPDATE.';
	ok($status != 0 && $err =~ /\Q$message\E/ && $err =~ /\Q$hint\E/, $name)
		or diag("status $status: $out$err");
	return;
}

sql('CREATE DATABASE old');
sql('CREATE DATABASE fresh');
script('version-1.0.sql', 'old');
is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'ddbstreams'}, 'old'), '1.0',
	'there is a database of version 1.0');

# --- the library and a catalogue that it does not know

refused('INSERT INTO orders VALUES (9)', 'a captured table cannot be written');
refused('UPDATE orders SET status = status || 1', '... nor updated');
refused('TRUNCATE parts', '... nor truncated');
refused('ALTER TABLE orders ADD COLUMN x int', '... nor altered');
refused('DROP TABLE orders', '... nor dropped');
refused('DROP TABLE parts_a', '... nor a partition of it');
refused('DROP TRIGGER ddbstreams_capture ON orders', '... nor its trigger');
foreach my $call (
	'ddbstreams.list_streams()',
	q{ddbstreams.describe_stream('arn:aws:dynamodb:ddblocal:000000000000:table/orders/stream/2026-11-27T22:21:12.623')},
	q{ddbstreams.get_shard_iterator('arn:aws:dynamodb:ddblocal:000000000000:table/orders/stream/2026-11-27T22:21:12.623', 'shardId-00000001795818072623-00000000', 'TRIM_HORIZON')},
	'ddbstreams.changes(null::orders)', q{ddbstreams.latest_stream_arn('orders')},
	'ddbstreams.stream_stats', 'ddbstreams.mapping_stats', 'ddbstreams.consumer_stats',
	q{ddbstreams.poll('readers', 'w1')}, q{ddbstreams.leases('readers')},
	q{ddbstreams.enable_stream('seen')}, q{ddbstreams.disable_stream('orders')},
	q{ddbstreams.list_event_source_mappings()}, 'ddbstreams.redrive()',
	q{ddbstreams.aws('ListStreams', '{}')}, 'ddbstreams_shards.expire()',
	'ddbstreams_shards.tidy_consumers()')
{
	sql('ALTER TABLE seen ADD PRIMARY KEY (id)', 'old') if $call =~ /enable_stream/;
	refused("SELECT * FROM $call", "$call is refused");
}
is(sql(q{CREATE TABLE plain (id int PRIMARY KEY);
	INSERT INTO plain VALUES (1); UPDATE plain SET id = 2; ALTER TABLE plain ADD v text;
	CREATE INDEX ON plain (v); SELECT * FROM plain; DROP TABLE plain}, 'old'), '2|',
	'other tables can be made, written, altered and dropped');
is(sql('SELECT count(*) FROM orders', 'old'), '7', 'captured ones can be read');
is(sql(q{SELECT ddbstreams.unmarshal('{"S": "x"}'), ddbstreams.filter_matches('{"a": [1]}', '{"a": 1}')}, 'old'),
	'"x"|t', 'so can what needs no catalogue be called');
comes_to(q{SELECT last_error FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND database = 'old'},
	"check the version: the catalogue of ddbstreams in this database is of version 1.0, and the library of version $version",
	'maintenance says so', 'old');
sql('BEGIN; DROP EXTENSION ddbstreams; ROLLBACK', 'old');

# A session that has seen version 1.0 goes on behind the update.
my $session = $node->background_psql('old', on_error_stop => 0);
$session->query('SELECT ddbstreams.list_streams()');

# --- the update

# A view of a user on one of ddbstreams, and a privilege on it, stay.
sql(q{CREATE VIEW lag AS SELECT function_name, lag_records FROM ddbstreams.mapping_stats;
	REVOKE SELECT ON ddbstreams.mapping_stats FROM PUBLIC;
	GRANT SELECT ON ddbstreams.mapping_stats TO app; ANALYZE}, 'old');
my $checkpoints = q{SELECT lane, checkpoint, finished, records_delivered, batches_failed FROM ddbstreams_shards.mapping_shard ORDER BY mapping_no, shard_no, lane};
my $before = sql($checkpoints, 'old');
my $failed = sql('SELECT id, failure FROM ddbstreams_shards.failed_batch ORDER BY id', 'old');
my $leases = sql('SELECT * FROM ddbstreams_shards.consumer_lease ORDER BY shard_no', 'old');

sql('ALTER EXTENSION ddbstreams UPDATE', 'old');
is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'ddbstreams'}, 'old'), $version,
	'the update leads to the present version');

is(sql($checkpoints, 'old'), $before, 'positions are what they were');
is(sql('SELECT id, failure FROM ddbstreams_shards.failed_batch ORDER BY id', 'old'), $failed,
	'... and failed batches');
is(sql('SELECT * FROM ddbstreams_shards.consumer_lease ORDER BY shard_no', 'old'), $leases,
	'... and leases');
is($session->query('SELECT count(*) FROM ddbstreams.list_streams()'), '3',
	'a session that has seen the old version sees the new one');
$session->quit;

is(sql(q{SELECT string_agg(left(event_name, 1) || coalesce((new_image).id, (old_image).id), ' ' ORDER BY sequence_number)
	FROM ddbstreams.changes(null::orders)}, 'old'), 'I4 I5 I6 I1 I2 I3 M3 R5 I7 I8 M1 M2', 'all records are there');
is(sql(q{SELECT length((new_image).note), md5((new_image).note) = (SELECT md5(note) FROM orders WHERE id = 7)
	FROM ddbstreams.changes(null::orders) WHERE (new_image).id = 7}, 'old'), '3200|t', '... with their large values');
is(sql(q{SELECT string_agg(event_name || ' ' || (new_image).id || (new_image).v, ', ' ORDER BY sequence_number)
	FROM ddbstreams.changes(null::parts)}, 'old'), 'INSERT 1x, INSERT 2y, MODIFY 1z', '... of a partitioned table');
is(sql(q{SELECT count(*) FROM ddbstreams.list_streams() AS s, ddbstreams.describe_stream(s.stream_arn) AS d,
	ddbstreams.get_records(ddbstreams.get_shard_iterator(s.stream_arn, d.shard_id, 'TRIM_HORIZON'))
	WHERE s.table_name = 'gone'}, 'old'), '2', '... and of a table that is gone');

# New records of a key follow the old ones in the same shard.
sql(q{INSERT INTO orders VALUES (9); UPDATE orders SET status = 'again' WHERE id IN (8, 1, 2);
	DELETE FROM parts WHERE id = 2; ALTER TABLE orders ADD COLUMN added int}, 'old');
is(sql(q{SELECT bool_and(shards = 1 AND numbers = steps) FROM (
	SELECT count(DISTINCT shard_id) AS shards, array_agg(sequence_number ORDER BY ordinality) AS numbers,
		array_agg(sequence_number ORDER BY sequence_number) AS steps
	FROM (SELECT *, (new_image).id AS id FROM ddbstreams.changes(null::orders) WITH ORDINALITY) AS c
	WHERE id IN (1, 2, 8) AND (new_image).priority IS NOT DISTINCT FROM CASE WHEN id = 8 THEN 1 END
		AND event_name || id NOT IN ('INSERT1', 'INSERT2') GROUP BY id) AS k}, 'old'), 't',
	'a key is in the shard that it was in');

# Mappings go on where they were.
is(sql('SELECT DISTINCT state, server_id = (SELECT system_identifier FROM pg_control_system()), metrics
	FROM ddbstreams.list_event_source_mappings() JOIN ddbstreams_shards.mapping USING (uuid)', 'old'),
	'Disabled|t|{}', 'mappings are of this server');
sql('SELECT ddbstreams.update_event_source_mapping(uuid, enabled => true) FROM ddbstreams.list_event_source_mappings()', 'old');
comes_to(q{SELECT sum(lag_records) FROM lag WHERE function_name = 'public.keep'}, '0', 'a mapping goes on', 'old');
is(sql(q{SELECT string_agg(what, ' ' ORDER BY what COLLATE "C")
	FROM (SELECT left(r->>'eventName', 1) || (r->'dynamodb'->'Keys'->'id'->>'N')
		FROM seen, jsonb_array_elements(event->'Records') AS r) AS e (what)}, 'old'),
	join(' ', sort(qw(I1 I2 I3 I4 I6 I5 I7 M3 I8 M1 M2 I9 M8 M1 M2))), '... and delivers each record once');
comes_to(q{SELECT count(*) > 2, bool_and(table_oid = 'orders'::regclass) FROM ddbstreams_shards.failed_batch},
	't|t', 'one that fails gives up further batches', 'old');

# The consumer group, too.
is(sql(q{SELECT string_agg(left(event_name, 1) || (keys->'id'->>'N'), ' ' ORDER BY sequence_number)
	FROM ddbstreams.poll('readers', 'w1') WHERE shard_id ~ '-00000000$'}, 'old'),
	sql(q{SELECT string_agg(left(event_name, 1) || (keys->'id'->>'N'), ' ' ORDER BY sequence_number)
	FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('orders')) AS d,
		ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('orders'), d.shard_id, 'TRIM_HORIZON'))
	WHERE parent_shard_id IS NULL AND d.shard_id ~ '-00000000$'
		AND sequence_number > (SELECT checkpoint FROM ddbstreams.leases('readers') WHERE checkpoint ~ '^[0-9]' ORDER BY 1 LIMIT 1)}, 'old'),
	'a consumer group goes on behind its checkpoint');

is(sql(q{SELECT has_table_privilege('public', 'ddbstreams.mapping_stats', 'SELECT')::text
	|| has_table_privilege('app', 'ddbstreams.mapping_stats', 'SELECT')}, 'old'), 'falsetrue',
	'privileges on views stay');
sql('REVOKE ALL ON ddbstreams.mapping_stats FROM app; GRANT SELECT ON ddbstreams.mapping_stats TO PUBLIC', 'old');

# --- the catalogue

sql(q{CREATE EXTENSION ddbstreams; CREATE TABLE t (id int PRIMARY KEY); SELECT ddbstreams.enable_stream('t');
	SELECT ddbstreams.disable_stream('t')}, 'fresh');
my $fresh = script('catalogue.sql', 'fresh');
my $updated = script('catalogue.sql', 'old');
cmp_ok(scalar(split(/\n/, $fresh)), '>', 700, 'a catalogue has many lines');
if (!is($updated, $fresh, 'an updated catalogue is like a fresh one'))
{
	my %fresh = map { $_ => 1 } split(/\n/, $fresh);
	my %updated = map { $_ => 1 } split(/\n/, $updated);

	diag("only updated: $_") foreach grep { !$fresh{$_} } sort keys %updated;
	diag("only fresh: $_") foreach grep { !$updated{$_} } sort keys %fresh;
}
is(sql(q{SELECT count(*) FROM pg_stats WHERE schemaname = 'ddbstreams_shards' AND most_common_vals IS NOT NULL
	AND attname IN ('customer', 'failure', 'records', 'event_source_arn', 'body')}, 'old'), '0',
	'no values of rows are left in statistics');
foreach my $table (split(/\n/, sql(q{SELECT oid::regclass FROM pg_class
	WHERE relnamespace = 'ddbstreams_shards'::regnamespace AND relkind = 'r' ORDER BY 1}, 'old')))
{
	my ($status, $out, $err) = $node->psql('old', "DELETE FROM $table");
	like($err, qr/cannot be changed by SQL/, "$table is guarded");
}

# --- a catalogue that is newer than the library, or neither old nor new

# A script that leads to a version of the future, if extensions are in a place of
# this test's own
my $extensions = sql(q{SELECT coalesce(nullif(current_setting('extension_destdir', true), ''),
	split_part(current_setting('extension_control_path', true), ':', 1))});
$extensions .= $node->config_data('--sharedir') if $extensions !~ /\Q@{[$node->config_data('--sharedir')]}\E$/;
my $script = "$extensions/extension/ddbstreams--$version--12.0.sql";
SKIP:
{
	skip 'extensions are installed for all', 4 if $extensions !~ m{^/} || !-w dirname($script);
	append_to_file($script, "COMMENT ON SCHEMA ddbstreams IS 'of the future';\n");
	my ($code, $stdout, $stderr) = $node->psql('fresh', q{ALTER EXTENSION ddbstreams UPDATE TO '12.0'});
	unlink $script;
	like($stderr, qr/the library of version \Q$version\E cannot work with a catalogue of version 12\.0/,
		'an update in a server that was not restarted is refused');
	like($stderr, qr/Restart the server/, '... with a hint');
	is(sql(q{SELECT extversion FROM pg_extension WHERE extname = 'ddbstreams'}, 'fresh'), $version,
		'... and changes nothing');

	# An update that changes no relation, and whose commit fails
	$script = "$extensions/extension/ddbstreams--0.9--$version.sql";
	append_to_file($script, "COMMENT ON SCHEMA ddbstreams IS 'of the past';\n");
	sql(q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'ddbstreams';
		CREATE TABLE once (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)}, 'fresh');
	($code, $stdout, $stderr) = $node->psql('fresh', q{
		INSERT INTO once VALUES (1), (1) \; ALTER EXTENSION ddbstreams UPDATE;
		SELECT ddbstreams.list_streams()}, on_error_stop => 0);
	like($stderr, qr/once_id_key.*in this database is of version 0\.9/s,
		'an update that is rolled back is none for its session');
	unlink $script;
}

sql(q{UPDATE pg_extension SET extversion = '12.0' WHERE extname = 'ddbstreams'}, 'fresh');
my ($status, $out, $err) = $node->psql('fresh', 'SELECT ddbstreams.list_streams()');
like($err, qr/is of version 12\.0, and the library of version \Q$version\E/, 'a newer catalogue is refused');
like($err, qr/Install ddbstreams 12\.0 and restart the server/, '... with another hint');
sql('CREATE DATABASE between');
sql(q{CREATE EXTENSION ddbstreams; UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'ddbstreams'}, 'between');
($status, $out, $err) = $node->psql('between', 'ALTER EXTENSION ddbstreams UPDATE');
like($err, qr/of a state between version 1\.0 and version 1\.1/, 'a state between the versions is refused');
sql('DROP EXTENSION ddbstreams', 'fresh');
sql('DROP EXTENSION ddbstreams', 'between');
sql('DROP VIEW lag; DROP EXTENSION ddbstreams', 'old');
is(sql(q{SELECT count(*) FROM pg_namespace WHERE nspname ~ '^ddbstreams'}, 'old'), '0',
	'DROP EXTENSION takes the updated one along');

$node->stop;
done_testing();
