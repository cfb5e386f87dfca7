-- Streams on tables: enabling, altering, disabling, listing, describing.

-- settings that the output below depends on
set ddbstreams.default_shard_count = 4;
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set array_nulls = on;
set intervalstyle = postgres_verbose;

\pset format unaligned
\pset tuples_only on
create schema streams;
set search_path = streams, public;
set timezone = 'UTC';

--
-- Enabling and disabling
--

create table orders (customer text, id int, note text, primary key (customer, id));

-- no stream yet
select ddbstreams.latest_stream_arn('orders') is null;
select count(*) from ddbstreams.list_streams('orders');
select test.fails($$ select ddbstreams.disable_stream('orders') $$);

select ddbstreams.enable_stream('orders') as arn \gset
select test.mask(:'arn');
select :'arn' ~ '^arn:aws:dynamodb:ddblocal:000000000000:table/streams\.orders/stream/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$' as form,
       :'arn' = ddbstreams.latest_stream_arn('orders') as latest;

-- enabled already, with the same or another view type
select test.fails($$ select ddbstreams.enable_stream('orders') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', 'KEYS_ONLY') $$);

-- the list: the label is the end of the ARN and the time of creation in UTC
select table_name, stream_status, stream_view_type, retention,
       stream_arn = :'arn' as arn,
       stream_arn like '%/stream/' || stream_label as label,
       to_char(creation_request_date_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS') = stream_label as time,
       creation_request_date_time between now() - interval '1 minute' and clock_timestamp() as recent
from ddbstreams.list_streams('orders');
select count(*) from ddbstreams.list_streams() where stream_arn = :'arn';
select count(*) from ddbstreams.list_streams(null) where stream_arn = :'arn';
select count(*) from ddbstreams.list_streams(table_name => 'streams.orders');

-- four shards by default, whose ranges tile [0, 2^64)
select count(*) as shards,
       count(*) filter (where parent_shard_id is null) as roots,
       count(*) filter (where ending_sequence_number is null) as open,
       count(distinct shard_id) as ids,
       count(distinct shard_table) as tables,
       bool_and(shard_id ~ '^shardId-\d{20}-[0-9a-f]{8}$') as id_form,
       bool_and(length(shard_id) = 37) as id_length,
       bool_and(starting_sequence_number ~ '^\d{21}$') as number_form,
       bool_and(lower_inc(hash_range) and not upper_inc(hash_range)) as half_open
from ddbstreams.describe_stream(:'arn');
select hash_range from ddbstreams.describe_stream(:'arn') order by lower(hash_range);
select array_agg(shard_id) = array_agg(shard_id order by shard_id collate "C") as in_order
from ddbstreams.describe_stream(:'arn');
-- ids bear the time of creation in milliseconds
select distinct to_timestamp(substring(shard_id from 9 for 20)::numeric / 1000)
       = (select date_trunc('milliseconds', creation_request_date_time)
          from ddbstreams.list_streams('orders')) as time_in_id
from ddbstreams.describe_stream(:'arn');
-- tables of their own, in their own schema, of the extension
select distinct relkind, relpersistence, relnamespace::regnamespace, relhasindex, reltoastrelid = 0 as no_toast
from ddbstreams.describe_stream(:'arn') join pg_class on oid = shard_table;

-- disabling closes every shard, without a child
select ddbstreams.disable_stream('orders') = :'arn';
select test.fails($$ select ddbstreams.disable_stream('orders') $$);
select stream_status from ddbstreams.list_streams('orders');
select ddbstreams.latest_stream_arn('orders') = :'arn' as lingers;
select count(*) as shards,
       bool_and(ending_sequence_number = starting_sequence_number) as nothing_recorded
from ddbstreams.describe_stream(:'arn');
insert into orders values ('a', 1);
select count(*) from test.records('orders');

-- enabling again makes a new, empty stream; the old one stays
select ddbstreams.enable_stream('orders', 'NEW_IMAGE', shard_count => 1) as arn2 \gset
select :'arn2' <> :'arn' as new, :'arn2' = ddbstreams.latest_stream_arn('orders') as latest;
select count(*) from test.records('orders');
insert into orders values ('a', 2);
select test.counts('orders');
select ddbstreams.disable_stream('orders') = :'arn2';
select ending_sequence_number = (select sequence_number from test.records('orders')) as last_record
from ddbstreams.describe_stream(:'arn2');
select ddbstreams.enable_stream('orders', 'KEYS_ONLY', shard_count => 2) as arn3 \gset
select stream_arn = :'arn' as first, stream_arn = :'arn2' as second, stream_arn = :'arn3' as third,
       stream_status, stream_view_type
from ddbstreams.list_streams('orders');
select * from test.plain('orders', :'arn2');
select count(*) from test.records('orders', :'arn3');
-- labels are unique, also in one millisecond
create table quick (id int primary key);
select count(distinct ddbstreams.enable_stream('quick', shard_count => 1)
              || left(ddbstreams.disable_stream('quick'), 0)) as streams
from generate_series(1, 20);
select count(*), count(distinct stream_label) from ddbstreams.list_streams('quick');

-- rolled back
begin;
select ddbstreams.disable_stream('orders') = :'arn3';
select stream_status from ddbstreams.list_streams('orders') offset 2;
rollback;
select stream_status from ddbstreams.list_streams('orders') offset 2;
insert into orders values ('a', 3);
select * from test.plain('orders');
begin;
create table passing (id int primary key);
select ddbstreams.enable_stream('passing') <> '';
rollback;
select count(*) from ddbstreams.list_streams() where table_name like '%passing';

-- not in a transaction that has changed the table
begin;
insert into orders values ('b', 1);
select test.fails($$ select ddbstreams.disable_stream('orders') $$);
rollback;
-- but after a change that has been rolled back
begin;
savepoint s;
insert into orders values ('b', 1);
rollback to s;
select ddbstreams.disable_stream('orders') = :'arn3';
rollback;
-- and before one
begin;
select ddbstreams.disable_stream('orders') = :'arn3';
insert into orders values ('b', 2);
commit;
select test.counts('orders');

--
-- Values of arguments
--

select test.fails($$ select ddbstreams.enable_stream(null) $$);
select test.fails($$ select ddbstreams.enable_stream('orders', null) $$);
select test.fails($$ select ddbstreams.enable_stream('orders', retention => null) $$);
select test.fails($$ select ddbstreams.disable_stream(null) $$);
select ddbstreams.latest_stream_arn(null) is null as null_for_null, ddbstreams.latest_stream_arn(to_regclass('nowhere')) is null as null_for_none;
select test.fails($$ select ddbstreams.describe_stream(null) $$);
select test.fails($$ select ddbstreams.alter_stream(null, '1 hour') $$);
select test.fails(format('select ddbstreams.alter_stream(%L, null)', :'arn'));

select test.fails($$ select ddbstreams.enable_stream('orders', '') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', 'new_image') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', 'NEW_IMAGE ') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', shard_count => 0) $$);
select test.fails($$ select ddbstreams.enable_stream('orders', shard_count => -1) $$);
select test.fails($$ select ddbstreams.enable_stream('orders', shard_count => 1025) $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{note}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{nothing}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{customer,customer}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{customer,null}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', partition_key => '{CUSTOMER}') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', retention => '0') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', retention => '-1 day') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', retention => '59 s') $$);
select test.fails($$ select ddbstreams.enable_stream('orders', retention => '101 years') $$);
select test.fails($$ select ddbstreams.enable_stream('nowhere') $$);
select test.fails($$ select ddbstreams.enable_stream(0) $$);
select test.fails($$ select ddbstreams.enable_stream(4294967295) $$);
select test.fails($$ select ddbstreams.disable_stream(4294967295) $$);
select test.fails($$ select ddbstreams.latest_stream_arn(4294967295) $$);
select test.fails($$ select * from ddbstreams.list_streams(4294967295) $$);

