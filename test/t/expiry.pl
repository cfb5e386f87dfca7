# What is older than the retention is out of reach at once, with and without a
# worker; shards go as tables, streams when they are disabled and empty; nobody
# is waited for.  Time is set by ddbstreams.clock_offset.
#
# To see it fail: test/mutations/run closing-time-ahead-stays
# descriptors-stay-known expiry-ends-at-first-error expiry-ignores-closing-time
# expiry-ignores-last-number expiry-waits horizon-passes-unresolved.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use StreamTest;

# Maintenance is done by hand, but for the last part.
my $node = new_server('expiry', q{ddbstreams.maintenance_interval = '1d'}, streaming => 1);
my $gone = qr/Requested resource not found: Shard does not exist/;
my $trimmed = qr/The data you are trying to access has been trimmed/;

# A section begins: times are counted from here, however long its steps take.
my $begin;
sub section { $begin = time(); return; }
section();

# Sets the clock to so many seconds after the section's begin.
sub clock
{
	my ($offset) = @_;
	return qq{DO \$clock\$BEGIN
		PERFORM set_config('ddbstreams.clock_offset',
			greatest(-630720000, $begin + $offset - extract(epoch FROM clock_timestamp()))::int::text, false);
	END\$clock\$};
}

# Runs SQL at such a time.
sub at
{
	my ($offset, $query, $on) = @_;
	return ($on || $node)->safe_psql('postgres', clock($offset) . "; $query");
}

# Does it fail, and how?
sub error_at
{
	my ($offset, $query, $on) = @_;
	my ($status, $out, $err) = ($on || $node)->psql('postgres',
		"\\set VERBOSITY verbose\n" . clock($offset) . "; $query");
	$err =~ s/^.*?ERROR: /ERROR: /s;
	return $err;
}

sub story { my ($offset, $table, $on) = @_; return at($offset, "SELECT story('$table')", $on); }
sub arn   { return $node->safe_psql('postgres', "SELECT ddbstreams.latest_stream_arn('$_[0]')"); }
sub expire { return at($_[0], 'SELECT ddbstreams_shards.expire()'); }

# The shards of a stream at a time
sub shard_count
{
	my ($offset, $table) = @_;
	return at($offset, "SELECT count(*) FROM shards('$table')");
}

# The files of a shard: log, side table, index, TOAST table and its index
sub files_of
{
	my ($table) = @_;
	return split(/\n/, $node->safe_psql('postgres', qq{
		WITH side AS (SELECT replace(s::text, '.shard_', '.side_')::regclass AS oid FROM shards('$table') s),
		toast AS (SELECT reltoastrelid AS oid FROM pg_class c, side WHERE c.oid = side.oid),
		own AS (SELECT s::oid AS oid FROM shards('$table') s UNION ALL SELECT oid FROM side UNION ALL SELECT oid FROM toast)
		SELECT pg_relation_filepath(oid) FROM own
		UNION ALL SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid IN (SELECT oid FROM own)}));
}

sub first_iterator
{
	my ($offset, $table, $type, $more) = @_;
	$more = defined $more ? ", $more" : '';
	return qq{SELECT ddbstreams.get_shard_iterator(arn, (SELECT min(shard_id) FROM ddbstreams.describe_stream(arn)), '$type'$more)
		FROM ddbstreams.latest_stream_arn('$table') arn};
}

# --- records ------------------------------------------------------------------

at(0, q{
	CREATE TABLE t (id int PRIMARY KEY, v text);
	ALTER TABLE t ALTER v SET STORAGE EXTERNAL;
	SELECT ddbstreams.enable_stream('t', shard_count => 1, retention => '1 minute');
	INSERT INTO t VALUES (1, repeat('x', 100000)), (2, 'x')});
at(40, q{INSERT INTO t VALUES (3, 'x')});
my $old = at(40, first_iterator(40, 't', 'TRIM_HORIZON'));
my $number = at(40, q{SELECT min(number) FROM follow('t')});
my $behind_old = at(40, first_iterator(40, 't', 'AFTER_SEQUENCE_NUMBER', "'$number'"));
my $last = at(40, q{SELECT max(number) FROM follow('t')});

