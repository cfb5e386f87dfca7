# kill -9 of the whole server: what is committed is there, numbers rise, and a
# transaction that died between its append and its commit is passed over.
#
# That state is made so: PreCommit_Notify runs behind the append and takes a
# lock that is held to the end of the transaction.  Session X writes something,
# notifies, commits, and waits for a synchronous standby that does not exist;
# session Y, which has captured a change and notifies too, waits for X's lock in
# its COMMIT.
#
# To see it fail: test/mutations/run last-number-not-read
# no-floor-after-recovery read-past-unresolved.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use StreamTest qw(:DEFAULT sql);

# The buffers hold all pages: writing one out flushes the WAL, too.
my $node = new_server('crash', q{
synchronous_commit = local
shared_buffers = 64MB
bgwriter_lru_maxpages = 0
wal_writer_delay = 10s
wal_writer_flush_after = 1GB
}, streaming => 1);
my ($x, $y, $z);

sub story
{
	return sql(q{SELECT story('t')});
}

sql(q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t SELECT i, 1 FROM generate_series(1, 2000) i});

# --- committed records, and numbers after it --------------------------------

my $before = sql(q{SELECT count(*), min(number), max(number), count(DISTINCT number) FROM follow('t')});
kill_server($node);
$node->start;
is(sql(q{SELECT count(*), min(number), max(number), count(DISTINCT number) FROM follow('t')}),
	$before, 'committed records are there');

# An append of its own each, all in the second that the numbers are ahead
my $start = sql('SELECT clock_timestamp()');
sql(join(';', map { "INSERT INTO t VALUES ($_, 1)" } 2001 .. 2020));
is(sql(q{SELECT string_agg(id, ' ' ORDER BY at) FROM follow('t') WHERE id::int > 2000}),
	join(' ', 2001 .. 2020), 'new records come behind them');
is(sql(q{SELECT disorder('t')}), '0', 'numbers rise');
is(sql(qq{SELECT min(committed_at) >= timestamptz '$start' + interval '1 second'
	FROM ddbstreams.changes(NULL::t) WHERE (new_image).id > 2000}),
	't', 'after a crash numbers start a second ahead of the clock');

# --- an asynchronous tail is lost -------------------------------------------

my $lost = 0;
for my $try (1 .. 5)
{
	my $session = session($node);
	my $seen;

	# What it writes before it goes to sleep is flushed.
	$node->poll_query_until('postgres', q{
		SELECT wait_event = 'WalWriterMain' FROM pg_stat_activity
		WHERE backend_type = 'walwriter'});
	$session->query_safe(q{SET synchronous_commit = off});
	$session->query_safe(qq{INSERT INTO t VALUES (3000 + $try, 1)});
	$seen = $session->query_safe(qq{SELECT number FROM follow('t') WHERE id = '300$try'});
	like($seen, qr/^\d{21}$/, 'a reader has seen an asynchronously committed record');
	kill_server($node);
	$session->{run}->kill_kill;
	$node->start;
	$lost = sql(qq{SELECT count(*) FROM t WHERE id = 300$try}) eq '0';
	is(sql(qq{SELECT count(*) FROM follow('t') WHERE id = '300$try'}),
		$lost ? '0' : '1', 'record and row share their fate');
	sql(qq{INSERT INTO t VALUES (3100 + $try, 1)});
	is(sql(qq{SELECT number > '$seen' FROM follow('t') WHERE id = '310$try'}),
		't', 'its number is not given again');
	last if $lost;
}
ok($lost, 'a tail was lost');

# --- numbers ahead of the clock ---------------------------------------------

