-- Workers: a handler is called with what a filter lets through, a batch is given up
-- and redriven, and a consumer polls. "make installcheck" has this one test of
-- delivery, in a server that has nothing but the library; test/t has the others.
--
-- Nothing that is printed depends on when a worker comes.
--
-- To see it fail: test/mutations/run given-up-batch-untold.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema delivery;
set search_path = delivery;

create table t (id int primary key, kind text);
create table got (what text, id text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset

-- Takes notes of its records, one row each, and fails on those of kind "bad".
create function handler(event jsonb) returns jsonb language plpgsql as $$
begin
    insert into delivery.got
        select r->>'eventName', r->'dynamodb'->'Keys'->'id'->>'N' from jsonb_array_elements(event->'Records') as r;
    if event::text ~ '"bad"' then
        raise exception 'a bad record';
    end if;
    return '{"batchItemFailures": []}';
end $$;
create function given_up(failure jsonb) returns void language sql as $$
    insert into delivery.got values ('given up', failure->'requestContext'->>'condition')
$$;
-- Waits until a query says true, while workers work.
create procedure wait_until(query text) language plpgsql as $$
declare
    arrived bool;
begin
    for i in 1..9000 loop
        execute query into arrived;
        exit when arrived;
        perform pg_sleep(0.02);
    end loop;
    if not arrived then
        raise exception 'did not come: %', query
            using detail = (select string_agg(w::text, E'\n') from ddbstreams.workers as w);
    end if;
end $$;

insert into t values (1, 'good'), (2, 'bad'), (3, 'left out'), (4, 'good');
update t set kind = 'better' where id = 1;
delete from t where id = 4;
select ddbstreams.create_event_source_mapping('handler', :'arn', 'TRIM_HORIZON', batch_size => 1,
    maximum_retry_attempts => 0, on_failure => 'given_up', function_response_types => '{ReportBatchItemFailures}',
    filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"REMOVE\"]}"},
        {"Pattern": "{\"dynamodb\": {\"NewImage\": {\"kind\": {\"S\": [{\"anything-but\": \"left out\"}]}}}}"}]}') as mapping \gset
call wait_until($$select sum(lag_records) = 0 and sum(records_given_up) = 1 and sum(records_filtered) = 1
    from ddbstreams.mapping_stats where stream_arn ~ ':table/delivery\.t/'$$);
select what, id from got order by what, id;
select last_processing_result from ddbstreams.list_event_source_mappings(:'arn');
select records->0->'dynamodb'->'NewImage', failure->'responseContext'->>'functionError', redriven_at is null
from ddbstreams.failed_batches where mapping = :'mapping';

-- what is committed later is delivered too, in lanes
select ddbstreams.update_event_source_mapping(:'mapping', parallelization_factor => 2, batch_size => 10);
insert into t select i, 'more' from generate_series(11, 20) as i;
call wait_until($$select count(*) = 10 from delivery.got where what = 'INSERT' and length(id) = 2$$);

-- a batch that was given up succeeds with another handler
create or replace function handler(event jsonb) returns jsonb language sql as $$
    insert into delivery.got select 'redriven', r->'dynamodb'->'Keys'->'id'->>'N' from jsonb_array_elements(event->'Records') as r
    returning null::jsonb
$$;
select ddbstreams.redrive(:'mapping');
call wait_until($$select bool_and(redriven_at is not null) from ddbstreams.failed_batches where stream_arn ~ ':table/delivery\.t/'$$);
select id from got where what = 'redriven';
select ddbstreams.delete_event_source_mapping(:'mapping');

-- a consumer
select ddbstreams.create_consumer('delivery', :'arn', lease_duration => '1 day');
select event_name, keys from ddbstreams.poll('delivery', 'worker', 3) order by sequence_number;
select ddbstreams.checkpoint('delivery', 'worker', shard_id, sequence_number)
from (select * from ddbstreams.poll('delivery', 'worker', 2) order by sequence_number desc limit 1) as r;
select event_name, keys from ddbstreams.poll('delivery', 'worker', 1);
select lease_owner, checkpoint ~ '^[0-9]+$' from ddbstreams.leases('delivery');
select state, lease_owner, lag_records from ddbstreams.consumer_stats where consumer_name = 'delivery';
select ddbstreams.drop_consumer('delivery');

set client_min_messages = warning;
drop schema delivery cascade;
