# What is paid does not grow with what is not touched: work is counted, not time.
#
# To see it fail: test/mutations/run roll-over-whatever-retention
# maintenance-never-rests rest-not-ended rest-not-ended-by-prepared
# shards-stay-locked shards-unlocked-with-standbys lists-read-in-each-run
# lists-not-read-again siblings-are-not-known empty-shard-keeps-large-values
# side-table-for-each-shard definitions-checked-in-each-run
# prepared-definition-unnoticed old-shards-are-opened woken-by-other-streams
# woken-by-other-databases poll-looks-everywhere poll-looks-nowhere.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('growth', q{
max_worker_processes = 16
ddbstreams.maintenance_interval = 200ms
ddbstreams.rollover_interval = 1s
});

# Three databases without a stream
foreach my $database ('idle', 'idle_too', 'idle_three')
{
	sql("CREATE DATABASE $database");
	sql(q{CREATE EXTENSION ddbstreams; CREATE TABLE t (id int PRIMARY KEY)}, $database);
}

# --- generations ----------------------------------------------------------------

# The interval is that of a retention of a day, and grows with a longer one: a
# hundred years do not have 36,500 times as many shards.
sql(q{
	CREATE TABLE day (id int PRIMARY KEY);
	CREATE TABLE century (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('century', shard_count => 1, retention => '100 years');
	SELECT ddbstreams.enable_stream('day', shard_count => 1);
	INSERT INTO century VALUES (1);
	INSERT INTO day VALUES (1)});
foreach my $generation (2 .. 4)
{
	comes_to(q{SELECT count(*) FROM shards('day')}, $generation, "a day's retention: generation $generation");
	sql(qq{INSERT INTO day VALUES ($generation); INSERT INTO century VALUES ($generation)});
}
is(sql(q{SELECT count(*) FROM shards('century')}), '1', 'a hundred years: generation 1');

# Shards that are rolled over in the same run share a side table; and one without
# records goes with those whose large values are in the side table that it has.
sql(q{
	CREATE TABLE shared (id int PRIMARY KEY, v text);
	ALTER TABLE shared ALTER v SET STORAGE EXTERNAL;
	SELECT ddbstreams.enable_stream('shared', shard_count => 8);
	INSERT INTO shared SELECT i, repeat('x', 3000) FROM generate_series(1, 2) i});
comes_to(q{SELECT count(*), count(ending_sequence_number) FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('shared'))}, '16|8',
	'all shards are rolled over');
# A shard whose lock was not to be had at once comes in a later run.
cmp_ok(sql(q{SELECT count(DISTINCT side_table) FROM ddbstreams_shards.shard WHERE shard_table IN (SELECT shards('shared'))}), '<=', 4,
	'... and their children share a side table');

# --- databases without a stream ---------------------------------------------------

# Maintenance rests there: it runs once a day.
sub last_run
{
	my ($database) = @_;
	return qq{SELECT last_run FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND database = '$database'};
}

# Waits for the end of the next run, and returns it.
sub next_run
{
	my ($database, $after, $name) = @_;

	comes_to(qq{SELECT coalesce((} . last_run($database) . qq{) > '$after', false)}, 't', $name);
	return sql(last_run($database));
}

# A prepared transaction that has nothing to do with streams
sub prepare_and_commit
{
	my ($database) = @_;

	sql(q{BEGIN; INSERT INTO plain VALUES (1); PREPARE TRANSACTION 'plain'}, $database);
	sql(q{COMMIT PREPARED 'plain'}, $database);
	return;
}

next_run('idle', '-infinity', 'a database without a stream is looked into');
comes_to(q{SELECT state FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND database = 'idle'}, 'resting', '... and maintenance rests');
my $first = sql(last_run('idle'));
comes_to(qq{SELECT (} . last_run('postgres') . qq{) > timestamptz '$first' + interval '21 s'}, 't', 'a hundred intervals go by');
is(sql(last_run('idle')), $first, '... without a run');

# --- a new stream ---------------------------------------------------------------------

