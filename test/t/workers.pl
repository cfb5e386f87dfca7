# The launcher, and maintenance in every database that has the extension: found
# whenever it is created or dropped, started again when it dies, in nobody's way.
#
# A maintenance worker is made busy by a partial index on one of the tables that
# its tasks read, whose predicate it evaluates when it plans: the function sleeps
# if a maintenance worker calls it and the database's table busy has a row.
#
# To see it fail: test/mutations/run database-unnoticed extension-unnoticed
# long-runs-block-others prepared-extension-unnoticed triggers-not-mended
# workers-not-ended workers-not-held-off workers-shown-to-all 'launcher-*'.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use StreamTest qw(:DEFAULT sql create_maintained);

my $node = new_server('workers', q{
ddbstreams.maintenance_interval = 200ms
allow_in_place_tablespaces = on
log_min_messages = info
max_worker_processes = 12
}, bare => 1, streaming => 1);

# Waits until a query says what is expected.
sub comes
{
	my ($query, $expected, $name, $on) = @_;
	my $server = $on // $node;
	my $end = time() + patience();
	my $got;

	do
	{
		$got = $server->safe_psql('postgres', $query);
		return pass($name) if $got eq $expected;
		usleep(20_000);
	} while (time() < $end);
	return is($got, $expected, $name);
}

# A database's maintenance in a few words
sub maintenance
{
	my ($database, $columns) = @_;
	return qq{SELECT $columns FROM ddbstreams.workers
		WHERE worker_type = 'maintenance' AND database = '$database'};
}

# Maintenance runs in a database again, or since a time: where there is no stream it
# runs once, and then rests.
sub runs
{
	my ($database, $name, $since) = @_;
	$since //= sql('SELECT clock_timestamp()');

	return comes(maintenance($database, "last_run > '$since' AND last_error IS NULL"), 't', $name);
}

sub has_none
{
	my ($database, $name) = @_;
	return is(sql("SELECT count(*) FROM ddbstreams.workers WHERE database = '$database'"), '0', $name);
}

sub has_process
{
	my ($pid) = @_;
	return sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid");
}

sub busy
{
	my ($database) = @_;
	return maintenance($database, q{EXISTS (SELECT FROM pg_stat_activity a
		WHERE a.pid = workers.pid AND wait_event = 'PgSleep')});
}

# Makes a database's maintenance busy, and returns the worker's pid.
sub make_busy
{
	my ($database) = @_;

	sql('INSERT INTO busy DEFAULT VALUES', $database);
	$node->poll_query_until('postgres', busy($database)) or die "$database is not busy";
	return sql(maintenance($database, 'pid'));
}

sub make_idle
{
	my ($database) = @_;

	sql('DELETE FROM busy', $database);
	sql(maintenance($database, 'pg_cancel_backend(pid)'));
	return;
}

# Is there no error in the log that no test has made?
sub log_is_clean
{
	my ($name) = @_;
	my @faults = grep { /FATAL|PANIC|ddbstreams in database/ && !/due to administrator command/ }
	  split(/\n/, slurp_file($node->logfile));

	return is("@faults", '', $name);
}

