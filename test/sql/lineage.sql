-- Lineage: split_shard, roll_over, what descriptions, iterators and changes()
-- say of parents and children.
--
-- To see it fail: test/mutations/run children-of-ignored.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema lineage;
set search_path = lineage, public;

create table events (id int primary key, n int);
select ddbstreams.enable_stream('events', shard_count => 2) as arn \gset

-- The shards, numbered in the order of their ids: parent, range in 1/16ths,
-- state, and how many records each has.
create function shards(arn text) returns table (shard bigint, parent bigint, "from" numeric, "to" numeric, state text, records bigint)
language sql as $$
    with d as (select row_number() over (order by shard_id) as no, * from ddbstreams.describe_stream(arn))
    select d.no, p.no, trunc(lower(d.hash_range) * 16 / 2::numeric ^ 64), trunc(upper(d.hash_range) * 16 / 2::numeric ^ 64),
           case when d.ending_sequence_number is null then 'open' else 'closed' end,
           (select count(*) from ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, d.shard_id, 'TRIM_HORIZON')))
    from d left join d as p on p.shard_id = d.parent_shard_id
    order by d.no
$$;
create function shard(arn text, no int) returns text
language sql as $$
    select shard_id from ddbstreams.describe_stream(arn) order by shard_id limit 1 offset no - 1
$$;
-- What is wrong with a lineage: nothing
create function faults(arn text) returns setof text
language sql as $$
    with d as (select * from ddbstreams.describe_stream(arn))
    select 'not above its parent: ' || c.shard_id from d as c join d as p on p.shard_id = c.parent_shard_id
    where c.shard_id <= p.shard_id or c.starting_sequence_number <= p.ending_sequence_number
       or p.ending_sequence_number is null or not p.hash_range @> c.hash_range
    union all
    select 'the open shards do not tile the hashes'
    where (select range_agg(hash_range) from d where ending_sequence_number is null)
          is distinct from (select nummultirange(numrange(0, 2::numeric ^ 64))
                            where exists (select from d where ending_sequence_number is null))
       or exists (select from d as a join d as b on a.shard_id < b.shard_id and a.hash_range && b.hash_range
                  where a.ending_sequence_number is null and b.ending_sequence_number is null)
$$;

--
-- Split
--

insert into events select i, 1 from generate_series(1, 40) as i;
select * from shards(:'arn');
select count(*) as children from ddbstreams.split_shard(:'arn', shard(:'arn', 1));
update events set n = 2;
select * from shards(:'arn');
select * from faults(:'arn');

--
-- Roll-over
--

select ddbstreams.roll_over(:'arn') as closed;
update events set n = 3;
select * from shards(:'arn');
select * from faults(:'arn');

-- a shard without records is rolled over, too, if one asks for it; it ends where
-- it began
select ddbstreams.roll_over(:'arn') as closed;
select ddbstreams.roll_over(:'arn') as closed;
select count(*) filter (where starting_sequence_number = ending_sequence_number) as empty from ddbstreams.describe_stream(:'arn');
update events set n = 4;
select count(*), count(distinct shard_id) from ddbstreams.describe_stream(:'arn');
select * from faults(:'arn');

--
-- Reading: parents before children, each key's values in order
--

select count(*) as records, bool_and(n = nth) as in_order
from (select (new_image).n as n, row_number() over (partition by (new_image).id order by at) as nth
      from (select new_image, row_number() over () as at from ddbstreams.changes(null::events)) as c) as d;

-- a closed shard's last page has no next iterator, an open one's has
select d.ending_sequence_number is null as open, r.next_shard_iterator is null as ended, count(*)
from ddbstreams.describe_stream(:'arn') as d,
     lateral (select ddbstreams.get_shard_iterator(:'arn', d.shard_id, 'TRIM_HORIZON') as iterator) as i,
     lateral (select next_shard_iterator from ddbstreams.get_records(i.iterator) order by sequence_number desc limit 1) as r
