# The pages that page_writer.c fills, and their WAL: redo makes the same bytes,
# on a standby and after kill -9; VACUUM, amcheck and pg_visibility find nothing
# wrong in them; an error in the middle of a batch leaves nothing half-done; WAL has
# each record once.
#
# To see it fail: test/mutations/run 'pages-*' frame-last-number-forgotten.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $PAGE = 8192;

# What amcheck and pg_visibility find in the shards of a table
sub create_checks
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
		CREATE EXTENSION amcheck;
		CREATE EXTENSION pg_visibility;
		CREATE FUNCTION wrong(table_name regclass) RETURNS bigint LANGUAGE sql AS $$
			SELECT sum((SELECT count(*) FROM verify_heapam(s)) +
				(SELECT count(*) FROM pg_check_visible(s)) +
				(SELECT count(*) FROM pg_check_frozen(s)))::bigint
			FROM shards(table_name) s $$;
		CREATE TABLE t (id int PRIMARY KEY, v int, t text);
		CREATE FUNCTION fill(low int, high int) RETURNS void LANGUAGE sql AS $$
			INSERT INTO t SELECT i, 1, repeat('x', i % 900) FROM generate_series(low, high) i $$;
		-- Rows of the table that the stream does not tell of, and the reverse
		CREATE FUNCTION differences() RETURNS bigint LANGUAGE sql AS $$
			WITH told AS (
				SELECT id::int FROM follow('t') GROUP BY id
				HAVING count(*) FILTER (WHERE event = 'INSERT') > count(*) FILTER (WHERE event = 'REMOVE'))
			SELECT count(*) FROM told FULL JOIN t USING (id) WHERE t.v IS NULL OR told.id IS NULL OR t.id IS NULL $$});
	return;
}

# --- redo ---------------------------------------------------------------------
#
# wal_consistency_checking has the page in each WAL record, and redo compares it
# with what it has made.  A standby that finds a difference is gone.

my $primary = new_server('primary', q{
wal_consistency_checking = 'heap, heap2'
shared_buffers = 16MB
}, streaming => 1, extra => ['--data-checksums']);
my $standby = PostgreSQL::Test::Cluster->new('standby');

create_checks($primary);
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;

my $reads = q{SELECT count(*), md5(string_agg(f::text, ' ' ORDER BY shard, at)) FROM follow('t') f};

sub check
{
	my ($name) = @_;

	is(sql(q{SELECT differences()}), '0', "$name: the stream tells of all rows");
	is(sql(q{SELECT disorder('t')}), '0', "$name: in order");
	is(sql(q{SELECT wrong('t')}), '0', "$name: the pages are right");
	return;
}

sub check_both
{
	my ($name) = @_;
	my $there = sql($reads);

	check($name);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is($standby->safe_psql('postgres', $reads), $there, "$name: the standby reads the same");
	is($standby->safe_psql('postgres', q{SELECT wrong('t')}), '0', "$name: its pages are right");
	return;
}

sub vacuum
{
	my ($how) = @_;

	sql("VACUUM $how $_") foreach split(/\n/, sql(q{SELECT shards('t')}));
	return;
}

sql(q{SELECT ddbstreams.enable_stream('t', shard_count => 2)});
sql(join(';', map { "SELECT fill($_, $_)" } 1 .. 50));
sql(q{SELECT fill(51, 3000)});
check_both('single records and batches');

sql(q{CHECKPOINT; SELECT fill(3001, 3001)});
sql(q{SELECT fill(3002, 3100)});
check_both('pages that are logged whole');

sql(q{BEGIN; SAVEPOINT a; SELECT fill(3101, 3500); ROLLBACK TO a; SELECT fill(3501, 3900); COMMIT});
sql(q{BEGIN; SELECT fill(3901, 4400); PREPARE TRANSACTION 'c'});
sql(q{SELECT fill(4401, 4500)});
sql(q{BEGIN; SELECT fill(4501, 5000); PREPARE TRANSACTION 'r'});
sql(q{COMMIT PREPARED 'c'; ROLLBACK PREPARED 'r'});
check_both('savepoints and prepared transactions');

vacuum('(TRUNCATE off)');
sql(q{SELECT fill(5001, 5010)});
check_both('behind empty pages');
# An old snapshot keeps the pages from being all-visible: they are written on.
my $old = session($primary);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
sql(q{BEGIN; SELECT fill(5101, 5120); PREPARE TRANSACTION 'r'});
sql(q{SELECT fill(5121, 5126); ROLLBACK PREPARED 'r'});
vacuum('');
$old->quit;
sql(q{SELECT fill(5011, 5019)});
sql(q{SELECT fill(5020, 5020)});
check_both('behind freed line pointers');
foreach my $round (1 .. 3)
{
	vacuum('(FREEZE)');
	sql('SELECT fill(' . (5020 + $round * 2 - 1) . ', ' . (5020 + $round * 2) . ')');
}
check_both('behind frozen pages');
vacuum('(FREEZE)');
check_both('all pages frozen');
is(sql(q{SELECT bool_and(age(relfrozenxid) < 100) FROM pg_class WHERE oid IN (SELECT shards('t'))}),
	't', 'a frozen shard is not old');