# What is done while maintenance is busy is done at once, and ends the worker.
sub in_nobodys_way
{
	my ($database, $command, $name, $where) = @_;
	my $pid = make_busy($database);
	my $offset = -s $node->logfile;
	my ($status, $out, $err) = $node->psql($where // 'postgres', $command);

	is($err, '', "$name while maintenance is busy");
	# a worker that does not end is not waited for any longer after five seconds
	unlike(slurp_file($node->logfile, $offset),
		qr/could not end its background workers/, '... at once');
	is(has_process($pid), '0', '... its worker is gone');
	return;
}

# --- where the extension is, comes and goes ---------------------------------

create_maintained('one');
create_maintained('two');
sql(q{
	CREATE EXTENSION ddbstreams;
	CREATE DATABASE plain;
	CREATE TABLE maintained (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('maintained', shard_count => 1)});
comes(q{SELECT count(*), count(pid) FROM ddbstreams.workers WHERE worker_type = 'launcher' AND state = 'running'},
	'1|1', 'the launcher is there');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ddbstreams launcher'}), '1',
	'... and in pg_stat_activity');
runs('postgres', 'maintenance runs in a database');
runs('one', '... and in another');
runs('two', '... and in all of them');
has_none('plain', '... but not where the extension is not');
has_none('template1', '... nor in a template without it');

my $changed = sql('SELECT clock_timestamp()');
sql('CREATE EXTENSION ddbstreams', 'plain');
runs('plain', 'CREATE EXTENSION starts maintenance', $changed);
sql('DROP EXTENSION ddbstreams', 'plain');
has_none('plain', 'DROP EXTENSION ends it at once');
sql(q{BEGIN; CREATE EXTENSION ddbstreams; PREPARE TRANSACTION 'p'}, 'plain');
runs('two', 'a prepared CREATE EXTENSION');
has_none('plain', '... is none yet');
$changed = sql('SELECT clock_timestamp()');
sql(q{COMMIT PREPARED 'p'}, 'plain');
runs('plain', 'COMMIT PREPARED makes it one', $changed);
sql(q{BEGIN; DROP EXTENSION ddbstreams; PREPARE TRANSACTION 'p'}, 'plain');
runs('two', 'a prepared DROP EXTENSION delays nobody else');
sql(q{COMMIT PREPARED 'p'}, 'plain');
# This command waits for no worker.
comes(q{SELECT count(*) FROM ddbstreams.workers WHERE database = 'plain'}, '0', 'and COMMIT PREPARED ends maintenance');

sql('CREATE DATABASE copy TEMPLATE one');
runs('copy', 'a copy of a database has the extension, too');
my $oid = sql(q{SELECT oid FROM pg_database WHERE datname = 'copy'});
sql('DROP DATABASE copy');
has_none('copy', '... until it is dropped');
sql("CREATE DATABASE copy TEMPLATE plain OID = $oid");
runs('one', 'a database with the OID of another');
has_none('copy', '... has nothing of it');
sql('DROP DATABASE copy');
sql("CREATE DATABASE copy TEMPLATE one OID = $oid");
runs('copy', '... or has it again');
sql('DROP DATABASE copy');

# --- not every database can be connected to ---------------------------------

sql('ALTER DATABASE two ALLOW_CONNECTIONS false');
comes(maintenance('two', 'state'), 'not allowed to connect', 'no connections are allowed to a database');
sql('CREATE DATABASE closed TEMPLATE one ALLOW_CONNECTIONS false');
sql('CREATE DATABASE invalid TEMPLATE one ALLOW_CONNECTIONS false');
sql(q{UPDATE pg_database SET datconnlimit = -2, datallowconn = true WHERE datname = 'invalid'});
runs('one', 'a database that was closed from the start, and an invalid one');
has_none('closed', '... are passed over');
sql('ALTER DATABASE two ALLOW_CONNECTIONS true; ALTER DATABASE closed ALLOW_CONNECTIONS true');
runs('two', 'connections are allowed again');
runs('closed', '... or for the first time');
sql('DROP DATABASE closed; DROP DATABASE invalid');
sql('ALTER DATABASE two SET default_transaction_read_only = on; ALTER DATABASE two CONNECTION LIMIT 0');
runs('two', 'settings of a database do not spoil it');
sql('ALTER DATABASE two CONNECTION LIMIT -1; ALTER DATABASE two RESET ALL');
log_is_clean('nothing of this is an error');

# --- errors, and workers that die -------------------------------------------

sql(q{SELECT own_sql('ALTER TABLE ddbstreams_shards.mapping RENAME TO elsewhere')}, 'two');
comes(maintenance('two', q{last_error ~ '^look for mappings: relation "ddbstreams_shards.mapping" does not exist'}),
	't', 'a task fails');
my $last_run = sql(maintenance('two', 'last_run'));
comes(maintenance('two', "last_run > timestamptz '$last_run' + interval '1 second'"), 't', '... again and again');
is(() = slurp_file($node->logfile) =~ /WARNING: .*could not look for mappings: relation "ddbstreams_shards.mapping" does not exist/g, 1,
	'... and is logged once');
runs('one', '... nobody else does');
sql(q{SELECT own_sql('ALTER TABLE ddbstreams_shards.elsewhere RENAME TO mapping')}, 'two');
runs('two', 'it does not fail for ever');

my $busy = make_busy('one');
my $other = make_busy('two');
$last_run = sql(maintenance('one', 'last_run'));
runs('postgres', 'long runs delay only their own databases');
is(sql(maintenance('one', "pid, last_run = '$last_run'")), "$busy|t", '... which wait for their end');

my $launcher = sql(q{SELECT pid FROM ddbstreams.workers WHERE worker_type = 'launcher'});
sql("SELECT pg_terminate_backend($launcher, 10000)");
comes(qq{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'launcher' AND pid <> $launcher},
	'1', 'a launcher that is killed comes back');
runs('postgres', '... goes on');
is(sql(maintenance('one', 'pid')), $busy, '... and knows who is at work');
has_none('plain', '... and who has nothing');

# The pause behind a failure is short: on a slow machine it may be over already.
my $killed = 't|waiting after a failure|terminating background worker "ddbstreams maintenance" due to administrator command';
my $shown = '';
for my $try (1 .. 20)
{
	$busy = make_busy('one') if $try > 1;
	sql('DELETE FROM busy', 'one');
	sql("SELECT pg_terminate_backend($busy, 10000)");
	$shown = sql(maintenance('one', q{pid IS NULL, state, last_error}));
	last if $shown eq $killed;
}
is($shown, $killed, 'a worker that is killed is seen');
runs('one', '... and another one is started');
make_idle('two');
runs('two', 'a worker that is cancelled');
is(has_process($other), '0', '... has ended, and another one run');

# --- in nobody's way --------------------------------------------------------

in_nobodys_way('one', 'CREATE DATABASE three TEMPLATE one', 'CREATE DATABASE');
make_idle('three');
runs('three', '... and the copy has its own');
in_nobodys_way('one', 'ALTER DATABASE one RENAME TO uno', 'ALTER DATABASE RENAME');
comes(busy('uno'), 't', '... under the new name another is at work');
sql(q{SET allow_in_place_tablespaces = on; CREATE TABLESPACE place LOCATION ''});
in_nobodys_way('uno', 'ALTER DATABASE uno SET TABLESPACE place', 'ALTER DATABASE SET TABLESPACE');
in_nobodys_way('uno', 'DROP DATABASE uno', 'DROP DATABASE');
has_none('uno', '... and all is forgotten');
in_nobodys_way('three', 'DROP DATABASE three WITH (FORCE)', 'DROP DATABASE WITH FORCE');
in_nobodys_way('two', 'DROP EXTENSION ddbstreams', 'DROP EXTENSION', 'two');
has_none('two', '... and all is forgotten');

create_maintained('one');
$busy = make_busy('one');
sql('CREATE ROLE nobody LOGIN; CREATE ROLE maker LOGIN CREATEDB');
foreach my $command ('nobody:DROP DATABASE one', 'nobody:ALTER DATABASE one RENAME TO uno',
	'nobody:CREATE DATABASE uno TEMPLATE one', 'maker:CREATE DATABASE uno TEMPLATE one')
{
	my ($role, $query) = split(/:/, $command);
	my ($status, $out, $err) = $node->psql('postgres', $query, extra_params => [ '-U', $role ]);

	like($err, qr/must be owner|permission denied/, "$query by $role is refused");
}
$node->psql('one', 'DROP EXTENSION ddbstreams', extra_params => [ '-U', 'nobody' ]);
is(has_process($busy), '1', '... and ends no worker');
sql('ALTER DATABASE one OWNER TO maker');
{
	my ($status, $out, $err) =
	  $node->psql('template1', 'DROP DATABASE one WITH (FORCE)', extra_params => [ '-U', 'maker' ]);

	is($err, '', 'an owner who is no superuser drops his database');
}

# Held off to the end of the transaction, or of the savepoint
create_maintained('one');
make_busy('one');
my $session = session($node, 'one');
$session->query_safe('BEGIN; DROP EXTENSION ddbstreams');
is(sql(maintenance('one', 'pid IS NULL, state')), 't|held off by a DDL command', 'DROP EXTENSION holds workers off');
runs('postgres', '... for long');
is(sql(maintenance('one', 'pid IS NULL, state')), 't|held off by a DDL command', '... to the end of the transaction');
$session->query_safe('ROLLBACK');
comes(busy('one'), 't', '... that is rolled back');
$session->query_safe('BEGIN; SAVEPOINT a; DROP EXTENSION ddbstreams; ROLLBACK TO a');
comes(busy('one'), 't', '... or to that of a savepoint');
$session->query_safe('COMMIT; BEGIN; DROP EXTENSION ddbstreams');
my $backend = $session->query_safe('SELECT pg_backend_pid()');
sql("SELECT pg_terminate_backend($backend, 10000)");
comes(busy('one'), 't', '... or of the session');
$session->quit;

# --- the dispatcher ---------------------------------------------------------

make_idle('one');
my $dispatcher = q{SELECT coalesce(min(pid), 0), coalesce(min(state), '-') FROM ddbstreams.workers
	WHERE worker_type = 'dispatcher' AND database = 'one'};
sub dispatcher_comes
{
	my ($old, $name) = @_;
	return comes("SELECT pid <> $old FROM ($dispatcher) d (pid, state) WHERE pid > 0", 't', $name);
}

sub dispatcher_pid
{
	my ($pid) = split(/\|/, sql($dispatcher));
	return $pid;
}

sql(q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS '';
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'LATEST', enabled => false)}, 'one');
sub enable_mapping
{
	my ($enabled) = @_;
	return sql("SELECT ddbstreams.update_event_source_mapping(uuid, enabled => $enabled) FROM ddbstreams_shards.mapping", 'one');
}
runs('one', 'a mapping that is disabled');
is(sql($dispatcher), '0|-', '... wants no dispatcher');
enable_mapping('true');
dispatcher_comes(0, '... and one that is enabled does');
my $pid = dispatcher_pid();
runs('one', 'maintenance runs beside it');
is(dispatcher_pid(), $pid, '... and it is but one');
sql("SELECT pg_terminate_backend($pid, 10000)");
dispatcher_comes($pid, 'a dispatcher that is killed comes back');
$pid = dispatcher_pid();
in_nobodys_way('one', 'CREATE DATABASE copy TEMPLATE one', 'CREATE DATABASE from one with a dispatcher');
is(has_process($pid), '0', '... which is gone, too');
make_idle('one');
dispatcher_comes($pid, '... and comes back');
make_idle('copy');
runs('copy', 'a copy of its database');
is(sql(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type <> 'maintenance' AND database = 'copy'}), '0',
	'... has no dispatcher: mappings are not enabled there');
