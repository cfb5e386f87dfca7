-- What the programs in this folder work with: a table, its stream, a consumer
-- group, and a table for what the programs have seen.

create table orders (id int primary key, customer text not null, status text not null);

select ddbstreams.enable_stream('orders');

create table audit (
    no        bigint generated always as identity primary key,
    event     text,
    order_id  int,
    status    text
);

select ddbstreams.create_consumer('audit', ddbstreams.latest_stream_arn('orders'));

-- for follow.py and follow.js, which keep their own positions
create table position (
    shard_id         text primary key,
    sequence_number  text,                      -- of the last record that was processed
    finished         boolean not null           -- the shard has ended
);
