// A handler of Lambda for the Serverless Framework's offline plugins: it appends
// the records of an event to $OUT. The events do not name their shard.
const fs = require('fs');

exports.handle = async ({ Records }) => {
	for (const { eventName, dynamodb } of Records) {
		const row = dynamodb.NewImage ?? dynamodb.OldImage;
		fs.appendFileSync(process.env.OUT, ['-', dynamodb.SequenceNumber, eventName, row.id.N, row.n.N, row.price.N,
			row.note.S].join('\t') + '\n');
	}
};
