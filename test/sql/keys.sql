-- Keys: types and forms of primary keys, partition keys, changes of the key.
--
-- To see it fail: test/mutations/run key-attributes-unnoticed
-- key-hash-by-function-alone key-hash-of-32-bits-refused.

-- settings that the output below depends on
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set array_nulls = on;
set datestyle = postgres, mdy;

\pset format unaligned
\pset tuples_only on
\pset null 'NULL'
create schema keys;
set search_path = keys, public;

-- For a table of columns id and n: starts a stream of many shards, writes each
-- value and deletes it, in transactions of their own.
create procedure write(name regclass, variadic forms text[])
language plpgsql as $$
declare
    form text;
begin
    if ddbstreams.latest_stream_arn(name) is not null then
        perform ddbstreams.disable_stream(name);
    end if;
    perform ddbstreams.enable_stream(name, shard_count => 16);
    commit;
    foreach form in array forms loop
        execute format('insert into %s values (%L, 1)', name, form);
        execute format('update %s set n = 2', name);
        commit;
        execute format('delete from %s', name);
        commit;
    end loop;
end
$$;
-- In how many shards the records of a key are that matches.
create function shards_of(name regclass, pattern text default '%') returns bigint
language sql as $$
    select count(distinct shard_id)
    from ddbstreams.latest_stream_arn(name) as arn, ddbstreams.describe_stream(arn), ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON') as i, ddbstreams.get_records(i)
    where keys::text like pattern
$$;

--
-- Types
--

create type color as enum ('red', 'green');
create type pair as (a int, b text);
create domain email as text check (value like '%@%');

create table k_bool (id bool primary key, n int);
call write('k_bool', 'true');
create table k_int2 (id smallint primary key, n int);
call write('k_int2', '-32768');
create table k_int8 (id bigint primary key, n int);
call write('k_int8', '9223372036854775807');
create table k_numeric (id numeric primary key, n int);
call write('k_numeric', '12345678901234567890123456789012345678901234567890.50');
create table k_float (id double precision primary key, n int);
call write('k_float', '-0');
create table k_text (id text primary key, n int);
call write('k_text', 'ß "quoted" \ ');
create table k_empty (id text primary key, n int);
call write('k_empty', '');
create table k_char (id char(5) primary key, n int);
call write('k_char', 'ab');
create table k_varchar (id varchar(5) primary key, n int);
call write('k_varchar', 'ab ');
create table k_name (id name primary key, n int);
call write('k_name', 'a_name');
create table k_uuid (id uuid primary key, n int);
call write('k_uuid', '00112233-4455-6677-8899-AABBCCDDEEFF');
create table k_bytea (id bytea primary key, n int);
call write('k_bytea', '\x00ff10');
create table k_timestamptz (id timestamptz primary key, n int);
call write('k_timestamptz', '2026-01-02 03:04:05.678901+09');
create table k_timestamp (id timestamp primary key, n int);
call write('k_timestamp', 'infinity');
create table k_date (id date primary key, n int);
call write('k_date', '2026-01-02');
create table k_timetz (id timetz primary key, n int);
call write('k_timetz', '03:04:05+09');
create table k_interval (id interval primary key, n int);
call write('k_interval', '1 mon -2 days');
create table k_inet (id inet primary key, n int);
call write('k_inet', '10.0.0.1/8');
create table k_macaddr (id macaddr primary key, n int);
call write('k_macaddr', '08:00:2b:01:02:03');
create table k_lsn (id pg_lsn primary key, n int);
call write('k_lsn', '16/B374D848');
create table k_oid (id oid primary key, n int);
call write('k_oid', '4294967295');
create table k_char1 (id "char" primary key, n int);
call write('k_char1', 'c');
create table k_jsonb (id jsonb primary key, n int);
call write('k_jsonb', '{"b": [1, 2.0], "a": null}');
create table k_enum (id color primary key, n int);
call write('k_enum', 'green');
create table k_domain (id email primary key, n int);
call write('k_domain', 'a@b');
create table k_range (id int4range primary key, n int);
call write('k_range', '[1,5]');
create table k_multirange (id nummultirange primary key, n int);
call write('k_multirange', '{[1,2),[3,4)}');
create table k_array (id int[] primary key, n int);
call write('k_array', '{{1,2},{3,NULL}}');
create table k_texts (id text[] primary key, n int);
call write('k_texts', '{a,"b c",NULL}');
create table k_enums (id color[] primary key, n int);
call write('k_enums', '{red,green}');
create table k_composite (id pair primary key, n int);
call write('k_composite', '(1,"x y")');

