-- Event source mappings: making, changing, deleting and listing them, by SQL and
-- by aws(). Delivery has tests of its own: nothing here depends on whether a
-- dispatcher runs.
--
-- To see it fail: test/mutations/run mappings-without-limit trigger-without-limit.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set array_nulls = on;
set intervalstyle = postgres_verbose;

\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
drop role if exists regress_map_owner, regress_map_other, regress_map_member, regress_map_nologin, regress_map_gone;
reset client_min_messages;
create role regress_map_owner login;
create role regress_map_other login;
create role regress_map_member login in role regress_map_owner;
create schema mappings authorization regress_map_owner;
create schema "map.two" authorization regress_map_owner;
create schema map_hidden authorization regress_map_other;
grant usage on schema mappings, "map.two" to public;
set search_path = mappings;

set role regress_map_owner;
create table t (id int primary key, v text);
create table u (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 2) as arn,
       ddbstreams.enable_stream('u', shard_count => 1) as arn_u \gset
insert into t select g from generate_series(1, 10) as g;

create function handler(event jsonb) returns jsonb language sql as 'select null::jsonb';
create function quiet(event jsonb) returns void language sql as '';
create function "map.two"."Odd ""Name"(event jsonb) returns jsonb language sql as 'select null::jsonb';
create function failed(failure jsonb) returns int language sql as 'select 1';
create function twice(event jsonb) returns jsonb language sql as 'select null::jsonb';
create function twice(event text) returns jsonb language sql as 'select null::jsonb';
create function private(event jsonb) returns jsonb language sql as 'select null::jsonb';
create function failed_not(event jsonb) returns void language sql as '';
revoke execute on function private(jsonb) from public;
set role regress_map_other;
create function map_hidden.handler(event jsonb) returns jsonb language sql as 'select null::jsonb';
reset role;

-- Creates a mapping; arguments but the event source as in the call
create table source (arn text);
insert into source values (:'arn');
grant select on source to public;
create function make(arguments text) returns text language sql as $$
    select test.fails(replace(format('select ddbstreams.create_event_source_mapping(%s)', arguments),
                              'ARN', quote_literal(arn))) from mappings.source
$$;
-- Hides uuids.
create function masked(value text) returns text language sql as $$
    select regexp_replace(regexp_replace(test.mask(value),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'UUID', 'g'),
        '("LastModified":)[0-9.]+', '\1TIME', 'g')
$$;
-- The mappings that there are, without what a worker may change
create view listed as
    select masked(row(function_name, event_source_arn, starting_position, batch_size, maximum_batching_window,
                      parallelization_factor, maximum_record_age, maximum_retry_attempts,
                      bisect_batch_on_function_error, on_failure, tumbling_window,
                      function_response_types, filter_criteria, enabled)::text)
    from ddbstreams.list_event_source_mappings();
grant select on listed to public;
grant execute on function make(text), masked(text) to public;

set role regress_map_owner;

--
-- create
--

-- the defaults, as recorded from AWS
select ddbstreams.create_event_source_mapping('handler', :'arn', 'TRIM_HORIZON', enabled => false) as uuid \gset
\x on
select masked(function_name) as function_name, masked(event_source_arn) as event_source_arn, starting_position, state,
       last_processing_result, batch_size, maximum_batching_window, parallelization_factor, maximum_record_age,
       maximum_retry_attempts, bisect_batch_on_function_error, on_failure, tumbling_window, function_response_types,
       filter_criteria, enabled
from ddbstreams.list_event_source_mappings();
\x off

-- everything, at its upper and at its lower bounds
select masked(ddbstreams.create_event_source_mapping(
    function_name => 'quiet', event_source_arn => :'arn', starting_position => 'LATEST', batch_size => 10000,
    maximum_batching_window => '5 min', parallelization_factor => 10, maximum_record_age => '7 days',
    maximum_retry_attempts => 10000, bisect_batch_on_function_error => true, on_failure => 'failed',
    tumbling_window => '15 min', function_response_types => '{ReportBatchItemFailures}',
    filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"INSERT\"]}"}]}', enabled => false)::text);
select masked(ddbstreams.create_event_source_mapping('"map.two"."Odd ""Name"', :'arn', 'LATEST', 1, '0', 1, '1 min', 0, false,
    '-', '0', '{}', '{"Filters": []}', false)::text);
select masked(ddbstreams.create_event_source_mapping('twice(jsonb)'::regprocedure, :'arn', 'TRIM_HORIZON',
    maximum_record_age => '-1 s', filter_criteria => '{}', enabled => false)::text);
select * from listed;

-- one mapping of a stream and a function
select masked(make($$'handler', ARN, 'LATEST'$$));
select masked(ddbstreams.create_event_source_mapping('handler', :'arn_u', 'LATEST', enabled => false)::text);

