#!/bin/bash
#
# The part of test/demo with AWS's own command line: it reads the stream of orders
# and makes a mapping through the gateway, whose program is the first argument.
# The server is that of the environment.

set -euo pipefail

address=127.0.0.1:$(/usr/bin/perl -MIO::Socket::INET -e \
	'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')

# Show a command, and run it.
show()
{
	local shown

	printf -v shown ' %q' "$@"
	printf '\n$%s\n' "${shown//\\/}"
	"$@"
}

printf '\n== AWS clients\n\n$ ddbstreams-gateway --no-auth --listen %s &\n' "$address"
"$1" --no-auth --listen "$address" 2>gateway.log &
gateway=$!
trap 'kill "$gateway"' EXIT
until grep -q 'listening on' gateway.log; do
	kill -0 "$gateway"
	sleep 0.1
done

# with this file, the CLI of Debian 12 has the endpoint, too
printf '$ ddbstreams-gateway --listen %s --print-aws-alias > ~/.aws/cli/alias\n' "$address"
mkdir -p .aws/cli
"$1" --no-auth --listen "$address" --print-aws-alias >.aws/cli/alias
export HOME=$PWD AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
export AWS_PAGER=
PATH=/usr/bin:/bin

show aws dynamodb describe-table --table-name orders --query Table.LatestStreamArn
arn=$(aws dynamodb describe-table --table-name orders --query Table.LatestStreamArn --output text)
show aws dynamodbstreams describe-stream --stream-arn "$arn" --query 'StreamDescription.Shards[0]'
shard=$(aws dynamodbstreams describe-stream --stream-arn "$arn" --query 'StreamDescription.Shards[0].ShardId' --output text)
show aws dynamodb get-shard-iterator --stream-arn "$arn" --shard-id "$shard" --shard-iterator-type TRIM_HORIZON
iterator=$(aws dynamodbstreams get-shard-iterator --stream-arn "$arn" --shard-id "$shard" \
	--shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
show aws dynamodbstreams get-records --shard-iterator "$iterator" --limit 1
show aws lambda create-event-source-mapping --function-name print_changes --event-source "$arn" --starting-position TRIM_HORIZON
