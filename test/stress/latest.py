#!/usr/bin/python3
"""LATEST in old and new snapshots, beside all kinds of writers.

Writers append single rows and large transactions, some of them long after they
have got their transaction id, with savepoints, and prepared.  Readers find LATEST
in a snapshot, at once or a while after it was taken.  When the writing has ended
the first record of a transaction that the snapshot does not show must be at LATEST,
or behind it (invariant 6).

To see it fail: test/mutations/run latest-marks-ignore-holders.
"""

import queue
import random
import sys
import time

import psycopg2

from oracle import SECONDS, SEED, connect, processes, rows, value

READERS = 4

SETUP = """
create extension ddbstreams;
create sequence ids;
create table other (id int);
create table t (id bigint primary key, xid xid8 default pg_current_xact_id(), filler text);
select ddbstreams.enable_stream('t', shard_count => 1);
create function iterator(type text) returns text language sql stable as $$
    select ddbstreams.get_shard_iterator(ddbstreams.latest_stream_arn('t'), shard_id, type)
    from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) $$
"""


def insert(count, size):
    return ("insert into t select nextval('ids'), pg_current_xact_id(), "
            "repeat('x', %d) from generate_series(1, %d)" % (size, count))


def single(run, name):
    for _ in range(20):
        run(insert(1, random.choice([20, 200, 900])))


def large(run, name):
    """Each of these looks who else has appended."""
    run(insert(random.randint(80, 120), 1900))


def prepared(run, name):
    run('begin')
    run(insert(random.choice([1, 1, 500]), 200))
    run("prepare transaction '%s'" % name)
    time.sleep(random.random() / 2)
    run("%s prepared '%s'" % (random.choice(['commit', 'commit', 'rollback']), name))
    time.sleep(random.random() / 2)


def late(run, name):
    run('begin')
    run('insert into other values (1)')
    time.sleep(random.random())
    run(insert(random.choice([1, 100]), 200))
    run('commit')


def savepoints(run, name):
    run('begin')
    for _ in range(random.choice([3, 100])):
        run('savepoint a')
        run(insert(2, 200))
        run(random.choice(['release a', 'rollback to a']))
    run('commit')
    time.sleep(random.random() / 5)


# What each of the writers does, over and over
WRITERS = [single, large, large, large, prepared, late, savepoints]


def write(number, until):
    random.seed('%s writer %s' % (SEED, number))
    session = connect()
    steps = 0
    while time.time() < until:
        steps += 1
        WRITERS[number](lambda query: rows(session, query), 'w%d.%d' % (number, steps))


def read(number, until, found):
    random.seed('%s reader %s' % (SEED, number))
    session = connect()
    while time.time() < until:
        rows(session, 'begin isolation level repeatable read')
        snapshot = value(session, 'select pg_current_snapshot()::text')
        time.sleep(random.choice([0, 0, 0.2, 2]) * random.random())
        found.put((snapshot, value(session, "select iterator('LATEST')")))
        rows(session, 'commit')
        time.sleep(0.02)


def read_all(session):
    """Returns numbers and transaction ids of all records."""
    records = []
    iterator = value(session, "select iterator('TRIM_HORIZON')")
    while iterator is not None:
        page = rows(session, "select sequence_number, new_image->'xid'->>'S', "
                    "next_shard_iterator from ddbstreams.get_records(%s, 1000)", iterator)
        if not page:
            break
        records += [(number, int(xid)) for number, xid, _ in page]
        iterator = page[-1][2]
    return records


def is_too_far(session, records, snapshot, iterator):
    _, xmax, running = snapshot.split(':')
    running = {int(xid) for xid in running.split(',') if xid}
    first = next((number for number, xid in records
                  if xid >= int(xmax) or xid in running), None)
    behind = rows(session, 'select sequence_number from ddbstreams.get_records(%s, 1)', iterator)
    return first is not None and (not behind or behind[0][0] > first)


def main():
    session = connect()
    rows(session, SETUP)
    found = processes.Queue()
    until = time.time() + SECONDS
    others = [processes.Process(target=write, args=(i, until)) for i in range(len(WRITERS))]
    others += [processes.Process(target=read, args=(i, until, found)) for i in range(READERS)]
    for process in others:
        process.start()
    positions = []
    while any(process.is_alive() for process in others) or not found.empty():
        try:
            positions.append(found.get(timeout=0.1))
        except queue.Empty:
            pass
    records = read_all(session)
    count = value(session, 'select count(*) from t')
    wrong = [snapshot for snapshot, iterator in positions
             if is_too_far(session, records, snapshot, iterator)]
    print('seed %s: %d records, %d rows; LATEST %d times, too far %d times' %
          (SEED, len(records), count, len(positions), len(wrong)))
    for snapshot in wrong[:10]:
        print('LATEST is too far in snapshot ' + snapshot)
    failed = any(process.exitcode != 0 for process in others)
    sys.exit(bool(wrong) or failed or not positions or len(records) != count)


try:
    main()
except psycopg2.Error as error:
    sys.exit('latest: %s' % error)
