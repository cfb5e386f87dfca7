# What ends a worker, and what that costs: a shutdown, DDL, an administrator, a
# crash, the handler itself.
#
# To see it fail: test/mutations/run call-without-verdict-is-guilty
# calls-of-other-history deaf-handler-not-ended first-call-written
# killed-server-is-guilty note-forgets-filtered note-unknown-to-lanes
# read-only-costs-attempts right-hides-crash role-takes-all-workers
# shutdown-is-failure terminated-call-is-guilty.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use StreamTest qw(:DEFAULT sql comes_to wait_for_end);

my $node = new_server('ending', q{
ddbstreams.max_workers = 4
ddbstreams.maintenance_interval = 200ms
max_worker_processes = 24
wal_level = replica
restart_after_crash = on
});

# A table with a stream of one shard, and a mapping with a handler with this
# body, which may write to NAME_seen.
sub make
{
	my ($name, $body, $parameters, $role) = @_;

	sql(qq{
		CREATE TABLE $name (id int PRIMARY KEY);
		CREATE TABLE ${name}_seen (id int);
		GRANT SELECT ON $name TO PUBLIC;
		GRANT ALL ON ${name}_seen TO PUBLIC;
		CREATE FUNCTION ${name}_handler(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$ $body \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => 1)});
	$parameters = $parameters ? ", $parameters" : '';
	$role //= 'postgres';
	return sql(qq{SET ROLE $role; SELECT ddbstreams.create_event_source_mapping('${name}_handler',
		ddbstreams.latest_stream_arn('$name'), 'TRIM_HORIZON' $parameters)});
}

sub stats
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'};
}

# A statement for handlers: writes down which rows the batch has.
sub note_ids
{
	my ($name) = @_;
	return qq{INSERT INTO ${name}_seen SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int
		FROM jsonb_array_elements(event->'Records') r;};
}

