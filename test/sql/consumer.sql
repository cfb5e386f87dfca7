-- Consumer groups: polls, checkpoints, leases and who has them, lineage, rights,
-- losses. What takes several sessions is in test/isolation/specs/consumer.spec.
--
-- To see it fail: test/mutations/run consumer-finishes-early.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema consumer;
set search_path = consumer, public;

create table orders (id int primary key, v int);
select ddbstreams.enable_stream('orders', shard_count => 2) as arn \gset

-- Expiry, until a stream has so many shards left: it waits for nobody, so a shard
-- that another process has open is left for the next run.
create function expire(arn text, left_shards int) returns void language plpgsql as $$
begin
    loop
        perform ddbstreams_shards.expire();
        exit when (select count(distinct shard_no) from ddbstreams_shards.stream join ddbstreams_shards.shard using (stream_id)
                   where stream_arn = arn) <= left_shards;
        perform pg_sleep(0.01);
    end loop;
end $$;

-- Shards are numbered in the order of their ids.
create function shard(n int) returns text language sql as $$
    select shard_id from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('consumer.orders')) offset n - 1 limit 1
$$;
create function number_of(shard text) returns bigint language sql as $$
    select n from (select shard_id, row_number() over () as n
                   from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('consumer.orders'))) as d
    where shard_id = shard
