#!/usr/bin/env python3
"""Follows the stream of table orders by iterators, and writes each change to audit.

    python3 follow.py

One thread reads each shard. Table position says how far it is; position and
effects are one transaction, so each change is written exactly once. The
program ends with an error when it loses the database; start it again, and it
goes on where it was. Run it once: it does not share the shards with others.
"""

import queue
import sys
import threading

import psycopg2                 # with psycopg 3: import psycopg as psycopg2

# Shards that may be read: not finished, and their parents are finished or gone.
READY = """
    with unfinished as (
        select shard_id, parent_shard_id
        from ddbstreams.describe_stream(%s) left join position using (shard_id)
        where finished is not true)
    select shard_id from unfinished as shard
    where not exists (select from unfinished as parent
                      where parent.shard_id = shard.parent_shard_id)"""


def one(cursor, query, values=()):
    """The first value of a query's first row, or None."""
    cursor.execute(query, values)
    row = cursor.fetchone()
    return row[0] if row else None


def first_iterator(database, cursor, arn, shard):
    """An iterator that goes on behind the last record that was processed."""
    number = one(cursor, 'select sequence_number from position where shard_id = %s', (shard,))
    get = 'select ddbstreams.get_shard_iterator(%s, %s, %s, %s)'
    if number is not None:
        try:
            return one(cursor, get, (arn, shard, 'AFTER_SEQUENCE_NUMBER', number))
        except psycopg2.Error as error:
            if 'trimmed' not in str(error):
                raise
            database.rollback()
            print('%s: records may have expired before they were read' % shard, file=sys.stderr)
    return one(cursor, get, (arn, shard, 'TRIM_HORIZON', None))


def follow(arn, shard):
    """Read a shard to its end."""
    database = psycopg2.connect('')
    cursor = database.cursor()
    iterator = first_iterator(database, cursor, arn, shard)
    number = None
    while iterator is not None:
        cursor.execute("""select sequence_number, next_shard_iterator, event_name, keys, new_image
                          from ddbstreams.get_records(%s)""", (iterator,))
        records = cursor.fetchall()
        for number, iterator, event, keys, image in records:
            cursor.execute('insert into audit (event, order_id, status) values (%s, %s, %s)',
                           (event, keys['id']['N'], image['status']['S'] if image else None))
        if not records:
            # nothing to read now: wait for the next commit, or for the shard's end
            database.commit()
            one(cursor, "select ddbstreams.wait_for_records(%s, '1 minute')", (iterator,))
            # the same position, or null at the end of the shard
            iterator = one(cursor, 'select ddbstreams.next_shard_iterator(%s)', (iterator,))
        if records or iterator is None:
            cursor.execute("""insert into position values (%s, %s, %s)
                              on conflict (shard_id) do update
                              set sequence_number = coalesce(excluded.sequence_number,
                                                             position.sequence_number),
                                  finished = excluded.finished""",
                           (shard, number, iterator is None))
        database.commit()
    database.close()


def follow_and_report(arn, shard, ended):
    try:
        ended.put((shard, follow(arn, shard)))
    except Exception as error:
        ended.put((shard, error))


def main():
    database = psycopg2.connect('')
    cursor = database.cursor()
    arn = one(cursor, "select ddbstreams.latest_stream_arn('orders')")
    running = set()
    ended = queue.Queue()
    while True:
        cursor.execute(READY, (arn,))
        for shard in {row[0] for row in cursor.fetchall()} - running:
            running.add(shard)
            threading.Thread(target=follow_and_report, args=(arn, shard, ended),
                             daemon=True).start()
        database.commit()
        if not running:
            return              # the stream is disabled, and read to its end
        shard, error = ended.get()
        if error is not None:
            raise error
        running.remove(shard)


main()
