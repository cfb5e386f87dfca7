-- Partitioned tables: one stream on the root, whatever partition a row is in.

-- settings that the output below depends on
set ddbstreams.default_shard_count = 4;

\pset format unaligned
\pset tuples_only on
create schema partitions;
set search_path = partitions, public;

create table events (id int, region text, v text, primary key (region, id)) partition by list (region);
create table events_eu partition of events for values in ('eu');
-- a partition with other attribute numbers, and a dropped column
create table events_us (gone int, v text, extra int, region text not null, id int not null, primary key (region, id));
insert into events_us values (1, 'there before', 2, 'us', 0);
alter table events_us drop gone, drop extra;
alter table events attach partition events_us for values in ('us');
-- two levels
create table events_as partition of events for values in ('as', 'jp') partition by range (id);
create table events_as_1 partition of events_as for values from (0) to (100);
create table events_as_2 (v text, id int not null, region text not null);
alter table events_as attach partition events_as_2 for values from (100) to (200);

-- shard_count: one for each leaf
select ddbstreams.enable_stream('events') as arn \gset
select count(*) from ddbstreams.describe_stream(:'arn');
select ddbstreams.disable_stream('events') = :'arn';
select ddbstreams.enable_stream('events', shard_count => 1) as arn \gset
-- a partition has none of its own
select test.fails($$ select ddbstreams.enable_stream('events_eu') $$);
select test.fails($$ select ddbstreams.disable_stream('events_eu') $$);
select ddbstreams.latest_stream_arn('events_eu') is null;

-- the order of columns is each partition's own; names are what counts
insert into events values (1, 'eu', 'a'), (1, 'us', 'b'), (1, 'as', 'c'), (101, 'jp', 'd');
insert into events_us values ('direct', 'us', 2);
insert into events_as values (2, 'as', 'middle');
insert into events_as_2 values ('leaf', 102, 'as');
update events set v = v || '!' where id in (1, 101);
update events_as_2 set v = 'leaf!' where id = 102;
delete from events where id = 2;
select event_name, keys, new_image, old_image from test.records('events');
select event_name, new_image, old_image from ddbstreams.changes(null::events);

-- a move: REMOVE and INSERT; within two levels as well
select max(sequence_number) as last from test.records('events') \gset
update events set region = 'us', id = 900, v = 'moved' where region = 'eu';
update events set id = 150 where region = 'as' and id = 1;
insert into events values (150, 'as', 'conflict') on conflict (region, id) do update set v = excluded.v;
select event_name, keys, new_image, old_image from test.records('events') where sequence_number > :'last';

-- partitions that come later, in each way
select max(sequence_number) as last from test.records('events') \gset
create table events_new partition of events for values in ('new');
create table events_attached (id int not null, region text not null, v text);
insert into events_attached values (5, 'at', 'before');
alter table events attach partition events_attached for values in ('at');
create table events_default partition of events default;
create table events_sub partition of events for values in ('sub') partition by hash (id);
create table events_sub_0 partition of events_sub for values with (modulus 2, remainder 0);
create table events_sub_1 (like events_sub_0);
alter table events_sub attach partition events_sub_1 for values with (modulus 2, remainder 1);
insert into events values (1, 'new', 'n'), (6, 'at', 'a'), (7, 'other', 'd'), (8, 'sub', 's'), (9, 'sub', 's');
copy events from stdin;
10	sub	copy
11	new	copy
\.
delete from events where v = 'before';
select event_name, keys, new_image, old_image from test.records('events') where sequence_number > :'last';

-- TRUNCATE of one, of a branch, of all
select max(sequence_number) as last from test.records('events') \gset
truncate events_new;
truncate only events_attached;
select event_name, old_image from test.records('events') where sequence_number > :'last' order by keys->'region'->>'S', (keys->'id'->>'N')::int;
select max(sequence_number) as last from test.records('events') \gset
truncate events_sub;
select event_name, keys from test.records('events') where sequence_number > :'last' order by keys->'region'->>'S', (keys->'id'->>'N')::int;
select max(sequence_number) as last from test.records('events') \gset
truncate events;
select event_name, keys from test.records('events') where sequence_number > :'last' order by keys->'region'->>'S', (keys->'id'->>'N')::int;

-- detached: captured no more; a table of its own
select max(sequence_number) as last from test.records('events') \gset
alter table events detach partition events_new;
insert into events_new values (1, 'new', 'alone');
update events_new set v = 'still alone';
truncate events_new;
alter table events detach partition events_sub;
insert into events_sub values (1, 'sub', 'alone');
truncate events_sub;
select count(*) from test.records('events') where sequence_number > :'last';
select tgrelid::regclass, tgname from pg_trigger where tgrelid in ('events_new'::regclass, 'events_sub'::regclass, 'events_sub_0'::regclass, 'events_sub_1'::regclass)
order by 1, 2;
select ddbstreams.enable_stream('events_new', shard_count => 1) <> '';
insert into events_new values (2, 'new', 'own stream');
truncate events_new;
select event_name, new_image, old_image from test.records('events_new');
-- with a stream of its own it cannot be attached; with one that is disabled it can
select test.fails($$ alter table events attach partition events_new for values in ('new') $$) ~ 'disable_stream' as says_what_to_do;
select ddbstreams.disable_stream('events_new') <> '';
alter table events attach partition events_new for values in ('new');
alter table events attach partition events_sub for values in ('sub');
insert into events values (3, 'new', 'back'), (3, 'sub', 'back');
truncate events_sub_1, events_sub_0;
select event_name, new_image, old_image from test.records('events') where sequence_number > :'last';
-- what cannot be captured cannot become a partition
create unlogged table events_fast (id int not null, region text not null, v text);
select test.fails($$ alter table events attach partition events_fast for values in ('fast') $$);
select test.fails($$ create unlogged table events_fast2 partition of events for values in ('fast') $$);

-- concurrently, finished in one go
select max(sequence_number) as last from test.records('events') \gset
drop table events_default;
alter table events detach partition events_attached concurrently;
insert into events_attached values (1, 'at', 'alone');
select count(*) from test.records('events') where sequence_number > :'last';
select tgname from pg_trigger where tgrelid = 'events_attached'::regclass;

-- a dropped partition's records stay; a dropped root disables
insert into events values (4, 'new', 'dropped soon');
drop table events_new;
select event_name, keys from test.records('events') where sequence_number > :'last';
begin;
insert into events values (5, 'sub', 'at last');
drop table events cascade;
commit;
select event_name, keys from test.records(null, :'arn') where sequence_number > :'last';
select stream_status from ddbstreams.list_streams() where stream_arn = :'arn';

-- disabling leaves no partition captured
create table plain (id int primary key) partition by range (id);
create table plain_1 partition of plain for values from (0) to (10);
select ddbstreams.enable_stream('plain') as arn \gset
select ddbstreams.disable_stream('plain') = :'arn';
create table plain_2 partition of plain for values from (10) to (20);
insert into plain values (1), (11);
truncate plain;
insert into plain values (1), (11);
truncate plain_2;
alter table plain detach partition plain_1;
insert into plain_1 values (3);
truncate plain_1;
select count(*) from test.records('plain');
select ddbstreams.enable_stream('plain', shard_count => 1) <> '';
insert into plain values (12);
truncate plain;
select event_name, keys from test.records('plain');
-- a partitioned table without partitions takes the default
create table empty (id int primary key) partition by range (id);
select ddbstreams.enable_stream('empty') <> '';
select count(*) from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('empty'));

\set VERBOSITY terse
set client_min_messages = warning;
drop schema partitions cascade;
