# A shard is closed while a session reads which shards are open: the session is
# told of it, although it does not know yet that the shard is one of the stream's.
#
# To see it fail: test/mutations/run closing-unnoticed-in-look-up.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $node = new_server('closing', q{ddbstreams.maintenance_interval = 1h});

sql(q{
	CREATE TABLE t (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	-- Waits until another session waits for pg_class, which is locked
	CREATE PROCEDURE wait_for_waiter() LANGUAGE plpgsql AS $$
		BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_lock_status() AS l
				WHERE l.relation = 1259 AND NOT l.granted) LOOP
				PERFORM pg_sleep(0.01);
			END LOOP;
		END $$});

# This session knows all but the next shard's tables.
my $writer = session($node);
$writer->query_safe('INSERT INTO t VALUES (1)');
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))});

# Its next look-up of the open shards stops at pg_class, behind the catalogue of
# shards, and meanwhile the shard that it has found there is closed.
my $closer = session($node);
send_query($closer, q{DO $$ BEGIN
	LOCK TABLE pg_class IN ACCESS EXCLUSIVE MODE;
	RAISE WARNING 'locked';
	CALL wait_for_waiter();
	PERFORM ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'));
END $$});
$node->wait_for_log(qr/WARNING:  locked/);
$writer->query_safe('INSERT INTO t VALUES (2)');
finish_query($closer);

is(sql(q{SELECT count(*), count(ending_sequence_number) FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))}),
	'3|2', 'the shard is closed');
is(sql(q{SELECT string_agg(id || ' in ' || shard, ' ' ORDER BY shard, at) FROM follow('t')}),
	'1 in 1 2 in 3', '... and the record is in its child');

$writer->quit;
$closer->quit;
$node->stop;
done_testing();
