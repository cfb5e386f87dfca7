# Other software beside ddbstreams, as far as it needs a server of its own or
# background workers.  test/neighbours runs the real ones; here an extension is
# made up.
#
# To see it fail: test/mutations/run subscription-with-own-tables
# taken-over-unnoticed taken-over-while-dropped two-phase-unwoken.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

my $node = new_server('neighbours', q{
ddbstreams.maintenance_interval = 1s
wal_level = logical
wal_retrieve_retry_interval = 100ms
max_replication_slots = 4
max_wal_senders = 8
max_worker_processes = 24
});

# --- a table is taken over without DDL -------------------------------------------

$node->safe_psql('postgres', q{
	SET allow_system_table_mods = on;
	INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
		SELECT max(oid::int8)::int8 + 1000000, 'timescaledb', 10, 'public'::regnamespace, false, '1' FROM pg_extension;
	CREATE SCHEMA _timescaledb_catalog;
	CREATE TABLE _timescaledb_catalog.hypertable (schema_name name, table_name name);
	ALTER EXTENSION timescaledb ADD TABLE _timescaledb_catalog.hypertable;
	CREATE TABLE taken (id int PRIMARY KEY);
	CREATE TABLE kept (id int PRIMARY KEY);
	CREATE TABLE gone (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('taken', shard_count => 1), ddbstreams.enable_stream('kept', shard_count => 1);
	INSERT INTO taken VALUES (1);
	SELECT ddbstreams.enable_stream('gone', shard_count => 1);
	SELECT own_sql('UPDATE ddbstreams_shards.stream SET table_oid = 4294967290 WHERE table_oid = ''public.gone''::regclass');
	INSERT INTO _timescaledb_catalog.hypertable VALUES ('public', 'taken')});
ok($node->poll_query_until('postgres', q{SELECT stream_status = 'DISABLED' FROM ddbstreams.list_streams('taken')}),
	'maintenance ends the stream of a table that another extension has taken over');
like(slurp_file($node->logfile), qr/ddbstreams has disabled the stream of table "taken": the table is now a hypertable/,
	'it says so in the log');
is($node->safe_psql('postgres', q{
	SELECT stream_status FROM ddbstreams.list_streams('kept') UNION ALL
	SELECT event FROM follow('taken') UNION ALL
	SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgrelid = 'taken'::regclass}), "ENABLED\nINSERT\nD",
	'another stream stays, and what was captured can be read');

unlike(slurp_file($node->logfile), qr/terminated by signal/, '... nor does one disturb whose table is gone');

# --- a subscription to a publication FOR ALL TABLES --------------------------------

# Publisher and subscriber have the extension.  The publisher has no more slots
# than user's tables need, so that what is tried in vain would be in the way.
my $connection = 'host=' . $node->host . ' port=' . $node->port . ' dbname=publisher';
my $subscription = "CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION p WITH (create_slot = false, slot_name = 's')";

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach ('publisher', 'subscriber');
$node->safe_psql('publisher', q{
	CREATE EXTENSION ddbstreams;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	CREATE TABLE u (id int PRIMARY KEY, v int);
	CREATE TABLE w (id int PRIMARY KEY, v text);
	INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1, 1); INSERT INTO w VALUES (1, 'a');
	CREATE PUBLICATION p FOR ALL TABLES});
$node->safe_psql('publisher', q{SELECT pg_create_logical_replication_slot('s', 'pgoutput')});
$node->safe_psql('subscriber', q{
	CREATE EXTENSION ddbstreams;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	CREATE TABLE u (id int PRIMARY KEY, v int);
	CREATE TABLE w (id int PRIMARY KEY, v text);
	CREATE TABLE applied (by text);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.applied VALUES (current_user); RETURN NULL; END';
	CREATE TRIGGER note AFTER UPDATE ON w FOR EACH ROW EXECUTE FUNCTION note();
	ALTER TABLE w ENABLE ALWAYS TRIGGER note;
	CREATE ROLE plain;
	ALTER TABLE w OWNER TO plain;
	GRANT INSERT ON applied TO plain;
	SELECT ddbstreams.enable_stream('t', shard_count => 1), ddbstreams.enable_stream('w', shard_count => 1)});