is(story(50, 't'), 'I1 I2 I3', 'within the retention all is there');
is(story(70, 't'), 'I3', 'TRIM_HORIZON starts at the horizon');
is(at(70, "SELECT behind('$old')"), 'I3', '... when the iterator is used');
like(error_at(70, "SELECT behind('$behind_old')"), qr/ZS002: $trimmed/, 'an iterator behind an old record');
like(error_at(70, first_iterator(70, 't', 'AT_SEQUENCE_NUMBER', "'$number'")), qr/ZS002: $trimmed/, 'AT an old number');
like(error_at(70, first_iterator(70, 't', 'AFTER_SEQUENCE_NUMBER', "'$number'")), qr/ZS002: $trimmed/, 'AFTER an old number');
like(error_at(70, qq{SELECT ddbstreams.aws('GetRecords', json_build_object('ShardIterator', '$behind_old'))}), qr/ZS002/, 'GetRecords');
is(at(70, "SELECT behind((@{[first_iterator(70, 't', 'AT_SEQUENCE_NUMBER', qq{'$last'})]}))"), 'I3', 'AT a young number');
is(at(70, q{SELECT count(*) FROM ddbstreams.changes(NULL::t)}), '1', 'changes()');
is(at(70, q{SELECT count(*) FROM ddbstreams.changes(NULL::t, since => '2001-01-01')}), '1', '... since before');
is(at(70, q{SELECT records FROM ddbstreams.stream_stats}), '1', 'stream_stats');
is(story(110, 't'), '', 'all records are old');
is(at(110, q{SELECT records || coalesce(oldest::text, '-') FROM ddbstreams.stream_stats}), '0-', '... and not counted');
expire(110);
is(shard_count(110, 't'), '1', 'an open shard is not dropped');

# --- alter_stream, live -------------------------------------------------------

my $arn = arn('t');
at(110, "SELECT ddbstreams.alter_stream('$arn', '2 minutes')");
is(story(110, 't'), 'I1 I2 I3', 'a longer retention brings back what is there still');
at(110, "SELECT ddbstreams.alter_stream('$arn', '80 seconds')");
is(story(110, 't'), 'I3', 'a shorter one takes effect at once');
at(110, "SELECT ddbstreams.alter_stream('$arn', '1 minute')");

# --- shards -------------------------------------------------------------------

my @files = map { $node->data_dir . "/$_" } files_of('t');
is(scalar(@files), 5, 'a shard has five relations');
at(110, "SELECT ddbstreams.roll_over('$arn')");
at(110, q{INSERT INTO t VALUES (4, 'x')});
expire(160);
is(shard_count(160, 't'), '2', 'a shard closed lately is kept, for readers to follow');
is(story(165, 't'), 'I4', '... though its records are old');
like(error_at(171, "SELECT behind('$behind_old')"), qr/ZS002/, 'before the drop: trimmed');

my $reader = session($node);
$reader->query_safe(clock(50));
$reader->query_safe(q{BEGIN ISOLATION LEVEL REPEATABLE READ});
is($reader->query_safe(q{SELECT story('t')}), 'I1 I2 I3 I4', 'a session that has read the shard');
expire(171);
is(shard_count(171, 't'), '1', '... does not keep it');
like(error_at(171, "SELECT behind('$behind_old')"), qr/42704: $gone/, 'its iterators');
like(error_at(0, "SELECT behind('$behind_old')"), qr/42704: $gone/, '... for every session');
is(at(171, qq{SELECT parent_shard_id IS NOT NULL FROM ddbstreams.describe_stream('$arn')}), 't', 'the child keeps its parent\'s id');
is(story(165, 't'), 'I4', '... and its records');
is(at(165, q{SELECT (new_image).id FROM ddbstreams.changes(NULL::t)}), '4', '... for changes()');
is($reader->query_safe(q{SELECT (new_image).id FROM ddbstreams.changes(NULL::t, since => clock_timestamp() + '100 s')}), '4',
	'the older snapshot reads what it needs not open the dropped shard for');
