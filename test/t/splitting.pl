# Shards that get more records than ddbstreams.split_above are split by the
# maintenance worker, but not where one key has the load.
#
# To see it fail: test/mutations/run split-again-behind-roll-over split-in-vain
# split-of-cold-shard split-waits-for-locks.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use StreamTest qw(:DEFAULT sql run_maintenance);

my $node = new_server('splitting', q{
ddbstreams.maintenance_interval = 1h
ddbstreams.split_above = 5
ddbstreams.default_shard_count = 1
});

sql(q{
	CREATE TABLE plain ();
	CREATE TABLE spread (id int PRIMARY KEY);
	CREATE TABLE one_key (id int PRIMARY KEY, n int);
	CREATE TABLE cold (id int PRIMARY KEY);
	CREATE TABLE locked (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream(t::regclass) FROM unnest('{spread,one_key,cold,locked}'::text[]) t;
	INSERT INTO one_key VALUES (1, 0);
	INSERT INTO cold VALUES (1);
	INSERT INTO locked VALUES (1);
	CREATE PROCEDURE heat_one_key() LANGUAGE plpgsql AS $$
		BEGIN
			FOR i IN 1 .. 2000 LOOP
				UPDATE one_key SET n = n + 1;
			END LOOP;
		END $$});

# How many open shards a table's stream has, and all its shards
sub shards_of
{
	my ($table) = @_;
	return sql(qq{SELECT count(*) FILTER (WHERE ending_sequence_number IS NULL), count(*)
		FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('$table'))});
}

# Lets maintenance run, with new records by the statements, until a stream has
# more open shards than before.  The load of a shard counts from its sixth second
# on, and is that of the last minute.
sub split_by
{
	my ($table, $statements) = @_;
	my ($open) = split(/\|/, shards_of($table));
	my $until = time() + patience();
	my $now = $open;

	while ($now == $open && time() < $until)
	{
		sql($statements);
		run_maintenance('maintenance runs');
		($now) = split(/\|/, shards_of($table));
	}
	cmp_ok($now, '>', $open, "the load splits a shard of $table");
	return;
}

my $many_keys = q{INSERT INTO spread SELECT i + (SELECT coalesce(max(id), 0) FROM spread) FROM generate_series(1, 2000) i};

split_by('spread', $many_keys);
is(sql(q{SELECT string_agg(substring(line FROM '\[.*\)  [a-z]+'), ', ')
		FROM ddbstreams.shard_tree(ddbstreams.latest_stream_arn('spread')) line}),
	'[0 %, 100 %)  closed, [0 %, 50 %)  open, [50 %, 100 %)  open', 'its children have half of its range each');
is(shards_of('cold'), '1|1', 'a shard with few records stays as it is');
$node->safe_psql('postgres', $many_keys);
is(sql(q{SELECT count(*) = (SELECT count(*) FROM spread), count(DISTINCT id::int) = count(*),
		count(DISTINCT shard) FROM follow('spread')}), 't|t|3', 'each record is there once, in three shards');

# --- one key has the load -----------------------------------------------------

split_by('one_key', 'CALL heat_one_key()');
is(shards_of('one_key'), '2|3', 'a shard with one key is split');

# The other table's shard is younger, and its changes come later: when it is
# split, this one's has been found to have too many records, too.
my $changes = "CALL heat_one_key(); $many_keys";

sql(q{SELECT ddbstreams.disable_stream('spread');
	SELECT ddbstreams.enable_stream('spread')});
split_by('spread', $changes);
is(shards_of('one_key'), '2|3', '... but not the child that has it');
sql(q{SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('one_key'));
	SELECT ddbstreams.roll_over(ddbstreams.latest_stream_arn('spread'))});
my ($open) = split(/\|/, shards_of('one_key'));
split_by('spread', $changes);
is((split(/\|/, shards_of('one_key')))[0], $open, '... nor the child of that');

# --- nobody is waited for -----------------------------------------------------

my $locker = session($node);
my $shard = sql(q{SELECT shard_table FROM ddbstreams.describe_stream(ddbstreams.latest_stream_arn('locked'))});
$locker->query_safe("BEGIN; LOCK TABLE $shard IN ACCESS EXCLUSIVE MODE");
run_maintenance('maintenance runs while a shard is locked');
is(sql(q{SELECT last_error FROM ddbstreams.workers WHERE worker_type = 'maintenance'}), '', '... and does not wait for the lock');
$locker->query_safe('COMMIT');
$locker->quit;

$node->stop;
done_testing();
