-- aws(): every error bears AWS's name in the field CONSTRAINT_NAME.
--
-- To see it fail: test/mutations/run aws-error-by-sqlstate.

-- settings that the output below depends on
set standard_conforming_strings = on;

set client_min_messages = warning;
create extension if not exists ddbstreams;
drop role if exists regress_aws_stranger;
reset client_min_messages;

create role regress_aws_stranger;
create schema regress_aws_errors;
grant usage on schema regress_aws_errors to public;
set search_path = regress_aws_errors;
\pset format unaligned
\pset tuples_only on

-- Returns AWS's name of the error of a call, and its SQLSTATE.
create function error_name(operation text, request text) returns text
language plpgsql as $$
declare
    name text;
    state text;
begin
    perform ddbstreams.aws(operation, request::json);
    return 'no error';
exception when others then
    get stacked diagnostics name = constraint_name, state = returned_sqlstate;
    return coalesce(nullif(name, ''), 'no name') || ' ' || state;
end
$$;

create table orders (id int primary key);
create table keyless (id int);
create function handle(event jsonb) returns jsonb language sql return null::jsonb;
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset
select shard_id as shard from ddbstreams.describe_stream(:'arn') \gset
insert into orders values (1);

-- of DynamoDB
select error_name('CreateTable', '{}');
select error_name(null, '{}');
select error_name('ListTables', null);
select request, error_name('ListTables', request)
from unnest(array['{', '[]', '1', '{"Limit": "1"}', '{"Limit": 0}', '{"Limit": 1e1000000}',
                  '{"ExclusiveStartTableName": "a\u0000b"}']) as request;
select error_name('ListTables', repeat('{"a":', 100000) || '1' || repeat('}', 100000));
select error_name('DescribeTable', '{}');
select error_name('DescribeTable', '{"TableName": 1}');
select error_name('DescribeTable', '{"TableName": "nothing"}');
select error_name('DescribeTable', '{"TableName": "regress_aws_errors.keyless"}');
select error_name('UpdateTable', '{"TableName": "regress_aws_errors.orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}');
begin;
insert into orders values (2);
select error_name('UpdateTable', '{"TableName": "regress_aws_errors.orders", "StreamSpecification": {"StreamEnabled": false}}');
rollback;
select error_name('DescribeStream', json_build_object('StreamArn', :'arn' || '0')::text);
select error_name('GetShardIterator', json_build_object('StreamArn', :'arn', 'ShardId', :'shard',
           'ShardIteratorType', 'LATEST', 'SequenceNumber', repeat('0', 21))::text);
select error_name('GetRecords', '{"ShardIterator": "garbage"}');
set ddbstreams.iterator_lifetime = '1 s';
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON') as iterator \gset
select pg_sleep(1.1);
select error_name('GetRecords', json_build_object('ShardIterator', :'iterator')::text);
reset ddbstreams.iterator_lifetime;
-- a failure of the server's
begin read only;
select error_name('UpdateTable', '{"TableName": "regress_aws_errors.orders", "StreamSpecification": {"StreamEnabled": false}}');
rollback;
set role regress_aws_stranger;
select error_name('DescribeStream', json_build_object('StreamArn', :'arn')::text);
reset role;

-- of Lambda
select error_name('CreateEventSourceMapping', request)
from unnest(array[
    '{}',
    '{"FunctionName": 1}',
    '{"FunctionName": ""}',
    '{"FunctionName": "f", "EventSourceArn": "x"}',
    '{"FunctionName": "f", "EventSourceArn": "arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000"}',
    '{"FunctionName": "f", "EventSourceArn": "arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000", "StartingPosition": "LATEST"}',
    '{"FunctionName": "f", "EventSourceArn": "arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000", "StartingPosition": "latest"}',
    '{"FunctionName": "f", "EventSourceArn": "arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000", "StartingPosition": "LATEST", "BatchSize": 0}'
    ]) as request;
create function mapping() returns text language sql as $$
    select ddbstreams.aws('CreateEventSourceMapping', json_build_object('FunctionName', 'regress_aws_errors.handle',
        'EventSourceArn', ddbstreams.latest_stream_arn('orders'), 'StartingPosition', 'LATEST', 'Enabled', false))->>'UUID'
$$;
select mapping() as uuid \gset
select error_name('CreateEventSourceMapping', json_build_object('FunctionName', 'regress_aws_errors.handle',
        'EventSourceArn', :'arn', 'StartingPosition', 'LATEST')::text);
select error_name('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'FilterCriteria',
        json_build_object('Filters', json_build_array(json_build_object('Pattern', '{'))))::text);
select error_name('GetEventSourceMapping', '{"UUID": "00000000-0000-0000-0000-000000000000"}');
select error_name('GetEventSourceMapping', '{}');
select error_name('GetEventSourceMapping', '{"UUID": "0"}');
set role regress_aws_stranger;
select error_name('GetEventSourceMapping', json_build_object('UUID', :'uuid')::text);
reset role;
begin read only;
select error_name('DeleteEventSourceMapping', json_build_object('UUID', :'uuid')::text);
rollback;

-- only while aws() runs
do $$
declare
    name text;
begin
    perform ddbstreams.aws('ListTables', '{}');
    perform 1 / 0;
exception when others then
    get stacked diagnostics name = constraint_name;
    raise notice 'name "%"', name;
end
$$;

select ddbstreams.delete_event_source_mapping(:'uuid');
set client_min_messages = warning;
drop schema regress_aws_errors cascade;
drop role regress_aws_stranger;
