# A streaming standby reads the same as the primary does; promoted, it goes on
# with higher numbers in the same shards.
#
# To see it fail: test/mutations/run no-floor-after-recovery
# standby-running-transactions waits-unwatched-after-promotion.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use StreamTest;

my $primary = new_server('primary', 'autovacuum = off', streaming => 1);
my $standby = PostgreSQL::Test::Cluster->new('standby');

$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;

sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

# Both say the same; returns what.
sub both
{
	my ($query, $name) = @_;
	my $there = $primary->safe_psql('postgres', $query);

	catch_up();
	is($standby->safe_psql('postgres', $query), $there, "the standby reads the same: $name");
	return $there;
}

$primary->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v int, t text);
	SELECT ddbstreams.enable_stream('t', shard_count => 2);
	INSERT INTO t SELECT i, 1, repeat(md5(i::text), 10) FROM generate_series(1, 3000) i;
	UPDATE t SET v = 2 WHERE id % 3 = 0;
	DELETE FROM t WHERE id % 5 = 0;
	ALTER TABLE t ALTER t SET STORAGE EXTERNAL;
	INSERT INTO t SELECT 0, 0, string_agg(md5(i::text), '') FROM generate_series(1, 4000) i});

is(both(q{SELECT count(*), md5(string_agg(f::text, ' ' ORDER BY shard, at)) FROM follow('t', 700) f}, 'get_records') =~ /^4601\|/,
	1, 'all of it');
both(q{SELECT md5(string_agg(c::text, ' ')) FROM ddbstreams.changes(NULL::t) c}, 'changes');
both(q{SELECT * FROM ddbstreams.list_streams()}, 'list_streams');
both(q{SELECT * FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))}, 'describe_stream');
both(q{SELECT story('t') = '' OR disorder('t') > 0}, 'order');

# --- WAIT FOR LSN (PostgreSQL 19) ---------------------------------------------
#
# A session that has written reads its own records on the standby.

SKIP:
{
	skip 'WAIT FOR LSN is of PostgreSQL 19', 3
	  if $primary->safe_psql('postgres', 'SHOW server_version_num') < 190000;
	my $reader = session($standby);

	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$primary->safe_psql('postgres', q{UPDATE t SET v = 4 WHERE id IN (1, 2)});
	my $lsn = $primary->lsn('insert');
	my $seen = $standby->safe_psql('postgres', q{SELECT count(*) FROM follow('t', 700)});
	send_query($reader, qq{WAIT FOR LSN '$lsn' WITH (TIMEOUT '@{[ patience() ]}s')});
	ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'WAIT FOR%' AND wait_event IS NOT NULL}),
		'WAIT FOR LSN waits on a standby');
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	like(finish_query($reader), qr/success/, '... until it has replayed');
	is($reader->query_safe(q{SELECT count(*) FROM follow('t', 700)}), $seen + 2, '... and the records can be read');
	$reader->quit;
}

# --- unresolved on a standby ------------------------------------------------

