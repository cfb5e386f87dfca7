-- Virtual generated columns (PostgreSQL 18): an image has the value that the
-- column had when the row was captured.

\pset format unaligned
\pset tuples_only on
\pset null 'NULL'
select current_setting('server_version_num')::int < 180000 as no_virtual_columns \gset
\if :no_virtual_columns
\quit
\endif
create schema virtual;
set search_path = virtual, public;

-- records of a table, without its key
create function story(name regclass) returns table (event text, was json, is_now json)
language sql as $$
    select event_name, old_image, new_image from test.records(name) order by sequence_number
$$;

--
-- Values
--

create table sums (id int primary key, a int, b int,
                   total int generated always as (a + b) virtual,
                   twice int generated always as (a * 2) stored,
                   label text generated always as ('<' || a || '>') virtual);
select ddbstreams.enable_stream('sums', shard_count => 1) <> '';
insert into sums values (1, 2, 3), (2, null, 3);
-- one virtual column stays, the other changes
update sums set b = 4 where id = 1;
update sums set a = 5, b = 1 where id = 1;
-- to null and back
update sums set a = null where id = 1;
update sums set a = 7 where id = 1;
update sums set id = 3 where id = 1;
update sums set b = b;
delete from sums where id = 3;
truncate sums;
select * from story('sums');
select event_name, (old_image).total, (old_image).label, (new_image).total, (new_image).label from ddbstreams.changes(null::sums);
select event_name, (new_image).* from ddbstreams.changes(null::sums) where event_name <> 'REMOVE';
select event_name, new_image, to_jsonb(old_image) from ddbstreams.changes(null::sums) limit 3;
select sum((new_image).total) from ddbstreams.changes(null::sums);
-- what is shown is what there was
insert into sums select i, i, i % 7 from generate_series(1, 100) as i;
select count(*) from ddbstreams.changes(null::sums) as c join sums as s on s.id = (c.new_image).id
where event_name = 'INSERT' and ((c.new_image).total, (c.new_image).label) = (s.total, s.label);

-- every kind of type, whatever the session's settings are
create table types (id int primary key, n numeric, t timestamptz, f float8, w text,
                    price numeric(8, 2) generated always as (n * 2) virtual,
                    day date generated always as ((t at time zone 'UTC')::date) virtual,
                    hours interval generated always as (t - timestamptz '2026-01-01 00:00:00+00') virtual,
                    half text generated always as (f::text) virtual,
                    third float8 generated always as (f / 3) virtual,
                    big bool generated always as (n > 10) virtual,
                    parts text[] generated always as (string_to_array(w, ' ')) virtual,
                    doc jsonb generated always as (('{"a": [1.50, ' || id || ']}')::jsonb) virtual,
                    raw bytea generated always as (decode(w, 'escape')) virtual,
                    span int4range generated always as (int4range(id, id + 2)) virtual,
                    is_null bool generated always as ((row(n, w)) is null) virtual,
                    source oid generated always as (tableoid) virtual);
select ddbstreams.enable_stream('types', shard_count => 1) <> '';
set datestyle = 'German, DMY';
set intervalstyle = 'sql_standard';
set extra_float_digits = -15;
set bytea_output = 'escape';
set timezone = 'Asia/Tokyo';
insert into types values (1, 5.5, '2026-03-04 23:30:00+00', 1.0 / 3, 'eins zwei');
reset all;
set search_path = virtual, public;
insert into types values (2, 5.5, '2026-03-04 23:30:00+00', 1.0 / 3, 'eins zwei'), (3, null, null, null, null);
select key, value from story('types'), json_each(is_now) where key not in ('id', 'n', 't', 'f', 'w', 'source');
select distinct is_now -> 'source' ->> 'S' = 'types'::regclass::oid::text from story('types');
select (to_jsonb(new_image) - 'source')::text = (to_jsonb(types) - 'source')::text
from ddbstreams.changes(null::types) as c join types on types.id = (c.new_image).id;

-- large ones are kept aside
create table long (id int primary key, w text,
                   wide text generated always as (repeat(w, 100000)) virtual,
                   wider text generated always as (repeat(w, 3000000)) virtual);
select ddbstreams.enable_stream('long', shard_count => 1) <> '';
insert into long values (1, 'x');
update long set w = 'yz';
delete from long;
select event, md5(was -> 'wide' ->> 'S') = md5(repeat('x', 100000)) as was_x, length(is_now -> 'wide' ->> 'S') as wide,
       length(is_now -> 'wider' ->> 'S') as wider from story('long');
select event_name, length((old_image).wide), length((new_image).wider) from ddbstreams.changes(null::long);

