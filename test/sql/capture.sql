-- Capture: every way of changing a row, and what it makes.
--
-- To see it fail: test/mutations/run savepoint-not-cut.

-- settings that the output below depends on
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema capture;
set search_path = capture, public;
set timezone = 'UTC';

-- The records since the last call, as plain JSON.
create table seen (table_name regclass primary key, number text);
create function news(name regclass)
returns table (event_name text, new_image json, old_image json)
language plpgsql as $$
declare
    last text := (select number from capture.seen where table_name = name);
begin
    return query
        select r.event_name,
               case when r.new_image is not null then ddbstreams.unmarshal(r.new_image)
                    when r.old_image is null then ddbstreams.unmarshal(r.keys) end,
               case when r.old_image is not null then ddbstreams.unmarshal(r.old_image) end
        from test.records(name) as r where last is null or sequence_number > last;
    insert into capture.seen select name, max(sequence_number) from test.records(name)
    on conflict (table_name) do update set number = excluded.number;
end
$$;

--
-- Statements
--

create table t (id int primary key, v text default 'd', n int);
select ddbstreams.enable_stream('t', shard_count => 1) <> '';

insert into t values (1, 'a', 1), (2, 'b', 2), (3, default, 3);
select * from news('t');
update t set v = v || '!' where id < 3;
select * from news('t');
delete from t where id = 2;
select * from news('t');
copy t from stdin;
4	four	4
5	\N	\N
\.
copy t (id, n) from stdin with (freeze false);
6	6
\.
select * from news('t');

-- an upsert that inserts, updates, changes nothing, does nothing
insert into t values (7, 'x', 7) on conflict (id) do update set v = excluded.v;
insert into t values (7, 'y', 7) on conflict (id) do update set v = excluded.v;
insert into t values (7, 'y', 7) on conflict (id) do update set v = excluded.v;
insert into t values (7, 'z', 7) on conflict do nothing;
insert into t values (7, 'z', 7) on conflict (id) do update set v = excluded.v where false;
select * from news('t');

-- MERGE
merge into t using (values (7, 'merged'), (8, 'new'), (6, 'drop')) as s (id, v) on t.id = s.id
when matched and s.v = 'drop' then delete
when matched then update set v = s.v
when not matched then insert values (s.id, s.v, 0);
select * from news('t') order by coalesce(new_image->>'id', old_image->>'id');

-- a data-modifying WITH, SELECT INTO a cursor's row
with moved as (delete from t where id in (3, 4) returning id, v)
insert into t select id + 100, v, 0 from moved;
select * from news('t') order by coalesce(new_image->>'id', old_image->>'id');
begin;
declare c cursor for select * from t where id = 1 for update;
fetch c;
update t set n = 100 where current of c;
delete from t where current of c;
commit;
select * from news('t');

-- an update that changes nothing makes no record
update t set v = v, n = n;
update t set v = v || '';
update t set n = null where id = 5;
select count(*) from news('t');
-- values that are equal but not the same are a change
create table same (id int primary key, n numeric, d float8, t text collate "C");
select ddbstreams.enable_stream('same', shard_count => 1) <> '';
insert into same values (1, 1.5, 0, 'a');
update same set n = 1.50;
update same set d = '-0';
update same set n = 1.50, d = '-0';
select * from news('same');

-- a change of the key
update t set id = 70 where id = 7;
select * from news('t');
update t set id = id where id = 70;
update t set id = 71, v = 'moved' where id = 70;
select * from news('t');
-- keys that are exchanged within one statement, by way of a deferred check of
-- another kind: not possible with a key that is checked at once
select test.fails('update t set id = 103 where id = 104');

-- TRUNCATE: a REMOVE of each row
select count(*) from t;
truncate t;
select * from news('t') order by old_image->>'id';
truncate t;
select count(*) from news('t');
insert into t values (1), (2);
begin;
truncate t;
insert into t values (1, 'again');
truncate t restart identity;
insert into t values (1, 'at last');
commit;
select * from news('t');
begin;
truncate t;
rollback;
select count(*) from news('t');

