# shellcheck shell=bash
aws dynamodb update-table --table-name Orders \
    --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES
arn=$(aws dynamodb describe-table --table-name Orders --query Table.LatestStreamArn --output text)
shard=$(aws dynamodbstreams describe-stream --stream-arn "$arn" --query 'StreamDescription.Shards[0].ShardId' --output text)
iterator=$(aws dynamodbstreams get-shard-iterator --stream-arn "$arn" --shard-id "$shard" \
    --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
aws dynamodbstreams get-records --shard-iterator "$iterator"
aws lambda create-event-source-mapping --function-name ProcessOrderStream --event-source-arn "$arn" --starting-position LATEST
