#!/bin/bash
#
# With the newest boto3, the newest moto answers no reader of a stream.
#
# One would guess that a mock of AWS which lists DynamoDB Streams among its
# services, and boto3, both installed today, read a stream.
#
# boto3 sends what names a stream to a host that moto does not know (see
# boto3-account-endpoint.sh). moto answers 404 for DescribeStream, while
# ListStreams and the whole table service work. With the account's host
# switched off, reading works.
#
# A test suite that passed last month fails before the first record, with an
# error that says nothing about hosts. It is one more reason to test against a
# real stream.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages 'moto[dynamodb]==5.2.5' boto3==1.44.8 botocore==1.44.8
cat >"$scratch/run.py" <<'END'
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

with mock_aws():
    table = boto3.client("dynamodb", region_name="us-east-1").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    arn = table["TableDescription"]["LatestStreamArn"]
    for mode in "preferred", "disabled":
        client = boto3.client("dynamodbstreams", region_name="us-east-1",
                              config=Config(account_id_endpoint_mode=mode))
        print(f"{mode}: ListStreams\t{len(client.list_streams()['Streams'])}")
        try:
            seen = client.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"]
        except ClientError as error:
            seen = error.response["ResponseMetadata"]["HTTPStatusCode"]
        print(f"{mode}: DescribeStream\t{seen}")
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
preferred: ListStreams	1
preferred: DescribeStream	404
disabled: ListStreams	1
disabled: DescribeStream	ENABLED
END
finish
