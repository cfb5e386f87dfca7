-- Images: PostgreSQL's values as DynamoDB's typed JSON.
--
-- To see it fail: test/mutations/run format-of-session.

-- settings that the output below depends on
set standard_conforming_strings = on;
set array_nulls = on;

\pset format unaligned
\pset tuples_only on
create schema images;
set search_path = images, public;
set timezone = 'UTC';

-- The attributes of the last record of a table, one in a line.
create function attributes(name regclass) returns table (attribute text)
language sql as $$
    select key || ' ' || value::text
    from (select new_image from test.records(name) order by sequence_number desc limit 1) as r,
         json_each(new_image)
$$;

--
-- The type table
--

create table scalars (
    id      int primary key,
    i2      smallint, i8 bigint, n numeric, n2 numeric(10,2), f4 real, f8 float8,
    b       bool, t text, vc varchar(10), c char(5), nm name, ch "char", by bytea,
    nothing int,
    u       uuid, js json, jb jsonb,
    d       date, ti time, tt timetz, ts timestamp, tz timestamptz, iv interval,
    ip      inet, ci cidr, mac macaddr, mac8 macaddr8,
    bi      bit(3), vb bit varying, m money, o oid, p point, bx box, lsn pg_lsn,
    tv      tsvector, tq tsquery, rc regclass, jp jsonpath, tid tid, xid xid
);
select ddbstreams.enable_stream('scalars', shard_count => 1) <> '';
insert into scalars values (
    1, -32768, 9223372036854775807, 12345678901234567890123456789012345678901234567890.00100, 1.5, 0.1, 0.1,
    true, E'e"\\/\b\f\n\r\t\x01', 'varchar', 'ch', 'a name', 'x', '\x00ff10',
    null,
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"a": [1, 2.50, "x", null, true], "b": {}}', '{"a": [1, 2.50, "x", null, true], "b": {}}',
    '2026-01-02', '03:04:05.678', '03:04:05+02:30', '2026-01-02 03:04:05', '2026-01-02 03:04:05.123456+02', '1 year 2 mons 3 days 04:05:06.789',
    '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
    '101', '1', 1234.5, 4294967295, '(1,0.1)', '((0,0),(1,1))', '16/B374D848',
    'a fat:1A cat:2', 'fat & rat', 'pg_catalog.pg_class', '$.a[*] ? (@ > 1)', '(1,2)', '7');
select * from attributes('scalars');

