# Logical decoding sees nothing of the shard tables and the catalogue tables:
# neither test_decoding, which shows everything, nor pgoutput with a publication
# FOR ALL TABLES.
#
# To see it fail: test/mutations/run append-decoded
# catalogue-rows-decoded deleted-rows-decoded.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('decoding', 'wal_level = logical', bare => 1);

sql(q{
	CREATE TABLE t (id int PRIMARY KEY, v int, w text);
	CREATE PUBLICATION everything FOR ALL TABLES});
sql(q{SELECT pg_create_logical_replication_slot('shown', 'test_decoding')});
sql(q{SELECT pg_create_logical_replication_slot('sent', 'pgoutput')});

# What is decoded of ddbstreams' own tables
sub decoded
{
	my ($name, $changes) = @_;

	my ($shown, $shards, $catalogue) = split(/\|/, sql(q{
		SELECT count(*) FILTER (WHERE data LIKE 'table public.t:%'),
			count(*) FILTER (WHERE data ~ '^table ddbstreams_shards.(shard|side)_\d'),
			count(*) FILTER (WHERE data LIKE '%ddbstreams%' AND data !~ '^table ddbstreams_shards.(shard|side)_\d')
		FROM pg_logical_slot_get_changes('shown', NULL, NULL)}));

	is($shown, $changes, "$name: test_decoding shows the table's changes");
	is($shards, 0, "$name: ... and none of the shard tables");
	is($catalogue, 0, "$name: ... nor of the catalogue tables");
	is(sql(q{SELECT count(*) FILTER (WHERE get_byte(data, 0) IN (68, 73, 85)),
				count(*) FILTER (WHERE position('ddbstreams'::bytea IN data) > 0)
			FROM pg_logical_slot_get_binary_changes('sent', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')}),
		"$changes|0", "$name: pgoutput has these changes and nothing of ours");
	return;
}

create_helpers($node);
decoded('CREATE EXTENSION', 0);
sql(q{SELECT ddbstreams.enable_stream('t', shard_count => 2)});
decoded('enable_stream', 0);
sql(q{INSERT INTO t VALUES (1, 1, 'w')});
sql(q{INSERT INTO t SELECT i, 1, 'w' FROM generate_series(2, 1000) i});
sql(q{UPDATE t SET v = 2 WHERE id <= 10});
sql(q{DELETE FROM t WHERE id > 990});
decoded('small changes', 1020);
sql(q{ALTER TABLE t ALTER w SET STORAGE EXTERNAL});
sql(q{INSERT INTO t SELECT 2000, 1, string_agg(md5(i::text), '') FROM generate_series(1, 40000) i});
sql(q{UPDATE t SET v = 3 WHERE id = 2000});
sql(q{DELETE FROM t WHERE id = 2000});
decoded('large values', 3);
sql(q{BEGIN; INSERT INTO t VALUES (3000, 1); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'});
decoded('a prepared transaction', 1);
sql(q{SELECT ddbstreams.alter_stream(ddbstreams.latest_stream_arn('t'), '2 hours')});
decoded('alter_stream', 0, 1);
sql(q{ALTER TABLE t RENAME id TO key});
decoded('a renamed key', 0, 1);
sql(q{ALTER TABLE t RENAME key TO id});
sql(q{SELECT ddbstreams.disable_stream('t')});
decoded('disable_stream', 0, 1);
sql(q{SET ddbstreams.clock_offset = '3 h'; SELECT ddbstreams_shards.expire()});
is(sql(q{SELECT count(*) FROM ddbstreams_shards.stream}), '0', 'the stream has expired');
decoded('expiry', 0);
sql(q{SELECT ddbstreams.enable_stream('t', shard_count => 2)});
sql(q{BEGIN; INSERT INTO t VALUES (4000, 1); DROP TABLE t; COMMIT});
decoded('DROP TABLE', 1, 1);
sql(q{DROP PUBLICATION everything});

$node->stop;

# --- logical decoding on demand (PostgreSQL 19) --------------------------------
#
# With wal_level = replica decoding begins when a slot is made, and ends with the
# last slot, while the server runs.  Records are appended in the same way all the
# time, and no flag of theirs shows them to decoding.

$node = new_server('on_demand', 'wal_level = replica', bare => 1);
if (sql('SHOW server_version_num') < 190000)
{
	$node->stop;
	done_testing();
	exit;
}
create_helpers($node);
sql(q{
	CREATE TABLE t (id int PRIMARY KEY, v int, w text);
	CREATE EXTENSION pg_walinspect;
	SELECT ddbstreams.enable_stream('t', shard_count => 1)});

# Runs a statement that changes 500 rows, and looks how many records of the WAL append
# to the shard what is captured.
sub appends_together
{
	my ($statement, $name) = @_;
	my $start = sql('SELECT pg_current_wal_insert_lsn()');

	sql($statement);
	my $records = sql(qq{SELECT count(*) FROM pg_get_wal_records_info('$start', pg_current_wal_flush_lsn()),
			ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) d
		WHERE record_type ~ 'INSERT' AND block_ref ~ ('/' || pg_relation_filenode(d.shard_table) || ' fork')});
	cmp_ok($records, '>', 0, "$name: records are appended ...");
	cmp_ok($records, '<', 100, '... several at a time');
	return;
}

is(sql('SHOW effective_wal_level'), 'replica', 'on demand: nobody decodes');
appends_together('INSERT INTO t SELECT i, 1 FROM generate_series(1, 500) i', 'nobody decodes');

# A transaction that has begun without decoding ends while a slot is made.
my $writer = session($node);
$writer->query_safe('BEGIN; INSERT INTO t SELECT i, 1 FROM generate_series(501, 1000) i');
my $maker = session($node);
send_query($maker, q{SELECT pg_create_logical_replication_slot('shown', 'test_decoding')});
comes_to('SHOW effective_wal_level', 'logical', 'decoding begins with a slot');
$writer->query_safe('UPDATE t SET v = 2 WHERE id > 900; COMMIT');
finish_query($maker);
sql(q{CREATE PUBLICATION everything FOR ALL TABLES});
sql(q{SELECT pg_create_logical_replication_slot('sent', 'pgoutput')});
is(sql(q{SELECT count(*) FROM pg_logical_slot_get_changes('shown', NULL, NULL) WHERE data LIKE '%ddbstreams%'}), '0',
	'... and sees nothing of a transaction that was under way');
appends_together('INSERT INTO t SELECT i, 1 FROM generate_series(1001, 1500) i', 'decoding on demand');
$writer->query_safe('BEGIN; DELETE FROM t WHERE id > 1400');
decoded('decoding on demand', 500);

# The last slot goes while a transaction is under way.
sql(q{SELECT pg_drop_replication_slot('shown')});
sql(q{SELECT pg_drop_replication_slot('sent')});
comes_to('SHOW effective_wal_level', 'replica', 'decoding ends with the last slot');
$writer->query_safe('UPDATE t SET v = 3 WHERE id <= 100; COMMIT');
appends_together('UPDATE t SET v = 4 WHERE id <= 500', 'nobody decodes any more');

# It begins again, and nothing of the time between is seen.
sql(q{SELECT pg_create_logical_replication_slot('shown', 'test_decoding')});
sql(q{SELECT pg_create_logical_replication_slot('sent', 'pgoutput')});
sql(q{UPDATE t SET v = 5 WHERE id <= 50});
decoded('decoding that has begun again', 50);
$writer->quit;
$maker->quit;
is(sql(q{SELECT count(*) FROM follow('t')}), 500 + 500 + 100 + 500 + 100 + 100 + 500 + 50,
	'the stream has every change');
is(sql(q{SELECT disorder('t')}), '0', '... in order');

$node->stop;
done_testing();
