-- Values that are written in few steps: what they are, and their sizes, are
-- compared with what SQL says of them.
--
-- To see it fail: test/mutations/run quick-text-unescaped
-- quick-size-with-zeros jsonb-keys-by-values.

\pset format unaligned
\pset tuples_only on
create schema quick_values;
set search_path = quick_values, public;
set timezone = 'UTC';
-- a character below is a backslash
set standard_conforming_strings = on;

-- A number has one byte, one more if it is negative, and one for two digits.
create function number_size(n numeric) returns int language sql immutable as $$
    select case when n is null or n = 0 then 1
        else (length(trim(both '0' from replace(abs(n)::text, '.', ''))) + 1) / 2 + 1 + (n < 0)::int end
$$;

--
-- Texts: each length up to 40, with each character that needs an escape, and
-- some that do not, at each place
--

create table texts (id int primary key, t text, d text);
select ddbstreams.enable_stream('texts', shard_count => 1) <> '';
insert into texts
select row_number() over (), overlay(repeat('x', length) placing c from place for 1), 'd'
from generate_series(0, 40) length, generate_series(1, greatest(length, 1)) place,
    (values ('x'), ('"'), ('\'), (E'\x01'), (E'\x1f'), (E'\x7f'), (E'\n'), ('~'), ('/'), (' '), ('!'), ('#'), ('['), (']')) s (c);
select count(*) as texts,
    count(*) filter (where new_image -> 't' ->> 'S' is distinct from t) as wrong,
    count(*) filter (where size_bytes <> 2 * (2 + number_size(id)) + 1 + octet_length(t) + 1 + 1) as of_wrong_size
from test.records('texts'), lateral (select (keys -> 'id' ->> 'N')::int) r (id) join texts using (id);

-- a change of one column: what both images share, and what they do not
update texts set d = t;
select count(*) as changes,
    count(*) filter (where new_image -> 't' ->> 'S' is distinct from t
        or old_image -> 't' ->> 'S' is distinct from t
        or new_image -> 'd' ->> 'S' is distinct from t
        or old_image -> 'd' ->> 'S' is distinct from 'd'
        or (keys ->> 'id')::json ->> 'N' <> id::text) as wrong
from test.records('texts') r, lateral (select (keys -> 'id' ->> 'N')::int) k (id) join texts using (id)
where event_name = 'MODIFY';

--
-- Numbers: powers of ten and their neighbours, both signs
--

create table numbers (id int primary key, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(30,3));
select ddbstreams.enable_stream('numbers', shard_count => 1) <> '';
insert into numbers
select row_number() over (),
    case when abs(v) < 32768 then v end, case when abs(v) < 2147483648 then v end, v,
    v / power(10::numeric, scale), v / 1000
from (select sign * (power(10::numeric, exponent) * factor + difference) as v
      from generate_series(0, 18) exponent, (values (1), (5), (9)) f (factor),
          (values (-1), (0), (1)) d (difference), (values (1), (-1)) s (sign)) s,
    generate_series(0, 20, 5) scale
where abs(v) < 9223372036854775807;
insert into numbers values (100001, -32768, -2147483648, -9223372036854775808, 0, 0),
    (100002, 32767, 2147483647, 9223372036854775807, 0.000, -0.100);

select count(*) as numbers,
    count(*) filter (where new_image -> 'i2' ->> 'N' is distinct from i2::text
        or new_image -> 'i4' ->> 'N' is distinct from i4::text
        or new_image -> 'i8' ->> 'N' is distinct from i8::text
        or new_image -> 'n' ->> 'N' is distinct from n::text
        or new_image -> 'n2' ->> 'N' is distinct from n2::text) as wrong,
    count(*) filter (where size_bytes <> 2 * (2 + number_size(id)) + 9 + number_size(i2)
        + number_size(i4) + number_size(i8) + number_size(n) + number_size(n2)) as of_wrong_size
from test.records('numbers'), lateral (select (keys -> 'id' ->> 'N')::int) r (id) join numbers using (id);

--
-- Times and others
--

create table others (id int primary key, ts timestamp, tz timestamptz, d date, u uuid, b bool, f float8);
select ddbstreams.enable_stream('others', shard_count => 1) <> '';
insert into others
select i, at, at at time zone 'UTC', at::date, md5(i::text)::uuid, i % 2 = 0, i / 8.0
from generate_series(1, 2000) i,
    lateral (select timestamp '1000-01-01' + i * interval '1 month' + i * i * interval '1.000375 s') t (at);
select count(*) as others,
    count(*) filter (where (new_image -> 'ts' ->> 'S')::timestamp is distinct from ts
        or new_image -> 'ts' ->> 'S' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]*[1-9])?$'
        or new_image -> 'tz' ->> 'S' is distinct from (new_image -> 'ts' ->> 'S') || '+00:00'
        or new_image -> 'd' ->> 'S' is distinct from to_char(d, 'YYYY-MM-DD')
        or new_image -> 'u' ->> 'S' is distinct from u::text
        or new_image -> 'b' ->> 'BOOL' is distinct from b::text
        or new_image -> 'f' ->> 'N' is distinct from f::text) as wrong
from test.records('others'), lateral (select (keys -> 'id' ->> 'N')::int) r (id) join others using (id);

--
-- jsonb: arrays and objects of all sizes, with offsets and without, and deep
--

create table documents (id int primary key, j jsonb);
select ddbstreams.enable_stream('documents', shard_count => 1) <> '';
insert into documents
select n, jsonb_build_object('before', n, 'object', o, 'array', a, 'z', jsonb_build_array(null, true, false, 1.50, '', '{}'::jsonb, '[]'::jsonb))
from generate_series(0, 100) n, lateral (
    select jsonb_object_agg(repeat('k', i % 20) || i, case i % 5
            when 0 then to_jsonb(i) when 1 then to_jsonb(repeat('"', i % 3) || i)
            when 2 then 'null' when 3 then jsonb_build_array(i, 'x') else jsonb_build_object('a' || i, i * 100) end),
        jsonb_agg(case i % 4 when 0 then to_jsonb(i / 8.0) when 1 then to_jsonb(repeat('y', i)) when 2 then 'true' else '{"a": [1]}' end)
    from generate_series(1, n) i) s (o, a);
insert into documents
select 1000 + depth, (repeat('[{"a": 1, "b": ', depth) || '"x"' || repeat(', "c": 2}, 3]', depth))::jsonb
from generate_series(1, 60) depth;
insert into documents values (2000, '"x"'), (2001, '1.50'), (2002, 'null'), (2003, 'true'), (2004, '[]'), (2005, '{}');
select count(*) as documents,
    count(*) filter (where (ddbstreams.unmarshal(new_image)::jsonb -> 'j') is distinct from j) as wrong
from test.records('documents'), lateral (select (keys -> 'id' ->> 'N')::int) r (id) join documents using (id);

set client_min_messages = warning;
drop schema quick_values cascade;
