-- Guards against losing capture, or a shard, unseen.

-- settings that the output below depends on
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema guards;
set search_path = guards, public;

create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1, 'a'), (2, repeat('b', 100000));
select shard_table as shard from ddbstreams.describe_stream(:'arn') \gset
select replace(:'shard', 'shard_', 'side_') as side \gset

--
-- Shards are not changed by SQL, by a superuser either
--

select test.fails(format('insert into %s select * from %1$s', :'shard'));
select test.fails(format('insert into %s select * from %1$s where false', :'shard'));
select test.fails(format('insert into %s default values', :'shard'));
select test.fails(format('update %s set %I = %2$I', :'shard', (select attname from pg_attribute where attrelid = :'shard'::regclass and attnum = 1)));
select test.fails(format('delete from %s', :'shard'));
select test.fails(format('truncate %s', :'shard'));
select test.fails(format('delete from %s', :'side'));
select test.fails(format('truncate %s', :'side'));
set session_replication_role = replica;
select test.fails(format('delete from %s', :'shard'));
select test.fails(format('truncate %s', :'shard'));
reset session_replication_role;
select test.fails(format('drop table %s', :'shard'));
select test.fails(format('drop table %s cascade', :'shard'));
select test.fails('drop schema ddbstreams_shards cascade');
select test.fails('drop schema ddbstreams');
select test.fails('drop function ddbstreams.capture() cascade');
-- but they are maintained, and stay in order
vacuum full :shard;
vacuum (freeze) :shard;
analyze :shard;
select event_name, left(new_image->>'v', 1), length(new_image->>'v') from test.plain('t');
insert into t values (3, 'after');
select event_name, keys from test.records('t');

--
-- Triggers
--

select test.fails('alter table t disable trigger ddbstreams_capture');
select test.fails('alter table t disable trigger all');
select test.fails('alter table t disable trigger user');
select test.fails('alter table t enable replica trigger ddbstreams_capture');
select test.fails('drop trigger ddbstreams_capture on t');
select test.fails('drop trigger ddbstreams_capture_truncate on t');
select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass and not tgisinternal order by 1;
alter table t enable trigger all;
alter table t enable trigger user;
alter table t enable trigger ddbstreams_capture;
select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass and not tgisinternal order by 1;
-- a new name would hide a trigger from all of this
begin;
select test.fails('alter trigger ddbstreams_capture on t rename to mine') ~ '^55006: .*disable_stream' as refused;
rollback;
begin;
select test.fails('alter trigger ddbstreams_capture_truncate on t rename to mine') ~ '^55006: .*disable_stream' as refused;
rollback;
select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass and not tgisinternal order by 1;
insert into t values (4);
select event_name, keys from test.records('t') offset 3;
-- within a transaction that puts it right, the command is refused just the same
begin;
alter table t disable trigger user;
rollback;

--
-- Key and persistence
--

select test.fails('alter table t drop constraint t_pkey');
select test.fails('alter table t drop column id');
select test.fails('alter table t drop column id cascade');
select test.fails('alter table t set unlogged');
select test.fails('alter table t alter id type bigint');
select test.fails('alter table t alter id type text');
select test.fails('alter table t drop constraint t_pkey, add primary key (id, v)');
-- the same key by another name, or by another index, is no loss
alter table t drop constraint t_pkey, add constraint t_key primary key (id);
create unique index t_other on t (id);
alter table t drop constraint t_key, add constraint t_pkey primary key using index t_other;
insert into t values (5);
-- a key column's new name is known at once
alter table t rename column id to "ID";
insert into t values (6);
select event_name, keys from test.records('t') offset 4;
alter table t rename column "ID" to id;
alter table t rename to renamed;
insert into renamed values (7);
alter table renamed set schema public;
insert into public.renamed values (8);
alter table public.renamed set schema guards;
select event_name, keys from test.records('renamed') offset 6;
select table_name from ddbstreams.list_streams('renamed');
alter table renamed rename to t;
-- rewrites make no records
alter table t alter v type varchar(200000);
alter table t add volatile float8 default random();
alter table t drop volatile;
vacuum full t;
cluster t using t_pkey;
select count(*) from test.records('t');
update t set v = 'z' where id = 1;
select event_name, new_image from test.records('t') offset 8;

-- once it is disabled nothing is refused
select ddbstreams.disable_stream('t') = :'arn';
-- (pg_restore --disable-triggers does this)
alter table t disable trigger all;
alter table t enable trigger all;
insert into t values (9);
truncate t;
insert into t values (9, 'i');
select count(*) from test.records('t');
alter table t set unlogged;
alter table t set logged;
alter table t drop constraint t_pkey, add primary key (v, id);
select ddbstreams.enable_stream('t', shard_count => 1) as arn2 \gset
insert into t values (10, 'k');
select event_name, keys from test.records('t');