sql(q{ALTER SYSTEM SET ddbstreams.max_workers = 0});
$node->reload;
comes($dispatcher, '0|-', 'max_workers = 0 ends it');
runs('one', '... but not maintenance');
sql(q{ALTER SYSTEM RESET ddbstreams.max_workers});
$node->reload;
dispatcher_comes(0, 'max_workers > 0 brings it back');
enable_mapping('false');
comes($dispatcher, '0|-', 'it ends with the last enabled mapping');
enable_mapping('true');
dispatcher_comes(0, '... and comes back with the next');
sql('DROP DATABASE copy');
log_is_clean('no worker has failed in another way');

# --- what maintenance mends -------------------------------------------------

sql(q{
	CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	SELECT ddbstreams.enable_stream('p');
	CREATE TABLE d (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('d');
	SELECT ddbstreams.disable_stream('d');
	UPDATE pg_trigger SET tgenabled = 'O' WHERE tgname = 'ddbstreams_capture' AND tgrelid = 't'::regclass;
	UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = 'ddbstreams_capture_truncate' AND tgrelid = 'p1'::regclass}, 'one');
sub triggers
{
	return sql(q{SELECT string_agg(tgrelid::regclass || left(substr(tgname, 20), 1) || '=' || tgenabled::text, ' ' ORDER BY tgrelid, tgname)
		FROM pg_trigger WHERE tgname ~ '^ddbstreams_capture' AND tgrelid <> 'maintained'::regclass}, 'one');
}
my $good = 't=A tt=A p=A p1=A p1t=A d=D dt=D';
for (my $end = time() + patience(); triggers() ne $good && time() < $end; usleep(20_000)) { }
is(triggers(), $good, 'triggers fire always again');
$node->wait_for_log(qr/ddbstreams has repaired the capture triggers of table "p"/);
pass('... and it is logged');
$session = session($node, 'one');
$session->query_safe('BEGIN; LOCK TABLE t IN ROW EXCLUSIVE MODE');
sql(q{UPDATE pg_trigger SET tgenabled = 'O' WHERE tgname = 'ddbstreams_capture' AND tgrelid = 't'::regclass}, 'one');
runs('one', 'maintenance waits for no lock');
is(triggers(), $good =~ s/t=A/t=O/r, '... and mends later');
$session->query_safe('COMMIT');
for (my $end = time() + patience(); triggers() ne $good && time() < $end; usleep(20_000)) { }
is(triggers(), $good, '... when there is none');
$session->quit;

sub unhidden
{
	return sql(q{SELECT count(*) FROM pg_class c, (SELECT oid, reltoastrelid FROM pg_class
		WHERE relnamespace = 'ddbstreams_shards'::regnamespace AND relkind = 'r' AND relname !~ '^(shard|side)_\d+$') own
		WHERE c.oid IN (own.oid, own.reltoastrelid) AND relrewrite = 0}, 'one');
}
is(unhidden(), '0', 'all tables of ours are out of logical decoding');
sql(q{VACUUM FULL ddbstreams_shards.mapping}, 'one');
for (my $end = time() + patience(); unhidden() ne '0' && time() < $end; usleep(20_000)) { }
is(unhidden(), '0', '... so they are after VACUUM FULL');
sql(q{UPDATE pg_class SET relrewrite = 0 WHERE relname IN ('stream', 'mapping')}, 'one');

# --- a crash, a standby, a fast shutdown ------------------------------------

$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
make_busy('one');
my $before_crash = -s $node->logfile;
kill('KILL', dispatcher_pid());
# until the postmaster notices, the server answers as ever
$node->wait_for_log(qr/all server processes terminated/, $before_crash);
$node->poll_query_until('postgres', 'SELECT true');
runs('postgres', 'maintenance goes on after a crash');
comes(busy('one'), 't', '... everywhere');
make_idle('one');
dispatcher_comes(0, '... with the dispatcher');
for (my $end = time() + patience(); unhidden() ne '0' && time() < $end; usleep(20_000)) { }
is(unhidden(), '0', 'the first run sees to it that tables of ours are out of logical decoding');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', q{SELECT (SELECT count(*) FROM ddbstreams.workers),
	(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'ddbstreams')}), '0|0', 'a standby has no workers');
