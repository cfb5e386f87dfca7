-- What is new in PostgreSQL 19: ON CONFLICT DO SELECT, oid8, COPY with ON_ERROR
-- set_null, and REPACK. test/t/repack.pl has REPACK (CONCURRENTLY) under writers.
--
-- Without the guard of own tables (own_table_guard.c) REPACK (CONCURRENTLY) of
-- them is not refused as it is here.

\pset format unaligned
\pset tuples_only on
select current_setting('server_version_num')::int < 190000 as too_old \gset
\if :too_old
\quit
\endif
create schema version19;
set search_path = version19, public;

--
-- ON CONFLICT DO SELECT: a row that is only read makes no record
--

create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1, 'a'), (2, 'b');
insert into t values (1, 'x') on conflict (id) do select returning id, v;
insert into t values (1, 'x'), (3, 'c') on conflict (id) do select for update returning id, v;
insert into t values (2, 'x') on conflict (id) do select where t.v = 'no' returning id, v;
with found as (insert into t values (2, 'x') on conflict (id) do select for no key update returning id)
update t set v = v || '!' from found where t.id = found.id;
select * from test.plain('t');

--
-- oid8: text in images, a key like others
--

create table numbered (id oid8 primary key, other oid8);
select ddbstreams.enable_stream('numbered', shard_count => 8) is not null;
insert into numbered values ('18446744073709551615', '4294967296'), ('0', null);
insert into numbered select i::text::oid8, '1' from generate_series(1, 100) i;
update numbered set other = '7' where id in ('0', '18446744073709551615');
delete from numbered where id = '0';
select event_name, keys, new_image, old_image from test.records('numbered')
where keys->'id'->>'S' in ('0', '18446744073709551615') order by keys->'id'->>'S', sequence_number;
select count(distinct shard_id) > 1 as several_shards, count(*),
    count(*) filter (where (new_image).other = '1'::oid8) as typed
from ddbstreams.changes(null::numbered);

--
-- COPY with ON_ERROR set_null: images have what the row has
--

create table copied (id int primary key, n int, d date not null);
select ddbstreams.enable_stream('copied', shard_count => 1) is not null;
copy copied from stdin with (on_error set_null);
1	x	2026-01-01
2	3	2026-01-02
\.
-- a column that may not be null
copy copied from stdin with (on_error set_null);
3	1	2026-01-01
4	1	never
\.
select * from test.plain('copied');

--
-- REPACK of a captured table: no records, and capture goes on
--

alter table t add w int default 7, add u text generated always as (v || '?') virtual;
insert into t select i, 'r' from generate_series(10, 14) i;
select count(*) from test.records('t');
repack t;
repack t using index t_pkey;
repack (analyze) t;
select count(*) from test.records('t');
update t set v = 's', w = 8 where id = 10;
delete from t where id = 11;
truncate t;
select event_name, (old_image).id, (old_image).w, (old_image).u, (new_image).w, (new_image).u
from ddbstreams.changes(null::t) offset 9;
select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass and not tgisinternal order by tgname;
create table parts (id int primary key, v int) partition by range (id);
create table parts_1 partition of parts for values from (0) to (10);
create table parts_2 partition of parts for values from (10) to (20);
select ddbstreams.enable_stream('parts', shard_count => 1) is not null;
insert into parts values (1, 1), (11, 1);
repack parts;
repack parts_2 using index parts_2_pkey;
update parts set v = 2;
truncate parts_2;
select * from test.plain('parts');

--
-- REPACK of own tables: the order of a shard stays, and nothing is lost
--

alter table t alter v set storage external;
insert into t select i, repeat('large', 2000) from generate_series(1, 20) i;
select shard_table as shard, replace(shard_table::text, 'shard_', 'side_') as side,
    replace(shard_table::text, 'ddbstreams_shards.shard_', 'side_') || '_idx' as side_index
from ddbstreams.describe_stream(:'arn') \gset
create table before as select sequence_number, event_name, new_image::text, old_image::text from test.records('t');
repack :shard;
repack :side;
repack :side using index :side_index;
repack ddbstreams_shards.stream;
repack ddbstreams_shards.shard;
repack ddbstreams_shards.mapping;
repack (concurrently off) :shard;
select count(*) > 20 as are_many, count(*) filter (where not same) as differ
from (select (b.*) is not distinct from (r.sequence_number, r.event_name, r.new_image::text, r.old_image::text) as same
      from before b full join test.records('t') r using (sequence_number)) c;
select count(*) as misplaced from (
    select sequence_number < lag(sequence_number) over (order by ctid) as wrong from :shard) s
where wrong;
update t set v = 'small' where id = 1;
select count(*) - (select count(*) from before) as more from test.records('t');
-- concurrently it would follow the table by logical decoding, which sees no row of it
select test.mask(c || ': ' || test.fails(c)) from unnest(array[
    format('repack (concurrently) %s', :'shard'),
    format('repack (verbose, concurrently on) %s using index %s', :'side', :'side_index'),
    'repack (concurrently) ddbstreams_shards.stream',
    'repack (concurrently true) ddbstreams_shards.mapping_shard']) c;
set search_path = ddbstreams_shards;
repack (concurrently) consumer_lease;
set search_path = version19, public;
-- a table of the user's with such a name is none of ours
create table consumer_lease (id int primary key);
repack (concurrently) consumer_lease;

set client_min_messages = warning;
drop schema version19 cascade;
