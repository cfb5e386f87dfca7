# Records that cannot be read, because something is wrong with ddbstreams' own
# tables: such a record fails as if its call had, counts attempts and age, and is
# given up alone.  What comes before and after it is delivered.
#
# To see it fail: test/mutations/run unreadable-begins-anew unreadable-blocks
# unreadable-loses-side-table unreadable-lost-in-each-lane unreadable-takes-others.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use StreamTest qw(:DEFAULT sql comes_to);

my $node = new_server('unreadable', q{
max_worker_processes = 16
ddbstreams.max_workers = 6
});

# Each shape of a table has a row descriptor.  Those of the records 3 and 5 are
# taken away.  A value of the records 2 and 4 is kept aside.
sql(q{
CREATE TABLE t (id int PRIMARY KEY, large text);
SELECT ddbstreams.enable_stream('t', shard_count => 1);
CREATE TABLE lost (descriptor_id int8)});
foreach my $id (1 .. 6)
{
	sql(q{INSERT INTO lost SELECT descriptor_id FROM ddbstreams_shards.row_descriptor}) if $id == 3 || $id == 5;
	sql($id == 2 || $id == 4 ?
		"INSERT INTO t (id, large) SELECT $id, string_agg(md5(n::text), '') FROM generate_series(1, 32768) n" :
		"INSERT INTO t (id) VALUES ($id)");
	sql(q{CREATE TABLE new AS SELECT descriptor_id FROM ddbstreams_shards.row_descriptor d
			WHERE NOT EXISTS (SELECT FROM lost l WHERE l.descriptor_id = d.descriptor_id);
		SELECT own_sql('DELETE FROM ddbstreams_shards.row_descriptor WHERE descriptor_id IN (SELECT descriptor_id FROM public.new)');
		DROP TABLE new; TRUNCATE lost}) if $id == 3 || $id == 5;
	sql("ALTER TABLE t ADD c$id int");
}

