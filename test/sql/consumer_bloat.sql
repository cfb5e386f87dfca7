-- Polls and checkpoints do not bloat the lease table: updates are HOT, and what
-- they leave is pruned, without a vacuum. Without either the table would take 3 MB.
--
-- To see it fail: test/mutations/run index-known-for-ever
-- lease-left-out-of-index.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;
-- else each of the queries of 5,000 polls is compiled again, for some ten minutes
set jit = off;

\pset format unaligned
\pset tuples_only on
set synchronous_commit = off;
alter table ddbstreams_shards.consumer_lease set (autovacuum_enabled = off);
create schema consumer_bloat;
set search_path = consumer_bloat;
create table t (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 2) as arn \gset
select ddbstreams.create_consumer('bloat', :'arn');
insert into t select generate_series(1, 20);
do $$
begin
    for i in 1..5000 loop
        -- the last record is checkpointed again and again
        perform ddbstreams.checkpoint('bloat', 'w', shard_id, sequence_number)
        from ddbstreams.poll('bloat', 'w', 2) order by sequence_number;
        commit;
        if i % 250 = 0 then
            insert into t select generate_series(1000 * i, 1000 * i + 800);
            commit;
        end if;
    end loop;
end $$;
select pg_stat_force_next_flush();
select n_tup_upd > 10000 as updated, n_tup_hot_upd > 0.9 * n_tup_upd as hot
from pg_stat_all_tables where relid = 'ddbstreams_shards.consumer_lease'::regclass;
select pg_relation_size('ddbstreams_shards.consumer_lease') <= 32 * 8192 as small,
       pg_relation_size('ddbstreams_shards.consumer_lease_pkey') <= 32 * 8192 as small_index,
       pg_relation_size('ddbstreams_shards.consumer_worker') <= 32 * 8192 as small_workers;
-- Versions that one transaction makes cannot be pruned: soon they leave the page, and
-- the index has to know where the last one is.
select sum(lag_records) as lag from ddbstreams.consumer_stats where consumer_name = 'bloat' \gset
do $$
begin
    for i in 1..400 loop
        perform ddbstreams.checkpoint('bloat', 'w', shard_id, sequence_number)
        from ddbstreams.poll('bloat', 'w', 2) order by sequence_number;
    end loop;
end $$;
select count(*) as leases, :lag - sum(lag_records) as taken from ddbstreams.consumer_stats where consumer_name = 'bloat';
-- An index that takes the place of another is found.
reindex table concurrently ddbstreams_shards.consumer_lease;
select count(*) from ddbstreams.leases('bloat');
select ddbstreams.drop_consumer('bloat');
alter table ddbstreams_shards.consumer_lease reset (autovacuum_enabled);
drop schema consumer_bloat cascade;
