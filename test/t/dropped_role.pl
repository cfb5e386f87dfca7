# The numbers of roles are given again when the counter of OIDs has come round.
# What a dropped role has left does not go to the role that gets its number: a
# mapping, which would call its function as that role, and the stream of a
# dropped table.
#
# To see it fail: test/mutations/run mapping-of-dropped-role-stays
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
	GRANT SELECT ON t TO maker;
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
	INSERT INTO gone VALUES (1);
	RESET SESSION AUTHORIZATION;
	INSERT INTO t VALUES (1)});
ok( $node->poll_query_until('postgres', q{SELECT count(DISTINCT role) = 2 FROM seen}),
	'each mapping calls its function as its role');
my $arn = $node->safe_psql('postgres', q{SELECT ddbstreams.latest_stream_arn('gone')});
my ($maker, $owner) = split /\|/, $node->safe_psql('postgres', q{SELECT 'maker'::regrole::oid, 'owner'::regrole::oid});

$node->safe_psql('postgres', q{
	DROP TABLE gone;
	DROP OWNED BY maker, owner;
	DROP ROLE maker, owner});
ok( $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM ddbstreams_shards.mapping WHERE enabled}),
	'the mapping of the dropped role is disabled');
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
is($node->safe_psql('postgres', q{SELECT DISTINCT state FROM ddbstreams.mapping_stats WHERE role_name = 'powerful'}),
	'disabled', '... but not the one of the number');
is($node->safe_psql('postgres', q{SELECT count(*) FROM seen WHERE role = 'powerful'}), 0, '... as the new role');
my ($status, $out, $err) = $node->psql('postgres', "SET SESSION AUTHORIZATION curious; SELECT count(*) FROM ddbstreams.describe_stream('$arn')");
like($err, qr/permission denied for the stream of dropped table/, 'nor can it read the stream');
is($node->safe_psql('postgres', "SELECT count(*) FROM ddbstreams.describe_stream('$arn')"), 1, '... as a superuser can');
$node->stop;

done_testing();
