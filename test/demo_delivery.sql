-- The second part of test/demo, in the same database: lineage, and functions
-- that get the records (event source mappings). Variable python says whether
-- PL/Python is there, stream_arn is the stream of table orders.

create procedure wait_for_delivery() language plpgsql as $$
begin
    while exists (select from ddbstreams.mapping_stats where lag_records > 0 and state <> 'Disabled')
          or exists (select from ddbstreams.list_event_source_mappings() where state not in ('Enabled', 'Disabled'))
    loop
        commit;
        perform pg_sleep(0.01);
    end loop;
end $$;
select ddbstreams.latest_stream_arn('orders') as stream_arn \gset

\pset format aligned
\pset tuples_only off

\echo
\echo '== Shards over time: split one, roll all over; each key stays in one line of descent'
\echo

select shard_id from ddbstreams.describe_stream(:'stream_arn') limit 1 \gset
select * from ddbstreams.split_shard(:'stream_arn', :'shard_id');
select ddbstreams.roll_over(:'stream_arn') as shards_closed;
update orders set amount = amount + 1;
select * from ddbstreams.shard_tree(:'stream_arn');

\if :python
\echo
\echo '== A Lambda function, its body unchanged, as an event source mapping'
\echo

create extension jsonb_plpython3u cascade;

create function print_changes(event jsonb) returns void
language plpython3u transform for type jsonb as $$
def lambda_handler(event, context):
    for record in event['Records']:
        print('Event type:', record['eventName'])
        print('Old item:', record['dynamodb'].get('OldImage'))
        print('New item:', record['dynamodb'].get('NewImage'))

lambda_handler(event, None)
$$;

select ddbstreams.create_event_source_mapping('print_changes', :'stream_arn', 'LATEST') as uuid \gset
update orders set status = 'shipped' where id = 1;
delete from orders where id = 2;
call wait_for_delivery();
\echo '-- what it prints is in the server''s log:'
\! grep -A2 '^Event type' ../../demo/log
select ddbstreams.delete_event_source_mapping(:'uuid');
\endif

\echo
\echo '== NOTIFY when an order''s status changes; the filter lets only MODIFY through'
\echo

create function tell_status(event jsonb) returns void language sql as $$
    select pg_notify('order_status', format('order %s: %s, was %s', r #>> '{dynamodb,Keys,id,N}',
                     r #>> '{dynamodb,NewImage,status,S}', r #>> '{dynamodb,OldImage,status,S}'))
    from jsonb_array_elements(event -> 'Records') as r
    where r #> '{dynamodb,NewImage,status}' <> r #> '{dynamodb,OldImage,status}'
$$;
select ddbstreams.create_event_source_mapping('tell_status', :'stream_arn', 'LATEST',
           filter_criteria => '{"Filters": [{"Pattern": "{\"eventName\": [\"MODIFY\"]}"}]}') as uuid \gset
listen order_status;
update orders set status = 'returned' where id = 4;
update orders set amount = 0 where id = 5;
call wait_for_delivery();

\echo
\echo '== A poison record: bisected, retried, set aside with its data, and delivered again'
\echo

create table shipments (order_id int primary key, at timestamptz default now());
create function ship(event jsonb) returns void language sql as $$
    insert into shipments (order_id)
    select (r #>> '{dynamodb,Keys,id,N}')::int
    from jsonb_array_elements(event -> 'Records') as r
    where r #>> '{dynamodb,NewImage,status,S}' = 'paid' and 1 / ((r #>> '{dynamodb,Keys,id,N}')::int - 12) is not null
$$;
select ddbstreams.create_event_source_mapping('ship', :'stream_arn', 'LATEST',
           maximum_retry_attempts => 1, bisect_batch_on_function_error => true) as uuid \gset
insert into orders select i, 'customer ' || i, 10, 'paid' from generate_series(11, 14) as i;
call wait_for_delivery();
select order_id from shipments order by 1;
select failure #>> '{requestContext,condition}' as condition, failure #>> '{requestContext,approximateInvokeCount}' as calls,
       records #>> '{0,dynamodb,Keys,id,N}' as "order"
from ddbstreams.failed_batches;
select last_processing_result from ddbstreams.list_event_source_mappings(function_name => 'ship');
\echo '-- the function is mended, the batch delivered again'
create or replace function ship(event jsonb) returns void language sql as $$
    insert into shipments (order_id)
    select (r #>> '{dynamodb,Keys,id,N}')::int
    from jsonb_array_elements(event -> 'Records') as r
    where r #>> '{dynamodb,NewImage,status,S}' = 'paid'
$$;
select ddbstreams.redrive();
do $$
begin
    while exists (select from ddbstreams.failed_batches where redriven_at is null) loop
        commit;
        perform pg_sleep(0.01);
    end loop;
end $$;
select order_id from shipments order by 1;

\echo
\echo '== Three tables kept up to date, exactly once: for searching, for a cache, for auditors'
\echo

create table search_orders (id int primary key, words tsvector);
create table cache_invalidations (key text, at timestamptz default clock_timestamp());
create table audit (id int, revision int, event_name text, transaction_time timestamptz);
alter table orders add revision int not null default 1;

create function index_orders(event jsonb) returns void language plpgsql as $$
declare
    r jsonb;
begin
    for r in select * from jsonb_array_elements(event -> 'Records') loop
        delete from search_orders where id = (r #>> '{dynamodb,Keys,id,N}')::int;
        insert into search_orders
        select (r #>> '{dynamodb,Keys,id,N}')::int, to_tsvector('simple', r #>> '{dynamodb,NewImage,customer,S}')
        where r #> '{dynamodb,NewImage}' is not null;
    end loop;
end $$;
create function invalidate_cache(event jsonb) returns void language sql as $$
    insert into cache_invalidations (key)
    select 'order:' || (r #>> '{dynamodb,Keys,id,N}') from jsonb_array_elements(event -> 'Records') as r
$$;
create function write_audit(event jsonb) returns void language sql as $$
    insert into audit
    select (r #>> '{dynamodb,Keys,id,N}')::int, (r #>> '{dynamodb,NewImage,revision,N}')::int, r ->> 'eventName',
           to_timestamp((r #>> '{dynamodb,ApproximateCreationDateTime}')::float8)
    from jsonb_array_elements(event -> 'Records') as r
$$;
select ddbstreams.create_event_source_mapping(f, :'stream_arn', 'LATEST')
from unnest(array['index_orders', 'invalidate_cache', 'write_audit']::regproc[]) as f;
insert into orders (id, customer, amount) select i, 'customer ' || i, 1 from generate_series(101, 120) as i;

\echo '-- now twenty sessions change orders, and the server is killed in the middle of it'