-- nulls
select make(replace($$'handler', ARN, 'LATEST'$$, value, 'null')) from unnest(array['''handler''', 'ARN', '''LATEST''']) as value;
select make(format($$'twice(jsonb)'::regprocedure, ARN, 'LATEST', %s => null$$, name))
from unnest(array['batch_size', 'maximum_batching_window', 'parallelization_factor', 'maximum_retry_attempts',
                  'bisect_batch_on_function_error', 'function_response_types', 'enabled']) as name;

-- ranges
select argument, make(format($$'handler', ARN, 'LATEST', %s$$, argument))
from unnest(array[
    'batch_size => 0', 'batch_size => 10001', 'batch_size => -2147483648',
    $$maximum_batching_window => '-1 s'$$, $$maximum_batching_window => '301 s'$$, $$maximum_batching_window => '1.5 s'$$,
    $$maximum_batching_window => '100000000 years'$$, $$maximum_batching_window => '-1 us'$$,
    'parallelization_factor => 0', 'parallelization_factor => 11',
    $$maximum_record_age => '59 s'$$, $$maximum_record_age => '0'$$, $$maximum_record_age => '604801 s'$$,
    $$maximum_record_age => '-2 s'$$, $$maximum_record_age => '60.5 s'$$,
    'maximum_retry_attempts => -2', 'maximum_retry_attempts => 10001',
    $$tumbling_window => '-1 s'$$, $$tumbling_window => '901 s'$$, $$tumbling_window => '0.999999 s'$$,
    $$function_response_types => '{reportBatchItemFailures}'$$, $$function_response_types => '{""}'$$,
    $$function_response_types => '{ReportBatchItemFailures,ReportBatchItemFailures}'$$,
    $$function_response_types => '{null}'$$, $$function_response_types => '{{ReportBatchItemFailures}}'$$]) as argument;
select length(make($$'handler', ARN, 'LATEST', function_response_types => array_fill('x'::text, array[1000000])$$)) < 2000;
select length(make($$'handler', ARN, 'LATEST', function_response_types => array[repeat('ä', 1000000)]$$)) < 2000;

-- starting positions
select make(format($$'handler', ARN, %L$$, position))
from unnest(array['AT_TIMESTAMP', 'latest', '', 'TRIM_HORIZON ']) as position;

-- event sources
select test.fails(format('select ddbstreams.create_event_source_mapping(%L, %L, %L)', 'handler', source, 'LATEST'))
from unnest(array['', 'x', 'arn:aws:sqs:ddblocal:000000000000:queue', 'arn:aws:dynamodb:ddblocal:000000000000:table/mappings.t',
                  :'arn' || 'x', upper(:'arn')]) as source;
select length(test.fails(format('select ddbstreams.create_event_source_mapping(%L, %L, %L)', 'handler', :'arn' || repeat('x', 1000000), 'LATEST'))) < 200;

-- filters
select pattern, make(format($$'handler', ARN, 'LATEST', filter_criteria => %L$$, pattern))
from unnest(array['[]', '1', 'null', '{"Filters": {}}', '{"Filters": "x"}', '{"filters": []}',
    '{"Filters": [1]}', '{"Filters": [{}]}', '{"Filters": [{"Pattern": "x"}]}', '{"Filters": [{"Pattern": "[]"}]}',
    '{"Filters": [{"Pattern": "{\"eventName\": \"INSERT\"}"}]}', '{"Filters": [{"Pattern": "{\"eventName\": [{\"like\": \"I%\"}]}"}]}',
    '{"Filters": [{"Pattern": "{}"}, {"Pattern": "{}"}, {"Pattern": "{}"}, {"Pattern": "{}"}, {"Pattern": "{}"}, {"Pattern": "{}"}]}']) as pattern;
