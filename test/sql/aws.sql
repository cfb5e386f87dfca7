-- aws(): the operations by AWS's names. What differs from run to run (times,
-- labels, ids, numbers, iterators) is masked or compared, never printed.

-- settings that the output below depends on
set quote_all_identifiers = off;
set standard_conforming_strings = on;

set client_min_messages = warning;
create extension if not exists ddbstreams;
drop role if exists regress_aws_owner, regress_aws_reader;
reset client_min_messages;

create role regress_aws_owner;
create role regress_aws_reader;
create schema regress_aws authorization regress_aws_owner;
grant usage on schema regress_aws to public;
set search_path = regress_aws;
set timezone = 'UTC';
\pset format unaligned
\pset tuples_only on

-- Calls aws() and hides what differs.
create function call(operation text, request text) returns text
language sql as $$
    select regexp_replace(regexp_replace(regexp_replace(regexp_replace(
           regexp_replace(regexp_replace(regexp_replace(
           ddbstreams.aws(operation, request::json)::text,
           '[|]1[|][A-Za-z0-9+/=]+', '|1|…', 'g'),
           '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}', 'LABEL', 'g'),
           'shardId-\d{20}-[0-9a-f]{8}', 'SHARD', 'g'),
           '"\d{21}"', '"NUMBER"', 'g'),
           '"[0-9a-f]{32}"', '"ID"', 'g'),
           '(DateTime":)[0-9.]+', '\1TIME', 'g'),
           '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', 'g')
$$;

-- Returns the error of a call, with its SQLSTATE, and the hint if there is one.
create function fails(operation text, request text) returns text
language plpgsql as $$
declare
    message text;
    hint text;
    state text;
begin
    perform ddbstreams.aws(operation, request::json);
    return 'no error';
exception when others then
    get stacked diagnostics message = message_text, hint = pg_exception_hint,
                            state = returned_sqlstate;
    return state || ': ' || regexp_replace(message,
        '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}', 'LABEL', 'g')
        || coalesce(E'\n' || nullif(hint, ''), '');
end
$$;

grant execute on all functions in schema regress_aws to public;

set role regress_aws_owner;
create table orders (
    customer text,
    id       int,
    amount   numeric(10,2),
    note     text,
    primary key (customer, id)
);
create table parts (
    made date,
    code bytea,
    primary key (code, made)
) partition by range (made);
create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-07-01');
create table parts_2 partition of parts for values from ('2026-07-01') to ('2027-01-01');
create table "Odd ""Name.x" (id bigint primary key);
create table keyless (id int);
create view an_order as select * from orders;
grant select on orders, parts, "Odd ""Name.x", keyless, an_order to regress_aws_reader;
create table secret (id int primary key);

--
-- Operations and requests
--

select call('ListTables', '{"Limit": 1}');
select call('DynamoDB_20120810.ListTables', '{"Limit": 1}');
select call('DynamoDBStreams_20120810.ListStreams', '{"TableName": "regress_aws.orders"}');
select fails('DynamoDB_20120810.ListStreams', '{}');
select fails('listTables', '{}');
select fails('', '{}');
select fails('CreateTable', '{}');
select length(fails(repeat('x', 100000), '{}'));
select fails(null, '{}');
select fails('ListTables', null);

select request, fails('ListTables', request)
from unnest(array['[]', '[{}]', 'null', '1', '"x"', 'true']) as request;

-- unknown members are ignored, a null is nothing
select call('ListTables', '{"Limit": 1, "limit": "x", "Unknown": [1, {"a": null}], "": 0}');
select call('ListTables', '{"Limit": 1, "ExclusiveStartTableName": null}');

-- wrong types
select request, fails('UpdateTable', request)
from unnest(array[
    '{"TableName": 1}',
    '{"TableName": true}',
    '{"TableName": ["orders"]}',
    '{"TableName": {"S": "orders"}}',
    '{"TableName": "t", "StreamSpecification": "on"}',
    '{"TableName": "t", "StreamSpecification": []}',
    '{"TableName": "t", "StreamSpecification": {"StreamEnabled": "true"}}',
    '{"TableName": "t", "StreamSpecification": {"StreamEnabled": 1}}',
    '{"TableName": "t", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": false}}'
    ]) as request;