my ($code, $out, $err) = $node->psql('subscriber', $subscription);
is($code, 0, 'it can be made');
like($err, qr/NOTICE:  subscription "s" leaves out the tables of ddbstreams/, 'a notice says what it leaves out');
is($node->safe_psql('subscriber', q{SELECT string_agg(srrelid::regclass::text, ' ' ORDER BY srrelid::regclass::text) FROM pg_subscription_rel}),
	't u w', 'it has the tables of the user alone');
ok($node->poll_query_until('subscriber', q{SELECT count(*) = 3 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}),
	'they are copied');
$node->safe_psql('publisher', 'UPDATE t SET v = 2; UPDATE u SET v = 2; INSERT INTO t VALUES (2, 2)');
ok($node->poll_query_until('subscriber', 'SELECT (SELECT sum(v) FROM t) = 4 AND (SELECT sum(v) FROM u) = 2'),
	'and followed');
is($node->safe_psql('subscriber', q{
	SELECT event_name, (old_image).v, (new_image).v FROM ddbstreams.changes(null::t)}),
	"INSERT||1\nMODIFY|1|2\nINSERT||2", 'what is applied to a table with a stream is captured');

# A table of a role without any right on ddbstreams.  From 16 on rows are applied
# as this role, in a restricted operation; a value of this size goes through a file.
$node->safe_psql('publisher', q{UPDATE w SET v = repeat('b', 1000000); TRUNCATE w});
ok($node->poll_query_until('subscriber', 'SELECT count(*) = 0 FROM w'), 'rows of another role are followed');
my $applies = $node->safe_psql('subscriber', q{SELECT CASE WHEN current_setting('server_version_num')::int < 160000 THEN current_user ELSE 'plain' END});
is($node->safe_psql('subscriber', 'SELECT DISTINCT by FROM applied'), $applies, '... applied as the subscription\'s owner, or the table\'s');
is($node->safe_psql('subscriber', q{SET ROLE plain;
	SELECT event_name, length((old_image).v), length((new_image).v) FROM ddbstreams.changes(null::w)}),
	"INSERT||1\nMODIFY|1|1000000\nREMOVE|1000000|", '... and captured');
$node->safe_psql('subscriber', 'ALTER SUBSCRIPTION s REFRESH PUBLICATION');
is($node->safe_psql('subscriber', q{SELECT count(*) FROM pg_subscription_rel}), 3, 'a refresh brings no own table');
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION s');
is($node->safe_psql('publisher', 'SELECT count(*) FROM pg_replication_slots'), 0, 'no slot is left at the publisher');

# --- a subscription with two_phase --------------------------------------------------

# Its worker ends prepared transactions without a command.  The publisher is
# another server: COMMIT PREPARED wakes the readers of its own.
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
my $waits = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT ddbstreams.wait_for_records%' AND wait_event_type = 'Extension'};
my $waiter = session($node, 'subscriber');

# Waits for a record behind those that can be read while a prepared transaction
# is ended.
sub wait_while
{
	my ($end) = @_;
	my $iterator = $node->safe_psql('subscriber', q{
		SELECT coalesce((SELECT r.next_shard_iterator FROM ddbstreams.get_records(i) r ORDER BY r.sequence_number DESC LIMIT 1), i)
		FROM ddbstreams.latest_stream_arn('two') arn, ddbstreams.describe_stream(arn) s,
			ddbstreams.get_shard_iterator(arn, s.shard_id, 'TRIM_HORIZON') i});

	send_query($waiter, "SELECT ddbstreams.wait_for_records('$iterator', '1 day')");
	ok($node->poll_query_until('subscriber', $waits), 'a session waits for it');
	$publisher->safe_psql('postgres', $end);
	is(finish_query($waiter), 't', '... and is woken');
	return;
}