select test.mask(left(make(format($$'handler', ARN, 'LATEST', filter_criteria => %L$$,
    jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', repeat('x', 4097)))))), 100));

-- functions
reset role;
create procedure procedure(event jsonb) language sql as '';
create aggregate aggregate(jsonb) (sfunc = jsonb_concat, stype = jsonb);
create function several(event jsonb) returns setof jsonb language sql as 'select event';
create function two(event jsonb, context jsonb default null) returns jsonb language sql as 'select event';
create function many(variadic event jsonb[]) returns jsonb language sql as 'select event[1]';
create function takes_json(event json) returns jsonb language sql as 'select null::jsonb';
create function takes_any(event anyelement) returns jsonb language sql as 'select null::jsonb';
create function gives_json(event jsonb) returns json language sql as 'select null::json';
create function gives_int(event jsonb) returns int language sql as 'select 1';
create function triggered() returns trigger language plpgsql as 'begin return null; end';
set role regress_map_owner;
select name, make(format($$%L, ARN, 'LATEST'$$, name))
from unnest(array['-', '0', '4294967295', 'procedure', 'aggregate', 'several', 'two', 'many', 'takes_json', 'takes_any',
                  'gives_json', 'gives_int', 'triggered', 'row_number', 'twice', 'missing']) as name;
select name, make(format($$'twice(jsonb)'::regprocedure, ARN, 'LATEST', on_failure => %L$$, name))
from unnest(array['4294967295', 'procedure', 'several', 'two', 'triggered']) as name;
-- ... or one that the next session of any role could replace
create function pg_temp.temporary(event jsonb) returns jsonb language sql as 'select null::jsonb';
select use, replace(made, pg_my_temp_schema()::regnamespace::text, 'pg_temp_N') as made
from (values ('handler', make($$'pg_temp.temporary', ARN, 'LATEST'$$)),
    ('on_failure', make($$'twice(jsonb)'::regprocedure, ARN, 'LATEST', on_failure => 'pg_temp.temporary'$$))) as v (use, made);
drop function pg_temp.temporary(jsonb);
-- one of another's, and one in a schema of another's
set role regress_map_other;
select make($$'quiet', ARN, 'LATEST'$$);
set role regress_map_owner;
grant select on t to regress_map_other;
set role regress_map_other;
select make($$'private', ARN, 'LATEST'$$);
select make($$'quiet', ARN, 'LATEST', on_failure => 'private'$$);
select masked(ddbstreams.create_event_source_mapping('map_hidden.handler', :'arn', 'TRIM_HORIZON', enabled => false)::text);
reset role;
select 'map_hidden.handler'::regproc::oid as hidden \gset
set role regress_map_owner;
select make(format($$%L, ARN, 'LATEST'$$, :'hidden'));
-- row-level security hides rows, and so the stream
reset role;
alter table t enable row level security;
set role regress_map_other;
select make($$'quiet', ARN, 'LATEST'$$);
reset role;
alter table t disable row level security;

--
-- Who sees what
--

select count(*) from ddbstreams.list_event_source_mappings();
set role regress_map_other;
select * from listed;
select masked(test.fails(format('select ddbstreams.update_event_source_mapping(%L, batch_size => 1)', :'uuid')));
select masked(test.fails(format('select ddbstreams.delete_event_source_mapping(%L)', :'uuid')));
select masked(test.fails(format('select ddbstreams.aws(%L, %L)', operation, json_build_object('UUID', :'uuid'))))
from unnest(array['GetEventSourceMapping', 'UpdateEventSourceMapping', 'DeleteEventSourceMapping']) as operation;
select ddbstreams.aws('ListEventSourceMappings', '{}') #>> '{EventSourceMappings,0,FunctionArn}';
select json_array_length(ddbstreams.aws('ListEventSourceMappings', '{}') -> 'EventSourceMappings');
select test.fails('select * from ddbstreams_shards.mapping');
select test.fails('select * from ddbstreams_shards.mapping_shard');
set role regress_map_member;
select count(*) from ddbstreams.list_event_source_mappings();
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 2);
-- whoever changes it, the handler is to be callable by the role that made it
reset role;
select test.fails(format('select ddbstreams.update_event_source_mapping(%L, %L)', :'uuid', :'hidden'));

-- by stream and by function
set role regress_map_owner;
select count(*) from ddbstreams.list_event_source_mappings(:'arn_u');
select count(*) from ddbstreams.list_event_source_mappings(function_name => 'handler');
select count(*) from ddbstreams.list_event_source_mappings(:'arn', 'handler');
select count(*) from ddbstreams.list_event_source_mappings(:'arn', 'failed');
select count(*) from ddbstreams.list_event_source_mappings(:'arn' || 'x');
select test.fails($$select ddbstreams.list_event_source_mappings('x')$$);
select test.fails($$select ddbstreams.list_event_source_mappings(function_name => '-')$$);

--
-- update
--

create view one as
    select batch_size, maximum_batching_window, parallelization_factor, maximum_record_age, maximum_retry_attempts,
           bisect_batch_on_function_error, on_failure, tumbling_window, function_response_types, filter_criteria, enabled
    from ddbstreams.list_event_source_mappings(null, 'handler') limit 1;
grant select on one to public;
select ddbstreams.update_event_source_mapping(:'uuid');
select * from one;
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 7, maximum_batching_window => '2 s',
    parallelization_factor => 3, maximum_record_age => '1 hour', maximum_retry_attempts => 4,
    bisect_batch_on_function_error => true, on_failure => 'failed', tumbling_window => '10 s',
    function_response_types => '{ReportBatchItemFailures}', filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"MODIFY\"]}"}]}');
