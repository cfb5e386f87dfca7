#!/bin/bash
#
# moto's streams have more records than there were changes.
#
# One would guess that a mock which makes the four view types right counts
# changes as AWS does: one INSERT for an item that UpdateItem creates, nothing for
# a write that changes nothing.
#
# An item that UpdateItem creates makes two INSERTs, the first of them with the
# key alone as its image. A PutItem of the item that is there, and an UpdateItem
# to the value that is there, make a MODIFY each. All streams have one shard of
# the same id, and their sequence numbers start at the same value.
#
# What was tested against it may count twice, store positions under the shard's
# id alone, or rely on a MODIFY for a write that changed nothing, and then misses
# it in a real stream.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8 botocore==1.44.8
export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=s AWS_DEFAULT_REGION=us-east-1 AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled
cat >"$scratch/run.py" <<'END'
import boto3
from moto import mock_aws

with mock_aws():
    tables = boto3.client("dynamodb")
    streams = boto3.client("dynamodbstreams")

    def create(name):
        tables.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})

    def update(name, value):
        tables.update_item(TableName=name, Key={"id": {"S": "a"}}, UpdateExpression="SET n = :n",
                           ExpressionAttributeValues={":n": {"N": value}})

    def records(name):
        arn = tables.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        shard, = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return shard, streams.get_records(ShardIterator=iterator)["Records"]

    create("updated")
    update("updated", "1")
    shard, found = records("updated")
    print("UpdateItem that creates\t" + " ".join(
        r["eventName"] + ":" + ",".join(sorted(r["dynamodb"]["NewImage"])) for r in found))
    update("updated", "1")
    print("UpdateItem to the same value\t" + " ".join(r["eventName"] for r in records("updated")[1][2:]))

    create("put")
    for _ in range(2):
        tables.put_item(TableName="put", Item={"id": {"S": "a"}, "n": {"N": "1"}})
    other, found_other = records("put")
    print("PutItem twice\t" + " ".join(r["eventName"] for r in found_other))
    print("same shard id\t" + str(shard["ShardId"] == other["ShardId"]))
    print("same first number\t"
          + str(found[0]["dynamodb"]["SequenceNumber"] == found_other[0]["dynamodb"]["SequenceNumber"]))
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
UpdateItem that creates	INSERT:id INSERT:id,n
UpdateItem to the same value	MODIFY
PutItem twice	INSERT MODIFY
same shard id	True
same first number	True
END
finish
