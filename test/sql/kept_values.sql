-- A large value that changes leave alone is stored once, and the images that
-- refer to it are whole.
--
-- To see it fail: test/mutations/run kept-value-stored-again
-- kept-value-of-aborted-subtransaction kept-value-not-published
-- kept-value-of-other-side-table kept-value-of-other-shard
-- kept-value-not-listed kept-value-of-other-stream.

\pset format unaligned
\pset tuples_only on
create schema kept_values;
set search_path = kept_values, public;

-- How many large values the side tables of a table's stream have
create function stored(tab regclass) returns bigint language plpgsql as $$
declare
    side regclass;
    found bigint;
    total bigint := 0;
begin
    for side in select distinct side_table from ddbstreams_shards.shard
        where shard_table in (select shard_table from ddbstreams.describe_stream(ddbstreams.latest_stream_arn(tab)))
    loop
        execute format('select count(*) from %s where ordinal > 0', side) into found;
        total := total + found;
    end loop;
    return total;
end $$;

-- What a table's stream tells, values by what they begin with and their length
create function brief(image json) returns text language sql as $$
    select string_agg(case when length(v) > 20 then left(v, 1) || length(v) || case when v = repeat(left(v, 1), length(v)) then '' else ' BAD' end else v end, ' ' order by key)
    from (select key, coalesce(value->>'N', value->>'S') v from json_each(image)) e
$$;
create function story(tab regclass) returns setof text language sql as $$
    select left(event_name, 1) || ' ' || concat_ws(' -> ', brief(old_image), brief(new_image))
    from ddbstreams.describe_stream(ddbstreams.latest_stream_arn(tab)) d,
        ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn(tab), d.shard_id, 'TRIM_HORIZON')) r
    order by r.sequence_number
$$;

create table t (id int primary key, n int, v text, w text);
alter table t alter v set storage external;
select ddbstreams.enable_stream('t', shard_count => 1) = ddbstreams.latest_stream_arn('t');

-- one transaction after another
insert into t values (1, 0, repeat('a', 5000), repeat('s', 100000));
select stored('t');
update t set n = 1;
update t set n = 2;
update t set n = 3;
select stored('t');
update t set v = repeat('b', 6000);
select stored('t');
update t set n = 4;
delete from t;
select stored('t');
select * from story('t');

-- in one transaction, savepoints too
select ddbstreams.enable_stream('t', shard_count => 1) is not null from ddbstreams.disable_stream('t');
begin;
insert into t values (2, 0, repeat('c', 5000));
update t set n = 1;
savepoint a;
update t set n = 2;
release a;
update t set n = 3;
commit;
select stored('t');
-- the version that the savepoint has made is the last one
begin;
savepoint a;
update t set n = 4;
commit;
update t set n = 5;
select stored('t');
-- what was stored in the savepoint is not there any more
begin;
insert into t values (3, 0, repeat('d', 5000));
savepoint a;
insert into t values (4, 0, repeat('e', 5000));
update t set n = 1 where id = 4;
rollback to a;
update t set n = 1 where id = 3;
update t set n = 6 where id = 2;
commit;
select stored('t');
select ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'));
begin;
savepoint a;
update t set n = 7 where id = 2;
rollback to a;
update t set n = 8 where id = 2;
update t set n = 9 where id = 2;
commit;
select stored('t');
select * from story('t');

-- The children of a roll-over have the value themselves.
update t set n = 10;
update t set n = 11;
select stored('t');

-- A change of the key, to other shards as well
create table k (id int primary key, v text);
alter table k alter v set storage external;
select ddbstreams.enable_stream('k', shard_count => 8) is not null;
insert into k values (1, repeat('f', 5000));
update k set id = 2;
update k set id = 3;
begin;
update k set id = 4;
update k set id = 5;
delete from k;
commit;
select stored('k');
select * from story('k') order by 1;

-- A shard that was split has another side table: what one transaction has
-- stored in one of them it does not look for in the other.
select ddbstreams.enable_stream('k', shard_count => 1) is not null from ddbstreams.disable_stream('k');
select count(*) from ddbstreams.split_shard(ddbstreams.latest_stream_arn('k'),
    (select max(shard_id) from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('k'))));
select count(*) from ddbstreams.split_shard(ddbstreams.latest_stream_arn('k'),
    (select max(shard_id) from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('k'))));
begin;
insert into k values (100, repeat('f', 5000));
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
commit;
update k set id = id + 1;
update k set id = id + 1;
update k set id = id + 1;
select count(*), count(distinct split_part(s, ' ', 2)), count(*) filter (where s ~ '^[IR] \d+ f5000$') from story('k') s;

