#!/usr/bin/env node
// Calls the Lambda function in a file of JavaScript with the changes of table orders:
//
//     select ddbstreams.create_consumer('lambda', ddbstreams.latest_stream_arn('orders'));
//     node run.js NAME ./handler.js
//
// This is one worker of the consumer group "lambda"; start as many as you like,
// each with its own NAME. It does what an event source mapping with
// ReportBatchItemFailures does, for a language that PostgreSQL does not have: a
// batch is of one shard; what the function has not done comes again.

const path = require('path');
const { Client } = require('pg');

const [worker, file] = process.argv.slice(2);
const { handler } = require(path.resolve(file));

// Lambda's record of a row of poll()
function toEvent(row, arn) {
  const dynamodb = {
    ApproximateCreationDateTime: Math.floor(row.approximate_creation_date_time / 1000),
    Keys: row.keys,
    SequenceNumber: row.sequence_number,
    SizeBytes: Number(row.size_bytes),
    StreamViewType: row.stream_view_type,
  };
  if (row.new_image) dynamodb.NewImage = row.new_image;
  if (row.old_image) dynamodb.OldImage = row.old_image;
  const record = {
    eventID: row.event_id,
    eventName: row.event_name,
    eventVersion: row.event_version,
    eventSource: row.event_source,
    awsRegion: row.aws_region,
    dynamodb,
    eventSourceARN: arn,
  };
  if (row.user_identity) record.userIdentity = row.user_identity;
  return record;
}

// Call the function, and return how many of the records are done.
async function call(records) {
  let answer;
  try {
    answer = await handler({ Records: records }, { functionName: path.basename(file, '.js') });
  } catch (error) {
    console.error(error);
    return 0;
  }
  const failed = new Set((answer?.batchItemFailures ?? []).map((item) => item.itemIdentifier));
  const first = records.findIndex((record) => failed.has(record.dynamodb.SequenceNumber));
  return first < 0 ? records.length : first;
}

async function main() {
  const database = new Client();
  await database.connect();
  const { rows: [{ arn }] } = await database.query(
    "select ddbstreams.latest_stream_arn('orders') as arn");

  for (;;) {
    await database.query('begin');
    const { rows } = await database.query(
      "select * from ddbstreams.poll('lambda', $1, max_wait => '10 s')", [worker]);
    const batches = new Map();
    for (const row of rows) {
      if (!batches.has(row.shard_id)) batches.set(row.shard_id, []);
      batches.get(row.shard_id).push(toEvent(row, arn));
    }
    let failed = false;
    for (const [shard, records] of batches) {
      const done = await call(records);
      if (done > 0) {
        await database.query("select ddbstreams.checkpoint('lambda', $1, $2, $3)",
          [worker, shard, records[done - 1].dynamodb.SequenceNumber]);
      }
      failed ||= done < records.length;
    }
    await database.query('commit');
    if (failed) await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

main();
