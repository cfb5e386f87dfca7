-- Keys with types and collations that others than the table's owner drop.
--
-- PostgreSQL drops temporary ones with the temporary objects of the session, in its
-- end; an error would leave the objects where they are, and every later session with
-- the same temporary schema, of any role, and autovacuum could not remove them
-- either. A role drops and alters its own, and need not own the tables that use them.
--
-- To see it fail: test/mutations/run key-dropped-on-commit key-keeps-type
-- lost-key-captured-until-commit temporary-key-refused.

-- settings that the output below depends on
set quote_all_identifiers = off;

\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
create role regress_lost_ada;
create schema lost_keys;
grant usage, create on schema lost_keys to regress_lost_ada;

-- One table for each way from a key to a temporary object, and one without
set role regress_lost_ada;
set search_path = lost_keys, pg_temp;
create type pg_temp.mood as enum ('calm', 'wild');
create table pg_temp.pair (a int, b int);
create collation pg_temp.plain (locale = 'C');
create type lost_keys.nested as (a int, m pg_temp.mood);
create domain lost_keys.checked as pg_temp.mood;
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
select count(*) from ddbstreams.list_streams() where stream_status = 'ENABLED' and table_name like 'lost_keys.%';

-- Otherwise the streams of these keys end, and their records can be read
set client_min_messages = error;
discard temp;
reset client_min_messages;
select table_name, stream_status from ddbstreams.list_streams() where table_name like 'lost_keys.%' order by 1;
select count(*) from pg_type where typname in ('mood', 'checked');
select table_name, r.event_name, r.keys
from ddbstreams.list_streams() as l, ddbstreams.describe_stream(l.stream_arn) as s,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(l.stream_arn, s.shard_id, 'TRIM_HORIZON')) as r
where table_name like 'lost_keys.%' order by 1;
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
set quote_all_identifiers = off;
do $$
begin
	for i in 1 .. 600 loop
		exit when not exists (select from pg_type where typname = 'mood');
		perform pg_sleep(0.1);
	end loop;
end $$;
select count(*) from pg_type where typname = 'mood';
select table_name, stream_status from ddbstreams.list_streams('lost_keys.ended');

-- The end of a transaction, where the commit fails
set role regress_lost_ada;
set search_path = lost_keys, pg_temp;
begin;
create temp table gone (a int) on commit drop;
create table committed (id gone primary key);
select ddbstreams.enable_stream('committed', shard_count => 1) is not null;
insert into committed values (row(1));
commit;
begin;
create temp table gone (a int) on commit drop;
create type made as (a int, g gone);
create table committed (id made primary key);
select ddbstreams.enable_stream('committed', shard_count => 1) is not null;
commit;
begin;
create temp table gone (a int) on commit drop;
create table committed (id int primary key, g gone, v int);
select ddbstreams.enable_stream('committed', shard_count => 1) is not null;
insert into committed values (1, row(1), 1);
commit;
update committed set v = 2;
select event_name, new_image from ddbstreams.changes('committed');

-- What the same transaction changes before that is captured, and what it changes behind
-- that is not
create type pg_temp.mood as enum ('calm');
create table one (tenant int, id pg_temp.mood, v int, primary key (tenant, id));
create table many (tenant int, id pg_temp.mood, v int, primary key (tenant, id)) partition by list (tenant);
create table many_1 partition of many for values in (1);
select count(ddbstreams.enable_stream(t, shard_count => 1, partition_key => '{tenant}'))
from unnest('{one,many}'::regclass[]) as t;
begin;
insert into one values (1, 'calm', 1);
insert into many values (1, 'calm', 1);
savepoint whole;
set local client_min_messages = error;
discard temp;
insert into one values (2, 2);
insert into many values (1, 2);
alter table one add column w int;
update one set w = 3;
truncate many;
rollback to whole;
insert into one values (4, 'calm', 4);
savepoint gone;
set local client_min_messages = error;
discard temp;
release gone;
insert into one values (6, 6);
insert into many values (1, 6);
alter table one add column w int;
update one set w = 7;
truncate many;
commit;
select l.table_name, l.stream_status, r.event_name, r.keys
from ddbstreams.list_streams() as l, ddbstreams.describe_stream(l.stream_arn) as s,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(l.stream_arn, s.shard_id, 'TRIM_HORIZON')) as r
where table_name in ('lost_keys.one', 'lost_keys.many') order by 1, r.sequence_number;
select * from one order by 1;
reset role;

--
-- Types of another role
--
create role regress_lost_ben;
create schema bens;
grant usage, create on schema bens to regress_lost_ben;
grant usage on schema bens to regress_lost_ada;
set role regress_lost_ben;
create type bens.mood as enum ('calm');
create type bens.pair as (a int, b int);
create type bens.other as enum ('calm');
set role regress_lost_ada;
set search_path = lost_keys;
create table dropped (id bens.mood primary key);
create table altered (id bens.pair primary key);
create table owned (id bens.other primary key);
select count(ddbstreams.enable_stream(t, shard_count => 1)) from unnest('{dropped,altered,owned}'::regclass[]) as t;
insert into dropped values ('calm');
insert into altered values (row(1, 2));

-- A role that can disable the stream is told to do so
reset role;
drop type bens.other cascade;
alter type bens.pair drop attribute b;
set role regress_lost_ada;
alter table owned drop column id;

-- ... and one that cannot ends it
set role regress_lost_ben;
alter type bens.pair drop attribute b;
drop type bens.mood cascade;
set role regress_lost_ada;
select table_name, stream_status from ddbstreams.list_streams()
where table_name in ('lost_keys.dropped', 'lost_keys.altered', 'lost_keys.owned') order by 1;
insert into altered values (row(3));
select event_name, keys from ddbstreams.latest_stream_arn('altered') as arn, ddbstreams.describe_stream(arn) as s,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, s.shard_id, 'TRIM_HORIZON'));
reset role;

set client_min_messages = error;
drop schema lost_keys, bens cascade;
drop owned by regress_lost_ada, regress_lost_ben;
drop role regress_lost_ada, regress_lost_ben;