# As if the clock had been set back by a day after the stream was enabled
sql(q{
	CREATE TABLE ahead (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('ahead', shard_count => 1);
	SELECT own_sql(format('UPDATE ddbstreams_shards.shard SET starting_number = starting_number + 86400 * 1000000::bigint * 2048
		WHERE shard_table = %s', (SELECT shards('ahead')::oid)));
	DELETE FROM ahead});
$node->restart;
sql(join(';', map { "INSERT INTO ahead VALUES ($_)" } 1 .. 3));
$node->restart;
sql(join(';', map { "INSERT INTO ahead VALUES ($_)" } 4 .. 6));
kill_server($node);
$node->start;
sql(join(';', map { "INSERT INTO ahead VALUES ($_)" } 7 .. 9));
is(sql(q{SELECT story('ahead')}), join(' ', map { "I$_" } 1 .. 9),
	'with the clock set back, records come in order after restart and crash');
is(sql(q{SELECT disorder('ahead')}), '0', '... and numbers rise');

# --- between append and commit ----------------------------------------------

sql(q{
	CREATE EXTENSION pageinspect;
	CREATE TABLE other (id serial);
	DROP TABLE t;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	ALTER SYSTEM SET synchronous_standby_names = 'nobody';
	SELECT pg_reload_conf();
	INSERT INTO t VALUES (1, 1)});

# Records in the shard's first page, whatever has become of their transactions
sub on_disk
{
	return sql(q{SELECT count(*) FROM shards('t') s, heap_page_items(get_raw_page(s::text, 0)) WHERE lp_flags = 1});
}

sub pid_of
{
	my ($session) = @_;
	return $session->query_safe('SELECT pg_backend_pid()');
}

sub hold_commits
{
	my $session = session($node);
	my $pid = pid_of($session);

	$session->query_safe('SET synchronous_commit = on; BEGIN; INSERT INTO other DEFAULT VALUES; NOTIFY c');
	send_query($session, 'COMMIT');
	$node->poll_query_until('postgres',
		qq{SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid})
	  or die 'session X does not hang';
	return ($session, $pid);
}

sub hang_in_commit
{
	my ($changes) = @_;
	my $session = session($node);
	my $pid = pid_of($session);

	$session->query_safe("BEGIN; $changes; NOTIFY c");
	send_query($session, 'COMMIT');
	$node->poll_query_until('postgres',
		qq{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid})
	  or die 'session Y does not hang';
	return ($session, $pid);
}

my ($x_pid, $y_pid);

($x, $x_pid) = hold_commits();
($y, $y_pid) = hang_in_commit('INSERT INTO t VALUES (2, 1); UPDATE t SET v = 2 WHERE id = 2');
is(on_disk(), '2', 'a transaction has appended and not committed');
sql('INSERT INTO t VALUES (3, 1)');
is(story(), 'I1', 'readers stop at its first record');
my $latest = sql(q{SELECT latest('t')});
is(sql(q{SELECT behind(latest('t'))}), '', 'LATEST stays before it');
is(sql(qq{SELECT ddbstreams.wait_for_records('$latest', '200 ms')}),
	'f', 'wait_for_records waits for it');

# X commits after all, and then Y
$node->poll_query_until('postgres', qq{SELECT pg_cancel_backend($x_pid)});
finish_query($x);
finish_query($y);
is(story(), 'I1 I2 M2 I3', 'it commits: its records come first');
is(sql(qq{SELECT behind('$latest')}), 'I2 M2 I3', 'who took LATEST before has missed nothing');

# Y fails after its append
($x, $x_pid) = hold_commits();
($y, $y_pid) = hang_in_commit('INSERT INTO t VALUES (4, 1)');
sql('INSERT INTO t VALUES (5, 1)');
is(story(), 'I1 I2 M2 I3', 'readers stop again');
$latest = sql(q{SELECT latest('t')});
$z = session($node);
my $z_pid = pid_of($z);
send_query($z, qq{SELECT ddbstreams.wait_for_records('$latest', '20 s')});
$node->poll_query_until('postgres',
	qq{SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $z_pid})
  or die 'session Z does not wait';
my $cancelled = time();
sql(qq{SELECT pg_cancel_backend($y_pid)});
is(finish_query($z), 't', 'it is cancelled: a reader that waits behind it is woken');
cmp_ok(time() - $cancelled, '<', 10, '... at once');
finish_query($y);
is(sql('SELECT count(*) FROM t WHERE id = 4'), '0', 'it has aborted');
is(story(), 'I1 I2 M2 I3 I5', 'its record is passed over');
is(sql(qq{SELECT behind('$latest')}), 'I5', '... by who took LATEST before');

# Y dies after its append
($y, $y_pid) = hang_in_commit('INSERT INTO t VALUES (6, 1)');
sql('INSERT INTO t VALUES (7, 1)');
is(story(), 'I1 I2 M2 I3 I5', 'readers stop again');
$latest = sql(q{SELECT latest('t')});
my $records = on_disk();
kill_server($node);
$_->{run}->kill_kill foreach ($x, $y, $z);
$node->start;
is(on_disk(), $records, 'after a crash the record is there');
is(sql('SELECT count(*) FROM t WHERE id = 6'), '0', '... and the row is not');
is(story(), 'I1 I2 M2 I3 I5 I7', 'the record is passed over');
is(sql(qq{SELECT behind('$latest')}), 'I7', '... by who took LATEST before');
is(sql(q{SELECT behind(latest('t'))}), '', 'LATEST is behind it');
sql('INSERT INTO t VALUES (8, 1)');
is(story(), 'I1 I2 M2 I3 I5 I7 I8', 'writing goes on');
is(sql(q{SELECT disorder('t')}), '0', 'numbers rise');

$node->stop;
done_testing();
