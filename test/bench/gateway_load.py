"""What test/bench/gateway_load does; see there."""

import asyncio
import collections
import datetime
import hashlib
import hmac
import json
import os
import random
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import psycopg2

SECONDS = int(os.environ['SECONDS_OF_LOAD'])
GATEWAY = os.environ['GATEWAY']
SANITIZE = bool(os.environ['SANITIZE'])
TLS = os.environ['TLS']  # NAME.crt and NAME.key are there, or it is empty

SHARDS = 64
CONNECTIONS = {'idle': 1000, 'half a request': 500, 'slow headers': 300, 'slow body': 150,
               'answer not read': 50}
if TLS:
    # handshakes take this program long
    CONNECTIONS = {kind: count // 2 for kind, count in CONNECTIONS.items()}
    CONNECTIONS['no handshake'] = 50
PATIENCE = 300        # seconds that something may take on a slow machine
TIMEOUT = 40 if TLS else 10  # of the gateway
MEMORY = 20           # MB that may be resident without connections
CONNECTION_MEMORY = (64 if TLS else 24) / 1024  # MB of each; what it has not yet used is not resident
DATABASE_CONNECTIONS = 16

KEYS = {'AKFIRST': 'first-secret', 'AKSECOND': 'second-secret'}

faults = []
context = ssl.create_default_context(cafile=TLS + '.crt') if TLS else None
if TLS:
    context.check_hostname = False  # the certificate is localhost's


def fault(text):
    if len(faults) < 20:
        print('FAULT: %s' % text, flush=True)
    faults.append(text)


# --- the gateway -------------------------------------------------------------

class Gateway:
    def __init__(self):
        self.directory = os.environ['PGDATA'] + '.gateway'
        os.mkdir(self.directory)
        self.keys = self.directory + '/keys'
        self.log = self.directory + '/log'
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.write_keys('AKFIRST')
        environment = dict(os.environ, ASAN_OPTIONS='detect_leaks=1:malloc_context_size=20')
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(
                [GATEWAY, '--keys', self.keys, '--listen', '127.0.0.1:%d' % self.port,
                 '--timeout', str(TIMEOUT), '--connections', str(DATABASE_CONNECTIONS),
                 *(['--tls-cert', TLS + '.crt', '--tls-key', TLS + '.key'] if TLS else []), 'dbname=postgres'],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        wait_for(lambda: self.says('listening on'), 'the gateway does not listen')

    def write_keys(self, *names):
        with open(self.keys, 'w', opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            for name in names:
                file.write('%s %s reader\n' % (name, KEYS[name]))

    def says(self, text, times=1):
        with open(self.log) as file:
            return file.read().count(text) >= times

    def reload(self, times, *names):
        self.write_keys(*names)
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.says('was read again', times), 'the keys are not read again')

    def memory(self):
        """Resident megabytes."""
        with open('/proc/%d/status' % self.process.pid) as file:
            return [int(line.split()[1]) / 1024 for line in file if line.startswith('VmRSS:')][0]

    def descriptors(self):
        return len(os.listdir('/proc/%d/fd' % self.process.pid))


def wait_for(condition, complaint):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(complaint)
        time.sleep(0.1)


# --- requests ----------------------------------------------------------------

def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def request_text(port, operation, body, key):
    """A signed request."""
    now = datetime.datetime.utcnow().strftime('%Y%m%dT%H%M%SZ')
    scope = now[:8] + '/eu-west-1/dynamodb/aws4_request'
    target = 'DynamoDBStreams_20120810.' + operation
    host = '127.0.0.1:%d' % port
    names = 'host;x-amz-date;x-amz-target'
    canonical = 'POST\n/\n\nhost:%s\nx-amz-date:%s\nx-amz-target:%s\n\n%s\n%s' % (
        host, now, target, names, hashlib.sha256(body.encode()).hexdigest())
    text = 'AWS4-HMAC-SHA256\n%s\n%s\n%s' % (now, scope, hashlib.sha256(canonical.encode()).hexdigest())
    secret = ('AWS4' + KEYS[key]).encode()
    for part in scope.split('/'):
        secret = digest(secret, part)
    return ('POST / HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nX-Amz-Target: %s\r\n'
            'Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s\r\n'
            'Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s' % (
                host, now, target, key, scope, names, digest(secret, text).hex(), len(body), body)).encode()


async def read_answer(reader):
    """Status, and what JSON says."""
    head = (await reader.readuntil(b'\r\n\r\n')).decode()
    lines = head.split('\r\n')
    headers = dict(line.lower().split(': ', 1) for line in lines[1:] if line)
    body = await reader.readexactly(int(headers['content-length']))
    return int(lines[0].split()[1]), json.loads(body), headers.get('connection') == 'close'


class Poller:
    """A client that reads a shard, as clients of AWS do: an answer of 500 is asked for again."""
    answers = collections.Counter()
    reconnects = 0
    keys = ['AKFIRST']

    def __init__(self, port, arn, shard):
        self.port = port
        self.request = {'StreamArn': arn, 'ShardId': shard, 'ShardIteratorType': 'TRIM_HORIZON'}
        self.streams = None
        self.ids = []
        self.last = ''
        self.polls = 0

    async def exchange(self, operation, request):
        """An answer that is no error of the server, or of a key that has gone."""
        while True:
            key = random.choice(Poller.keys)
            try:
                if self.streams is None:
                    self.streams = await asyncio.open_connection('127.0.0.1', self.port, limit=1 << 24, ssl=context)
                self.streams[1].write(request_text(self.port, operation, json.dumps(request), key))
                status, answer, last = await read_answer(self.streams[0])
            except (OSError, asyncio.IncompleteReadError):
                Poller.reconnects += 1
                self.close()
                await asyncio.sleep(0.5)
                continue
            if last:
                self.close()
            name = answer.get('__type', 'ok').split('#')[-1]
            Poller.answers['%d %s' % (status, name)] += 1
            if status == 200:
                return answer
            gone = key not in Poller.keys and name == 'UnrecognizedClientException'
            if not gone and name != 'InternalServerError':
                fault('%s: %d %s' % (operation, status, answer))
            await asyncio.sleep(0.5)

    def close(self):
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None

    def look(self, records):
        for record in records:
            number = record['dynamodb']['SequenceNumber']
            if record['eventName'] != 'INSERT' or number <= self.last:
                fault('%s: %s after %s' % (self.request['ShardId'], record, self.last))
            self.last = number
            self.ids.append(int(record['dynamodb']['Keys']['id']['N']))

    async def run(self):
        iterator = (await self.exchange('GetShardIterator', self.request))['ShardIterator']
        while True:
            answer = await self.exchange('GetRecords', {'ShardIterator': iterator})
            self.look(answer['Records'])
            iterator = answer['NextShardIterator']
            self.polls += 1
            await asyncio.sleep(0.2)


# --- other connections ---------------------------------------------------------

class Crowd:
    """Connections that do little or nothing; those that the gateway closes are opened again."""
    opened = collections.Counter()
    present = 0

    def __init__(self, port, arn):
        self.port = port
        self.page = request_text(port, 'DescribeStream', json.dumps({'StreamArn': arn}), 'AKFIRST')
        self.tasks = [asyncio.ensure_future(self.keep(kind)) for kind, count in CONNECTIONS.items()
                      for _ in range(count)]

    async def keep(self, kind):
        while True:
            writer = None
            here = False
            try:
                reader, writer = await asyncio.open_connection(
                    '127.0.0.1', self.port, limit=1024, ssl=None if kind == 'no handshake' else context)
                Crowd.opened[kind] += 1
                Crowd.present += 1
                here = True
                await self.behave(kind, reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                Crowd.present -= here
                if writer is not None:
                    writer.close()
            await asyncio.sleep(random.random())

    async def behave(self, kind, reader, writer):
        """Until the gateway closes the connection"""
        if kind == 'idle':
            writer.write(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        elif kind == 'half a request':
            writer.write(b'POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Dyn')
        elif kind == 'answer not read':
            reader = None
            writer.write(self.page)
        elif kind == 'no handshake':
            writer.write(b'\x16\x03\x01')  # as a hello begins
        elif kind == 'slow headers':
            writer.write(b'POST / HTTP/1.1\r\nHost: localhost\r\n')
        else:
            writer.write(b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n')
        if kind.startswith('slow'):
            while not reader.at_eof():
                writer.write(b'X-A: b\r\n')
                await writer.drain()
                try:
                    await asyncio.wait_for(reader.read(1024), 3)
                except asyncio.TimeoutError:
                    pass
        elif reader is None:
            await asyncio.sleep(3 * TIMEOUT * random.random())
        else:
            while await reader.read(1024):
                pass

    async def go(self):
        """A task may overlook that it is cancelled, if what it waits for comes just then."""
        here = self.tasks
        while here:
            for task in here:
                task.cancel()
            _, here = await asyncio.wait(here, timeout=1)


# --- the database ------------------------------------------------------------

class Writer(threading.Thread):
    """Inserts rows.  One whose commit was not confirmed is inserted again if it is not there."""

    def __init__(self):
        super().__init__(daemon=True)
        self.rows = 0
        self.is_stopping = False

    def run(self):
        session = None
        while not self.is_stopping:
            try:
                if session is None:
                    session = psycopg2.connect('')
                    session.autocommit = True
                with session.cursor() as cursor:
                    cursor.execute("insert into items select i, repeat('x', 200) from generate_series(%s, %s) i "
                                   'on conflict do nothing', (self.rows + 1, self.rows + 10))
                self.rows += 10
                time.sleep(0.1)
            except psycopg2.Error:
                session = None
                time.sleep(0.5)


def run(query):
    session = psycopg2.connect('')
    session.autocommit = True
    with session.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall() if cursor.description else []
    session.close()
    return rows


def restart_server():
    subprocess.run(['pg_ctl', 'restart', '-w', '-t', str(PATIENCE), '-m', 'fast', '-D', os.environ['PGDATA'],
                    '-l', os.environ['LOG']], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


# --- the load ----------------------------------------------------------------

def in_thread(function, *arguments):
    return asyncio.get_event_loop().run_in_executor(None, function, *arguments)


async def until(condition, complaint):
    limit = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > limit:
            fault(complaint)
            return
        await asyncio.sleep(0.2)


def say_state(gateway, when):
    state = gateway.memory(), gateway.descriptors()
    print('%-40s %6.1f MB resident, %d descriptors' % (when, *state), flush=True)
    return state


def compare(now, connections, descriptors, what):
    if now[0] > MEMORY + connections * CONNECTION_MEMORY and not SANITIZE:
        fault('%s: %.1f MB for %d connections' % (what, now[0], connections))
    if now[1] > descriptors:
        fault('%s: %d descriptors instead of %d' % (what, now[1], descriptors))


def everybody_is_there():
    return Crowd.present > 0.95 * sum(CONNECTIONS.values())


async def watch(gateway):
    """Shows whether memory grows, or has come to its limit."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(max(SECONDS / 20, 5))
        say_state(gateway, '%4.0f s, %d connections' % (time.monotonic() - began, Crowd.present))


async def load(gateway, arn, shards):
    writer = Writer()
    writer.start()
    before = say_state(gateway, 'before')
    pollers = [Poller(gateway.port, arn, shard) for shard in shards]
    tasks = [asyncio.ensure_future(poller.run()) for poller in pollers]
    crowd = Crowd(gateway.port, arn)
    await until(lambda: all(p.polls > 3 for p in pollers) and everybody_is_there(), 'the load does not begin')
    # until each kind of connection has come to its end once
    await asyncio.sleep(min(3 * TIMEOUT, SECONDS / 4))
    await until(everybody_is_there, 'the connections do not come back')
    warm = say_state(gateway, 'after warm-up, %d connections' % Crowd.present)
    watcher = asyncio.ensure_future(watch(gateway))
    await asyncio.sleep(SECONDS / 4)
    await in_thread(gateway.reload, 1, 'AKFIRST', 'AKSECOND')
    Poller.keys = ['AKFIRST', 'AKSECOND']
    await asyncio.sleep(SECONDS / 4)
    await in_thread(restart_server)
    print('the server was restarted', flush=True)
    await asyncio.sleep(SECONDS / 4)
    Poller.keys = ['AKSECOND']
    await in_thread(gateway.reload, 2, 'AKSECOND')
    polls = [p.polls for p in pollers]
    await asyncio.sleep(SECONDS / 4)
    await until(lambda: all(p.polls > n for p, n in zip(pollers, polls)), 'a client gets no answers any more')
    await until(everybody_is_there, 'the connections do not come back')
    watcher.cancel()
    end = say_state(gateway, 'at the end, %d connections' % Crowd.present)
    # as many may come and go as are missing after warm-up
    compare(end, sum(CONNECTIONS.values()), warm[1] + sum(CONNECTIONS.values()) // 20 + DATABASE_CONNECTIONS,
            'at the end')

    writer.is_stopping = True
    await in_thread(writer.join)
    wanted = {row[0] for row in await in_thread(run, 'select id from items')}
    await until(lambda: sum(len(p.ids) for p in pollers) >= len(wanted), 'records are missing')
    await crowd.go()
    gone = None
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        gone = gateway.memory(), gateway.descriptors()
        if (SANITIZE or gone[0] <= MEMORY) and gone[1] <= before[1] + SHARDS + DATABASE_CONNECTIONS:
            break
        await asyncio.sleep(0.5)
    gone = say_state(gateway, 'when only the clients are left')
    compare(gone, 0, before[1] + SHARDS + DATABASE_CONNECTIONS, 'when only the clients are left')

    # under load
    gateway.process.terminate()
    status = await in_thread(gateway.process.wait)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if status != 0:
        fault('the gateway ended with status %d' % status)
    found = sorted(i for p in pollers for i in p.ids)
    if found != sorted(wanted):
        fault('%d records, %d of them different, for %d rows' % (len(found), len(set(found)), len(wanted)))
    print('%d rows, %d records' % (len(wanted), len(found)))
    for task in tasks:
        if not task.cancelled() and task.exception() is not None:
            fault('a client has failed: %r' % task.exception())


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    run("""create extension ddbstreams;
        create role reader login;
        create table items (id int primary key, note text);
        grant select on items to reader;
        select ddbstreams.enable_stream('items', shard_count => %d)""" % SHARDS)
    arn = run("select ddbstreams.latest_stream_arn('items')")[0][0]
    shards = [row[0] for row in run("select shard_id from ddbstreams.describe_stream('%s')" % arn)]
    gateway = Gateway()
    try:
        asyncio.get_event_loop().run_until_complete(load(gateway, arn, shards))
    finally:
        gateway.process.kill()
    print('answers: %s' % ', '.join('%d of %s' % (n, what) for what, n in sorted(Poller.answers.items())))
    print('connections opened: %s; again by the clients: %d' % (
        ', '.join('%d %s' % (n, kind) for kind, n in sorted(Crowd.opened.items())), Poller.reconnects))
    with open(gateway.log) as file:
        log = file.read()
    if 'ERROR: ' in log or 'runtime error' in log or faults:
        print(log[-20000:])
    if 'ERROR: ' in log or 'runtime error' in log:
        fault('a sanitizer has found something')
    print('%d faults' % len(faults))
    sys.exit(len(faults) > 0)


main()
