-- The tour that test/demo shows: a table, its stream, and three ways of reading.

\echo
\echo '== A table with a primary key, and a stream on it'
\echo

create extension ddbstreams;

create table orders (
    id       int primary key,
    customer text not null,
    amount   numeric(10,2),
    status   text not null default 'new'
);

select ddbstreams.enable_stream('orders', shard_count => 2) as stream_arn \gset
\echo :stream_arn

\echo
\echo '== Changes of every kind'
\echo

insert into orders (id, customer, amount)
values (1, 'ada', 19.90), (2, 'grace', 250.00), (3, 'edsger', 7.50);

update orders set status = 'paid' where id in (1, 2);

delete from orders where id = 3;

\echo '-- an upsert: one row is there already, one is not'
insert into orders (id, customer, amount)
values (1, 'ada', 24.90), (4, 'barbara', 99.00)
on conflict (id) do update set amount = excluded.amount;

\echo '-- two rows by COPY'
copy orders (id, customer, amount, status) from stdin with (format csv);
5,tony,12.00,new
6,frances,64.00,paid
\.

\echo '-- an update that changes nothing makes no record'
update orders set status = 'paid' where id = 1;

\echo
\echo '== What is rolled back never happened: the stream shows none of this'
\echo

begin;
delete from orders;
rollback;

\echo
\echo '== The streams of this database'
\echo

\x on
select * from ddbstreams.list_streams();
\x off

\echo
\echo '== Its shards: tables, each for a range of key hashes'
\echo

select shard_id, starting_sequence_number, shard_table, hash_range
from ddbstreams.describe_stream(:'stream_arn');

\echo
\echo '== Typed rows of all shards: changes()'
\echo

select event_name, (old_image).status as old_status, (new_image).*
from ddbstreams.changes(null::orders);

\echo
\echo '== The records of one shard, read by an iterator as in DynamoDB Streams'
\echo

select shard_id from ddbstreams.changes(null::orders) limit 1 \gset

select ddbstreams.get_shard_iterator(
           stream_arn          => :'stream_arn',
           shard_id            => :'shard_id',
           shard_iterator_type => 'TRIM_HORIZON') as iterator \gset

select sequence_number, event_name, ddbstreams.unmarshal(keys) as keys, new_image
from ddbstreams.get_records(:'iterator');

\echo
\echo '== The same in AWS''s shape, the first record only: aws()'
\echo

\pset format unaligned
\pset tuples_only on
select jsonb_pretty(ddbstreams.aws('GetRecords', json_build_object(
           'ShardIterator', :'iterator',
           'Limit', 1))::jsonb);