select * from one;
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 8);
select * from one;
select ddbstreams.update_event_source_mapping(:'uuid', maximum_batching_window => '-1 s', maximum_record_age => '-1 day',
    maximum_retry_attempts => -1, bisect_batch_on_function_error => false, on_failure => '-', tumbling_window => '-1 year',
    function_response_types => '{}', filter_criteria => '{}');
select * from one;
-- a failed one leaves all as it was
select argument, test.fails(format('select ddbstreams.update_event_source_mapping(%L, parallelization_factor => 9, %s)', :'uuid', argument))
from unnest(array['batch_size => 0', $$maximum_batching_window => '301 s'$$, $$maximum_record_age => '5 s'$$,
    'maximum_retry_attempts => -2', $$on_failure => 'two'$$, $$tumbling_window => '901 s'$$,
    $$function_response_types => '{x}'$$, $$filter_criteria => '[]'$$, $$function_name => '-'$$,
    $$function_name => 'gives_int'$$]) as argument;
select masked(test.fails(format('select ddbstreams.update_event_source_mapping(%L, %L)', :'uuid', 'quiet')));
select * from one;
-- another function
select ddbstreams.update_event_source_mapping(:'uuid', 'private');
select masked(event_source_arn), state from ddbstreams.list_event_source_mappings(function_name => 'private');
select ddbstreams.update_event_source_mapping(:'uuid', 'handler');

-- names
select test.fails($$select ddbstreams.update_event_source_mapping(null)$$);
select test.fails($$select ddbstreams.update_event_source_mapping('00000000-0000-0000-0000-000000000000')$$);
select test.fails($$select ddbstreams.delete_event_source_mapping(null)$$);
select test.fails($$select ddbstreams.delete_event_source_mapping('00000000-0000-0000-0000-000000000000')$$);
select test.fails($$select ddbstreams.delete_event_source_mapping('handler')$$);

-- not in a read-only transaction; all or nothing
begin;
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 99);
rollback;
begin read only;
select count(*) from ddbstreams.list_event_source_mappings();
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 99);
rollback;
select * from one;

--
-- Where a mapping begins
--

reset role;
-- The positions of a mapping: what is behind them in shards that are not finished
create function ahead(function regproc, source text) returns table (lane int2, finished boolean, records bigint)
language plpgsql as $$
declare
    p record;
begin
    for p in select * from ddbstreams_shards.mapping_shard as s join ddbstreams_shards.mapping as m using (mapping_no)
             where m.function_name = 'mappings.' || function::text and m.event_source_arn = source order by s.shard_no, s.lane
    loop
        lane := p.lane;
        finished := p.finished;
        select count(*) into records
        from test.records('mappings.u', p.event_source_arn) as r
        where r.sequence_number::numeric > p.checkpoint and not p.finished;
        return next;
    end loop;
end
$$;
-- TRIM_HORIZON: at the first record of each shard
select * from ahead('handler', :'arn_u');
-- LATEST: behind what the statement sees (prepared.sql: before what is in flight)
insert into u values (1), (2);
insert into u values (4);
select masked(ddbstreams.create_event_source_mapping('quiet', :'arn_u', 'LATEST', parallelization_factor => 2, enabled => false)::text);
insert into u values (5);
select * from ahead('quiet', :'arn_u');
-- LATEST in a transaction of one snapshot
insert into u values (6);
begin isolation level repeatable read;
insert into u values (7);
select masked(ddbstreams.create_event_source_mapping('private', :'arn_u', 'LATEST', enabled => false)::text);
insert into u values (8);
commit;
select * from ahead('private', :'arn_u');
-- closed shards are finished
select ddbstreams.disable_stream('u') = :'arn_u';
select masked(ddbstreams.create_event_source_mapping('twice(jsonb)'::regprocedure, :'arn_u', 'LATEST', enabled => false)::text);
select * from ahead('twice(jsonb)'::regprocedure, :'arn_u');

--
-- aws()
--

-- Calls aws() and hides what differs.
create function mappings.call(operation text, request json) returns text language sql as $$
    select mappings.masked(ddbstreams.aws(operation, request)::text)
$$;
create function mappings.refused(operation text, request text) returns text language sql as $$
    select mappings.masked(test.fails(format('select ddbstreams.aws(%L, %L)', operation, request)))
$$;
set role regress_map_owner;
create table v (id int primary key);
select ddbstreams.enable_stream('v', shard_count => 1) as arn \gset

select mappings.call('CreateEventSourceMapping', json_build_object('FunctionName', 'mappings.handler',
    'EventSourceArn', :'arn', 'StartingPosition', 'TRIM_HORIZON', 'Enabled', false, 'Tags', json_build_object('a', 'b')));
