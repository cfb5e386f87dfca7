-- A poll reads the leases that it may have to do with, and not those of shards that
-- are finished or wait for their parents; it reads the shards only when they have
-- changed. It misses none of them.
--
-- To see it fail: test/mutations/run poll-reads-all-leases poll-reads-all-shards
-- poll-misses-new-shards poll-learns-from-undone
-- poll-does-not-go-on poll-of-blocked-shard consumer-looked-up-twice.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;

\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
-- so small a table would be read as a whole
set enable_seqscan = off;
create schema consumer_lineage;
set search_path = consumer_lineage;
create table t (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 2) as arn \gset
select ddbstreams.create_consumer('follower', :'arn', lease_duration => '1 hour');

-- Rows of a table that have been read in this transaction
create function rows_read(name text) returns bigint language sql security definer as $$
    select pg_stat_get_xact_tuples_returned(name::regclass) + pg_stat_get_xact_tuples_fetched(name::regclass)
           + sum(pg_stat_get_xact_tuples_fetched(indexrelid))::bigint
    from pg_index where indrelid = name::regclass
$$;
-- A poll, and a checkpoint at the last record of each shard. (The transaction must
-- not have written before: what it reads then may be undone.)
create function take(worker text, out ids text, out leases bigint, out shards bigint, out consumers bigint)
language plpgsql as $$
declare
    polled text[];
    ends text[];
begin
    leases := consumer_lineage.rows_read('ddbstreams_shards.consumer_lease');
    shards := consumer_lineage.rows_read('ddbstreams_shards.shard');
    consumers := consumer_lineage.rows_read('ddbstreams_shards.consumer');
    select array_agg(p.id order by p.id), array_agg(p.shard_id || ' ' || p.sequence_number) into polled, ends
    from (select (keys -> 'id' ->> 'N')::int as id, shard_id, sequence_number
          from ddbstreams.poll('follower', worker)) as p;
    leases := consumer_lineage.rows_read('ddbstreams_shards.consumer_lease') - leases;
    shards := consumer_lineage.rows_read('ddbstreams_shards.shard') - shards;
    consumers := consumer_lineage.rows_read('ddbstreams_shards.consumer') - consumers;
    ids := array_to_string(polled, ' ');
    perform ddbstreams.checkpoint('follower', worker, split_part(e, ' ', 1), max(split_part(e, ' ', 2)))
    from unnest(ends) as e group by split_part(e, ' ', 1);
end $$;
-- Polls until there is nothing
create procedure catch_up(worker text) language plpgsql as $$
begin
    for i in 1..1000 loop
        commit;
        exit when (select p.ids from consumer_lineage.take(worker) as p) is null;
    end loop;
end $$;

-- fifteen generations, finished but for the last
select format('insert into t values (%s), (%s)', 2 * i, 2 * i + 1), 'select from ddbstreams.roll_over(ddbstreams.latest_stream_arn(''t''))'
from generate_series(1, 14) as i \gexec
call catch_up('a');
select count(*), count(*) filter (where checkpoint = 'SHARD_END') from ddbstreams.leases('follower');
-- (What shares a slot of shared memory with the stream may have it read the shards
-- once more.)
create temp table polls (ids text, leases bigint, shards bigint, consumers bigint);
select format('insert into t values (%s)', -i), 'insert into polls select * from take(''a'')' from generate_series(1, 10) as i \gexec
select count(ids), min(leases) < 16 as few_leases, min(shards), min(consumers) from polls;

-- generations without a record are finished by one poll
select 'select from ddbstreams.roll_over(ddbstreams.latest_stream_arn(''t''))' from generate_series(1, 3) \gexec
insert into t values (1000), (1001);
select ids from take('a');

-- shards that come while their parents, too, wait for theirs
call catch_up('a');
insert into t values (2000), (2001), (2002), (2003);
select from ddbstreams.roll_over(:'arn');
insert into t values (2010), (2011), (2012), (2013);
select count(*) from ddbstreams.poll('follower', 'a');
select from ddbstreams.roll_over(:'arn');
insert into t values (2020), (2021), (2022), (2023);
select count(*) from ddbstreams.poll('follower', 'a');
select count(*) from ddbstreams.leases('follower') where lease_owner = 'a' and checkpoint <> 'SHARD_END';

-- what a transaction has finished is not finished when it is rolled back
begin;
select ids from take('a');
select ids from take('a');
rollback;
select ids from take('a');
select ids from take('a');
select ids from take('a');
select ids from take('a');

-- another worker takes one of the two leases over, and then both
select count(*) from ddbstreams.poll('follower', 'b');
select lease_owner, count(*) from ddbstreams.leases('follower') where checkpoint <> 'SHARD_END' group by 1 order by 1;
call catch_up('a');
select from ddbstreams.roll_over(:'arn');
insert into t values (3000), (3001), (3002), (3003);
set ddbstreams.clock_offset = '65min';
select ids from take('b');
select lease_owner, count(*) from ddbstreams.leases('follower') where checkpoint <> 'SHARD_END' group by 1 order by 1;

set client_min_messages = error;
select ddbstreams.drop_consumer('follower');
drop schema consumer_lineage cascade;
