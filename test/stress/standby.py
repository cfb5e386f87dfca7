#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) on a standby, and its promotion.

The readers read a streaming standby while shards split and roll over on the
primary.  In one run the standby is restarted meanwhile.  Then, while all write,
the standby is promoted, and the primary is killed just before or just after
that; the writers go on at the new primary.  The readers keep their sessions and
their iterators through the promotion: nothing that they have read may be gone,
no number may be given twice, and what is written afterwards continues what they
know.

To see it fail: test/mutations/run standby-running-transactions.
"""

import os
import random
import subprocess
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import psycopg2

import oracle
import shaping

MOST_OPEN = 12

connect_to_environment = oracle.connect


class StandbySnapshots(oracle.SnapshotReader):
    """The text of a snapshot does not tell on a standby which transactions run,
    so the counters have to tell which records are in the snapshot already."""

    def is_known(self, record):
        event, old, new = record[1], record[3], record[4]
        k = int(record[2]['k']['N'])
        n = int((new or old)['n']['N'])
        counter = self.oracle.counters.get(k, 0)
        known = n < counter or n == counter and (
            event != 'REMOVE' or self.oracle.images.get(k) is None)
        self.known += known
        return known


class Run(oracle.Run):
    """Writers are at the primary, readers at the standby."""

    def __init__(self, name, directory):
        super().__init__(name, 4)
        self.directory = directory
        self.promoted = oracle.processes.Event()

    def data(self):
        return self.directory + '/data'

    def read(self, kind, fault):
        os.environ['PGHOST'] = self.directory
        return super().read(kind, fault)

    def connect(self, dbname=None, **settings):
        """A writer's session."""
        if self.promoted.is_set():
            os.environ['PGHOST'] = self.directory
        return connect_to_environment(dbname, **settings)

    def shape(self, fault):
        session = None
        while not self.stop.wait(random.uniform(0.05, 0.6)):
            try:
                session = session or oracle.connect_patiently(self.stop)
                if session is None:
                    break
                shaping.reshape(session, self.arn, MOST_OPEN, 0.4)
            except psycopg2.Error as error:
                if oracle.is_gone(session, error):
                    session = None
                else:
                    fault('%s %s' % (error.pgcode, error))


def control(data, *arguments):
    subprocess.run(['pg_ctl', '-w', '-t', '120', '-D', data, '-l',
                    os.path.join(os.path.dirname(data), 'log'), *arguments],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def make_standby(run):
    os.mkdir(run.directory)
    subprocess.run(['pg_basebackup', '-D', run.data(), '-R', '-c', 'fast'], check=True)
    with open(run.data() + '/postgresql.conf', 'a') as conf:
        conf.write("\nunix_socket_directories = '%s'\n"
                   'max_standby_streaming_delay = -1\n' % run.directory)
    control(run.data(), 'start')


def end_prepared():
    """Ends what was prepared on the old primary when it was killed."""
    session = connect_to_environment()
    for gid, in oracle.rows(session, 'select gid from pg_prepared_xacts'):
        oracle.rows(session, "rollback prepared '%s'" % gid)
    session.close()


def promote(name, restarts, kills_first):
    primary = os.environ['PGHOST']
    run = Run(name, '%s/standby%d' % (os.path.dirname(os.environ['PGDATA']), restarts))
    oracle.connect = run.connect
    run.make_tables()
    make_standby(run)
    run.start_reader('poller', oracle.Poller)
    run.start_reader('waiter', oracle.Waiter)
    run.start_reader('aws', oracle.AwsReader)
    run.start_reader('snapshots', StandbySnapshots)
    run.start_writers()
    run.spawn(run.helpers, 'shaper', run.shape)
    for _ in range(restarts):
        time.sleep(oracle.SECONDS / 2)
        control(run.data(), 'restart', '-m', 'fast')
    time.sleep(oracle.SECONDS / 2)
    if kills_first:
        oracle.kill_server()
    control(run.data(), 'promote')
    if not kills_first:
        oracle.kill_server()
    run.promoted.set()
    time.sleep(oracle.SECONDS / 2)
    faults = run.finish()
    control(run.data(), 'stop', '-m', 'immediate')
    os.environ['PGHOST'] = primary
    oracle.start_server()
    end_prepared()
    return faults


def main():
    faults = promote('promoted, the primary alive', 0, False)
    faults += promote('restarted, promoted, the primary killed', 1, True)
    oracle.exit_with(faults)


main()