-- the edges
truncate scalars;
insert into scalars (id, n, f4, f8, d, ts, tz, iv, by, t, js, jb, b) values
    (1, 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', 'infinity', '0', '', '', 'null', 'null', false),
    (2, 'Infinity', 'Infinity', 'Infinity', '-infinity', '-infinity', '-infinity', '-1 day', '\x00', ' ', '""', '""', null),
    (3, '-Infinity', '-Infinity', '-Infinity', '0044-03-15 BC', '0044-03-15 01:02:03 BC', '0044-03-15 01:02:03.5 BC+00', '-1 mon +2 days -03:04:05.5', '\xfbff', 'x', '[]', '[]', null),
    (4, 0, '-0', '-0', '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', null, null, '{}', '{}', null),
    (5, 0.000, 1e-45, 5e-324, '4713-01-01 BC', '4713-11-24 BC', '4713-11-24 BC', '-178000000 years', null, null, '1', '1', null),
    (6, 1e100, 3.4028235e38, 1.7976931348623157e308, '0001-01-01', '10000-01-01', '10000-01-01', '0.000001 s', null, null, '-1.50e+10', '-1.50e+10', null),
    (7, -1e-20, 16777216, 1e15, '0099-12-31', '1999-12-31 24:00', '2024-02-29 23:59:60 UTC', '-00:00:00.000001', null, null, 'true', 'true', null),
    (8, 100, 1e6, 1e16, null, '1970-01-01 00:00:00.1', '1970-01-01 00:00:00.10', '1 day', null, null, '"a\u0000b\/\"\\"', '"\/\"\\"', null),
    (9, null, 1e-5, 1e-5, null, null, null, null, null, null, '{"a":1,"a":2, "":{"\u0000":[]}}', '{"a":1,"a":2,"":{}}', null),
    (10, null, 123456.7, 123456789012.34567, null, null, null, null, null, null, '"\ud800"', null, null);
select (new_image->'id'->>'N')::int as id, string_agg(key || ' ' || value::text, E'\n' order by n)
from (select sequence_number, new_image from test.records('scalars') where event_name = 'INSERT' offset 1) as r,
     json_each(new_image) with ordinality as j (key, value, n)
where key in ('n', 'f4', 'f8', 'd', 'ts', 'tz', 'iv', 'by', 't', 'js', 'jb', 'b') and value::text <> '{"NULL":true}'
group by 1 order by 1;
-- each image is JSON that jsonb takes, but for \u0000
select new_image->'id'->>'N', test.fails(format('select %L::jsonb', new_image::text))
from test.records('scalars') where event_name = 'INSERT' and new_image->'id'->>'N' in ('8', '9', '10');

-- times of day
create table times (id int primary key, t time, tz timetz, t0 time(0), ts timestamp(3));
select ddbstreams.enable_stream('times', shard_count => 1) <> '';
insert into times values (1, '24:00', '24:00-15:59', '23:59:59.9', '2026-01-01 00:00:00.1236'), (2, '00:00:00.000001', '00:00+15:59:59', '0:0', '2026-06-01');
select new_image from test.records('times');

--
-- Arrays, composites, domains, enums, ranges
--

create type mood as enum ('sad', 'ok', 'it''s "fine"', 'a');
create type pair as (a int, "B ""q""" text, gone int, deep mood[]);
alter type pair drop attribute gone;
create type outer_pair as (p pair, ps pair[], j jsonb);
create domain small as int check (value < 100);
create domain smaller as small check (value < 10);
create domain words as text[];
create domain moods as mood;
create domain pairs as pair;
create domain doc as jsonb;
create type floats as range (subtype = float8);
create table mixed (
    id    int primary key,
    ints  int[], deep int[][], empty text[], shifted int[], bools bool[], texts text[], bytes bytea[],
    dates timestamptz[], jsons jsonb[], nums numeric[],
    e     mood, es mood[],
    r     pair, rs pair[], o outer_pair,
    s     small, ss smaller, sa smaller[], w words, md moods, dp pairs, dj doc, mda moods[],
    ir    int4range, ir_empty int4range, tr tstzrange, fr floats, mr int4multirange, ra int4range[], dr daterange,
    v2    int2vector, ov oidvector, pts point[], bxs box[]
);
select ddbstreams.enable_stream('mixed', shard_count => 1) <> '';
insert into mixed values (
    1,
    '{1,null,3}', '{{1,2},{3,4}}', '{}', '[2:3]={5,6}', '{t,f,null}', '{a,"b c",NULL,"NULL",""}', '{"\\x00"}',
    '{"2026-01-02 03:04:05+02",infinity}', array['{"a": 1}', 'null']::jsonb[], '{1.50,NaN}',
    'it''s "fine"', '{sad,NULL,a}',
    row(1, 'x', '{ok}'), array[row(1, null, null)::pair, null], row(row(2, 'y', '{}'), array[row(3, 'z', '{sad,ok}')::pair], '{"k": [true]}'),
    5, 6, '{7,8}', '{p,q}', 'ok', row(9, 'd', null)::pair, '{"dom": "ain"}', '{ok,sad}',
    '[1,5]', 'empty', '[2026-01-01 00:00+01,)', '(0.1,1e20]', '{[1,3),[5,7)}', '{"[1,2)",empty}', '[2026-01-01,infinity)',
    '1 2 3', '4 5', '{"(1,2)"}', '{(1,1),(0,0);(3,3),(2,2)}');
select * from attributes('mixed');
select event_name, (new_image).r, (new_image).e, (new_image).deep, (new_image).o, (new_image).sa, (new_image).ra, (new_image).jsons, (new_image).shifted
from ddbstreams.changes(null::mixed);
select new_image::text = m::text as same from ddbstreams.changes(null::mixed), mixed as m;

--
-- The same text whatever the session's settings
--

create type record_of_times as (tz timestamptz, iv interval, by bytea, f float8, rc regclass, mo money);
create domain iv_domain as interval;
create table setting (id int primary key, d date, ts timestamp, tz timestamptz, iv interval, f4 real, f8 float8, by bytea,
    m money, tr tstzrange, rc regclass, rp regprocedure, rt regtype, ra tstzrange[], pt point,
    comp record_of_times, arr timestamptz[], dom iv_domain, xs xid8, rs regclass[]);
select ddbstreams.enable_stream('setting', shard_count => 1) <> '';
create table model as select 1 as id, date '2026-02-03' as d, timestamp '2026-02-03 04:05:06.7' as ts, timestamptz '2026-02-03 04:05:06.7+00' as tz,
    interval '1 year 2 days 3 h' as iv, 0.1::real as f4, 0.1::float8 as f8, '\xdeadbeef'::bytea as by, 1234.56::money as m,
    tstzrange('2026-02-03 04:05:06+00', null) as tr, 'images.setting'::regclass as rc, 'images.attributes(regclass)'::regprocedure as rp,
    'images.pair'::regtype as rt, array[tstzrange('2026-02-03 04:05:06+00', null)] as ra, point(0.1, 1) as pt,
    row(timestamptz '2026-02-03 04:05:06+00', interval '1 day 1 s', '\xff'::bytea, 0.1, 'images.setting', 5)::record_of_times as comp,
    array[timestamptz '2026-02-03 04:05:06+00'] as arr, interval '1 mon'::iv_domain as dom, '5'::xid8 as xs, array['images.setting'::regclass] as rs;
insert into setting select * from model;
select * from attributes('setting');
create function hostile() returns void language sql as $$
    select set_config('datestyle', 'German, DMY', false), set_config('intervalstyle', 'postgres_verbose', false),
           set_config('timezone', 'America/St_Johns', false), set_config('extra_float_digits', '-15', false),
           set_config('bytea_output', 'escape', false), set_config('search_path', 'images, pg_catalog', false),
           set_config('lc_monetary', 'C', false), set_config('xmlbinary', 'hex', false),
           set_config('quote_all_identifiers', 'on', false);
$$;
-- written in such a session
select from images.hostile();
update images.model set id = 2;
insert into images.setting select * from images.model;
set datestyle = 'SQL, MDY';
set intervalstyle = 'sql_standard';
set timezone = 'Asia/Kathmandu';
update images.model set id = 3;
insert into images.setting select * from images.model;
-- and read in it
select count(distinct (new_image::jsonb - 'id')::text) as versions, count(distinct new_image::text) as records from test.records('images.setting');
select md5(string_agg(new_image::text, '')) as hostile from test.records('images.setting') \gset
reset datestyle; reset intervalstyle; reset extra_float_digits; reset bytea_output; reset quote_all_identifiers;
set timezone = 'UTC';
set search_path = images, public;
select count(distinct (new_image::jsonb - 'id')::text) as versions, count(distinct new_image::text) as records from test.records('images.setting');
select md5(string_agg(new_image::text, '')) = :'hostile' as same from test.records('images.setting');

--
-- Old records after the table and its types have changed
--

create type size as enum ('S', 'M', 'L');
create type address as (street text, number int);
create domain code as text;
create table changing (id int primary key, old_name text, size size, address address, code code, gone text, kind int);
select ddbstreams.enable_stream('changing', shard_count => 1) <> '';
insert into changing values (1, 'name', 'M', row('Main', 5), 'c', 'gone', 7);
create table before as select event_name, keys::text, new_image::text, size_bytes from test.records('changing');
alter type size rename value 'M' to 'medium';
alter type address rename attribute street to road;
alter type address add attribute zip text;
alter table changing rename old_name to new_name;
alter table changing drop gone;
alter table changing add added int default 3;
alter table changing alter kind type text using 'kind ' || kind;
alter table changing rename id to "ID";
select r.new_image::text = b.new_image and r.keys::text = b.keys as same from test.records('changing') as r, before as b;
insert into changing values (2, 'n', 'medium', row('R', 6, 'zip'), 'c', 'k', 1);
select event_name, keys, new_image from test.records('changing');
alter table changing drop size, drop address, drop code;
drop type size, address;
drop domain code;
select event_name, keys, new_image from test.records('changing');
select event_name, new_image from ddbstreams.changes(null::changing);
alter table changing alter "ID" type bigint;
select test.fails($$ alter table changing alter "ID" type text $$);
insert into changing values (3, 'x', 'y', 4);
select event_name, keys, new_image from test.records('changing') where keys->'ID'->>'N' = '3';
drop table before;

--
-- Wide and large
--

do $$
begin
    execute 'create table wide (' ||
        (select string_agg('c' || i || ' int' || case i when 1 then ' primary key' else '' end, ', ')
         from generate_series(1, 1600) as i) || ')';
end $$;
select ddbstreams.enable_stream('wide', shard_count => 1) <> '';
insert into wide (c1, c2, c1600) values (1, 2, 1600);
update wide set c800 = 800;
do $$
begin
    execute 'update wide set ' || (select string_agg('c' || i || ' = ' || i, ', ') from generate_series(2, 1600) as i);
end $$;
delete from wide;
select event_name, new_image->'c800'->>'N' as c800, new_image->'c1600'->>'N' as c1600, old_image->'c800'->>'N' as c800, old_image->'c1600'->>'N' as c1600,
       (select count(*) from json_object_keys(coalesce(new_image, old_image))) as columns
from test.records('wide');
-- many long values, none of them large
do $$
begin
    execute 'create table long (id int primary key, ' ||
        (select string_agg('c' || i || ' text', ', ') from generate_series(1, 200) as i) || ')';
    execute 'alter table long ' || (select string_agg('alter c' || i || ' set storage plain', ', ') from generate_series(1, 200) as i);
end $$;
select ddbstreams.enable_stream('long', shard_count => 1) <> '';
do $$
begin
    execute 'insert into long values (1, ' || (select string_agg('repeat(''' || chr(96 + i % 26 + 1) || ''', 35)', ', ') from generate_series(1, 200) as i) || ')';
    execute 'update long set ' || (select string_agg('c' || i || ' = upper(c' || i || ')', ', ') from generate_series(1, 200) as i);
end $$;
select event_name, new_image->'c1'->>'S' as c1, new_image->'c200'->>'S' as c200, old_image->'c200'->>'S' as c200, size_bytes from test.records('long');

create table large (id int primary key, t text, b bytea, j jsonb, a text[], n numeric);
alter table large alter b set storage external;
select ddbstreams.enable_stream('large', shard_count => 1) <> '';
insert into large values (1, repeat('0123456789', 300000), decode(repeat('00ff', 1000000), 'hex'),
    jsonb_build_object('k', repeat('j', 1000000)), array_fill(repeat('a', 100), array[10000]), ('1' || repeat('0', 100000) || '.5')::numeric);
update large set id = 1, n = 1;
select event_name, size_bytes,
       new_image->'t'->>'S' = l.t as t, decode(new_image->'b'->>'B', 'base64') = l.b as b,
       new_image->'j'->'M'->'k'->>'S' = l.j->>'k' as j, json_array_length(new_image->'a'->'L') as a,
       length(new_image->'n'->>'N') as n, length(old_image->'n'->>'N') as n, length(old_image->'t'->>'S') as t
from test.records('large'), large as l;
select event_name, new_image = l as same, (old_image).t = l.t as old from ddbstreams.changes(null::large), large as l;
-- equal values are stored once
select sum(pg_table_size(shard_table)) < 1000000 as log_is_small
from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('large'));

--
-- Item sizes
--

create table sizes (k text primary key, v text, b bytea, n numeric, o bool, l int[], m jsonb, d date, e text);
select ddbstreams.enable_stream('sizes', 'NEW_IMAGE', shard_count => 1) <> '';
-- keys 1 + 1; the image: names 9, one byte for each null but k
insert into sizes (k) values ('1');                           -- 2 + 9 + 1 + 8 = 20
insert into sizes (k, v) values ('2', 'aaoo');                -- 4 for the text: 23
insert into sizes (k, b) values ('3', '\x000102');            -- 3 for the bytes: 22
insert into sizes (k, n) values ('4a', 0), ('4b', 10), ('4c', 1234567), ('4d', -5), ('4e', 0.00120), ('4f', 1e100), ('4g', 12.50), ('4h', 'NaN');
insert into sizes (k, o) values ('5', true);
insert into sizes (k, l) values ('6', '{}'), ('7', '{1,22,null}'), ('8', '{{1},{2}}');
insert into sizes (k, m) values ('9', '{}'), ('A', '{"ab": 1, "c": "def"}'), ('B', '[]'), ('C', 'null'), ('D', '"xyz"');
insert into sizes (k, d) values ('E', '2026-01-01');
select keys->'k'->>'S' as k, size_bytes, size_bytes - 2 * length(keys->'k'->>'S') as without_key from test.records('sizes');

--
-- Descriptors
--

-- Under PostgreSQL's hash_bytes_extended the descriptors of these two tables
-- are equal.  Images must not be decoded as the other table's.
create table one (id int primary key, v int8, "8aWnG4^nGYQTA!w!_!A!!B!8!" int);
create table two (id int primary key, v float8, "6-96A~A#fs:EH^!_#1!y4!7!B" int);
select ddbstreams.enable_stream('one', shard_count => 1) <> '', ddbstreams.enable_stream('two', shard_count => 1) <> '';
begin;
insert into one values (1, 42, 1);
insert into two values (1, 42, 1);
commit;
select new_image from test.records('one') union all select new_image from test.records('two');

--
-- Numbers and times, which are written without PostgreSQL's output functions, read as these write them
--

create table plain_values (id int primary key, i bigint, n numeric, t timestamp, tz timestamptz);
create table plain_numbers (id int primary key, i numeric, n numeric, t timestamp, tz timestamptz);
select count(ddbstreams.enable_stream(t, 'NEW_IMAGE', 1)) from unnest(array['plain_values', 'plain_numbers']::regclass[]) as t;
insert into plain_values
select row_number() over (), i, n, t, t at time zone 'UTC'
from (select sign * digits * power(10::numeric, exponent) as n, sign * digits as i, null::timestamp as t
      from unnest(array[1, -1]) as sign, unnest(array[0, 1, 9, 10, 1234, 9999, 10000, 10001, 99990000, 123456789, 100000000000, 4611686018427387904]::bigint[]) as digits,
           generate_series(-40, 40, 3) as exponent
      union all
      select round(1234567.890625 * s, s), s, null from generate_series(0, 40) as s
      union all
      select n::numeric, i, null
      from (values ('NaN', 9223372036854775807), ('Infinity', -9223372036854775808), ('-Infinity', -9223372036854775807), ('0.00', 100), ('-0.5', -100)) as v (n, i)
      union all
      select null, null, timestamp '2000-01-01' + s * 86399.999999 * interval '1 second' + (s % 7) * interval '100 microseconds' from generate_series(-2000, 2000, 13) as s
      union all
      select null, null, t from unnest(array['infinity', '-infinity', '0001-01-01', '0001-12-31 BC', '4713-11-24 BC', '9999-12-31 23:59:59.999999', '10000-01-01',
          '294276-12-31 23:59:59.999999', '1999-12-31 23:59:59.999999', '1970-01-01 00:00:00.5', '2024-02-29 12:00:00.000001']::timestamp[]) as t) as v;
insert into plain_numbers select * from plain_values;
set timezone = 'UTC';
select count(*) as records, count(*) filter (where r.new_image #>> '{i,N}' is distinct from v.i::text) as integers,
       count(*) filter (where coalesce(r.new_image #>> '{n,N}', r.new_image #>> '{n,S}') is distinct from v.n::text) as numbers,
       count(*) filter (where r.new_image #>> '{t,S}' is distinct from to_json(v.t) #>> '{}') as timestamps,
       count(*) filter (where r.new_image #>> '{tz,S}' is distinct from to_json(v.tz) #>> '{}') as with_zone,
       count(*) filter (where r.size_bytes <> other.size_bytes) as sizes
from plain_values as v
     join test.records('plain_values') as r on r.keys #>> '{id,N}' = v.id::text
     join test.records('plain_numbers') as other on other.keys #>> '{id,N}' = v.id::text;

--
-- What both images of a record share is written once
--

create table shared (id int primary key, a text, b int, c jsonb, d text, e numeric);
select ddbstreams.enable_stream('shared', shard_count => 1) <> '';
insert into shared values (1, 'a', 1, '{"c": [1]}', null, 1.50), (2, repeat('x', 3000), 2, null, repeat('y', 900), null);
update shared set b = 3;
update shared set d = 'd', e = null;
update shared set a = a || 'a', c = null, e = -1;
delete from shared;
select event_name, replace(replace(old_image::text, repeat('x', 3000), 'x…'), repeat('y', 900), 'y…') as old,
       replace(replace(new_image::text, repeat('x', 3000), 'x…'), repeat('y', 900), 'y…') as new, keys, size_bytes
from test.records('shared') order by sequence_number;

\set VERBOSITY terse
set client_min_messages = warning;
drop schema images cascade;
