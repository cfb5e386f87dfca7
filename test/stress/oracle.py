"""What the stress programs share: the per-key counter oracle.

A table `counters` has keys 1 to 50 and a column n that rises by one with each
change that commits, and starts at 1.  Many processes write it in all kinds of
transactions; others follow its stream.  A follower needs nothing but the
stream: within a key n must come as 1, 2, 3, ..., each old image must be the
last new image, each shard's sequence numbers must rise, and when the writing
has ended, what it knows must equal the table.

A deleted key's counter waits in the table `gone`, which has no stream, until
the key is inserted again.

A program makes a Run, starts writers and readers, and calls finish().  All of
them are processes of their own; what they have to say comes through a queue.
"""

import contextlib
import hashlib
import json
import multiprocessing
import os
import queue
import random
import signal
import subprocess
import sys
import time
import traceback

import psycopg2
import psycopg2.extensions
import psycopg2.extras

KEYS = 50
BURIED = 5                      # a multiple of it may be deleted for a while
WRITERS = 16
SECONDS = float(os.environ.get('STRESS_SECONDS', '10'))
SEED = int(os.environ.get('STRESS_SEED', str(int(time.time()))))
SHOWN_FAULTS = 10

# What a writer may meet: serialization failure, deadlock, division by zero (on
# purpose), lock timeout; a server that goes, is gone, or comes up.
EXPECTED_STATES = {'40001', '40P01', '22012', '55P03'}
LIMIT_EXCEEDED = 'ZS003'

processes = multiprocessing.get_context('fork')

psycopg2.extras.register_default_json(globally=True)


# --- connections -------------------------------------------------------------

def connect(dbname=None, **settings):
    """A session in autocommit, with these settings."""
    options = ' '.join('-c %s=%s' % item for item in settings.items())
    session = psycopg2.connect(options=options,
                               **({'dbname': dbname} if dbname else {}))
    session.autocommit = True
    return session


def connect_patiently(stop, **settings):
    """The same, while the server may be down; None when told to stop."""
    while not stop.is_set():
        try:
            return connect(**settings)
        except psycopg2.OperationalError:
            time.sleep(0.05)
    return None


def rows(session, query, *parameters):
    with session.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def value(session, query, *parameters):
    return rows(session, query, *parameters)[0][0]


# --- the oracle ---------------------------------------------------------------

def image_of(k, n, pad):
    return {'k': {'N': str(k)}, 'n': {'N': str(n)}, 'pad': {'S': pad}}


class Oracle:
    """All that one follower knows, and whether it can be true."""

    def __init__(self, fault):
        self.fault = fault
        self.images = {}        # of the keys that are there
        self.counters = {}      # of all keys, deleted ones too
        self.shard_of = {}
        self.parents = {}       # shard -> its parent, or None
        self.history = {}       # shard -> [(number, digest)]

    def begin_at(self, counters, gone):
        """What a snapshot of the two tables says is true already."""
        for k, n, pad in counters:
            self.images[k] = image_of(k, n, pad)
            self.counters[k] = n
        for k, n in gone:
            self.counters[k] = n

    def last_number(self, shard):
        seen = self.history.get(shard)
        return seen[-1][0] if seen else ''

    def descends(self, shard, ancestor):
        while shard is not None and shard != ancestor:
            shard = self.parents.get(shard)
        return shard is not None

    def apply(self, shard, record, known=False):
        """One more record; it may be known from a snapshot already."""
        number, event, keys, old, new = record[:5]
        if number <= self.last_number(shard):
            self.fault('%s: number %s comes after %s' %
                       (shard, number, self.last_number(shard)))
        self.history.setdefault(shard, []).append((number, digest(record)))
        if known:
            return

        k = int(keys['k']['N'])
        if not self.descends(shard, self.shard_of.setdefault(k, shard)):
            self.fault('key %d is in %s and then in %s' %
                       (k, self.shard_of[k], shard))
        self.shard_of[k] = shard
        present = self.images.get(k)
        where = '%s %s: key %d: %s' % (shard, number, k, event)
        if event == 'INSERT' and present is not None:
            self.fault('%s, but it is there already' % where)
        if event != 'INSERT' and present is None:
            self.fault('%s, but it is not there' % where)
        if old != present:
            self.fault('%s: old image %s, but the last new one was %s' %
                       (where, brief(old), brief(present)))
        if event == 'REMOVE':
            self.images[k] = None
            if new is not None:
                self.fault('%s has a new image' % where)
            return
        n = int(new['n']['N'])
        if n != self.counters.get(k, 0) + 1:
            self.fault('%s: counter %d after %d' %
                       (where, n, self.counters.get(k, 0)))
        self.images[k] = new
        self.counters[k] = n

    def compare_with_tables(self, session):
        """Nobody writes any more: the tables must be what is known here."""
        truth = {k: image_of(k, n, pad) for k, n, pad in
                 rows(session, 'select k, n, pad from counters')}
        counters = {k: int(image['n']['N']) for k, image in truth.items()}
        counters.update(rows(session, 'select k, n from gone'))
        for k in range(1, KEYS + 1):
            if self.counters.get(k) != counters.get(k):
                self.fault('at the end: counter of key %d: %s, in the table %s' %
                           (k, self.counters.get(k), counters.get(k)))
            elif self.images.get(k) != truth.get(k):
                self.fault('at the end: key %d: %s, in the table %s' %
                           (k, brief(self.images.get(k)), brief(truth.get(k))))

    def count(self):
        return sum(map(len, self.history.values()))

    def fingerprint(self):
        """The same for all who have read the same records."""
        return {shard: (len(seen), digest(seen))
                for shard, seen in self.history.items() if seen}