group by 1, 2 order by 1, 2;
select d.ending_sequence_number is null as open,
       ddbstreams.next_shard_iterator(ddbstreams.get_shard_iterator(:'arn', d.shard_id, 'LATEST')) is null as ended,
       ddbstreams.wait_for_records(ddbstreams.get_shard_iterator(:'arn', d.shard_id, 'LATEST'), '0') as woken, count(*)
from ddbstreams.describe_stream(:'arn') as d group by 1, 2, 3 order by 1, 2;
-- numbers of a closed shard's range are accepted, higher ones are not
select ending_sequence_number as ending, shard_id as closed from ddbstreams.describe_stream(:'arn') limit 1 \gset
select count(*) from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'closed', 'AT_SEQUENCE_NUMBER', :'ending'));
select count(*) from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'closed', 'AFTER_SEQUENCE_NUMBER', :'ending'));

-- AWS's shape
select s #>> '{SequenceNumberRange,EndingSequenceNumber}' is null as open, s ->> 'ParentShardId' is null as root, count(*)
from json_array_elements(ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn')) #> '{StreamDescription,Shards}') as s
group by 1, 2 order by 1, 2;
select json_array_length(ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn',
       'ShardFilter', json_build_object('Type', 'CHILD_SHARDS', 'ShardId', shard(:'arn', 1)))) #> '{StreamDescription,Shards}') as children;
select count(*) as pages, sum(json_array_length(page -> 'Shards')) as shards
from (with recursive p as (
        select ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn', 'Limit', 5)) -> 'StreamDescription' as page
        union all
        select ddbstreams.aws('DescribeStream', json_build_object('StreamArn', :'arn', 'Limit', 5,
               'ExclusiveStartShardId', page ->> 'LastEvaluatedShardId')) -> 'StreamDescription'
        from p where page ->> 'LastEvaluatedShardId' is not null)
      select page from p) as pages;

--
-- What is refused
--

\set VERBOSITY sqlstate
select ddbstreams.split_shard(:'arn', :'closed');
\set VERBOSITY default
select test.fails(format('select ddbstreams.split_shard(%L, %L)', :'arn', :'closed'));
select test.fails(format('select ddbstreams.split_shard(%L, %L)', :'arn', 'shardId-00000000000000000000-00000000'));
select test.fails(format('select ddbstreams.split_shard(%L, %L)', :'arn', ''));
select test.fails(format('select ddbstreams.split_shard(%L, null)', :'arn'));
select test.fails('select ddbstreams.split_shard(null, ''x'')');
select test.fails('select ddbstreams.split_shard(''x'', ''x'')');
select test.fails('select ddbstreams.roll_over(null)');
select test.fails('select ddbstreams.roll_over(''arn:aws:dynamodb:ddblocal:000000000000:table/nothing/stream/2026-01-01T00:00:00.000'')');

-- in a transaction block, and where the statement has changed the table
begin;
select ddbstreams.roll_over(:'arn');
rollback;
begin;
select * from ddbstreams.split_shard(:'arn', 'x');
rollback;
create function changes_and_rolls_over(arn text) returns int
language plpgsql as $$
begin
    update events set n = 5;
    return ddbstreams.roll_over(arn);
end $$;
\set VERBOSITY terse
select changes_and_rolls_over(:'arn');
\set VERBOSITY default
-- the same function without the change is not a transaction block
create function rolls_over(arn text) returns int
language plpgsql as $$
begin
    return ddbstreams.roll_over(arn);
end $$;
select rolls_over(:'arn') as closed;
-- a change in the same statement that comes later goes to the children
with u as (update events set n = 5 where id <= 10 returning 1)
select ddbstreams.roll_over(:'arn') as closed;
select count(*) from ddbstreams.changes(null::events) where (new_image).n = 5;
select * from faults(:'arn');
-- read only
set default_transaction_read_only = on;
select ddbstreams.roll_over(:'arn');
reset default_transaction_read_only;

-- rights: the owner's alone
create role regress_lineage_reader;
grant select, update on events to regress_lineage_reader;
grant usage on schema lineage to regress_lineage_reader;
set role regress_lineage_reader;
\set VERBOSITY terse
select ddbstreams.roll_over(:'arn');
select * from ddbstreams.split_shard(:'arn', shard(:'arn', 1));
\set VERBOSITY default
reset role;
drop owned by regress_lineage_reader;
drop role regress_lineage_reader;

