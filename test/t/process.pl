# What a handler changes in its process does not outlast its call: signal
# handlers, the signal mask, umask, working directory, locale, rounding.
#
# To see it fail: test/mutations/run process-misses-signals process-not-restored.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('process', q{
max_worker_processes = 16
ddbstreams.max_workers = 1
ddbstreams.maintenance_interval = 1h
});

if (sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'}) eq '0')
{
	plan skip_all => 'no PL/Python';
}

sql(q{CREATE EXTENSION plpython3u});

# What a process is like, read from the kernel and from the C library
sql(q{
CREATE FUNCTION look() RETURNS text LANGUAGE plpython3u AS $$
	import ctypes, locale, os
	libc, libm = ctypes.CDLL(None), ctypes.CDLL('libm.so.6')
	libc.uselocale.restype = ctypes.c_void_p
	libc.uselocale.argtypes = [ctypes.c_void_p]
	status = dict(line.split(':', 1) for line in open('/proc/self/status'))
	mine = sum(1 << s - 1 for s in (1, 2, 3, 10, 12, 13, 14, 15, 17))
	umask = os.umask(0)
	os.umask(umask)
	caught, ignored, blocked = (int(status[s], 16) & mine for s in ('SigCgt', 'SigIgn', 'SigBlk'))
	return repr((caught, ignored, blocked, umask, os.getcwd(),
		[locale.setlocale(c) for c in (locale.LC_COLLATE, locale.LC_CTYPE, locale.LC_NUMERIC, locale.LC_TIME,
			locale.LC_MONETARY, locale.LC_MESSAGES)],
		libc.uselocale(None) == libc.uselocale(None), libm.fegetround()))
$$;

CREATE FUNCTION harm(how text DEFAULT 'all') RETURNS void LANGUAGE plpython3u AS $$
	import ctypes, locale, os, signal
	libc, libm = ctypes.CDLL(None), ctypes.CDLL('libm.so.6')
	# PostgreSQL's own function, as a library calls it; abs() does nothing
	pqsignal = libc.pqsignal if hasattr(libc, 'pqsignal') else libc.pqsignal_be
	pqsignal.argtypes = [ctypes.c_int, ctypes.c_void_p]
	pqsignal.restype = ctypes.c_void_p
	for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1):
		pqsignal(s, ctypes.cast(libc.abs, ctypes.c_void_p))
	if how == 'by pqsignal':
		return
	for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM, signal.SIGUSR1,
			signal.SIGUSR2, signal.SIGCHLD):
		signal.signal(s, signal.SIG_IGN)
	signal.signal(signal.SIGPIPE, signal.SIG_DFL)
	signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
	os.umask(0)
	os.chdir('/')
	for c in (locale.LC_COLLATE, locale.LC_CTYPE, locale.LC_NUMERIC, locale.LC_TIME, locale.LC_MONETARY, locale.LC_MESSAGES):
		locale.setlocale(c, 'POSIX' if locale.setlocale(c) != 'C' else 'C.UTF-8')
	libm.fesetround(0x400)
$$;

CREATE TABLE seen (n serial, pid int DEFAULT pg_backend_pid(), mode text, found text);
CREATE TABLE gate (open bool);
CREATE TABLE deferred (id int);
CREATE FUNCTION harm_at_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM harm(); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION harm_at_commit();

CREATE TABLE t (id serial PRIMARY KEY, mode text);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	mode text := event #>> '{Records,0,dynamodb,NewImage,mode,S}';
BEGIN
	INSERT INTO seen (mode, found) VALUES (mode, look());
	CASE mode
		WHEN 'look' THEN NULL;
		WHEN 'harm' THEN PERFORM harm();
		WHEN 'library' THEN PERFORM harm('by pqsignal');
		WHEN 'fail' THEN PERFORM harm(); RAISE 'failed';
		WHEN 'commit' THEN INSERT INTO deferred VALUES (1);
		WHEN 'wait' THEN
			PERFORM harm();
			PERFORM pg_advisory_xact_lock(1);
		WHEN 'library waits' THEN
			PERFORM harm('by pqsignal');
			PERFORM pg_advisory_xact_lock(1);
		WHEN 'lock' THEN PERFORM pg_advisory_xact_lock(1);
	END CASE;
END $$;
SELECT ddbstreams.enable_stream('t', shard_count => 1);
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
	batch_size => 1, maximum_retry_attempts => 0);
});

my $rows = 0;
foreach my $mode (qw(look harm look fail look commit look library look))
{
	sql("INSERT INTO t (mode) VALUES ('$mode')");
	$rows++ if $mode ne 'fail';
	comes_to('SELECT count(*) FROM seen', "$rows", "the handler is called: $mode");
}
comes_to('SELECT count(*) FROM ddbstreams.failed_batches', '1', 'a call has failed');
is(sql('SELECT count(DISTINCT pid) FROM seen'), '1', 'one process has made all calls');
is(sql('SELECT string_agg(DISTINCT found, chr(10)) FROM seen'), sql('SELECT found FROM seen ORDER BY n LIMIT 1'),
	'... and it is the same for each of them');
like(sql('SELECT found FROM seen LIMIT 1'), qr/, 0\)$/, '... and it rounds to nearest');

# --- signals that come afterwards -------------------------------------------------

my $holder = session($node);
my $waiting = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ddbstreams handler' AND wait_event_type = 'Lock'};
my $pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ddbstreams handler'});
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{INSERT INTO t (mode) VALUES ('lock')});
comes_to($waiting, '1', 'a handler waits');
sql("SELECT pg_cancel_backend($pid)");
comes_to('SELECT count(*) FROM ddbstreams.failed_batches', '2', '... and can be cancelled, whatever a library has set before');
$holder->query_safe('SELECT pg_advisory_unlock(1)');

# --- signals that come while the handler has changed what they do -----------------

sql('CREATE DATABASE unused');
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{INSERT INTO t (mode) VALUES ('library waits')});
comes_to($waiting, '1', 'a handler without a handler of SIGUSR1 waits');
my $dropper = session($node);
send_query($dropper, 'DROP DATABASE unused');
comes_to(q{SELECT wait_event FROM pg_stat_activity WHERE query = 'DROP DATABASE unused;'}, 'ProcSignalBarrier', '... and DROP DATABASE waits for it');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
comes_to(q{SELECT count(*) FROM pg_database WHERE datname = 'unused'}, '0', '... until its call has ended') or BAIL_OUT('it waits for ever');
finish_query($dropper);

my $data = $node->data_dir;
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{INSERT INTO t (mode) VALUES ('wait')});
comes_to($waiting, '1', 'a handler without a handler of SIGTERM waits');
$pid = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ddbstreams handler'});
PostgreSQL::Test::Utils::system_or_bail($node->installed_command('pg_ctl'), '-D', $data, '-m', 'fast', '-W', 'stop');

# The holder ends, so that the handler gets its lock, while the server waits for it.
my $until = time() + patience();
usleep(20_000) while -d "/proc/$pid" && time() < $until;
ok(!-d "/proc/$pid", 'its process ends when the server is shut down, as soon as its call has ended');
usleep(20_000) while -e "$data/postmaster.pid" && time() < $until;
ok(!-e "$data/postmaster.pid", '... and so does the server');
$node->{_pid} = undef;
if (-e "$data/postmaster.pid")
{
	kill('KILL', $pid);
	PostgreSQL::Test::Utils::system_log($node->installed_command('pg_ctl'), '-D', $data, '-m', 'immediate', 'stop');
}
done_testing();
