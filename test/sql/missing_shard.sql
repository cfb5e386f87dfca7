-- A shard whose tables are gone, by a hand in the catalogues or a damaged disk:
-- its records are lost, and nothing else is.
--
-- To see it fail: test/mutations/run missing-shard-stops-closing.

\pset format unaligned
\pset tuples_only on
create schema missing_shard;
set search_path = missing_shard, public;

-- what no command does
create function lose(name regclass) returns void language plpgsql as $$
begin
    delete from pg_depend where deptype = 'e' and objid = name;
    execute 'drop table ' || name;
end $$;
create function lose_shard(arn text, kinds text[] default '{shard,side}') returns void language plpgsql as $$
declare
    shard record;
begin
    select * into shard from ddbstreams_shards.shard where shard_table = (
        select shard_table from ddbstreams.describe_stream(arn)
        where ending_sequence_number is null order by shard_id limit 1);
    -- its siblings have the same side table
    perform lose(oid) from pg_class
    where (oid = shard.shard_table and 'shard' = any (kinds)) or (oid = shard.side_table and 'side' = any (kinds));
end $$;

-- writers that need the shard fail; roll_over helps them
create table t (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 2) as arn \gset
insert into t select generate_series(1, 10);
select count(*) as rest from ddbstreams.describe_stream(:'arn') d,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON'))
where d.shard_id <> (select min(shard_id) from ddbstreams.describe_stream(:'arn')) \gset
select lose_shard(:'arn');
\set VERBOSITY sqlstate
insert into t select generate_series(11, 30);
\set VERBOSITY default
select count(*) from t;
select count(*), count(ending_sequence_number) from ddbstreams.describe_stream(:'arn');
select ddbstreams.roll_over(:'arn');
insert into t select generate_series(11, 30);
select count(*) from t;
select ending_sequence_number is not null as closed, shard_table::text ~ 'shard_' as there from ddbstreams.describe_stream(:'arn');
select count(*) = 20 + :rest from ddbstreams.describe_stream(:'arn') d,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON'))
where d.shard_table::text ~ 'shard_';

-- split_shard
select lose_shard(:'arn');
select count(*) from ddbstreams.split_shard(:'arn', (
    select min(shard_id) from ddbstreams.describe_stream(:'arn') where ending_sequence_number is null));
insert into t select generate_series(31, 40);

-- disable_stream
select lose_shard(:'arn');
select ddbstreams.disable_stream('t') = :'arn';
select count(*), count(ending_sequence_number) from ddbstreams.describe_stream(:'arn');
delete from t;
select ddbstreams.enable_stream('t', shard_count => 1) as arn2 \gset
insert into t values (1);
select event_name, keys from test.records('t');

-- DROP TABLE
select lose_shard(:'arn2');
drop table t;
select stream_status from ddbstreams.list_streams() where stream_arn = :'arn2';

-- half a shard
create table u (id int primary key);
select ddbstreams.enable_stream('u', shard_count => 1) as arn3 \gset
select lose_shard(:'arn3', '{side}');
insert into u values (1);
select event_name from test.records('u');
select ddbstreams.disable_stream('u') is not null;
select ddbstreams.enable_stream('u', shard_count => 1) as arn4 \gset
select lose_shard(:'arn4', '{shard}');
drop table u;

-- expiry takes what is left, of these and of no other streams
select count(distinct shard_no) from ddbstreams_shards.shard join ddbstreams_shards.stream using (stream_id)
where stream_arn in (:'arn', :'arn2', :'arn3', :'arn4');
begin;
set local ddbstreams.clock_offset = 200000;
select ddbstreams_shards.expire(arn) from unnest(array[:'arn', :'arn2', :'arn3', :'arn4']) arn;
select count(*) from ddbstreams_shards.stream where stream_arn in (:'arn', :'arn2', :'arn3', :'arn4');
rollback;

-- DROP EXTENSION
create database regress_missing_shard;
\c regress_missing_shard
create extension ddbstreams;
create table t (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 2) as arn \gset
insert into t select generate_series(1, 10);
select shard_table, replace(shard_table::text, 'shard_', 'side_') as side from ddbstreams.describe_stream(:'arn') limit 1 \gset
delete from pg_depend where deptype = 'e' and objid in (:'shard_table'::regclass, :'side'::regclass);
drop table :shard_table, :side;
drop extension ddbstreams;
select count(*) from pg_class where relnamespace not in (select oid from pg_namespace);
\c contrib_regression
drop database regress_missing_shard;

set client_min_messages = warning;
drop schema missing_shard cascade;
