# Rows of large values, and one transaction that changes very many rows.
#
# With "big" in PG_TEST_EXTRA: 4 values of 300 MB, and 2,000,000 rows; else 4 of
# 8 MB, and 200,000 rows.
#
# To see it fail: test/mutations/run never-spills.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use StreamTest qw(:DEFAULT sql);

my $big = ($ENV{PG_TEST_EXTRA} // '') =~ /\bbig\b/;
my $mb = $big ? 300 : 8;
my $rows = $big ? 2_000_000 : 200_000;
my $buffer_mb = $big ? 64 : 4;
my $width = $big ? 30 : 400;

$ENV{PGOPTIONS} = '-c statement_timeout=0';
$PostgreSQL::Test::Utils::timeout_default = 1800 if $big;
my $node = new_server('big', qq{
shared_buffers = 16MB
ddbstreams.buffer_memory = '${buffer_mb}MB'
});

# --- large values -----------------------------------------------------------

sql(q{
	CREATE TABLE wide (id int PRIMARY KEY, v int, a text, b text, c text, d text);
	ALTER TABLE wide ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER c SET STORAGE EXTERNAL, ALTER d SET STORAGE EXTERNAL;
	SELECT ddbstreams.enable_stream('wide', shard_count => 1);
	-- One commit after another until told to stop; returns the longest, in ms.
	CREATE TABLE stop ();
	CREATE TABLE longest (ms float8);
	CREATE PROCEDURE write_small(first int) LANGUAGE plpgsql AS $$
	DECLARE
		longest float8 := 0;
		start timestamptz;
		i int := first;
	BEGIN
		WHILE to_regclass('stop') IS NOT NULL LOOP
			start := clock_timestamp();
			INSERT INTO wide VALUES (i, i);
			COMMIT;
			longest := greatest(longest, extract(epoch FROM clock_timestamp() - start) * 1000);
			PERFORM pg_sleep(0.001);
			i := i + 1;
		END LOOP;
		INSERT INTO longest VALUES (longest);
	END $$});

my $small = session($node);
my $large = session($node);
my $begun = time();

send_query($small, 'CALL write_small(1000)');
# No statement can make a row of more than 1 GB at once.
my $value = "repeat('0123456789abcdef', $mb * 65536)";
foreach my $statement ("INSERT INTO wide VALUES (1, 1, $value)",
	(map { "UPDATE wide SET $_ = $value WHERE id = 1" } qw(b c d)),
	'UPDATE wide SET v = 2 WHERE id = 1', 'DELETE FROM wide WHERE id = 1')
{
	$large->query_safe($statement);
	diag(sprintf('%s: %.1f s so far', substr($statement, 0, 17), time() - $begun)) if $big;
	ok(1, "4 values of $mb MB: " . substr($statement, 0, 17));
}
$large->query_safe('DROP TABLE stop');
finish_query($small);
my $longest = sql('SELECT round(max(ms)) FROM longest');
diag("longest commit of another writer: $longest ms") if $big;
# Far more than a commit takes at its worst on a busy machine
cmp_ok($longest, '<', 2000, 'other writers go on meanwhile');

my $session = session($node);
is($session->query_safe(q{
	SELECT string_agg(event_name || coalesce((keys->'id'->>'N'), ''), ' ' ORDER BY sequence_number)
	FROM ddbstreams.latest_stream_arn('wide') arn, ddbstreams.describe_stream(arn) d,
		 ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, d.shard_id, 'TRIM_HORIZON'), 1)}) =~ /^(INSERT|MODIFY|REMOVE)\d+$/ ? 'read' : 'not read',
	'read', 'reading does not fail');
# Follows to the end, a record at a time, in SQL: values or markers.
$session->query_safe(q{
	CREATE TABLE seen (n serial, event text, id text, a int, size bigint);
	CREATE PROCEDURE see() LANGUAGE plpgsql AS $$
	DECLARE
		iterator text;
		next text;
	BEGIN
		SELECT ddbstreams.get_shard_iterator(arn, d.shard_id, 'TRIM_HORIZON') INTO iterator
		FROM ddbstreams.latest_stream_arn('wide') arn, ddbstreams.describe_stream(arn) d;
		LOOP
			next := NULL;
			WITH r AS MATERIALIZED (SELECT * FROM ddbstreams.get_records(iterator, 100)),
				 s AS (INSERT INTO seen (event, id, a, size)
					SELECT event_name, keys->'id'->>'N', length(new_image::text), size_bytes FROM r)
			SELECT max(next_shard_iterator) INTO next FROM r WHERE sequence_number = (SELECT max(sequence_number) FROM r);
			EXIT WHEN next IS NULL;
			iterator := next;
		END LOOP;
	END $$;
	CALL see()});
is(sql(q{SELECT string_agg(event, ' ' ORDER BY n) FROM seen WHERE id = '1'}),
	'INSERT MODIFY MODIFY MODIFY MODIFY REMOVE', 'get_records tells of the large row');
diag(sql(q{SELECT string_agg(concat_ws(' ', event, a, size), '; ' ORDER BY n) FROM seen WHERE id = '1'})) if $big;
is(sql(q{SELECT count(*) - count(DISTINCT id) FROM seen WHERE id <> '1'}), '0', '... and of the others, once');
my ($status, $out, $err) = $node->psql('postgres',
	q{SELECT event_name, length((new_image).a), length((new_image).d), length((old_image).a)
	FROM ddbstreams.changes(NULL::wide) WHERE 1 IN ((old_image).id, (new_image).id)});
my $bytes = $mb * 1024 * 1024;
is($status, 0, 'changes() does not fail') or diag($err);
is($out, join("\n", "INSERT|$bytes||", ("MODIFY|$bytes||$bytes") x 2,
		("MODIFY|$bytes|$bytes|$bytes") x 2, "REMOVE|||$bytes"),
	'... and has the values')
  unless $big;
diag("changes():\n$out$err") if $big;
$session->quit;
$large->quit;
$small->quit;

# --- memory of one transaction with many changes ----------------------------

# The peak of a backend's memory, in MB, that inserts and updates all rows
sub peak
{
	my ($table) = @_;
	my $session = session($node);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $start = time();
	my $status;

	$session->query_safe(qq{
		BEGIN;
		INSERT INTO $table SELECT i, 1, repeat('x', $width), now() FROM generate_series(1, $rows) i;
		COMMIT});
	$status = slurp_file("/proc/$pid/status");
	$session->quit;
	$status =~ /^VmHWM:\s+(\d+) kB/m or die 'no VmHWM';
	note(sprintf('%s: %.1f s, %d MB', $table, time() - $start, $1 / 1024));
	diag(sprintf('%s: %.1f s, %d MB', $table, time() - $start, $1 / 1024)) if $big;
	return $1 / 1024;
}

SKIP:
{
	skip 'no /proc', 2 unless -r '/proc/self/status';
	sql(q{
		CREATE TABLE plain (id int PRIMARY KEY, v int, w text, at timestamptz);
		CREATE TABLE captured (LIKE plain INCLUDING ALL);
		SELECT ddbstreams.enable_stream('captured', shard_count => 4)});
	my $without = peak('plain');
	my $with = peak('captured');

	cmp_ok($with - $without, '<=', $buffer_mb + 50,
		sprintf('%d rows in one transaction: %d MB with capture, %d MB without', $rows, $with, $without));
	is(sql(q{SELECT count(*) FROM ddbstreams.changes(NULL::captured)}), $rows, '... every change');
}

$node->stop;
done_testing();
