-- What a caller is told that has mistaken something: a table's name for an ARN,
-- an ARN for an iterator, a value's spelling, a name in a filter.
--
-- To see it fail: test/mutations/run 'hint-*' 'argument-*' filter-futile.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema messages;
set search_path = messages, public;

create table orders (id int, "a.b" text, total numeric, paid bool, picture bytea, tags int[], doc jsonb, at timestamptz,
    primary key (id, "a.b"));
create table bare (id int primary key);
create view seen as select * from orders;
create table parts (id int primary key) partition by range (id);
create table part partition of parts for values from (0) to (9);
select ddbstreams.enable_stream('orders', shard_count => 1) is not null,
    ddbstreams.enable_stream('parts', 'KEYS_ONLY', shard_count => 1) is not null;
create function handler(event jsonb) returns void language sql as 'select null::void';

-- Shows what a command says, in which ARN, SHARD and ITERATOR stand for those of
-- orders
create function says(command text) returns text language plpgsql as $$
declare
    arn text := ddbstreams.latest_stream_arn('orders');
    shard text := shard_id from ddbstreams.describe_stream(arn);
    iterator text := ddbstreams.get_shard_iterator(arn, shard, 'TRIM_HORIZON');
    message text;
    detail text;
    hint text;
begin
    execute replace(replace(replace(command, 'ITERATOR', iterator), 'ARN', arn), 'SHARD', shard);
    return command || E'\nno error';
exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
    return regexp_replace(command || E'\n' || concat_ws(E'\n', sqlstate || ': ' || message, '  detail: ' || nullif(detail, ''),
        '  hint: ' || nullif(regexp_replace(hint, 'operations are .*', 'operations are these'), '')), '\d{4}-\d\d-\d\dT[\d:.]+', 'LABEL', 'g');
end $$;

--
-- Where an ARN is wanted
--

select says(c) from unnest(array[
    $$select ddbstreams.describe_stream('orders')$$,
    $$select ddbstreams.describe_stream('messages.Orders')$$,
    $$select ddbstreams.describe_stream('arn:aws:dynamodb:ddblocal:000000000000:table/messages.orders')$$,
    $$select ddbstreams.describe_stream('bare')$$,
    $$select ddbstreams.describe_stream('seen')$$,
    $$select ddbstreams.describe_stream('nowhere.orders')$$,
    $$select ddbstreams.describe_stream('a.b.c.')$$,
    $$select ddbstreams.describe_stream('"')$$,
    $$select ddbstreams.describe_stream(repeat('x', 1000))$$,
    $$select ddbstreams.describe_stream(replace('ARN', '000000000000', '000000000001'))$$,
    $$select ddbstreams.describe_stream('ARN' || '1')$$,
    $$select ddbstreams.describe_stream(replace('ARN', 'orders', 'bare'))$$,
    $$select ddbstreams.alter_stream('orders', '1 day')$$,
    $$select ddbstreams.get_shard_iterator('orders', 'SHARD', 'LATEST')$$,
    $$select ddbstreams.split_shard('orders', 'SHARD')$$,
    $$select ddbstreams.roll_over('orders')$$,
    $$select ddbstreams.shard_tree('orders')$$,
    $$select ddbstreams.shard_graph('orders')$$,
    $$select ddbstreams.newest_records('orders')$$,
    $$select ddbstreams.create_consumer('c', 'orders')$$,
    $$select ddbstreams.changes(null::orders, stream_arn => 'orders')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'orders', 'LATEST')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN1', 'LATEST')$$,
    $$select ddbstreams.list_event_source_mappings('orders')$$]) c;

-- nothing is told of a stream that may not be read
create role regress_messages;
grant usage on schema messages to regress_messages;
set role regress_messages;
select test.fails($$select ddbstreams.describe_stream('messages.orders')$$);
select test.fails($$select ddbstreams.describe_stream('arn:aws:dynamodb:ddblocal:000000000000:table/messages.orders/stream/x')$$);
reset role;
revoke usage on schema messages from regress_messages;
set role regress_messages;
select test.fails($$select ddbstreams.describe_stream('messages.orders')$$);
reset role;
drop role regress_messages;

--
-- Where an iterator is wanted
--

