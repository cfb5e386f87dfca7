-- Prepared transactions: their records come at COMMIT PREPARED, in their place.
--
-- To see it fail: test/mutations/run children-abandoned-at-once
-- kept-value-of-other-version.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';

\pset format unaligned
\pset tuples_only on
create schema prepared;
set search_path = prepared, public;

create table t (id int primary key, word text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset

-- a server that knows no prepared transactions has prepared_1.out
select current_setting('max_prepared_transactions')::int = 0 as disabled \gset
\if :disabled
\echo prepared transactions are disabled
drop schema prepared cascade;
\quit
\endif

-- committed
begin;
insert into t values (1, 'a');
savepoint s;
insert into t values (2, 'rolled back');
rollback to s;
update t set word = 'b' where id = 1;
prepare transaction 'regress_ddbstreams_1';
select count(*) from test.records('t');
select ddbstreams.wait_for_records(ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON'), '0')
from ddbstreams.describe_stream(:'arn');
-- readers of the shard wait for its end; what was written later comes after it
insert into t values (3, 'later');
select count(*) from test.records('t');
select count(*) from ddbstreams.changes(null::t);
commit prepared 'regress_ddbstreams_1';
select * from test.plain('t');
select event_name, new_image from ddbstreams.changes(null::t);

-- rolled back
begin;
insert into t values (4, 'never');
delete from t where id = 1;
prepare transaction 'regress_ddbstreams_2';
insert into t values (5, 'on');
select count(*) from test.records('t');
rollback prepared 'regress_ddbstreams_2';
select test.counts('t');
select count(*) from test.records('t');
select * from test.plain('t') offset 3;

-- in another shard nobody waits
create table spread (id int primary key);
select ddbstreams.enable_stream('spread', shard_count => 2) as spread_arn \gset
insert into spread select i from generate_series(1, 20) as i;
select (array_agg((new_image).id order by shard_id, (new_image).id))[1] as here,
       (array_agg((new_image).id order by shard_id desc, (new_image).id))[1] as there
from ddbstreams.changes(null::spread) \gset
delete from spread;
begin;
insert into spread values (:here);
prepare transaction 'regress_ddbstreams_3';
insert into spread values (:there);
select count(*) from test.records('spread') where transaction_id = (select xmin::text::xid8 from spread);
commit prepared 'regress_ddbstreams_3';
select test.counts('spread');

-- the transaction id is that of the prepared transaction
select count(*) from test.records('t') as r join t on t.id = (keys #>> '{id,N}')::int
where r.transaction_id = t.xmin::text::xid8 and event_name = 'INSERT' and t.id in (3, 5);

-- a prepared transaction that has changed nothing of a stream
create table quiet (id int primary key);
begin;
insert into quiet values (1);
prepare transaction 'regress_ddbstreams_4';
insert into t values (6, 'six');
select count(*) from test.records('t');
commit prepared 'regress_ddbstreams_4';

-- enabling in a prepared transaction: captured from then on, in it too
create table later (id int primary key);
begin;
select ddbstreams.enable_stream('later', shard_count => 1) <> '';
insert into later values (1);
prepare transaction 'regress_ddbstreams_5';
select ddbstreams.latest_stream_arn('later') is null;
commit prepared 'regress_ddbstreams_5';
insert into later values (2);
select event_name, new_image from test.plain('later');

-- DROP TABLE in a prepared transaction
begin;
insert into later values (3);
drop table later;
prepare transaction 'regress_ddbstreams_6';
commit prepared 'regress_ddbstreams_6';
select stream_status, stream_arn as later_arn from ddbstreams.list_streams() where table_name = 'prepared.later' \gset
select :'stream_status';
select event_name, new_image from test.plain(null, :'later_arn');

-- a large one
begin;
insert into t select i, repeat('x', 100) from generate_series(101, 20000) as i;
insert into t values (100, repeat('y', 3000000));
prepare transaction 'regress_ddbstreams_7';
commit prepared 'regress_ddbstreams_7';
select count(*), count(distinct sequence_number), max(length(new_image #>> '{word,S}')), sum(size_bytes) > 3000000 as whole
from test.records('t');

-- numbers rise through all of it
select bool_and(rises) from (select sequence_number > lag(sequence_number, 1, '') over () as rises from test.records('t')) as r;

-- a mapping begins at LATEST before what is in flight, whatever has committed
-- behind that
create table u (id int primary key);
create function handler(event jsonb) returns void language sql as 'select null::void';
select ddbstreams.enable_stream('u', shard_count => 1) as arn_u \gset
insert into u values (1), (2);
begin;
insert into u values (3);
prepare transaction 'regress_ddbstreams_8';
insert into u values (4);
select ddbstreams.create_event_source_mapping('handler', :'arn_u', 'LATEST', parallelization_factor => 2, enabled => false) as uuid \gset
insert into u values (5);
commit prepared 'regress_ddbstreams_8';
select lane, finished, (select string_agg(keys->'id'->>'N', ' ') from test.records('u') where sequence_number::numeric > checkpoint)
from ddbstreams_shards.mapping_shard join ddbstreams_shards.mapping using (mapping_no) where uuid = :'uuid' order by lane;

-- what was appended before PREPARE TRANSACTION counts
select commits, records from ddbstreams.append_stats where stream_arn = :'arn_u';

-- the first shard is not rolled over, those that share a side table with its
-- child are
create table w (id int primary key, v text);
alter table w alter v set storage external;
select ddbstreams.enable_stream('w', shard_count => 4) as arn_w \gset
insert into w select i, 'x' from generate_series(1, 100) i;
select (keys->'id'->>'N')::int as first
from (select shard_id from ddbstreams.describe_stream(:'arn_w') order by shard_id limit 1) s, lateral
    ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn_w', s.shard_id, 'TRIM_HORIZON')) limit 1 \gset
begin;
update w set v = 'y' where id = :first;
prepare transaction 'regress_ddbstreams_9';
set client_min_messages = error;
select ddbstreams.roll_over(:'arn_w');
reset client_min_messages;
select count(distinct shard_table), count(distinct side_table) from ddbstreams_shards.shard
where shard_table in (select shard_table from ddbstreams.describe_stream(:'arn_w'));
update w set v = repeat('y', 3000) where id <> :first;
commit prepared 'regress_ddbstreams_9';
select count(distinct shard_id), count(*), sum(length(new_image->'v'->>'S'))
from ddbstreams.describe_stream(:'arn_w') d, lateral
    ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn_w', d.shard_id, 'TRIM_HORIZON'));

-- A transaction that is rolled back has noted where its large values are, which
-- nobody may believe.
create table x (id int primary key, n int, v text);
alter table x alter v set storage external;
select ddbstreams.enable_stream('x', shard_count => 1) as arn_x \gset
insert into x values (1, 0, repeat('x', 3000));
select ddbstreams.roll_over(:'arn_x');
begin;
update x set n = 1;
prepare transaction 'regress_ddbstreams_10';
rollback prepared 'regress_ddbstreams_10';
update x set n = 2;
begin;
update x set n = 3;
prepare transaction 'regress_ddbstreams_11';
commit prepared 'regress_ddbstreams_11';
update x set n = 4;
select event_name, (c.old_image).n, length((c.old_image).v), (c.new_image).n, length((c.new_image).v)
from ddbstreams.changes(null::x) c;

select count(*) as left_over from pg_prepared_xacts where gid like 'regress_ddbstreams_%';
\set VERBOSITY terse
set client_min_messages = warning;
drop schema prepared cascade;