--
-- Transactions
--

-- own-transaction enabling: from the return of enable_stream on
begin;
create table own (id int primary key, v text);
insert into own values (1, 'before');
select ddbstreams.enable_stream('own', shard_count => 1) <> '';
insert into own values (2, 'after');
update own set v = 'updated' where id = 1;
-- nothing is there before the commit
select count(*) from test.records('own');
commit;
select * from news('own');
-- changes before enable_stream in the same transaction
begin;
create table own2 (id int primary key);
insert into own2 values (1);
savepoint s;
select ddbstreams.enable_stream('own2', shard_count => 1) <> '';
insert into own2 values (2);
rollback to s;
insert into own2 values (3);
select ddbstreams.enable_stream('own2', shard_count => 1) <> '';
insert into own2 values (4);
commit;
select * from news('own2');

-- savepoints
begin;
insert into t values (10, 'kept');
savepoint a;
insert into t values (11, 'lost');
savepoint b;
insert into t values (12, 'lost');
release b;
rollback to a;
insert into t values (13, 'kept');
savepoint c;
update t set v = 'kept, too' where id = 13;
release c;
rollback to a;
insert into t values (14, 'kept');
savepoint d;
insert into t values (15, 'kept');
release d;
commit;
select * from news('t');
-- exception blocks
do $$
begin
    for i in 20..25 loop
        begin
            insert into capture.t values (i, 'block');
            if i % 2 = 0 then
                raise exception 'no';
            end if;
        exception when raise_exception then null;
        end;
    end loop;
end $$;
select * from news('t');
begin;
insert into t values (30);
rollback;
select count(*) from news('t');
-- a failing statement, and a failing commit
insert into t values (31), (32), (1);
select count(*) from news('t');
create table parent (id int primary key);
create table deferred (id int primary key references parent deferrable initially deferred);
select ddbstreams.enable_stream('deferred', shard_count => 1) <> '';
insert into deferred values (1);
select count(*) from news('deferred');
-- records of one transaction have its id
insert into t values (50), (51);
select count(distinct transaction_id), min(transaction_id)::text = (select xmin::text from t where id = 50) as xid
from test.records('t') where keys->'id'->>'N' in ('50', '51');
-- procedures that commit
create procedure commits() language plpgsql as $$
begin
    for i in 60..65 loop
        insert into capture.t values (i, 'call');
        if i % 2 = 0 then commit; else rollback; end if;
    end loop;
end $$;
call commits();
select * from news('t');

--
-- View types
--

create table keys_only (a int, b text, v text, w int, primary key (b, a));
create table new_image (like keys_only including all);
create table old_image (like keys_only including all);
create table full_images (like keys_only including all);
select ddbstreams.enable_stream('keys_only', 'KEYS_ONLY', 1) <> '',
       ddbstreams.enable_stream('new_image', 'NEW_IMAGE', 1) <> '',
       ddbstreams.enable_stream('old_image', 'OLD_IMAGE', 1) <> '',
       ddbstreams.enable_stream('full_images', 'NEW_AND_OLD_IMAGES', 1) <> '';
do $$
declare
    name text;
begin
    foreach name in array array['keys_only', 'new_image', 'old_image', 'full_images'] loop
        execute format('insert into capture.%I values (1, ''k'', ''v'', 2)', name);
        execute format('update capture.%I set v = ''w''', name);
        execute format('update capture.%I set v = ''w'', w = null', name);
        execute format('update capture.%I set v = ''w''', name);
        execute format('update capture.%I set a = 2', name);
        execute format('delete from capture.%I', name);
    end loop;