-- partition keys
select ddbstreams.enable_stream('orders', partition_key => '{id,customer}', shard_count => 3) <> '';
select ddbstreams.disable_stream('orders') <> '';
select ddbstreams.enable_stream('orders', partition_key => '{customer}', shard_count => 64) <> '';
insert into orders select 'one', i from generate_series(1, 100) as i;
select count(distinct shard_id) as shards_of_one_customer, count(*) as records
from ddbstreams.changes(null::orders);
insert into orders select 'c' || i, 1 from generate_series(1, 1000) as i;
select count(distinct shard_id) as shards_of_all, count(*) as records
from ddbstreams.changes(null::orders);
select ddbstreams.disable_stream('orders') <> '';

-- shard counts
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset
select hash_range from ddbstreams.describe_stream(:'arn');
select ddbstreams.disable_stream('orders') <> '';
select ddbstreams.enable_stream('orders', shard_count => 3) as arn \gset
select hash_range, upper(hash_range) - lower(hash_range) as width from ddbstreams.describe_stream(:'arn');
select ddbstreams.disable_stream('orders') <> '';
set ddbstreams.default_shard_count = 7;
select ddbstreams.enable_stream('orders') as arn \gset
reset ddbstreams.default_shard_count;
select count(*), min(lower(hash_range)), max(upper(hash_range)),
       sum(upper(hash_range) - lower(hash_range)) = 2 ^ 64::numeric as tiles
