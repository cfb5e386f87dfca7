"""Read every shard of $STREAM_ARN to its end with boto3, parents before children.

boto3's TypeDeserializer makes Python's values of the images. Lines go to $OUT.
"""

import os
import sys

import boto3
from boto3.dynamodb.types import Binary, TypeDeserializer

ARN = os.environ['STREAM_ARN']
client = boto3.client('dynamodbstreams', endpoint_url=os.environ['AWS_ENDPOINT_URL'])
plain = TypeDeserializer().deserialize


def shards():
    """All shards: DescribeStream page by page."""
    found, more = [], {}
    while True:
        stream = client.describe_stream(StreamArn=ARN, Limit=3, **more)['StreamDescription']
        found += stream['Shards']
        if 'LastEvaluatedShardId' not in stream:
            return found
        more = {'ExclusiveStartShardId': stream['LastEvaluatedShardId']}


def records(shard):
    iterator = client.get_shard_iterator(StreamArn=ARN, ShardId=shard, ShardIteratorType='TRIM_HORIZON')['ShardIterator']
    while iterator:
        page = client.get_records(ShardIterator=iterator, Limit=100)
        yield from page['Records']
        iterator = page.get('NextShardIterator')


def main():
    assert ARN in [stream['StreamArn'] for stream in client.list_streams(TableName=os.environ['TABLE'])['Streams']]
    done = set()
    todo = {shard['ShardId']: shard.get('ParentShardId') for shard in shards()}
    with open(os.environ['OUT'], 'a', encoding='utf-8') as out:
        while todo:
            shard = next(shard for shard, parent in sorted(todo.items()) if parent not in todo)
            del todo[shard]
            done.add(shard)
            for record in records(shard):
                change = record['dynamodb']
                row = {name: plain(value) for name, value in
                       (change.get('NewImage') or change['OldImage']).items()}
                assert row['tags'] == ['a', None, 'b"c'], row
                assert row['raw'] == Binary(b'\x00\xff\x10'), row
                assert row['at'] == '2026-01-02T03:04:05.678901+00:00', row
                assert row['ok'] in (True, False, None), row
                assert row['doc'] is None or row['doc']['k'][1:] == [plain({'N': '2.5'}), None, True], row
                assert change['StreamViewType'] == 'NEW_AND_OLD_IMAGES' and change['SizeBytes'] > 0, change
                assert plain(change['Keys']['id']) == row['id'], change
                print(shard, change['SequenceNumber'], record['eventName'], row['id'], row['n'],
                      row['price'], row['note'], sep='\t', file=out)
    print(boto3.__version__, 'python', sys.version.split()[0], len(done), 'shards')


main()
