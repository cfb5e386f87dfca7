# A parallel worker of a handler's query crashes the server: the batch is given up
# for it in the end.
#
# To see it fail: test/mutations/run ended-call-forgotten
# parallel-crashes-for-ever.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('parallel', q{
max_worker_processes = 16
ddbstreams.max_workers = 1
restart_after_crash = on
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
parallel_leader_participation = off
});

if (sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'plpython3u'}) eq '0')
{
	plan skip_all => 'no PL/Python';
}

# The function notes whether a parallel worker calls it, and crashes for record 2.
# Whatever the handler sets does not help it to parallel workers again.
my $notes = $node->data_dir . '/notes';
sql(qq{
	CREATE EXTENSION plpython3u;
	CREATE TABLE t (id int PRIMARY KEY);
	CREATE TABLE rows AS SELECT i FROM generate_series(1, 1000) i;
	ANALYZE rows;
	CREATE TABLE seen (n serial, id int);
	CREATE FUNCTION crash(id int, i int) RETURNS int PARALLEL SAFE LANGUAGE plpython3u AS \$\$
		import os
		if i == 1:
			kind = 'parallel' if b'parallel worker' in open('/proc/self/cmdline', 'rb').read() else 'own'
			with open('$notes', 'a') as notes:
				notes.write('%d %s\\n' % (id, kind))
			if id == 2:
				os.kill(os.getpid(), 9)
		return i
	\$\$;
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE plpgsql
		SET max_parallel_workers_per_gather = 2 AS \$\$
	DECLARE
		id int := event #>> '{Records,0,dynamodb,Keys,id,N}';
	BEGIN
		SET LOCAL max_parallel_workers = 8;
		PERFORM sum(crash(id, r.i)) FROM rows r;
		INSERT INTO seen (id) VALUES (id);
	END \$\$;
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON', batch_size => 1);
	INSERT INTO t VALUES (1), (2), (3)});
comes_to(q{SELECT string_agg(id::text, ' ' ORDER BY n) FROM seen}, '1 3', 'a batch whose parallel workers crash the server is given up');
is(sql(q{SELECT jsonb_array_length(records), failure->'requestContext'->'approximateInvokeCount' FROM ddbstreams.failed_batches}),
	'1|3', '... when its own process has crashed three times');
is(slurp_file($notes), join('', map { "$_\n" } '1 parallel', '2 parallel', ('2 own') x 3, '3 parallel'),
	'... with parallel workers once, and without them afterwards');

$node->stop;
done_testing();
