-- Temporal keys (PostgreSQL 18): the period is a part of a record's key. And
-- UPDATE and DELETE FOR PORTION OF, where the grammar knows them.

\pset format unaligned
\pset tuples_only on
select current_setting('server_version_num')::int < 180000 as too_old \gset
\if :too_old
\quit
\endif
create schema temporal;
set search_path = temporal, public;
set datestyle = iso;

create table prices (item int4range, valid daterange, price int, primary key (item, valid without overlaps));
select ddbstreams.enable_stream('prices', shard_count => 8, partition_key => '{item}') is not null;
insert into prices values ('[1,2)', '[2026-01-01,2026-07-01)', 10), ('[1,2)', '[2026-07-01,2027-01-01)', 20);
update prices set price = 11 where valid @> date '2026-02-01';
-- another period is another key
update prices set valid = '[2026-01-01,2026-06-01)' where valid @> date '2026-02-01';
select test.fails($$ insert into prices values ('[1,2)', '[2026-05-01,2026-08-01)', 30) $$);
delete from prices where valid @> date '2026-08-01';
select event_name, keys, new_image->'price' as price from test.records('prices');
select event_name, (new_image).valid, (old_image).valid from ddbstreams.changes(null::prices);

-- whatever the period, the records of an item stand in one shard
insert into prices select int4range(i, i + 1), daterange(date '2026-01-01' + j * 10, date '2026-01-01' + (j + 1) * 10), j
from generate_series(10, 40) i, generate_series(0, 5) j;
select count(*) filter (where shards > 1) as scattered, count(*) > 30 as are_many from (
    select coalesce((new_image).item, (old_image).item), count(distinct shard_id) as shards
    from ddbstreams.changes(null::prices) group by 1) s;

-- a foreign key with a period
create table orders (id int4range, valid daterange, item int4range, primary key (id, valid without overlaps),
                     foreign key (item, period valid) references prices (item, period valid));
select ddbstreams.enable_stream('orders', shard_count => 1) is not null;
insert into orders values ('[5,6)', '[2026-02-01,2026-03-01)', '[1,2)');
select test.fails($$ insert into orders values ('[6,7)', '[2026-02-01,2027-03-01)', '[1,2)') $$);
select test.fails($$ delete from prices where item = '[1,2)' $$);
update orders set valid = '[2026-02-01,2026-02-10)';
select event_name, keys from test.records('orders');

-- the key that a stream needs is kept
select test.fails('alter table prices drop constraint prices_pkey cascade');
select test.fails('alter table orders alter valid type text using valid::text');

-- FOR PORTION OF: the part that is meant is changed, and the rest is inserted
-- anew. Whatever the order is, what the records tell is what the table has.
create function portions() returns text language plpgsql as $$
declare
    wrong bigint;
begin
    begin
        execute 'delete from nowhere for portion of valid from ''2026-01-01'' to ''2026-02-01''';
    exception
        when syntax_error then return 'as expected';
        when undefined_table then null;
    end;
    execute 'update prices for portion of valid from ''2026-01-05'' to ''2026-01-15'' set price = 99 where item = ''[10,11)''';
    execute 'delete from prices for portion of valid from ''2026-01-12'' to ''2026-01-14'' where item = ''[11,12)''';
    select count(*) into wrong
    from (select distinct on (item, valid) event_name, item, valid, price
          from (select event_name, sequence_number, (coalesce(new_image, old_image)).*
                from ddbstreams.changes(null::prices)) c
          order by item, valid, sequence_number desc) r
        full join prices p using (item, valid)
    where (event_name <> 'REMOVE' and p.price is distinct from r.price)
       or (event_name = 'REMOVE' and p.price is not null)
       or event_name is null;
    return case when wrong = 0 then 'as expected' else wrong || ' rows are wrong' end;
end $$;
select portions();

set client_min_messages = warning;
drop schema temporal cascade;
