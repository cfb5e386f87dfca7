#!/usr/bin/env python3
"""Archives each change of table orders in S3, or in what speaks its protocol, once.

    select ddbstreams.create_consumer('archive', ddbstreams.latest_stream_arn('orders'));
    python3 to_s3.py NAME BUCKET

This is one worker of the consumer group "archive"; start as many as you like,
each with its own NAME. The environment has what boto3 wants: AWS_ENDPOINT_URL
for a server that is not Amazon's, keys, a region. Objects are named

    orders/date=2026-11-28/SHARD/FIRST.jsonl.gz

by the number of their first record, and have a record a line, its images in
DynamoDB's typed JSON. An object is
written only if there is none of its name. So a batch that was written before its
worker died is not written again: the worker that comes after it goes on behind
what the object has.
"""

import gzip
import json
import sys

import boto3
import botocore.exceptions
import psycopg

worker, bucket = sys.argv[1:]
s3 = boto3.client('s3')


def archive(shard, records):
    """Write the records of a shard, and return the number of the last one that is there."""
    time = records[0]['time']
    name = 'orders/date=%s/%s/%s.jsonl.gz' % (time[:10], shard, records[0]['number'])
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    try:
        s3.put_object(Bucket=bucket, Key=name, Body=gzip.compress(lines.encode()),
                      IfNoneMatch='*')
        return records[-1]['number']
    except botocore.exceptions.ClientError as error:
        if error.response['ResponseMetadata']['HTTPStatusCode'] != 412:
            raise
    lines = gzip.decompress(s3.get_object(Bucket=bucket, Key=name)['Body'].read())
    return json.loads(lines.splitlines()[-1])['number']


with psycopg.connect('') as database:
    while True:
        with database.transaction():
            rows = database.execute(
                """select shard_id,
                          json_build_object(
                              'number', sequence_number, 'event', event_name,
                              'time', approximate_creation_date_time at time zone 'UTC',
                              'keys', keys, 'new', new_image, 'old', old_image)
                   from ddbstreams.poll('archive', %s, 10000, max_wait => '10 s')""",
                (worker,)).fetchall()
            shards = {}
            for shard, record in rows:
                shards.setdefault(shard, []).append(record)
            for shard, records in shards.items():
                database.execute("select ddbstreams.checkpoint('archive', %s, %s, %s)",
                                 (worker, shard, archive(shard, records)))