end $$;
select event_name, keys, new_image, old_image, size_bytes from test.records('keys_only');
select event_name, keys, new_image, old_image, size_bytes from test.records('new_image');
select event_name, keys, new_image, old_image, size_bytes from test.records('old_image');
select event_name, keys, new_image, old_image, size_bytes from test.records('full_images');
select distinct stream_view_type
from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('old_image')) as s,
     ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('old_image'), s.shard_id, 'TRIM_HORIZON'));
-- the constant columns
select distinct event_version, event_source, aws_region, user_identity is null as no_identity,
       event_id ~ '^[0-9a-f]{32}$' as id_form, sequence_number ~ '^\d{21}$' as number_form,
       approximate_creation_date_time between now() - interval '1 hour' and clock_timestamp() as recent
from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('full_images')) as s,
     ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('full_images'), s.shard_id, 'TRIM_HORIZON'));
-- a table that is nothing but its key
create table only_key (a int, b int, primary key (a, b));
select ddbstreams.enable_stream('only_key', shard_count => 1) <> '';
insert into only_key values (1, 1);
update only_key set a = a;
update only_key set b = 2;
delete from only_key;
select event_name, keys, new_image, old_image from test.records('only_key');

--
-- Foreign keys
--

create table author (id int primary key);
create table book (id int primary key, author int references author on delete cascade on update cascade);
create table note (id int primary key, book int default 0 references book on delete set null);
create table mark (id int primary key, book int default 0 references book on delete set default);
select ddbstreams.enable_stream('author', shard_count => 1) <> '',
       ddbstreams.enable_stream('book', shard_count => 1) <> '',
       ddbstreams.enable_stream('note', shard_count => 1) <> '',
       ddbstreams.enable_stream('mark', shard_count => 1) <> '';
insert into author values (1), (2);
insert into book values (0, null), (10, 1), (11, 1), (20, 2);
insert into note values (100, 10);
insert into mark values (100, 11);
select count(*) from news('author');
select count(*) from news('book');
select count(*) from news('note');
select count(*) from news('mark');
update author set id = 3 where id = 2;
select * from news('book');
delete from author where id = 1;
select 'author', * from news('author');
select 'book', * from news('book');
select 'note', * from news('note');
select 'mark', * from news('mark');
-- TRUNCATE … CASCADE reaches tables that it does not name
insert into note values (101, 20);
truncate author cascade;
select 'author', * from news('author');
select 'book', * from news('book');
select 'note', * from news('note');
select 'mark', * from news('mark');

-- A trigger that fires behind the capture of a TRUNCATE must not change the
-- table: its rows would go without a REMOVE
create table emptied (id int primary key, by text);
create table beside (id int primary key);
select ddbstreams.enable_stream('emptied', shard_count => 1) <> '', ddbstreams.enable_stream('beside', shard_count => 1) <> '';
create function fill() returns trigger language plpgsql as $$
begin
    insert into capture.emptied values (10 * pg_trigger_depth() + (select count(*) from capture.emptied), tg_name);
    return null;
end $$;
create trigger behind before truncate on emptied for each statement execute function fill();
create trigger zzz before truncate on emptied for each statement execute function fill();
select test.fails('truncate capture.emptied');
drop trigger zzz on emptied;
create trigger zzz before truncate on beside for each statement execute function fill();
select test.fails('truncate capture.emptied, capture.beside');
truncate beside;
create trigger last after truncate on emptied for each statement execute function fill();
truncate beside, emptied;
begin;
savepoint s;
truncate emptied, beside;
rollback to s;
insert into emptied values (1, 'after an error');
truncate emptied;
commit;
select event_name, coalesce(new_image, old_image)->'by'->>'S' as by from test.records('emptied');
select * from emptied;

--
-- Columns
--

