# A change buffer far larger than ddbstreams.buffer_memory: savepoints, two
# streams, 64 shards, temp_file_limit; the files are gone afterwards.
#
# To see it fail: test/mutations/run spill-file-of-statement
# spilled-savepoint-not-cut.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql);

my $node = new_server('spill', 'ddbstreams.buffer_memory = 64kB');

sub temporary_files
{
	return sql('SELECT count(*) FROM pg_ls_tmpdir()');
}

# The stream's last word on every key is the table.
sub check
{
	my ($table, $name, $changes) = @_;

	is(sql(qq{SELECT count(*) FROM follow('$table')}), $changes, "$name: every change is there once");
	is(sql(qq{SELECT disorder('$table')}), '0', "$name: numbers rise");
	is(sql(qq{
		WITH last AS (
			SELECT DISTINCT ON (id::int) id::int AS id, (new->'v'->>'N')::int AS v, new->'w'->>'S' AS w
			FROM follow('$table') ORDER BY id::int, at DESC)
		SELECT count(*) FROM last FULL JOIN $table t USING (id)
		WHERE last.v IS DISTINCT FROM t.v OR last.w IS DISTINCT FROM t.w}),
		'0', "$name: the stream tells what the table is");
	is(temporary_files(), '0', "$name: no file is left");
	return;
}

sql(q{
	CREATE TABLE one (id int PRIMARY KEY, v int, w text);
	CREATE TABLE two (id int PRIMARY KEY, v int, w text);
	CREATE TABLE few (id int PRIMARY KEY, v int, w text);
	SELECT ddbstreams.enable_stream('one', shard_count => 64);
	SELECT ddbstreams.enable_stream('two', shard_count => 64);
	SELECT ddbstreams.enable_stream('few', shard_count => 1)});

my $s = session($node);

# --- one large transaction --------------------------------------------------

$s->query_safe('BEGIN');
$s->query_safe(q{INSERT INTO few SELECT i, 1, 'w' FROM generate_series(1, 200000) i});
cmp_ok(temporary_files(), '>', 0, 'changes go to temporary files');
$s->query_safe('COMMIT');
is(sql(q{SELECT count(*), min(number) < max(number) FROM follow('few')}), '200000|t', '200,000 rows');
is(sql(q{SELECT count(*) FROM follow('few') WHERE id::int <> at}), '0', '... in order');
is(temporary_files(), '0', '... no file is left');

# --- savepoints, two streams, 128 shards ------------------------------------

$s->query_safe('BEGIN');
$s->query_safe(q{INSERT INTO one SELECT i, 1, 'w' FROM generate_series(1, 8000) i});
$s->query_safe(q{INSERT INTO two SELECT i, 1, 'w' FROM generate_series(1, 8000) i});
$s->query_safe('SAVEPOINT a');
$s->query_safe(q{UPDATE one SET v = 2; UPDATE two SET v = 2});
$s->query_safe('SAVEPOINT b');
$s->query_safe(q{DELETE FROM one});
cmp_ok(temporary_files(), '>', 64, 'a file for each shard');
$s->query_safe('ROLLBACK TO a');
$s->query_safe(q{UPDATE one SET v = 3 WHERE id > 4000});
$s->query_safe('SAVEPOINT c');
$s->query_safe(q{UPDATE two SET v = 4 WHERE id <= 4000});
$s->query_safe('RELEASE c');
$s->query_safe('SAVEPOINT d');
$s->query_safe(q{INSERT INTO one SELECT i, 5, repeat('x', 1000) FROM generate_series(10001, 11000) i});
$s->query_safe('ROLLBACK TO d');
$s->query_safe(q{INSERT INTO one SELECT i, 6, repeat('y', 1000) FROM generate_series(10001, 10500) i});
$s->query_safe('COMMIT');
check('one', 'savepoints', 8000 + 4000 + 500);
check('two', 'a second stream', 8000 + 4000);

$s->query_safe('BEGIN');
$s->query_safe(q{UPDATE one SET v = 7; UPDATE two SET v = 7});
$s->query_safe('ROLLBACK');
check('one', 'rolled back', 8000 + 4000 + 500);

$s->query_safe('BEGIN');
$s->query_safe(q{UPDATE two SET v = 8});
$s->query_safe(q{PREPARE TRANSACTION 'spilled'});
is(temporary_files(), '0', 'prepared: no file is left');
$s->query_safe(q{COMMIT PREPARED 'spilled'});
check('two', 'prepared', 8000 + 4000 + 8000);

# A large value goes straight to the file.
$s->query_safe('BEGIN');
$s->query_safe(q{INSERT INTO two SELECT 20000 + n, 9, string_agg(md5((n * i)::text), '') FROM generate_series(1, 3) n, generate_series(1, 60000) i GROUP BY n});
$s->query_safe('SAVEPOINT a');
$s->query_safe(q{UPDATE two SET w = 'lost' || w WHERE id > 20000});
$s->query_safe('ROLLBACK TO a');
$s->query_safe(q{UPDATE two SET v = 10 WHERE id > 20000});
$s->query_safe('COMMIT');
check('two', 'large values', 8000 + 4000 + 8000 + 6);

# --- temp_file_limit --------------------------------------------------------

$s->query_safe(q{SET temp_file_limit = '300kB'});
foreach my $statement (q{INSERT INTO one SELECT i, 1, repeat(md5(i::text), 30) FROM generate_series(30001, 40000) i},
	q{INSERT INTO one SELECT 30001, 1, string_agg(md5(i::text), '') FROM generate_series(1, 60000) i})
{
	$s->query($statement);
	like($s->{stderr}, qr/temporary file size exceeds/, 'temp_file_limit fails the statement');
	$s->{stderr} = '';
	is(temporary_files(), '0', '... no file is left');

	$s->query_safe('BEGIN');
	$s->query_safe(q{UPDATE one SET v = v + 1 WHERE id <= 20});
	$s->query_safe('SAVEPOINT a');
	$s->query($statement);
	like($s->{stderr}, qr/temporary file size exceeds/, '... in a savepoint too');
	$s->{stderr} = '';
	$s->query_safe('ROLLBACK TO a');
	$s->query_safe(q{UPDATE one SET v = v + 1 WHERE id <= 10});
	$s->query('COMMIT');
	is($s->{stderr}, '', '... and the rest can be committed');
	$s->{stderr} = '';
}
check('one', 'temp_file_limit', 8000 + 4000 + 500 + 60);
$s->query_safe(q{RESET temp_file_limit});
$s->query_safe(q{UPDATE one SET v = 11});
check('one', 'the session is usable', 8000 + 4000 + 500 + 60 + 8500);

$s->quit;
$node->stop;
done_testing();