select says(c) from unnest(array[
    $$select ddbstreams.get_records('orders')$$,
    $$select ddbstreams.get_records('ARN')$$,
    $$select ddbstreams.get_records('SHARD')$$,
    $$select ddbstreams.get_records(left('ITERATOR', -1))$$,
    $$select ddbstreams.get_records(overlay('ITERATOR' placing 'xyz' from length('ITERATOR') - 9))$$,
    $$select ddbstreams.get_records(replace('ITERATOR', 'orders', 'others'))$$,
    $$select ddbstreams.next_shard_iterator('orders')$$,
    $$select ddbstreams.wait_for_records('orders', '0')$$,
    $$select ddbstreams.get_records('ITERATOR', 0)$$,
    $$select ddbstreams.get_records('ITERATOR', null)$$]) c;

--
-- Where a row type is wanted
--

select says(c) from unnest(array[
    $$select event_name, (new_image) from ddbstreams.changes('bare')$$,
    $$select ddbstreams.changes('seen')$$,
    $$select ddbstreams.changes('part')$$,
    $$select ddbstreams.changes('orders'::regclass)$$,
    $$select ddbstreams.changes('nowhere')$$,
    $$select ddbstreams.changes('messages.orders', now(), now(), 'orders')$$,
    $$select ddbstreams.changes(null)$$,
    $$select ddbstreams.changes(1)$$,
    $$select ddbstreams.changes(null::bare)$$,
    $$select ddbstreams.changes(null::seen)$$,
    $$select ddbstreams.changes(null::part)$$]) c;

--
-- Arguments bear other names than AWS's members
--

select says(c) from unnest(array[
    $$select ddbstreams.describe_stream(null)$$,
    $$select ddbstreams.enable_stream('bare', null)$$,
    $$select ddbstreams.enable_stream('bare', 'KEYS')$$,
    $$select ddbstreams.enable_stream('bare', shard_count => 0)$$,
    $$select ddbstreams.enable_stream('bare', partition_key => array[null])$$,
    $$select ddbstreams.get_shard_iterator('ARN', 'SHARD', 'NEWEST')$$,
    $$select ddbstreams.get_shard_iterator('ARN', 'SHARD', 'AT_SEQUENCE_NUMBER', '1')$$,
    $$select ddbstreams.get_records('')$$,
    $$select ddbstreams.poll(null, 'w')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', null)$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'LATEST', batch_size => 0)$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'LATEST', tumbling_window => '1 day')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'LATEST', filter_criteria => jsonb_build_object('Filters', json_build_array(json_build_object('Pattern', repeat(' ', 5000)))))$$,
    $$select ddbstreams.aws('GetShardIterator', '{"StreamArn": "ARN", "ShardId": "SHARD", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "1"}')$$,
    $$select ddbstreams.aws('CreateEventSourceMapping', '{"EventSourceArn": "ARN", "FunctionName": "messages.handler", "StartingPosition": "LATEST", "FunctionResponseTypes": ["x", "y"]}')$$]) c;

--
-- One of several values, or a request
--

select says(c) from unnest(array[
    $$select ddbstreams.enable_stream('bare', 'new_and_old_images')$$,
    $$select ddbstreams.enable_stream('bare', 'NEW_IMAGES')$$,
    $$select ddbstreams.enable_stream('bare', '')$$,
    $$select ddbstreams.enable_stream('bare', repeat('NEW_IMAGE', 100000)) is null$$,
    $$select ddbstreams.get_shard_iterator('ARN', 'SHARD', 'TrimHorizon')$$,
    $$select ddbstreams.get_shard_iterator('ARN', 'SHARD', 'OLDEST')$$,
    $$select ddbstreams.get_shard_iterator('ARN', 'SHARD', 'AT_SEQUENCE_NUMBER')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'latest')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'LATEST', function_response_types => '{reportbatchitemfailures}')$$,
    $$select ddbstreams.create_event_source_mapping('handler', 'ARN', 'LATEST', maximum_record_age => '1 s')$$,
    $$select ddbstreams.create_consumer('c', 'ARN', 'TRIM-HORIZON')$$,
    $$select ddbstreams.drop_consumer('c')$$,
    $$select ddbstreams.aws('list-streams')$$,
    $$select ddbstreams.aws('Scan')$$]) c where c !~ 'repeat';
select length(says($$select ddbstreams.enable_stream('bare', repeat('NEW_IMAGE', 100000)) is null$$)) > 900000;
select ddbstreams.aws('ListStreams', '{"TableName": "messages.bare"}');
select ddbstreams.aws('ListStreams')::jsonb ? 'Streams';