$standby->promote;
comes(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'launcher' OR
	worker_type = 'maintenance' AND last_run IS NOT NULL AND database = 'postgres'}, '2', '... until it is promoted', $standby);
$standby->stop;

create_maintained('three');
make_busy('three');
my $start = time();
$node->stop('fast');
cmp_ok(time() - $start, '<', 3, 'a fast shutdown waits for nobody');

# --- servers that start no workers ------------------------------------------

my $postgres = $node->config_data('--bindir') . '/postgres';
my $data = $node->data_dir;
my ($in, $out, $err) =
  ("SELECT count(*) FROM ddbstreams.workers;\nDROP EXTENSION ddbstreams;\nCREATE EXTENSION ddbstreams;\n", '', '');
IPC::Run::run([ $postgres, '--single', '-D', $data, 'postgres' ], '<', \$in, '>', \$out, '2>', \$err);
like($out, qr/count = "0"/, 'single-user mode has no workers');
unlike($err, qr/ERROR|FATAL/, '... DROP and CREATE EXTENSION do without');

{
	my $log = $node->logfile;

	PostgreSQL::Test::Utils::system_or_bail($node->installed_command('pg_ctl'), '-w', '-D', $data, '-l', $log, '-o', '-b', 'start');
	is(sql(q{SELECT (SELECT count(*) FROM ddbstreams.workers),
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'ddbstreams')}), '0|0', 'neither has pg_upgrade');
	PostgreSQL::Test::Utils::system_or_bail($node->installed_command('pg_ctl'), '-w', '-D', $data, 'stop');
}