-- generated columns, identity, defaults
create table generated (id int generated always as identity primary key, a int, twice int generated always as (a * 2) stored);
select ddbstreams.enable_stream('generated', shard_count => 1) <> '';
insert into generated (a) values (1), (2);
update generated set a = 10 where id = 1;
select * from news('generated');
-- missing values of added columns, dropped columns
create table grown (id int primary key, gone text, stays text);
insert into grown values (1, 'gone', 'stays');
alter table grown add column added int default 7, add column nothing int, add column "text" text default 'missing';
select ddbstreams.enable_stream('grown', shard_count => 1) <> '';
update grown set stays = 'changed';
alter table grown drop column gone;
update grown set stays = 'changed again';
alter table grown add column more bool default true;
update grown set added = 8;
alter table grown alter column more set default false;
insert into grown (id) values (2);
update grown set more = true where id = 1;
delete from grown;
select * from news('grown');

-- compressed and toasted values, changed and not
create table big (id int primary key, a text, b text, c text, n int);
alter table big alter column b set storage external, alter column c set storage main;
select ddbstreams.enable_stream('big', shard_count => 1) <> '';
insert into big values (1, repeat('a', 100000), repeat('b', 100000), repeat('c', 100000), 1);
insert into big values (2, repeat('a', 1000), repeat('b', 3000), repeat('c', 1500), 1);
update big set n = 2;
update big set a = repeat('A', 100000) where id = 1;
update big set b = repeat('b', 100000) where id = 1;
update big set a = a || '' , b = b || '', c = c || '';
update big set id = id + 10;
delete from big;
select event_name, keys->'id'->>'N' as id, new_image->'n'->>'N' as n,
       left(new_image->'a'->>'S', 1) as new_a, length(new_image->'a'->>'S') as length,
       length(new_image->'b'->>'S') as b, length(new_image->'c'->>'S') as c,
       left(old_image->'a'->>'S', 1) as old_a, length(old_image->'a'->>'S') as length,
       length(old_image->'b'->>'S') as b, length(old_image->'c'->>'S') as c, size_bytes
from test.records('big');
select md5(string_agg(coalesce(new_image->'b'->>'S', '') || coalesce(old_image->'c'->>'S', ''), ',' order by sequence_number))
       = md5(string_agg(case event_name when 'REMOVE' then '' else repeat('b', 100000) end ||
                        case event_name when 'INSERT' then '' else repeat('c', 100000) end, ',' order by sequence_number)) as intact
from test.records('big') where keys->'id'->>'N' in ('1', '11');

--
-- Triggers
--

-- BEFORE triggers have had their say
create table before (id int primary key, v int);
create function before() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then return case when old.v < 0 then null else old end; end if;
    new.v := new.v + 1;
    return case when new.v > 100 then null else new end;
end $$;
create trigger before before insert or update or delete on before for each row execute function before();
select ddbstreams.enable_stream('before', shard_count => 1) <> '';
insert into before values (1, 1), (2, 100), (3, -10);
update before set v = v - 1;
delete from before;
select * from news('before');

-- A user's AFTER trigger that changes rows of the statement that fired it: its
-- changes come before the statement's own are captured. The last record of
-- each key must be what the table holds.
create table ordered (id int primary key, v int, total int default 0);
create function bump() returns trigger language plpgsql as $$
begin
    if new.v < 3 then
        update capture.ordered set v = v + 1 where id = new.id;
        update capture.ordered set total = total + 1 where id = 1 and new.id <> 1;
    end if;
    return null;
end $$;
create trigger aaa after insert or update of v on ordered for each row execute function bump();
select ddbstreams.enable_stream('ordered', shard_count => 1) <> '';
insert into ordered values (1, 0), (2, 1), (3, 2);
select * from news('ordered') where coalesce(new_image, old_image)->>'id' = '1';
update ordered set v = 0 where id > 1;
create view last as
    select distinct on (keys->'id'->>'N') event_name, new_image
    from test.records('capture.ordered') order by keys->'id'->>'N', sequence_number desc;
