# Client: the guide's commands as typed, with the AWS CLI of Debian, that of its unstable, and 1.46.3
# Packages: awscli mmdebstrap python3-venv
# Reads: nothing

. "$HERE/lib.sh"

if [ "$1" = install ]; then
	python_packages awscli==1.46.3
	unstable_cli
	exit
fi

# A command must succeed, and print something that matches an extended regular
# expression.
expect()
{
	local pattern=$1 shown
	shift

	if shown=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$shown"; then
		echo "ok $cli: ${*:1:3}"
	else
		echo "not ok $cli: $*: $shown"
	fi
}

# Set arn and shard, too.
guide()
{
	local iterator uuid

	expect '"LatestStreamArn": "arn' aws dynamodb update-table --table-name Orders \
		--stream-specification StreamEnabled=false
	expect "\"StreamViewType\": \"NEW_AND_OLD_IMAGES\"" aws dynamodb update-table --table-name Orders \
		--stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES
	expect '^"arn:aws:dynamodb:.*/stream/.*"$' aws dynamodb describe-table --table-name Orders \
		--query "Table.LatestStreamArn"
	arn=$(aws dynamodb describe-table --table-name Orders --query Table.LatestStreamArn --output text)
	shard=$(aws dynamodbstreams describe-stream --stream-arn "$arn" \
		--query 'StreamDescription.Shards[0].ShardId' --output text)
	expect '"ShardIterator": "arn' aws $get_shard_iterator --stream-arn "$arn" --shard-id "$shard" \
		--shard-iterator-type TRIM_HORIZON
	iterator=$(aws dynamodbstreams get-shard-iterator --stream-arn "$arn" --shard-id "$shard" \
		--shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
	expect '"Records": \[\]' aws dynamodbstreams get-records --shard-iterator "$iterator"
	expect '"State": "Creating"' aws lambda create-event-source-mapping \
		--function-name ProcessOrderStream --event-source "$arn" --batch-size 100 \
		--starting-position TRIM_HORIZON
	uuid=$(aws lambda list-event-source-mappings --function-name ProcessOrderStream \
		--query 'EventSourceMappings[0].UUID' --output text)
	expect '"BatchSize": 100' aws lambda get-event-source-mapping --uuid "$uuid"
	expect '"MaximumRetryAttempts": 3' aws lambda update-event-source-mapping --uuid "$uuid" \
		--maximum-retry-attempts 3
	expect '"State": "Deleting"' aws lambda delete-event-source-mapping --uuid "$uuid"
	expect '"Orders"' aws dynamodb list-tables
}

# Debian 12's CLI 2 knows no AWS_ENDPOINT_URL: the alias file leads it here, and
# gives "aws dynamodb" the command get-shard-iterator, which the guide has there
system_path=$PATH
PATH=/usr/bin:/bin
cli=$(aws --version | cut -d ' ' -f 1)
mkdir -p .aws/cli
"$GATEWAY" --no-auth --listen "${AWS_ENDPOINT_URL#http://}" --print-aws-alias >.aws/cli/alias
url=$AWS_ENDPOINT_URL
unset AWS_ENDPOINT_URL
get_shard_iterator='dynamodb get-shard-iterator'
guide

# a newer one has no such command either, without the alias file; the rest works
# by AWS_ENDPOINT_URL
PATH=$PWD/unstable/bin:$system_path
cli=$(aws --version | cut -d ' ' -f 1)
expect '"ShardIterator": "arn' aws dynamodb get-shard-iterator --stream-arn "$arn" --shard-id "$shard" \
	--shard-iterator-type LATEST
rm -f .aws/cli/alias
export AWS_ENDPOINT_URL=$url
get_shard_iterator='dynamodbstreams get-shard-iterator'
guide

aws dynamodb update-table --table-name Orders --stream-specification StreamEnabled=false >disabled
cli="docs/aws-clients.md: $cli"
expect '"State": "Creating"' bash -euo pipefail "$HERE/example_cli.sh"

PATH=$PWD/venv/bin:$system_path
cli=$(aws --version | cut -d ' ' -f 1)
aws lambda delete-event-source-mapping --uuid "$(aws lambda list-event-source-mappings \
	--query 'EventSourceMappings[0].UUID' --output text)" >deleted
guide