-- narrow shards: to the last hash
create table narrow (id int primary key);
select ddbstreams.enable_stream('narrow', shard_count => 1) as narrow_arn \gset
create function first_open(arn text) returns text
language sql as $$
    select shard_id from ddbstreams.describe_stream(arn) where ending_sequence_number is null order by hash_range limit 1
$$;
\o /dev/null
\set ECHO none
select format('select count(*) from ddbstreams.split_shard(%L, first_open(%L))', :'narrow_arn', :'narrow_arn')
from generate_series(1, 64) \gexec
\set ECHO all
\o
select count(*), count(distinct shard_id) as ids from ddbstreams.describe_stream(:'narrow_arn');
select hash_range from ddbstreams.describe_stream(:'narrow_arn') where shard_id = first_open(:'narrow_arn');
insert into narrow select generate_series(1, 100);
select count(*) from ddbstreams.changes(null::narrow);
select * from faults(:'narrow_arn');
\set VERBOSITY sqlstate
select ddbstreams.split_shard(:'narrow_arn', first_open(:'narrow_arn'));
\set VERBOSITY default

-- the clock set back: numbers and ids rise all the same
set ddbstreams.clock_offset = '-1 h';
update events set n = 6;
select ddbstreams.roll_over(:'arn') > 0 as closed;
update events set n = 7;
select ddbstreams.roll_over(:'arn') > 0 as closed;
update events set n = 8;
reset ddbstreams.clock_offset;
select * from faults(:'arn');
select bool_and(n > before) as in_order
from (select (new_image).n as n, lag((new_image).n) over (partition by (new_image).id order by at) as before
      from (select new_image, row_number() over () as at from ddbstreams.changes(null::events)) as c) as d;

-- a disabled stream's shards are closed for good
select ddbstreams.disable_stream('events') = :'arn' as disabled;
select count(*) from ddbstreams.describe_stream(:'arn') where ending_sequence_number is null;
\set VERBOSITY sqlstate
select ddbstreams.roll_over(:'arn');
drop table events, narrow;
\set VERBOSITY default

--
-- The children of one shard
--

create table family (id int primary key);
select ddbstreams.enable_stream('family', shard_count => 2) as arn \gset
select min(shard_id) as first, max(shard_id) as second from ddbstreams.describe_stream(:'arn') \gset
select ddbstreams.roll_over(:'arn');
select shard_id as child from ddbstreams.describe_stream(:'arn') where parent_shard_id = :'first' \gset
select count(*) from ddbstreams.split_shard(:'arn', :'child');
-- as a look at all shards says, and as aws() says
create function children(arn text, parent text) returns table (count bigint, same bool, same_aws bool) language sql as $$
    select count(*), array_agg(shard_id) is not distinct from (
               select array_agg(shard_id order by shard_id) from ddbstreams.describe_stream(arn) where parent_shard_id = parent),
           array_agg(shard_id) is not distinct from (
               select array_agg(s->>'ShardId' order by n) from json_array_elements(ddbstreams.aws('DescribeStream', json_build_object(
                   'StreamArn', arn, 'ShardFilter', json_build_object('Type', 'CHILD_SHARDS', 'ShardId', parent)))
                   #> '{StreamDescription,Shards}') with ordinality as t(s, n))
    from ddbstreams.describe_stream(arn, children_of => parent)
$$;
select c.* from ddbstreams.describe_stream(:'arn') as d, children(:'arn', d.shard_id) as c order by d.shard_id;
select count(*) from ddbstreams.describe_stream(:'arn', null);
select count(*) from ddbstreams.describe_stream(:'arn', '');
select count(*) from ddbstreams.describe_stream(:'arn', 'shardId-00000000000000000000-00000000');
-- another stream's shard has none here
select ddbstreams.disable_stream('family') = :'arn' as disabled;
select ddbstreams.enable_stream('family', shard_count => 1) as next \gset
select count(*) from ddbstreams.describe_stream(:'next', :'first');
drop table family;

\set VERBOSITY terse
drop schema lineage cascade;