--
-- Filters that can match no record
--

select ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('orders'), 'LATEST', enabled => false) as uuid \gset
create function filter(pattern text) returns text language plpgsql as $$
begin
    perform ddbstreams.update_event_source_mapping((select uuid from ddbstreams.list_event_source_mappings(ddbstreams.latest_stream_arn('orders'))),
        filter_criteria => jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', pattern))));
    return pattern;
end $$;
\set SHOW_CONTEXT never
-- some can
select filter(p) from unnest(array[
    '{"eventName": ["insert", "INSERT"]}',
    '{"eventName": [{"anything-but": ["INSERT"]}], "eventSourceARN": [{"prefix": "arn:"}]}',
    '{"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}',
    '{"dynamodb": {"NewImage": {"total": {"S": ["NaN"]}}}}',
    '{"dynamodb": {"NewImage": {"total": {"N": [{"prefix": "1"}]}}}}',
    '{"dynamodb": {"NewImage": {"total": {"NULL": [true]}}}}',
    '{"dynamodb": {"NewImage": {"a.b": {"S": ["1"]}}}}',
    '{"dynamodb": {"Keys": {"a": {"b": {"S": ["1"]}}}}}',
    '{"dynamodb": {"NewImage": {"gone": {"S": [{"exists": false}]}}}}',
    '{"dynamodb": {"NewImage": {"doc": {"M": {"a": {"S": ["x"]}}}, "tags": {"L": {"N": ["1"]}}, "picture": {"B": [{"exists": true}]}}}}',
    '{"dynamodb": {"NewImage": {"at": {"S": [{"prefix": "2026"}]}, "paid": {"BOOL": [true]}}}}',
    '{"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 5]}], "SizeBytes": [{"numeric": [">", 5]}]}}',
    '{"$or": [{"eventname": ["x"]}, {"eventName": ["INSERT"]}]}']) p;
-- these cannot
select filter(p) from unnest(array[
    '{"eventname": ["INSERT"]}',
    '{"eventName": ["insert"]}',
    '{"eventName": {"name": ["INSERT"]}}',
    '{"NewImage": {"total": {"N": ["1"]}}}',
    '{"dynamodb": ["x"]}',
    '{"dynamodb": {"newImage": {"total": {"N": ["1"]}}}}',
    '{"dynamodb": {"NewImage": {"totl": {"N": ["1"]}}}}',
    '{"dynamodb": {"NewImage": {"ctid": {"S": ["1"]}}}}',
    '{"dynamodb": {"NewImage": {"total": ["1"]}}}',
    '{"dynamodb": {"NewImage": {"total": {"N": [1]}}}}',
    '{"dynamodb": {"NewImage": {"total": {"N": [{"numeric": [">", 5]}]}}}}',
    '{"dynamodb": {"NewImage": {"total": {"S": ["1"]}}}}',
    '{"dynamodb": {"NewImage": {"total": {"N": {"x": ["1"]}}}}}',
    '{"dynamodb": {"NewImage": {"a.b": {"N": ["1"]}}}}',
    '{"dynamodb": {"NewImage": {"paid": {"BOOL": ["true"]}}}}',
    '{"dynamodb": {"NewImage": {"tags": {"SS": ["1"]}}}}',
    '{"dynamodb": {"Keys": {"total": {"N": ["1"]}}}}',
    '{"$or": [{"eventname": ["x"]}, {"eventName": ["Insert"]}]}']) p;
-- of the view type
select ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('parts'), 'LATEST', enabled => false,
    filter_criteria => '{"Filters": [{"Pattern": {"eventName": ["INSERT"]}}, {"Pattern": {"dynamodb": {"NewImage": {"id": {"N": ["1"]}}}}}]}')
    is not null;
-- aws() warns, too
select ddbstreams.aws('UpdateEventSourceMapping', json_build_object('UUID', :'uuid',
    'FilterCriteria', '{"Filters": [{"Pattern": "{\"eventname\": [\"INSERT\"]}"}]}'::json)) is not null;

select count(ddbstreams.delete_event_source_mapping(uuid)) from ddbstreams.list_event_source_mappings()
where function_name = 'messages.handler';
set client_min_messages = warning;
drop schema messages cascade;