select uuid from ddbstreams.list_event_source_mappings(:'arn', 'handler') \gset
select mappings.call('GetEventSourceMapping', json_build_object('UUID', :'uuid'));
select mappings.call('GetEventSourceMapping', json_build_object('UUID', upper(:'uuid'))) = mappings.call('GetEventSourceMapping', json_build_object('UUID', :'uuid'));
select mappings.call('CreateEventSourceMapping', json_build_object(
    'FunctionName', 'arn:aws:lambda:ddblocal:000000000000:function:map.two.Odd "Name:$LATEST',
    'EventSourceArn', :'arn', 'StartingPosition', 'LATEST', 'Enabled', false, 'BatchSize', 1e4,
    'MaximumBatchingWindowInSeconds', 300, 'ParallelizationFactor', 10, 'MaximumRecordAgeInSeconds', 604800,
    'MaximumRetryAttempts', 10000, 'TumblingWindowInSeconds', 900, 'BisectBatchOnFunctionError', true,
    'FunctionResponseTypes', json_build_array('ReportBatchItemFailures'),
    'FilterCriteria', json_build_object('Filters', json_build_array(json_build_object('Pattern', '{"eventName":["INSERT"]}'))),
    'DestinationConfig', json_build_object('OnFailure', json_build_object('Destination', 'failed'))));
select mappings.refused('CreateEventSourceMapping', json_build_object('FunctionName', 'handler',
    'EventSourceArn', :'arn', 'StartingPosition', 'LATEST')::text);

-- an enabled one is Creating, and Enabling, Updating and Disabling follow
select ddbstreams.aws('CreateEventSourceMapping', json_build_object('FunctionName', 'quiet',
    'EventSourceArn', :'arn', 'StartingPosition', 'LATEST'))->>'State';
select uuid as quiet from ddbstreams.list_event_source_mappings(:'arn', 'quiet') \gset
select request, ddbstreams.aws('UpdateEventSourceMapping', (request::jsonb || jsonb_build_object('UUID', :'quiet'))::json)->>'State'
from unnest(array['{}', '{"BatchSize": 2}', '{"Enabled": false}', '{"BatchSize": 3}', '{"Enabled": true, "BatchSize": 4}', '{"Enabled": false, "BatchSize": 5}']) as request;

-- the dispatcher has not seen what has not committed
begin;
select ddbstreams.create_event_source_mapping('failed_not', :'arn', 'LATEST') as uuid_not \gset
select state from ddbstreams.list_event_source_mappings() where uuid = :'uuid_not';
select ddbstreams.update_event_source_mapping(:'uuid_not', batch_size => 1);
select state from ddbstreams.list_event_source_mappings() where uuid = :'uuid_not';
select ddbstreams.update_event_source_mapping(:'uuid_not', enabled => false);
select ddbstreams.aws('GetEventSourceMapping', json_build_object('UUID', :'uuid_not'))->>'State';
select ddbstreams.update_event_source_mapping(:'uuid_not', enabled => true);
select ddbstreams.aws('GetEventSourceMapping', json_build_object('UUID', :'uuid_not'))->>'State';
rollback;

-- update: what is absent or null stays
select mappings.call('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'BatchSize', 5, 'MaximumBatchingWindowInSeconds', 1,
    'ParallelizationFactor', 2, 'MaximumRecordAgeInSeconds', 60, 'MaximumRetryAttempts', 0, 'BisectBatchOnFunctionError', true,
    'DestinationConfig', '{"OnFailure": {"Destination": "arn:aws:lambda:ddblocal:000000000000:function:mappings.failed"}}'::json,
    'TumblingWindowInSeconds', 1, 'FunctionResponseTypes', '["ReportBatchItemFailures"]'::json,
    'FilterCriteria', '{"Filters": [{"Pattern": "{\"eventName\": [\"MODIFY\"]}"}]}'::json));
select mappings.call('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'BatchSize', null, 'Enabled', null,
    'DestinationConfig', '{"OnFailure": {}}'::json));
select mappings.call('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'MaximumBatchingWindowInSeconds', 0,
    'MaximumRecordAgeInSeconds', -1, 'MaximumRetryAttempts', -1, 'BisectBatchOnFunctionError', false,
    'DestinationConfig', '{"OnFailure": {"Destination": ""}}'::json,
    'TumblingWindowInSeconds', 0, 'FunctionResponseTypes', '[]'::json, 'FilterCriteria', '{}'::json));
