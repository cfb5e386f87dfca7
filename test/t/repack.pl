# REPACK (CONCURRENTLY), of PostgreSQL 19: a captured table is copied while it is
# written to, and nothing of what is written is lost, doubled or out of order.
# Logical decoding begins and ends with each copy, so records are appended in both
# of the ways that depend on it (shard_log.c).
#
# Without REPACK, or in a server before 19, this test is skipped.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('repack', q{
wal_level = replica
max_wal_senders = 4
max_replication_slots = 4
max_worker_processes = 16
ddbstreams.maintenance_interval = 1s
}, bare => 1);

if (sql('SHOW server_version_num') < 190000)
{
	$node->stop;
	plan skip_all => 'REPACK is of PostgreSQL 19';
}
create_helpers($node);

# An audit of every change, in the order of row versions, beside the stream
sql(q{
	CREATE TABLE t (id int PRIMARY KEY, v int, w text);
	ALTER TABLE t ALTER w SET STORAGE EXTERNAL;
	CREATE TABLE audit (event text, id int);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF TG_OP <> 'UPDATE' OR new IS DISTINCT FROM old THEN
			INSERT INTO audit VALUES (TG_OP, coalesce(new.id, old.id));
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
	SELECT ddbstreams.enable_stream('t', shard_count => 2);
	INSERT INTO t SELECT i, 0, 'w' FROM generate_series(1, 2000) i});

# What a reader of the stream has in the end is what the table has.
sub check
{
	my ($name) = @_;

	is(sql(q{
		SELECT count(*) FROM (
			SELECT DISTINCT ON (id::int) id::int AS id, event, (new->'v'->>'N')::int AS v, md5(new->'w'->>'S') AS w
			FROM follow('t') ORDER BY id::int, number DESC) r
			FULL JOIN t USING (id)
		WHERE CASE WHEN t.id IS NULL THEN event <> 'REMOVE'
			ELSE r.id IS NULL OR event = 'REMOVE' OR r.v <> t.v OR r.w <> md5(t.w) END}), '0',
		"$name: the stream tells what the table has");
	is(sql(q{
		SELECT (SELECT string_agg(event || ' ' || n, ', ' ORDER BY event) FROM (
				SELECT replace(event, 'UPDATE', 'MODIFY') AS event, count(*) AS n
				FROM (SELECT replace(event, 'DELETE', 'REMOVE') AS event FROM audit) a GROUP BY 1) a) =
			(SELECT string_agg(event || ' ' || n, ', ' ORDER BY event) FROM (
				SELECT event, count(*) AS n FROM follow('t') GROUP BY 1) f)}), 't',
		"$name: there is a record for each change, and no other");
	is(sql(q{SELECT disorder('t')}), '0', "$name: numbers rise");
	return;
}

sql('REPACK (CONCURRENTLY) t');
check('nobody writes');

# --- under writers ------------------------------------------------------------

my $script = $node->basedir . '/writer.sql';
append_to_file($script, q{
\set id random(1, 2500)
\set other random(1, 2500)
BEGIN;
INSERT INTO t VALUES (:id, 1, 'new') ON CONFLICT (id) DO UPDATE SET v = t.v + 1;
UPDATE t SET v = v + 1 WHERE id BETWEEN :other AND :other + 5;
COMMIT;
DELETE FROM t WHERE id = :other;
UPDATE t SET w = repeat(md5(v::text), 200) WHERE id = :id;
BEGIN;
INSERT INTO t SELECT i, 1, 'many' FROM generate_series(3000, 3100) i ON CONFLICT (id) DO UPDATE SET v = t.v + 1;
SAVEPOINT s;
UPDATE t SET v = 0 WHERE id = :id;
ROLLBACK TO s;
COMMIT;
});

# The writers end by their number of transactions, and copies are made until then.
my ($out, $err) = ('', '');
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', '3', '-j', '3', '-t', '120', '--max-tries=100', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(2 * patience()));
my $copies = 0;
while ($writers->pumpable)
{
	$copies++;
	sql('REPACK (CONCURRENTLY) t' . ($copies % 2 ? ' USING INDEX t_pkey' : ''));
	$writers->pump_nb;
	last if $copies >= 200;
}
$writers->finish;
like($out, qr{transactions actually processed: 360/360}, 'all was written') or diag($err);
cmp_ok($copies, '>', 0, 'the table was copied meanwhile');
check('writers');

# --- a prepared transaction, and a table whose columns have changed ------------

sql(q{BEGIN; UPDATE t SET v = -1 WHERE id = 3000; PREPARE TRANSACTION 'p'});
my $session = session($node);
send_query($session, 'REPACK (CONCURRENTLY) t');
comes_to(q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'REPACK%' AND wait_event IS NOT NULL}, 't',
	'a copy waits for a prepared transaction');
sql(q{COMMIT PREPARED 'p'});
finish_query($session);
$session->quit;
check('a prepared transaction');

sql(q{
	ALTER TABLE t ADD x int DEFAULT 5;
	UPDATE t SET v = v + 1 WHERE id = 3001});
sql('REPACK (CONCURRENTLY) t');
sql('UPDATE t SET v = v + 1 WHERE id IN (3001, 3002)');
check('an added column');
is(sql(q{SELECT string_agg(DISTINCT new->'x'->>'N', ' ') FROM follow('t') WHERE new->'x' IS NOT NULL}), '5',
	'... and images have it');

# --- own tables: plain REPACK goes on while records are written ------------------

my $writer = session($node);
send_query($writer, q{DO $$ BEGIN FOR i IN 1 .. 200 LOOP UPDATE t SET v = v + 1 WHERE id = 3003; COMMIT; END LOOP; END $$});
foreach (1 .. 5)
{
	sql("REPACK $_") foreach split(/\n/, sql(q{SELECT shards('t')}));
}
finish_query($writer);
$writer->quit;
check('REPACK of shards');

comes_to('SHOW effective_wal_level', 'replica', 'logical decoding has ended');
is(sql('SELECT count(*) FROM pg_replication_slots'), '0', 'no slot is left');
$node->stop;
done_testing();
