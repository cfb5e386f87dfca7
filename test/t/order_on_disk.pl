# Invariant 1: physical order is number order, page by page, whatever vacuums
# do; and binary search finds every position.
#
# To see it fail: test/mutations/run append-asks-free-space-map
# append-not-at-last-page append-reuses-line-pointers
# vacuum-full-begins-in-the-middle.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

# Scans of tables of more than a quarter of shared_buffers are synchronized.
my $node = new_server('order', q{
shared_buffers = 1MB
synchronize_seqscans = on
});

sql(q{
	-- Pages whose lowest number is not above all numbers of the pages before
	CREATE FUNCTION misplaced(table_name regclass) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		n bigint;
	BEGIN
		EXECUTE (SELECT format('SELECT count(*) FROM (
				SELECT low <= max(high) OVER (ORDER BY page ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS wrong FROM (
					SELECT (ctid::text::point)[0] AS page, min(sequence_number) AS low, max(sequence_number) AS high
					FROM %s GROUP BY 1) p) q WHERE wrong', shards(table_name))) INTO n;
		RETURN n;
	END $$;
	-- Records that are not what one gets at their number, or next after the one before
	CREATE FUNCTION not_found(table_name regclass, step int) RETURNS bigint LANGUAGE sql AS $$
		SELECT count(*)
		FROM (SELECT number, lag(number) OVER (ORDER BY at) AS previous, at FROM follow(table_name)) f,
			 ddbstreams.latest_stream_arn(table_name) arn, ddbstreams.describe_stream(arn) d
		WHERE at % step = 0 AND
			((SELECT sequence_number FROM ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, d.shard_id, 'AT_SEQUENCE_NUMBER', number), 1)) IS DISTINCT FROM number
			 OR previous IS NOT NULL AND
			 (SELECT sequence_number FROM ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, d.shard_id, 'AFTER_SEQUENCE_NUMBER', previous), 1)) IS DISTINCT FROM number) $$;
	CREATE TABLE t (id int PRIMARY KEY, a text);
	CREATE VIEW wide AS
		SELECT string_agg(md5(i::text), '') AS w FROM generate_series(1, 57) i;
	SELECT ddbstreams.enable_stream('t', shard_count => 1)});

my $expected = '';

# All that was written is read in order, in pages of every size, from everywhere.
sub check
{
	my ($name, $step) = @_;

	is(sql(q{SELECT story('t') = } . "'$expected'"), 't', "$name: everything is read in order");
	is(sql(q{SELECT story('t', 7) = } . "'$expected'"), 't', "$name: ... in small pages");
	is(sql(q{SELECT misplaced('t')}), '0', "$name: physical order is number order");
	is(sql(q{SELECT disorder('t')}), '0', "$name: numbers rise");
	is(sql(qq{SELECT not_found('t', $step)}), '0', "$name: every position is found");
	return;
}

sub wrote
{
	$expected = join(' ', grep { $_ ne '' } $expected, map { "I$_" } @_);
	return;
}

sub vacuum
{
	my ($how) = @_;
	sql("VACUUM $how " . sql(q{SELECT shards('t')}));
	return;
}

# --- two backends, records of different sizes -------------------------------

my $small = session($node);
my $id = 0;
foreach my $round (1 .. 12)
{
	$small->query_safe('INSERT INTO t VALUES (' . ++$id . q{, 'x')});
	wrote($id);
	# Of the second kind four fit a page, and leave room for the first.
	sql(join(';', map { "INSERT INTO t SELECT $_, w FROM wide" } $id + 1 .. $id + 5));
	wrote($id + 1 .. $id + 5);
	$id += 5;
}
check('records of different sizes', 1);

# --- dead records in the middle and at the end ------------------------------

sub rolled_back
{
	my ($name, $count, $after) = @_;

	sql(qq{BEGIN; INSERT INTO t SELECT -i, 'dead' FROM generate_series(1, $count) i; PREPARE TRANSACTION '$name'});
	foreach (1 .. $after)
	{
		sql('INSERT INTO t VALUES (' . ++$id . q{, 'live')});
		wrote($id);
	}
	sql("ROLLBACK PREPARED '$name'");
	return;
}

rolled_back('middle', 2000, 3);
check('aborted records in the middle', 1);
vacuum('');
check('... vacuumed', 1);
$small->query_safe('INSERT INTO t SELECT i, NULL FROM generate_series(' . ($id + 1) . ', ' . ($id + 700) . ') i');
wrote($id + 1 .. $id + 700);
$id += 700;
sql('INSERT INTO t VALUES (' . ++$id . ')');
wrote($id);
check('... and written behind', 50);

rolled_back('end', 1000, 0);
vacuum('(TRUNCATE off)');
check('empty pages at the end', 50);
sql('INSERT INTO t VALUES (' . ++$id . ')');
wrote($id);
check('... and written behind', 50);
rolled_back('end', 1000, 0);
vacuum('');
check('truncated', 50);

# --- line pointers that a vacuum has freed -----------------------------------

# An old snapshot keeps the page from being all-visible: it is written on.
my $old = session($node);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
rolled_back('pointers', 20, 5);
vacuum('');
$old->quit;
foreach (1 .. 15)
{
	sql('INSERT INTO t VALUES (' . ++$id . ')');
	wrote($id);
}
is(sql(q{SELECT count(*) > 0 FROM (
		SELECT ctid < lag(ctid) OVER (ORDER BY sequence_number) AS back
		FROM } . sql(q{SELECT shards('t')}) . q{) s WHERE back}),
	'f', 'line pointers are not used again');
check('free line pointers', 20);

# --- VACUUM FULL with a scan in the middle ----------------------------------

foreach my $how ('(FULL)', '(FULL, FREEZE)')
{
	my $scan = session($node);
	my $shard = sql(q{SELECT shards('t')});

	sql('INSERT INTO t SELECT i, repeat(i::text, 60) FROM generate_series(' . ($id + 1) . ', ' . ($id + 1000) . ') i');
	wrote($id + 1 .. $id + 1000);
	$id += 1000;
	# Where it ends is where the next scan begins.
	my $most = sql(qq{SELECT count(*) - 5 FROM $shard});
	$scan->query_safe("BEGIN; DECLARE c CURSOR FOR SELECT * FROM $shard; MOVE $most IN c; COMMIT");
	if ($how eq '(FULL)')
	{
		isnt($scan->query_safe("SELECT sequence_number FROM $shard LIMIT 1"),
			$scan->query_safe("SELECT min(sequence_number) FROM $shard"),
			'scans of the shard begin in its middle');
		$scan->query_safe("BEGIN; DECLARE c CURSOR FOR SELECT * FROM $shard; MOVE 900 IN c; COMMIT");
	}
	$scan->quit;
	vacuum($how);
	check("VACUUM $how", 100);
}
sql('INSERT INTO t VALUES (' . ++$id . ')');
wrote($id);
check('written after VACUUM FULL', 100);

$small->quit;
$node->stop;
done_testing();
