-- The tables of schema ddbstreams_shards: nobody writes to them but ddbstreams,
-- nobody reads there what the functions would not show, nobody alters them, and
-- a schema that merely has their names is nothing.
--
-- To see it fail: test/mutations/run shard-columns-not-null 'own-tables-*'
-- types-change-owner.

-- settings that the output below depends on
set row_security = on;
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema own_tables;
set search_path = own_tables, public;

create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1, 'a'), (2, repeat('b', 100000));
select shard_table as shard, replace(shard_table::text, 'shard_', 'side_') as side
from ddbstreams.describe_stream(:'arn') \gset
create function handler(event jsonb) returns void language sql as 'select null::void';
select ddbstreams.create_event_source_mapping('handler', :'arn', 'LATEST', enabled => false) as uuid \gset

create view own as
select c.oid::regclass as name, c.*
from pg_class c where relnamespace = 'ddbstreams_shards'::regnamespace and relkind = 'r';

-- Every table is protected: two guards that always fire, row-level security
-- without a policy, and no replica identity by which a tool could copy it
select relname, relrowsecurity, relreplident,
    (select string_agg(tgname || ' ' || tgenabled::text, ', ' order by tgname) from pg_trigger where tgrelid = own.oid),
    (select count(*) from pg_policy where polrelid = own.oid),
    (select count(*) from pg_index where indrelid = own.oid and (indisprimary or indisreplident))
from own where relname !~ '\d' order by relname;
select distinct regexp_replace(relname, '\d+', 'N'), relrowsecurity,
    (select string_agg(tgname || ' ' || tgenabled::text, ', ' order by tgname) from pg_trigger where tgrelid = own.oid)
from own where relname ~ '\d' order by 1;

--
-- Writing: refused to superusers, and to a role that may write all data
--

create function write_all(out refused bigint, out tables bigint, out messages bigint) language plpgsql as $$
declare
    name regclass;
    command text;
    answer text;
    answers text[];
