// Read every shard of $STREAM_ARN to its end by dynamodb-stream. Left to itself it
// opens shards at LATEST, and reads ten at once; it is given a state instead, one
// shard at its beginning, as its README does to go on where it was.
const fs = require('fs');
const { DynamoDBStreams } = require('@aws-sdk/client-dynamodb-streams');
const { unmarshall } = require('@aws-sdk/util-dynamodb');
const DynamoDBStream = require('dynamodb-stream');

const StreamArn = process.env.STREAM_ARN;
const client = new DynamoDBStreams({ endpoint: process.env.AWS_ENDPOINT_URL });

async function readShard(shardId) {
	const stream = new DynamoDBStream(client, StreamArn, unmarshall);
	const { ShardIterator } = await client.getShardIterator({ StreamArn, ShardId: shardId, ShardIteratorType: 'TRIM_HORIZON' });
	let emitted = 0;
	let read = 0;

	for (const event of ['insert record', 'modify record', 'remove record']) stream.on(event, () => { emitted++; });
	stream.setShardState({ [shardId]: { shardId, nextShardIterator: ShardIterator } });
	while (Object.keys(stream.getShardState()).length > 0) {
		for (const { eventName, dynamodb } of await stream.fetchStreamRecords()) {
			const row = unmarshall(dynamodb.NewImage ?? dynamodb.OldImage, { wrapNumbers: true });
			read++;
			fs.appendFileSync(process.env.OUT, [shardId, dynamodb.SequenceNumber, eventName, row.id.value, row.n.value,
				row.price.value, row.note].join('\t') + '\n');
		}
	}
	if (emitted !== read) throw new Error(`${emitted} events for ${read} records`);
}

async function main() {
	const shards = [];
	const stream = new DynamoDBStream(client, StreamArn, unmarshall);
	stream.on('new shards', (found) => shards.push(...found));
	await stream.fetchStreamShards();
	for (const shardId of shards) await readShard(shardId);
	console.log(shards.length, 'shards');
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