$$;
-- What a poll returns: shard and keys of each run of records.
create function poll(consumer text, worker text, max_records int default 100) returns text language sql as $$
    select coalesce(string_agg(run, '; ' order by first), 'nothing')
    from (select min(i) as first, number_of(shard_id) || ': ' || string_agg(keys #>> '{id,N}', ' ' order by i) as run
          from (select *, count(*) filter (where starts) over (order by i) as run
                from (select *, lag(shard_id) over (order by i) is distinct from shard_id as starts
                      from (select *, row_number() over () as i from ddbstreams.poll(consumer, worker, max_records)) as p) as p) as p
          group by run, shard_id) as r
$$;
-- Polls and checkpoints all that it gets.
create function process(consumer text, worker text, max_records int default 100) returns text language plpgsql as $$
declare
    polled text;
begin
    create temp table polled on commit drop as select * from ddbstreams.poll(consumer, worker, max_records);
    select coalesce(string_agg(number_of(shard_id) || ': ' || ids, '; ' order by number_of(shard_id)), 'nothing') into polled
    from (select shard_id, string_agg(keys #>> '{id,N}', ' ' order by sequence_number) as ids,
                 ddbstreams.checkpoint(consumer, worker, shard_id, max(sequence_number))
          from polled group by shard_id) as r;
    drop table polled;
    return polled;
end $$;
create function leases(consumer text) returns table (lease text) language sql as $$
    select concat_ws(' ', number_of(shard_id), 'of ' || number_of(parent_shard_id), coalesce(lease_owner, '-'),
                     test.mask(checkpoint), 'switches ' || owner_switches_since_checkpoint)
    from ddbstreams.leases(consumer)
$$;
create function stats(consumer text) returns table (stat text) language sql as $$
    select concat_ws(' ', coalesce((select number_of(shard_id)::text where shard_id is not null), '-'), state, lease_owner, 'lag ' || lag_records,
                     case when lag_seconds > 0 then 'late' end, 'attempts ' || attempts, 'lost ' || lost_records,
                     last_error, case when worker_pid = pg_backend_pid() then 'here' end)
    from ddbstreams.consumer_stats where consumer_name = consumer
$$;

--
-- Making them
--

select ddbstreams.create_consumer('group', :'arn', lease_duration => '1 hour');
select * from leases('group');
select * from stats('group');
select test.fails(format('select ddbstreams.create_consumer(%s)', arguments))
from unnest(array[
    format('%L, %L', 'group', :'arn'),
    format('%L, %L', '', :'arn'),
    format('repeat(%L, 129), %L', 'a', :'arn'),
    format('%L, %L', 'x', 'nonsense'),
    format('%L, %L', 'x', :'arn' || '0'),
    format('%L, %L, %L', 'x', :'arn', 'AT_TIMESTAMP'),
    format('%L, %L, %L', 'x', :'arn', 'latest'),
    format('%L, %L, lease_duration => %L', 'x', :'arn', '999 ms'),
    format('%L, %L, lease_duration => %L', 'x', :'arn', '1 day 1 second'),
    format('%L, %L, lease_duration => %L', 'x', :'arn', '-1 hour'),
    format('null, %L', :'arn'),
    format('%L, null', 'x'),
    format('%L, %L, null', 'x', :'arn'),
    format('%L, %L, lease_duration => null', 'x', :'arn')]) as arguments;
select test.fails('select ddbstreams.drop_consumer(''x'')'), test.fails('select ddbstreams.drop_consumer(null)'),
       test.fails('select * from ddbstreams.leases(''x'')'), test.fails('select * from ddbstreams.leases(null)');
-- any text is a name
select ddbstreams.create_consumer(name, :'arn', lease_duration => duration)
from (values (repeat('a', 128), '1 second'::interval), (E'a''b"; drop table orders; --\n', '1 day')) as v (name, duration);
select leases(name), leases from (values (repeat('a', 128)), (E'a''b"; drop table orders; --\n')) as v (name), leases(name) as leases;
select ddbstreams.drop_consumer(name) from (values (repeat('a', 128)), (E'a''b"; drop table orders; --\n')) as v (name);

--
-- Polling
--

select poll('group', 'w1');
insert into orders select i, 0 from generate_series(1, 10) as i;
-- what is not checkpointed comes again
select poll('group', 'w1');
select poll('group', 'w1');
-- each shard has its part; what one does not use others may
select poll('group', 'w1', 4), poll('group', 'w1', 5), poll('group', 'w1', 9), poll('group', 'w1', 10);
-- in turns
select poll('group', 'w1', 1), poll('group', 'w1', 1), poll('group', 'w1', 1);
select * from stats('group');
-- the columns are those of get_records
select bool_and(p = (p.shard_id, r.*)::text) as same, count(*)
from (select shard_id, format('%s', (shard_id, event_id, event_name, event_version, event_source, aws_region,
             approximate_creation_date_time, keys, new_image, old_image, sequence_number, size_bytes, stream_view_type,
             user_identity, transaction_id)) as p from ddbstreams.poll('group', 'w1')) as p
    join lateral (select event_id, event_name, event_version, event_source, aws_region,
             approximate_creation_date_time, keys, new_image, old_image, sequence_number, size_bytes, stream_view_type,
             user_identity, transaction_id
         from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', p.shard_id, 'TRIM_HORIZON'))) as r
    on p.p = (p.shard_id, r.*)::text;
-- an iterator stands behind its row
select count(*) from ddbstreams.poll('group', 'w1', 1) as p, ddbstreams.get_records(p.next_shard_iterator) as r
where r.sequence_number <= p.sequence_number or r.event_name <> 'INSERT';
select test.fails(format('select * from ddbstreams.poll(%s)', arguments))
from unnest(array['''x'', ''w''', '''group'', ''''', '''group'', repeat(''w'', 129)', 'null, ''w''', '''group'', null',
                  '''group'', ''w'', 0', '''group'', ''w'', 10001', '''group'', ''w'', null', '''group'', ''w'', 1, ''-1 s''',
                  '''group'', ''w'', 1, ''2 days''', '''group'', ''w'', 1, null']) as arguments;
begin isolation level repeatable read;
select test.fails('select * from ddbstreams.poll(''group'', ''w'')');
commit;
begin isolation level serializable;
select test.fails('select * from ddbstreams.poll(''group'', ''w'')');
commit;
begin read only;
select test.fails('select * from ddbstreams.poll(''group'', ''w'')'), test.fails('select ddbstreams.checkpoint(''group'', ''w1'', ''x'', ''1'')'),
       test.fails('select ddbstreams.drop_consumer(''group'')');
commit;

--
-- Checkpoints
--

select min(sequence_number) filter (where shard_id = shard(1)) as first1, max(sequence_number) filter (where shard_id = shard(1)) as last1,
       min(sequence_number) filter (where shard_id = shard(2)) as first2, max(sequence_number) filter (where shard_id = shard(2)) as last2
from ddbstreams.poll('group', 'w1') \gset
select test.fails(format('select ddbstreams.checkpoint(%s)', arguments))
from unnest(array[
    format('%L, %L, %L, %L', 'x', 'w1', shard(1), :'first1'),
    format('%L, %L, %L, %L', 'group', 'w2', shard(1), :'first1'),
    format('%L, %L, %L, %L', 'group', '', shard(1), :'first1'),
    format('%L, %L, %L, %L', 'group', 'w1', 'shardId-x', :'first1'),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), '12'),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), 'TRIM_HORIZON'),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), 'a' || repeat('1', 21)),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), '-' || repeat('1', 21)),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), repeat('9', 41)),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), repeat('9', 40)),
    format('%L, %L, %L, %L', 'group', 'w1', shard(1), repeat('0', 21)),
    format('null, %L, %L, %L', 'w1', shard(1), :'first1'),
    format('%L, null, %L, %L', 'group', shard(1), :'first1'),
    format('%L, %L, null, %L', 'group', 'w1', :'first1'),
    format('%L, %L, %L, null', 'group', 'w1', shard(1))]) as arguments;