vacuum('(FULL)');
sql(q{SELECT fill(6001, 6300)});
check_both('behind VACUUM FULL');

is(sql(q{SELECT bool_and(n_tup_ins > 2000) FROM pg_stat_all_tables WHERE relid IN (SELECT shards('t'))}),
	't', 'records are counted as inserted rows');

$primary->stop;
$standby->promote;
$standby->safe_psql('postgres', 'SELECT fill(7001, 7001)');
$standby->safe_psql('postgres', 'SELECT fill(7002, 8000)');
is($standby->safe_psql('postgres', q{SELECT differences() + disorder('t') + wrong('t')}), '0',
	'promoted, the standby goes on');
# The last number is the last record's of the last page's last row.
$standby->append_conf('postgresql.conf', q{ddbstreams.clock_offset = '-1h'});
$standby->restart;
$standby->safe_psql('postgres', 'SELECT fill(8001, 8100)');
is($standby->safe_psql('postgres', q{SELECT differences() + disorder('t') + wrong('t')}), '0',
	'restarted with the clock set back, its numbers rise');
# A shard whose file has zero pages until just before its end at 1 GB
my $file = $standby->data_dir . '/' . $standby->safe_psql('postgres',
	q{SELECT pg_relation_filepath(s) FROM shards('t') s ORDER BY 1 LIMIT 1});
$standby->stop;
truncate($file, (1024 * 1024 * 1024) - 12 * $PAGE) or die "$file: $!";
$standby->start;
$standby->safe_psql('postgres', q{INSERT INTO t SELECT i, 1, repeat('x', 600) FROM generate_series(8101, 11100) i});
ok(-s "$file.1", 'the shard goes on in the next file');
is($standby->safe_psql('postgres', q{SELECT differences() + disorder('t')}), '0', '... and nothing is lost between the two');
$standby->stop;

# --- kill -9 ------------------------------------------------------------------

my $node = new_server('killed', q{
shared_buffers = 4MB
synchronous_commit = off
checkpoint_timeout = 30s
}, extra => ['--data-checksums', '--wal-segsize=1']);

create_checks($node);
sql(q{SELECT ddbstreams.enable_stream('t', shard_count => 1)});

my $id = 0;
foreach my $full_page_writes ('on', 'off')
{
	my @writers;

	$node->append_conf('postgresql.conf', "full_page_writes = $full_page_writes");
	$node->restart;
	foreach my $writer (1 .. 3)
	{
		my $session = session($node);
		my $first = $id + $writer * 100_000;

		send_query($session, qq{DO \$\$ BEGIN
			FOR i IN 0 .. 90000 BY 300 LOOP
				PERFORM fill($first + i, $first + i + CASE WHEN i % 900 = 0 THEN 99 ELSE 0 END);
				COMMIT;
			END LOOP;
		END \$\$});
		push @writers, $session;
	}
	$id += 400_000;
	$node->poll_query_until('postgres', "SELECT count(*) > 1000 FROM t WHERE id > $id - 400000");
	sql('CHECKPOINT');
	$node->poll_query_until('postgres', "SELECT count(*) > 3000 FROM t WHERE id > $id - 400000");
	kill_server($node);
	$_->{run}->finish foreach @writers;
	$node->start;
	check("kill -9 with full_page_writes = $full_page_writes");
	sql("SELECT fill($id, $id)");
	sql("SELECT fill($id + 1, $id + 100)");
	check('... and written on');
}

# --- new pages without a record -----------------------------------------------
#
# A crash between the extension of the file and the WAL record leaves zeros.

$file = $node->data_dir . '/' . sql(q{SELECT pg_relation_filepath(shards('t'))});
$node->stop;
open(my $handle, '>>:raw', $file) or die "$file: $!";
print $handle "\0" x (3 * $PAGE);
close($handle) or die "$file: $!";
$node->start;
check('pages of zeros at the end');
my $blocks = sql(q{SELECT pg_relation_size(shards('t')) / 8192});
sql("SELECT fill($id + 101, $id + 101)");
is(sql(q{SELECT pg_relation_size(shards('t')) / 8192}), $blocks, 'the last of them is used');
sql("SELECT fill($id + 102, $id + 300)");
check('... and written on');
vacuum('');
check('... and vacuumed');