$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$publisher->start;
$publisher->safe_psql('postgres', 'CREATE TABLE two (id int PRIMARY KEY); CREATE PUBLICATION two FOR TABLE two');
$node->safe_psql('subscriber', q{
	CREATE TABLE two (id int PRIMARY KEY);
	CREATE TABLE handled (id int);
	CREATE FUNCTION handle(event jsonb) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.handled SELECT (r->'dynamodb'->'Keys'->'id'->>'N')::int FROM jsonb_array_elements(event->'Records') r $$;
	SELECT ddbstreams.create_event_source_mapping('handle', ddbstreams.enable_stream('two', shard_count => 1), 'LATEST')});
$node->safe_psql('subscriber', "CREATE SUBSCRIPTION two CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION two WITH (two_phase = true)");
ok($node->poll_query_until('subscriber', q{SELECT subtwophasestate = 'e' FROM pg_subscription}), 'a subscription with two_phase can be made');
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO two VALUES (1); PREPARE TRANSACTION 'one'});
ok($node->poll_query_until('subscriber', q{SELECT count(*) = 1 FROM pg_prepared_xacts WHERE database = 'subscriber'}),
	'a transaction is prepared');
ok($node->poll_query_until('subscriber', q{SELECT count(*) = 1 FROM ddbstreams.workers WHERE database = 'subscriber' AND worker_type = 'handler' AND state = 'idle'}),
	'a mapping stops before it');
wait_while(q{COMMIT PREPARED 'one'});
ok($node->poll_query_until('subscriber', q{SELECT string_agg(id::text, ' ') = '1' FROM handled}), '... and the mapping goes on');
$publisher->safe_psql('postgres', q{BEGIN; INSERT INTO two VALUES (2); PREPARE TRANSACTION 'two'});
$publisher->safe_psql('postgres', 'INSERT INTO two VALUES (3)');
ok($node->poll_query_until('subscriber', 'SELECT count(*) = 1 FROM two WHERE id = 3'), 'a record stands behind a prepared transaction');
wait_while(q{ROLLBACK PREPARED 'two'});
ok($node->poll_query_until('subscriber', q{SELECT string_agg(id::text, ' ' ORDER BY id) = '1 3' FROM handled}), '... and the mapping goes on');
$waiter->quit;
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION two');
$publisher->stop;

# --- a subscription to a publication FOR ALL SEQUENCES (PostgreSQL 19) -------------

SKIP:
{
	skip 'FOR ALL SEQUENCES is of PostgreSQL 19', 6
	  if $node->safe_psql('postgres', 'SHOW server_version_num') < 190000;
	my $id = 'SELECT last_value FROM ddbstreams_shards.id_seq';

	$node->safe_psql('publisher', q{
		CREATE SEQUENCE q;
		SELECT setval('q', 1000);
		CREATE PUBLICATION every_sequence FOR ALL SEQUENCES});
	$node->safe_psql('subscriber', 'CREATE SEQUENCE q');
	my $before = $node->safe_psql('subscriber', $id);
	isnt($node->safe_psql('publisher', $id), $before, 'the databases have drawn different identities');
	$subscription =~ s/PUBLICATION p /PUBLICATION every_sequence /;
	$node->safe_psql('publisher', q{SELECT pg_create_logical_replication_slot('s', 'pgoutput')});
	($code, $out, $err) = $node->psql('subscriber', $subscription);
	is($code, 0, 'it can be made') or diag($err);
	like($err, qr/NOTICE:  subscription "s" leaves out the tables of ddbstreams/, '... with a notice');
	is($node->safe_psql('subscriber', q{SELECT string_agg(srrelid::regclass::text, ' ') FROM pg_subscription_rel}), 'q',
		'... and has the sequence of the user alone');
	$node->safe_psql('subscriber', 'ALTER SUBSCRIPTION s REFRESH PUBLICATION');
	$node->safe_psql('subscriber', 'ALTER SUBSCRIPTION s REFRESH SEQUENCES');
	ok($node->poll_query_until('subscriber', 'SELECT last_value = 1000 FROM q'), 'that one is followed');
	is($node->safe_psql('subscriber', $id), $before, '... and the identities stay');
	$node->safe_psql('subscriber', 'DROP SUBSCRIPTION s');
}

$node->stop;
done_testing();