from ddbstreams.describe_stream(:'arn');
select ddbstreams.disable_stream('orders') <> '';
select ddbstreams.enable_stream('orders', shard_count => 1024) as arn \gset
select count(*), count(distinct shard_id) as ids, min(lower(hash_range)), max(upper(hash_range)),
       sum(upper(hash_range) - lower(hash_range)) = 2 ^ 64::numeric as tiles
from ddbstreams.describe_stream(:'arn');
select bool_and(lower(hash_range) = previous) as contiguous
from (select hash_range, lag(upper(hash_range), 1, 0) over (order by lower(hash_range)) as previous
      from ddbstreams.describe_stream(:'arn')) as s;
select max(shard_id) as shard from ddbstreams.describe_stream(:'arn') \gset
select ddbstreams.split_shard(:'arn', :'shard');
select :'LAST_ERROR_SQLSTATE';
select ddbstreams.disable_stream('orders') <> '';

--
-- Tables that cannot have a stream
--

create table keyless (id int);
create table unique_only (id int not null unique);
create table deferrable_key (id int primary key deferrable);
create unlogged table fleeting (id int primary key);
create temporary table temporary (id int primary key);
create view a_view as select * from orders;
create materialized view a_matview as select * from orders;
create sequence a_sequence;
create type a_type as (id int);
create table parts (id int primary key) partition by range (id);
create table part_1 partition of parts for values from (0) to (10) partition by range (id);
create table part_1_1 partition of part_1 for values from (0) to (10);
create foreign data wrapper streams_fdw;
create server streams_server foreign data wrapper streams_fdw;
create foreign table away (id int) server streams_server;
create table money_key (price money, id int, primary key (price, id));

select name, test.fails(format('select ddbstreams.enable_stream(%L)', name))
from unnest(array['keyless', 'unique_only', 'deferrable_key', 'fleeting', 'temporary',
                  'a_view', 'a_matview', 'a_sequence', 'a_type', 'part_1', 'part_1_1', 'away',
                  'orders_pkey', 'money_key',
                  'pg_class', 'information_schema.tables',
                  'ddbstreams_shards.stream']) as name;
select test.fails(format('select ddbstreams.enable_stream(%L)', min(shard_table)))
from (select shard_table::text from ddbstreams.describe_stream(:'arn')) as s;
select ddbstreams.enable_stream('money_key', partition_key => '{id}') <> '';
insert into money_key values (1, 1);
select test.counts('money_key');
-- an inheritance parent has its own rows alone
create table mother (id int primary key);
create table child () inherits (mother);
select ddbstreams.enable_stream('mother', shard_count => 1) <> '';
insert into mother values (1);
insert into child values (2);
update mother set id = id + 10;
select * from test.plain('mother');

--
-- describe_stream and alter_stream
--

select arn, test.fails(format('select ddbstreams.describe_stream(%L)', arn)),
       test.fails(format('select ddbstreams.alter_stream(%L, ''1 hour'')', arn))
from unnest(array['', 'x', 'arn:aws:dynamodb:ddblocal:000000000000:table/streams.orders',
                  'arn:aws:dynamodb:ddblocal:000000000000:table/streams.orders/stream/2026-01-01T00:00:00.000']) as arn;
