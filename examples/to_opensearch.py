#!/usr/bin/env python3
"""Keeps an index of OpenSearch, or of what takes its bulk requests, like table orders.

    select ddbstreams.create_consumer('search', ddbstreams.latest_stream_arn('orders'));
    python3 to_opensearch.py NAME URL

This is one worker of the consumer group "search"; start as many as you like,
each with its own NAME. A document's version is the sequence number of its last
change, so the index takes no older change behind a newer one: a batch that is
sent twice, or late by a worker that has lost its lease, does no harm.
"""

import json
import sys
import time
import urllib.error
import urllib.request

import psycopg

worker, url = sys.argv[1:]


def bulk(requests):
    """Send requests, which are an action and perhaps a document; return those that are
    to be sent again."""
    body = ''.join(json.dumps(line) + '\n' for request in requests for line in request)
    request = urllib.request.Request(url + '/_bulk', body.encode(),
                                     {'Content-Type': 'application/x-ndjson'})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            items = json.load(response)['items']
    except urllib.error.HTTPError as error:
        if error.code not in (429, 502, 503, 504):
            raise
        return requests
    except OSError:
        return requests
    again = []
    for request, item in zip(requests, items):
        (name, result), = item.items()
        if result['status'] == 429:
            again.append(request)
        # 409: a later version is there; 404: deleted already
        elif result['status'] >= 300 and result['status'] != 409 \
                and (name, result['status']) != ('delete', 404):
            raise RuntimeError(json.dumps(result))
    return again


with psycopg.connect('') as database:
    while True:
        with database.transaction():
            records = database.execute(
                """select shard_id, sequence_number, keys #>> '{id,N}',
                          case when new_image is not null
                          then ddbstreams.unmarshal(new_image) end
                   from ddbstreams.poll('search', %s, max_wait => '10 s')""",
                (worker,)).fetchall()
            requests, done = [], {}
            for shard, number, key, document in records:
                action = {'_index': 'orders', '_id': key,
                          'version': int(number), 'version_type': 'external_gte'}
                requests.append([{'delete': action}] if document is None else
                                [{'index': action}, document])
                done[shard] = number
            pause = 0.1
            while requests:
                requests = bulk(requests)
                if requests:
                    time.sleep(pause)
                    pause = min(2 * pause, 5)
            for shard, number in done.items():
                database.execute("select ddbstreams.checkpoint('search', %s, %s, %s)",
                                 (worker, shard, number))
