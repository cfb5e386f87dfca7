-- Shards that are made together share the table of their large values.
--
-- To see it fail: test/mutations/run side-table-for-each-shard
-- side-table-goes-with-first-shard.

\pset format unaligned
\pset tuples_only on
create schema side_tables;
set search_path = side_tables, public;

-- the tables of a stream's shards, and what belongs to them
create function relations(arn text) returns table (logs bigint, side_tables bigint, all_of_them bigint)
language sql as $$
    with log as (select shard_table::oid from ddbstreams.describe_stream(arn)),
    side as (select distinct side_table::oid from ddbstreams_shards.shard where shard_table in (select shard_table from log)),
    toast as (select reltoastrelid from pg_class where oid in (select side_table from side) and reltoastrelid <> 0),
    every as (select * from log union all select * from side union all select * from toast)
    select (select count(*) from log), (select count(*) from side),
        (select count(*) from every) + (select count(*) from pg_index where indrelid in (select * from every))
$$;
create function story(arn text) returns table (shards bigint, records bigint, bytes bigint) language sql as $$
    select count(distinct shard_id), count(event_id), sum(length(new_image->'v'->>'S'))
    from ddbstreams.describe_stream(arn) d left join lateral
        ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, d.shard_id, 'TRIM_HORIZON')) on true
$$;

create table t (id int primary key, v text);
alter table t alter v set storage external;
select ddbstreams.enable_stream('t', shard_count => 4, retention => '1 hour') as arn \gset
select * from relations(:'arn');
insert into t select i, repeat('x', 3000) from generate_series(1, 100) i;
select * from story(:'arn');
-- each shows a part
select count(distinct bytes - pg_total_relation_size(shard_table)) = 1 and
    sum(bytes - pg_total_relation_size(shard_table)) between 300000 and 800000
from ddbstreams.stream_stats join ddbstreams.describe_stream(:'arn') using (shard_id) where stream_arn = :'arn';

-- the children of a roll-over, and of a split
select ddbstreams.roll_over(:'arn');
select logs, side_tables from relations(:'arn');
select count(*) from ddbstreams.split_shard(:'arn', (select max(shard_id) from ddbstreams.describe_stream(:'arn')));
select logs, side_tables from relations(:'arn');
insert into t select i, repeat('y', 3000) from generate_series(101, 200) i;
select * from story(:'arn');

-- The side table is there as long as one of its shards is.
create table u (id int primary key, v text);
alter table u alter v set storage external;
select ddbstreams.enable_stream('u', shard_count => 2, retention => '1 hour') as arn \gset
insert into u select i, repeat('x', 3000) from generate_series(1, 20) i;
select count(*) from ddbstreams.split_shard(:'arn', (select min(shard_id) from ddbstreams.describe_stream(:'arn')));
begin;
set local ddbstreams.clock_offset = 3000;
insert into u select i, repeat('y', 3000) from generate_series(21, 40) i;
select * from story(:'arn');
set local ddbstreams.clock_offset = 4000;
select ddbstreams_shards.expire(:'arn');
select logs, side_tables from relations(:'arn');
rollback;
begin;
set local ddbstreams.clock_offset = 4000;
select ddbstreams_shards.expire(:'arn');
reset ddbstreams.clock_offset;
select logs, side_tables from relations(:'arn');
select shards, records > 0 as has_records, bytes = 3000 * records as are_whole from story(:'arn');
rollback;
select ddbstreams.disable_stream('u') = :'arn';
select side_table as side from ddbstreams_shards.shard where shard_table in (select shard_table from ddbstreams.describe_stream(:'arn'))
order by shard_no limit 1 \gset
begin;
set local ddbstreams.clock_offset = 4000;
select ddbstreams_shards.expire(:'arn');
select count(*) from pg_class where oid::regclass::text in (:'side', :'side' || '_idx');
select count(*) from ddbstreams_shards.shard where side_table::text = :'side';
rollback;

set client_min_messages = warning;
drop schema side_tables cascade;
