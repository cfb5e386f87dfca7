# From PostgreSQL 17 on signal handlers stand in a table. A library that puts its own
# handler of SIGALRM there takes all timeouts from its process, and nothing can put
# PostgreSQL's back: the process ends behind its call, and another one goes on.
#
# To see it fail: test/mutations/run process-without-alarms.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('alarm', q{
max_worker_processes = 16
ddbstreams.max_workers = 1
ddbstreams.maintenance_interval = 1h
});

plan skip_all => 'no table of signal handlers' if sql(q{SELECT current_setting('server_version_num')::int < 170000}) eq 't';
plan skip_all => 'no PL/Python' if sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'}) eq '0';

sql(q{CREATE EXTENSION plpython3u;
CREATE FUNCTION harm() RETURNS void LANGUAGE plpython3u AS $$
	import ctypes, signal
	libc = ctypes.CDLL(None)
	# PostgreSQL's own function, as a library calls it; abs() does nothing
	pqsignal = libc.pqsignal if hasattr(libc, 'pqsignal') else libc.pqsignal_be
	pqsignal.argtypes = [ctypes.c_int, ctypes.c_void_p]
	pqsignal.restype = ctypes.c_void_p
	pqsignal(signal.SIGALRM, ctypes.cast(libc.abs, ctypes.c_void_p))
$$;
CREATE TABLE seen (n serial, pid int DEFAULT pg_backend_pid(), mode text);
CREATE TABLE t (id serial PRIMARY KEY, mode text);
CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	mode text := event #>> '{Records,0,dynamodb,NewImage,mode,S}';
BEGIN
	INSERT INTO seen (mode) VALUES (mode);
	CASE mode
		WHEN 'look' THEN NULL;
		WHEN 'harm' THEN PERFORM harm();
		WHEN 'wait' THEN
			SET LOCAL lock_timeout = '100ms';
			PERFORM pg_advisory_xact_lock(1);
	END CASE;
END $$;
SELECT ddbstreams.enable_stream('t', shard_count => 1);
SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
	batch_size => 1, maximum_retry_attempts => 0)});

my $holder = session($node);
$holder->query_safe('SELECT pg_advisory_lock(1)');
sql(q{INSERT INTO t (mode) VALUES ('look'), ('look'), ('harm'), ('wait')});
comes_to(q{SELECT failure #>> '{responseContext,functionError}' FROM ddbstreams.failed_batches}, 'Unhandled', 'a handler waits for a lock as long as it wants to')
	or BAIL_OUT('it waits for ever');
sql(q{INSERT INTO t (mode) VALUES ('look')});
comes_to(q{SELECT string_agg(mode, ' ' ORDER BY n) FROM seen}, 'look look harm look', '... and the next one is called');
is(sql(q{SELECT string_agg(DISTINCT mode, ' ') FROM seen WHERE pid = (SELECT pid FROM seen ORDER BY n LIMIT 1)}), 'harm look', 'one process has made all calls up to the one that has harmed it');
is(sql(q{SELECT count(DISTINCT pid) FROM seen}), '2', '... and another one those behind it');
is(sql(q{SELECT last_error FROM ddbstreams.workers WHERE worker_type = 'handler' AND last_error IS NOT NULL}), '', '... without an error');

$holder->quit;
$node->stop;
done_testing();
