-- What is dropped beside a table: types, roles. (Tables, schemas and the
-- extension: guards.sql; test/isolation/specs/drop.spec, extension.spec.)
--
-- To see it fail: test/mutations/run captured-relations-leak.

-- settings that the output below depends on
set quote_all_identifiers = off;

\pset format unaligned
\pset tuples_only on
create schema dropping;
set search_path = dropping, public;
set client_min_messages = warning;
\set VERBOSITY terse

--
-- Types
--

create type mood as enum ('sad', 'happy');
create type pair as (a int, b mood);
create domain small as int check (value < 100);
create table t (id int primary key, m mood, p pair, s small, ms mood[], v text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1, 'happy', row (1, 'sad'), 7, array['sad', 'happy']::mood[], 'first');
select new_image as before from test.records('t') \gset
-- in one transaction with changes, before and after
begin;
insert into t values (2, 'sad', row (2, 'happy'), 8, '{}', 'second');
drop type mood cascade;
insert into t values (3, row (3), 9, 'third');
commit;
drop type pair cascade;
drop domain small cascade;
insert into t values (4, 'fourth');
update t set v = upper(v);
select event_name, new_image, old_image from test.records('t');
select new_image::text = :'before' as as_it_was from test.records('t') limit 1;
select event_name, old_image, new_image from ddbstreams.changes(null::t);
-- a type of the key takes the key along
create type code as enum ('x', 'y');
create table k (id int, c code, v text, primary key (id, c));
select ddbstreams.enable_stream('k', shard_count => 1) as arn_k \gset
insert into k values (1, 'x', 'v');
select test.fails('drop type code cascade');
insert into k values (2, 'y', 'w');
begin;
select ddbstreams.disable_stream('k') = :'arn_k';
drop type code cascade;
commit;
select event_name, keys, new_image from test.records('k');

--
-- Roles
--

create role regress_drop_owner;
create role regress_drop_heir;
grant usage, create on schema dropping to regress_drop_owner, regress_drop_heir;
set role regress_drop_owner;
create table r1 (id int primary key);
create table r2 (id int primary key);
create table r3 (id int primary key);
select ddbstreams.enable_stream('r1', shard_count => 1) as arn1,
       ddbstreams.enable_stream('r2', shard_count => 1) as arn2,
       ddbstreams.enable_stream('r3', shard_count => 1) as arn3 \gset
insert into r1 values (1);
insert into r2 values (1);
insert into r3 values (1);
drop table r1;
reset role;
-- REASSIGN OWNED: the table's new owner has its stream, not that of a dropped one
reassign owned by regress_drop_owner to regress_drop_heir;
set role regress_drop_heir;
select event_name, keys from test.records('r2');
select ddbstreams.alter_stream(:'arn2', '2 days') is null;
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn1'));
insert into r2 values (2);
drop table r3;
reset role;
set role regress_drop_owner;
select table_name from ddbstreams.list_streams() where stream_arn in (:'arn1', :'arn2', :'arn3');
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn2'));
reset role;
-- dropped with all that it owned: a superuser reads what is left
begin;
insert into r2 values (3);
drop owned by regress_drop_heir;
commit;
drop owned by regress_drop_owner;
drop role regress_drop_heir, regress_drop_owner;
create role regress_drop_owner;
create role regress_drop_heir;
set role regress_drop_heir;
select count(*) from ddbstreams.list_streams() where stream_arn in (:'arn1', :'arn2', :'arn3');
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn2'));
reset role;
select event_name, keys from test.records(null, :'arn1')
union all select event_name, keys from test.records(null, :'arn2')
union all select event_name, keys from test.records(null, :'arn3');
select table_name, stream_status, count(*) over () from ddbstreams.list_streams()
where stream_arn in (:'arn1', :'arn2', :'arn3') order by 1;
drop role regress_drop_heir, regress_drop_owner;

--
-- What a dump would say of streams that are gone, and of one that is there
--

select count(*) from pg_trigger where tgname = 'ddbstreams_capture' and tgrelid = 'k'::regclass and tgnargs > 0;
select pg_get_triggerdef(oid) from pg_trigger where tgname = 'ddbstreams_capture' and tgrelid = 't'::regclass;
alter table t rename id to "the id";
select ddbstreams.alter_stream(:'arn', '90 minutes') is null;
select pg_get_triggerdef(oid) from pg_trigger where tgname = 'ddbstreams_capture' and tgrelid = 't'::regclass;
begin;
select ddbstreams.alter_stream(:'arn', '3 days') is null;
rollback;
-- it is nobody's to change by hand
create or replace trigger ddbstreams_capture after insert or update or delete on t
    for each row execute function ddbstreams.capture('shard_count=9', 'nonsense');
select pg_get_triggerdef(oid), tgenabled from pg_trigger where tgname = 'ddbstreams_capture' and tgrelid = 't'::regclass;
select count(*) from pg_depend where deptype = 'x' and classid = 'pg_trigger'::regclass
and objid in (select oid from pg_trigger where tgrelid = 't'::regclass);
select ddbstreams.disable_stream('t') = :'arn';
select pg_get_triggerdef(oid), tgenabled from pg_trigger where tgname = 'ddbstreams_capture' and tgrelid = 't'::regclass;

-- A session that makes, uses and drops captured tables does not grow
create procedure make_and_drop(n int) language plpgsql as $$
begin
    for i in 1..n loop
        create table brief (id int primary key, v text);
        perform ddbstreams.enable_stream('brief', shard_count => 1);
        insert into brief values (1, 'x');
        commit;
        drop table brief;
        commit;
    end loop;
end $$;
call make_and_drop(30);
select count(*) from pg_backend_memory_contexts where name = 'ddbstreams captured relation';
drop procedure make_and_drop;

drop schema dropping cascade;