$reader->query_safe('COMMIT');
$reader->quit;
$node->safe_psql('postgres', 'CHECKPOINT');
is(scalar(grep { -e } @files), 0, 'no file is left on disk');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pg_class WHERE relname ~ '^(shard|side)_[0-9]' AND relkind = 'r'}), '2', '... no table');

# --- streams ------------------------------------------------------------------

my $writer = session($node);
$writer->query_safe(clock(180));
$writer->query_safe(q{INSERT INTO t VALUES (5, 'x')});
at(180, q{SELECT ddbstreams.disable_stream('t')});
is(at(230, q{SELECT stream_status FROM ddbstreams.list_streams()}), 'DISABLED', 'a disabled stream is listed');
is(story(230, 't'), 'I5', '... and readable');
is(at(230, q{SELECT ddbstreams.latest_stream_arn('t')}), $arn, '... and the latest');
is(at(245, q{SELECT count(*) FROM ddbstreams.list_streams()}), '0', 'expired, it is not listed');
is(at(245, q{SELECT ddbstreams.latest_stream_arn('t') IS NULL}), 't', '... nor the latest');
is(at(245, q{SELECT count(*) FROM ddbstreams.stream_stats}), '0', '... nor watched');
is(at(245, q{SELECT json_array_length(ddbstreams.aws('ListStreams', '{}')->'Streams')}), '0', '... nor in ListStreams');
foreach my $call ("ddbstreams.describe_stream('$arn')", "ddbstreams.shard_tree('$arn')",
	"ddbstreams.changes(NULL::t, stream_arn => '$arn')", "ddbstreams.alter_stream('$arn', '1 day')")
{
	like(error_at(245, "SELECT * FROM $call"), qr/42704: Requested resource not found: Stream/, "gone without a worker: $call");
}
is(at(230, "SELECT count(*) FROM ddbstreams.describe_stream('$arn')"), '1', 'it is there, by a slower clock');
expire(245);
is(at(230, q{SELECT count(*) FROM ddbstreams.list_streams()}), '0', 'removed');
is($node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM ddbstreams_shards.stream), (SELECT count(*) FROM ddbstreams_shards.shard),
		(SELECT count(*) FROM ddbstreams_shards.row_descriptor),
		(SELECT count(*) FROM pg_class WHERE relname ~ '^(shard|side)_[0-9]')}), '0|0|0|0', '... with all that it had');
section();
at(0, q{SELECT ddbstreams.enable_stream('t', shard_count => 1)});
$writer->query_safe(clock(0));
$writer->query_safe(q{INSERT INTO t VALUES (6, 'x')});
$writer->quit;
is(story(0, 't'), 'I6', 'a session that wrote to the old stream describes its rows anew');
at(0, q{DROP TABLE t});
is(at(23 * 3600, q{SELECT count(*) FROM ddbstreams.list_streams()}), '1', 'the stream of a dropped table');
is(at(25 * 3600, q{SELECT count(*) FROM ddbstreams.list_streams()}), '0', '... expires likewise');
expire(25 * 3600);
is(at(0, q{SELECT count(*) FROM ddbstreams_shards.stream}), '0', '... and is removed');

# --- a prepared transaction older than the retention --------------------------

section();
at(0, q{
	CREATE TABLE p (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('p', shard_count => 1, retention => '1 minute');
	INSERT INTO p VALUES (1, 1);
	BEGIN; INSERT INTO p VALUES (2, 1); PREPARE TRANSACTION 'two';
	INSERT INTO p VALUES (3, 1)});
at(90, q{INSERT INTO p VALUES (4, 1)});
my $shard = $node->safe_psql('postgres', q{SELECT shards('p')});
my ($one, $three) = split(/\n/, $node->safe_psql('postgres', "SELECT lpad(sequence_number::text, 21, '0') FROM $shard LIMIT 2"));

my $backup = 'base';
$node->backup($backup);
my $standby = PostgreSQL::Test::Cluster->new('expiry_standby');
$standby->init_from_backup($node, $backup, has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;
sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); return; }
catch_up();