select ddbstreams.checkpoint('group', 'w1', shard(1), :'first1');
-- again; back; beyond what was returned
select ddbstreams.checkpoint('group', 'w1', shard(1), :'first1');
select poll('group', 'w1');
select ddbstreams.checkpoint('group', 'w1', shard(1), :'last1');
select test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w1', shard(1), :'first1')),
       test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w1', shard(1), lpad((:'last1'::numeric + 1)::text, 21, '0')));
select poll('group', 'w1');
select * from leases('group');
select * from stats('group');

-- in one transaction: rounds see each other, a savepoint undoes
begin;
select poll('group', 'w1', 2);
savepoint a;
select ddbstreams.checkpoint('group', 'w1', shard(2), :'first2');
select poll('group', 'w1', 1);
rollback to a;
select poll('group', 'w1', 1);
select process('group', 'w1', 2), process('group', 'w1', 1);
rollback;
select poll('group', 'w1', 2);
select process('group', 'w1');
select process('group', 'w1');
-- poll, effects and checkpoint in one statement
update orders set v = 1 where id in (1, 4);
with found as (select * from ddbstreams.poll('group', 'w1'))
select number_of(shard_id), count(*), ddbstreams.checkpoint('group', 'w1', shard_id, max(sequence_number)) from found group by shard_id order by 1;
select process('group', 'w1');

--
-- Sharing: one lease at a time from the worker that has most
--

select poll('group', 'w2');
select * from leases('group');
select poll('group', 'w2'), poll('group', 'w3'), poll('group', 'w1');
select * from leases('group');
-- who has lost one may not checkpoint it, and is told who has it
insert into orders values (11, 0), (12, 0), (13, 0), (14, 0);
select poll('group', 'w1'), poll('group', 'w2'), poll('group', 'w3');
select max(sequence_number) filter (where shard_id = shard(1)) as last1, max(sequence_number) filter (where shard_id = shard(2)) as last2
from (select * from ddbstreams.poll('group', 'w1') union all select * from ddbstreams.poll('group', 'w2')) as p \gset
select test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w1', shard(1), :'last1')),
       test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w2', shard(2), :'last2')),
       test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w3', shard(2), :'last2'));

-- a lease that is not renewed is taken over; what was polled comes again, also
-- to the old owner, and its checkpoints of before do not count
set ddbstreams.clock_offset = '2h';
select * from stats('group');
select poll('group', 'w3');
select * from leases('group');
select test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w2', shard(1), :'last1'));
select ddbstreams.checkpoint('group', 'w3', shard(1), sequence_number) from ddbstreams.poll('group', 'w3') where shard_id = shard(1)
order by sequence_number limit 1;
set ddbstreams.clock_offset = '4h';
select poll('group', 'w2', 2);
select test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'group', 'w2', shard(1), :'last1'));
select * from leases('group');
select process('group', 'w2');
reset ddbstreams.clock_offset;
select ddbstreams.drop_consumer('group');

--
-- Lineage: children when their parents are finished
--

select ddbstreams.create_consumer('old', :'arn', lease_duration => '1 hour'),
       ddbstreams.create_consumer('new', :'arn', 'LATEST', '1 hour');