# What the log says of worker processes that ended, since a position in it.  (A
# client's backend may still be there when its client has gone.)
sub ends_in_log
{
	my ($from) = @_;
	my $log = substr(slurp_file($node->logfile), $from);

	return join("\n", grep { /FATAL|background worker "ddbstreams/ && !/ ending\.pl FATAL/ } split(/\n/, $log));
}

# A call with row N waits until there is a role go_N, so that a test can keep it
# running without a session in its database.
my $uuid = make('waits', qq{
	DECLARE
		role text := 'go_' || (event->'Records'->0->'dynamodb'->'Keys'->'id'->>'N');
	BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		} . note_ids('waits') . q{
		RETURN NULL;
	END}, 'batch_size => 1, maximum_retry_attempts => 0');

# Waits until another call than the last one runs.
my $last_call = '';

sub call_runs
{
	my ($name) = @_;
	my $call = qq{SELECT pid || ' ' || xact_start FROM ddbstreams.mapping_stats m JOIN pg_stat_activity ON pid = worker_pid
		WHERE mapping = '$uuid' AND m.state = 'delivering'};

	comes_to("SELECT ($call) <> '$last_call'", 't', $name);
	$last_call = sql($call);
	return;
}

sub start_call
{
	my ($id) = @_;

	sql("INSERT INTO waits VALUES ($id)");
	call_runs('a call runs');
	return;
}

# Makes a copy of the database, which ends its workers.  On a busy machine they
# may be there for longer than the command waits for them.
sub copy_database
{
	my $until = time() + patience();

	sql('DROP DATABASE IF EXISTS copy', 'template1');
	while ($node->psql('template1', 'CREATE DATABASE copy TEMPLATE postgres') != 0 && time() < $until) { }
	return;
}

# Has the server read its settings: whatever is started from now on has this one.
sub reload
{
	my ($setting, $value) = @_;

	sql('SELECT pg_reload_conf()');
	comes_to("SHOW $setting", $value, "$setting is $value");
	return;
}

sub let_call_end
{
	my ($id, $name) = @_;

	sql("CREATE ROLE go_$id");
	comes_to("SELECT count(*) FROM waits_seen WHERE id = $id", '1', $name);
	is(sql(stats($uuid, 'batches_failed')), '0', '... and no batch was given up');
	return;
}

# --- a shutdown ---------------------------------------------------------------

start_call(1);
my $from = -s $node->logfile;
$node->stop('fast');
is(ends_in_log($from), '', 'a shutdown ends workers quietly, one in a call too');
$node->start;
call_runs('the call runs again');
is(sql(stats($uuid, 'attempts')), '1', '... for the first time, as far as attempts go');
let_call_end(1, '... with success');
comes_to(q{SELECT string_agg(DISTINCT worker_type, ' ' ORDER BY worker_type) FROM ddbstreams.workers WHERE pid IS NOT NULL
	AND worker_type <> 'maintenance'},
	'dispatcher handler launcher', 'idle workers');
$from = -s $node->logfile;
$node->stop('smart');
is(ends_in_log($from), '', '... end quietly, too');
$node->start;

# --- ends that are not the handler's doing ------------------------------------------

# Each of these comes four times: once more than a batch may end its process.

start_call(2);
foreach my $time (1 .. 4)
{
	copy_database();
	call_runs("after DDL that ends workers, time $time, it runs again");
	is(sql(stats($uuid, 'attempts')), '1', '... which has cost no attempt');
}
let_call_end(2, '... with success');

start_call(3);
foreach my $time (1 .. 4)
{
	sql(stats($uuid, 'pg_terminate_backend(worker_pid)'));
	call_runs("terminated by another session, time $time, it runs again");
	is(sql(stats($uuid, 'attempts, last_error')), "1|the handler's process was terminated during the call",
		'... which has cost no attempt');
}
let_call_end(3, '... with success');

start_call(4);
foreach my $time (1 .. 4)
{
	my $session = session($node);

	kill('KILL', $session->query_safe('SELECT pg_backend_pid()'));
	call_runs("after a crash of another process, time $time, it runs again");
	is(sql(stats($uuid, 'attempts')), '1', '... which has cost no attempt');
}
let_call_end(4, '... with success');

start_call(5);
foreach my $time (1 .. 4)
{
	kill_server($node);
	$node->start;
	call_runs("after the death of the whole server, time $time, it runs again");
	is(sql(stats($uuid, 'attempts')), '1', '... which has cost no attempt');
}
let_call_end(5, '... with success');

# A batch that is redriven
my $failed = make('fails', q{BEGIN
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_redrive') THEN
			RAISE EXCEPTION 'no';
		END IF;
		WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_redriven') LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		} . note_ids('fails') . q{
		RETURN NULL;
	END}, 'maximum_retry_attempts => 0');
sql('INSERT INTO fails VALUES (1)');
comes_to(stats($failed, 'batches_failed'), '1', 'a batch is given up');
sql('CREATE ROLE go_redrive');
is(sql('SELECT ddbstreams.redrive()'), '1', '... and redriven');
comes_to(q{SELECT count(*) FROM ddbstreams_shards.failed_batch WHERE in_call}, '1', '... its call runs');
copy_database();
sql('CREATE ROLE go_redriven');
comes_to('SELECT count(*) FROM fails_seen', '1', 'after DDL that ends workers it is called again');
comes_to('SELECT count(*) FROM ddbstreams.failed_batches WHERE redriven_at IS NOT NULL', '1', '... with success');

# --- the first call of a batch ----------------------------------------------------------

# It has no commit of its own.
my $counted = make('counted', 'BEGIN ' . note_ids('counted') . ' RETURN NULL; END', 'batch_size => 10');
sql('INSERT INTO counted SELECT generate_series(1, 100)');
comes_to('SELECT count(*) FROM counted_seen', '100', 'ten batches are delivered');
is(sql(qq{SELECT batches_delivered || ' ' || call_no FROM ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$counted')}),
	'10 10', '... and the position was written once for each');

# If it crashes the server, the batch is delivered again as it was, in the same
# window, without the record that has come meanwhile.
my $noted = make('noted', q{BEGIN
		RAISE LOG 'a call in % with %', event->'window'->>'start',
			(SELECT string_agg(r->'dynamodb'->'Keys'->'id'->>'N', ' ') FROM jsonb_array_elements(event->'Records') r);
		WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_noted') LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		} . note_ids('noted') . q{
		RETURN '{"state": {}}';
	END}, q{tumbling_window => '15 minutes', filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"INSERT\"]}"}]}'});
sql('BEGIN; INSERT INTO noted VALUES (1); DELETE FROM noted; INSERT INTO noted VALUES (2); COMMIT');
comes_to(stats($noted, 'state, attempts'), 'delivering|1', 'the first call of a batch runs');
sql('INSERT INTO noted VALUES (3)');
kill('KILL', sql(stats($noted, 'worker_pid')));
comes_to(stats($noted, 'state, attempts'), 'delivering|2', '... and again when it has crashed the server');
# A worker is delivering a moment before its handler writes to the log.
$node->wait_for_log(qr/LOG:  a call in .*LOG:  a call in .*\n/s);
my @calls = slurp_file($node->logfile) =~ /LOG:  (a call in .*)/g;
like($calls[0], qr/ with 1 2$/, '... with all records of its transaction');
is($calls[1], $calls[0], '... which are the same the second time');
is(sql(qq{SELECT crashes, records_filtered FROM ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$noted')}),
	'1|1', '... and the crash and the record between them were counted');
sql('CREATE ROLE go_noted');
comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM noted_seen}, '1 2 3', '... until it succeeds');

# The shard is to be divided into lanes before anybody has counted the crash.
my $divided = make('divided', q{BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_divided') LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		} . note_ids('divided') . q{
		RETURN NULL;
	END});
sql('INSERT INTO divided VALUES (1)');
comes_to(stats($divided, 'state, attempts'), 'delivering|1', 'the first call of another batch runs');
my $victim = sql(stats($divided, 'worker_pid'));
sql("SELECT ddbstreams.update_event_source_mapping('$divided', enabled => false)");
kill('KILL', $victim);
comes_to("SELECT count(*) FROM pg_stat_activity WHERE pid = $victim", '0', '... and crashes the server, when the mapping is disabled');
sql("SELECT ddbstreams.update_event_source_mapping('$divided', enabled => true, parallelization_factor => 2)");
comes_to(stats($divided, 'max(state), sum(attempts)'), 'delivering|2', '... which is enabled, with two lanes: it runs again');
is(sql(qq{SELECT sum(crashes) FROM ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$divided')}),
	'1', '... and the crash was counted');
sql('CREATE ROLE go_divided');
comes_to(stats($divided, 'count(*), sum(records_delivered)'), '2|1', '... and the shard is divided when it has ended');

# The right is gone before anybody has counted the crash.
sql('CREATE ROLE rightless LOGIN');
my $revoked = make('revoked', q{BEGIN
		WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'go_revoked') LOOP
			PERFORM pg_sleep(0.02);
		END LOOP;
		} . note_ids('revoked') . q{
		RETURN NULL;
	END}, '', 'rightless');
my $revoked_crashes = qq{SELECT crashes FROM ddbstreams_shards.mapping_shard
	WHERE mapping_no = (SELECT mapping_no FROM ddbstreams_shards.mapping WHERE uuid = '$revoked')};
sql('INSERT INTO revoked VALUES (1)');
comes_to(stats($revoked, 'state, attempts'), 'delivering|1', 'a first call runs');
foreach my $crashes (1 .. 2)
{
	$victim = sql(stats($revoked, 'worker_pid'));
	sql('REVOKE SELECT ON revoked FROM PUBLIC');
	kill('KILL', $victim);
	comes_to(stats($revoked, 'last_error'), 'permission denied for table revoked',
		"... and crashes the server, time $crashes, when its role may not read the table any more");
	sql('GRANT SELECT ON revoked TO PUBLIC');
	comes_to(stats($revoked, 'state, attempts'), 'delivering|' . ($crashes + 1), '... and runs again when it may');
	is(sql($revoked_crashes), $crashes, '... and the crash was counted');
}
sql('CREATE ROLE go_revoked');
comes_to('SELECT count(*) FROM revoked_seen', '1', '... and the batch is delivered');

# A server that becomes a standby, or is restored from a backup, has another
# history than the calls that are noted beside its data.
sql('ALTER SYSTEM SET restart_after_crash = off');
reload('restart_after_crash', 'off');
start_call(6);
kill('KILL', sql(stats($uuid, 'worker_pid')));
wait_for_end($node);
append_to_file($node->data_dir . '/standby.signal', '');
$node->start;
$node->promote;
call_runs('a call that has crashed the server, which has become a standby and been promoted, runs again');
is(sql(stats($uuid, 'attempts')), '1', '... which has cost no attempt');
let_call_end(6, '... with success');
sql('ALTER SYSTEM RESET restart_after_crash');
reload('restart_after_crash', 'on');

# --- read-only ------------------------------------------------------------------------

my $writer = make('writes', 'BEGIN ' . note_ids('writes') . ' RETURN NULL; END', 'batch_size => 1, maximum_retry_attempts => 0');

sub read_only
{
	my ($id, $what, $name) = @_;
	my $handlers = q{SELECT pg_terminate_backend(pid) FROM ddbstreams.workers WHERE worker_type = 'handler'};

	sql("$what SET default_transaction_read_only = on");
	reload('default_transaction_read_only', 'on');
	sql($handlers);
	sql("SET default_transaction_read_only = off; INSERT INTO writes VALUES ($id)");
	comes_to(stats($writer, 'state, attempts, last_error'), 'retrying|0|cannot execute INSERT in a read-only transaction',
		"while $name is read-only, attempts are not counted");
	sql("SET default_transaction_read_only = off; $what RESET default_transaction_read_only");
	reload('default_transaction_read_only', 'off');
	sql($handlers);
	comes_to("SELECT count(*) FROM writes_seen WHERE id = $id", '1', '... and afterwards the batch is delivered');
	is(sql(stats($writer, 'batches_failed')), '0', '... and none was given up');
	return;
}

read_only(1, 'ALTER SYSTEM', 'the server');
read_only(2, 'ALTER DATABASE postgres', 'the database');
read_only(3, 'ALTER ROLE postgres', 'the role');

# PostgreSQL 17 has a setting that would end handlers.
if ($node->pg_version >= 17)
{
	sql(q{ALTER SYSTEM SET transaction_timeout = '1s'});
	reload('transaction_timeout', '1s');
	my $slow = make('slow', 'BEGIN PERFORM pg_sleep(3); ' . note_ids('slow') . ' RETURN NULL; END', 'maximum_retry_attempts => 0');
	sql('INSERT INTO slow VALUES (1)');
	comes_to('SELECT count(*) FROM slow_seen', '1', 'transaction_timeout does not end handlers');
	is(sql(stats($slow, 'batches_failed')), '0', '... and no batch was given up');
	sql('ALTER SYSTEM RESET transaction_timeout');
	reload('transaction_timeout', '0');
}

# --- handlers that do not end ------------------------------------------------------

# They catch their cancellation, and belong to one role, which they would take all
# workers for.
sql(q{CREATE ROLE greedy LOGIN; ALTER SYSTEM SET ddbstreams.handler_timeout = 0});
reload('ddbstreams.handler_timeout', '0');
my @greedy = map {
	make("greedy$_", q{BEGIN
			LOOP
				BEGIN
					PERFORM pg_sleep(1000);
				EXCEPTION WHEN query_canceled THEN
					NULL;
				END;
			END LOOP;
		END}, '', 'greedy')
} 1 .. 5;
sql("INSERT INTO greedy$_ VALUES (1)") foreach 1 .. 5;
comes_to(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'handler' AND state = 'delivering'}, '4',
	'handlers of one role take all workers');
foreach my $id (10 .. 12)
{
	sql("INSERT INTO writes VALUES ($id)");
	comes_to("SELECT count(*) FROM writes_seen WHERE id = $id", '1', '... but those of another role do not wait for them');
}
sql(q{ALTER SYSTEM SET ddbstreams.handler_timeout = '300ms'});
reload('ddbstreams.handler_timeout', '300ms');
sql(q{SELECT pg_terminate_backend(pid) FROM ddbstreams.workers WHERE worker_type = 'handler'});

# Where the time is over before the function has begun to catch anything, the
# call is cancelled and ends; so each of them is looked at by itself.
foreach my $greedy (@greedy)
{
	comes_to(stats($greedy, 'attempts > 0, last_error'),
		't|the handler did not end when it was cancelled after ddbstreams.handler_timeout, 300 ms, and its process was ended',
		'a handler that does not end when it is cancelled is ended, which is a failed attempt');
	sql("SET ROLE greedy; SELECT ddbstreams.update_event_source_mapping('$greedy', maximum_retry_attempts => 0)");
	comes_to(stats($greedy, 'batches_failed'), '1', '... and its batch is given up in the end');
}

$node->stop;
done_testing();
