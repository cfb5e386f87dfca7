# The numbers of roles are given again when the counter of OIDs has come round.
# What a dropped role has left does not go to the role that gets its number: a
# mapping, which would call its function as that role, with its failed batches
# and errors; a consumer; and the stream of a dropped table.
#
# To see it fail: test/mutations/run consumer-of-dropped-role-stays
# mapping-of-dropped-role-enabled mapping-of-dropped-role-stays
# stream-of-dropped-role-stays.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest;

# Makes a role with a number.  The row of the role that had it counts until a
# vacuum has removed it, which a snapshot of maintenance may put off.
sub new_role
{
	my ($node, $role, $number) = @_;
	my ($name) = split / /, $role;
	my $found = 0;

	for (my $until = time() + patience(); $found != $number && time() < $until;)
	{
		$node->safe_psql('postgres', "DROP ROLE IF EXISTS $name");
		$node->safe_psql('postgres', 'VACUUM pg_authid');
		$node->stop;
		system_or_bail('pg_resetwal', '-o', $number, $node->data_dir);
		$node->start;
		$node->safe_psql('postgres', "CREATE ROLE $role");
		$found = $node->safe_psql('postgres', "SELECT '$name'::regrole::oid");
	}
	is($found, $number, "$name has the number");
	return;
}

my $node = new_server('dropped_role', q{
ddbstreams.maintenance_interval = '500ms'});
$node->safe_psql('postgres', q{
	CREATE ROLE maker LOGIN;
	CREATE ROLE owner LOGIN;
	GRANT CREATE ON SCHEMA public TO owner;
	CREATE TABLE t (id int PRIMARY KEY);
	GRANT SELECT ON t TO PUBLIC;
	CREATE TABLE seen (id int, role text);
	GRANT INSERT ON seen TO PUBLIC;
	CREATE FUNCTION handler(event jsonb) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO seen SELECT (r #>> '{dynamodb,Keys,id,N}')::int, current_user FROM jsonb_array_elements(event->'Records') r $$;
	SELECT ddbstreams.enable_stream('t', shard_count => 1);
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON');
	SET SESSION AUTHORIZATION maker;
	SELECT ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON');
	SET SESSION AUTHORIZATION owner;
	CREATE TABLE gone (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('gone', shard_count => 1);
	CREATE FUNCTION fails(event jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'a secret'; END $$;
	SELECT ddbstreams.create_event_source_mapping('fails', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
		maximum_retry_attempts => 0);
	SELECT ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'));
	INSERT INTO gone VALUES (1);
	RESET SESSION AUTHORIZATION;
	INSERT INTO t VALUES (1)});
ok( $node->poll_query_until('postgres', q{SELECT count(DISTINCT role) = 2 FROM seen}),
	'each mapping calls its function as its role');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM ddbstreams.failed_batches}), '... and one fails');
my $failing = $node->safe_psql('postgres', q{SELECT uuid FROM ddbstreams.list_event_source_mappings() WHERE function_name::text LIKE '%fails'});
my $arn = $node->safe_psql('postgres', q{SELECT ddbstreams.latest_stream_arn('gone')});
my ($maker, $owner) = split /\|/, $node->safe_psql('postgres', q{SELECT 'maker'::regrole::oid, 'owner'::regrole::oid});

$node->safe_psql('postgres', q{
	DROP TABLE gone;
	DROP OWNED BY maker, owner;
	DROP ROLE maker, owner});
ok( $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM ddbstreams_shards.mapping WHERE enabled}),
	'the mappings of the dropped roles are disabled');
ok( $node->poll_query_until('postgres', q{
		SELECT bool_and(role_id = 0) FROM ddbstreams_shards.consumer}),
	'the consumer of the dropped role is nobody\'s');
ok( $node->poll_query_until('postgres', q{
		SELECT bool_and(role_id = 0) FROM ddbstreams_shards.failed_batch}),
	'... and its failed batch');
ok( $node->poll_query_until('postgres', q{SELECT owner = 0 FROM ddbstreams_shards.stream WHERE table_dropped ORDER BY version DESC LIMIT 1}),
	'the stream of the dropped table has no owner');

# What runs beside draws numbers, too.
$node->append_conf('postgresql.conf', 'ddbstreams.max_workers = 0');
new_role($node, 'powerful LOGIN SUPERUSER', $maker);
new_role($node, 'curious LOGIN', $owner);
$node->append_conf('postgresql.conf', 'ddbstreams.max_workers = 4');
$node->reload;
$node->safe_psql('postgres', 'INSERT INTO t VALUES (2)');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM seen WHERE id = 2}), 'mappings deliver');
is($node->safe_psql('postgres', q{SELECT DISTINCT state FROM ddbstreams.mapping_stats WHERE role_name IS NULL}),
	'disabled', '... but not the one of the number');
is($node->safe_psql('postgres', q{SELECT count(*) FROM seen WHERE role = 'powerful'}), 0, '... as the new role');
my ($status, $out, $err) = $node->psql('postgres', "SET SESSION AUTHORIZATION curious; SELECT count(*) FROM ddbstreams.describe_stream('$arn')");
like($err, qr/permission denied for the stream of dropped table/, 'nor can it read the stream');
is($node->safe_psql('postgres', "SELECT count(*) FROM ddbstreams.describe_stream('$arn')"), 1, '... as a superuser can');

# Queries of role curious, and what they say
foreach (
	[ 'SELECT count(*) FROM ddbstreams.failed_batches', qr/^0/ ],
	[ q{SELECT count(*) FROM ddbstreams.mapping_stats WHERE last_error LIKE '%secret%'}, qr/^0/ ],
	[ 'SELECT count(*) FROM ddbstreams.list_event_source_mappings()', qr/^0/ ],
	[ "SELECT ddbstreams.redrive('$failing')", qr/does not exist/ ],
	[ "SELECT ddbstreams.update_event_source_mapping('$failing', enabled => true)", qr/permission denied/ ],
	[ q{SELECT count(*) FROM ddbstreams.poll('c', 'w')}, qr/permission denied for consumer/ ],
	[ q{SELECT ddbstreams.drop_consumer('c')}, qr/permission denied for consumer/ ])
{
	my ($query, $answer) = @$_;

	($status, $out, $err) = $node->psql('postgres', "SET SESSION AUTHORIZATION curious; $query");
	like("$out$err", $answer, "as the next role of the number: $query");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.failed_batches}), 1, 'a superuser sees the batch');
($status, $out, $err) = $node->psql('postgres', "SELECT ddbstreams.update_event_source_mapping('$failing', enabled => true)");
like($err, qr/has been dropped/, '... and cannot enable the mapping');
$node->safe_psql('postgres', "SELECT ddbstreams.drop_consumer('c'), ddbstreams.delete_event_source_mapping('$failing')");
is($node->safe_psql('postgres', q{SELECT count(*) FROM ddbstreams.failed_batches}), 0, '... and can delete what is left');
$node->stop;

done_testing();
