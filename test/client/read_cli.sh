# shellcheck shell=bash
#
# Read every shard of $STREAM_ARN to its end with the AWS CLI (the function or
# program "aws"), in the order of shard ids, which is parents before children.
# The arguments are options of every call.

read_stream()
{
	local shard iterator

	aws "$@" dynamodbstreams list-streams --table-name "$TABLE" \
		--query 'Streams[].StreamArn' --output text | tr '\t' '\n' | grep -xF "$STREAM_ARN" >listed
	for shard in $(aws "$@" dynamodbstreams describe-stream --stream-arn "$STREAM_ARN" \
		--query 'StreamDescription.Shards[].ShardId' --output text); do
		iterator=$(aws "$@" dynamodbstreams get-shard-iterator --stream-arn "$STREAM_ARN" \
			--shard-id "$shard" --shard-iterator-type TRIM_HORIZON \
			--query ShardIterator --output text)
		while [ "$iterator" != None ]; do
			aws "$@" dynamodbstreams get-records --shard-iterator "$iterator" \
				--output json >page.json
			iterator=$(SHARD=$shard /usr/bin/python3 - <<-'PYTHON'
			import json, os

			page = json.load(open('page.json'))
			with open(os.environ['OUT'], 'a', encoding='utf-8') as out:
			    for record in page['Records']:
			        change = record['dynamodb']
			        image = change.get('NewImage') or change['OldImage']
			        print(os.environ['SHARD'], change['SequenceNumber'], record['eventName'], image['id']['N'],
			              image['n']['N'], image['price']['N'], image['note']['S'], sep='\t', file=out)
			print(page.get('NextShardIterator'))
			PYTHON
			)
		done
	done
	aws --version
}