# --- too few worker slots ---------------------------------------------------

$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->append_conf('postgresql.conf', 'max_logical_replication_workers = 0');
$node->start;
sql('DROP DATABASE one'); # and its dispatcher
$busy = make_busy('three');
comes(maintenance('postgres', 'pid IS NULL, state'), 't|waiting for a worker slot', 'no worker slot is free');
my $before = sql(q{SELECT clock_timestamp()});
comes("SELECT clock_timestamp() > timestamptz '$before' + interval '2.5 s'", 't', '... for long');
is(() = slurp_file($node->logfile) =~ /ddbstreams could not start a worker: no free worker slot/g, 1,
	'... and it is logged once');
sql('DELETE FROM busy', 'three');
sql("SELECT pg_terminate_backend($busy)");
runs('postgres', '... until one is free');
runs('three', '... for all');

# A parallel query takes the slot, whose end the launcher is not told of.
$node->append_conf('postgresql.conf', 'ddbstreams.maintenance_interval = 1h');
$node->reload;
my $always_parallel = $node->pg_version < 16 ? 'force_parallel_mode' : 'debug_parallel_query';
my $sleeping = q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'parallel worker' AND wait_event = 'PgSleep'};
my $anybody_sleeps = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'};
my $sleeper = session($node);
for (my $end = time() + patience(); sql($sleeping) eq '0' && time() < $end;)
{
	# it sleeps by itself while maintenance has the slot
	sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND wait_event = 'PgSleep'});
	$sleeper->query_until(qr/asleep/, "SET $always_parallel = on;\n\\echo asleep\nSELECT pg_sleep(600);\n");
	$node->poll_query_until('postgres', $anybody_sleeps) or last;
}
is(sql($sleeping), '1', 'a parallel query has the only slot');
$before = sql('SELECT clock_timestamp()');
sql('VACUUM FULL busy', 'three'); # wants a run at once
comes(maintenance('three', 'state'), 'waiting for a worker slot', '... so there is none for maintenance');
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE backend_type = 'client backend' AND query ~ '^SELECT pg_sleep'});
comes(maintenance('three', "last_run > '$before'"), 't', '... which is tried again long before the interval ends');
$sleeper->quit;
$node->append_conf('postgresql.conf', 'ddbstreams.maintenance_interval = 200ms');

