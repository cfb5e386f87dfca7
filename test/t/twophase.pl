# A prepared transaction's records are in the stream after COMMIT PREPARED and
# not before, whatever the server goes through in between.
#
# To see it fail: test/mutations/run newest-behind-unresolved
# no-append-at-prepare read-past-unresolved.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = new_server('twophase', '');
my $iterator;

$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	INSERT INTO t VALUES (1, 1)});

sub story
{
	return $node->safe_psql('postgres', q{SELECT story('t')});
}

sub prepare
{
	my ($name, $id) = @_;
	$node->safe_psql('postgres', qq{
		BEGIN;
		INSERT INTO t VALUES ($id, 1);
		SAVEPOINT a;
		INSERT INTO t VALUES (-$id, 1);
		ROLLBACK TO a;
		UPDATE t SET v = 2 WHERE id = $id;
		PREPARE TRANSACTION '$name'});
	return;
}

prepare('first', 2);
prepare('second', 3);
prepare('third', 4);
$node->safe_psql('postgres', 'INSERT INTO t VALUES (5, 1)');
is(story(), 'I1', 'readers stop at a prepared transaction');
$iterator = $node->safe_psql('postgres', q{SELECT latest('t')});

$node->restart;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (6, 1)');
is(story(), 'I1', '... after a restart');
is($node->safe_psql('postgres', qq{SELECT behind(latest('t')), behind('$iterator')}),
	'|', 'LATEST is before it');

$node->safe_psql('postgres', q{COMMIT PREPARED 'first'});
is(story(), 'I1 I2 M2', 'the first is committed, the second is in the way');

kill_server($node);
$node->start;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (7, 1)');
is(story(), 'I1 I2 M2', '... after a crash');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'second'});
is(story(), 'I1 I2 M2', 'the second is rolled back, the third is in the way');

kill_server($node);
$node->start;
is(story(), 'I1 I2 M2', '... after another crash');
$node->safe_psql('postgres', q{COMMIT PREPARED 'third'; INSERT INTO t VALUES (8, 1)});
is(story(), 'I1 I2 M2 I4 M4 I5 I6 I7 I8', 'the third is committed: all is there, in order');
is($node->safe_psql('postgres', q{SELECT disorder('t')}), '0', 'numbers rise');
is($node->safe_psql('postgres', qq{SELECT behind('$iterator')}),
	'I2 M2 I4 M4 I5 I6 I7 I8', 'who took LATEST in between has missed nothing');

# Of many pages, too, newest_records() shows those before a prepared transaction
# alone.
$node->safe_psql('postgres', q{
	CREATE TABLE w (id int PRIMARY KEY, t text);
	SELECT ddbstreams.enable_stream('w', shard_count => 1);
	INSERT INTO w SELECT i, repeat('x', 1000) FROM generate_series(1, 100) i;
	BEGIN;
	INSERT INTO w VALUES (101, 'prepared');
	PREPARE TRANSACTION 'fourth';
	INSERT INTO w SELECT i, repeat('x', 1000) FROM generate_series(102, 200) i});

sub newest
{
	return $node->safe_psql('postgres', q{
		SELECT string_agg(keys->'id'->>'N', ' ' ORDER BY sequence_number)
		FROM ddbstreams.newest_records(ddbstreams.latest_stream_arn('w'), 3)});
}

is(newest(), '98 99 100', 'newest records before a prepared transaction');
$node->safe_psql('postgres', q{COMMIT PREPARED 'fourth'});
is(newest(), '198 199 200', 'newest records after it');

$node->stop;
done_testing();