foreach my $server ($node, $standby)
{
	my $name = $server == $node ? 'primary' : 'standby';

	is(story(100, 'p', $server), '', "$name: the horizon does not pass an unresolved record");
	is(error_at(100, first_iterator(100, 'p', 'AT_SEQUENCE_NUMBER', "'$three'"), $server), '', "$name: what comes behind it is not trimmed");
	like(error_at(100, first_iterator(100, 'p', 'AT_SEQUENCE_NUMBER', "'$one'"), $server), qr/ZS002/, "$name: what comes before it is");
	is(at(100, q{SELECT count(*) FROM ddbstreams.changes(NULL::p)}, $server), '0', "$name: changes() stops at it");
	is(at(100, q{SELECT records FROM ddbstreams.stream_stats}, $server), '0', "$name: nothing can be read");
}
my $p_arn = arn('p');
is(at(100, "SELECT ddbstreams.roll_over('$p_arn')"), '0', 'the shard is not closed');
expire(3600);
is(shard_count(3600, 'p'), '1', '... nor dropped');
$node->safe_psql('postgres', q{COMMIT PREPARED 'two'});
catch_up();
foreach my $server ($node, $standby)
{
	my $name = $server == $node ? 'primary' : 'standby';

	is(story(100, 'p', $server), 'I4', "$name: resolved, it is old and the horizon moves on");
	like(error_at(100, first_iterator(100, 'p', 'AT_SEQUENCE_NUMBER', "'$three'"), $server), qr/ZS002/, "$name: so is what came behind it");
	is(at(100, q{SELECT records FROM ddbstreams.stream_stats}, $server), '1', "$name: stream_stats");
	like(at(100, "SELECT ddbstreams.shard_tree('$p_arn')", $server), qr/open, 1 record, /, "$name: shard_tree");
	like(at(100, "SELECT ddbstreams.shard_graph('$p_arn')", $server), qr/^digraph/, "$name: shard_graph");
	like(error_at(160, "SELECT * FROM ddbstreams.stream_stats, ddbstreams.changes(NULL::p)", $server), qr/^$/, "$name: all is old");
	is(story(160, 'p', $server), '', "$name: ... and out of reach");
}
is(at(160, "SELECT ddbstreams.roll_over('$p_arn')"), '1', 'the shard is closed');
my $iterator = at(160, first_iterator(160, 'p', 'TRIM_HORIZON'));
expire(230);
catch_up();
is(at(230, "SELECT count(*) FROM ddbstreams.describe_stream('$p_arn')", $standby), '1', 'dropped on the standby');
like(error_at(230, "SELECT behind('$iterator')", $standby), qr/42704: $gone/, '... gone there');
like(error_at(230, 'SELECT ddbstreams_shards.expire()', $standby), qr/read-only|recovery/, 'a standby drops nothing by itself');
$standby->stop;

# --- nobody is waited for -----------------------------------------------------

section();
at(0, q{
	CREATE TABLE d (id int PRIMARY KEY);
	CREATE TABLE zz (id int);
	SELECT ddbstreams.enable_stream('d', shard_count => 1, retention => '1 minute');
	INSERT INTO d SELECT generate_series(1, 100)});
my $d_arn = arn('d');
at(0, "SELECT ddbstreams.roll_over('$d_arn')");

my $blocker = session($node);
$blocker->query_safe('BEGIN; LOCK TABLE zz IN ACCESS EXCLUSIVE MODE');
my ($dumped, $dump_err) = ('', '');
my $dump = IPC::Run::start(['pg_dump', '-d', $node->connstr('postgres')], '>', \$dumped, '2>', \$dump_err);
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE%' AND wait_event_type = 'Lock')}),
	'pg_dump is at work');
expire(70);
is(shard_count(70, 'd'), '1', 'expiry does not wait for it, until its statement_timeout, and drops the shard');
$blocker->query_safe('COMMIT');
ok($dump->finish, 'pg_dump ends well') or diag($dump_err);
like($dumped, qr/CREATE EXTENSION IF NOT EXISTS ddbstreams/, '... with its dump');

