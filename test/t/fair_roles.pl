# A role with many mappings does not keep those of another role waiting: roles are
# served in turn.
#
# To see it fail: test/mutations/run roles-not-in-turn.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $mappings = 100;

new_server('fair_roles', q{
max_worker_processes = 16
ddbstreams.max_workers = 1
});

sql(qq{
	CREATE ROLE ann LOGIN;
	CREATE ROLE ben LOGIN;
	CREATE TABLE busy (id int PRIMARY KEY);
	CREATE TABLE calm (id int PRIMARY KEY);
	CREATE SEQUENCE calls;
	CREATE TABLE called (n bigint, by name DEFAULT current_user);
	GRANT SELECT ON busy, calm TO ann, ben;
	GRANT USAGE ON calls TO ann, ben;
	GRANT INSERT ON called TO ann, ben;
	SELECT ddbstreams.enable_stream(name, shard_count => 1) FROM unnest('{busy,calm}'::regclass[]) AS name;
	DO \$\$ BEGIN
		FOR i IN 0 .. $mappings LOOP
			EXECUTE format('CREATE FUNCTION handler_%s(event jsonb) RETURNS void LANGUAGE sql AS
				''INSERT INTO called VALUES (nextval(''''calls'''')); SELECT pg_sleep(0.05)''', i);
		END LOOP;
	END \$\$});
sql(qq{SET ROLE ann; SELECT count(ddbstreams.create_event_source_mapping(('handler_' || i)::regproc,
	ddbstreams.latest_stream_arn('busy'), 'TRIM_HORIZON')) FROM generate_series(1, $mappings) AS i});
sql(q{SET ROLE ben; SELECT ddbstreams.create_event_source_mapping('handler_0',
	ddbstreams.latest_stream_arn('calm'), 'TRIM_HORIZON')});
comes_to(q{SELECT count(*) FROM ddbstreams.list_event_source_mappings() WHERE state = 'Enabled'}, $mappings + 1,
	'all mappings are known');
comes_to(q{SELECT count(*) FROM ddbstreams.mapping_stats WHERE state = 'ready'}, $mappings + 1, '... and idle');

# Each call of ann's takes some time, and the one worker has them all to make.
sql('INSERT INTO busy VALUES (1)');
comes_to(q{SELECT last_value >= 3 FROM calls}, 't', 'a role with many mappings is served');
sql('INSERT INTO calm VALUES (1)');
my $before = sql('SELECT last_value FROM calls');
comes_to(q{SELECT count(*) FROM called WHERE by = 'ben'}, '1', 'a role with one mapping is served');
my $waited = sql("SELECT n - $before FROM called WHERE by = 'ben'");
cmp_ok($waited, '<=', 5, "... before the mappings of the other role are (behind $waited calls)");
comes_to(q{SELECT count(*) FROM called WHERE by = 'ann'}, $mappings, 'the others come after it');

done_testing();
