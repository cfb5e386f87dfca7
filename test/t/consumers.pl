# Consumer groups through restarts, crashes, prepared transactions, on a standby
# and after its promotion; polls that wait, are cancelled or terminated; nothing
# of it is seen by logical decoding.
#
# To see it fail: test/mutations/run checkpoint-by-sql checkpoint-locks-again
# lease-looked-up-again leases-decoded poll-in-recovery poll-leases-unlocked
# poll-locks-before-it-waits.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use StreamTest;

my $primary = new_server('primary', 'wal_level = logical', streaming => 1);
my $standby = PostgreSQL::Test::Cluster->new('standby');

$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

sub sql
{
	my ($query) = @_;
	return $primary->safe_psql('postgres', $query);
}

# The SQLSTATE of a statement that fails
sub fails
{
	my ($node, $query) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$query");
	return $err =~ /ERROR:\s+(\w+)/ ? $1 : "no error";
}

sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE FUNCTION process(worker text, max_wait interval DEFAULT '0', consumer text DEFAULT 'c') RETURNS text LANGUAGE sql AS $$
		WITH found AS MATERIALIZED (SELECT * FROM ddbstreams.poll(consumer, worker, max_wait => max_wait)),
			 done AS MATERIALIZED (SELECT ddbstreams.checkpoint(consumer, worker, shard_id, max(sequence_number)) FROM found GROUP BY shard_id)
		SELECT (SELECT coalesce(string_agg(keys->'id'->>'N', ' ' ORDER BY (keys->'id'->>'N')::int), 'nothing') FROM found)
			   || CASE WHEN count(*) < 0 THEN '' ELSE '' END FROM done $$;
	SELECT pg_create_logical_replication_slot('slot', 'test_decoding');
	SELECT ddbstreams.enable_stream('t', shard_count => 2);
	SELECT ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'), lease_duration => '1 hour');
	INSERT INTO t SELECT generate_series(1, 6)});

# --- restarts ------------------------------------------------------------------

is(sql(q{SELECT process('w')}), '1 2 3 4 5 6', 'a poll');
sql(q{INSERT INTO t VALUES (7), (8)});
is(sql(q{SELECT count(*) FROM ddbstreams.poll('c', 'w')}), '2', 'a poll without checkpoint');
$primary->restart;
is(sql(q{SELECT process('w')}), '7 8', 'after a restart: from the checkpoint on');
sql(q{INSERT INTO t VALUES (9)});
kill_server($primary);
$primary->start;
is(sql(q{SELECT process('w')}), '9', 'after a crash: from the checkpoint on');
is(sql(q{SELECT process('w')}), 'nothing', '... and no farther');

# --- prepared transactions --------------------------------------------------------

sql(q{
	SELECT ddbstreams.create_consumer('brief', ddbstreams.latest_stream_arn('t'), 'LATEST', '1 s');
	SELECT process('w', consumer => 'brief');
	INSERT INTO t VALUES (10), (11);
	BEGIN;
	SELECT process('w');
	SELECT process('w', consumer => 'brief');
	PREPARE TRANSACTION 'polled'});
is(sql(q{SELECT process('w')}), 'nothing', 'a prepared transaction that has polled keeps its leases');
ok($primary->poll_query_until('postgres', q{SELECT bool_and(state = 'expired') FROM ddbstreams.consumer_stats WHERE consumer_name = 'brief'}),
	'its leases expire');
is(sql(q{SELECT process('other', consumer => 'brief')}), 'nothing', '... and are kept');
$primary->restart;
is(sql(q{SELECT process('w')}), 'nothing', '... through a restart');
sql(q{COMMIT PREPARED 'polled'});
is(sql(q{INSERT INTO t VALUES (-1); SELECT process('other', consumer => 'brief')}), '-1', 'after its end they go to another');
sql(q{SELECT ddbstreams.drop_consumer('brief')});
is(sql(q{SELECT process('w')}), '-1', 'its checkpoint counts when it is committed');
sql(q{
	INSERT INTO t VALUES (12);
	BEGIN;
	SELECT process('w');
	PREPARE TRANSACTION 'polled'});
sql(q{ROLLBACK PREPARED 'polled'});
is(sql(q{SELECT process('w')}), '12', '... and not when it is rolled back');

# --- waiting ----------------------------------------------------------------------

my $waiter = session($primary);
my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT process' AND wait_event_type = 'Extension'};

send_query($waiter, q{SELECT process('w', '50 s')});
ok($primary->poll_query_until('postgres', $waits, '1'), 'a poll waits');
my $names_waits = sql(q{SHOW server_version_num}) >= 170000;
is(sql(q{SELECT wait_event FROM pg_stat_activity WHERE query ~ '^SELECT process' AND wait_event_type = 'Extension'}),
	$names_waits ? 'DdbstreamsPoll' : 'Extension', '... for an event of that name, from 17 on');
ok($primary->poll_query_until('postgres', qq{SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'ddbstreams launcher'},
	$names_waits ? 'DdbstreamsWorkerMain' : 'Extension'), '... as workers do');
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted}), '0', '... and nobody for it');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT process' AND backend_xid IS NOT NULL}), '0',
	'... without a transaction id');
