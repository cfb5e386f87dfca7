#!/usr/bin/env node
// Follows the stream of table orders by iterators, and writes each change to audit.
//
//     node follow.js
//
// One connection reads each shard. Table position says how far it is; position
// and effects are one transaction, so each change is written exactly once. The
// program ends with an error when it loses the database; start it again, and it
// goes on where it was. Run it once: it does not share the shards with others.

const { Client } = require('pg');

// Shards that may be read: not finished, and their parents are finished or gone.
const READY = `
  with unfinished as (
      select shard_id, parent_shard_id
      from ddbstreams.describe_stream($1) left join position using (shard_id)
      where finished is not true)
  select shard_id from unfinished as shard
  where not exists (select from unfinished as parent
                    where parent.shard_id = shard.parent_shard_id)`;

async function connect() {
  const database = new Client();
  await database.connect();
  return database;
}

// The first value of a query's first row, or null.
async function one(database, query, values) {
  const { rows } = await database.query({ text: query, values, rowMode: 'array' });
  return rows.length > 0 ? rows[0][0] : null;
}

// An iterator that goes on behind the last record that was processed.
async function firstIterator(database, arn, shard) {
  const get = 'select ddbstreams.get_shard_iterator($1, $2, $3, $4)';
  const number = await one(database,
    'select sequence_number from position where shard_id = $1', [shard]);
  if (number !== null) {
    try {
      return await one(database, get, [arn, shard, 'AFTER_SEQUENCE_NUMBER', number]);
    } catch (error) {
      if (error.code !== 'ZS002') throw error;
      console.error(`${shard}: records may have expired before they were read`);
    }
  }
  return one(database, get, [arn, shard, 'TRIM_HORIZON', null]);
}

// Read a shard to its end.
async function follow(arn, shard) {
  const database = await connect();
  let iterator = await firstIterator(database, arn, shard);
  let number = null;
  while (iterator !== null) {
    await database.query('begin');
    const { rows } = await database.query(
      `select sequence_number, next_shard_iterator, event_name, keys, new_image
       from ddbstreams.get_records($1)`, [iterator]);
    for (const record of rows) {
      await database.query(
        'insert into audit (event, order_id, status) values ($1, $2, $3)',
        [record.event_name, record.keys.id.N, record.new_image?.status.S]);
      number = record.sequence_number;
      iterator = record.next_shard_iterator;
    }
    if (rows.length === 0) {
      // nothing to read now: wait for the next commit, or for the shard's end
      await database.query('commit');
      await one(database, "select ddbstreams.wait_for_records($1, '1 minute')", [iterator]);
      // the same position, or null at the end of the shard
      iterator = await one(database, 'select ddbstreams.next_shard_iterator($1)', [iterator]);
      await database.query('begin');
    }
    if (rows.length > 0 || iterator === null) {
      await database.query(
        `insert into position values ($1, $2, $3)
         on conflict (shard_id) do update
         set sequence_number = coalesce(excluded.sequence_number, position.sequence_number),
             finished = excluded.finished`,
        [shard, number, iterator === null]);
    }
    await database.query('commit');
  }
  await database.end();
  return shard;
}

async function main() {
  const database = await connect();
  const arn = await one(database, "select ddbstreams.latest_stream_arn('orders')");
  const running = new Map();
  for (;;) {
    const { rows } = await database.query(READY, [arn]);
    for (const { shard_id } of rows) {
      if (!running.has(shard_id)) running.set(shard_id, follow(arn, shard_id));
    }
    if (running.size === 0) break;      // the stream is disabled, and read to its end
    // an error in one of them ends the program
    running.delete(await Promise.race(running.values()));
  }
  await database.end();
}

main();