-- A row that was there before the stream
truncate t;
select ddbstreams.enable_stream('t', 'NEW_IMAGE', shard_count => 1) is not null from ddbstreams.disable_stream('t');
insert into t values (5, 0, repeat('g', 5000));
update t set n = 1;
update t set n = 2;
select stored('t');
select ddbstreams.enable_stream('t', 'OLD_IMAGE', shard_count => 1) is not null from ddbstreams.disable_stream('t');
update t set n = 3;
update t set n = 4;
update t set n = 5;
select stored('t');
select * from story('t');

-- Rewrites: VACUUM FULL and CLUSTER leave the numbers of values as they are,
-- ALTER TABLE gives new ones.
select ddbstreams.enable_stream('t', shard_count => 1) is not null from ddbstreams.disable_stream('t');
update t set n = 6;
vacuum full t;
update t set n = 7;
cluster t using t_pkey;
update t set n = 8;
select stored('t') as stored \gset
alter table t alter n type bigint;
update t set n = 9;
update t set n = 10;
select stored('t') - :stored;
begin;
truncate t;
insert into t values (6, 0, repeat('h', 5000));
update t set n = 1;
truncate t;
insert into t values (6, 0, repeat('i', 5000));
update t set n = 1;
commit;
update t set n = 2;
update t set n = 3;
select * from story('t');

-- A frozen version does not tell which transaction has made it; then the value is looked for in
-- a list, where it is from the second time on.  (Nothing is frozen if an old
-- snapshot is about.)
select stored('t') as stored \gset
vacuum (freeze) t;
update t set n = 4;
vacuum (freeze) t;
update t set n = 5;
select stored('t') - :stored in (0, 1);
select * from story('t') offset 13;

-- Types that are rendered are stored each time: how they look may change.
create type mood as enum ('fine', 'well');
create table r (id int primary key, n int, m mood[]);
alter table r alter m set storage external;
select ddbstreams.enable_stream('r', shard_count => 1) is not null;
insert into r values (1, 0, array_fill('fine'::mood, array[2000]));
update r set n = 1;
alter type mood rename value 'fine' to 'good';
update r set n = 2;
select event_name, old_image->'m'->'L'->0->>'S', new_image->'m'->'L'->0->>'S'
from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('r')) d,
    ddbstreams.get_records(ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('r'), d.shard_id, 'TRIM_HORIZON')) r;

-- The values of partitions, and of many rows in one transaction
create table p (id int primary key, n int, v text) partition by range (id);
create table p1 partition of p for values from (0) to (100);
create table p2 partition of p for values from (100) to (1000);
alter table p alter v set storage external;
alter table p1 alter v set storage external;
alter table p2 alter v set storage external;
select ddbstreams.enable_stream('p', shard_count => 4) is not null;
insert into p select i, 0, repeat(chr(97 + i % 26), 3000) from generate_series(61, 140) i;
begin;
set local ddbstreams.buffer_memory = '64kB';
update p set n = n + 1;
update p set n = n + 1;
commit;
update p set n = n + 1;
select stored('p');
select count(*), count(*) filter (where s like '% BAD%') from story('p') s;
-- the other partition has the value under another number
update p set id = 141 where id = 61;
select stored('p');
select s from story('p') s where s ~ '^. (61|141) ';

-- A partition goes to another table with a stream, in one transaction: what is
-- stored for the first one is not looked for in the second one.
create table p3 (like p including all);
alter table p attach partition p3 for values from (1000) to (1100);
create table q (like p including all) partition by range (id);
select ddbstreams.enable_stream('q', shard_count => 1) is not null;
insert into p values (1000, 0, repeat('k', 5000)), (1001, 0, repeat('l', 5000));
begin;
update p set n = 1, v = repeat('m', 5000) where id = 1000;
update p set n = 1 where id = 1001;
set local client_min_messages = warning;
alter table p detach partition p3;
alter table q attach partition p3 for values from (1000) to (1100);
reset client_min_messages;
update q set n = 2;
update q set n = 3;
commit;
update q set n = 4;
select s from story('p') s where s ~ '^. 100[01] ' order by s collate "C";
select * from story('q') s order by s collate "C";

-- changes() and aws() have it whole, too.
select event_name, length((old_image).v), length((new_image).v) from ddbstreams.changes(null::t) where (new_image).n = 5 and (new_image).id = 6;
select length(r->'dynamodb'->'OldImage'->'v'->>'S')
from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) d,
    ddbstreams.aws('GetRecords', json_build_object('ShardIterator',
        ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('t'), d.shard_id, 'TRIM_HORIZON'))) a,
    json_array_elements(a->'Records') r
where r->'dynamodb'->'NewImage'->'n'->>'N' = '5';

set client_min_messages = warning;
drop schema kept_values cascade;
