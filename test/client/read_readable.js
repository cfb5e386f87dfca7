// Read every shard of $STREAM_ARN to its end by dynamodb-streams-readable, which reads one at a time.
const fs = require('fs');
const { DynamoDBStreams } = require('@aws-sdk/client-dynamodb-streams');
const { unmarshall } = require('@aws-sdk/util-dynamodb');
const readable = require('dynamodb-streams-readable');

const StreamArn = process.env.STREAM_ARN;
const client = new DynamoDBStreams({ endpoint: process.env.AWS_ENDPOINT_URL });

function readShard(shardId) {
	return new Promise((resolve, reject) => {
		readable(client, StreamArn, { shardId, limit: 100, readInterval: 1 })
			.on('data', (records) => {
				for (const { eventName, dynamodb } of records) {
					const row = unmarshall(dynamodb.NewImage ?? dynamodb.OldImage, { wrapNumbers: true });
					fs.appendFileSync(process.env.OUT, [shardId, dynamodb.SequenceNumber, eventName, row.id.value,
						row.n.value, row.price.value, row.note].join('\t') + '\n');
				}
			})
			.on('error', reject)
			.on('end', resolve);
	});
}

async function main() {
	const { StreamDescription } = await client.describeStream({ StreamArn });
	for (const { ShardId } of StreamDescription.Shards) await readShard(ShardId);
	console.log(StreamDescription.Shards.length, 'shards');
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