def digest(thing):
    # of a record without its transaction, which AWS's shape does not tell
    text = json.dumps(thing[:5] if isinstance(thing, tuple) else thing,
                      sort_keys=True)
    return hashlib.md5(text.encode()).hexdigest()


def brief(image):
    text = json.dumps(image, sort_keys=True)
    return text if len(text) <= 120 else text[:120] + '...'


# --- writers ------------------------------------------------------------------

class Writer:
    """One writer's ways of changing rows.  None needs to know what commits."""

    def __init__(self, number, session, prepares):
        self.number = number
        self.session = session
        self.prepared = 0
        ways = [(30, self.single), (12, self.several), (3, self.risky),
                (4, self.one_statement), (12, self.savepoints),
                (6, self.aborted), (4, self.failed), (5, self.replace),
                (3, self.replace_at_once), (4, self.bury), (6, self.revive),
                (6, self.upsert), (3, self.merge), (3, self.unchanged),
                (3, self.copy), (prepares, self.prepare)]
        self.ways = [way for weight, way in ways for _ in range(weight)]

    def step(self):
        random.choice(self.ways)()

    def run(self, text):
        with self.session.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else []

    def begin(self):
        level = random.choices(['read committed', 'repeatable read',
                                'serializable'], [85, 10, 5])[0]
        return 'begin isolation level %s' % level

    def transaction(self, statements, end='commit'):
        """As one message, or as many: other sessions get in between."""
        statements = [self.begin()] + statements + [end]
        if random.random() < 0.5:
            self.run('; '.join(statements))
        else:
            for statement in statements:
                self.run(statement)

    @staticmethod
    def pad():
        # now and then too large for a page: goes to the side table
        size = 12000 if random.random() < 0.01 else random.choice([0, 8, 40, 400])
        return os.urandom(size // 2).hex()

    def update(self, k):
        return ("update counters set n = n + 1, pad = '%s' where k = %d" %
                (self.pad(), k))

    @staticmethod
    def keys(most=5):
        return sorted(random.sample(range(1, KEYS + 1), random.randint(2, most)))

    @staticmethod
    def lasting_keys(most=5):
        return [k for k in Writer.keys(most) if k % BURIED] or [1]

    @staticmethod
    def key():
        return random.randint(1, KEYS)

    def single(self):
        self.run(self.update(self.key()))

    def several(self):
        self.transaction([self.update(k) for k in self.keys()
                          for _ in range(random.choice([1, 1, 2]))])

    def risky(self):
        keys = self.keys()
        random.shuffle(keys)
        self.transaction([self.update(k) for k in keys])

    def one_statement(self):
        self.run('update counters set n = n + 1 where k in (%s)' %
                 ', '.join(map(str, self.keys(12))))

    def with_savepoints(self):
        """Savepoints, nested ones too, rolled back or released at random."""
        statements, depth, serial = [], [], 0
        for k in self.keys():
            statements.append(self.update(k))
            for _ in range(random.randint(0, 3)):
                what = random.random()
                if what < 0.5:
                    serial += 1
                    depth.append('s%d' % serial)
                    statements += ['savepoint s%d' % serial, self.update(k)]
                elif depth and what < 0.8:
                    at = random.randrange(len(depth))
                    statements.append('rollback to %s' % depth[at])
                    del depth[at + 1:]
                elif depth:
                    at = random.randrange(len(depth))
                    statements.append('release %s' % depth[at])
                    del depth[at:]
                else:
                    statements.append(self.update(k))
        return statements

    def savepoints(self):
        self.transaction(self.with_savepoints())

    def aborted(self):
        self.transaction(self.with_savepoints(), 'rollback')

    def failed(self):
        self.transaction([self.update(k) for k in self.keys()] +
                         ['select 1 / 0'])

    def prepare(self):
        self.prepared += 1
        statements = random.choice([
            lambda: [self.update(self.key())],
            lambda: [self.update(k) for k in self.keys(3)],
            self.with_savepoints])()
        self.transaction(statements, "prepare transaction 'w%d.%d.%s'" %
                         (self.number, self.prepared, os.urandom(4).hex()))

    def replace(self):
        k = self.key()
        self.run(self.begin())
        if random.random() < 0.5:
            self.run(self.update(k))
        for (n,) in self.run('delete from counters where k = %d returning n' % k):
            self.run("insert into counters values (%d, %d, '%s')" %
                     (k, n + 1, self.pad()))
            if random.random() < 0.5:
                self.run(self.update(k))
        self.run('commit')

    def replace_at_once(self):
        self.run('with d as (delete from counters where k = %d returning *) '
                 'insert into counters select k, n + 1, pad from d' % self.key())

    def bury(self):
        self.run('with d as (delete from counters where k = %d returning k, n) '
                 'insert into gone select k, n from d' %
                 (random.randint(1, KEYS // BURIED) * BURIED))

    def revive(self):
        self.run("with g as (delete from gone returning k, n) "
                 "insert into counters select k, n + 1, '%s' from g" % self.pad())

    def copy(self):
        self.run(self.begin())
        back = self.run('delete from gone returning k, n')
        if back:
            with self.session.cursor() as cursor:
                lines = ''.join('%d\t%d\t%s\n' % (k, n + 1, self.pad())
                                for k, n in back)
                cursor.copy_expert('copy counters from stdin', Lines(lines))
        self.run('commit')

    def upsert(self):
        # -1 is never stored: these keys are always there
        self.run("insert into counters values %s on conflict (k) "
                 "do update set n = counters.n + 1, pad = excluded.pad" %
                 ', '.join("(%d, -1, '%s')" % (k, self.pad())
                           for k in self.lasting_keys()))

    def merge(self):
        self.run("merge into counters c using (values %s) v (k) on c.k = v.k "
                 "when matched then update set n = c.n + 1" %
                 ', '.join('(%d)' % k for k in self.keys()))

    def unchanged(self):
        k = self.key()
        self.transaction(['update counters set pad = pad where k = %d' % k,
                          self.update(k),
                          'update counters set n = n where k = %d' % k])


class Lines:
    """A file to read from, of text."""

    def __init__(self, text):
        self.text = text

    def read(self, size=-1):
        if size < 0:
            size = len(self.text)
        part, self.text = self.text[:size], self.text[size:]
        return part

    def readline(self):
        end = self.text.find('\n') + 1
        return self.read(end or -1)


def is_gone(session, error):
    """Has the connection been lost, by a crash or a terminated backend?"""
    return (session.closed != 0 or error.pgcode in ('57P01', '57P02', '57P03') or
            error.pgcode is None and 'server closed the connection' in str(error))


# --- readers ------------------------------------------------------------------

RECORD = ('sequence_number, event_name, keys, old_image, new_image, '
          'transaction_id::text')


class Follower:
    """Reads all shards of a stream forward into an oracle.

    Parents before children: it begins at the shards whose parents are not
    listed, and with the children of a shard when that has ended."""

    # what a subclass waits before it asks an empty shard again
    pause = 0.002

    def __init__(self, run, fault):
        self.run = run
        self.fault = fault
        self.oracle = Oracle(fault)
        self.session = None
        self.iterators = {}     # shard -> iterator; None: the end is reached
        self.limited = 0        # refusals of a third reader
        self.rereads = 0

    def sessions(self):
        """The connections whose loss a crash explains."""
        return [self.session]

    def open(self):
        settings = {} if self.run.reader_limit else \
            {'ddbstreams.max_readers_per_shard': 0}
        self.session = connect(**settings)

    def describe(self):
        """Returns the parents of all shards."""
        parents = dict(rows(self.session, 'select shard_id, parent_shard_id '
                            'from ddbstreams.describe_stream(%s)', self.run.arn))
        self.oracle.parents.update(parents)
        return parents

    def begin(self):
        parents = self.describe()
        for shard, parent in parents.items():
            if parent not in parents:
                self.iterators[shard] = self.iterator(shard, 'TRIM_HORIZON')

    def begin_children(self, shard):
        for child, parent in self.describe().items():
            if parent == shard and child not in self.iterators:
                self.iterators[child] = self.iterator(child, 'TRIM_HORIZON')

    def iterator(self, shard, kind, number=None):
        return value(self.session,
                     'select ddbstreams.get_shard_iterator(%s, %s, %s, %s)',
                     self.run.arn, shard, kind, number)

    def limit(self):
        if self.run.drained.is_set():
            return 1000
        return random.choice([1, 2, random.randint(3, 30), 300])

    def page(self, iterator, limit):
        """Returns the records after an iterator, and the iterator for more."""
        found = rows(self.session, 'select %s, next_shard_iterator '
                     'from ddbstreams.get_records(%%s, %%s)' % RECORD,
                     iterator, limit)
        if len(found) > limit:
            self.fault('%d records, but the limit is %d' % (len(found), limit))
        if found:
            return [row[:-1] for row in found], found[-1][-1]
        return [], value(self.session,
                         'select ddbstreams.next_shard_iterator(%s)', iterator)

    def read(self, shard, limit=None):
        """Reads a page; returns how many records it had."""
        try:
            found, following = self.page(self.iterators[shard],
                                         limit or self.limit())
        except psycopg2.Error as error:
            if error.pgcode != LIMIT_EXCEEDED:
                raise
            self.limited += 1
            time.sleep(0.001)
            return -1
        for record in found:
            self.oracle.apply(shard, record, self.is_known(record))
        if following is None:
            self.begin_children(shard)      # before it is taken for finished
        self.iterators[shard] = following
        return len(found) or (following is None)

    def is_known(self, record):
        return False

    def read_again(self, shard):
        """What was read once must read the same."""
        seen = self.oracle.history.get(shard)
        if not seen:
            return
        at = random.randrange(len(seen))
        iterator = self.iterator(shard, 'AT_SEQUENCE_NUMBER', seen[at][0])
        try:
            found, _ = self.page(iterator, random.randint(1, 20))[:2]
        except psycopg2.Error as error:
            if error.pgcode != LIMIT_EXCEEDED:
                raise
            return
        self.rereads += 1
        again = [(record[0], digest(record)) for record in found]
        expected = seen[at:at + len(again)]
        if not again or again[:len(expected)] != expected:
            self.fault('%s: read again from %s: %s, but it was %s' %
                       (shard, seen[at][0], again[:3], expected[:3]))

    def look(self, shard):
        count = self.read(shard)
        if random.random() < 0.02:
            self.read_again(shard)
        return count

    def follow(self, until=None):
        """Reads until the stream has ended, or a time has come.

        Returns whether everything was read."""
        while until is None or time.monotonic() < until:
            ending = self.run.drained.is_set()
            idle = True
            for shard, iterator in list(self.iterators.items()):
                if iterator is not None:
                    idle &= self.look(shard) == 0
            if idle and ending:
                return True
            if idle:
                time.sleep(self.pause)
        return False

    def end(self):
        self.oracle.compare_with_tables(self.session)
        self.read_all_again()

    def read_all_again(self):
        """From the start, the stream reads as it did while it was written."""
        for shard in self.iterators:
            iterator, again = self.iterator(shard, 'TRIM_HORIZON'), []
            while iterator:
                try:
                    found, iterator = self.page(iterator, 1000)
                except psycopg2.Error as error:
                    if error.pgcode != LIMIT_EXCEEDED:
                        raise
                    time.sleep(0.001)
                    continue
                if not found:
                    break
                again += [(record[0], digest(record)) for record in found]
            if again != self.oracle.history.get(shard, []):
                self.fault('%s: reads otherwise at the end: %d records, not %d' %
                           (shard, len(again),
                            len(self.oracle.history.get(shard, []))))

    def after_crash(self):
        """The server has come back: the past must be as it was.

        What was seen may have lost a tail if commits were asynchronous; its
        numbers must not come again."""
        old = self.oracle
        old_iterators = self.iterators
        self.oracle = Oracle(self.fault)
        self.iterators = {}
        self.begin()
        self.catch_up()
        for shard in old.history:
            if shard not in self.iterators:
                self.fault('%s is gone' % shard)
        for shard in self.iterators:
            before = old.history.get(shard, [])
            after = self.oracle.history.get(shard, [])
            common = 0
            while (common < min(len(before), len(after)) and
                   before[common] == after[common]):
                common += 1
            lost = len(before) - common
            self.run.lost.value += lost
            if lost and not self.run.may_lose:
                self.fault('%s: %d records are gone, from %s on' %
                           (shard, lost, before[common][0]))
            if len(after) > common and before and \
                    after[common][0] <= before[-1][0]:
                self.fault('%s: number %s was given to another record; '
                           'seen up to %s before the crash' %
                           (shard, after[common][0], before[-1][0]))
            # an old iterator goes on where it stood
            found, _ = self.page(old_iterators.get(shard) or
                                 self.iterator(shard, 'TRIM_HORIZON'), 1000)
            again = [(record[0], digest(record)) for record in found]
            expected = after[common:][:len(again)]
            if again[:len(expected)] != expected:
                self.fault('%s: an iterator from before the crash reads %s, '
                           'not %s' % (shard, again[:2], expected[:2]))

    def catch_up(self):
        """Reads all that is there, of children that appear meanwhile too."""
        done = set()
        while done != set(self.iterators):
            for shard in set(self.iterators) - done:
                while self.iterators[shard] and self.read(shard, 1000) != 0:
                    pass
                done.add(shard)

    def result(self):
        return {'records': self.oracle.count(), 'limited': self.limited,
                'rereads': self.rereads, 'rounds': 0, 'known': 0,
                'fingerprint': self.oracle.fingerprint()}


class Poller(Follower):
    """get_records with small limits, next_shard_iterator on empty pages."""

    def end(self):
        super().end()
        found = {}
        for shard, number in rows(self.session, """
                select shard_id, sequence_number from ddbstreams.changes(
                    null::counters, stream_arn => %s)""", self.run.arn):
            found.setdefault(shard, []).append(number)
        if found != {shard: [number for number, _ in seen]
                     for shard, seen in self.oracle.history.items() if seen}:
            self.fault('changes() shows other records')


class Waiter(Follower):
    """The same, but sleeps in wait_for_records."""

    pause = 0

    def look(self, shard):
        ms = max(1, 64 // sum(map(bool, self.iterators.values())))
        if value(self.session, 'select ddbstreams.wait_for_records(%s, %s)',
                 self.iterators[shard], '%d ms' % ms):
            count = self.read(shard)
            if count == 0 and self.iterators[shard]:
                self.fault('%s: wait_for_records saw a record that is not there'
                           % shard)
            return count
        return 0


class AwsReader(Follower):
    """Follows in AWS's shape."""

    def page(self, iterator, limit):
        answer = value(self.session, "select ddbstreams.aws('GetRecords', %s)",
                       json.dumps({'ShardIterator': iterator, 'Limit': limit}))
        found = []
        for record in answer['Records']:
            change = record['dynamodb']
            found.append((change['SequenceNumber'], record['eventName'],
                          change['Keys'], change.get('OldImage'),
                          change.get('NewImage'), None))
        return found, answer.get('NextShardIterator')


class SnapshotReader(Follower):
    """Starts in the middle, again and again.

    A snapshot of the tables and LATEST of all shards, in one statement or in one
    REPEATABLE READ transaction: nothing may be lost between them.  LATEST stands
    before the first record that is unresolved in the snapshot, so records behind
    that one may be in the snapshot as well; their transaction_id tells.  In the
    same snapshot there is nothing to be read after LATEST."""

    def __init__(self, run, fault):
        super().__init__(run, fault)
        self.rounds = 0
        self.total = 0
        self.known = 0
        self.snapshot = None
        self.other = None

    def begin(self):
        pass

    def open(self):
        super().open()
        self.other = connect()

    def sessions(self):
        return [self.session, self.other]

    def set_snapshot(self, text):
        xmin, xmax, running = text.split(':')
        self.snapshot = (int(xmin), int(xmax),
                         set(map(int, filter(None, running.split(',')))))

    def is_known(self, record):
        xmin, xmax, running = self.snapshot
        xid = int(record[5])
        known = xid < xmin or xid < xmax and xid not in running
        self.known += known
        return known

    def tables(self):
        self.oracle.begin_at(rows(self.session, 'select k, n, pad from counters'),
                             rows(self.session, 'select k, n from gone'))

    def latest(self, session=None):
        self.describe()
        return dict(rows(session or self.session, '''
            select shard_id, ddbstreams.get_shard_iterator(%s, shard_id, 'LATEST')
            from ddbstreams.describe_stream(%s)
            where ending_sequence_number is null or random() < 0.1
            order by random()''',
                         self.run.arn, self.run.arn))

    def set_iterators(self):
        self.iterators = self.latest()

    def nothing(self):
        """In the snapshot there is nothing behind LATEST, except if the record
        that it stands before has been rolled back meanwhile; a new LATEST then
        is farther on."""
        for shard, iterator in self.iterators.items():
            for attempt in range(3):
                try:
                    rows(self.session, 'savepoint s')
                    found = self.page(iterator, 1)[0]
                except psycopg2.Error as error:
                    if error.pgcode != LIMIT_EXCEEDED:
                        raise
                    rows(self.session, 'rollback to s')
                    break
                if not found:
                    break
                iterator = self.iterator(shard, 'LATEST')
            else:
                self.fault('%s: LATEST of a snapshot stands before %s, which '
                           'can be read in it' % (shard, found[0][0]))

    def start_in_transaction(self):
        parts = [self.tables, self.set_iterators]
        random.shuffle(parts)
        rows(self.session, 'begin isolation level repeatable read')
        self.set_snapshot(value(self.session, 'select pg_current_snapshot()::text'))
        for part in parts:
            time.sleep(random.choice([0, 0, 0.001, 0.02]))
            if random.random() < 0.5:
                # another session's LATEST is newer than the snapshot's
                self.latest(self.other)
            part()
        if random.random() < 0.5:
            self.nothing()
        rows(self.session, 'commit')

    def start_in_statement(self):
        counters, gone, iterators, snapshot = rows(self.session, '''
            select (select json_agg(json_build_array(k, n, pad)) from counters),
                   (select json_agg(json_build_array(k, n)) from gone),
                   (select json_object_agg(shard_id,
                        ddbstreams.get_shard_iterator(%s, shard_id, 'LATEST'))
                    from ddbstreams.describe_stream(%s)
                    where ending_sequence_number is null),
                   pg_current_snapshot()::text''', self.run.arn, self.run.arn)[0]
        self.set_snapshot(snapshot)
        self.oracle.begin_at(counters or [], gone or [])
        self.describe()
        self.iterators = iterators

    def follow(self, until=None):
        while True:
            ending = self.run.drained.is_set()
            self.oracle = Oracle(self.fault)
            self.iterators = {}
            random.choice([self.start_in_transaction, self.start_in_transaction,
                           self.start_in_statement])()
            done = super().follow(time.monotonic() + random.uniform(0.05, 0.4)
                                  if not ending else None)
            self.rounds += 1
            self.total += self.oracle.count()
            if done:
                return True

    def after_crash(self):
        pass

    def read_all_again(self):
        pass

    def result(self):
        return {'records': self.total, 'limited': self.limited,
                'rereads': self.rereads, 'rounds': self.rounds,
                'known': self.known, 'fingerprint': None}


# --- one run ------------------------------------------------------------------

class Run:
    """Tables, a stream, processes, and the sum of what they report."""

    def __init__(self, name, shards, sync=lambda number: 'on', may_lose=False,
                 prepares=4, reader_limit=True):
        self.name = name
        self.shards = shards
        self.sync = sync
        self.may_lose = may_lose
        self.prepares = prepares
        self.reader_limit = reader_limit
        self.stop = processes.Event()       # writers
        self.settled = processes.Event()    # the resolver: all writers are gone
        self.drained = processes.Event()    # readers: nothing more will come
        self.transactions = processes.Value('l', 0)
        self.resolved = processes.Value('l', 0)
        self.lost = processes.Value('l', 0)
        self.messages = processes.Queue()
        self.writers = []
        self.helpers = []
        self.readers = []
        self.results = {}
        self.faults = 0
        self.started = time.monotonic()
        self.arn = None

    def fault(self, who, text):
        self.faults += 1
        if self.faults <= SHOWN_FAULTS:
            print('FAULT %s: %s: %s' % (self.name, who, text), flush=True)

    def make_tables(self, stream=True):
        with contextlib.closing(connect()) as session:
            rows(session, 'create extension if not exists ddbstreams')
            rows(session, 'drop table if exists counters, gone')
            rows(session, 'create table counters (k int primary key, '
                          'n bigint not null, pad text not null)')
            rows(session, 'create table gone (k int primary key, n bigint not null)')
            if stream:
                self.enable(session)

    def enable(self, session):
        self.arn = value(session, "select ddbstreams.enable_stream('counters', "
                         "shard_count => %s)", self.shards)
        rows(session, "insert into counters select k, 1, '' "
                      "from generate_series(1, %s) k", KEYS)

    def spawn(self, kind, who, body):
        """Runs body(fault) in a process of its own; its result is sent."""
        def main():
            shown = [0]

            def fault(text):
                shown[0] += 1
                if shown[0] <= SHOWN_FAULTS:
                    self.messages.put(('fault', who, text))
                elif shown[0] % 100 == 0:
                    self.messages.put(('fault', who, '%d faults' % shown[0]))

            signal.signal(signal.SIGINT, signal.SIG_DFL)
            random.seed('%s %s %s' % (SEED, self.name, who))
            try:
                self.messages.put(('result', who, body(fault)))
            except Exception:
                self.messages.put(('fault', who, traceback.format_exc()))
            self.messages.put(('end', who, None))

        process = processes.Process(target=main, name=who, daemon=True)
        process.start()
        kind.append(process)

    def start_writers(self, count=WRITERS):
        for number in range(count):
            self.spawn(self.writers, 'writer %d' % number,
                       lambda fault, number=number: self.write(number, fault))
        self.spawn(self.helpers, 'resolver', self.resolve)

    def write(self, number, fault):
        settings = {'deadlock_timeout': '50ms',
                    'synchronous_commit': self.sync(number)}
        session = None
        count = 0
        while not self.stop.is_set():
            if session is None:
                session = connect_patiently(self.stop, **settings)
                if session is None:
                    break
                writer = Writer(number, session, self.prepares)
            try:
                writer.step()
                count += 1
            except psycopg2.Error as error:
                if is_gone(session, error):
                    session = None
                    continue
                if error.pgcode not in EXPECTED_STATES:
                    fault('%s %s' % (error.pgcode, error))
                try:
                    rows(session, 'rollback')
                except psycopg2.Error:
                    session = None
        with self.transactions.get_lock():
            self.transactions.value += count

    def resolve(self, fault):
        """Ends prepared transactions, a little later, one way or the other."""
        session = None
        while True:
            last = self.settled.is_set()
            try:
                session = session or connect(synchronous_commit='on')
                found = rows(session, 'select gid from pg_prepared_xacts '
                             'where prepared < now() - random() * %s::interval '
                             'and database = current_database()',
                             '0 ms' if last else '60 ms')
                random.shuffle(found)
                for (gid,) in found:
                    how = random.choice(['commit', 'commit', 'rollback'])
                    rows(session, "%s prepared '%s'" % (how, gid))
                    self.resolved.value += 1
            except psycopg2.Error as error:
                if session is not None and error.pgcode == '55000':
                    pass            # its PREPARE is not quite over
                elif session is not None and not is_gone(session, error):
                    fault('%s %s' % (error.pgcode, error))
                if session is not None and is_gone(session, error):
                    session = None
                found = [1]
            if last and not found:
                return
            time.sleep(0.01)

    def start_reader(self, who, kind):
        self.spawn(self.readers, who, lambda fault: self.read(kind, fault))

    def read(self, kind, fault):
        follower = kind(self, fault)
        begun = False
        while True:
            try:
                follower.open()
                if not begun:
                    follower.begin()
                    begun = True
                else:
                    follower.after_crash()
                follower.follow()
                follower.end()
                return follower.result()
            except psycopg2.Error as error:
                lost = isinstance(error, psycopg2.OperationalError) and any(
                    session is None or is_gone(session, error)
                    for session in follower.sessions())
                if not lost:
                    raise
                follower.session = None
                time.sleep(0.05)

    def collect(self, processes_, seconds):
        """Takes messages until these processes have ended."""
        until = time.monotonic() + seconds
        waiting = {process.name for process in processes_}
        waiting -= self.ended
        while waiting:
            try:
                what, who, thing = self.messages.get(
                    timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                for who in sorted(waiting):
                    self.fault(who, 'does not end')
                break
            if what == 'fault':
                self.fault(who, thing)
            elif what == 'result':
                self.results[who] = thing
            else:
                self.ended.add(who)
                waiting.discard(who)
        for process in processes_:
            process.join(1)
            if process.is_alive():
                process.kill()

    ended = frozenset()

    def finish(self):
        """Ends the writers, then the readers; prints; returns the faults."""
        self.ended = set(self.ended)
        self.stop.set()
        self.collect(self.writers, 60)
        self.settled.set()
        self.collect(self.helpers, 60)
        self.drained.set()
        self.collect(self.readers, 120)

        readers = [process.name for process in self.readers]
        results = [self.results[who] for who in readers if who in self.results]
        prints = [(who, self.results[who]['fingerprint']) for who in readers
                  if who in self.results and self.results[who]['fingerprint']]
        for who, fingerprint in prints[1:]:
            if fingerprint != prints[0][1]:
                self.fault(who, 'has read other records than %s' % prints[0][0])
        if not prints or self.transactions.value == 0:
            self.fault('run', 'nothing was written or nothing was read')
        self.check_pages()
        self.print_summary(readers, results, prints)
        return self.faults

    def check_pages(self):
        """Asks amcheck and pg_visibility whether the pages of shards are right."""
        with contextlib.closing(connect()) as session:
            for extension in 'amcheck', 'pg_visibility':
                rows(session, 'create extension if not exists ' + extension)
            tables = rows(session, '''
                select oid::regclass::text from pg_class
                where relnamespace = 'ddbstreams_shards'::regnamespace
                  and relname ~ '^(shard|side)_[0-9]+$' ''')
            for (table,) in tables:
                for fault in rows(session, '''
                        select 'amcheck', blkno::text, msg from verify_heapam(%s)
                        union all
                        select 'all-visible', t_ctid::text, '' from pg_check_visible(%s)
                        union all
                        select 'all-frozen', t_ctid::text, '' from pg_check_frozen(%s)
                        ''', table, table, table):
                    self.fault(table, ' '.join(fault))

    def print_summary(self, readers, results, prints):
        stream = max([sum(count for count, _ in fingerprint.values())
                      for _, fingerprint in prints], default=0)
        print('%s: %d transactions (%d prepared), %d records; %d readers: '
              '%d records read, %d read again, %d refused; %d started in the '
              'middle (%d records behind an unresolved one); %s%.0f s; %d faults' %
              (self.name, self.transactions.value, self.resolved.value, stream,
               len(readers), sum(r['records'] for r in results),
               sum(r['rereads'] for r in results),
               sum(r['limited'] for r in results),
               sum(r['rounds'] for r in results),
               sum(r['known'] for r in results),
               '%d seen and lost; ' % self.lost.value if self.may_lose else '',
               time.monotonic() - self.started, self.faults), flush=True)


# --- the server -----------------------------------------------------------------

def server(*arguments):
    """pg_ctl for the server under test."""
    data = os.environ['PGDATA']
    subprocess.run(['pg_ctl', '-w', '-t', '60', '-D', data, '-l',
                    os.path.join(os.path.dirname(data), 'log'), *arguments],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)


def postmaster():
    with open(os.path.join(os.environ['PGDATA'], 'postmaster.pid')) as file:
        return int(file.readline())


def kill_server():
    """kill -9 of the postmaster and of all of its processes."""
    pid = postmaster()
    os.kill(pid, signal.SIGSTOP)
    while state_of(pid) not in 'TZ':        # from then on it has no more children
        time.sleep(0.01)
    with open('/proc/%d/task/%d/children' % (pid, pid)) as file:
        children = [int(child) for child in file.read().split()]
    for process in [pid] + random.sample(children, len(children)):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for process in [pid] + children:
        while state_of(process) not in 'Z':
            time.sleep(0.01)


def state_of(pid):
    """T is stopped, Z dead but not buried; empty if there is no such process."""
    try:
        with open('/proc/%d/stat' % pid) as file:
            return file.read().rpartition(')')[2].split()[0]
    except OSError:
        return ''


def start_server():
    for attempt in range(20):
        try:
            server('start')
            return
        except subprocess.CalledProcessError:
            time.sleep(0.5)
    raise SystemExit('the server does not start')


def exit_with(faults):
    print('seed %d, %d faults' % (SEED, faults), flush=True)
    sys.exit(1 if faults else 0)