select name, events, keys, shards_of(name::regclass) as shards
from (select relname from pg_class where relnamespace = 'keys'::regnamespace and relkind = 'r') as c (name),
     lateral (select string_agg(event_name, ' ' order by sequence_number) as events, string_agg(distinct r.keys::text, ' and ') as keys
              from test.records(name::regclass) as r) as r
order by name collate "C";

-- values that are equal are one key, however they are written
call write('k_numeric', '1', '1.0', '1.00', '1e0');
call write('k_float', '0', '-0');
call write('k_char', 'ab', 'ab ', 'ab   ');
call write('k_jsonb', '{"a":1,"b":2}', '{"b":2.0,"a":1.00}');
call write('k_interval', '24:00', '1 day');
call write('k_timestamptz', '2026-01-01 00:00+00', '2026-01-01 09:00+09');
call write('k_array', '{1}', '[1:1]={1}');
call write('k_inet', '10.0.0.1', '10.0.0.1/32');
select name, test.counts(name::regclass), shards_of(name::regclass)
from unnest(array['k_numeric', 'k_float', 'k_char', 'k_jsonb', 'k_interval', 'k_timestamptz', 'k_array', 'k_inet']) as name;
-- different ones are spread
insert into k_text select 'key ' || i from generate_series(1, 200) as i;
insert into k_uuid select md5(i::text)::uuid from generate_series(1, 200) as i;
insert into k_int8 select i from generate_series(1, 200) as i;
select name, test.counts(name::regclass), shards_of(name::regclass) >= 16 as spread from unnest(array['k_text', 'k_uuid', 'k_int8']) as name;
-- an update that changes how the key is written changes the key that records show; the shard is the same
insert into k_numeric values (1.0, 1);
update k_numeric set id = 1.00;
select event_name, new_image, old_image from test.plain('k_numeric') offset 12;

-- types without an operator class for hashing
create table k_bit (id bit(8) primary key, n int);
create table k_varbit (id bit varying primary key, n int);
create table k_tsvector (id tsvector primary key, n int);
create table k_money (id money primary key, n int);
select name, test.fails(format('select ddbstreams.enable_stream(%L)', name)) from unnest(array['k_bit', 'k_varbit', 'k_tsvector', 'k_money']) as name;
create table k_bits (id int, flags bit(8), n int, primary key (flags, id));
select test.fails('select ddbstreams.enable_stream(''k_bits'')'),
       test.fails('select ddbstreams.enable_stream(''k_bits'', partition_key => ''{flags}'')'),
       test.fails('select ddbstreams.enable_stream(''k_bits'', partition_key => ''{id,flags}'')');
select ddbstreams.enable_stream('k_bits', partition_key => '{id}') <> '';
insert into k_bits values (1, b'00000001', 1), (1, b'00000010', 1);
update k_bits set n = 2 where flags = b'00000010';
update k_bits set flags = b'11111111' where flags = b'00000001';
delete from k_bits where flags = b'11111111';
select event_name, keys from test.records('k_bits');
-- a composite type with a part that cannot be hashed
create type bit_pair as (a int, b bit(8));
create table k_bit_pair (id bit_pair primary key, n int);
select test.fails('select ddbstreams.enable_stream(''k_bit_pair'')');
create table k_bit_array (id bit(8)[] primary key, n int);
select test.fails('select ddbstreams.enable_stream(''k_bit_array'')');

--
-- Forms of primary keys
--

