#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) while kill -9 hits the whole server.

Three kills under load for each of: all commits synchronous; those of half of
the writers asynchronous; all asynchronous, with a lazy WAL writer.  Followers
go on with the server that comes back.  What they have seen must be there still,
but for a tail of the shard if commits were asynchronous; no number that was
seen before is given to another record; and the stream equals the tables.
Before two of three kills, writers are held between their appends to two shards:
the crash leaves records whose transactions have neither committed nor aborted.

To see it fail: test/mutations/run number-without-clock. Not seen to fail:
without the floor after a recovery, which matters only if the clock is set
back.
"""

import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import oracle

KILLS = 3


def hold_writers(run):
    """Makes writers wait for the last shard when they have appended to others."""
    session = oracle.connect()
    table = oracle.value(session, '''
        select shard_table::text from ddbstreams.describe_stream(%s)
        order by lower(hash_range) desc limit 1''', run.arn)
    oracle.rows(session, 'begin')
    oracle.rows(session, 'lock table %s in share mode' % table)
    time.sleep(0.2)
    held.append(session)


held = []


def crash(name, sync, may_lose, prepares):
    run = oracle.Run(name, 4, sync=sync, may_lose=may_lose, prepares=prepares)
    run.make_tables()
    run.start_reader('poller', oracle.Poller)
    run.start_reader('aws', oracle.AwsReader)
    run.start_reader('snapshots', oracle.SnapshotReader)
    run.start_writers()
    for number in range(KILLS):
        time.sleep(oracle.SECONDS / 5)
        if number % 2 == 0:
            hold_writers(run)
        oracle.kill_server()
        oracle.start_server()
    time.sleep(oracle.SECONDS / 5)
    return run.finish()


def main():
    with oracle.contextlib.closing(oracle.connect()) as session:
        for setting in ("wal_writer_delay = '10s'",
                        "wal_writer_flush_after = '1GB'"):
            oracle.rows(session, 'alter system set ' + setting)
    oracle.server('restart')

    faults = crash('synchronous', lambda number: 'on', False, 4)
    faults += crash('half asynchronous',
                    lambda number: 'off' if number % 2 else 'on', True, 4)
    faults += crash('asynchronous', lambda number: 'off', True, 0)
    oracle.exit_with(faults)


main()