sub make_mapping
{
	my ($name, $parameters) = @_;

	sql(qq{
		CREATE TABLE $name (n serial, ids text);
		CREATE FUNCTION h_$name(event jsonb) RETURNS jsonb LANGUAGE sql AS \$\$
			INSERT INTO $name (ids) SELECT string_agg(r #>> '{dynamodb,Keys,id,N}', ' ') FROM jsonb_array_elements(event->'Records') r;
			SELECT '{"state": {}}'::jsonb \$\$});
	return sql(qq{SELECT ddbstreams.create_event_source_mapping('h_$name', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON', $parameters)});
}

my $filter = q{filter_criteria => '{"Filters": [{"Pattern": "{\"dynamodb\": {\"NewImage\": {\"c1\": {\"NULL\": [true]}}}}"}]}'};
my %mappings = (
	plain => make_mapping('plain', 'maximum_retry_attempts => 1'),
	filtered => make_mapping('filtered', "maximum_retry_attempts => 1, $filter"),
	bisected => make_mapping('bisected', 'maximum_retry_attempts => 1, bisect_batch_on_function_error => true'),
	lanes => make_mapping('lanes', 'maximum_retry_attempts => 1, parallelization_factor => 3'),
	windows => make_mapping('windows', q{maximum_retry_attempts => 1, tumbling_window => '900 s'}),
	aged => make_mapping('aged', q{maximum_record_age => '1 hour'}));

sub failed
{
	my ($name) = @_;
	return qq{SELECT string_agg(concat_ws(' ', failure #>> '{requestContext,condition}',
			failure #>> '{requestContext,approximateInvokeCount}', jsonb_array_length(records), records #>> '{0,eventName}',
			(records #>> '{0,dynamodb,SequenceNumber}') = (failure #>> '{DDBStreamBatchInfo,startSequenceNumber}')),
			', ' ORDER BY failed_at)
		FROM ddbstreams.failed_batches WHERE mapping = '$mappings{$name}'};
}

my %seen = (plain => '1 2, 4, 6', filtered => '2, 4, 6', bisected => '1 2, 4, 6', windows => '1 2, 4, 6');
foreach my $name (sort keys %seen)
{
	comes_to("SELECT string_agg(ids, ', ' ORDER BY n) FROM $name", $seen{$name}, "$name: what can be read is delivered");
	comes_to(failed($name), join(', ', ('RetryAttemptsExhausted 2 1 INSERT t') x 2),
		"$name: what cannot is given up, after two attempts");
}
comes_to(q{SELECT string_agg(id, ' ' ORDER BY id) FROM lanes, string_to_table(ids, ' ') id}, '1 2 4 6', 'lanes: what can be read is delivered');
comes_to(failed('lanes'), join(', ', ('RetryAttemptsExhausted 2 1 INSERT t') x 2), 'lanes: what cannot is given up once');

# Many of them cost one more reading of what is read in a step, not one each: four
# lanes pass over 30 records, which belong to the first lane since nothing is known
# of their keys.  What is undone each time is counted.
sql(q{CREATE TABLE many (id int PRIMARY KEY);
	SELECT ddbstreams.enable_stream('many', shard_count => 1);
	INSERT INTO lost SELECT descriptor_id FROM ddbstreams_shards.row_descriptor;
	INSERT INTO many SELECT generate_series(1, 30)});
sql(q{CREATE TABLE new AS SELECT descriptor_id FROM ddbstreams_shards.row_descriptor d
		WHERE NOT EXISTS (SELECT FROM lost l WHERE l.descriptor_id = d.descriptor_id);
	SELECT own_sql('DELETE FROM ddbstreams_shards.row_descriptor WHERE descriptor_id IN (SELECT descriptor_id FROM public.new)');
	ALTER TABLE many ADD c int;
	INSERT INTO many SELECT generate_series(31, 60);
	CREATE TABLE delivered (id text);
	CREATE FUNCTION h_many(event jsonb) RETURNS void LANGUAGE sql AS $$
		INSERT INTO delivered SELECT r #>> '{dynamodb,Keys,id,N}' FROM jsonb_array_elements(event->'Records') r $$});
my $end_handlers = q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE backend_type = 'ddbstreams handler'};
my $undone = q{SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()};
sql(join('; ', map { "SELECT ddbstreams.update_event_source_mapping('$_', enabled => false)" } values %mappings));
sql($end_handlers);
my $before = sql($undone);
my $many = sql(q{SELECT ddbstreams.create_event_source_mapping('h_many', ddbstreams.latest_stream_arn('many'), 'TRIM_HORIZON',
	maximum_retry_attempts => 0, parallelization_factor => 5)});
comes_to('SELECT count(*) FROM delivered', '30', 'what comes after many of them is delivered');
comes_to("SELECT count(*) FROM ddbstreams.failed_batches WHERE mapping = '$many'", '30', '... and they are given up');
sql("SELECT ddbstreams.update_event_source_mapping('$many', enabled => false)");
sql($end_handlers);
my $count = sql($undone) - $before;
note("undone: $count");
cmp_ok($count, '<', 100, '... without beginning anew at each of them in each lane');
sql("SELECT ddbstreams.update_event_source_mapping('$mappings{aged}', enabled => true)");

comes_to('SELECT string_agg(ids, $$, $$ ORDER BY n) FROM aged', '1 2', 'without a limit a record is tried on');
comes_to(qq{SELECT state, attempts > 2, last_error ~ 'descriptor', batches_failed FROM ddbstreams.mapping_stats
	WHERE mapping = '$mappings{aged}'}, 'retrying|t|t|0', '... its attempts and its error are shown');
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = '2h'; SELECT pg_reload_conf()});
comes_to(qq{SELECT string_agg(DISTINCT failure #>> '{requestContext,condition}', ' '), sum(jsonb_array_length(records))
	FROM ddbstreams.failed_batches WHERE mapping = '$mappings{aged}'}, 'RecordAgeExceeded|4', '... until it is too old');

# What expires before it is delivered is lost once, not in each lane.
my $late = sql(q{
	CREATE FUNCTION fails(event jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'failed'; END$$;
	SELECT ddbstreams.create_event_source_mapping('fails', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON',
		parallelization_factor => 3)});
comes_to("SELECT bool_or(attempts > 1) FROM ddbstreams.mapping_stats WHERE mapping = '$late'", 't', 'lanes fail');
sql(q{ALTER SYSTEM SET ddbstreams.clock_offset = '26h'; SELECT pg_reload_conf()});
comes_to("SELECT sum(records_lost), sum(records_given_up) FROM ddbstreams.mapping_stats WHERE mapping = '$late'", '6|0', '... and lose each record once');

$node->stop;
done_testing();
