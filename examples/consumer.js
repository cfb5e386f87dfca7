#!/usr/bin/env node
// Writes each change of table orders to table audit, exactly once.
//
//     node consumer.js NAME
//
// This is one worker of the consumer group "audit". Start as many as you like,
// each with its own NAME. PGHOST, PGDATABASE, PGUSER and so on say where the
// database is. The program ends with an error when it loses the database; start
// it again, and it goes on where it was.

const { Client } = require('pg');

async function main(worker) {
  const database = new Client();
  await database.connect();

  for (;;) {
    await database.query('begin');
    // the next records; waits until there are some, for 10 seconds at most
    const { rows } = await database.query(
      `select shard_id, sequence_number, event_name, keys, new_image
       from ddbstreams.poll('audit', $1, max_wait => '10 s')`, [worker]);
    const done = new Map();
    for (const record of rows) {
      await database.query(
        'insert into audit (event, order_id, status) values ($1, $2, $3)',
        [record.event_name, record.keys.id.N, record.new_image?.status.S]);
      done.set(record.shard_id, record.sequence_number);
    }
    for (const [shard, number] of done) {
      await database.query("select ddbstreams.checkpoint('audit', $1, $2, $3)",
        [worker, shard, number]);
    }
    // records, their effects and the checkpoints are one transaction
    await database.query('commit');
  }
}

main(process.argv[2]);
