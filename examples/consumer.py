#!/usr/bin/env python3
"""Writes each change of table orders to table audit, exactly once.

    python3 consumer.py NAME

This is one worker of the consumer group "audit". Start as many as you like,
each with its own NAME. PGHOST, PGDATABASE, PGUSER and so on say where the
database is. The program ends with an error when it loses the database; start
it again, and it goes on where it was.
"""

import sys

import psycopg2                 # with psycopg 3: import psycopg as psycopg2

worker = sys.argv[1]
database = psycopg2.connect('')
cursor = database.cursor()

while True:
    # the next records; waits until there are some, for 10 seconds at most
    cursor.execute("""select shard_id, sequence_number, event_name, keys, new_image
                      from ddbstreams.poll('audit', %s, max_wait => '10 s')""", (worker,))
    done = {}
    for shard, number, event, keys, image in cursor.fetchall():
        cursor.execute('insert into audit (event, order_id, status) values (%s, %s, %s)',
                       (event, keys['id']['N'], image['status']['S'] if image else None))
        done[shard] = number
    for shard, number in done.items():
        cursor.execute("select ddbstreams.checkpoint('audit', %s, %s, %s)",
                       (worker, shard, number))
    # records, their effects and the checkpoints are one transaction
    database.commit()