-- included columns are not of the key
create table including (a int, b int, c int, primary key (b) include (a));
select ddbstreams.enable_stream('including', shard_count => 1) <> '';
insert into including values (1, 2, 3);
update including set a = 9;
update including set b = 8;
select event_name, keys, new_image, old_image from test.records('including');
select test.fails('select ddbstreams.disable_stream(''including''), ddbstreams.enable_stream(''including'', partition_key => ''{a}'')');
-- the order of the key's columns is the key's, not the table's
create table reordered (a int, b int, c int, primary key (c, a));
select ddbstreams.enable_stream('reordered', shard_count => 1) <> '';
insert into reordered values (1, 2, 3);
select keys, new_image from test.records('reordered');
-- after dropped columns
create table thinned (gone1 int, b text, gone2 int, a int);
alter table thinned drop gone1, drop gone2, add primary key (a, b);
select ddbstreams.enable_stream('thinned', shard_count => 1) <> '';
insert into thinned values ('x', 1);
alter table thinned add c int;
update thinned set c = 3;
select event_name, keys, new_image from test.records('thinned');
-- typed tables
create type person as (name text, born date, note text);
create table people of person (primary key (name));
select ddbstreams.enable_stream('people', shard_count => 1) <> '';
insert into people values ('Ada', '1815-12-10');
alter type person add attribute country text cascade;
update people set country = 'GB';
alter type person drop attribute note cascade;
delete from people;
select event_name, keys, new_image, old_image from test.records('people');
select event_name, new_image, old_image from ddbstreams.changes(null::people);
-- identity, serial, generated columns
create table numbered (id int generated always as identity primary key, s serial, double int generated always as (s * 2) stored);
select ddbstreams.enable_stream('numbered', shard_count => 1) <> '';
insert into numbered default values;
insert into numbered default values;
select new_image from test.plain('numbered');
create table generated_key (a int, b int generated always as (a + 1) stored primary key);
select ddbstreams.enable_stream('generated_key', shard_count => 1) <> '';
insert into generated_key values (1);
update generated_key set a = 5;
select event_name, keys from test.records('generated_key');
-- 32 columns
select format('create table wide (%s, primary key (%s))', string_agg(format('c%s int', i), ', ' order by i), string_agg(format('c%s', i), ', ' order by i desc))
from generate_series(1, 32) as i \gexec
select ddbstreams.enable_stream('wide') <> '';
select format('insert into wide values (%s)', string_agg(i::text, ', ' order by i)) from generate_series(1, 32) as i \gexec
update wide set c17 = 0;
select event_name, keys from test.records('wide') order by event_name collate "C", keys::text collate "C";
-- large keys
create table large_key (id text primary key, n int);
select ddbstreams.enable_stream('large_key', shard_count => 4) <> '';
insert into large_key select string_agg(md5(i::text), '' order by i), 1 from generate_series(1, 80) as i;
update large_key set n = 2;
select event_name, length(keys #>> '{id,S}'), new_image #>> '{n,N}' from test.records('large_key');

--
-- Changes of the key
--

create table changing (a int, b text, n int, primary key (a, b));
select ddbstreams.enable_stream('changing', shard_count => 1) <> '';
insert into changing values (1, 'x', 0);
update changing set b = 'y';
update changing set a = 2, n = 1;
update changing set a = 2, b = 'y';
update changing set a = a, n = n;
insert into changing values (2, 'y', 5) on conflict (a, b) do update set a = 3, n = excluded.n;
select * from test.plain('changing');
-- keys swapped in one transaction; each INSERT follows the REMOVE of its key
create table swapping (id int primary key, w text);
select ddbstreams.enable_stream('swapping', shard_count => 1) <> '';
insert into swapping values (1, 'a'), (2, 'b');
begin;
update swapping set id = 0 where id = 1;
update swapping set id = 1 where id = 2;
update swapping set id = 2 where id = 0;
commit;
select * from test.plain('swapping');
-- a REMOVE and an INSERT of other shards
create table moving (id int primary key);
select ddbstreams.enable_stream('moving', shard_count => 32) <> '';
insert into moving select i from generate_series(1, 50) as i;
update moving set id = id + 1000;
select test.counts('moving'), shards_of('moving') > 10 as spread;
select count(*) as apart from (select (coalesce(new_image, old_image)).id from ddbstreams.changes(null::moving) group by 1 having count(distinct shard_id) > 1) as k;

--
-- Partition keys
--

create table items (customer text, id int, kind color, note text, primary key (customer, id, kind));
select ddbstreams.enable_stream('items', shard_count => 64, partition_key => '{customer}') as items_arn \gset
insert into items select 'customer ' || c, i, 'red', null from generate_series(1, 20) as c, generate_series(1, 20) as i;
update items set note = 'x', kind = 'green' where id % 2 = 0;
select count(*), max(shards) from (select keys #>> '{customer,S}', count(distinct shard_id) as shards
    from ddbstreams.describe_stream(:'items_arn'), ddbstreams.get_shard_iterator(:'items_arn', shard_id, 'TRIM_HORIZON') as i, ddbstreams.get_records(i)
    group by 1) as c;
select shards_of('items') > 10 as spread;
-- they are ordered among themselves: all rows of one customer, as they were written
begin;
delete from items where customer = 'customer 7';
insert into items values ('customer 7', 3, 'red', 'a'), ('customer 7', 1, 'red', 'b'), ('customer 7', 2, 'red', 'c');
update items set note = 'd' where customer = 'customer 7' and id = 1;
delete from items where customer = 'customer 7' and id = 3;
insert into items values ('customer 7', 0, 'red', 'e');
commit;
select event_name, keys #>> '{id,N}' as id, new_image #>> '{note,S}' as note from test.records('items')
where keys #>> '{customer,S}' = 'customer 7' and transaction_id = (select xmin::text::xid8 from items where customer = 'customer 7' limit 1)
  and (event_name <> 'REMOVE' or old_image #>> '{note,S}' = 'a');
-- the keys of records are the whole key, in its order
select distinct keys #>> '{kind,S}', array(select json_object_keys(keys)) from test.records('items') order by 1;
select ddbstreams.disable_stream('items') = :'items_arn';
-- columns in any order; hashed in the key's
select ddbstreams.enable_stream('items', partition_key => '{kind,customer}') as arn \gset
select ddbstreams.disable_stream('items') = :'arn';
select ddbstreams.enable_stream('items', partition_key => '{customer,id,kind}') as arn \gset
select ddbstreams.disable_stream('items') = :'arn';
-- refused
select partition_key, test.fails(format('select ddbstreams.enable_stream(''items'', partition_key => %L)', partition_key))
from unnest(array['{}', '{note}', '{Customer}', '{nothing}', '{customer,nothing}', '{customer,customer}', '{NULL}', '{customer,NULL}',
                  '[0:0]={""}', '{customer,id,kind,note}', '{ctid}', '{xmin}', '{" customer"}']) as partition_key;
select partition_key, test.fails(format('select ddbstreams.enable_stream(''items'', partition_key => %L); select ddbstreams.disable_stream(''items'')', partition_key))
from unnest(array['[5:5]={customer}', '{customer,kind}']) as partition_key;
-- of a partitioned table
create table parted (region text, id int, w text, primary key (region, id)) partition by list (region);
create table parted_eu (id int not null, w text, region text not null);
alter table parted attach partition parted_eu for values in ('eu');
create table parted_us partition of parted for values in ('us');
select ddbstreams.enable_stream('parted', shard_count => 64, partition_key => '{id}') <> '';
insert into parted select r, i, 'x' from unnest(array['eu', 'us']) as r, generate_series(1, 20) as i;
delete from parted where region = 'us' and id = 1;
update parted set region = 'us' where id = 1;
select max(shards), min(shards) from (select (coalesce(new_image, old_image)).id, count(distinct shard_id) as shards from ddbstreams.changes(null::parted) group by 1) as c;
select event_name, new_image, old_image from ddbstreams.changes(null::parted) where (coalesce(new_image, old_image)).id = 1;

--
-- A type that hashes equal keys otherwise is refused, however alike the functions' names are
--

create type enum_1 as enum ('a', 'b', 'c');
create type enum_2 as enum ('c', 'b', 'a');
create type hash_pair as (a int, b int);
create type holder as (p hash_pair, other int);
create table hash_enum (k enum_1 primary key);
create table hash_array (k int[] primary key);
create table hash_range (k int4range primary key);
create table hash_record (k hash_pair primary key);
create table hash_nested (k holder[], n int, primary key (k, n));
create table hash_time (k timestamp primary key);
create table hash_text (k varchar(10) primary key);
select ddbstreams.enable_stream(t::regclass, shard_count => 16) is not null
from unnest(array['hash_enum', 'hash_array', 'hash_range', 'hash_record', 'hash_nested', 'hash_time', 'hash_text']) t;
select test.fails(c) from unnest(array[
    'alter table hash_enum alter k type enum_2 using k::text::enum_2',
    'alter table hash_array alter k type numeric[]',
    'alter table hash_array alter k type int8[]',
    'alter table hash_range alter k type numrange using numrange(lower(k), upper(k))',
    'alter table hash_time alter k type timestamptz',
    'alter type hash_pair add attribute c int',
    'alter type hash_pair drop attribute b',
    'alter type holder add attribute c int',
    'alter type holder drop attribute other']) c;
-- a type of the same values is not
alter table hash_text alter k type varchar(20);
alter table hash_text alter k type text;
alter type enum_1 add value 'd';
alter type enum_1 rename value 'a' to 'z';
alter type enum_1 rename to enum_3;
alter type hash_pair rename attribute b to bb;
create domain number as int;
create table hash_domain (k int primary key);
select ddbstreams.enable_stream('hash_domain') is not null;
alter table hash_domain alter k type number;
-- nor is a composite type that no key has
create type loose as (a int);
create table with_loose (id int primary key, l loose);
select ddbstreams.enable_stream('with_loose') is not null;
alter type loose add attribute b int;
-- a disabled stream refuses nothing
select ddbstreams.disable_stream('hash_record') is not null, ddbstreams.disable_stream('hash_nested') is not null;
alter type hash_pair add attribute c int;

--
-- A type with a 32-bit hash function alone can be in the key, one without any cannot
--

set client_min_messages = warning;
create type narrow;
create function narrow_in(cstring) returns narrow language internal immutable strict as 'int4in';
create function narrow_out(narrow) returns cstring language internal immutable strict as 'int4out';
create type narrow (input = narrow_in, output = narrow_out, like = int4);
create function narrow_lt(narrow, narrow) returns bool language internal immutable strict as 'int4lt';
create function narrow_le(narrow, narrow) returns bool language internal immutable strict as 'int4le';
create function narrow_eq(narrow, narrow) returns bool language internal immutable strict as 'int4eq';
create function narrow_ge(narrow, narrow) returns bool language internal immutable strict as 'int4ge';
create function narrow_gt(narrow, narrow) returns bool language internal immutable strict as 'int4gt';
create function narrow_cmp(narrow, narrow) returns int language internal immutable strict as 'btint4cmp';
create function narrow_hash(narrow) returns int language internal immutable strict as 'hashint4';
create operator < (leftarg = narrow, rightarg = narrow, function = narrow_lt);
create operator <= (leftarg = narrow, rightarg = narrow, function = narrow_le);
create operator = (leftarg = narrow, rightarg = narrow, function = narrow_eq, hashes, merges);
create operator >= (leftarg = narrow, rightarg = narrow, function = narrow_ge);
create operator > (leftarg = narrow, rightarg = narrow, function = narrow_gt);
create operator class narrow_btree default for type narrow using btree as
    operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 narrow_cmp(narrow, narrow);
reset client_min_messages;
create table hash_narrow (k narrow primary key, v int);
create table hash_narrow_array (k narrow[], n int, primary key (k, n));
select test.fails(format('select ddbstreams.enable_stream(%L)', t)) from unnest(array['hash_narrow', 'hash_narrow_array']) t;
create operator class narrow_hash default for type narrow using hash as
    operator 1 =, function 1 narrow_hash(narrow);
select ddbstreams.enable_stream('hash_narrow', shard_count => 4) is not null,
       ddbstreams.enable_stream('hash_narrow_array', shard_count => 4) is not null;
insert into hash_narrow select g::text::narrow, 1 from generate_series(1, 100) g;
update hash_narrow set v = 2;
insert into hash_narrow_array select array[g::text::narrow], 1 from generate_series(1, 100) g;
-- keys are spread over the shards, and each keeps to one
select count(distinct shard_id) as shards, count(distinct (new_image).k::text) as keys,
    count(distinct ((new_image).k::text, shard_id)) as pairs
from ddbstreams.changes(null::hash_narrow);
select count(distinct shard_id) as shards, count(*) from ddbstreams.changes(null::hash_narrow_array);

\set VERBOSITY terse
set client_min_messages = warning;
drop schema keys cascade;
