-- What DDL says where a stream does not follow it: a table that is renamed, and
-- a partition that goes with its rows.
--
-- To see it fail: test/mutations/run partition-leaves-unsaid rename-unsaid.

\pset format unaligned
\pset tuples_only on
create schema notices;
create schema notices_other;
set search_path = notices, public;

create table orders (id int primary key, v text);
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset

-- a swap
create table orders_new (id int primary key, v text);
begin;
alter table orders rename to orders_old;
alter table orders_new rename to orders;
commit;
insert into orders values (1, 'unseen');
insert into orders_old values (2, 'seen');
select event_name, keys from test.records('orders_old');
select ddbstreams.latest_stream_arn('orders') is null;

-- another schema; another name of the schema; a rename in a function
\set VERBOSITY terse
alter table orders_old set schema notices_other;
alter schema notices_other rename to notices_third;
do $$ begin alter table notices_third.orders_old rename to again; end $$;
create function rename_and_fail() returns void language plpgsql as $$
begin
    alter table notices_third.again rename to never;
    raise division_by_zero;
exception when division_by_zero then
    alter table notices_third.again alter v set statistics 10;
end $$;
select rename_and_fail();
-- nothing is said where nothing changes hands
alter table notices_third.again rename v to w;
alter table notices_third.again rename constraint orders_pkey to other;
alter index notices_third.other rename to orders_pkey;
alter table notices_third.again add x int;
alter table orders rename to orders_new;
create temp table orders (id int primary key);
alter table orders rename to t;
-- nor when the stream is disabled
select ddbstreams.disable_stream('notices_third.again') = :'arn';
alter table notices_third.again rename to orders;

-- partitions: DROP and DETACH take rows away without records
create table p (id int primary key) partition by range (id);
create table p1 partition of p for values from (10) to (20);
create table p2 partition of p for values from (20) to (30) partition by range (id);
create table p21 partition of p2 for values from (20) to (25);
create table p22 partition of p2 for values from (25) to (30);
create table p3 partition of p for values from (30) to (40);
create table p4 partition of p for values from (40) to (50);
create table p5 partition of p for values from (50) to (60);
create table p6 partition of p for values from (60) to (70);
select ddbstreams.enable_stream('p', shard_count => 1) is not null;
insert into p values (10), (20), (25), (30), (40), (60);
\set VERBOSITY default
drop table p1;
\set VERBOSITY terse
alter table p detach partition p2;
alter table p attach partition p2 for values from (20) to (30);
drop table p21;
alter table p detach partition p3 concurrently;
select count(*) from test.records('p') where event_name = 'REMOVE';
-- an empty one loses nothing, and what TRUNCATE removes has its records
drop table p5;
truncate p4;
drop table p4;
select event_name, keys from test.records('p') where event_name = 'REMOVE';
-- a rename is the partition's own affair
alter table p6 rename to p7;
-- the whole table goes with its stream
drop table p;
-- without a stream
create table q (id int primary key) partition by range (id);
create table q1 partition of q for values from (10) to (20);
insert into q values (10);
drop table q1;

set client_min_messages = warning;
drop schema notices, notices_third cascade;
drop table t;
