#!/usr/bin/env python3
"""Keeps a hash in Redis for each row of table orders: orders:1, orders:2, ...

    select ddbstreams.create_consumer('cache', ddbstreams.latest_stream_arn('orders'));
    python3 to_redis.py NAME [URL]

This is one worker of the consumer group "cache"; start as many as you like,
each with its own NAME. Beside each hash stands the sequence number of its last
change, and a script in Redis takes no older one: a batch that is written twice,
or late by a worker that has lost its lease, does no harm. (In a cluster of Redis
give both keys a common hash tag.)
"""

import sys

import psycopg
import redis

worker = sys.argv[1]
cache = redis.Redis.from_url(sys.argv[2] if len(sys.argv) > 2 else 'redis://localhost:6379')

# Numbers are text of 21 digits, whose order is that of the numbers. They stay a
# day longer than a deleted row: no worker is that late.
apply = cache.register_script("""
    local last = redis.call('get', KEYS[2])
    if last and last >= ARGV[1] then
        return 0
    end
    redis.call('del', KEYS[1])
    if #ARGV > 1 then
        redis.call('hset', KEYS[1], unpack(ARGV, 2))
        redis.call('set', KEYS[2], ARGV[1])
    else
        redis.call('set', KEYS[2], ARGV[1], 'EX', 86400)
    end
    return 1
""")

with psycopg.connect('') as database:
    while True:
        with database.transaction():
            records = database.execute(
                """select shard_id, sequence_number, keys #>> '{id,N}',
                          case when new_image is not null
                          then ddbstreams.unmarshal(new_image) end
                   from ddbstreams.poll('cache', %s, max_wait => '10 s')""",
                (worker,)).fetchall()
            done = {}
            pipeline = cache.pipeline(transaction=False)
            for shard, number, key, row in records:
                fields = [text for name, value in (row or {}).items() if value is not None
                          for text in (name, value)]
                apply(keys=['orders:' + key, 'orders:number:' + key],
                      args=[number] + fields, client=pipeline)
                done[shard] = number
            if records:
                pipeline.execute()
            for shard, number in done.items():
                database.execute("select ddbstreams.checkpoint('cache', %s, %s, %s)",
                                 (worker, shard, number))
