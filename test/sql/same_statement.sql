-- What one call has made, the next one in the same statement finds: a statement's
-- snapshot does not show it, but the functions look farther.
--
-- To see it fail: test/mutations/run statement-blind-to-itself.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set intervalstyle = postgres_verbose;

\pset format unaligned
\pset tuples_only on
create schema same_statement;
set search_path = same_statement, public;

create table a (id int primary key, v text);
create function handler(event jsonb) returns void language sql as 'select null::void';

select ddbstreams.create_event_source_mapping('handler', ddbstreams.enable_stream('a', shard_count => 1), 'TRIM_HORIZON', enabled => false) as uuid \gset
select state from ddbstreams.list_event_source_mappings(ddbstreams.latest_stream_arn('a'));
select ddbstreams.delete_event_source_mapping(:'uuid');
select ddbstreams.disable_stream('a') is not null;

-- LATEST, too
select ddbstreams.create_event_source_mapping('handler', ddbstreams.enable_stream('a', shard_count => 1), 'LATEST', enabled => false) as uuid \gset
select ddbstreams.delete_event_source_mapping(:'uuid');
select ddbstreams.disable_stream('a') is not null;

-- shards, iterators, records
select shard_id is not null, length(iterator) > 0, ddbstreams.next_shard_iterator(iterator) is not null,
    (select count(*) from ddbstreams.get_records(iterator)),
    ddbstreams.wait_for_records(iterator, '0')
from ddbstreams.enable_stream('a', shard_count => 1) arn, ddbstreams.describe_stream(arn),
    ddbstreams.get_shard_iterator(arn, shard_id, 'LATEST') iterator;
insert into a values (1, 'x');

-- a consumer, the retention, a picture
select ddbstreams.create_consumer('same_statement', ddbstreams.enable_stream('a', shard_count => 2))
from ddbstreams.disable_stream('a');
select shard_id is not null from ddbstreams.leases('same_statement');
select ddbstreams.drop_consumer('same_statement');
select ddbstreams.alter_stream(ddbstreams.enable_stream('a', shard_count => 1), '2 days') from ddbstreams.disable_stream('a');
select retention, stream_status from ddbstreams.list_streams('a') order by creation_request_date_time desc limit 1;
select count(*) > 0 from ddbstreams.disable_stream('a') arn, ddbstreams.shard_tree(arn);
select stream_status, count(*) from ddbstreams.enable_stream('a', shard_count => 1), ddbstreams.list_streams('a') group by 1 order by 1;
select stream_arn = ddbstreams.latest_stream_arn('a') from ddbstreams.disable_stream('a') stream_arn;

-- changes() by its ARN, of what was committed before
begin;
select count(*) from ddbstreams.enable_stream('a', shard_count => 1) arn, ddbstreams.changes(null::a, stream_arn => arn);
rollback;
begin isolation level repeatable read;
select count(*) from a;
select count(*) from ddbstreams.enable_stream('a', shard_count => 3) arn, ddbstreams.describe_stream(arn);
rollback;

-- AWS's operations
select ddbstreams.aws('UpdateTable', '{"TableName": "same_statement.a", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}') -> 'TableDescription' ->> 'LatestStreamArn'
     = ddbstreams.aws('DescribeTable', '{"TableName": "same_statement.a"}') -> 'Table' ->> 'LatestStreamArn';
select ddbstreams.aws('DescribeStream', json_build_object('StreamArn', arn)) -> 'StreamDescription' ->> 'StreamStatus'
from ddbstreams.disable_stream('a') arn;

set client_min_messages = warning;
drop schema same_statement cascade;
