#!/usr/bin/python3
"""The per-key counter oracle (oracle.py) beside logical replication.

wal_level = logical, a publication FOR ALL TABLES, and a live subscription in a
second server that knows nothing of ddbstreams and has the tables made by hand.
A stream is enabled, written to and disabled, twice; the subscriber must follow
undisturbed: no error in its log, and in the end the same rows.

To see it fail: test/mutations/run append-decoded.
"""

import os
import re
import subprocess
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import oracle

BASE = os.path.dirname(os.environ['PGDATA'])
SUBSCRIBER = os.path.join(BASE, 'subscriber')
PORT = int(os.environ['PGPORT']) + 1
TABLES = ('create table counters (k int primary key, n bigint not null, '
          'pad text not null)',
          'create table gone (k int primary key, n bigint not null)')


def start_subscriber():
    subprocess.run(['initdb', '-D', SUBSCRIBER, '-A', 'trust', '-U',
                    os.environ['PGUSER'], '-E', 'UTF8', '--locale=C', '-N'],
                   stdout=subprocess.DEVNULL, check=True)
    with open(os.path.join(SUBSCRIBER, 'postgresql.conf'), 'a') as file:
        file.write("listen_addresses = ''\nport = %d\nfsync = off\n"
                   "unix_socket_directories = '%s'\n"
                   "wal_retrieve_retry_interval = '100ms'\n" %
                   (PORT, os.environ['PGHOST']))
    subprocess.run(['pg_ctl', '-w', '-D', SUBSCRIBER, '-l', SUBSCRIBER + '.log',
                    'start'], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, check=True)
    session = oracle.psycopg2.connect(port=PORT)
    session.autocommit = True
    return session


def stop_subscriber():
    subprocess.run(['pg_ctl', '-w', '-D', SUBSCRIBER, '-m', 'fast', 'stop'],
                   stdout=subprocess.DEVNULL, check=False)


def wait_for_subscriber(session, seconds=30):
    """Until the subscriber has confirmed all that there is now."""
    end = oracle.value(session, 'select pg_current_wal_flush_lsn()')
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if oracle.value(session, 'select bool_and(confirmed_flush_lsn >= %s) '
                        'from pg_replication_slots', end):
            return True
        time.sleep(0.05)
    return False


def contents(session):
    return [oracle.rows(session, 'select * from counters order by k'),
            oracle.rows(session, 'select * from gone order by k')]


def check_subscriber(run, session, subscriber):
    if run.faults:
        return
    if not wait_for_subscriber(session):
        run.fault('subscriber', 'does not catch up')
    elif contents(session) != contents(subscriber):
        run.fault('subscriber', 'has other rows than the publisher')
    with open(SUBSCRIBER + '.log') as file:
        for line in file:
            if re.search(r'\b(ERROR|FATAL|PANIC):', line):
                run.fault('log of the subscriber', line.strip())


def write(name, shards, session, subscriber):
    run = oracle.Run(name, shards)
    run.enable(session)
    run.start_reader('poller', oracle.Poller)
    run.start_reader('aws', oracle.AwsReader)
    run.start_reader('snapshots', oracle.SnapshotReader)
    run.start_writers()
    time.sleep(oracle.SECONDS / 3)
    run.finish()
    check_subscriber(run, session, subscriber)
    before = run.faults

    # without a stream, too
    oracle.rows(session, "select ddbstreams.disable_stream('counters')")
    oracle.rows(session, 'update counters set n = n + 1')
    check_subscriber(run, session, subscriber)
    oracle.rows(session, 'delete from counters')
    oracle.rows(session, 'delete from gone')
    check_subscriber(run, session, subscriber)
    if run.faults > before:
        print('%s: %d faults after disabling' % (name, run.faults - before))
    return run.faults


def main():
    with oracle.contextlib.closing(oracle.connect()) as session:
        oracle.rows(session, 'alter system set wal_level = logical')
    oracle.server('restart')
    session = oracle.connect()
    for table in TABLES:
        oracle.rows(session, table)
    oracle.rows(session, 'create publication p for all tables')
    subscriber = start_subscriber()
    try:
        for table in TABLES:
            oracle.rows(subscriber, table)
        oracle.rows(subscriber, "create subscription s connection "
                    "'host=%s port=%s user=%s dbname=%s' publication p" %
                    tuple(os.environ[name] for name in
                          ('PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE')))
        oracle.rows(session, 'create extension ddbstreams')
        faults = write('logical, 1 shard', 1, session, subscriber)
        if not faults:
            faults += write('logical, 4 shards', 4, session, subscriber)
    finally:
        stop_subscriber()
    oracle.exit_with(faults)


main()
