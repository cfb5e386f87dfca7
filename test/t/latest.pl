# LATEST reads few pages, however long the shard is: without a hint, with more
# running transactions than a hint holds, and in an old snapshot, behind a large
# transaction as well.  What was in flight when the snapshot was taken is found
# all the same.
#
# To see it fail: test/mutations/run latest-without-search
# latest-search-ignores-holders latest-search-ignores-committed
# latest-search-by-other-clock latest-behind-nothing latest-without-marks
# latest-marks-ignore-holders latest-marks-unchecked latest-start-unnoted.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $node = new_server('latest', q{
max_prepared_transactions = 60
ddbstreams.max_workers = 0
});

sql(q{
	CREATE TABLE other (id int PRIMARY KEY);
	CREATE TABLE t (id int PRIMARY KEY, filler text DEFAULT repeat('x', 60));
	CREATE TABLE u (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	SELECT ddbstreams.enable_stream('u', shard_count => 1);

	-- How many pages this transaction has read of the one shard of a table
	CREATE FUNCTION pages(table_name regclass) RETURNS bigint LANGUAGE sql AS $$
		SELECT pg_stat_get_xact_blocks_fetched(shards(table_name)) $$;
	-- LATEST, and how many pages have been read for it
	CREATE FUNCTION take(table_name regclass, OUT iterator text, OUT read bigint) LANGUAGE plpgsql AS $$
	BEGIN
		read := -pages(table_name);
		iterator := latest(table_name);
		read := read + pages(table_name);
	END $$;
	-- The first record behind an iterator
	CREATE FUNCTION first_behind(iterator text) RETURNS text LANGUAGE sql AS $$
		SELECT coalesce((SELECT left(event_name, 1) || (keys->'id'->>'N') FROM ddbstreams.get_records(iterator, 1)), '') $$;
	INSERT INTO t SELECT generate_series(1, 30000)});

my $few = 40;
my $pages = sql(q{SELECT pg_relation_size(shards('t')) / 8192});
cmp_ok($pages, '>', 5 * $few, 'the shard has many pages');

# Takes LATEST in a session, and looks how many pages that has read.
sub take
{
	my ($session, $name) = @_;
	my ($iterator, $read) = split(/,/, $session->query(q{SELECT iterator || ',' || read FROM take('t')}));

	cmp_ok($read, '<', $few, "$name: LATEST reads few pages") if defined $name;
	return $iterator;
}

# Adds records, of which the first is to come behind an iterator.
my $next = 30001;
sub insert
{
	my ($count) = @_;
	my $first = $next;

	$next += $count;
	sql(qq{INSERT INTO t SELECT generate_series($first, $next - 1)});
	return "I$first";
}

# A transaction that is prepared, with a record in the shard
sub prepare
{
	my ($name) = @_;
	my $id = $next++;

	sql(qq{BEGIN; INSERT INTO t VALUES ($id); PREPARE TRANSACTION '$name'});
	return "I$id";
}

sub first_behind
{
	my ($iterator) = @_;
	return sql(qq{SELECT first_behind('$iterator')});
}

# Lets the clock go on, so that the next append notes it.
sub let_time_pass
{
	sql('SELECT pg_sleep(0.15)');
	return;
}

# --- no hint ------------------------------------------------------------------

$node->restart;
my $one = session($node);
my $iterator = take($one, 'behind a restart');
my $expected = insert(1);
is(first_behind($iterator), $expected, 'behind a restart: what is written next comes next');

# --- more transactions than a hint holds --------------------------------------

sql(qq{BEGIN; INSERT INTO other VALUES ($_); PREPARE TRANSACTION 'other $_'}) foreach 1 .. 41;
insert(10000);
take($one);
$iterator = take($one, '41 running');
$expected = insert(1);
is(first_behind($iterator), $expected, '41 running: what is written next comes next');
sql(qq{COMMIT PREPARED 'other $_'}) foreach 1 .. 41;

# --- an old snapshot ----------------------------------------------------------

# A record tells the clock before those that are written behind the snapshot.
let_time_pass();
insert(1);
my $old = session($node);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$expected = insert(10000);
take($one);
$iterator = take($old, 'an old snapshot');
is(first_behind($iterator), $expected, 'an old snapshot: what was written since comes next');
$old->query('COMMIT');

# The last one that has written before the snapshot is a large transaction, and
# nobody has asked for LATEST since.
insert(30000);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$expected = insert(1);
insert(10000);
$iterator = take($old, 'behind a large transaction');
is(first_behind($iterator), $expected, 'behind a large transaction: what was written since comes next');
$old->query('COMMIT');

# So does a transaction that has begun long before, commits behind the snapshot and
# has never written to this shard.
sql(q{BEGIN; INSERT INTO other VALUES (0); PREPARE TRANSACTION 'long'});
insert(10000);
insert(10000);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
sql(q{COMMIT PREPARED 'long'});
$expected = insert(10000);
$iterator = take($old, 'a long transaction elsewhere');
is(first_behind($iterator), $expected, 'a long transaction elsewhere: what was written since comes next');
$old->query('COMMIT');

# Neither a mark nor a hint is there.
$node->restart;
$one = session($node);
$old = session($node);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$expected = insert(10000);
$iterator = take($old, 'an old snapshot of a new server');
is(first_behind($iterator), $expected, 'an old snapshot of a new server: what was written since comes next');
$old->query('COMMIT');

# --- in flight ----------------------------------------------------------------

let_time_pass();
insert(1);
my $prepared = prepare('p');
insert(10000);
$iterator = take($one, 'a prepared transaction');
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
is(first_behind($iterator), '', 'a prepared transaction: its record is not passed');
sql(q{COMMIT PREPARED 'p'});
is(first_behind($iterator), $prepared, 'a prepared transaction: its record comes next');
take($one);
$iterator = take($old, 'committed since');
is(first_behind($iterator), $prepared, 'committed since: its record comes next');
$old->query('COMMIT');

# A prepared transaction of before the restart: no note tells where it begins.
$prepared = prepare('p');
insert(10000);
$node->restart;
$one = session($node);
$old = session($node);
$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$iterator = take($one);
sql(q{COMMIT PREPARED 'p'});
is(first_behind($iterator), $prepared, 'prepared before a restart: its record comes next');
$iterator = take($old);
is(first_behind($iterator), $prepared, '... and if it has committed since, too');
$old->query('COMMIT');

# --- another clock ------------------------------------------------------------

# A note of a clock that ran ahead; then it is set back.
sql(q{SET ddbstreams.clock_offset = 3600; INSERT INTO u VALUES (1)});
$prepared = prepare('p');
insert(10000);
$iterator = take($one);
sql(q{COMMIT PREPARED 'p'});
is(first_behind($iterator), $prepared, 'the clock is set back: the record of a prepared transaction comes next');

# --- aborted records before the first unresolved one ---------------------------

# The walk begins at a page without a visible record: LATEST is the end of what
# comes before.
insert(1);
sql(qq{BEGIN; INSERT INTO t SELECT generate_series(-10000, -1); PREPARE TRANSACTION 'a'});
sql(q{ROLLBACK PREPARED 'a'});
$node->restart;
sql(q{INSERT INTO u VALUES (2)});
let_time_pass();
sql(q{INSERT INTO u VALUES (3)});
$prepared = prepare('p');
insert(10000);
$one = session($node);
$iterator = take($one);
sql(q{COMMIT PREPARED 'p'});
is(first_behind($iterator), $prepared, 'behind aborted records: the unresolved record comes next');

done_testing();