# A new stream ends that.  (The server is restarted: a run that has begun before a
# reload does not know the new interval.)
$node->append_conf('postgresql.conf', 'ddbstreams.maintenance_interval = 1h');
my $begun = sql('SELECT clock_timestamp()');
$node->restart;
foreach my $database ('idle', 'idle_too', 'idle_three')
{
	next_run($database, $begun, "$database: maintenance rests");
}
$begun = sql('SELECT clock_timestamp()');
sql(q{SELECT ddbstreams.enable_stream('t')}, 'idle');
next_run('idle', $begun, 'a new stream ends the rest');

# COMMIT PREPARED ends a rest only when the interval is over.
sql(q{CREATE TABLE plain (id int)}, 'idle_too');
$begun = sql('SELECT clock_timestamp()');
foreach my $round (1 .. 20)
{
	prepare_and_commit('idle_too');
	sql('SELECT pg_sleep(0.05)');
}
is(sql(q{SELECT (} . last_run('idle_too') . ") > '$begun'"), 'f', 'prepared transactions without a stream start no run');
$node->append_conf('postgresql.conf', 'ddbstreams.maintenance_interval = 10s');
$node->reload;
comes_to('SHOW ddbstreams.maintenance_interval', '10s', 'an interval of ten seconds');
sql(q{BEGIN; SELECT ddbstreams.enable_stream('t'); PREPARE TRANSACTION 'stream'}, 'idle_three');
$begun = sql('SELECT clock_timestamp()');
sql(q{COMMIT PREPARED 'stream'}, 'idle_three');
next_run('idle_three', $begun, '... but one with a stream, when the interval is over');

# --- a database in which nothing comes of age ---------------------------------------

# Runs do not look at the shards of each stream: not for what is to be rolled over and
# to be dropped, nor for its definition.
# (They are looked at once in 30 intervals in any case: a run takes less than ten.)
# Transactions that are prepared and have nothing to do with streams change nothing of it.
$node->append_conf('postgresql.conf', 'ddbstreams.maintenance_interval = 2s');
$node->reload;
sql('CREATE DATABASE quiet');
sql(q{
	CREATE EXTENSION ddbstreams;
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE plain (id int);
	SELECT ddbstreams.enable_stream('t', retention => '100 years')}, 'quiet');
my $scans = q{SELECT pg_stat_get_numscans('ddbstreams_shards.shard_stream_id_idx'::regclass)};
my $run = next_run('quiet', '-infinity', 'maintenance runs beside a stream');
my $unread = 0;
for (my $try = 1; $try <= 5 && !$unread; $try++)
{
	my $before = sql($scans, 'quiet');

	foreach (1 .. 3)
	{
		prepare_and_commit('quiet');
		$run = next_run('quiet', $run, "run $try");
	}
	$unread = sql($scans, 'quiet') == $before;
}
ok($unread, '... and does not look at the shards');

# A definition that a prepared transaction has changed is written down by the next run.
sql(q{
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS '';
	BEGIN;
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON', enabled => false);
	PREPARE TRANSACTION 'mapping'}, 'quiet');
$run = next_run('quiet', $run, "run $_ beside a prepared mapping") foreach 1 .. 2;
sql(q{COMMIT PREPARED 'mapping'}, 'quiet');
$run = next_run('quiet', $run, "run $_ behind it") foreach 1 .. 2;
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND encode(tgargs, 'escape') ~ 'handler'}, 'quiet'), '1',
	'... writes the definition down');

# Whether a shard has records is found out without opening it: nobody waits for it.
sql(q{CREATE TABLE empty (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('empty', shard_count => 1)}, 'quiet');
my $locker = session($node, 'quiet');
$locker->query_safe(q{BEGIN; DO $$ BEGIN EXECUTE 'LOCK TABLE ' || (SELECT string_agg(shard_table || ', ' || side_table, ', ')
	FROM ddbstreams_shards.shard WHERE stream_id = (SELECT max(stream_id) FROM ddbstreams_shards.stream)); END $$});
$run = next_run('quiet', $run, "run $_ beside an old shard that is locked") foreach 1 .. 3;
is(sql(q{SELECT coalesce(last_error, '') FROM ddbstreams.workers WHERE worker_type = 'maintenance' AND database = 'quiet'}), '',
	'... does not open it');
$locker->query_safe('COMMIT');
$locker->quit;

# --- waiting ------------------------------------------------------------------------

# A poll that waits for records of many shards is not woken by commits to other
# streams, in its database or in another one.  When it wakes it looks its consumer up.
# (A roll-over of the watched shards would wake it.)
$node->append_conf('postgresql.conf', q{
ddbstreams.maintenance_interval = 1h
ddbstreams.rollover_interval = 1d});
$node->reload;
sql(q{
	CREATE TABLE watched (id int PRIMARY KEY);
	CREATE TABLE other (id serial PRIMARY KEY);
	SELECT ddbstreams.enable_stream('watched', shard_count => 256);
	SELECT ddbstreams.enable_stream('other', shard_count => 32)}, 'quiet');
sql(q{SELECT ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('watched'), lease_duration => '1 day')}, 'quiet');
sql(q{SELECT count(*) FROM ddbstreams.poll('c', 'w')}, 'quiet');
sql(q{CREATE TABLE other (id serial PRIMARY KEY); SELECT ddbstreams.enable_stream('other', shard_count => 32)}, 'idle');