select mappings.call('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'FunctionName', 'private'));
select mappings.refused('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'FunctionName', 'quiet')::text);

-- refusals
select mappings.refused('CreateEventSourceMapping', '{}');
select mappings.refused('CreateEventSourceMapping', '{"FunctionName": "", "StartingPosition": "latest"}');
select mappings.refused('CreateEventSourceMapping', '{"FunctionName": "handler", "StartingPosition": "LATEST"}');
select mappings.refused('CreateEventSourceMapping', '{"FunctionName": "missing"}');
select mappings.refused('CreateEventSourceMapping', json_build_object('FunctionName', 'missing', 'EventSourceArn', :'arn')::text);
select mappings.refused('CreateEventSourceMapping', json_build_object('EventSourceArn', :'arn', 'BatchSize', 0)::text);
select length(mappings.refused('CreateEventSourceMapping', json_build_object('FunctionName', repeat('f', 257), 'StartingPosition', 'LATEST')::text)) < 1000;
select member, mappings.refused('CreateEventSourceMapping',
    (jsonb_build_object('FunctionName', 'private', 'EventSourceArn', :'arn', 'StartingPosition', 'LATEST') || member::jsonb)::text)
from unnest(array[
    '{"StartingPosition": "AT_TIMESTAMP"}', '{"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1}',
    '{"EventSourceArn": "arn:aws:kinesis:ddblocal:000000000000:stream/s"}',
    '{"EventSourceArn": "arn:aws:dynamodb:ddblocal:000000000000:table/t/stream/2020"}',
    '{"EventSourceArn": 1}',
    '{"FunctionName": "missing"}', '{"FunctionName": "no.such.function"}', '{"FunctionName": "\"handler"}',
    '{"FunctionName": "no_schema.handler"}', '{"FunctionName": "HANDLER(jsonb)"}', '{"FunctionName": "two"}',
    '{"FunctionName": "arn:aws:sqs:ddblocal:000000000000:handler"}', '{"FunctionName": "arn:aws:lambda:ddblocal:000000000000:function:"}',
    '{"BatchSize": 0}', '{"BatchSize": 10001}', '{"BatchSize": "1"}', '{"BatchSize": 1.5}',
    '{"MaximumBatchingWindowInSeconds": -1}', '{"MaximumBatchingWindowInSeconds": 301}',
    '{"ParallelizationFactor": 0}', '{"ParallelizationFactor": 11}',
    '{"MaximumRecordAgeInSeconds": -2}', '{"MaximumRecordAgeInSeconds": 0}', '{"MaximumRecordAgeInSeconds": 59}',
    '{"MaximumRecordAgeInSeconds": 604801}', '{"MaximumRetryAttempts": -2}', '{"MaximumRetryAttempts": 10001}',
    '{"TumblingWindowInSeconds": -1}', '{"TumblingWindowInSeconds": 901}',
    '{"BatchSize": 0, "ParallelizationFactor": 0, "MaximumRetryAttempts": -2}',
    '{"BisectBatchOnFunctionError": 1}', '{"Enabled": "yes"}',
    '{"FunctionResponseTypes": "ReportBatchItemFailures"}', '{"FunctionResponseTypes": ["x"]}', '{"FunctionResponseTypes": [null]}',
    '{"FunctionResponseTypes": [1]}', '{"FunctionResponseTypes": {}}', '{"FunctionResponseTypes": ["a", "b"]}',
    '{"FilterCriteria": []}', '{"FilterCriteria": "x"}', '{"FilterCriteria": {"Filters": 1}}',
    '{"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}',
    '{"DestinationConfig": 1}', '{"DestinationConfig": {"OnFailure": 1}}', '{"DestinationConfig": {"OnFailure": {"Destination": 1}}}',
    '{"DestinationConfig": {"OnSuccess": {"Destination": "handler"}}}',
    '{"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:ddblocal:000000000000:queue"}}}',
    '{"DestinationConfig": {"OnFailure": {"Destination": "missing"}}}',
    '{"Topics": ["t"]}', '{"Queues": []}', '{"KMSKeyArn": "arn"}', '{"StartingPositionTimestamp": 1}']) as member;
select operation, request, mappings.refused(operation, request)
from unnest(array['GetEventSourceMapping', 'UpdateEventSourceMapping', 'DeleteEventSourceMapping']) as operation,
     unnest(array['{}', '{"UUID": 1}', '{"UUID": ""}', '{"UUID": "00000000-0000-0000-0000-000000000000"}',
                  '{"UUID": "00000000x0000x0000x0000x000000000000"}', '{"UUID": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}',
                  '{"UUID": "{0000000-0000-0000-0000-00000000000}"}']) as request;

-- lists, in pages
set role regress_map_owner;
select mappings.call('ListEventSourceMappings', json_build_object('EventSourceArn', :'arn', 'FunctionName', 'private'));
-- the answer's shape, page by page
create function mappings.pages(request jsonb) returns setof text language plpgsql as $$
declare
    answer json;
begin
    loop
        answer := ddbstreams.aws('ListEventSourceMappings', request::json);
        return next (select json_array_length(answer->'EventSourceMappings') || ' ' ||
                            string_agg(reverse(split_part(reverse(e->>'FunctionArn'), ':', 1)), ', ' order by n)
                     from json_array_elements(answer->'EventSourceMappings') with ordinality as x (e, n));
        exit when answer->>'NextMarker' is null;
        request := request || jsonb_build_object('Marker', answer->>'NextMarker');
    end loop;
end
$$;
select mappings.pages('{}');
select mappings.pages('{"MaxItems": 10000}');
select mappings.pages('{"MaxItems": 3}');
select mappings.pages(jsonb_build_object('MaxItems', 1, 'EventSourceArn', :'arn'));
select mappings.pages(jsonb_build_object('FunctionName', name))
from unnest(array['quiet', 'mappings.quiet', 'arn:aws:lambda:x:1:function:mappings.quiet', '"map.two"."Odd ""Name"']) as name;
select ddbstreams.aws('ListEventSourceMappings', json_build_object('EventSourceArn', :'arn' || 'x'));
-- none of a source or a function that is not there
select source, ddbstreams.aws('ListEventSourceMappings', json_build_object('EventSourceArn', source))
from unnest(array['arn:aws:kinesis:ddblocal:000000000000:stream/s', 'arn:aws:dynamodb:ddblocal:000000000000:table/t/stream/2020', 'arn:x']) as source;
select name, ddbstreams.aws('ListEventSourceMappings', json_build_object('FunctionName', name))
from unnest(array['missing', 'no.such.function', 'arn:aws:lambda:ddblocal:000000000000:function:missing']) as name;
select ddbstreams.aws('ListEventSourceMappings', '{"Marker": "1000000000000000000"}');
select request, mappings.refused('ListEventSourceMappings', request)
from unnest(array['{"MaxItems": 0}', '{"MaxItems": 10001}', '{"Marker": "x"}', '{"Marker": "-1"}', '{"Marker": "99999999999999999999"}',
                  '{"FunctionName": ""}', '{"EventSourceArn": "x"}', '{"EventSourceArn": "t"}']) as request;
-- more than a page holds
reset role;
set client_min_messages = warning;
do $$
begin
    for i in 1 .. 101 loop
        execute format('create function mappings.h%s(event jsonb) returns void language sql as %L', i, '');
        perform ddbstreams.create_event_source_mapping(format('mappings.h%s', i)::regproc, ddbstreams.latest_stream_arn('mappings.v'),
                                                       'TRIM_HORIZON', enabled => false);
    end loop;
end
$$;
reset client_min_messages;
select left(page, 4) from mappings.pages(jsonb_build_object('EventSourceArn', :'arn', 'MaxItems', 10000)) as page;
do $$
begin
    for i in 1 .. 101 loop
        execute format('drop function mappings.h%s(jsonb)', i);
    end loop;
end
$$;

-- a mapping outlives its function, which may come back
select count(*), min(state) from ddbstreams.list_event_source_mappings(:'arn') where function_name ~ 'h\d+$';
select mappings.pages('{"FunctionName": "mappings.h7"}');
select ddbstreams.delete_event_source_mapping(uuid) is not null from ddbstreams.list_event_source_mappings(:'arn') where function_name ~ '\.h7$';
select count(ddbstreams.delete_event_source_mapping(uuid)) from ddbstreams.list_event_source_mappings(:'arn') where function_name ~ 'h\d+$';

-- delete
set role regress_map_owner;
select mappings.call('DeleteEventSourceMapping', json_build_object('UUID', :'uuid'));
select mappings.refused('DeleteEventSourceMapping', json_build_object('UUID', :'uuid')::text);
select mappings.refused('GetEventSourceMapping', json_build_object('UUID', :'uuid')::text);
select ddbstreams.delete_event_source_mapping(:'quiet');
reset role;
select count(*) from ddbstreams_shards.mapping_shard where mapping_no not in (select mapping_no from ddbstreams_shards.mapping);

--
-- What a mapping outlives
--

create role regress_map_gone login;
grant usage on schema mappings to regress_map_gone;
grant select on v to regress_map_gone;
set role regress_map_gone;
select ddbstreams.create_event_source_mapping('mappings.handler', :'arn', 'TRIM_HORIZON') as uuid \gset
reset role;
revoke all on v from regress_map_gone;
revoke all on schema mappings from regress_map_gone;
drop role regress_map_gone;
select state, last_processing_result, enabled from ddbstreams.list_event_source_mappings() where uuid = :'uuid';
set role regress_map_owner;
select count(*) from ddbstreams.list_event_source_mappings() where uuid = :'uuid';
reset role;
select ddbstreams.delete_event_source_mapping(:'uuid');

-- in a copy of the database
set role regress_map_owner;
select ddbstreams.create_event_source_mapping('handler', :'arn', 'TRIM_HORIZON') as uuid \gset
reset role;
select test.own_sql(format('update ddbstreams_shards.mapping set database_id = 1 where uuid = %L', :'uuid'));
set role regress_map_owner;
select state, enabled from ddbstreams.list_event_source_mappings() where uuid = :'uuid';
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 10);
select state, enabled from ddbstreams.list_event_source_mappings() where uuid = :'uuid';
select ddbstreams.aws('UpdateEventSourceMapping', json_build_object('UUID', :'uuid', 'Enabled', true))->>'State';
select enabled from ddbstreams.list_event_source_mappings() where uuid = :'uuid';
select ddbstreams.delete_event_source_mapping(:'uuid');
reset role;

-- a role that cannot log in: before PostgreSQL 17 no worker can run as it
create role regress_map_nologin in role regress_map_owner;
set role regress_map_nologin;
select case when current_setting('server_version_num')::int < 170000
            then (result like '42501: %regress_map_nologin%')
            else result = 'no error' end
from make($$'private', ARN, 'LATEST', enabled => false$$) as result;
reset role;

-- Mappings of other roles do not make the owner's table heavy: their number is
-- limited, and what they take in the arguments of the table's trigger
create table mappings.crowded (id int primary key, v text);
alter table mappings.crowded owner to regress_map_owner;
grant select on mappings.crowded to regress_map_other;
create function mappings.of_owner(event jsonb) returns void language sql as 'select null::void';
grant create, usage on schema mappings to regress_map_other;
set role regress_map_owner;
select ddbstreams.enable_stream('mappings.crowded', shard_count => 1) as crowded_arn \gset
set role regress_map_other;
select set_config('mappings.arn', :'crowded_arn', false) is not null;
set client_min_messages = error;
do $$
declare
    filter jsonb := jsonb_build_object('Filters', (select jsonb_agg(jsonb_build_object('Pattern',
        format('{"dynamodb":{"NewImage":{"v":{"S":["%s"]}}}}', repeat(chr(96 + g), 1000)))) from generate_series(1, 5) g));
begin
    for i in 1..200 loop
        execute format('create function mappings.crowd_%s(event jsonb) returns void language sql as ''select null::void''', i);
        perform ddbstreams.create_event_source_mapping(format('mappings.crowd_%s', i)::regproc, current_setting('mappings.arn'), 'LATEST',
            filter_criteria => filter, enabled => false);
    end loop;
end $$;
reset client_min_messages;
create function mappings.one_more(event jsonb) returns void language sql as 'select null::void';
select test.fails(format('select ddbstreams.create_event_source_mapping(%L, %L, %L)', 'mappings.one_more', :'crowded_arn', 'LATEST'));
select (ddbstreams.aws('CreateEventSourceMapping', json_build_object('FunctionName', 'mappings.one_more', 'EventSourceArn', :'crowded_arn', 'StartingPosition', 'LATEST'))) is null;
reset role;
select octet_length(tgargs) <= 65536 as args_are_bounded, tgnargs between 5 and 200 as count_is, position('mappings.crowd_1"' in encode(tgargs, 'escape')) > 0 as has_first
from pg_trigger where tgrelid = 'mappings.crowded'::regclass and tgname = 'ddbstreams_capture';
-- the owner's come first in the definition
set role regress_map_owner;
select ddbstreams.create_event_source_mapping('mappings.of_owner', :'crowded_arn', 'LATEST', enabled => false) is not null;
reset role;
select octet_length(tgargs) <= 65536 as args_are_bounded, position('mappings.of_owner' in encode(tgargs, 'escape')) < position('mappings.crowd_1"' in encode(tgargs, 'escape')) as owner_first
from pg_trigger where tgrelid = 'mappings.crowded'::regclass and tgname = 'ddbstreams_capture';
set client_min_messages = error;
select count(ddbstreams.delete_event_source_mapping(uuid)) from ddbstreams.list_event_source_mappings(event_source_arn => :'crowded_arn');
reset client_min_messages;

select count(ddbstreams.delete_event_source_mapping(uuid)) > 0 from ddbstreams.list_event_source_mappings();
select count(*) from ddbstreams_shards.mapping_shard;
set client_min_messages = warning;
drop schema mappings, "map.two", map_hidden cascade;
drop role regress_map_owner, regress_map_other, regress_map_member, regress_map_nologin;
