"""Follow the stream $STREAM_ARN with boto3 until killed; lines go to $OUT."""

import os
import time

import boto3
from boto3.dynamodb.types import TypeDeserializer

arn = os.environ['STREAM_ARN']
streams = boto3.client('dynamodbstreams', endpoint_url=os.environ['AWS_ENDPOINT_URL'])
plain = TypeDeserializer().deserialize


def shards():
    more = {}
    while True:
        stream = streams.describe_stream(StreamArn=arn, **more)['StreamDescription']
        yield from stream['Shards']
        if 'LastEvaluatedShardId' not in stream:
            return
        more = {'ExclusiveStartShardId': stream['LastEvaluatedShardId']}


def use(shard, record):
    change = record['dynamodb']
    row = {name: plain(value) for name, value in (change.get('NewImage') or change['OldImage']).items()}
    with open(os.environ['OUT'], 'a', encoding='utf-8') as out:
        print(shard, change['SequenceNumber'], record['eventName'], row['id'], row['n'], row['price'], row['note'],
              sep='\t', file=out)


iterators, done = {}, set()
while True:
    listed = {shard['ShardId']: shard.get('ParentShardId') for shard in shards()}
    for shard, parent in listed.items():    # children begin when their parent is done
        if shard not in iterators and shard not in done and (parent in done or parent not in listed):
            iterators[shard] = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard, ShardIteratorType='TRIM_HORIZON')['ShardIterator']
    for shard, iterator in list(iterators.items()):
        page = streams.get_records(ShardIterator=iterator)
        for record in page['Records']:
            use(shard, record)
        iterators[shard] = page.get('NextShardIterator')
        if iterators[shard] is None:
            del iterators[shard]
            done.add(shard)
    time.sleep(0.5)