select request, fails('ListTables', request)
from unnest(array[
    '{"Limit": "1"}',
    '{"Limit": true}',
    '{"Limit": [1]}',
    '{"Limit": {}}',
    '{"Limit": 1.5}',
    '{"Limit": 1e-3}'
    ]) as request;

-- numbers: integral ones, however they are written
select request, fails('ListTables', request)
from unnest(array[
    '{"Limit": 1.0}',
    '{"Limit": 1e2}',
    '{"Limit": 0}',
    '{"Limit": -1}',
    '{"Limit": 101}',
    '{"Limit": 2147483648}',
    '{"Limit": -9223372036854775809}'
    ]) as request;
select length(fails('ListTables', '{"Limit": 1e100000}'));
select fails('ListTables', '{"Limit": 1e1000000}') ~ '^22023: ';

-- strings that jsonb cannot hold
select fails('ListTables', '{"ExclusiveStartTableName": "a\u0000b"}') ~ '^22023: ';
select fails('ListTables', '{"ExclusiveStartTableName": "\ud800"}') ~ '^22023: ';

-- several constraints at once
select fails('GetShardIterator', '{}');
select fails('GetShardIterator', '{"StreamArn": "arn", "ShardId": "shardId", "ShardIteratorType": "AT_TIMESTAMP", "SequenceNumber": "1"}');
select fails('DescribeStream', '{"Limit": 0, "ShardFilter": {"Type": "PARENTS", "ShardId": "x"}}');
select fails('DescribeStream', '{"StreamArn": null, "ShardFilter": {}}');
-- long values are shown in part
select length, left(fails('DescribeTable', json_build_object('TableName', repeat('a', length))::text), 42)
from unnest(array[1024, 1025]) as length;
select length(fails('DescribeTable', json_build_object('TableName', repeat('a', 2000))::text));

--
-- DescribeTable and ListTables
--

select call('DescribeTable', '{"TableName": "regress_aws.orders"}');
insert into orders select 'c' || i % 3, i from generate_series(1, 100) as i;
insert into parts select date '2026-01-01' + i, int4send(i) from generate_series(0, 299) as i;
analyze orders, parts_1, parts_2;
select (t->'Table'->>'ItemCount')::int as items,
       (t->'Table'->>'TableSizeBytes')::int = pg_table_size('orders') as size
from ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.orders"}') as t;
select (t->'Table'->>'ItemCount')::int as items,
       (t->'Table'->>'TableSizeBytes')::int
           = pg_table_size('parts_1') + pg_table_size('parts_2') as size,
       t->'Table'->'KeySchema' as key_schema,
       t->'Table'->'AttributeDefinitions' as attributes
from ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.parts"}') as t;

-- names are taken as they are
select ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.Odd \"Name.x"}')->'Table'->'TableArn';
select name, fails('DescribeTable', json_build_object('TableName', name)::text)
from unnest(array[
    '', 'orders', 'regress_aws.Orders', 'regress_aws."orders"', 'regress_aws.',
    '.', '.orders', 'nowhere.orders', 'regress_aws.orders_pkey',
    'regress_aws.an_order', 'regress_aws.keyless'
    ]) as name;
select fails('DescribeTable', '{}');
-- or as an ARN, of any region and account
select name, call('DescribeTable', json_build_object('TableName', name)::text) = call('DescribeTable', '{"TableName": "regress_aws.orders"}')
from unnest(array[
    'arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.orders',
    'arn:aws-cn:dynamodb:cn-north-1:123456789012:table/regress_aws.orders',
    'arn:aws:dynamodb:::table/regress_aws.orders'
    ]) as name;
select name, fails('DescribeTable', json_build_object('TableName', name)::text)
from unnest(array[
    'arn:', 'arn:::::table/regress_aws.orders', 'arn:aws:dynamodb', 'arn:aws:dynamodb:ddblocal:000000000000:table/',
    'arn:aws:dynamodb:ddblocal:000000000000:table', 'arn:aws:dynamodb:ddblocal:000000000000:index/regress_aws.orders',
    'arn:aws:s3:ddblocal:000000000000:table/regress_aws.orders',
    'arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.orders/stream/2020-01-01T00:00:00.000',
    'arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.keyless'
    ]) as name;
