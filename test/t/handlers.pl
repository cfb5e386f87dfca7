# Event source mappings: the workers that run handlers.  Roles and their
# settings, what a handler leaves behind, time limits, handlers that end their
# process or crash the server, fair shares, kill -9.
#
# To see it fail: test/mutations/run call-not-marked call-not-noted
# failed-batches-stay handler-as-superuser handler-without-timeout
# mapping-takes-all-workers max-workers-none-runs-one position-not-forced
# session-not-cleaned verdict-forgotten-first workers-end-on-error.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('handlers', q{
ddbstreams.max_workers = 3
max_worker_processes = 16
restart_after_crash = on
wal_writer_delay = 10s
});

# A table with a stream, and a mapping with a handler with this body, made by a
# role.
sub make
{
	my ($name, $role, $body, $parameters) = @_;

	sql(qq{
		CREATE TABLE $name (id int PRIMARY KEY, v int DEFAULT 1);
		CREATE TABLE ${name}_seen (n serial, what text, id int);
		GRANT SELECT ON $name TO PUBLIC;
		GRANT ALL ON ${name}_seen, ${name}_seen_n_seq TO PUBLIC;
		CREATE FUNCTION ${name}_handler(event jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$\$ $body \$\$;
		SELECT ddbstreams.enable_stream('$name', shard_count => 1)});
	$parameters = ", $parameters" if $parameters;
	return sql(qq{SET ROLE $role; SELECT ddbstreams.create_event_source_mapping('${name}_handler',
		ddbstreams.latest_stream_arn('$name'), 'TRIM_HORIZON' } . ($parameters // '') . ')');
}

my $note_ids = q{(id) SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int FROM jsonb_array_elements(event->'Records') r};

sub stats
{
	my ($uuid, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'};
}

my $uuid;

# --- roles ---------------------------------------------------------------------

sql(q{
	CREATE ROLE alice LOGIN;
	CREATE SCHEMA hers AUTHORIZATION alice;
	CREATE TABLE hers.place (what text);
	GRANT ALL ON hers.place TO alice;
	ALTER ROLE alice SET search_path = hers, public;
	ALTER ROLE alice IN DATABASE postgres SET work_mem = '77MB';
	CREATE ROLE bob LOGIN;
	ALTER ROLE bob SET default_transaction_read_only = on;
	ALTER ROLE bob SET default_transaction_isolation = 'serializable';
	ALTER ROLE bob SET exit_on_error = on;
	CREATE ROLE carol LOGIN});
make('as_alice', 'alice', q{
	BEGIN
		INSERT INTO place VALUES (concat_ws(' ', session_user, current_user, current_setting('work_mem')));
		RESET SESSION AUTHORIZATION;
		RESET ROLE;
		INSERT INTO place VALUES (concat_ws(' ', session_user, current_user));
		BEGIN
			CREATE ROLE mallory;
		EXCEPTION WHEN insufficient_privilege THEN
			INSERT INTO place VALUES (sqlerrm);
		END;
		RETURN NULL;
	END});
sql(q{INSERT INTO as_alice VALUES (1)});
comes_to(q{SELECT string_agg(what, ', ') FROM hers.place}, 'alice alice 77MB, alice alice, permission denied to create role',
	'a handler runs as the role that made the mapping, with its settings, and leads nowhere else');
$uuid = make('as_bob', 'bob', q{
	BEGIN
		PERFORM set_config('transaction_read_only', 'off', true);
		RAISE EXCEPTION '% %', current_setting('transaction_isolation'), current_setting('default_transaction_read_only');
	END});
sql(q{INSERT INTO as_bob VALUES (1)});
comes_to(stats($uuid, 'last_error'), 'transaction read-write mode must be set before any query',
	'a role that is read-only stays so');
sql(q{CREATE OR REPLACE FUNCTION as_bob_handler(event jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'});
comes_to(stats($uuid, 'state, records_delivered'), 'ready|1', '... and can have a handler that only reads');

# Rights are checked again at each batch
$uuid = make('rights', 'carol', qq{BEGIN INSERT INTO rights_seen $note_ids; RETURN NULL; END});
sql(q{INSERT INTO rights VALUES (1)});
comes_to(q{SELECT count(*) FROM rights_seen}, '1', 'a role that may read the table');
sql(q{REVOKE SELECT ON rights FROM PUBLIC; INSERT INTO rights VALUES (2)});
comes_to(stats($uuid, 'state, attempts, last_error'), 'retrying|0|permission denied for table rights', 'and may no more');
is(sql(q{SELECT count(*) FROM rights_seen}), '1', '... gets nothing');
sql(q{GRANT SELECT ON rights TO carol; REVOKE EXECUTE ON FUNCTION rights_handler FROM PUBLIC});
comes_to(stats($uuid, 'state, last_error'), 'retrying|permission denied for function public.rights_handler', 'the function too');
sql(q{GRANT EXECUTE ON FUNCTION rights_handler TO carol});
comes_to(q{SELECT count(*) FROM rights_seen}, '2', 'granted again');
is(sql(qq{SET ROLE carol; SELECT count(*) FROM ddbstreams.mapping_stats WHERE mapping = '$uuid'}), '1', 'who made it sees it');
is(sql(q{SET ROLE carol; SELECT count(*) FROM ddbstreams.mapping_stats}), '1', '... and no other');
is(sql(q{CREATE ROLE watcher IN ROLE pg_monitor; SET ROLE watcher; SELECT count(*) > 2 FROM ddbstreams.mapping_stats}), 't',
	'pg_monitor sees all');

# ... and before anything is read: what becomes too old is not given up to a
# role that may not read it, nor shown to it.
sql(q{CREATE ROLE dora LOGIN; GRANT CREATE ON SCHEMA public TO dora;
	CREATE TABLE told (failure jsonb); GRANT INSERT ON told TO dora;
	CREATE FUNCTION tell_dora(failure jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO told VALUES (failure)'});
my $aged = make('aged', 'dora', 'BEGIN RETURN NULL; END', q{maximum_record_age => '60 s', on_failure => 'tell_dora'});
sql(q{REVOKE SELECT ON aged FROM PUBLIC; INSERT INTO aged VALUES (1)});
comes_to(stats($aged, 'last_error'), 'permission denied for table aged', 'the right is gone');
$node->append_conf('postgresql.conf', 'ddbstreams.clock_offset = 120');
$node->reload;
my $since = sql('SELECT clock_timestamp()');
comes_to(stats($aged, "last_error, last_error_at > '$since'"), 'permission denied for table aged|t', 'its records become too old');
$since = sql('SELECT clock_timestamp()');
comes_to(stats($aged, "last_error_at > '$since'"), 't', '... and nothing is done with them');
is(sql(q{SELECT (SELECT count(*) FROM told), (SELECT count(*) FROM ddbstreams_shards.failed_batch
	WHERE stream_arn = ddbstreams.latest_stream_arn('aged'))}), '0|0', 'they go to no on_failure and to no failed batch');
sql(q{GRANT SELECT ON aged TO dora});
comes_to(q{SELECT count(*) FROM told}, '1', 'granted again they are given up');
my $aged_arn = sql(q{SELECT ddbstreams.latest_stream_arn('aged')});
my $seen = qq{SET ROLE dora; SELECT count(*) FROM ddbstreams.failed_batches WHERE stream_arn = '$aged_arn'};
comes_to($seen, '1', 'the role sees the failed batch');
sql(q{REVOKE SELECT ON aged FROM dora});
is(sql($seen), '0', '... not without SELECT');
is(sql(q{SELECT count(*) FROM ddbstreams.failed_batches WHERE stream_arn = ddbstreams.latest_stream_arn('aged')}), '1', '... the owner does');
sql(q{GRANT SELECT ON aged TO dora; ALTER TABLE aged ENABLE ROW LEVEL SECURITY});
is(sql($seen), '0', '... nor under row-level security');
sql(q{ALTER TABLE aged DISABLE ROW LEVEL SECURITY});
is(sql($seen), '1', '... again without it');
sql(q{DROP TABLE aged});
is(sql(qq{SET ROLE dora; SELECT count(*) FROM ddbstreams.failed_batches WHERE stream_arn = '$aged_arn'}), '0',
	'... nor when the table is gone, which was another role\'s');
is(sql(qq{SELECT count(*) FROM ddbstreams.failed_batches WHERE stream_arn = '$aged_arn'}), '1', '... its owner does');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$aged')});
is(sql(qq{SELECT count(*) FROM ddbstreams_shards.failed_batch WHERE stream_arn = '$aged_arn'}), '0', 'failed batches go with their mapping');
$node->append_conf('postgresql.conf', 'ddbstreams.clock_offset = 0');
$node->reload;

# ... and after ddbstreams.failed_batch_retention
my $refused = make('kept', 'carol', q{BEGIN RAISE 'no'; END}, 'maximum_retry_attempts => 0');
sql(q{INSERT INTO kept VALUES (1)});
my $kept = qq{SELECT count(*) FROM ddbstreams_shards.failed_batch WHERE mapping = '$refused'};
comes_to($kept, '1', 'a batch has failed');
my $redrives = session($node);
$redrives->query_safe('BEGIN');
$redrives->query_safe("SELECT ddbstreams.redrive('$refused')");
sql(q{INSERT INTO kept VALUES (2)});
comes_to($kept, '2', '... and another');
$node->append_conf('postgresql.conf', 'ddbstreams.failed_batch_retention = 1s');
$node->reload;
comes_to($kept, '1', '... which goes after its retention, while the first one is locked');
$redrives->query_safe('ROLLBACK');
$redrives->quit;
comes_to($kept, '0', '... and so does the first one');
$node->append_conf('postgresql.conf', 'ddbstreams.failed_batch_retention = 14d');
$node->reload;
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$refused')});

# A role that may not connect
sql(q{REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
	SELECT pg_terminate_backend(pid) FROM ddbstreams.workers WHERE worker_type = 'handler';
	INSERT INTO rights VALUES (3)});
comes_to(stats($uuid, 'last_error'), 'role "carol" has no CONNECT privilege for the database', 'a role that may not connect');
comes_to(qq{SELECT last_processing_result FROM ddbstreams.list_event_source_mappings() WHERE uuid = '$uuid'},
	'PROBLEM: role "carol" has no CONNECT privilege for the database', '... is a PROBLEM');
make('meanwhile', 'postgres', qq{BEGIN INSERT INTO meanwhile_seen $note_ids; RETURN NULL; END});
sql(q{INSERT INTO meanwhile VALUES (1)});
comes_to(q{SELECT count(*) FROM meanwhile_seen}, '1', 'others go on');
sql(q{GRANT CONNECT ON DATABASE postgres TO PUBLIC});
comes_to(q{SELECT count(*) FROM rights_seen}, '3', 'once it may, it goes on');

# --- what a handler leaves ------------------------------------------------------------

$uuid = make('leaky', 'alice', q{
	BEGIN
		INSERT INTO leaky_seen (what) SELECT concat_ws(' ', current_setting('work_mem'), nullif(current_setting('my.own', true), ''),
			to_regclass('pg_temp.scratch'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
			(SELECT count(*) FROM pg_prepared_statements),
			(SELECT count(*) FROM pg_cursors WHERE is_holdable), current_user, current_setting('search_path'));
		SET work_mem = '99MB';
		SET my.own = 'x';
		SET search_path = nowhere, public;
		CREATE TEMP TABLE scratch (i int);
		PERFORM pg_advisory_lock(99);
		PREPARE leak AS SELECT 1;
		EXECUTE 'DECLARE leak CURSOR WITH HOLD FOR SELECT 1';
		SET ROLE alice;
		RETURN NULL;
	END}, q{batch_size => 1});
sql(q{INSERT INTO leaky SELECT generate_series(1, 5)});
comes_to(q{SELECT count(*), count(DISTINCT what), min(what) FROM leaky_seen},
	'5|1|77MB 0 0 0 alice hers, public', 'nothing of what a handler leaves is there for the next batch');
comes_to(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}, '0', 'locks neither');

# --- time limits --------------------------------------------------------------------------

sql(q{ALTER SYSTEM SET ddbstreams.handler_timeout = '500ms'; SELECT pg_reload_conf()});
$uuid = make('endless', 'postgres', q{
	BEGIN
		INSERT INTO endless_seen (id) VALUES (1);
		LOOP
			BEGIN
				PERFORM pg_sleep(100);
			EXCEPTION WHEN query_canceled THEN
				IF (SELECT count(*) FROM endless_seen) > 1 THEN RAISE; END IF;
				INSERT INTO endless_seen (id) VALUES (2);
			END;
		END LOOP;
	END}, q{maximum_retry_attempts => 1});
sql(q{INSERT INTO endless VALUES (1)});
comes_to(stats($uuid, 'batches_failed, last_error'), '1|the handler was cancelled after ddbstreams.handler_timeout, 500 ms',
	'a call is cancelled at the time limit, and again if it catches that');
is(sql(q{SELECT count(*) FROM endless_seen}), '0', 'its effects are undone');
sql(q{ALTER SYSTEM RESET ddbstreams.handler_timeout; SELECT pg_reload_conf()});

# --- ends of processes --------------------------------------------------------------------------

sql(q{CREATE SEQUENCE tries});
$uuid = make('ending', 'postgres', qq{
	BEGIN
		IF event \@? '\$.Records[*].dynamodb.Keys.id.N ? (\@ == "3")' THEN
			PERFORM nextval('tries');
			PERFORM pg_terminate_backend(pg_backend_pid());
			PERFORM pg_sleep(10);
		END IF;
		INSERT INTO ending_seen $note_ids;
		RETURN NULL;
	END}, q{batch_size => 2});
sql(q{INSERT INTO ending SELECT generate_series(1, 6)});
comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY n) FROM ending_seen}, '1 2 5 6', 'a batch that ends its process is given up');
is(sql(q{SELECT last_value FROM tries}), '3', '... the third time');
is(sql(q{SELECT failure->'requestContext'->>'condition', failure->'requestContext'->'approximateInvokeCount',
	jsonb_array_length(records) FROM ddbstreams.failed_batches WHERE stream_arn = ddbstreams.latest_stream_arn('ending')}),
	'RetryAttemptsExhausted|3|2', '... whatever the retries allow');

# Ended by others, it is tried again.
$uuid = make('hit', 'postgres', qq{BEGIN PERFORM pg_advisory_xact_lock_shared(5); INSERT INTO hit_seen $note_ids; RETURN NULL; END});
my $holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(5)');
sql(q{INSERT INTO hit VALUES (1)});
comes_to(stats($uuid, 'state'), 'delivering', 'a call waits');
sql(stats($uuid, 'pg_terminate_backend(worker_pid)'));
comes_to(stats($uuid, 'attempts, state, last_error'), q{1|delivering|the handler's process was terminated during the call},
	'ended, it is tried again');
$holder->query_safe('SELECT pg_advisory_unlock(5)');
comes_to(q{SELECT count(*) FROM hit_seen}, '1', '... with success');
sql(q{INSERT INTO hit VALUES (2)});
comes_to(q{SELECT count(*) FROM hit_seen}, '2', 'and the next ones follow');

# A shutdown in good order does not count.
$holder->query_safe('SELECT pg_advisory_lock(5)');
sql(q{INSERT INTO hit VALUES (3)});
comes_to(stats($uuid, 'state'), 'delivering', 'a call waits');
$holder->quit;
$node->stop('fast');
$node->start;
comes_to(q{SELECT count(*) FROM hit_seen}, '3', 'a call that a shutdown has cut is tried again');
is(sql(q{SELECT crashes FROM ddbstreams_shards.mapping_shard WHERE crashes > 0}), '', '... and was no crash');

# kill -9 of the worker is a crash of the server.  Others that are in a call
# then are tried again too.
$holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(5)');
sql(q{INSERT INTO hit VALUES (4)});
comes_to(stats($uuid, 'state'), 'delivering', 'a call waits');
kill('KILL', sql(stats($uuid, 'worker_pid')));
comes_to(q{SELECT count(*) FROM hit_seen}, '4', 'killed with -9, it is tried again after the restart');

SKIP:
{
	skip 'no PL/Python', 11
	  if sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'}) eq '0';
	sql(q{CREATE EXTENSION plpython3u});
	my $other = make('other', 'postgres', qq{BEGIN PERFORM pg_sleep(0.3); INSERT INTO other_seen $note_ids; RETURN NULL; END});
	sql(q{CREATE ROLE dave LOGIN; ALTER ROLE dave SET synchronous_commit = off});
	$uuid = make('crash', 'dave', qq{BEGIN
			IF event \@? '\$.Records[*].dynamodb.Keys.id.N ? (\@ == "2")' THEN PERFORM crash_me(); END IF;
			INSERT INTO crash_seen $note_ids; RETURN NULL; END}, q{batch_size => 1});
	sql(q{CREATE FUNCTION crash_me() RETURNS void LANGUAGE plpython3u AS $$
		import os
		os.kill(os.getpid(), 9)
	$$});
	sql(q{INSERT INTO other SELECT generate_series(1, 3); INSERT INTO crash SELECT generate_series(1, 3)});
	comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY n) FROM crash_seen}, '1 3', 'a batch that crashes the server is given up');
	is(sql(q{SELECT jsonb_array_length(records), failure->'requestContext'->'approximateInvokeCount'
		FROM ddbstreams.failed_batches WHERE stream_arn = ddbstreams.latest_stream_arn('crash')}), '1|3', '... the third time');
	comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY n) FROM other_seen}, '1 2 3', 'another handler is not harmed');
	is(sql(stats($other, 'batches_failed')), '0', '... and loses no batch');
	is(() = slurp_file($node->logfile) =~ /terminated by signal 9: Killed/g, 4, 'the server has crashed three times by it');

	# Another process crashes while a crash of the handler is about to be counted:
	# a prepared transaction holds up the reading of the batch, also after a restart.
	my $waits = q{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE NOT granted AND backend_type = 'ddbstreams handler'};
	$holder = session($node);
	$holder->query_safe('SELECT pg_advisory_lock(8)');
	$uuid = make('twice', 'dave', q{BEGIN
			PERFORM pg_advisory_lock_shared(8);
			IF EXISTS (SELECT FROM pg_prepared_xacts) THEN PERFORM crash_me(); END IF;
			INSERT INTO twice_seen (id) VALUES (1); RETURN NULL; END});
	sql(q{INSERT INTO twice VALUES (1)});
	comes_to(stats($uuid, 'state'), 'delivering', 'a call waits');
	my $shard_no = sql(q{SELECT max(shard_no) FROM ddbstreams_shards.shard});
	sql(qq{BEGIN; LOCK TABLE ddbstreams_shards.shard_$shard_no IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'holds'});
	$holder->query('SELECT pg_advisory_unlock(8)');
	comes_to($waits, '1', '... has crashed the server, and the next step is held up');
	my $victim = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ddbstreams launcher'});
	kill('KILL', $victim);
	comes_to(qq{SELECT count(*) FROM pg_stat_activity WHERE pid = $victim}, '0', '... when another process crashes');
	$holder = session($node);
	$holder->query_safe('SELECT pg_advisory_lock(8)');
	sql(q{ROLLBACK PREPARED 'holds'});
	comes_to(stats($uuid, 'state, attempts'), 'delivering|2', 'the handler is called again');
	is(sql(q{SELECT max(crashes) FROM ddbstreams_shards.mapping_shard}), '1', '... and its crash has been counted');
	$holder->query_safe('SELECT pg_advisory_unlock(8)');
	comes_to(q{SELECT count(*) FROM twice_seen}, '1', '... and succeeds');
}

# --- the end of an idle worker -------------------------------------------------------------------

# A worker that has run a unit is idle, and another one runs the unit now: the end
# of the idle one is no affair of the unit's.
my %mapping;
my %ran;
$holder = session($node);
foreach my $name (qw(ping pong))
{
	my $key = $name eq 'ping' ? 6 : 7;
	sql(qq{CREATE SEQUENCE ${name}_calls});
	$mapping{$name} = make($name, 'postgres', qq{BEGIN
		PERFORM nextval('${name}_calls');
		PERFORM pg_advisory_xact_lock_shared($key);
		INSERT INTO ${name}_seen $note_ids;
		RETURN NULL;
	END});
	$holder->query_safe("SELECT pg_advisory_lock($key)");
}

# Has a mapping called with a new record; returns the worker in whose call it waits.
my $last_id = 0;

sub begin_call
{
	my ($name) = @_;
	$last_id++;
	sql("INSERT INTO $name VALUES ($last_id)");
	comes_to(stats($mapping{$name}, 'state'), 'delivering', "a call for $name waits");
	return sql(stats($mapping{$name}, 'worker_pid'));
}

# Lets the call end.
sub end_call
{
	my ($name, $id) = @_;
	my $key = $name eq 'ping' ? 6 : 7;
	$holder->query_safe("SELECT pg_advisory_unlock($key)");
	comes_to("SELECT count(*) FROM ${name}_seen WHERE id = $id", '1', "a call for $name ends");
	comes_to(stats($mapping{$name}, 'state, worker_pid'), 'ready|', '... and its run');
	$holder->query_safe("SELECT pg_advisory_lock($key)");
	return;
}

$ran{ping} = begin_call('ping');
$ran{pong} = begin_call('pong');
isnt($ran{ping}, $ran{pong}, 'two calls run at the same time');
end_call('ping', 1);
end_call('pong', 2);

# The worker that comes first is given the next unit: for one of the two mappings
# it is not the one that ran the mapping's unit before.  (Once more, if the
# dispatcher did not know yet that this worker is idle.)
my ($unit, $runs, $idle, $elsewhere);
foreach my $name ((qw(ping pong)) x 5)
{
	$unit = $name;
	$elsewhere = $name eq 'ping' ? 'pong' : 'ping';
	$idle = $ran{$name};
	$runs = begin_call($name);
	last if $runs ne $idle;
	end_call($name, $last_id);
	$ran{$name} = $runs;
}
isnt($runs, $idle, 'another worker runs the unit now');
my $waits_for = $last_id;
my $calls = sql("SELECT last_value FROM ${unit}_calls");
sql("SELECT pg_terminate_backend($idle)");
comes_to("SELECT count(*) FROM ddbstreams.workers WHERE pid = $idle", '0', 'the idle worker ends');
begin_call($elsewhere);
end_call($elsewhere, $last_id);
is(sql(stats($mapping{$unit}, 'state, attempts, worker_pid')), "delivering|1|$runs", 'the unit goes on where it runs');
end_call($unit, $waits_for);
is(sql("SELECT last_value FROM ${unit}_calls"), $calls, '... and was not called again');
is(sql(q{SELECT count(*) FROM ddbstreams_shards.mapping_shard WHERE crashes > 0}), '0', '... nor was that a crash');
sql(qq{SELECT ddbstreams.delete_event_source_mapping('$_')}) foreach values %mapping;

# --- fair shares ------------------------------------------------------------------------------------------

# 20 shards of one mapping whose calls do not end, against one of another
$holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(8)');
$uuid = make('hog', 'postgres', qq{BEGIN
	PERFORM pg_advisory_xact_lock_shared(8); INSERT INTO hog_seen $note_ids; RETURN NULL; END});
sql(q{SELECT ddbstreams.disable_stream('hog'); SELECT ddbstreams.enable_stream('hog', shard_count => 20)});
sql(q{SELECT ddbstreams.create_event_source_mapping('hog_handler', ddbstreams.latest_stream_arn('hog'), 'TRIM_HORIZON');
	INSERT INTO hog SELECT generate_series(1, 200)});
comes_to(q{SELECT count(*) FROM ddbstreams.mapping_stats WHERE state = 'delivering'}, '2', 'slow calls run');
foreach my $i (10 .. 14)
{
	sql(qq{INSERT INTO meanwhile VALUES ($i)});
	comes_to(qq{SELECT count(*) FROM meanwhile_seen WHERE id = $i}, '1', 'a quick one does not wait for them');
}
is(sql(q{SELECT count(*) FROM hog_seen}), '0', '... of which none has ended');
is(sql(q{SELECT count(*) <= 3 FROM ddbstreams.workers WHERE worker_type = 'handler'}), 't', 'no more than max_workers');
$holder->query_safe('SELECT pg_advisory_unlock(8)');
sql(q{SELECT ddbstreams.delete_event_source_mapping(uuid) FROM ddbstreams.list_event_source_mappings(function_name => 'hog_handler')});

# No workers, whatever there is to do: each record makes another one
foreach my $name ('chain', 'loop')
{
	make($name, 'postgres', qq{BEGIN
		INSERT INTO $name SELECT 1 + (r->'dynamodb'->'Keys'->'id'->>'N')::int FROM jsonb_array_elements(event->'Records') r;
		RETURN NULL; END}, 'batch_size => 1');
	sql(qq{INSERT INTO $name VALUES (1)});
	comes_to(qq{SELECT max(id) > 5 FROM $name}, 't', 'deliveries go on and on');
}
sql(q{ALTER SYSTEM SET ddbstreams.max_workers = 0; SELECT pg_reload_conf()});
comes_to(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type IN ('handler', 'dispatcher')}, '0', 'max_workers = 0 starts nothing');
sql(q{INSERT INTO meanwhile VALUES (100)});
sql(q{ALTER SYSTEM RESET ddbstreams.max_workers; SELECT pg_reload_conf()});
comes_to(q{SELECT count(*) FROM meanwhile_seen WHERE id = 100}, '1', 'and then they start');
sql(q{SELECT ddbstreams.delete_event_source_mapping(uuid) FROM ddbstreams.list_event_source_mappings()
	WHERE function_name ~ 'chain|loop'});

# A dispatcher that dies
sql(q{SELECT pg_terminate_backend(pid) FROM ddbstreams.workers WHERE worker_type = 'dispatcher'});
sql(q{INSERT INTO meanwhile VALUES (101)});
comes_to(q{SELECT count(*) FROM meanwhile_seen WHERE id = 101}, '1', 'another dispatcher takes over');

# Without mappings there is no dispatcher.
sql(q{SELECT ddbstreams.delete_event_source_mapping(uuid) FROM ddbstreams.list_event_source_mappings()});
comes_to(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type IN ('handler', 'dispatcher')}, '0', 'no mappings, no workers');

$node->stop;
done_testing();