# A call of wait_for_records is not woken either, by a shard that has the same slot of
# shared memory.  When it wakes it looks for its shard in the list of shards.
sub murmurhash32
{
	my ($h) = @_;

	$h = ($h ^ ($h >> 16)) * 0x85ebca6b & 0xffffffff;
	$h = ($h ^ ($h >> 13)) * 0xc2b2ae35 & 0xffffffff;
	return $h ^ ($h >> 16);
}

sub slots
{
	my ($table) = @_;
	my $database = murmurhash32(sql('SELECT oid FROM pg_database WHERE datname = current_database()', 'quiet'));

	return map {
		my ($oid, $shard_id) = split /\|/;
		my $slot = ($database ^ (murmurhash32($oid) + 0x9e3779b9 + ($database << 6) + ($database >> 2))) & 1023;
		($slot => $shard_id)
	} split(/\n/, sql(qq{SELECT shard_table::oid, shard_id FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('$table'))}, 'quiet'));
}

my %watched = slots('watched');
my %other = slots('other');
my ($shared) = grep { exists $other{$_} } sort keys %watched;
ok(defined $shared, 'two shards have a slot');
my $waiter = session($node, 'quiet');
my $own_looks = q{SELECT pg_stat_get_xact_numscans('ddbstreams_shards.shard_pkey'::regclass)};
$waiter->query_safe('BEGIN');
my $looked = $waiter->query_safe($own_looks);
send_query($waiter, qq{SELECT ddbstreams.wait_for_records(
	ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('watched'), '$watched{$shared}', 'LATEST'), '1 hour')});
comes_to(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query ~ 'wait_for_records'}, '1', 'a session waits');
foreach (1 .. 20)
{
	sql('INSERT INTO other SELECT FROM generate_series(1, 300)', 'quiet');
}
sql('INSERT INTO watched SELECT generate_series(-5000, -1)', 'quiet');
is(finish_query($waiter), 't', '... for a record of its shard');
cmp_ok($waiter->query_safe($own_looks) - $looked, '<', 12, '... and wakes for no other stream');
$waiter->quit;
sql(q{SELECT count(ddbstreams.checkpoint('c', 'w', shard_id, sequence_number)) FROM
	(SELECT shard_id, max(sequence_number) AS sequence_number FROM ddbstreams.poll('c', 'w', 10000) GROUP BY 1) r}, 'quiet');

# What the session of the poll has looked up itself, not maintenance
my $looks = q{SELECT sum(pg_stat_get_xact_numscans(indexrelid)) + pg_stat_get_xact_numscans('ddbstreams_shards.consumer'::regclass)
	FROM pg_index WHERE indrelid = 'ddbstreams_shards.consumer'::regclass};
my $poll = session($node, 'quiet');
$poll->query_safe('BEGIN');
my $before = $poll->query_safe($looks);
send_query($poll, q{SELECT count(*) FROM ddbstreams.poll('c', 'w', max_wait => '1 hour')});
comes_to(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query ~ 'ddbstreams.poll.*1 hour'}, '1', 'a poll waits');
foreach my $commit (1 .. 20)
{
	sql('INSERT INTO other SELECT FROM generate_series(1, 64)', $_) foreach 'quiet', 'idle';
}
sql('INSERT INTO watched VALUES (1)', 'quiet');
is(finish_query($poll), '1', '... for a record of its stream');
my $after = $poll->query_safe($looks);
cmp_ok($after, '>', $before, '... and looks its consumer up');
cmp_ok($after - $before, '<', 15, '... but wakes for no other');
$poll->query_safe('COMMIT');
$poll->quit;

