#!/bin/bash
#
# Powertools for TypeScript handles all records of a stream's batch at the same
# time, unless told otherwise; Python's processor goes one by one.
#
# One would guess that a batch of EventType.DynamoDBStreams is handled in order:
# order is what a shard is for, SQS's FIFO queues have a processor of their own
# that keeps it, and the library is one and the same for each language.
#
# processPartialResponse() starts the handler for every record at once. Where
# handlers wait for something, the records of one key end in any order, and the
# oldest value may be the one that stays. After a failure the later records are
# handled as well, and then delivered again, with both libraries. With
# processInParallel: false they come one after the other.
#
# A handler that keeps a copy of a table by a change stream must say
# processInParallel: false, or compare sequence numbers before it writes.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
python_packages aws-lambda-powertools==3.37.0
npm_packages @aws-lambda-powertools/batch@2.35.0
cat >"$node_project/run.mjs" <<'END'
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';

const Records = ['1', '2', '3'].map((SequenceNumber) => ({
	eventSource: 'aws:dynamodb', eventName: 'MODIFY',
	dynamodb: { Keys: { id: { N: '7' } }, SequenceNumber, StreamViewType: 'KEYS_ONLY' },
}));
async function run(what, options) {
	const ended = [];
	let running = 0;
	let most = 0;
	const handle = async ({ dynamodb: { SequenceNumber } }) => {
		most = Math.max(most, ++running);
		await new Promise(setImmediate);
		// the first record is done when the others are, or alone
		if (SequenceNumber === '1')
			for (let i = 0; i < 100 && ended.length < 2; i++) await new Promise((next) => setTimeout(next, 1));
		ended.push(SequenceNumber);
		running--;
		if (SequenceNumber === '2') throw new Error('no');
	};
	const { batchItemFailures } = await processPartialResponse({ Records }, handle,
		new BatchProcessor(EventType.DynamoDBStreams), options);
	console.log(`${what}, at a time\t${most}`);
	console.log(`${what}, ended\t${ended.join(' ')}`);
	console.log(`${what}, failed\t${batchItemFailures.map((failure) => failure.itemIdentifier).join(' ')}`);
}
await run('TypeScript', {});
await run('TypeScript, not in parallel', { processInParallel: false });
END
seen=$(
	(cd "$node_project" && node run.mjs)
	python3 - <<'END'
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

ended = []


def handle(record):
    ended.append(record.dynamodb.sequence_number)
    if ended[-1] == '2':
        raise RuntimeError('no')


event = {'Records': [{'eventSource': 'aws:dynamodb', 'eventName': 'MODIFY', 'dynamodb': {
    'Keys': {'id': {'N': '7'}}, 'SequenceNumber': number, 'StreamViewType': 'KEYS_ONLY'}} for number in '123']}
answer = process_partial_response(event, handle, BatchProcessor(EventType.DynamoDBStreams))
print('Python, ended', ' '.join(ended), sep='\t')
print('Python, failed', ' '.join(failure['itemIdentifier'] for failure in answer['batchItemFailures']), sep='\t')
END
)
expect_lines "$seen" <<'END'
TypeScript, at a time	3
TypeScript, ended	2 3 1
TypeScript, failed	2
TypeScript, not in parallel, at a time	1
TypeScript, not in parallel, ended	1 2 3
TypeScript, not in parallel, failed	2
Python, ended	1 2 3
Python, failed	2
END
finish