begin
    tables := 0;
    for name in select own.name from own_tables.own where relname !~ '\d' or own.oid in (
        select shard_table from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t'))) loop
        tables := tables + 1;
        foreach command in array array['insert into %s select * from %1$s', 'insert into %s default values',
            'delete from %s', 'delete from %s where false', 'truncate %s',
            'merge into %s using (values (1)) v on false when not matched then insert default values'] loop
            answer := test.fails(format(command, name));
            answers := answers || regexp_replace(answer, '"\w+"', '…');
        end loop;
        select test.fails(format('update %s set %I = %2$I', name, attname)) into answer
        from pg_attribute where attrelid = name and attnum = 1;
        answers := answers || regexp_replace(answer, '"\w+"', '…');
    end loop;
    select count(*), count(distinct a) into refused, messages from unnest(answers) a
    where a ~ '^42809: table … of ddbstreams cannot be changed by SQL';
end $$;

select refused = 7 * tables as all_refused, tables, messages from write_all();
set session_replication_role = replica;
select refused = 7 * tables as all_refused from write_all();
reset session_replication_role;
create role regress_own_writer login in role pg_write_all_data, pg_read_all_data;
grant all on schema own_tables to regress_own_writer;
grant select on all tables in schema own_tables to regress_own_writer;
set role regress_own_writer;
select test.fails('update ddbstreams_shards.mapping set role_id = 10');
select test.fails('insert into ddbstreams_shards.stream select * from ddbstreams_shards.stream');
select test.fails(format('delete from %s', :'shard'));
select test.fails('delete from ddbstreams_shards.secret');
-- a prepared statement and a function with the owner's rights change nothing of it
prepare steal as update ddbstreams_shards.mapping set role_id = 10;
select test.fails('execute steal');
deallocate steal;
reset role;
create function own_tables.steal() returns void language sql security definer
    as 'update ddbstreams_shards.mapping set role_id = 10';
select test.fails('select own_tables.steal()');
-- ddbstreams itself writes
select ddbstreams.update_event_source_mapping(:'uuid', batch_size => 7);
-- ... and leaves no door open behind an error, caught or not
do $$
begin
    perform test.own_sql('select 1 / 0');
exception when division_by_zero then
    raise notice '%', test.fails('delete from ddbstreams_shards.mapping');
end $$;
select test.own_sql('select 1 / 0');
select test.fails('delete from ddbstreams_shards.mapping');
-- \copy and COPY
copy ddbstreams_shards.consumer_worker from stdin;
1	worker	2026-01-01
\.

--
-- Reading: nothing that the functions would not show
--

alter table t enable row level security;
set role regress_own_writer;
select count(*) from t;
select count(*) from ddbstreams_shards.secret;
select count(*) from ddbstreams_shards.stream;
select count(*) from ddbstreams_shards.mapping;
select count(*) from :shard;
select count(*) from :side;
-- statistics would show the commonest values of a column
reset role;
do $$
declare
    name regclass;
begin
    for name in select own.name from own loop
        execute format('analyze %s', name);
    end loop;
end $$;
set role regress_own_writer;
select distinct regexp_replace(starelid::regclass::text, '\d+', 'N'), attname, atttypid::regtype
from pg_statistic join pg_attribute on attrelid = starelid and attnum = staattnum
where starelid in (select oid from own) and attlen < 0;
select count(*) > 0 as there_are_others from pg_statistic where starelid in (select oid from own);
reset role;
alter table t disable row level security;

--
-- DDL
--

select c || ': ' || test.fails(c) from unnest(array[
    'alter table ddbstreams_shards.mapping add x int',
    'alter table ddbstreams_shards.mapping alter role_id type int8',
    'alter table ddbstreams_shards.mapping disable trigger all',
    'alter table ddbstreams_shards.mapping disable row level security',
    'alter table ddbstreams_shards.mapping owner to regress_own_writer',
    'alter table ddbstreams_shards.mapping replica identity default',
    'alter table ddbstreams_shards.mapping rename to other',
    'alter table ddbstreams_shards.mapping rename uuid to other',
    'alter table ddbstreams_shards.mapping set schema public',
    'alter table ddbstreams_shards.mapping add primary key (uuid)',
    'alter index ddbstreams_shards.mapping_pkey rename to other',
    'alter trigger ddbstreams_append_only on ddbstreams_shards.mapping rename to other',
    'drop trigger ddbstreams_append_only on ddbstreams_shards.mapping',
    'drop index ddbstreams_shards.mapping_pkey',
    'create index on ddbstreams_shards.mapping (role_id)',
    'create rule nothing as on insert to ddbstreams_shards.mapping do instead nothing',
    'create policy all_rows on ddbstreams_shards.mapping using (true)',
    'create trigger log before insert on ddbstreams_shards.mapping for each row execute function suppress_redundant_updates_trigger()',
    'create table heir () inherits (ddbstreams_shards.mapping)',
    'create table refers (u uuid references ddbstreams_shards.mapping (uuid))',
    'alter extension ddbstreams drop table ddbstreams_shards.mapping',
    'alter extension ddbstreams drop schema ddbstreams_shards',
    'alter schema ddbstreams_shards rename to other',
    'drop table ddbstreams_shards.mapping',
    'alter sequence ddbstreams_shards.id_seq restart',
    'create foreign table heir () inherits (ddbstreams_shards.mapping) server nowhere',
    'alter extension ddbstreams drop function ddbstreams_shards.refuse_change()',
    'create or replace function ddbstreams_shards.refuse_change() returns trigger language plpgsql as ''begin return new; end''',
    'create or replace function ddbstreams.capture() returns trigger language plpgsql as ''begin return new; end''']) c;
select test.mask(c || ': ' || test.fails(c)) from unnest(array[
    format('alter table %s alter body type text', :'shard'),
    format('alter table %s set unlogged', :'shard'),
    format('create index on %s (sequence_number)', :'shard'),
    format('alter extension ddbstreams drop table %s', :'side')]) c;
-- a partition of a table of the user's
create table parts (like ddbstreams_shards.consumer_worker) partition by range (consumer_no);
select test.fails('alter table parts attach partition ddbstreams_shards.consumer_worker for values from (0) to (1)');
drop table parts;
-- an owner that is no superuser could do what runs as the owner
select c || ': ' || test.fails(c) from unnest(array[
    'alter function ddbstreams.capture() owner to regress_own_writer',
    'alter routine ddbstreams.capture() owner to regress_own_writer',
    'alter function ddbstreams.latest_stream_arn owner to regress_own_writer',
    'alter view ddbstreams.failed_batches owner to regress_own_writer',
    'alter table ddbstreams.failed_batches owner to regress_own_writer',
    'alter schema ddbstreams owner to regress_own_writer',
    'alter schema ddbstreams_shards owner to regress_own_writer']) c;
set search_path = ddbstreams;
select c || ': ' || test.fails(c) from unnest(array[
    'alter view failed_batches owner to regress_own_writer',
    'alter function capture owner to regress_own_writer']) c;
set search_path = own_tables, public;
alter function ddbstreams.capture() owner to current_user;
alter view ddbstreams.failed_batches owner to current_user;
create function capture() returns int language sql as 'select 1';
alter function capture() owner to regress_own_writer;
drop function capture();
-- what is not ddbstreams' changes its owner as always, whatever kind it is of
begin;
create type an_enum as enum ('a');
create type a_composite as (a int);
create domain a_domain as int;
create type a_range as range (subtype = int4);
create function a_function() returns int language sql as 'select 1';
create procedure a_procedure() language sql as 'select 1';
create aggregate an_aggregate(int) (sfunc = int4larger, stype = int4);
create operator <+> (procedure = int4pl, leftarg = int4, rightarg = int4);
create operator family a_family using btree;
create operator class a_class for type int4 using btree family a_family as operator 1 <;
create collation a_collation from "C";
create conversion a_conversion for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1;
create text search dictionary a_dictionary (template = simple);
create text search configuration a_configuration (copy = simple);
create table a_table (a int, b int);
create statistics a_statistic on a, b from a_table;
create foreign data wrapper a_wrapper;
create server a_server foreign data wrapper a_wrapper;
create schema a_schema;
select lo_create(1795776356) is not null as has_large_object;
alter type an_enum owner to regress_own_writer;
alter type a_composite owner to regress_own_writer;
alter type a_range owner to regress_own_writer;
alter domain a_domain owner to regress_own_writer;
alter type own_tables.a_domain owner to current_user;
alter function a_function owner to regress_own_writer;
alter procedure a_procedure owner to regress_own_writer;
alter routine a_procedure() owner to regress_own_writer;
alter aggregate an_aggregate(int) owner to regress_own_writer;
alter operator <+>(int, int) owner to regress_own_writer;
alter operator class a_class using btree owner to regress_own_writer;
alter operator family a_family using btree owner to regress_own_writer;
alter collation a_collation owner to regress_own_writer;
alter conversion a_conversion owner to regress_own_writer;
alter text search dictionary a_dictionary owner to regress_own_writer;
alter text search configuration a_configuration owner to regress_own_writer;
alter statistics a_statistic owner to regress_own_writer;
alter server a_server owner to regress_own_writer;
alter schema a_schema owner to regress_own_writer;
alter large object 1795776356 owner to regress_own_writer;
alter table a_table owner to regress_own_writer;
rollback;
-- nothing is lost by pg_upgrade: from 18 on it takes a constraint for NOT NULL
select regexp_replace(attrelid::regclass::text, '\d+', 'N'), attname
from pg_attribute join own on own.oid = attrelid
where attnotnull and attnum > 0
    and not exists (select from pg_constraint where conrelid = attrelid and contype = 'n' and conkey = array[attnum])
    and (current_setting('server_version_num')::int >= 180000 or relname ~ '\d');
-- what an administrator needs goes through
alter table ddbstreams_shards.mapping set (autovacuum_enabled = off);
alter table ddbstreams_shards.mapping reset (autovacuum_enabled);
alter table ddbstreams_shards.mapping alter function_name set statistics 10;
vacuum full ddbstreams_shards.mapping;
cluster ddbstreams_shards.mapping using mapping_pkey;
reindex table ddbstreams_shards.mapping;
analyze ddbstreams_shards.mapping;
grant select on ddbstreams_shards.mapping to regress_own_writer;
revoke select on ddbstreams_shards.mapping from regress_own_writer;
comment on table ddbstreams_shards.mapping is 'event source mappings; see ddbstreams.list_event_source_mappings()';

--
-- Ids are unique whatever the sequence says
--

select min(shard_no) - 1 as before from ddbstreams_shards.shard \gset
create table later (id int primary key);
select setval('ddbstreams_shards.id_seq', :before) > 0 as set_back;
select ddbstreams.enable_stream('later', shard_count => 2) is not null as enabled;
insert into later values (1), (2), (3);
select count(*) from ddbstreams.changes(null::later);
-- for a role with no right on the sequence, too
select setval('ddbstreams_shards.id_seq', :before) > 0 as set_back;
alter table later owner to regress_own_writer;
set role regress_own_writer;
select ddbstreams.roll_over(ddbstreams.latest_stream_arn('later'));
select setval('ddbstreams_shards.id_seq', :before) > 0 as set_back;
select ddbstreams.create_event_source_mapping('own_tables.handler', ddbstreams.latest_stream_arn('later'), 'LATEST', enabled => false) is not null as made;
select setval('ddbstreams_shards.id_seq', :before) > 0 as set_back;
select ddbstreams.create_consumer('own tables', ddbstreams.latest_stream_arn('later'));
reset role;
select count(*), count(distinct id) from (
    select stream_id from ddbstreams_shards.stream group by 1 union all
    select shard_no from ddbstreams_shards.shard group by 1 union all
    select mapping_no from ddbstreams_shards.mapping union all
    select consumer_no from ddbstreams_shards.consumer) i (id) having count(*) <> count(distinct id);
select ddbstreams.drop_consumer('own tables');
-- ... and forward, to where there is no next number, or none that has room in a lock
select setval('ddbstreams_shards.id_seq', 9223372036854775807) > 0 as set_forward;
set role regress_own_writer;
select ddbstreams.roll_over(ddbstreams.latest_stream_arn('later'));
reset role;
select setval('ddbstreams_shards.id_seq', 281474976710657, false) > 0 as set_forward;
set role regress_own_writer;
select ddbstreams.roll_over(ddbstreams.latest_stream_arn('later'));
reset role;
select max(shard_no) < 281474976710656 as in_range, count(distinct shard_no) from ddbstreams_shards.shard
where stream_id = (select stream_id from ddbstreams_shards.stream where table_oid = 'later'::regclass limit 1);

--
-- Other columns than the library knows: capture and reading go on with more or
-- fewer columns; a row is not written, and one with other types is not read
--

begin;
select test.own_sql('alter table ddbstreams_shards.stream add column x int');
insert into t values (10, 'x');
select count(*) from ddbstreams.list_streams('t');
select test.fails($$select ddbstreams.alter_stream('$$ || :'arn' || $$', '2 hours')$$);
rollback;
begin;
select test.own_sql('alter table ddbstreams_shards.stream drop column hash_functions');
select count(*) from ddbstreams.list_streams('t');
rollback;
begin;
select test.own_sql('alter table ddbstreams_shards.mapping alter column batch_size type int8');
select count(*) from ddbstreams.list_event_source_mappings();
rollback;

--
-- The extension stays a superuser's when its owner's objects are given away
--

create role regress_own_maker superuser;
create database regress_own_given;
\c regress_own_given
set quote_all_identifiers = off;
set role regress_own_maker;
set client_min_messages = error;
create extension ddbstreams;
reset client_min_messages;
reset role;
reassign owned by regress_own_maker to regress_own_writer;
create role regress_own_heir superuser;
reassign owned by regress_own_maker to regress_own_heir;
select extowner::regrole from pg_extension where extname = 'ddbstreams';
\c contrib_regression
drop database regress_own_given;
drop role regress_own_maker, regress_own_heir;

--
-- A schema of that name in a database without the extension
--

create role regress_own_forger login;
create database regress_own_forged owner regress_own_forger;
\c regress_own_forged
set quote_all_identifiers = off;
set role regress_own_forger;
create schema ddbstreams_shards;
do $$
begin
    execute 'create table ddbstreams_shards.stream (' || (
        select string_agg('c' || g || case when g = 3 then ' oid' else ' int8 default 4702111234474983745' end, ', ')
        from generate_series(1, 40) g) || ')';
end $$;
create index stream_table_oid_idx on ddbstreams_shards.stream (c3);
create table victim (id int primary key);
insert into ddbstreams_shards.stream (c3) values ('victim'::regclass::oid);
insert into ddbstreams_shards.stream (c3) values ('victim'::regclass::oid);
alter table victim add v text;
create trigger ddbstreams_capture after insert on victim for each row execute function suppress_redundant_updates_trigger();
drop table victim;
-- these are the forger's own
alter table ddbstreams_shards.stream add x int;
truncate ddbstreams_shards.stream;
drop schema ddbstreams_shards cascade;
reset role;
\c contrib_regression
drop database regress_own_forged;
drop role regress_own_forger;

\pset format unaligned
\pset tuples_only on
set search_path = own_tables, public;
set client_min_messages = warning;
revoke all on schema own_tables from regress_own_writer;
drop schema own_tables cascade;
drop role regress_own_writer;
