#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) while shards split and roll over.

Every second all shards roll over, or some split; followers go from parents to
children by the rules of DynamoDB Streams: children only when the parent's last
page had no next iterator.  First with all commits alive, then with kill -9 of
the server again and again.  The describing process checks, in every snapshot,
that the open shards tile the space of hashes, that a child's id and numbers
are above its parent's, and that what a closed shard's description says never
changes again.

Prints how many closings succeeded at the first try; less than half of them is
a fault.  One that a kill has interrupted is no try.

To see it fail: test/mutations/run close-without-lock
open-shards-not-looked-at-again.
"""

import random
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import psycopg2

import oracle

KILLS = 3
MOST_OPEN = 16
PAUSE = 1.0


class Shaper:
    """Splits and rolls over, and looks at the result."""

    def __init__(self, run, fault):
        self.run = run
        self.fault = fault
        self.closed = {}
        self.tried = {'split': 0, 'roll over': 0}
        self.succeeded = {'split': 0, 'roll over': 0}

    def describe(self, session):
        shards = oracle.rows(session, '''
            select shard_id, parent_shard_id, starting_sequence_number,
                   ending_sequence_number, lower(hash_range), upper(hash_range)
            from ddbstreams.describe_stream(%s)''', self.run.arn)
        by_id = {shard[0]: shard for shard in shards}
        at = 0
        for shard in sorted((s for s in shards if s[3] is None),
                            key=lambda s: s[4]):
            if shard[4] != at:
                self.fault('%s begins at %s, not %s' % (shard[0], shard[4], at))
            at = shard[5]
        if at != 2 ** 64:
            self.fault('the open shards end at %s' % at)
        for shard in shards:
            parent = by_id.get(shard[1])
            if parent and (parent[3] is None or shard[2] <= parent[3] or
                           shard[0] <= parent[0]):
                self.fault('child %s, parent %s' % (shard, parent))
            if shard[3] is not None and \
                    self.closed.setdefault(shard[0], shard) != shard:
                self.fault('%s was %s' % (shard, self.closed[shard[0]]))
        return [shard[0] for shard in shards if shard[3] is None]

    def shape(self, session):
        open_shards = self.describe(session)
        what = 'split' if len(open_shards) < MOST_OPEN and \
            random.random() < 0.5 else 'roll over'
        try:
            if what == 'split':
                children = oracle.rows(
                    session, 'select * from ddbstreams.split_shard(%s, %s)',
                    self.run.arn, random.choice(open_shards))
                self.succeeded[what] += len(children) == 2
            else:
                closed = oracle.value(session, 'select ddbstreams.roll_over(%s)',
                                      self.run.arn)
                self.succeeded[what] += closed == len(open_shards)
        except psycopg2.Error as error:
            if error.pgcode != '55006':
                raise
        self.tried[what] += 1
        self.describe(session)

    def main(self):
        session = None
        while not self.run.stop.wait(PAUSE * random.uniform(0.5, 1.5)):
            try:
                session = session or oracle.connect_patiently(self.run.stop)
                if session is not None:
                    self.shape(session)
            except psycopg2.Error as error:
                if not oracle.is_gone(session, error):
                    raise
                session = None
        tried = sum(self.tried.values())
        print('%s: closings at the first try: %s of %s; %d shards closed' %
              (self.run.name, self.succeeded, self.tried, len(self.closed)),
              flush=True)
        if sum(self.succeeded.values()) < 0.5 * tried - 1:
            self.fault('fewer than half of the closings succeed')


def shape(name, kills, sync, may_lose, seconds):
    run = oracle.Run(name, 4, sync=sync, may_lose=may_lose,
                     prepares=4 if not may_lose else 0)
    run.make_tables()
    run.start_reader('poller', oracle.Poller)
    run.start_reader('waiter', oracle.Waiter)
    run.start_reader('aws', oracle.AwsReader)
    run.start_reader('snapshots', oracle.SnapshotReader)
    run.start_writers()
    run.spawn(run.helpers, 'shaper', lambda fault: Shaper(run, fault).main())
    for _ in range(kills):
        time.sleep(seconds / (kills + 1))
        oracle.kill_server()
        oracle.start_server()
    time.sleep(seconds / (kills + 1))
    return run.finish()


def main():
    faults = shape('shaping', 0, lambda number: 'on', False, oracle.SECONDS)
    faults += shape('shaping, killed', KILLS, lambda number: 'on', False,
                    oracle.SECONDS)
    faults += shape('shaping, asynchronous, killed', KILLS,
                    lambda number: 'off', True, oracle.SECONDS)
    oracle.exit_with(faults)


main()
