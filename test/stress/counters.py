#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) with 1, 4 and 64 shards.

16 writers; backends of them are terminated now and then.  Followers: by polling
with small limits, by wait_for_records, by aws('GetRecords'), and two that start
in the middle again and again.

To see it fail: test/mutations/run append-without-lock latest-hint-unchecked
no-append-at-prepare read-past-unresolved savepoint-not-cut.
"""

import random
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import oracle


def terminate_now_and_then(run, fault):
    session = oracle.connect()
    while not run.stop.wait(random.uniform(0.3, 1)):
        oracle.rows(session, """
            select pg_terminate_backend(pid) from pg_stat_activity
            where pid <> pg_backend_pid() and backend_type = 'client backend'
              and query ~ '(counters|gone|commit|prepare transaction)'
              and query !~ 'ddbstreams|select'
            order by random() limit 1""")


def main():
    faults = 0
    for shards in 1, 4, 64:
        run = oracle.Run('%d shards' % shards, shards)
        run.make_tables()
        run.start_reader('poller', oracle.Poller)
        run.start_reader('waiter', oracle.Waiter)
        run.start_reader('aws', oracle.AwsReader)
        run.start_reader('snapshots 1', oracle.SnapshotReader)
        run.start_reader('snapshots 2', oracle.SnapshotReader)
        run.start_writers()
        run.spawn(run.helpers, 'terminator',
                  lambda fault: terminate_now_and_then(run, fault))
        time.sleep(oracle.SECONDS)
        faults += run.finish()
    oracle.exit_with(faults)


main()
