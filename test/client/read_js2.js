// Read every shard of $STREAM_ARN to its end with the SDK for JavaScript, version 2.
const fs = require('fs');
const AWS = require('aws-sdk');

const StreamArn = process.env.STREAM_ARN;
const client = new AWS.DynamoDBStreams({ endpoint: process.env.AWS_ENDPOINT_URL });

async function main() {
	const listed = await client.listStreams({ TableName: process.env.TABLE }).promise();
	if (!listed.Streams.some((stream) => stream.StreamArn === StreamArn)) throw new Error('ListStreams does not have it');

	const shards = [];
	let ExclusiveStartShardId;
	do {
		const { StreamDescription } = await client.describeStream({ StreamArn, ExclusiveStartShardId, Limit: 3 }).promise();
		shards.push(...StreamDescription.Shards);
		ExclusiveStartShardId = StreamDescription.LastEvaluatedShardId;
	} while (ExclusiveStartShardId);

	// in the order of shard ids, parents come before their children
	for (const { ShardId } of shards) {
		let { ShardIterator } = await client.getShardIterator({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' }).promise();
		while (ShardIterator) {
			const page = await client.getRecords({ ShardIterator, Limit: 100 }).promise();
			for (const { eventName, dynamodb } of page.Records) {
				const row = AWS.DynamoDB.Converter.unmarshall(dynamodb.NewImage || dynamodb.OldImage, { wrapNumbers: true });
				fs.appendFileSync(process.env.OUT, [ShardId, dynamodb.SequenceNumber, eventName, row.id.value, row.n.value,
					row.price.value, row.note].join('\t') + '\n');
			}
			ShardIterator = page.NextShardIterator;
		}
	}
	console.log('node', process.version, shards.length, 'shards');
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