foreach my $count (0, 1)
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $count");
	$node->restart;
	my $launchers = $count == 0 ? '0' : '1';
	comes(q{SELECT count(*) FROM ddbstreams.workers WHERE worker_type = 'launcher'}, $launchers,
		"a server with max_worker_processes = $count starts");
}
comes(maintenance('postgres', 'state'), 'waiting for a worker slot', '... and says what it lacks');

# --- who sees what ----------------------------------------------------------

$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
sql('GRANT pg_monitor TO maker');
sql(q{SELECT own_sql('ALTER TABLE ddbstreams_shards.mapping RENAME TO elsewhere')}, 'three');
comes(maintenance('three', 'last_error IS NOT NULL'), 't', 'a task fails');
sub seen
{
	my ($role, $database) = @_;
	return $node->safe_psql($database, q{SELECT count(DISTINCT coalesce(database, '')) > 1, count(last_error) > 0,
		count(*) FILTER (WHERE worker_type = 'maintenance' AND database = current_database()) FROM ddbstreams.workers},
		extra_params => [ '-U', $role ]);
}
is(seen('maker', 'three'), 't|t|1', 'pg_monitor sees all');
is(seen('nobody', 'three'), 'f|f|1', 'others their own database, without errors');
is(seen('nobody', 'postgres'), 'f|f|1', '... whichever it is');
$node->stop;

# --- noticed at once, not by the next of the regular searches ---------------

$node = new_server('slow', 'ddbstreams.maintenance_interval = 1h', bare => 1);
sub has_run
{
	my ($database, $name) = @_;
	return comes(maintenance($database, 'last_run IS NOT NULL'), 't', $name);
}
sql('CREATE EXTENSION ddbstreams; CREATE DATABASE one');
has_run('postgres', 'with an interval of an hour, CREATE EXTENSION is noticed');
sql('CREATE EXTENSION ddbstreams', 'one');
has_run('one', '... in another database, too');
sql('CREATE DATABASE copy TEMPLATE one');
has_run('copy', '... and CREATE DATABASE');
my $databases = q{SELECT string_agg(coalesce(database, 'gone'), ' ' ORDER BY database) FROM ddbstreams.workers
	WHERE worker_type = 'maintenance'};
sql('DROP DATABASE copy');
comes($databases, 'one postgres', '... and DROP DATABASE');
sql('ALTER DATABASE one ALLOW_CONNECTIONS false');
comes(maintenance('one', 'state'), 'not allowed to connect', '... and ALTER DATABASE ALLOW_CONNECTIONS');
$before = sql('SELECT clock_timestamp()');
sql('ALTER DATABASE one ALLOW_CONNECTIONS true');
comes(maintenance('one', "last_run > '$before'"), 't', '... by which maintenance is due again');

$node->stop;
done_testing();