$primary->safe_psql('postgres', q{
	CREATE TABLE p (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('p', shard_count => 1);
	INSERT INTO p VALUES (1, 1);
	BEGIN;
	INSERT INTO p VALUES (2, 1);
	SAVEPOINT a;
	INSERT INTO p VALUES (3, 1);
	PREPARE TRANSACTION 'two';
	INSERT INTO p VALUES (4, 1)});
is(both(q{SELECT story('p')}, 'a prepared transaction stops readers'), 'I1', '... before its records');
is(both(q{SELECT behind(latest('p'))}, 'LATEST'), '', '... is before them');
my $there = $primary->safe_psql('postgres', q{SELECT latest('p')});
my $here = $standby->safe_psql('postgres', q{SELECT latest('p')});

my $old = session($standby);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');

my $waiter = session($standby);
send_query($waiter, qq{SELECT ddbstreams.wait_for_records('$here', '20 s')});
$primary->safe_psql('postgres', q{COMMIT PREPARED 'two'});
my $committed = time();
is(finish_query($waiter), 't', 'wait_for_records wakes on the standby');
cmp_ok(time() - $committed, '<', 10, '... at once');
is(both(q{SELECT story('p')}, 'after COMMIT PREPARED'), 'I1 I2 I3 I4', '... all is there');
is($standby->safe_psql('postgres', qq{SELECT behind('$here'), behind('$there')}),
	'I2 I3 I4|I2 I3 I4', 'an iterator of either server, used on the standby');
is($primary->safe_psql('postgres', qq{SELECT behind('$here')}), 'I2 I3 I4', '... and on the primary');

# A newer snapshot leaves its hint; the older one must not take it.
$standby->safe_psql('postgres', q{SELECT latest('p')});
is($old->query_safe(q{SELECT count(*), (SELECT latest('p')) <> '' FROM p}), '2|t',
	'an older snapshot on the standby');
my $old_latest = $old->query_safe(q{SELECT latest('p')});
$old->query_safe('COMMIT');
is($standby->safe_psql('postgres', qq{SELECT behind('$old_latest')}), 'I2 I3 I4',
	'... has its own LATEST');
$old->quit;

# More subtransactions than a snapshot's cache holds
$primary->safe_psql('postgres', q{
	BEGIN;
	DO $$ BEGIN FOR i IN 100 .. 200 LOOP
		BEGIN INSERT INTO p VALUES (i, 1); EXCEPTION WHEN division_by_zero THEN NULL; END;
	END LOOP; END $$;
	PREPARE TRANSACTION 'many';
	INSERT INTO p VALUES (5, 1)});
is(both(q{SELECT story('p')}, 'a prepared transaction with many subtransactions'), 'I1 I2 I3 I4', '... stops readers');
$here = $standby->safe_psql('postgres', q{SELECT latest('p')});
$primary->safe_psql('postgres', q{ROLLBACK PREPARED 'many'});
is(both(q{SELECT story('p')}, 'after ROLLBACK PREPARED'), 'I1 I2 I3 I4 I5', '... it is passed over');
is($standby->safe_psql('postgres', qq{SELECT behind('$here')}), 'I5', '... from LATEST');

foreach my $call (q{ddbstreams.enable_stream('t')}, q{ddbstreams.disable_stream('t')})
{
	my ($status, $out, $err) = $standby->psql('postgres', "SELECT $call");
	like($err, qr/read-only transaction|during recovery/, "$call is refused on a standby");
}

# --- promotion --------------------------------------------------------------

$primary->safe_psql('postgres', q{
	BEGIN; INSERT INTO p VALUES (6, 1); PREPARE TRANSACTION 'left';
	INSERT INTO p VALUES (7, 1)});
my $last = both(q{SELECT max(number) FROM follow('p')}, 'the last number');
$here = $standby->safe_psql('postgres', q{SELECT latest('p')});

# A session that waits is just looking the shard up, and is held there until the
# promotion: it has begun on a standby and goes to sleep on a primary.
my $locker = session($primary);
$waiter = session($standby);
send_query($waiter, qq{SELECT ddbstreams.wait_for_records('$here', '@{[ patience() ]} s')});
$standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%wait_for_records%' AND wait_event_type = 'Extension'})
  or die 'nobody waits';
$locker->query_safe('BEGIN; LOCK TABLE ddbstreams_shards.shard');
$standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted})
  or die 'nobody waits for the lock';

$primary->stop('immediate');
$standby->promote;
my $start = $standby->safe_psql('postgres', 'SELECT clock_timestamp()');
$standby->safe_psql('postgres', join(';', map { "INSERT INTO p VALUES ($_, 1)" } 11 .. 20));
is($standby->safe_psql('postgres', q{SELECT story('p')}), 'I1 I2 I3 I4 I5',
	'a prepared transaction is still in the way');
$standby->safe_psql('postgres', q{COMMIT PREPARED 'left'});
is(finish_query($waiter), 't', 'a session that has waited since before the promotion is woken by a commit');
is($standby->safe_psql('postgres', q{SELECT story('p')}),
	join(' ', 'I1 I2 I3 I4 I5 I6 I7', map { "I$_" } 11 .. 20), 'writing goes on in the same shard');
is($standby->safe_psql('postgres', q{SELECT disorder('p')}), '0', 'numbers rise');
is($standby->safe_psql('postgres', qq{SELECT min(committed_at) >= timestamptz '$start' + interval '1 second'
	FROM ddbstreams.changes(NULL::p) WHERE (new_image).id > 10}),
	't', '... from a second ahead of the clock');
is($standby->safe_psql('postgres', qq{SELECT behind('$here')}),
	join(' ', 'I6 I7', map { "I$_" } 11 .. 20), 'an iterator of before goes on');

$standby->stop;
done_testing();