select event_name, ddbstreams.unmarshal(new_image), to_json(o)::text::jsonb = ddbstreams.unmarshal(new_image)::jsonb as same
from last, ordered as o where id = (new_image->'id'->>'N')::int order by id;
-- each record's old image is the one before's new image
create function broken(name regclass) returns table (keys json, event_name text, new_image json, old_image json, previous json)
language sql as $$
    select keys, event_name, new_image, old_image, previous
    from (select *, lag(new_image) over (partition by keys::text order by sequence_number) as previous
          from test.records(name)) as r
    where previous::text is distinct from old_image::text
$$;
select * from broken('ordered');
-- the trigger deletes, or moves the key, or inserts the key anew
create table restless (id int primary key, v int);
create function restless() returns trigger language plpgsql as $$
begin
    case new.v
        when 1 then delete from capture.restless where id = new.id;
        when 2 then update capture.restless set id = id + 100, v = 0 where id = new.id;
        when 3 then delete from capture.restless where id = new.id;
                    insert into capture.restless values (new.id, 0);
        when 4 then update capture.restless set v = 2 where id = new.id;
        when 5 then update capture.restless set v = 0 where id in (50, 51, 52);
        else null;
    end case;
    return null;
end $$;
create trigger aaa after insert or update on restless for each row execute function restless();
select ddbstreams.enable_stream('restless', shard_count => 1) <> '';
insert into restless values (1, 1), (2, 2), (3, 3), (4, 4), (50, 5), (51, 0), (52, 9);
select * from restless order by id;
-- a change of the key is a REMOVE and then an INSERT
select event_name, keys, new_image->'v'->>'N' as new, old_image->'v'->>'N' as old from test.records('restless')
order by (keys->'id'->>'N')::int % 100, sequence_number;
select * from broken('restless');
begin;
update restless set v = v + 1 where id in (50, 51, 52);
update restless set v = 3 where id = 51;
update restless set v = 5 where id = 50;
savepoint s;
update restless set v = 1 where id = 52;
rollback to s;
delete from restless where id = 3;
insert into restless values (3, 3);
commit;
select * from broken('restless');
select * from restless order by id;
select (new_image->>'id')::int as id, (new_image->>'v')::int as v
from (select distinct on (keys->'id'->>'N') event_name, case when new_image is not null then ddbstreams.unmarshal(new_image) end as new_image
      from test.records('restless') order by keys->'id'->>'N', sequence_number desc) as l
where event_name <> 'REMOVE' order by 1;

-- TRUNCATE and a rewrite give row versions' places anew; what came before
-- still comes first
create table replaced (id int primary key, v int);
create function negative() returns trigger language plpgsql as $$
begin
    if new.v < 0 then
        update capture.replaced set v = -new.v where id = new.id;
    end if;
    return null;
end $$;
create trigger aaa after insert or update on replaced for each row execute function negative();
select ddbstreams.enable_stream('replaced', shard_count => 1) <> '';
insert into replaced values (1, 1), (2, 2);
select count(*) from news('replaced');
begin;
truncate replaced;
insert into replaced values (1, 10), (2, 20);
insert into replaced values (3, -3);
commit;
select event_name, keys, new_image->'v'->>'N' as new, old_image->'v'->>'N' as old from test.records('replaced')
offset 2;
begin;
delete from replaced where id = 2;
insert into replaced values (2, 200);
update replaced set v = 11 where id = 1;
update replaced set v = 12 where id = 1;
alter table replaced add x float8 default random();
update replaced set v = 13, x = 0 where id = 1;
update replaced set v = 201, x = 0 where id = 2;
insert into replaced values (4, -4, 0);
commit;
select event_name, keys, new_image->'v'->>'N' as new, old_image->'v'->>'N' as old from test.records('replaced')
order by keys->'id'->>'N', sequence_number;

-- constraint triggers at commit
create table late (id int primary key, v int);
create function late() returns trigger language plpgsql as $$
begin
    if new.v < 3 then
        update capture.late set v = v + 1 where id = new.id;
    end if;
    return null;
end $$;
create constraint trigger late after insert or update on late deferrable initially deferred
    for each row execute function late();
