#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) while shards are vacuumed.

VACUUM, VACUUM FULL and VACUUM FREEZE of the shard tables (and their side
tables) run in a loop, two at a time.  Many transactions are prepared and rolled
back: they have appended, so they leave dead records, whose line pointers are
used again.  Shared buffers are few, and scans of a part of a shard leave a
place in the middle where a synchronized scan would begin.

To see it fail: test/mutations/run append-asks-free-space-map
append-reuses-line-pointers page-not-sorted.
"""

import random
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import oracle


def shard_tables(run, session):
    return [table for (table,) in oracle.rows(session, """
        select oid::regclass::text from pg_class
        where relnamespace = 'ddbstreams_shards'::regnamespace
          and (oid in (select shard_table from ddbstreams.describe_stream(%s))
               or oid in (select side_table from ddbstreams_shards.shard
                          where shard_table in (select shard_table from
                                ddbstreams.describe_stream(%s))))
        """, run.arn, run.arn)]


def scan(run, fault):
    session = oracle.connect()
    tables = shard_tables(run, session)
    while not run.stop.wait(random.uniform(0, 0.05)):
        oracle.rows(session, 'select count(*) from (select from %s limit %d) t' %
                    (random.choice(tables), random.choice([500, 3000, 100000])))


def vacuum(run, fault):
    session = oracle.connect(lock_timeout='1s')
    tables = shard_tables(run, session)
    count = 0
    while not run.stop.wait(random.uniform(0, 0.05)):
        how = random.choice(['', '', '(full)', '(freeze)', '(full, freeze)',
                             '(truncate off)'])
        try:
            oracle.rows(session, 'vacuum %s %s' % (how, random.choice(tables)))
            count += 1
        except oracle.psycopg2.Error as error:
            if error.pgcode not in ('55P03', '40P01'):
                raise
    return count


def main():
    with oracle.contextlib.closing(oracle.connect()) as session:
        oracle.rows(session, "alter system set shared_buffers = '4MB'")
    oracle.server('restart')
    faults = 0
    for shards in 1, 4:
        run = oracle.Run('vacuum, %d shards' % shards, shards, prepares=30)
        run.make_tables()
        run.start_reader('poller', oracle.Poller)
        run.start_reader('waiter', oracle.Waiter)
        run.start_reader('snapshots', oracle.SnapshotReader)
        run.start_writers()
        for number in 1, 2:
            run.spawn(run.helpers, 'vacuum %d' % number,
                      lambda fault: vacuum(run, fault))
        run.spawn(run.helpers, 'scanner', lambda fault: scan(run, fault))
        time.sleep(oracle.SECONDS / 2)
        faults += run.finish()
        print('%d vacuums' % sum(run.results.get('vacuum %d' % number) or 0
                                 for number in (1, 2)))
    oracle.exit_with(faults)


main()