--
-- Values that there are not
--

create table ratios (id int primary key, a int,
                     quotient int generated always as (100 / a) virtual,
                     fine int generated always as (a + 1) virtual,
                     never int generated always as (1 / (a - a)) virtual,
                     huge text generated always as (repeat('x', a * 1000000)) virtual);
select ddbstreams.enable_stream('ratios', shard_count => 1) <> '';
insert into ratios values (1, 0);
update ratios set a = 2000;
update ratios set a = 0;
update ratios set a = 4 where id = 1;
select a, quotient from ratios;
begin;
savepoint s;
insert into ratios values (2, 0);
rollback to s;
insert into ratios values (3, 5);
commit;
select event, was -> 'quotient' as was, is_now -> 'quotient' as is_now, is_now -> 'fine' as fine, is_now -> 'never' as never,
       left(is_now -> 'huge' ->> 'S', 100) as huge
from story('ratios');
select event_name, (new_image).quotient, (new_image).fine, (new_image).never from ddbstreams.changes(null::ratios);

--
-- View types
--

create table viewed (id int primary key, a int, v int generated always as (10 / a) virtual);
select ddbstreams.enable_stream('viewed', 'KEYS_ONLY', shard_count => 1) <> '';
insert into viewed values (1, 1);
update viewed set a = 2;
delete from viewed;
select * from story('viewed');
select ddbstreams.disable_stream('viewed') <> '';
select ddbstreams.enable_stream('viewed', 'NEW_IMAGE', shard_count => 1) <> '';
insert into viewed values (1, 1);
update viewed set a = 2;
delete from viewed;
select * from story('viewed');
select ddbstreams.disable_stream('viewed') <> '';
select ddbstreams.enable_stream('viewed', 'OLD_IMAGE', shard_count => 1) <> '';
insert into viewed values (1, 1);
update viewed set a = 2;
delete from viewed;
select * from story('viewed');

--
-- The definition changes: for later records
--

create table changing (id int primary key, a int);
select ddbstreams.enable_stream('changing', shard_count => 1) <> '';
insert into changing values (1, 1);
alter table changing add column v int generated always as (a + 1) virtual;
update changing set a = 2;
alter table changing alter column v set expression as (a * 100);
update changing set a = 3;
begin;
alter table changing alter column v set expression as (-a);
update changing set a = 4;
rollback;
update changing set a = 5;
alter table changing rename column v to w;
alter table changing alter column w type bigint;
update changing set a = 6;
alter table changing drop column w;
update changing set a = 7;
select * from story('changing');
alter table changing add column v text;
select event_name, old_image, new_image from ddbstreams.changes(null::changing);

--
-- Partitions: the root's expression is what the stream's table shows
--

create table parts (id int, a int, v int generated always as (a + 1) virtual, primary key (id)) partition by range (id);
create table other_order (v int generated always as (a * 10) virtual, gone int, a int, id int not null primary key);
alter table other_order drop column gone;
alter table parts attach partition other_order for values from (0) to (10);
create table part_2 partition of parts for values from (10) to (20);
select ddbstreams.enable_stream('parts', shard_count => 1) <> '';
insert into parts values (1, 1), (11, 1);
insert into other_order (a, id) values (2, 2);
update parts set a = 3 where id in (2, 11);
update parts set id = 12 where id = 2;
-- without the partitions, and not announced to them
alter table only parts alter column v set expression as (-a);
update other_order set a = 5 where id = 1;
truncate other_order;
select * from story('parts');
select event_name, (old_image).v, (new_image).v from ddbstreams.changes(null::parts);

--
-- By other triggers, and in a function's exception block
--

create table origin (id int primary key, a int, v int generated always as (12 / a) virtual);
create table follower (id int primary key references origin on delete cascade on update cascade, a int,
                       v int generated always as (12 / a) virtual);
select ddbstreams.enable_stream('origin', shard_count => 1) <> '', ddbstreams.enable_stream('follower', shard_count => 1) <> '';
create function follow() returns trigger language plpgsql as $$
begin
    insert into follower values (new.id, new.a);
    begin
        insert into follower values (-new.id, 0);
    exception when foreign_key_violation then
        raise notice 'undone';
    end;
    return null;
end $$;
alter table follower alter constraint follower_id_fkey not deferrable;
create trigger follow after insert on origin for each row execute function follow();
insert into origin values (1, 3), (2, 0);
update origin set id = id + 10;
delete from origin;
select * from story('origin');
select * from story('follower');

\set VERBOSITY terse
drop schema virtual cascade;
