-- Keys with temporary types, collations, or parts of such.  PostgreSQL drops them
-- with the temporary objects of the session, in its end; an error would leave the
-- objects where they are, and every later session with the same temporary schema,
-- of any role, and autovacuum could not remove them either.
--
-- To see it fail: test/mutations/run temporary-key-refused.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
create role regress_temporary_ada;
create schema temporary_keys;
grant usage, create on schema temporary_keys to regress_temporary_ada;

-- One table for each way from a key to a temporary object, and one without
set role regress_temporary_ada;
set search_path = temporary_keys, pg_temp;
create type pg_temp.mood as enum ('calm', 'wild');
create table pg_temp.pair (a int, b int);
create collation pg_temp.plain (locale = 'C');
create type temporary_keys.nested as (a int, m pg_temp.mood);
create domain temporary_keys.checked as pg_temp.mood;
create table by_type (id pg_temp.mood primary key, v int);
create table by_row (id pg_temp.pair primary key, v int);
create table by_collation (id text collate pg_temp.plain primary key, v int);
create table by_attribute (id nested primary key, v int);
create table by_domain (id checked primary key, v int);
create table by_column (tenant int, id pg_temp.mood, v int, primary key (tenant, id));
create table by_partition (id pg_temp.mood primary key, v int) partition by list (id);
create table partition_calm partition of by_partition for values in ('calm');
create table plain (id int primary key, m pg_temp.mood);
select count(ddbstreams.enable_stream(t, shard_count => 1))
from unnest('{by_type,by_row,by_collation,by_attribute,by_domain,by_column,by_partition,plain}'::regclass[]) as t;
insert into by_type values ('calm', 1);
insert into by_row values (row(1, 2), 1);
insert into by_collation values ('calm', 1);
insert into by_attribute values (row(1, 'calm'), 1);
insert into by_domain values ('calm', 1);
insert into by_column values (1, 'calm', 1);
insert into by_partition values ('calm', 1);
insert into plain values (1, 'calm');

-- By name, nothing is dropped from a key with a stream
\set VERBOSITY sqlstate
drop type pg_temp.mood cascade;
drop collation pg_temp.plain cascade;
\set VERBOSITY terse

-- In a transaction that is rolled back, nothing has happened
begin;
set local client_min_messages = error;
discard temp;
rollback;
select count(*) from ddbstreams.list_streams() where stream_status = 'ENABLED' and table_name like 'temporary_keys.%';

-- Otherwise the streams of these keys end, and their records can be read
set client_min_messages = error;
discard temp;
reset client_min_messages;
select table_name, stream_status from ddbstreams.list_streams() where table_name like 'temporary_keys.%' order by 1;
select count(*) from pg_type where typname in ('mood', 'checked');
select table_name, r.event_name, r.keys
from ddbstreams.list_streams() as l, ddbstreams.describe_stream(l.stream_arn) as s,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(l.stream_arn, s.shard_id, 'TRIM_HORIZON')) as r
where table_name like 'temporary_keys.%' order by 1;
insert into plain values (2);
select event_name, new_image from ddbstreams.changes('plain') order by sequence_number;
insert into by_type values (2);

-- A warning says so; a later command of the transaction is checked as ever
create type pg_temp.mood as enum ('calm');
create table warned (id pg_temp.mood primary key);
create table kept (id int primary key);
select count(ddbstreams.enable_stream(t, shard_count => 1)) from unnest('{warned,kept}'::regclass[]) as t;
begin;
discard temp;
alter table kept drop constraint kept_pkey;
rollback;
\set VERBOSITY default
discard temp;
\set VERBOSITY terse

-- The end of a session
create type pg_temp.mood as enum ('calm');
create table ended (id pg_temp.mood primary key);
select ddbstreams.enable_stream('ended', shard_count => 1) is not null;
insert into ended values ('calm');
\c -
do $$
begin
	for i in 1 .. 600 loop
		exit when not exists (select from pg_type where typname = 'mood');
		perform pg_sleep(0.1);
	end loop;
end $$;
select count(*) from pg_type where typname = 'mood';
select table_name, stream_status from ddbstreams.list_streams('temporary_keys.ended');

set client_min_messages = error;
drop schema temporary_keys cascade;
drop owned by regress_temporary_ada;
drop role regress_temporary_ada;