-- ListStreams takes names alone
select call('ListStreams', '{"TableName": "arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.orders"}');

-- TableId is a uuid of the table, and CreationDateTime is as old as the server
-- without a stream
select count(distinct t->'Table'->>'TableId') as ids,
       bool_and(t->'Table'->>'TableId' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$') as are_uuids,
       count(distinct t->'Table'->>'CreationDateTime') as times,
       bool_and((t->'Table'->>'CreationDateTime')::numeric between 1e9 and extract(epoch from now())) as times_past
from unnest(array['regress_aws.orders', 'regress_aws.parts', 'regress_aws.Odd "Name.x', 'regress_aws.orders']) as name,
     ddbstreams.aws('DescribeTable', json_build_object('TableName', name)) as t;
set role regress_aws_reader;
select fails('DescribeTable', '{"TableName": "regress_aws.secret"}');
reset role;
-- a table of public comes first
create table public."regress_aws.orders" (id int primary key);
grant select on public."regress_aws.orders" to regress_aws_reader;
set role regress_aws_reader;
select ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.orders"}')->'Table'->'KeySchema';
select call('ListTables', '{}');
reset role;
drop table public."regress_aws.orders";

set role regress_aws_reader;
select call('ListTables', '{}');
select call('ListTables', '{"Limit": 2}');
select call('ListTables', '{"Limit": 2, "ExclusiveStartTableName": "regress_aws.orders"}');
select call('ListTables', '{"Limit": 1, "ExclusiveStartTableName": "regress_aws.orderz"}');
select call('ListTables', '{"ExclusiveStartTableName": "zzz"}');
select fails('ListTables', '{"ExclusiveStartTableName": ""}');
set role regress_aws_owner;
-- neither partitions nor temporary tables
create temporary table passing (id int primary key);
select call('ListTables', '{}');
drop table passing;

--
-- UpdateTable
--

select request, fails('UpdateTable', request)
from unnest(array[
    '{}',
    '{"TableName": "regress_aws.orders"}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": null}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": true}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false, "StreamViewType": "KEYS_ONLY"}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "keys_only"}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}}',
    '{"TableName": "regress_aws.orders", "BillingMode": "PAY_PER_REQUEST"}',
    '{"TableName": "regress_aws.orders", "ProvisionedThroughput": {}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}, "ProvisionedThroughput": {}}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}, "GlobalSecondaryIndexUpdates": []}',
    '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}, "TableClass": "STANDARD"}',
    '{"TableName": "regress_aws.orders", "VectorIndexUpdates": []}',
    '{"TableName": "regress_aws.orders", "DisassociationProtectionEnabled": true}',
    '{"TableName": "regress_aws.nothing", "StreamSpecification": {"StreamEnabled": false}}'
    ]) as request;
set role regress_aws_reader;
select fails('UpdateTable', '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}');
set role regress_aws_owner;

select call('UpdateTable', '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}}')
       ~ '"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"},"LatestStreamArn":"arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.orders/stream/LABEL","LatestStreamLabel":"LABEL"}}$';
select fails('UpdateTable', '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}');
select (t->'Table'->>'LatestStreamArn') = ddbstreams.latest_stream_arn('orders') as arn,
       (t->'Table'->>'LatestStreamArn') like '%/stream/' || (t->'Table'->>'LatestStreamLabel') as label,
       t->'Table'->'StreamSpecification' as specification,
       t->'Table'->'KeySchema' as key_schema
from ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.orders"}') as t;
select call('UpdateTable', '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}}')
       ~ '"TableId":"UUID","LatestStreamArn":"[^"]*","LatestStreamLabel":"LABEL"}}$';
select fails('UpdateTable', '{"TableName": "regress_aws.orders", "StreamSpecification": {"StreamEnabled": false}}');

-- by ARN; default_shard_count holds for partitioned tables, too
begin;
set local ddbstreams.default_shard_count = 3;
select call('UpdateTable', '{"TableName": "arn:aws:dynamodb:eu-west-1:123456789012:table/regress_aws.parts", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}')
       ~ '"LatestStreamArn":"arn:aws:dynamodb:ddblocal:000000000000:table/regress_aws.parts/stream/LABEL"';
select count(*) as shards from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('parts'));
-- CreationDateTime is the first stream's
select (t->'Table'->>'CreationDateTime')::numeric = (d->'StreamDescription'->>'CreationRequestDateTime')::numeric as first_stream
from ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.parts"}') as t,
     ddbstreams.aws('DescribeStream', json_build_object('StreamArn', ddbstreams.latest_stream_arn('parts'))) as d;
