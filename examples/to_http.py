#!/usr/bin/env python3
"""Posts each row of table outbox to a web service, with a key that it can know again.

    create table outbox (topic text, id bigint generated always as identity,
                         payload jsonb not null, primary key (topic, id));
    select ddbstreams.enable_stream('outbox', 'NEW_IMAGE', partition_key => '{topic}');
    create table outbox_refused (id bigint, status int, answer text);
    select ddbstreams.create_consumer('outbox', ddbstreams.latest_stream_arn('outbox'));
    python3 to_http.py NAME URL

An application inserts into outbox what is to be sent, in the transaction that
makes it true. It may delete the row at once: the stream has it. What has one
topic, such as "orders/7", is sent in its order, because topic is the partition
key.

This is one worker of the consumer group "outbox"; start as many as you like,
each with its own NAME. A request may be sent twice, when the worker dies before
its checkpoint, or the answer is lost. Idempotency-Key is the record's event id,
which is the same each time and no other's, so the service does the work once.
A request that is answered 5xx or 429, or not at all, is sent again; one that is
refused is noted in outbox_refused.
"""

import http.client
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import psycopg

worker, url = sys.argv[1:]


def post(topic, payload, key):
    """Send a request once. Return a status and an answer, or 0 if there was none."""
    request = urllib.request.Request(
        '%s/%s' % (url, urllib.parse.quote(topic)), json.dumps(payload).encode(),
        {'Content-Type': 'application/json', 'Idempotency-Key': key})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors='replace')
    except (OSError, http.client.BadStatusLine, http.client.IncompleteRead) as error:
        return 0, str(error)


with psycopg.connect('') as database:
    while True:
        with database.transaction():
            records = database.execute(
                """select shard_id, sequence_number, event_id, event_name,
                          case when new_image is not null
                          then ddbstreams.unmarshal(new_image) end
                   from ddbstreams.poll('outbox', %s, max_wait => '10 s')""",
                (worker,)).fetchall()
            done = {}
            for shard, number, key, event, row in records:
                status, pause = 200, 0.1
                if event == 'INSERT':
                    status, answer = post(row['topic'], row['payload'], key)
                while status in (0, 429) or status >= 500:
                    time.sleep(pause)
                    pause = min(2 * pause, 5)
                    status, answer = post(row['topic'], row['payload'], key)
                if status >= 300:
                    database.execute('insert into outbox_refused values (%s, %s, %s)',
                                     (row['id'], status, answer))
                done[shard] = number
            for shard, number in done.items():
                database.execute("select ddbstreams.checkpoint('outbox', %s, %s, %s)",
                                 (worker, shard, number))
