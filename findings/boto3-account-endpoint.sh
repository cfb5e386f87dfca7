#!/bin/bash
#
# The newest boto3 reads an account out of the stream's ARN, and out of the shard
# iterator, and sends the request to another host.
#
# One would guess that the host depends on region and configuration alone, and
# that a shard iterator, documented as opaque, is passed on unread.
#
# Since botocore 1.44 an ARN of the client's own region sends DescribeStream and
# GetShardIterator to a host whose name begins with the ARN's account.
# GetRecords follows the ARN at the beginning of the iterator; an iterator of
# another form goes to the host of the region. An endpoint URL prevents it, and
# so does account_id_endpoint_mode = disabled.
#
# A change stream that gives out real-looking ARNs and iterators must be reached
# by an endpoint URL. What only redirects the region's host name, or answers for
# it in a test, is bypassed. A region of its own, like ddblocal, keeps the host.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages boto3==1.44.8 botocore==1.44.8
cat >"$scratch/run.py" <<'END'
import boto3
from botocore.config import Config


class Sent(Exception):
    pass


def stop(request, **_):
    raise Sent(request.url.split("/")[2].split(":")[0].removesuffix(".com").removesuffix(".amazonaws"))


def hosts(what, region, iterator="{arn}|1|AAAA", **options):
    arn = f"arn:aws:dynamodb:{region}:123456789012:table/t/stream/2026-01-02T03:04:05.678"
    client = boto3.client("dynamodbstreams", region_name="us-east-1", aws_access_key_id="a",
                          aws_secret_access_key="s", **options)
    client.meta.events.register("before-send", stop)
    for operation, arguments in (
            ("list_streams", {"TableName": "table"}),
            ("describe_stream", {"StreamArn": arn}),
            ("get_records", {"ShardIterator": iterator.format(arn=arn)})):
        try:
            getattr(client, operation)(**arguments)
        except Sent as sent:
            print(f"{what}, {operation}\t{sent}")


hosts("own region", "us-east-1")
hosts("ddblocal", "ddblocal")
hosts("iterator of another form", "us-east-1", "opaque")
hosts("endpoint URL", "us-east-1", endpoint_url="http://127.0.0.1:8100")
hosts("mode disabled", "us-east-1", config=Config(account_id_endpoint_mode="disabled"))
END
seen=$(python3 "$scratch/run.py")
expect_lines "$seen" <<'END'
own region, list_streams	streams.dynamodb.us-east-1
own region, describe_stream	123456789012.streams-ddb.us-east-1
own region, get_records	123456789012.streams-ddb.us-east-1
ddblocal, describe_stream	streams.dynamodb.us-east-1
ddblocal, get_records	streams.dynamodb.us-east-1
iterator of another form, get_records	streams.dynamodb.us-east-1
endpoint URL, describe_stream	127.0.0.1
endpoint URL, get_records	127.0.0.1
mode disabled, describe_stream	streams.dynamodb.us-east-1
mode disabled, get_records	streams.dynamodb.us-east-1
END
finish