select * from leases('new');
select process('new', 'w');
insert into orders select i, 0 from generate_series(21, 28) as i;
select count(*) from ddbstreams.split_shard(:'arn', shard(1));
update orders set v = 7 where id > 20;
select ddbstreams.roll_over(:'arn');
update orders set v = 8 where id > 24;
select process('new', 'w') as processed from generate_series(1, 4);
select poll('old', 'w', 6);
select poll('old', 'w');
select process('old', 'w', 16);
select * from leases('old');
select process('old', 'w') as processed from generate_series(1, 5);
select * from leases('old');
select * from stats('old');
-- the last checkpoint of a shard may be repeated, an older one not
select test.fails(format('select ddbstreams.checkpoint(%L, %L, %L, %L)', 'old', 'w', shard_id, number))
from (select ending_sequence_number as ending, shard_id from ddbstreams.describe_stream(:'arn') limit 1) as d,
    lateral (values (ending), (lpad((ending::numeric - 1)::text, 21, '0')), (lpad((ending::numeric + 1)::text, 21, '0'))) as v (number);
-- a consumer that begins at LATEST has done with what is closed
select ddbstreams.create_consumer('newest', :'arn', 'LATEST', '1 hour');
select * from leases('newest');
select process('newest', 'w');
update orders set v = 9 where id = 25;
select process('newest', 'w'), process('newest', 'w'), process('new', 'w'), process('old', 'w');
-- the end of the stream; shards that are closed without records are passed at once
select ddbstreams.create_consumer('empty', :'arn', 'LATEST', '1 hour');
select ddbstreams.disable_stream('orders') = :'arn' as disabled;
select process('empty', 'w');
select distinct checkpoint from ddbstreams.leases('empty');
select process('old', 'w');
select distinct checkpoint from ddbstreams.leases('old');
select ddbstreams.drop_consumer(name) from unnest(array['old', 'new', 'newest', 'empty']) as name;
select count(*) from ddbstreams.consumer_stats;

--
-- What the retention overtakes
--

drop table orders;
create table orders (id int primary key, v int);
select ddbstreams.enable_stream('orders', shard_count => 1, retention => '1 hour') as arn \gset
select ddbstreams.create_consumer('slow', :'arn', lease_duration => '1 day');
insert into orders select i, 0 from generate_series(1, 10) as i;
select process('slow', 'w', 3);
select poll('slow', 'w', 2);
set ddbstreams.clock_offset = '50min';
insert into orders select i, 0 from generate_series(11, 13) as i;
set ddbstreams.clock_offset = '65min';
-- what nobody can read any more is no lag, of a mapping neither
select * from stats('slow');
create function handler(jsonb) returns void language sql as '';
select ddbstreams.create_event_source_mapping('handler', :'arn', 'TRIM_HORIZON', enabled => false) as mapping \gset
select lag_records, lag_seconds > 0 as late from ddbstreams.mapping_stats where mapping = :'mapping';
select ddbstreams.delete_event_source_mapping(:'mapping');
drop function handler;
\set VERBOSITY terse
select poll('slow', 'w', 2);
-- it is told once
select poll('slow', 'w', 2);
\set VERBOSITY default
select * from leases('slow');
select * from stats('slow');
insert into orders values (14, 0);
select process('slow', 'w'), process('slow', 'w');
-- nothing was lost of what was checkpointed
set ddbstreams.clock_offset = '130min';
select process('slow', 'w');
set ddbstreams.clock_offset = '131min';
insert into orders values (15, 0);
select process('slow', 'w');
-- a consumer that begins loses nothing
select ddbstreams.create_consumer('late', :'arn');
select poll('late', 'w');
select * from stats('late');
-- what is overtaken while nobody polls is counted before the shard is dropped;
-- its lease goes with it, and the child begins
select ddbstreams.create_consumer('away', :'arn', lease_duration => '1 s');
select count(*) from ddbstreams.roll_over(:'arn');
insert into orders values (16, 0), (17, 0);
select poll('slow', 'w'), poll('away', 'w');
set ddbstreams.clock_offset = '192min';
insert into orders values (18, 0);
select ddbstreams_shards.tidy_consumers(), expire(:'arn', 1);
select * from stats('slow');
select ddbstreams_shards.tidy_consumers();
select * from leases('away');
select * from stats('away');
\set VERBOSITY terse
select poll('away', 'w'), poll('slow', 'w');
\set VERBOSITY default
select * from leases('slow');
select * from stats('slow');
select ddbstreams.drop_consumer('slow'), ddbstreams.drop_consumer('late');
select count(*) from ddbstreams.roll_over(:'arn');
set ddbstreams.clock_offset = '400min';
insert into orders values (19, 0);
select ddbstreams_shards.tidy_consumers(), expire(:'arn', 1);
select poll('away', 'w');
select * from leases('away');
select * from stats('away');
-- the stream is gone
select ddbstreams.disable_stream('orders') = :'arn' as disabled;
set ddbstreams.clock_offset = '500min';
select expire(:'arn', 0), ddbstreams_shards.tidy_consumers();
select test.fails('select poll(''away'', ''w'')'), test.fails('select * from ddbstreams.leases(''away'')');
select * from stats('away');
select count(*) from ddbstreams_shards.consumer_lease;
reset ddbstreams.clock_offset;
select ddbstreams.drop_consumer('away');
select (select count(*) from ddbstreams_shards.consumer) as consumers, (select count(*) from ddbstreams_shards.consumer_worker) as workers;
drop table orders;
create table orders (id int primary key, v int);
select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset

--
-- Whose a consumer is
--

create role regress_consumer_owner;
create role regress_consumer_member in role regress_consumer_owner;
create role regress_consumer_reader;
create role regress_consumer_monitor in role pg_monitor;
create role regress_consumer_other;
grant usage on schema consumer to public;
grant select on orders to regress_consumer_owner, regress_consumer_reader;
set role regress_consumer_other;
select test.fails(format('select ddbstreams.create_consumer(%L, %L)', 'mine', :'arn'));
set role regress_consumer_owner;
select ddbstreams.create_consumer('mine', :'arn', lease_duration => '1 hour');
-- Maintenance looks at every consumer, so that a reader does not make any number of them.
select count(ddbstreams.create_consumer('mine ' || i, :'arn')) from generate_series(2, 200) as i;
select test.fails(format('select ddbstreams.create_consumer(%L, %L)', 'mine 201', :'arn'));
select test.fails(format('select ddbstreams.create_consumer(%L, %L)', 'mine 2', :'arn'));
select count(ddbstreams.drop_consumer('mine ' || i)) from generate_series(2, 200) as i;
reset role;
create function consumer.calls() returns table (call text) language sql as $$
    values ('select count(*) > 0 from ddbstreams.poll(''mine'', ''w'')'), ('select ddbstreams.checkpoint(''mine'', ''w'', ''x'', repeat(''0'', 21))'),
           ('select count(*) from ddbstreams.leases(''mine'')'), ('select ddbstreams.drop_consumer(''mine'')')
$$;
create function consumer.calls_fail(count int) returns table (result text) language sql as $$
    select substring(call from 'ddbstreams\.(\w+)') || ': ' || test.fails(call) from (select * from consumer.calls() limit count) as c
    union all
    select 'stats: ' || count(*) from ddbstreams.consumer_stats
$$;
set role regress_consumer_owner;
select * from consumer.calls_fail(3);
set role regress_consumer_member;
select * from consumer.calls_fail(3);
set role regress_consumer_reader;
select * from consumer.calls_fail(4);
set role regress_consumer_monitor;
select * from consumer.calls_fail(4);
set role regress_consumer_other;
select * from consumer.calls_fail(4);
reset role;
select * from consumer.calls_fail(3);
-- the right to read is looked at again
revoke select on orders from regress_consumer_owner;
set role regress_consumer_owner;
select * from consumer.calls_fail(3);
reset role;
-- so is the table
drop table orders;
set role regress_consumer_owner;
select * from consumer.calls_fail(4);
reset role;

drop role regress_consumer_owner, regress_consumer_member, regress_consumer_reader, regress_consumer_monitor, regress_consumer_other;
\set VERBOSITY terse
drop schema consumer cascade;