# --- no room for new pages ----------------------------------------------------

# The limit is for all files; so the shard must be the largest one.
sql("SELECT fill($id + 10001, $id + 18000); DELETE FROM t WHERE id > $id + 10000");

my $limited = session($node);
my $pid = $limited->query_safe('SELECT pg_backend_pid()');
my $size = sql(q{SELECT pg_relation_size(shards('t'))});

cmp_ok($size, '>', 1024 * 1024 * 2, 'the shard is larger than any other file');
cmp_ok($size, '>', sql(q{SELECT pg_relation_size('t') + 100 * 8192}), '... and than its table');
$limited->query_safe("SELECT fill($id + 301, $id + 301)");
run_log([ 'prlimit', '--pid', $pid, '--fsize=' . ($size + 3 * $PAGE) ]) or die 'prlimit failed';
{
	local $SIG{__WARN__} = sub { };
	$limited->query("SELECT fill($id + 400, $id + 1500)");
}
like($limited->{stderr}, qr/could not extend file/, 'a batch for which there is no room is an error');
is(sql("SELECT count(*) FROM t WHERE id BETWEEN $id + 400 AND $id + 1500"), '0', '... of the transaction');
check('... and nothing of it is left');
sql("SELECT fill($id + 2001, $id + 2200)");
check('... and others write on');
$limited->quit;
vacuum('');
check('... and vacuumed');
$node->stop;

# --- wal_level = minimal ------------------------------------------------------
#
# What is written to a shard in the transaction that has made it is not logged,
# but synchronized with its commit.

$node = new_server('minimal', q{
wal_level = minimal
max_wal_senders = 0
wal_skip_threshold = 0
});
create_checks($node);
sql(q{BEGIN; SELECT ddbstreams.enable_stream('t', shard_count => 2); SELECT fill(1, 2000); COMMIT});
kill_server($node);
$node->start;
check('wal_level = minimal, in the transaction that has made the shards');
sql(q{SELECT fill(2001, 2001)});
sql(q{SELECT fill(2002, 4000)});
kill_server($node);
$node->start;
check('... and in others');
$node->stop;

# --- how much is logged ---------------------------------------------------------
#
# One WAL record for each row that a shard gets, be it a frame or one record, and
# in it little else than the row.  Without images of whole pages, each of these
# figures is the same in every run.

$node = new_server('logged', q{
full_page_writes = off
});
sql(q{
	CREATE EXTENSION pg_walinspect;
	CREATE EXTENSION pageinspect;
	CREATE TABLE t (id int PRIMARY KEY, w text);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	-- What a shard has, and what is logged of it from a position on
	CREATE FUNCTION in_heap(shard regclass, OUT rows bigint, OUT bytes bigint) LANGUAGE sql AS $$
		SELECT count(*), coalesce(sum(lp_len), 0)
		FROM generate_series(0, pg_relation_size(shard) / 8192 - 1) b,
			heap_page_items(get_raw_page(shard::text, b::int)) $$;
	CREATE FUNCTION logged(shard regclass, since pg_lsn, OUT rows bigint, OUT bytes bigint) LANGUAGE sql AS $$
		SELECT count(*), coalesce(sum(record_length), 0)
		FROM pg_get_wal_records_info(since, pg_current_wal_flush_lsn())
		WHERE block_ref LIKE '%/' || pg_relation_filenode(shard) || ' %' $$});
foreach my $statement (q{INSERT INTO t SELECT i, repeat('w', 100) FROM generate_series(1, 4000) i},
	q{INSERT INTO t SELECT i, 'w' FROM generate_series(4001, 4001) i},
	q{UPDATE t SET w = 'v' WHERE id <= 2000})
{
	my $shard = sql(q{SELECT shards('t')});
	my $since = sql('SELECT pg_current_wal_insert_lsn()');
	my ($rows, $bytes) = split(/\|/, sql("SELECT * FROM in_heap('$shard')"));
	my ($new_rows, $new_bytes, $logged, $logged_bytes);

	sql($statement);
	($new_rows, $new_bytes) = split(/\|/, sql("SELECT * FROM in_heap('$shard')"));
	($logged, $logged_bytes) = split(/\|/, sql("SELECT * FROM logged('$shard', '$since')"));
	is($logged, $new_rows - $rows, "a row of the shard is one WAL record: $statement");
	cmp_ok($logged_bytes, '<', $new_bytes - $bytes + 60 * $logged, '... with little else in it');
	# 4,000 images of 120 bytes fill some 65 pages, and batches end within pages.
	cmp_ok($logged, '<', 100, '... and the records of a batch that go to one page are one row')
		if $statement =~ /4000/;
}
$node->stop;

done_testing();
