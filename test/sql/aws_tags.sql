-- aws(): MetricsConfig and tags of event source mappings.
--
-- To see it fail: test/mutations/run tags-replaced.

-- settings that the output below depends on
set standard_conforming_strings = on;

set client_min_messages = warning;
create extension if not exists ddbstreams;
drop role if exists regress_tags_owner, regress_tags_other;
reset client_min_messages;

create role regress_tags_owner login;
create role regress_tags_other login;
create schema tags authorization regress_tags_owner;
grant usage on schema tags to public;
set search_path = tags;
\pset format unaligned
\pset tuples_only on

create function error(operation text, request jsonb) returns text language plpgsql as $$
declare
    name text;
    message text;
begin
    return ddbstreams.aws(operation, request::json);
exception when others then
    get stacked diagnostics name = constraint_name, message = message_text;
    return name || ': ' || message;
end
$$;
grant execute on function error(text, jsonb) to public;

set role regress_tags_owner;
create table t (id int primary key);
create function handle(event jsonb) returns void language sql as '';
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
select ddbstreams.aws('CreateEventSourceMapping', json_build_object('FunctionName', 'tags.handle', 'EventSourceArn', :'arn',
           'StartingPosition', 'LATEST', 'Enabled', false, 'MetricsConfig', '{"Metrics": ["EventCount"]}'::json,
           'Tags', json_build_object('stage', 'test', 'empty', ''))) as created \gset
select :'created'::json->'MetricsConfig', :'created'::json->'Tags' is null as no_tags;
select :'created'::json->>'UUID' as uuid, :'created'::json->>'EventSourceMappingArn' as mapping_arn \gset

-- tags
create function tags(change text, request jsonb) returns json language plpgsql as $$
begin
    if change is not null then
        raise notice '%', ddbstreams.aws(change, request::json);
    end if;
    return ddbstreams.aws('ListTags', json_build_object('Resource', request->>'Resource'));
end
$$;
select tags(null, jsonb_build_object('Resource', :'mapping_arn'));
select tags('TagResource', jsonb_build_object('Resource', :'mapping_arn', 'Tags', '{"stage": "live", "a": "o \" \\"}'::jsonb));
select tags('UntagResource', jsonb_build_object('Resource', :'mapping_arn', 'TagKeys', '["empty", "nothing"]'::jsonb));
select tags('UntagResource', jsonb_build_object('Resource', :'mapping_arn', 'TagKeys', '[]'::jsonb));
select tags('TagResource', jsonb_build_object('Resource', :'mapping_arn', 'Tags', '{}'::jsonb));
-- they change nothing else
select ddbstreams.aws('GetEventSourceMapping', json_build_object('UUID', :'uuid'))->>'LastModified' = :'created'::json->>'LastModified' as same_time;
-- a dump carries both
select encode(tgargs, 'escape') ~ '"event_count": true, "tags": \{.*"stage": "live"' as dumped
from pg_trigger where tgrelid = 't'::regclass and tgname ~ 'ddbstreams' and length(tgargs) > 100;

-- what is refused
select change, error('TagResource', jsonb_build_object('Resource', :'mapping_arn', 'Tags', '{}'::jsonb) || change)
from unnest(array['{"Resource": null}', '{"Resource": ""}', '{"Resource": 1}', '{"Resource": "x"}',
    '{"Resource": "arn:aws:s3:::x"}', '{"Resource": "arn:aws:lambda:ddblocal:000000000000:function:tags.handle"}',
    '{"Resource": "arn:aws:lambda:ddblocal:000000000000:event-source-mapping:x"}',
    '{"Resource": "arn:aws:lambda:ddblocal:000000000000:event-source-mapping:00000000-0000-0000-0000-000000000000"}',
    '{"Tags": null}', '{"Tags": []}', '{"Tags": "x"}', '{"Tags": {"a": 1}}', '{"Tags": {"a": null}}', '{"Tags": {"": "x"}}'
    ]::jsonb[]) as change;
select right(error('TagResource', jsonb_build_object('Resource', :'mapping_arn', 'Tags', tags)), 120)
from unnest(array[jsonb_build_object(repeat('a', 128), repeat('o', 256)), jsonb_build_object(repeat('a', 129), 'x'), jsonb_build_object('a', repeat('o', 257))]) as tags;
select error('TagResource', jsonb_build_object('Resource', :'mapping_arn', 'Tags', (select jsonb_object_agg('k' || i, 'v') from generate_series(1, 50) as i)));
select change, error('UntagResource', jsonb_build_object('Resource', :'mapping_arn', 'TagKeys', '[]'::jsonb) || change)
from unnest(array['{"TagKeys": null}', '{"TagKeys": "x"}', '{"TagKeys": [1]}', '{"TagKeys": [null]}']::jsonb[]) as change;
select error('DynamoDB_20120810.TagResource', '{}');
-- Lambda's names alone
select error('ListTags', '{}');

-- metrics
select change, error('UpdateEventSourceMapping', jsonb_build_object('UUID', :'uuid') || change)::text ~ '"Metrics":\["EventCount"\]' as has_metric
from unnest(array['{}', '{"MetricsConfig": null}', '{"MetricsConfig": {"Metrics": []}}', '{}', '{"MetricsConfig": {"Metrics": ["EventCount", "EventCount"]}}',
    '{"MetricsConfig": {}}']::jsonb[]) as change;
select change, error('UpdateEventSourceMapping', jsonb_build_object('UUID', :'uuid') || change)
from unnest(array['{"MetricsConfig": []}', '{"MetricsConfig": {"Metrics": "EventCount"}}', '{"MetricsConfig": {"Metrics": ["ErrorCount"]}}',
    '{"MetricsConfig": {"Metrics": ["EventCount", "KafkaMetrics"]}}', '{"MetricsConfig": {"Metrics": ["eventCount"]}}',
    '{"MetricsConfig": {"Metrics": ["EventCount", "EventCount", "EventCount", "EventCount"]}}']::jsonb[]) as change;

-- others neither see nor change them
set role regress_tags_other;
select regexp_replace(error(operation, jsonb_build_object('Resource', :'mapping_arn', 'Tags', '{}'::jsonb, 'TagKeys', '[]'::jsonb)), '[0-9a-f-]{36}', 'UUID')
from unnest(array['ListTags', 'TagResource', 'UntagResource']) as operation;
reset role;

select ddbstreams.delete_event_source_mapping(:'uuid');
set client_min_messages = warning;
drop schema tags cascade;
drop owned by regress_tags_owner, regress_tags_other;
drop role regress_tags_owner, regress_tags_other;