--
-- Dropping
--

-- changes of the dropping transaction are included
begin;
insert into t values (11, 'l');
delete from t where id = 10;
drop table t;
select stream_status from ddbstreams.list_streams() where stream_arn = :'arn2';
commit;
select event_name, keys from test.records(null, :'arn2');
select count(*) from test.records(null, :'arn2', page_size => 1);
select stream_status from ddbstreams.list_streams() where stream_arn = :'arn2';
select ending_sequence_number = (select max(sequence_number) from test.records(null, :'arn2')) as ended from ddbstreams.describe_stream(:'arn2');
-- a drop that is rolled back
create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
begin;
drop table t;
rollback;
begin;
insert into t values (1);
savepoint s;
insert into t values (2);
drop table t;
rollback to s;
insert into t values (3);
commit;
select event_name, keys from test.records('t');
-- DROP SCHEMA, DROP OWNED; enabled, changed and dropped in one transaction
create schema inner_schema;
create table inner_schema.a (id int primary key);
create table inner_schema.b (id int primary key) partition by range (id);
create table inner_schema.b1 partition of inner_schema.b for values from (0) to (10);
select ddbstreams.enable_stream('inner_schema.a', shard_count => 1) as arna,
       ddbstreams.enable_stream('inner_schema.b', shard_count => 1) as arnb \gset
begin;
insert into inner_schema.a values (1);
insert into inner_schema.b values (1);
\set VERBOSITY terse
drop schema inner_schema cascade;
\set VERBOSITY default
commit;
select event_name, keys from test.records(null, :'arna') union all select event_name, keys from test.records(null, :'arnb');
begin;
create table brief (id int primary key);
select ddbstreams.enable_stream('brief', shard_count => 1) as arn_brief \gset
insert into brief values (1);
drop table brief;
commit;
select table_name, stream_status from ddbstreams.list_streams() where stream_arn = :'arn_brief';
select event_name, keys from test.records(null, :'arn_brief');
begin;
drop table t;
create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', shard_count => 1) <> '';
insert into t values (1);
commit;
select event_name, keys from test.records('t');
-- a partition, with changes, in the same transaction
create table p (id int primary key) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
select ddbstreams.enable_stream('p', shard_count => 1) as arn \gset
begin;
insert into p values (1), (11);
drop table p1;
alter table p detach partition p2;
insert into p2 values (12);
commit;
select event_name, keys from test.records('p');
select stream_status from ddbstreams.list_streams('p');

--
-- DROP EXTENSION, without CASCADE, leaves nothing behind
--

select count(*) > 5 as streams from ddbstreams.list_streams();
begin;
insert into t values (2);
drop extension ddbstreams;
insert into t values (3);
commit;
select id from t;
select 'pg_trigger', tgrelid::regclass, tgname from pg_trigger where tgname like 'ddbstreams%'
union all
select 'pg_class', oid, relname from pg_class where relname like 'ddbstreams%' or relnamespace not in (select oid from pg_namespace)
union all
select 'pg_namespace', oid, nspname from pg_namespace where nspname like 'ddbstreams%'
union all
select 'pg_proc', oid, proname from pg_proc where probin like '%ddbstreams%' and pronamespace <> 'test'::regnamespace
union all
select 'pg_type', oid, typname from pg_type where typnamespace not in (select oid from pg_namespace);
select count(*) from pg_depend where refclassid = 'pg_extension'::regclass and refobjid not in (select oid from pg_extension);
select count(*) from pg_depend as d where classid = 'pg_trigger'::regclass and not exists (select from pg_trigger as t where t.oid = d.objid);
update t set v = 'free';
truncate t;
drop table p;
create extension ddbstreams;
select count(*) from ddbstreams.list_streams();
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1);
select event_name, keys from test.records('t');

-- rolled back
begin;
insert into t values (2);
drop extension ddbstreams;
rollback;
insert into t values (3);
begin;
insert into t values (4);
savepoint s;
drop extension ddbstreams;
rollback to s;
insert into t values (5);
commit;
select event_name, keys from test.records('t');
-- dropped and made anew in one transaction
begin;
insert into t values (6);
drop extension ddbstreams;
create extension ddbstreams;
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (7);
commit;
select event_name, keys from test.records('t');

\set VERBOSITY terse
set client_min_messages = warning;
drop schema guards cascade;
