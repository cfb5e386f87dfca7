#!/usr/bin/python3
"""Consumer groups under the per-key counter oracle (oracle.py).

Three consumers in processes of their own share a stream by poll and checkpoint
while 16 writers write and shards split and roll over; they are killed at random
(SIGKILL of the client, pg_terminate_backend), and come back under the same or
another name.  Each record that they get is a row of `effects`.

Exactly once: poll, effects and checkpoint are one transaction, now and then
rolled back, or with several rounds, or with a savepoint that is rolled back.
Each key's effects must be its records, each once, in their order.  Then the
same while kill -9 hits the whole server.

At least once: poll, effects and checkpoint are transactions of their own, and
a consumer may be so slow that it loses its leases.  No record may be passed
over, and no batch may hold a record that was checkpointed before the batch was
polled; within a batch the records are in order.

To see it fail: test/mutations/run checkpoint-by-anyone consumer-children-first
consumer-finishes-early poll-own-leases-unlocked.
"""

import os
import random
import signal
import sys
import time

sys.path.insert(0, __file__.rpartition('/')[0])
import psycopg2

import oracle
import shaping

CONSUMERS = 3
LEASE = '1 s'

# A lease that is lost, a deadlock (by none of ours), the consumer's connection
LOST_LEASE = '55006'