select count(ddbstreams.disable_stream('parts')), count(ddbstreams.enable_stream('parts'));
select (t->'Table'->>'CreationDateTime')::numeric = (d->'StreamDescription'->>'CreationRequestDateTime')::numeric as first_stream
from (select min(stream_arn) as arn from ddbstreams.list_streams('parts')) as s,
     ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.parts"}') as t,
     ddbstreams.aws('DescribeStream', json_build_object('StreamArn', s.arn)) as d;
select call('UpdateTable', '{"TableName": "regress_aws.parts", "StreamSpecification": {"StreamEnabled": false}}') ~ '"TableId"';
rollback;
select fails('UpdateTable', '{"TableName": "arn:aws:dynamodb:parts", "StreamSpecification": {"StreamEnabled": false}}');

--
-- DescribeStream
--

-- a stream of its own shard count and partition key
select ddbstreams.enable_stream('orders', shard_count => 3,
                                partition_key => array['id']) as arn \gset
select call('DescribeStream', json_build_object('StreamArn', :'arn')::text);
select ddbstreams.aws('DescribeTable', '{"TableName": "regress_aws.orders"}')->'Table'->'KeySchema';
select to_timestamp((d->'StreamDescription'->>'CreationRequestDateTime')::numeric)::timestamp(3)
           = (d->'StreamDescription'->>'StreamLabel')::timestamp as creation
from ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn')) as d;
-- the shards are those of describe_stream
select string_agg(concat_ws(' ', s->>'ShardId', s->'SequenceNumberRange'->>'StartingSequenceNumber'), ',' order by n) = (
           select string_agg(concat_ws(' ', shard_id, starting_sequence_number), ',' order by shard_id)
           from ddbstreams.describe_stream(:'arn')) as same
from ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn')) as d,
     json_array_elements(d->'StreamDescription'->'Shards') with ordinality as t(s, n);

-- paging
create function shard_pages(arn text, size int) returns setof text
language plpgsql as $$
declare
    page json;
    start text;
begin
    for i in 1..10 loop
        page := ddbstreams.aws('DescribeStream', json_build_object(
            'StreamArn', arn, 'Limit', size, 'ExclusiveStartShardId', start))->'StreamDescription';
        return next json_array_length(page->'Shards') || ' shards, '
            || case when page->>'LastEvaluatedShardId' = page->'Shards'->-1->>'ShardId'
               then 'more' else coalesce(page->>'LastEvaluatedShardId', 'end') end;
        start := page->>'LastEvaluatedShardId';
        exit when start is null;
    end loop;
end
$$;
select shard_pages(:'arn', 2);
select shard_pages(:'arn', 3);
select json_array_length(ddbstreams.aws('DescribeStream', json_build_object(
           'StreamArn', :'arn', 'ExclusiveStartShardId', shard))->'StreamDescription'->'Shards')
from unnest(array['shardId-00000000000000000000-00000000', 'shardId-99999999999999999999-ffffffff']) as shard;
-- no shard has children yet
select call('DescribeStream', json_build_object('StreamArn', :'arn', 'ShardFilter', json_build_object(
           'Type', 'CHILD_SHARDS', 'ShardId', (select min(shard_id) from ddbstreams.describe_stream(:'arn'))))::text)
       ~ '"Shards":\[\]}}$';

-- errors
select fails('DescribeStream', '{}');
select fails('DescribeStream', '{"StreamArn": "arn:aws:kinesis:eu-west-1:000000000000:stream/orders"}');
select fails('DescribeStream', json_build_object('StreamArn', :'arn' || '0')::text);
select fails('DescribeStream', json_build_object('StreamArn', :'arn', 'Limit', limits)::text)
from unnest(array[0, 101]) as limits;
select fails('DescribeStream', json_build_object('StreamArn', :'arn', 'ExclusiveStartShardId', 'shardId-1')::text);
select fails('DescribeStream', json_build_object('StreamArn', :'arn', 'ShardFilter', filter)::text)
from unnest(array['{}', '{"Type": "CHILD_SHARDS"}', '{"ShardId": "shardId-00000000000000000000-00000000"}',
                  '{"Type": "CHILD_SHARDS", "ShardId": "short"}']::json[]) as filter;

