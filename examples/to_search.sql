-- Keeps PostgreSQL's own full text search up to date, beside table orders:
--
--     psql -f to_search.sql
--
-- A mapping calls index_orders with each batch of changes, in a background
-- worker: no writer of orders waits for the index. Records and what is done with
-- them are one transaction, so each change is there once, whatever fails.

create table order_search (
    order_id  int primary key,
    document  tsvector not null
);
create index on order_search using gin (document);

create function index_orders(event jsonb) returns void language sql as $$
    -- a batch may have several changes of an order: the last one counts
    with change as (
        select distinct on (order_id) order_id, image
        from jsonb_array_elements(event -> 'Records') as record,
             cast(record #>> '{dynamodb,Keys,id,N}' as int) as order_id,
             cast(record #> '{dynamodb,NewImage}' as jsonb) as image
        order by order_id, record #>> '{dynamodb,SequenceNumber}' desc
    ), gone as (
        delete from order_search
        where order_id in (select order_id from change where image is null)
    )
    insert into order_search
    select order_id, to_tsvector('english', concat_ws(' ', image #>> '{customer,S}',
                                                      image #>> '{status,S}'))
    from change where image is not null
    on conflict (order_id) do update set document = excluded.document
$$;

select ddbstreams.create_event_source_mapping(
    'index_orders', ddbstreams.latest_stream_arn('orders'), 'TRIM_HORIZON',
    batch_size => 1000);

-- select * from orders join order_search on id = order_id
-- where document @@ websearch_to_tsquery('english', 'ada "status 7"');