at(10, q{INSERT INTO d VALUES (1000)});
at(10, "SELECT ddbstreams.roll_over('$d_arn')");
my $in_use = at(10, qq{SELECT shard_table FROM ddbstreams.describe_stream('$d_arn') WHERE ending_sequence_number IS NOT NULL});
foreach my $relation ($in_use, ($in_use =~ s/shard_(\d)/side_$1/r))
{
	$blocker->query_safe("BEGIN; LOCK TABLE $relation IN ACCESS SHARE MODE");
	expire(80);
	is(shard_count(80, 'd'), '2', "a shard whose $relation is locked is left for later");
	$blocker->query_safe('COMMIT');
}
$blocker->query_safe(q{BEGIN; SELECT ddbstreams.alter_stream('} . $d_arn . q{', '2 minutes')});
expire(80);
is(shard_count(80, 'd'), '2', 'so is a stream that somebody changes');
$blocker->query_safe('COMMIT');
expire(80);
is(shard_count(80, 'd'), '2', '... who may have made the retention longer');
expire(140);
is(shard_count(140, 'd'), '1', 'later it goes');
$blocker->quit;

# --- clocks that were wrong ---------------------------------------------------

my $year = 365 * 24 * 3600;

# set back by an hour: numbers keep rising
section();
at(0, q{
	CREATE TABLE c (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('c', shard_count => 1, retention => '1 hour');
	INSERT INTO c VALUES (1, 1)});
my $c_arn = arn('c');
at(-3600, q{INSERT INTO c VALUES (2, 1); INSERT INTO c VALUES (3, 1)});
at(-3600, "SELECT ddbstreams.roll_over('$c_arn')");
at(-3600, q{INSERT INTO c VALUES (4, 1)});
at(-3600, "SELECT count(*) FROM ddbstreams.split_shard('$c_arn', (SELECT max(shard_id) FROM ddbstreams.describe_stream('$c_arn')))");
at(-3600, q{INSERT INTO c SELECT generate_series(11, 20)});
at(-1800, "SELECT ddbstreams.roll_over('$c_arn')");
at(0, q{INSERT INTO c SELECT generate_series(21, 30)});
is($node->safe_psql('postgres', q{SELECT disorder('c')}), '0', 'a clock set back: numbers rise');
is($node->safe_psql('postgres', qq{
	SELECT count(*), count(*) FILTER (WHERE c.starting_sequence_number > p.ending_sequence_number AND c.shard_id > p.shard_id)
	FROM ddbstreams.describe_stream('$c_arn') c JOIN ddbstreams.describe_stream('$c_arn') p ON p.shard_id = c.parent_shard_id}),
	'5|5', '... and children begin above their parents');
is(at(0, q{SELECT count(*) FROM ddbstreams.changes(NULL::c)}), '24', 'all is there');
at(-3600, q{SELECT ddbstreams.disable_stream('c')});
at(-3600, q{SELECT ddbstreams.enable_stream('c', shard_count => 1)});
isnt(arn('c'), $c_arn, 'the stream that was enabled last is the latest');
expire(600);
is(at(600, "SELECT count(*) FROM ddbstreams.changes(NULL::c, stream_arn => '$c_arn')"), '24',
	'closed by a clock that was behind, shards are kept until their records are old');
expire(3700);
is(at(0, "SELECT count(*) FROM ddbstreams.list_streams('c')"), '1', '... and no longer');
$node->safe_psql('postgres', 'DROP TABLE c');

# ahead by a year: the time of closing counts
section();
at(0, q{
	CREATE TABLE a (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('a', shard_count => 1, retention => '1 minute')});
my $a_arn = arn('a');
at($year, q{INSERT INTO a VALUES (1)});
at(0, "SELECT ddbstreams.roll_over('$a_arn')");
is(story(0, 'a'), 'I1', 'written by a clock that was ahead');
is(at(0, q{SELECT sum(records_per_second) FROM ddbstreams.stream_stats WHERE stream_arn = '} . $a_arn . q{'}), '0', '... and not a fast writer');
is(story(70, 'a'), '', '... it expires with the time of closing');
expire(70);
is(shard_count(70, 'a'), '1', '... and is dropped');
at($year, q{INSERT INTO a VALUES (2)});
at($year, "SELECT ddbstreams.roll_over('$a_arn')");
is(story(0, 'a'), 'I2', 'closed by a clock that was ahead');
expire(0);
is(story(50, 'a'), 'I2', '... it is kept');
expire(70);
is(shard_count(70, 'a'), '1', '... until the time when that was noticed has passed');
at(2 * $year, q{SELECT ddbstreams.disable_stream('a')});
expire(0);
is(at(50, "SELECT count(*) FROM ddbstreams.describe_stream('$a_arn')"), '1', 'disabled by a clock that was ahead');
expire(70);
is(at(0, qq{SELECT count(*) FROM ddbstreams_shards.stream WHERE stream_arn = '$a_arn'}), '0', '... it goes, too');

# --- a retention of 100 years -------------------------------------------------

section();
at(0, q{
	CREATE TABLE e (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('e', shard_count => 1, retention => '100 years');
	INSERT INTO e VALUES (1)});
my $e_arn = arn('e');
at(0, "SELECT ddbstreams.roll_over('$e_arn')");
expire(2147483647);
is(story(2147483647, 'e'), 'I1', '68 years later all is there');
at(2147483647, q{INSERT INTO e VALUES (2)});
is(story(-20 * $year, 'e'), 'I1 I2', '... 20 years ago, too');
at(0, q{SELECT ddbstreams.disable_stream('e')});
is(at(2147483647, "SELECT count(*) FROM ddbstreams.describe_stream('$e_arn')"), '2', '... of a disabled stream');

# --- the worker -----------------------------------------------------------------

$node->safe_psql('postgres', q{
	CREATE TABLE w1 (id int PRIMARY KEY);
	CREATE TABLE w2 (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('w1', shard_count => 1, retention => '1 minute'),
		ddbstreams.enable_stream('w2', shard_count => 1, retention => '1 minute');
	INSERT INTO w1 VALUES (1);
	INSERT INTO w2 VALUES (1)});
my ($kept) = split(/\n/, $node->safe_psql('postgres', q{SELECT shards('w1')}));
my ($dropped) = split(/\n/, $node->safe_psql('postgres', q{SELECT shards('w2')}));
$node->safe_psql('postgres', "CREATE VIEW keeper AS SELECT * FROM $kept");
$node->safe_psql('postgres', "SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('$_')::text)") foreach ('w1', 'w2');
$node->append_conf('postgresql.conf', q{
ddbstreams.maintenance_interval = '200ms'
ddbstreams.clock_offset = 70});
$node->restart;
ok($node->poll_query_until('postgres', "SELECT to_regclass('$dropped') IS NULL"), 'the worker drops an expired shard');
ok($node->poll_query_until('postgres', q{SELECT last_error ~ '^expire: cannot drop' FROM ddbstreams.workers WHERE worker_type = 'maintenance'}),
	'... and says why it cannot drop another');
is($node->safe_psql('postgres', "SELECT to_regclass('$kept') IS NOT NULL"), 't', '... which stays');
$node->safe_psql('postgres', 'DROP VIEW keeper');
ok($node->poll_query_until('postgres', "SELECT to_regclass('$kept') IS NULL"), '... until it can');
ok($node->poll_query_until('postgres', q{SELECT last_error IS NULL FROM ddbstreams.workers WHERE worker_type = 'maintenance'}),
	'... and all is well');
$node->safe_psql('postgres', q{DROP TABLE w1, w2});
$node->append_conf('postgresql.conf', 'ddbstreams.clock_offset = 200');
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM ddbstreams_shards.stream WHERE table_name IN ('w1', 'w2'))}),
	'the worker removes streams');

$node->stop;
done_testing();