-- a key column's new name shows at once
alter table orders rename column customer to buyer;
select ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn'))->'StreamDescription'->'KeySchema';
alter table orders rename column buyer to customer;

-- a disabled stream's shards are closed
select ddbstreams.disable_stream('orders') = :'arn' as disabled;
select call('DescribeStream', json_build_object('StreamArn', :'arn')::text);

--
-- ListStreams
--

-- one more on orders, one on each of two others
select count(ddbstreams.enable_stream(t, stream_view_type => 'KEYS_ONLY', shard_count => 1))
from unnest(array['orders', 'parts', '"Odd ""Name.x"']::regclass[]) as t;
set role regress_aws_reader;
select call('ListStreams', '{}');
select call('ListStreams', '{"TableName": "regress_aws.parts"}');
select string_agg(s->>'StreamArn', ',' order by n) = (
           select string_agg(stream_arn, ',' order by split_part(stream_arn, '/stream/', 2), stream_arn)
           from ddbstreams.list_streams()) as same
from json_array_elements(ddbstreams.aws('ListStreams', '{}')->'Streams') with ordinality as t(s, n);

reset role;
create function stream_pages(size int, of_table text) returns setof text
language plpgsql as $$
declare
    page json;
    start text;
    seen text[] = '{}';
begin
    for i in 1..10 loop
        page := ddbstreams.aws('ListStreams', json_build_object(
            'TableName', of_table, 'Limit', size, 'ExclusiveStartStreamArn', start));
        return next json_array_length(page->'Streams') || ' streams, '
            || case when page->>'LastEvaluatedStreamArn' = page->'Streams'->-1->>'StreamArn'
               then 'more' else coalesce(page->>'LastEvaluatedStreamArn', 'end') end;
        seen := seen || array(select s->>'StreamArn' from json_array_elements(page->'Streams') as s);
        start := page->>'LastEvaluatedStreamArn';
        exit when start is null;
    end loop;
    return next cardinality(array(select distinct unnest(seen))) || ' different';
end
$$;
set role regress_aws_reader;
select stream_pages(2, null);
select stream_pages(5, null);
select stream_pages(1, 'regress_aws.orders');

-- a start that is no more, or never was
select call('ListStreams', json_build_object('TableName', 'regress_aws.parts', 'ExclusiveStartStreamArn', arn)::text)
from unnest(array[
    'arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000',
    'arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/9999-01-01T00:00:00.000'
    ]) as arn;
select fails('ListStreams', json_build_object('ExclusiveStartStreamArn', arn)::text)
from unnest(array[
    'arn', repeat('x', 37),
    'arn:aws:dynamodb:ddblocal:000000000000:table/gone/index/2020-01-01T00:00:00.000'
    ]) as arn;
select fails('ListStreams', json_build_object('ExclusiveStartStreamArn', repeat('x', 1025))::text) ~ '^22023: .*length less than or equal to 1024$';
select fails('ListStreams', '{"Limit": 0}');
select fails('ListStreams', '{"Limit": 101}');

-- tables that have no stream, are not there, or are not the caller's business
select call('ListStreams', '{"TableName": "regress_aws.keyless"}');
select call('ListStreams', '{"TableName": "regress_aws.nothing"}');
select fails('ListStreams', '{"TableName": "regress_aws.secret"}');

--
-- GetShardIterator and GetRecords
--

set role regress_aws_owner;
select ddbstreams.disable_stream('orders') is not null as disabled;
truncate orders;
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset
select shard_id as shard from ddbstreams.describe_stream(:'arn') \gset

create function iterator(arn text, shard text, type text, number text default null) returns text
language sql as $$
    select ddbstreams.aws('GetShardIterator', json_build_object('StreamArn', arn,
        'ShardId', shard, 'ShardIteratorType', type, 'SequenceNumber', number))->>'ShardIterator'
$$;
create function get(iterator text, size int default null) returns json
language sql as $$
    select ddbstreams.aws('GetRecords', json_build_object('ShardIterator', iterator, 'Limit', size))