my $start = time;
sql(q{INSERT INTO t VALUES (13)});
is(finish_query($waiter), '13', 'a commit wakes it');
cmp_ok(time - $start, '<', 10, '... at once');
is(sql(q{SELECT process('w', '200 ms')}), 'nothing', 'the time is over');
is(fails($primary, q{SET statement_timeout = '300ms'; SELECT process('w', '50 s')}), '57014', 'a poll that waits is cancelled');
is(sql(q{INSERT INTO t VALUES (14); SELECT process('w')}), '14', '... and has locked nothing');

send_query($waiter, q{SELECT process('w', '50 s')});
ok($primary->poll_query_until('postgres', $waits, '1'), 'a poll waits');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT process' AND wait_event_type = 'Extension'});
ok($primary->poll_query_until('postgres', $waits, '0'), 'a poll that waits is terminated');
is(sql(q{INSERT INTO t VALUES (15); SELECT process('w')}), '15', '... and has locked nothing');

# --- logical decoding -----------------------------------------------------------------

is(sql(q{SELECT count(*) FROM pg_logical_slot_get_changes('slot', NULL, NULL) WHERE data ~ '^table (?!public.t)'}), '0',
	'logical decoding sees nothing of consumers');
sql(q{SELECT pg_drop_replication_slot('slot')});

# --- what it takes --------------------------------------------------------------------

# A poll of records of four shards, and a checkpoint of each of them, take no SQL
# on leases, and log nothing of leases but two changes of each, and the lock that
# comes before the first of them.
sql(q{
	CREATE EXTENSION pg_walinspect;
	CREATE TABLE many (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('many', shard_count => 4);
	SELECT ddbstreams.create_consumer('m', ddbstreams.latest_stream_arn('many'), lease_duration => '1 hour');
	INSERT INTO many SELECT generate_series(1, 100);
	SELECT process('w', consumer => 'm');
	INSERT INTO many SELECT generate_series(101, 200);
	VACUUM ddbstreams_shards.consumer_lease;
	CHECKPOINT});
{
	my $since = sql('SELECT pg_current_wal_insert_lsn()');
	my ($status, $out, $err) = $primary->psql('postgres', q{
		LOAD 'auto_explain';
		SET auto_explain.log_min_duration = 0;
		SET auto_explain.log_nested_statements = on;
		SET client_min_messages = log;
		SELECT process('w', consumer => 'm')});
	my @statements = $err =~ /Query Text: (.*)/g;

	is($out, join(' ', 101 .. 200), 'records of four shards');
	is(scalar(grep { /FROM ddbstreams\.poll/ } split(/^/, $err)) > 0, 1, '... by statements that are seen');
	is(join("\n", grep { /ddbstreams_shards/ } @statements), '', '... without SQL on leases');
	is(sql(qq{
		SELECT string_agg(format('%s %s', record_type, count), ', ' ORDER BY record_type)
		FROM (SELECT record_type, count(*)
			  FROM pg_get_wal_records_info('$since', pg_current_wal_flush_lsn())
			  WHERE block_ref LIKE '%/' || pg_relation_filenode('ddbstreams_shards.consumer_lease') || ' %'
			  AND resource_manager = 'Heap'
			  GROUP BY 1) r}), 'HOT_UPDATE 8, LOCK 4', '... four locks and eight changes');
}
# The leases are read once, and looked up once by the poll and once by each
# checkpoint, which lock them.
like(sql(q{
		INSERT INTO many SELECT generate_series(201, 300);
		BEGIN;
		SELECT process('w', consumer => 'm');
		SELECT pg_stat_get_xact_numscans('ddbstreams_shards.consumer_lease_pkey'::regclass);
		COMMIT}),
	qr/^201 202 .* 300\n9$/, '... nine look-ups');

# --- a standby ----------------------------------------------------------------------

sql(q{INSERT INTO t VALUES (16), (17)});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(fails($standby, q{SELECT ddbstreams.poll('c', 'w')}), '25006', 'no poll on a standby');
{
	my ($status, $out, $err) = $standby->psql('postgres', q{SELECT ddbstreams.poll('c', 'w')});
	like($err, qr/cannot execute poll\(\) in a read-only transaction/, '... which says so');
}
is(fails($standby, q{SELECT ddbstreams.checkpoint('c', 'w', 'x', 'y')}), '25006', 'no checkpoint');
is(fails($standby, q{SELECT ddbstreams.create_consumer('d', ddbstreams.latest_stream_arn('t'))}), '25006', 'no create_consumer');
is(fails($standby, q{SELECT ddbstreams.drop_consumer('c')}), '25006', 'no drop_consumer');
my $leases = q{SELECT count(*), min(lease_owner), count(DISTINCT checkpoint) FROM ddbstreams.leases('c')};
is($standby->safe_psql('postgres', $leases), sql($leases), 'leases can be read there');
is($standby->safe_psql('postgres', q{SELECT sum(lag_records) FROM ddbstreams.consumer_stats}), '2', '... and consumer_stats');
$primary->stop('immediate');
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT process('w')}), '16 17', 'after the promotion the group goes on');
is($standby->safe_psql('postgres', q{INSERT INTO t VALUES (18); SELECT process('w')}), '18', '... with what is written there');
$standby->stop;

done_testing();
