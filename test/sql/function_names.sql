-- The names of mappings' functions: in requests as AWS writes a FunctionName, in
-- ARNs without quotes, and the same in every session.
--
-- To see it fail: test/mutations/run function-named-by-session.

\pset format unaligned
\pset tuples_only on
create schema names;
create schema "Odd.Schema";
create table names.t (id int primary key);
select ddbstreams.enable_stream('names.t', shard_count => 1) as arn \gset
create function public.names_gh(event jsonb) returns void language sql as '';
create function public."NamesOrderStream"(event jsonb) returns void language sql as '';
create function public."Names.dotted"(event jsonb) returns void language sql as '';
create function public.names_lower(event jsonb) returns void language sql as '';
create function public."select"(event jsonb) returns void language sql as '';
create function names."Handler"(event jsonb) returns void language sql as '';
create function names.handler(event jsonb) returns void language sql as '';
create function "Odd.Schema"."He said ""no"""(event jsonb) returns void language sql as '';

-- What a FunctionName finds; the ARN of the mapping that it makes, and whether
-- that ARN and the name list just this mapping
create function names.finds(function_name text) returns text language plpgsql as $$
declare
    mapping json;
    listed json;
begin
    mapping := ddbstreams.aws('CreateEventSourceMapping', json_build_object('FunctionName', function_name,
        'EventSourceArn', ddbstreams.latest_stream_arn('names.t'), 'StartingPosition', 'LATEST', 'Enabled', false));
    listed := json_build_array(
        ddbstreams.aws('ListEventSourceMappings', json_build_object('FunctionName', mapping->>'FunctionArn'))
            #>> '{EventSourceMappings,0,UUID}' = mapping->>'UUID',
        ddbstreams.aws('ListEventSourceMappings', json_build_object('FunctionName', function_name))
            #>> '{EventSourceMappings,0,UUID}' = mapping->>'UUID');
    perform ddbstreams.delete_event_source_mapping((mapping->>'UUID')::uuid);
    return concat_ws(' ', mapping->>'FunctionArn', listed);
exception when others then
    return sqlerrm;
end
$$;
select name, names.finds(name) from unnest(array[
    'names_gh', 'NAMES_GH', 'public.names_gh', 'NamesOrderStream', 'namesorderstream', 'Names.dotted',
    'NAMES_LOWER', 'select', 'names.Handler', 'names.handler', 'NAMES.HANDLER', 'Names.HANDLER', '"names_gh"',
    'Odd.Schema.He said "no"', '"Odd.Schema"."He said ""no"""',
    'arn:aws:lambda:eu-west-1:123456789012:function:NamesOrderStream',
    'arn:aws:lambda:eu-west-1:123456789012:function:NAMES_GH:$LATEST',
    'arn:aws:lambda:eu-west-1:123456789012:function:names.Handler',
    'arn:aws:lambda:eu-west-1:123456789012:function:handler', 'handler', '.', '..', 'names.', '.names_gh']) as name;
set search_path = names, public;
select names.finds('handler'), names.finds('Handler'), names.finds('HANDLER');
reset search_path;

-- quote_all_identifiers, or a later version's keywords, change no name
set quote_all_identifiers = on;
select ddbstreams.create_event_source_mapping('names_gh', :'arn', 'LATEST', enabled => false, on_failure => 'names_lower') is not null;
select ddbstreams.create_event_source_mapping('"select"', :'arn', 'LATEST', enabled => false) is not null;
reset quote_all_identifiers;
select function_name, on_failure from ddbstreams.list_event_source_mappings(:'arn');
select reverse(split_part(reverse(mapping->>'FunctionArn'), ':', 1)),
       reverse(split_part(reverse(mapping#>>'{DestinationConfig,OnFailure,Destination}'), ':', 1))
from json_array_elements(ddbstreams.aws('ListEventSourceMappings', json_build_object('EventSourceArn', :'arn'))
                         -> 'EventSourceMappings') as mapping;
select count(*) from ddbstreams.list_event_source_mappings(function_name => 'names_gh');
select test.fails(format('select ddbstreams.create_event_source_mapping(%L, %L, %L)', 'names_gh', :'arn', 'LATEST')) ~ '^42710';
select count(*) from ddbstreams.list_event_source_mappings(:'arn');

-- a function that is dropped is found by the same names
drop function public.names_gh(jsonb);
select name, json_array_length(ddbstreams.aws('ListEventSourceMappings', json_build_object('FunctionName', name)) -> 'EventSourceMappings')
from unnest(array['names_gh', 'NAMES_GH', 'public.names_gh', '"names_gh"', 'arn:aws:lambda:x:1:function:names_gh']) as name;

select count(ddbstreams.delete_event_source_mapping(uuid)) from ddbstreams.list_event_source_mappings(:'arn');
set client_min_messages = warning;
drop function public."NamesOrderStream"(jsonb), public."Names.dotted"(jsonb), public.names_lower(jsonb), public."select"(jsonb);
drop schema names, "Odd.Schema" cascade;