$$;

select iterator(:'arn', :'shard', 'TRIM_HORIZON') as horizon,
       iterator(:'arn', :'shard', 'LATEST') as latest \gset
select :'horizon' like :'arn' || '|1|%' as is_iterator;
-- nothing yet
select call('GetRecords', json_build_object('ShardIterator', :'horizon')::text);

insert into orders values ('ada', 1, 19.90, E'tab\t"quoted" \\ text');
update orders set amount = 24.5, note = null;
update orders set id = 2;
delete from orders;

-- the records as they are, SizeBytes by the reference's rules
select regexp_replace(call('GetRecords', json_build_object('ShardIterator', iterator)::text),
                      '(?=\{"eventID")', E'\n', 'g')
from unnest(array[:'horizon', :'latest']) as iterator;
select count(*) as records,
       count(distinct r->>'eventID') as event_ids,
       bool_and(to_timestamp((r->'dynamodb'->>'ApproximateCreationDateTime')::int)
                between now() - interval '10 min' and now() + interval '1 min') as times
from json_array_elements(get(:'horizon')->'Records') as r;
-- they are those of get_records
select bool_and(r->>'eventID' = g.event_id and r->>'eventName' = g.event_name
                and r->'dynamodb'->>'SequenceNumber' = g.sequence_number
                and r->'dynamodb'->>'Keys' = g.keys::text
                and r->'dynamodb'->>'NewImage' is not distinct from g.new_image::text
                and r->'dynamodb'->>'OldImage' is not distinct from g.old_image::text
                and (r->'dynamodb'->>'SizeBytes')::bigint = g.size_bytes
                and (r->'dynamodb'->>'ApproximateCreationDateTime')::bigint
                    = floor(extract(epoch from g.approximate_creation_date_time))) as same
from (select r, row_number() over () as n
      from json_array_elements(get(:'horizon')->'Records') as r) as a
full join (select *, row_number() over () as n
           from ddbstreams.get_records(:'horizon')) as g using (n);

-- at and after a number
select min(r->'dynamodb'->>'SequenceNumber') as first, max(r->'dynamodb'->>'SequenceNumber') as last
from json_array_elements(get(:'horizon')->'Records') as r \gset
select type, json_array_length(get(iterator(:'arn', :'shard', type, number))->'Records') as records
from (values ('AT_SEQUENCE_NUMBER', :'first'), ('AFTER_SEQUENCE_NUMBER', :'first'),
             ('AT_SEQUENCE_NUMBER', :'last'), ('AFTER_SEQUENCE_NUMBER', :'last'),
             ('LATEST', null)) as v(type, number);

-- at a time, in seconds with a fraction
create function read_at(arn text, shard text, at text) returns int
language sql as $$
    select json_array_length(get(ddbstreams.aws('GetShardIterator', format(
        '{"StreamArn": "%s", "ShardId": "%s", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": %s}',
        arn, shard, at)::json)->>'ShardIterator')->'Records')
$$;
select bool_and(read_at(:'arn', :'shard', extract(epoch from approximate_creation_date_time)::text)
                = (select count(*) from ddbstreams.get_records(:'horizon') as later
                   where later.approximate_creation_date_time >= r.approximate_creation_date_time)) as at_each
from ddbstreams.get_records(:'horizon') as r;
-- between two microseconds: the later one
select read_at(:'arn', :'shard', extract(epoch from max(approximate_creation_date_time)) || '0'),
       read_at(:'arn', :'shard', extract(epoch from max(approximate_creation_date_time)) || '0001')
from ddbstreams.get_records(:'horizon') as r;
select at, read_at(:'arn', :'shard', at)
from unnest(array['0', '-1', '1591316726.480', '1.59E9', '-1e300', '-1e-300']) as at;
select fails('GetShardIterator', format(
        '{"StreamArn": "%s", "ShardId": "%s", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": %s}',
        :'arn', :'shard', at))
from unnest(array['4102444800', '1e15', '9223372036854775807', '1e300', '"1791316726.480"',
                  '"2026-10-06T00:38:46Z"', 'true', '[1791316726]', 'null']) as at;
select fails('GetShardIterator', format(
        '{"StreamArn": "%s", "ShardId": "%s", "ShardIteratorType": "LATEST", "Timestamp": 0}', :'arn', :'shard'));