select ddbstreams.enable_stream('late', shard_count => 1) <> '';
insert into late values (1, 0);
begin;
insert into late values (2, 0);
delete from late where id = 1;
commit;
select * from news('late');
select * from broken('late');

-- statement triggers with transition tables; a log table that is captured, too
create table log (id int generated always as identity primary key, what text);
create function log() returns trigger language plpgsql as $$
begin
    insert into capture.log (what) select v::text from new_rows;
    return null;
end $$;
create trigger log after update on late referencing new table as new_rows for each statement execute function log();
select ddbstreams.enable_stream('log', shard_count => 1) <> '';
update late set v = 10;
select * from news('log');

--
-- Whoever does it
--

-- session_replication_role
set session_replication_role = replica;
insert into t values (200, 'replica');
truncate t;
insert into t values (201, 'replica');
set session_replication_role = local;
insert into t values (202, 'local');
reset session_replication_role;
select count(*) > 10 from news('t') where event_name = 'REMOVE';
select * from test.plain('t') where new_image->>'v' in ('replica', 'local');

-- a writer who has no privilege on anything of ddbstreams
create role regress_capture_writer;
grant usage on schema capture to regress_capture_writer;
grant insert, update, delete, truncate on t to regress_capture_writer;
grant select (id) on t to regress_capture_writer;
revoke usage on schema ddbstreams from public;
revoke execute on all functions in schema ddbstreams from public;
set role regress_capture_writer;
insert into t values (300, 'writer');
update t set v = 'written' where id = 300;
delete from t where id = 300;
insert into t values (301, 'truncated');
truncate t;
select test.fails($$ select ddbstreams.list_streams() $$);
reset role;
grant usage on schema ddbstreams to public;
grant execute on all functions in schema ddbstreams to public;
select * from test.plain('t') where coalesce(new_image, old_image)->>'id' in ('300', '301');
-- a security-restricted one
create function writes() returns void language sql security definer set search_path = '' as $$
    insert into capture.t values (302, 'definer')
$$;
select writes();
select * from test.plain('t') where new_image->>'id' = '302';

-- names that hide PostgreSQL's own
create schema hides;
create function hides.hashint4extended(int, bigint) returns bigint language sql as 'select 1/0::bigint';
create function hides.int4eq(int, int) returns bool language sql as 'select true';
create operator hides.= (leftarg = int, rightarg = int, function = hides.int4eq);
create table hides.pg_class (id int primary key);
create type hides.text as enum ('no');
set search_path = hides, pg_catalog;
insert into capture.t values (400, 'hidden');
update capture.t set v = 'hidden, too' where id operator(pg_catalog.=) 400;
set search_path = '';
insert into capture.t values (401, 'empty path');
create function pg_temp.hashint4extended(int, bigint) returns bigint language sql as 'select 1/0::bigint';
set search_path = pg_temp, pg_catalog;
insert into capture.t values (402, 'temporary path');
set search_path = capture, public;
select * from test.plain('t') where coalesce(new_image, old_image)->>'id' in ('400', '401', '402');

-- buffer memory: a spilled transaction is the same
set ddbstreams.buffer_memory = '64kB';
begin;
insert into t select i, repeat('s', 100), i from generate_series(1000, 1999) as i;
savepoint s;
insert into t select i, repeat('x', 1000), i from generate_series(2000, 2999) as i;
rollback to s;
update t set n = 0 where id between 1000 and 1999;
savepoint s;
delete from t where id between 1500 and 1999;
release s;
commit;
reset ddbstreams.buffer_memory;
select event_name, count(*), sum((coalesce(new_image, old_image)->>'id')::int) from news('t')
where coalesce(new_image, old_image)->>'id' ~ '^....$' group by 1 order by 1;
select count(*) from broken('t') as b where (keys->'id'->>'N')::int >= 1000;

\set VERBOSITY terse
set client_min_messages = warning;
drop schema capture, hides cascade;
drop role regress_capture_writer;