select length(test.fails(format('select ddbstreams.describe_stream(%L)', repeat('ü', 100000)))) < 1000 as short;
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn' || ' ')) ~ '^42704: Requested resource not found: Stream: ';

select ddbstreams.alter_stream(:'arn', '1 minute') is not null as void;
select retention from ddbstreams.list_streams('orders') where stream_arn = :'arn';
select ddbstreams.alter_stream(:'arn', '100 years');
select retention from ddbstreams.list_streams('orders') where stream_arn = :'arn';
select test.fails(format('select ddbstreams.alter_stream(%L, %L)', :'arn', i))
from unnest(array['59.999999 s', '0', '-1 hour', '100 years 1 s', '-178000000 years', '178000000 years']) as i;
select retention from ddbstreams.list_streams('orders') where stream_arn = :'arn';
select pg_typeof(ddbstreams.alter_stream(:'arn', '1 day'));

--
-- Region and account
--

set ddbstreams.region = 'eu-west-1';
set ddbstreams.account_id = '123456789012';
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset
reset ddbstreams.region;
reset ddbstreams.account_id;
select test.mask(:'arn');
insert into orders values ('r', 1);
select aws_region from ddbstreams.get_records((select ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON')
                                               from ddbstreams.describe_stream(:'arn')));

--
-- Names
--

-- an ARN keeps the name that its table had
alter table orders rename to "Orders, old";
alter schema streams rename to "Stre""ams";
set search_path = "Stre""ams", public;
select ddbstreams.latest_stream_arn('"Orders, old"') = :'arn';
select table_name, count(*) from ddbstreams.list_streams('"Orders, old"') group by 1;
select test.mask(ddbstreams.disable_stream('"Orders, old"'));
select test.mask(ddbstreams.enable_stream('"Orders, old"', shard_count => 1));
select table_name, count(*) from ddbstreams.list_streams('"Orders, old"') group by 1 order by table_name collate "C";
alter schema "Stre""ams" rename to streams;
set search_path = streams, public;

create table public.in_public (id int primary key);
create table "Größe/stream/ß" ("Schlüssel" int primary key, "a""b\c" text, "…" int);
create table " ; drop table x; -- %s %n'" (id int primary key);
create table "123456789012345678901234567890123456789012345678901234567890123" (id int primary key);
select test.mask(ddbstreams.enable_stream('in_public', shard_count => 1));
select test.mask(ddbstreams.enable_stream('"Größe/stream/ß"', shard_count => 1));
select test.mask(ddbstreams.enable_stream('" ; drop table x; -- %s %n''"', shard_count => 1));
select test.mask(ddbstreams.enable_stream('"123456789012345678901234567890123456789012345678901234567890123"', shard_count => 1));
insert into "Größe/stream/ß" values (1, 'x', 2);
update "Größe/stream/ß" set "a""b\c" = 'ÿ' || chr(127) || chr(1);
select event_name, keys, new_image, old_image from test.records('"Größe/stream/ß"');
select event_name, (new_image)."a""b\c" is not null, (new_image)."…" from ddbstreams.changes(null::"Größe/stream/ß");
select test.fails($$ select ddbstreams.enable_stream('" ; drop table x; -- %s %n''"') $$);

-- a dropped table's stream is disabled and stays
create table gone (id int primary key);
select ddbstreams.enable_stream('gone', shard_count => 1) as arn \gset
insert into gone values (1);
drop table gone;
select table_name, stream_status from ddbstreams.list_streams() where stream_arn = :'arn';
select count(*) filter (where ending_sequence_number is not null) as closed, count(*) from ddbstreams.describe_stream(:'arn');
select * from test.plain(null, :'arn');
create table gone (id int primary key);
select ddbstreams.latest_stream_arn('gone') is null;
select count(*) from ddbstreams.list_streams('gone');
select ddbstreams.enable_stream('gone', shard_count => 1) <> :'arn';
select stream_status from ddbstreams.list_streams() where table_name = 'streams.gone' order by creation_request_date_time;

-- a long name: an ARN has at most 1,024 characters
select max(length(stream_arn)) <= 1024 as fits from ddbstreams.list_streams();

\set VERBOSITY terse
set client_min_messages = warning;
drop schema streams cascade;
drop table public.in_public;
drop foreign data wrapper streams_fdw cascade;