select fails('GetShardIterator', format(
        '{"StreamArn": "%s", "ShardId": "%s", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 0, "SequenceNumber": "%s"}', :'arn', :'shard', :'first'));

-- paging by NextShardIterator, to the end of a closed shard
insert into orders select 'c', i from generate_series(1, 2500) as i;
create function record_pages(iterator text, size int) returns setof text
language plpgsql as $$
declare
    page json;
    pages int = 0;
    numbers text[] = '{}';
    length int;
begin
    while pages < 400 loop
        page := get(iterator, size);
        pages := pages + 1;
        numbers := numbers || array(select r->'dynamodb'->>'SequenceNumber'
                                    from json_array_elements(page->'Records') as r);
        iterator := page->>'NextShardIterator';
        length := json_array_length(page->'Records');
        exit when iterator is null or length = 0;
    end loop;
    return next format('%s pages, %s records, %s, %s', pages, cardinality(numbers),
        case when numbers = array(select distinct n from unnest(numbers) as n order by n)
             then 'in order' else 'NOT in order' end,
        case when iterator is null then 'ended' else 'goes on' end);
end
$$;
select record_pages(:'horizon', null);
select record_pages(:'horizon', 1000);
select record_pages(:'horizon', 7);
select ddbstreams.disable_stream('orders') is not null as disabled;
select record_pages(:'horizon', 1000);
select record_pages(:'horizon', 501);
select call('GetRecords', json_build_object('ShardIterator', iterator(:'arn', :'shard', 'LATEST'))::text);

-- each view type
create table viewed (id int primary key, v int);
set ddbstreams.default_shard_count = 1;
set ddbstreams.region = 'eu-west-1';
select ddbstreams.aws('UpdateTable', '{"TableName": "regress_aws.viewed", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"}}')
       ->'TableDescription'->>'LatestStreamArn' as keys_only \gset
insert into viewed values (1, 1);
update viewed set v = 2;
delete from viewed;
select ddbstreams.disable_stream('viewed') is not null as disabled;
select ddbstreams.aws('UpdateTable', '{"TableName": "regress_aws.viewed", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}}')
       ->'TableDescription'->>'LatestStreamArn' as new_image \gset
insert into viewed values (1, 1);
update viewed set v = 2;
delete from viewed;
select ddbstreams.disable_stream('viewed') is not null as disabled;
select ddbstreams.aws('UpdateTable', '{"TableName": "regress_aws.viewed", "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "OLD_IMAGE"}}')
       ->'TableDescription'->>'LatestStreamArn' as old_image \gset
insert into viewed values (1, 1);
update viewed set v = 2;
delete from viewed;
reset ddbstreams.region;
reset ddbstreams.default_shard_count;
select r->'dynamodb'->>'StreamViewType' as view_type, r->>'eventName' as event,
       r->>'awsRegion' as region, r->'dynamodb'->>'SizeBytes' as size,
       (select string_agg(m, ' ') from json_object_keys(r->'dynamodb') as m) as members
from unnest(array[:'keys_only', :'new_image', :'old_image']) as arn,
     ddbstreams.describe_stream(arn) as s,
     json_array_elements(get(iterator(arn, s.shard_id, 'TRIM_HORIZON'))->'Records') as r;

-- errors
select fails('GetShardIterator', (jsonb_build_object('StreamArn', :'old_image',
           'ShardId', (select shard_id from ddbstreams.describe_stream(:'old_image')),
           'ShardIteratorType', 'LATEST') || change)::text)
from unnest(array[
    '{"ShardIteratorType": null}',
    '{"ShardIteratorType": "latest"}',
    '{"ShardIteratorType": "AT_TIMESTAMP"}',
    '{"ShardId": "shardId-00000000000000000000-00000000"}',
    '{"ShardId": "shardId-0"}',
    '{"StreamArn": "arn:aws:dynamodb:ddblocal:000000000000:table/gone/stream/2020-01-01T00:00:00.000"}',
    '{"SequenceNumber": "000000000000000000001"}',
    '{"SequenceNumber": "00000000000000000001"}',
    '{"ShardIteratorType": "AT_SEQUENCE_NUMBER"}',
    '{"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "00000000000000000000x"}',
    '{"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "000000000000000000001"}',
    '{"SequenceNumber": 1}'
    ]::jsonb[]) as change;