# A poll does not look into the shards in which the session has found nothing; it
# would lock them.  (What it has found is forgotten within seconds, so a machine that
# stands still has more tries.)
my $found = 0;
for (my $try = 1; $try <= 5 && !$found; $try++)
{
	my $expected = $try + 1;

	$found = sql(qq{
	DO \$\$ BEGIN PERFORM ddbstreams.poll('c', 'w'); END \$\$;
	BEGIN;
	DO \$\$ BEGIN PERFORM ddbstreams.poll('c', 'w'); END \$\$;
	SELECT count(*) < 150 FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation';
	COMMIT;
	INSERT INTO watched VALUES ($expected);
	SELECT count(*) FROM ddbstreams.poll('c', 'w')}, 'quiet') eq "t\n$expected";
}
ok($found, 'a poll looks where a record may be');

# --- locks --------------------------------------------------------------------------

# What a query counts behind enable_stream for so many shards, in its transaction
sub behind_enabling
{
	my ($shards, $query) = @_;
	return (split(/\n/, sql(qq{
		BEGIN;
		CREATE TABLE enabled (id int PRIMARY KEY);
		SELECT ddbstreams.enable_stream('enabled', shard_count => $shards) IS NOT NULL;
		$query;
		ROLLBACK})))[-1];
}

# A stream has a relation for each shard, and four for the large values of all.
sub relations
{
	return behind_enabling($_[0], 'SELECT count(*) - 2 FROM pg_class WHERE xmin = pg_current_xact_id()::xid');
}
is(relations(4), 8, 'relations of a stream of 4 shards');
is(relations(64), 68, 'relations of a stream of 64 shards');

# Enabling a stream takes as many locks for 64 shards as for 4.
sub locks
{
	return behind_enabling($_[0], 'SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()');
}
is(locks(64), locks(4), 'as many locks for 64 shards as for 4');

# DROP EXTENSION takes five for each shard.
sub drop_locks
{
	return (split(/\n/, sql(q{BEGIN; DROP EXTENSION ddbstreams;
		SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid(); ROLLBACK}, 'dropping')))[-1];
}
sql('CREATE DATABASE dropping');
sql(q{CREATE EXTENSION ddbstreams; CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)}, 'dropping');
sql(q{SELECT ddbstreams.enable_stream('t', shard_count => 1)}, 'dropping');
my $one = drop_locks();
sql(q{SELECT ddbstreams.enable_stream('u', shard_count => 101)}, 'dropping');
cmp_ok(drop_locks() - $one, '<', 540, 'locks that DROP EXTENSION takes for 101 shards');
$node->stop;

# Beside a stream that is being enabled another one can be rolled over, although
# their tables are more than the lock table has room for.
$node = new_server('locks', q{
max_locks_per_transaction = 10
max_connections = 10
max_prepared_transactions = 0
max_worker_processes = 2
ddbstreams.max_workers = 0
});
sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE u (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 60)});
my $enabling = session($node);
$enabling->query_safe(q{BEGIN; SELECT ddbstreams.enable_stream('u', shard_count => 200)});
is(sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))}), '60', 'a roll-over beside it');
$enabling->query_safe('COMMIT');
is(sql(q{SELECT count(*) FROM shards('u')}), '200', 'a stream that was being enabled meanwhile');
$node->stop;

# Where there may be standbys, a transaction fails before its locks are too many for
# a standby.
$node = new_server('primary', q{
max_locks_per_transaction = 10
max_connections = 30
max_prepared_transactions = 0
max_worker_processes = 2
ddbstreams.max_workers = 0
}, streaming => 1);
sql("CREATE TABLE t$_ (id int PRIMARY KEY)") foreach 1 .. 20;
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $failed = 0;
my @open;
foreach my $i (1 .. 20)
{
	my $session = session($node);

	$session->query("BEGIN; SELECT ddbstreams.enable_stream('t$i', shard_count => 1024)");
	$failed++ if $session->{stderr} =~ /out of shared memory/;
	push(@open, $session);
	last if $failed;
}
cmp_ok($failed, '>', 0, 'streams that are too many for the lock table are not enabled');
$_->query('ROLLBACK') foreach @open;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby goes on');

done_testing();
