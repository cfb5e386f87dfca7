# What is paid does not grow with what is not touched: work is counted, not time.
#
# To see it fail: test/mutations/run roll-over-whatever-retention.

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

done_testing();
