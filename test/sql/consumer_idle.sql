-- A poll that has nothing to do reads no lease and writes nothing, as long as there
-- is nothing: the next poll notices whatever changes that.
--
-- To see it fail: test/mutations/run idle-poll-reads-leases
-- idle-poll-misses-leases idle-poll-misses-shards idle-poll-misses-the-clock
-- idle-poll-of-undone-poll idle-poll-for-anybody.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;

\pset format unaligned
\pset tuples_only on
set client_min_messages = warning;
create schema consumer_idle;
set search_path = consumer_idle;
create table t (id int primary key);
select ddbstreams.enable_stream('t', shard_count => 4) as arn \gset
select ddbstreams.create_consumer('idle', :'arn', lease_duration => '1 hour');
-- How often the leases have been looked into in this transaction
create function looks() returns bigint language sql security definer as $$
    select sum(pg_stat_get_xact_numscans(indexrelid))::bigint
           + pg_stat_get_xact_numscans('ddbstreams_shards.consumer_lease'::regclass)
    from pg_index where indrelid = 'ddbstreams_shards.consumer_lease'::regclass
$$;
create function poll(consumer text, worker text, out records bigint, out looks bigint) language plpgsql as $$
begin
    looks := consumer_idle.looks();
    select count(*) into records from ddbstreams.poll(consumer, worker);
    looks := consumer_idle.looks() - looks;
end $$;
-- Polls in transactions of their own until a poll has not looked. (What shares a
-- slot of shared memory with the shards may have it look once more.)
create procedure come_to_rest(consumer text, worker text) language plpgsql as $$
begin
    for i in 1..100 loop
        commit;
        if (select p.looks from consumer_idle.poll(consumer, worker) as p) = 0 then
            return;
        end if;
    end loop;
    raise 'each poll looks';
end $$;
create function leases(out all_leases bigint, out of_a bigint, out of_b bigint, out changes numeric) language sql as $$
    select count(*), count(*) filter (where lease_owner = 'a'), count(*) filter (where lease_owner = 'b'),
           sum(lease_counter) filter (where lease_owner = 'a')
    from ddbstreams.leases('idle')
$$;

-- an idle poll
call come_to_rest('idle', 'a');
begin;
select records from poll('idle', 'a');
select pg_current_xact_id_if_assigned() is null as writes_nothing;
commit;
select all_leases, of_a from leases();

-- a record comes
insert into t values (1);
select records from poll('idle', 'a');
select count(ddbstreams.checkpoint('idle', 'a', shard_id, sequence_number)) from ddbstreams.poll('idle', 'a');
call come_to_rest('idle', 'a');

-- another worker comes, and takes one of four leases over: this one gives one up
select records from poll('idle', 'b');
select records from poll('idle', 'a');
select all_leases, of_a, of_b from leases();
select records from poll('idle', 'b');
select all_leases, of_a, of_b from leases();

-- a shard of that worker is split: who polls first makes the leases of its children
call come_to_rest('idle', 'a');
call come_to_rest('idle', 'b');
select shard_id as shard from ddbstreams.leases('idle') where lease_owner = 'b' limit 1 \gset
select count(*) from ddbstreams.split_shard(:'arn', :'shard');
select records from poll('idle', 'a');
select all_leases from leases();

-- time goes by: leases are renewed when a third of their hour is over
call come_to_rest('idle', 'a');
select changes from leases() \gset
set ddbstreams.clock_offset = '30 min';
select records from poll('idle', 'a');
select changes > :changes as renewed from leases();

-- a poll that has renewed leases is rolled back
select changes from leases() \gset
set ddbstreams.clock_offset = '55 min';
begin;
select records from poll('idle', 'a');
select records from poll('idle', 'a');
rollback;
select records from poll('idle', 'a');
select changes > :changes as renewed from leases();
reset ddbstreams.clock_offset;

-- the user may not read the stream any more
create role regress_consumer_idle;
grant usage on schema consumer_idle to regress_consumer_idle;
grant select on t to regress_consumer_idle;
set role regress_consumer_idle;
select ddbstreams.create_consumer('of_role', :'arn', 'LATEST');
call come_to_rest('of_role', 'a');
reset role;
revoke select on t from regress_consumer_idle;
set role regress_consumer_idle;
select count(*) from ddbstreams.poll('of_role', 'a');
reset role;

-- the consumer is dropped
call come_to_rest('idle', 'a');
select ddbstreams.drop_consumer('idle'), ddbstreams.drop_consumer('of_role');
select count(*) from ddbstreams.poll('idle', 'a');

set client_min_messages = error;
drop schema consumer_idle cascade;
drop role regress_consumer_idle;