class Consumer:
    """One consumer process: polls, writes effects, checkpoints."""

    def __init__(self, run, worker, exactly, fault):
        self.run = run
        self.worker = worker
        self.exactly = exactly
        self.fault = fault
        self.session = None

    def sql(self, query, *parameters):
        return oracle.rows(self.session, query, *parameters)

    def poll(self):
        wait = random.choice(['0', '0', '20 ms', '300 ms'])
        return self.sql('''
            select shard_id, sequence_number, event_name, keys->'k'->>'N',
                   coalesce(new_image, old_image)->'n'->>'N'
            from ddbstreams.poll('c', %s, %s, %s)''', self.worker,
                        random.choice([1, 3, 20, 100, 1000]), wait)

    def effects(self, found, batch):
        for shard, number, event, k, n in found:
            self.sql('insert into effects (batch, worker, shard, number, event, k, n) '
                     'values (%s, %s, %s, %s, %s, %s, %s)',
                     batch, self.worker, shard, number, event, k, n)

    def checkpoint(self, found):
        last = {}
        for shard, number, *_ in found:
            if number <= last.get(shard, ''):
                self.fault('%s: %s comes after %s' % (shard, number, last[shard]))
            last[shard] = number
        for shard, number in last.items():
            self.sql("select ddbstreams.checkpoint('c', %s, %s, %s)",
                     self.worker, shard, number)
            self.sql("insert into marks (shard, number) values (%s, %s)",
                     shard, number)

    def round(self):
        found = self.poll()
        if random.random() < 0.2:
            time.sleep(random.uniform(0, 0.05))
        if found and random.random() < 0.1:
            self.sql('savepoint s')
            self.effects(found[:len(found) // 2 + 1], 0)
            self.checkpoint(found[:len(found) // 2 + 1])
            self.sql('rollback to s')
        self.effects(found, 0)
        self.checkpoint(found)
        return found

    def exactly_once(self):
        self.sql('begin')
        found = self.round()
        while random.random() < 0.2:
            found += self.round()
        self.sql('rollback' if random.random() < 0.1 else 'commit')
        return found

    def one_statement(self):
        return self.sql('''
            with found as (
                select * from ddbstreams.poll('c', %s, %s)
            ), effect as (
                insert into effects (batch, worker, shard, number, event, k, n)
                select 0, %s, shard_id, sequence_number, event_name,
                       (keys->'k'->>'N')::int,
                       (coalesce(new_image, old_image)->'n'->>'N')::bigint
                from found
            )
            select ddbstreams.checkpoint('c', %s, shard_id, max(sequence_number))
            from found group by shard_id''', self.worker,
                        random.choice([1, 20, 500]), self.worker, self.worker)

    def at_least_once(self):
        found = self.poll()
        if not found:
            return found
        batch = oracle.value(self.session, "select nextval('effects_id_seq')")
        if random.random() < 0.02:
            time.sleep(1.5)         # the leases are another's then
        # effects one by one, or some together; now and then all is left undone
        if random.random() < 0.05:
            return found
        while found:
            some = found[:random.choice([1, 10, 1000])]
            self.effects(some, batch)
            found = found[len(some):]
            if not found or random.random() < 0.5:
                self.sql('begin')
                self.checkpoint(some)
                self.sql('commit')
        return [1]

    def main(self):
        lost = False
        while True:
            try:
                if self.session is None:
                    self.session = oracle.connect_patiently(self.run.drained)
                    if self.session is None:
                        return
                elif lost:
                    self.sql('rollback')
                lost = False
                if not self.exactly:
                    found = self.at_least_once()
                elif random.random() < 0.3:
                    found = self.one_statement()
                else:
                    found = self.exactly_once()
                if not found:
                    time.sleep(0.005)
            except psycopg2.Error as error:
                if oracle.is_gone(self.session, error):
                    self.session = None
                    continue
                if error.pgcode != LOST_LEASE or self.exactly:
                    self.fault('%s %s' % (error.pgcode, error))
                    return
                self.run.lost_leases.value += 1
                lost = True


class Group:
    """Keeps consumers going, and kills them."""

    def __init__(self, run, exactly):
        self.run = run
        self.exactly = exactly
        self.names = 0
        self.kills = 0
        self.alive = {}

    def start(self):
        self.names += 1
        worker = random.choice(['worker %d' % random.randint(1, 4),
                                'worker %d.%d' % (os.getpid(), self.names)])
        if worker in self.alive:
            worker += '.%d' % self.names
        run, exactly = self.run, self.exactly

        def body():
            random.seed('%s %s %s' % (oracle.SEED, run.name, self.names))

            def fault(text):
                run.messages.put(('fault', worker, text))
            try:
                Consumer(run, worker, exactly, fault).main()
            except Exception:
                fault(oracle.traceback.format_exc())

        process = oracle.processes.Process(target=body, daemon=True)
        process.start()
        self.alive[worker] = process

    def main(self):
        """Until the run is drained; then until nothing lags."""
        session = None
        while True:
            try:
                session = session or oracle.connect()
                for worker, process in list(self.alive.items()):
                    if not process.is_alive():
                        del self.alive[worker]
                while len(self.alive) < CONSUMERS:
                    self.start()
                if self.run.settled.is_set():
                    if self.is_done(session):
                        break
                    time.sleep(0.05)
                    continue
                time.sleep(random.uniform(0.05, 0.6))
                victim = random.choice(list(self.alive.values()))
                if random.random() < 0.5:
                    os.kill(victim.pid, signal.SIGKILL)
                    victim.join()
                else:
                    oracle.rows(session, """
                        select pg_terminate_backend(pid) from (
                            select pid from pg_stat_activity
                            where query ~ 'effects|poll|checkpoint' and
                                  pid <> pg_backend_pid()
                            order by random() limit 1) x""")
                self.kills += 1
            except psycopg2.Error as error:
                if session is not None and not oracle.is_gone(session, error):
                    raise
                session = None
                time.sleep(0.05)
        for process in self.alive.values():
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return self.kills

    @staticmethod
    def is_done(session):
        lag, states = oracle.rows(session, """
            select coalesce(sum(lag_records), 1), array_agg(distinct state)
            from ddbstreams.consumer_stats where consumer_name = 'c'""")[0]
        return lag == 0 and 'waiting' not in states


def shape(run, fault):
    """Splits and rolls over."""
    session = None
    while not run.stop.wait(random.uniform(0.3, 1.0)):
        try:
            session = session or oracle.connect_patiently(run.stop)
            if session is None:
                return
            shaping.reshape(session, run.arn, 12)
        except psycopg2.Error as error:
            if not oracle.is_gone(session, error):
                raise
            session = None


def check(run):
    """Compares the effects with the stream and the stream with the table."""
    def fault(text):
        run.fault('effects', text)

    session = oracle.connect(**{'ddbstreams.max_readers_per_shard': 0})
    index, of_key = {}, {}
    for number, shard, k in oracle.rows(session, '''
            select sequence_number, shard_id, coalesce((new_image).k, (old_image).k)
            from ddbstreams.changes(null::counters, stream_arn => %s)''', run.arn):
        of_key[k] = of_key.get(k, 0) + 1
        index[shard, number] = (k, of_key[k])
    seen = {}
    repeated = 0
    marks = oracle.rows(session, 'select id, shard, number from marks order by id')
    marked = {}
    last_of_batch = {}
    effects = oracle.rows(session, 'select id, batch, shard, number, k, event, n '
                          'from effects order by id')
    counters = {}
    for id_, batch, shard, number, k, event, n in effects:
        while marks and marks[0][0] < (batch or id_):
            _, marked_shard, marked_number = marks.pop(0)
            marked.setdefault(marked_shard, []).append(marked_number)
        if (shard, number) not in index:
            fault('%s %s is not in the stream' % (shard, number))
            continue
        at = index[shard, number][1]
        if run.exactly and at != seen.get(k, 0) + 1:
            fault('key %d: record %d after %d' % (k, at, seen.get(k, 0)))
        if at > seen.get(k, 0) + 1:
            fault('key %d: record %d after %d: gap' % (k, at, seen.get(k, 0)))
        if at <= seen.get(k, 0):
            repeated += 1
        seen[k] = max(at, seen.get(k, 0))
        if batch:
            if at <= last_of_batch.get((batch, k), 0):
                fault('key %d: record %d twice in a batch' % (k, at))
            last_of_batch[batch, k] = at
        if run.exactly:
            expected = counters.get(k, 0) + (event != 'REMOVE')
            if n != expected:
                fault('key %d: %s, counter %d, not %d' % (k, event, n, expected))
            counters[k] = n
    for id_, batch, shard, number in run_marks(session):
        fault('%s %s of batch %d had a checkpoint before it (%d)' %
              (shard, number, batch, id_))
    for k, count in of_key.items():
        if seen.get(k, 0) != count:
            fault('key %d: %d records of %d' % (k, seen.get(k, 0), count))
    if run.exactly:
        for k, n in oracle.rows(session, 'select k, n from counters union all '
                                'select k, n from gone'):
            if counters.get(k) != n:
                fault('key %d: %s at the end, in the table %d' %
                      (k, counters.get(k), n))
    return len(effects), repeated


def run_marks(session):
    """Records that were polled after they had been checkpointed."""
    return oracle.rows(session, '''
        select m.id, e.batch, e.shard, e.number
        from effects e, lateral (
            select min(id) as id from marks m
            where m.shard = e.shard and m.number >= e.number) m
        where e.batch > 0 and m.id < e.batch limit 10''')


def consume(name, exactly, kills=0):
    run = oracle.Run(name, 4)
    run.exactly = exactly
    run.lost_leases = oracle.processes.Value('l', 0)
    run.make_tables()
    with oracle.contextlib.closing(oracle.connect()) as session:
        oracle.rows(session, 'drop table if exists effects, marks')
        oracle.rows(session, '''
            create table effects (
                id bigserial primary key, batch bigint, worker text, shard text,
                number text, event text, k int, n bigint)''')
        oracle.rows(session, '''
            create table marks (
                id bigint default nextval('effects_id_seq') primary key,
                shard text, number text);
            create index on marks (shard, number)''')
        oracle.rows(session, "select ddbstreams.create_consumer('c', %s, "
                    "lease_duration => %s)", run.arn, LEASE)
    group = Group(run, exactly)
    run.start_writers()
    run.spawn(run.helpers, 'shaper', lambda fault: shape(run, fault))
    run.spawn(run.readers, 'group', lambda fault: group_result(group))
    for _ in range(kills):
        time.sleep(oracle.SECONDS / (kills + 1))
        oracle.kill_server()
        oracle.start_server()
    time.sleep(oracle.SECONDS / (kills + 1))

    run.ended = set()
    run.stop.set()
    run.collect(run.writers, 60)
    run.collect([p for p in run.helpers if p.name != 'resolver'], 60)
    run.settled.set()
    run.collect(run.helpers, 60)
    run.collect(run.readers, 120)
    run.drained.set()
    count, repeated = check(run)
    killed = run.results.get('group', 0)
    if count == 0 or killed == 0:
        run.fault('run', 'no effects or no kills')
    with oracle.contextlib.closing(oracle.connect()) as session:
        shards = oracle.value(session, 'select count(*) from '
                              'ddbstreams.describe_stream(%s)', run.arn)
        oracle.rows(session, "select ddbstreams.drop_consumer('c')")
    print('%s: %d transactions, %d shards, %d effects (%d repeated), %d kills, '
          '%d leases lost by the living; %.0f s; %d faults' %
          (name, run.transactions.value, shards, count, repeated, killed,
           run.lost_leases.value, time.monotonic() - run.started, run.faults),
          flush=True)
    return run.faults


def group_result(group):
    # a daemon may have no children of its own; this one has
    oracle.multiprocessing.current_process()._config['daemon'] = False
    return group.main()


def main():
    faults = consume('exactly once', True)
    faults += consume('exactly once, server killed', True, kills=3)
    faults += consume('at least once', False)
    oracle.exit_with(faults)


main()
