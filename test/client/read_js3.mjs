// Read every shard of $STREAM_ARN to its end with the SDK for JavaScript, version 3.
import { appendFileSync } from 'node:fs';
import {
	DynamoDBStreamsClient, DescribeStreamCommand, GetRecordsCommand, GetShardIteratorCommand, ListStreamsCommand,
} from '@aws-sdk/client-dynamodb-streams';
import { unmarshall } from '@aws-sdk/util-dynamodb';

const StreamArn = process.env.STREAM_ARN;
const client = new DynamoDBStreamsClient({ endpoint: process.env.AWS_ENDPOINT_URL });

const listed = await client.send(new ListStreamsCommand({ TableName: process.env.TABLE }));
if (!listed.Streams.some((stream) => stream.StreamArn === StreamArn)) throw new Error('ListStreams does not have it');

const shards = [];
let ExclusiveStartShardId;
do {
	const { StreamDescription } = await client.send(new DescribeStreamCommand({ StreamArn, ExclusiveStartShardId, Limit: 3 }));
	shards.push(...StreamDescription.Shards);
	ExclusiveStartShardId = StreamDescription.LastEvaluatedShardId;
} while (ExclusiveStartShardId);

// in the order of shard ids, parents come before their children
for (const { ShardId } of shards) {
	let { ShardIterator } = await client.send(new GetShardIteratorCommand(
		{ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' }));
	while (ShardIterator) {
		const page = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 100 }));
		for (const { eventName, dynamodb } of page.Records) {
			if (!(dynamodb.ApproximateCreationDateTime instanceof Date)) throw new Error('no date');
			const row = unmarshall(dynamodb.NewImage ?? dynamodb.OldImage, { wrapNumbers: true });
			appendFileSync(process.env.OUT, [ShardId, dynamodb.SequenceNumber, eventName, row.id.value, row.n.value,
				row.price.value, row.note].join('\t') + '\n');
		}
		ShardIterator = page.NextShardIterator;
	}
}
console.log('node', process.version, shards.length, 'shards');