select fails('GetRecords', request)
from unnest(array[
    '{}',
    '{"ShardIterator": ""}',
    '{"ShardIterator": "garbage"}',
    '{"ShardIterator": "garbage", "Limit": 0}',
    '{"ShardIterator": "garbage", "Limit": 1001}',
    '{"ShardIterator": "", "Limit": -1}'
    ]) as request;
select fails('GetRecords', json_build_object('ShardIterator', repeat('x', 2049))::text) ~ '^22023: 1 validation error detected: .*2048$';
-- an altered one
select fails('GetRecords', json_build_object('ShardIterator', replace(:'horizon', 'orders', 'ordert'))::text);

-- rights
reset role;
revoke select on orders from regress_aws_reader;
set role regress_aws_reader;
select fails('DescribeStream', json_build_object('StreamArn', :'arn')::text);
select fails('GetShardIterator', json_build_object('StreamArn', :'arn', 'ShardId', :'shard', 'ShardIteratorType', 'LATEST')::text);
select fails('GetRecords', json_build_object('ShardIterator', :'horizon')::text);
select fails('ListStreams', '{"TableName": "regress_aws.orders"}');
select call('ListStreams', '{}');
-- where row-level security would apply, there is nothing to read
set role regress_aws_owner;
alter table parts enable row level security;
set role regress_aws_reader;
select call('ListStreams', '{}');
select call('ListStreams', '{"TableName": "regress_aws.parts"}');

-- a dropped table's streams are its last owner's, and are found by its name
set role regress_aws_owner;
drop table orders cascade;
select call('ListStreams', '{"TableName": "regress_aws.orders"}');
select json_array_length(get(:'horizon')->'Records') as records;
select call('DescribeStream', json_build_object('StreamArn', :'arn')::text);
create table orders (id int primary key);
select json_array_length(ddbstreams.aws('ListStreams', '{"TableName": "regress_aws.orders"}')->'Streams') as streams;
set role regress_aws_reader;
select fails('DescribeStream', json_build_object('StreamArn', :'arn')::text);

--
-- Whatever the request holds, only errors of the caller's making
--

reset role;
do $$
declare
    op text;
    member text;
    value text;
    message text;
    calls int = 0;
begin
    for op, member, value in
        select * from
        unnest(array['ListStreams', 'DescribeStream', 'GetShardIterator', 'GetRecords',
                     'DescribeTable', 'ListTables', 'UpdateTable']) as op,
        unnest(array['TableName', 'Limit', 'ExclusiveStartStreamArn', 'StreamArn',
                     'ExclusiveStartShardId', 'ShardFilter', 'ShardId',
                     'ShardIteratorType', 'SequenceNumber', 'ShardIterator',
                     'ExclusiveStartTableName', 'StreamSpecification',
                     'BillingMode', '']) as member,
        unnest(array['null', 'true', 'false', '0', '-0', '-1', '1e400', '1e-400', '0.1',
                     '""', '"."', '".."', '"%s%n%d"', '"''; drop table x; --"', '"\\"', '"\u0001"',
                     case when getdatabaseencoding() = 'SQL_ASCII' then '"x"' else '"\u00e4\ud83d\ude00"' end, to_json(repeat('x', 5000))::text,
                     to_json(repeat('é', 600))::text,
                     '"arn:aws:dynamodb:::table//stream/           "',
                     '[]', '[[[[]]]]', '{}', '{"a": {"b": [1]}}',
                     '{"StreamEnabled": {}}', '{"Type": [], "ShardId": {}}']) as value
    loop
        begin
            calls := calls + 1;
            perform ddbstreams.aws(op, format('{%s: %s}', to_json(member), value)::json);
        exception when others then
            message := fails(op, format('{%s: %s}', to_json(member), value));
            if message !~ '^(22023|42704|42809|42501): ' then
                raise warning '% {%: %}: %', op, member, value, message;
            end if;
        end;
    end loop;
    raise notice '% calls', calls;
end
$$;

set client_min_messages = warning;
drop schema regress_aws cascade;
drop owned by regress_aws_owner, regress_aws_reader;
drop role regress_aws_owner, regress_aws_reader;
