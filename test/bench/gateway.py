"""What test/bench/gateway measures; see there."""

import atexit
import os
import socket
import statistics
import subprocess
import time

import psycopg2

ROUNDS = int(os.environ['ROUNDS'])
RECORDS = int(os.environ['RECORDS'])
LATENCIES = int(os.environ['LATENCIES'])
REQUESTS = int(os.environ['REQUESTS'])
GATEWAY = os.environ['GATEWAY']
CLIENT = os.environ['CLIENT']

SHARDS = 8


# --- processes ---------------------------------------------------------------

def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def start(port, *command):
    """Starts a program, and waits until it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(process.kill)
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return process
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit('%s does not run' % command[0])
            time.sleep(0.1)


def start_gateway(*options):
    port = free_port()
    return start(port, GATEWAY, '--listen', '127.0.0.1:%d' % port, *options), port


def client(*arguments, only_cpu=None):
    """Runs gateway_client; the numbers that it prints."""
    pin = (lambda: os.sched_setaffinity(0, only_cpu)) if only_cpu else None
    shown = subprocess.run([CLIENT, *map(str, arguments)], stdout=subprocess.PIPE, check=True,
                           preexec_fn=pin)
    return [float(n) for n in shown.stdout.split()]


def backends():
    """The children of the server."""
    with open(os.environ['PGDATA'] + '/postmaster.pid') as file:
        postmaster = int(file.readline())
    with open('/proc/%d/task/%d/children' % (postmaster, postmaster)) as file:
        return [int(pid) for pid in file.read().split()]


def processor_time(pid):
    """Seconds of processor time of a process, with all of its threads; 0 if it has ended."""
    total = 0
    try:
        for thread in os.listdir('/proc/%d/task' % pid):
            with open('/proc/%d/task/%s/schedstat' % (pid, thread)) as file:
                total += int(file.read().split()[0])
    except OSError:
        return 0
    return total / 1e9


def processor_times(gateway):
    """Of the gateway, and of each child of the server."""
    return processor_time(gateway.pid), {pid: processor_time(pid) for pid in backends()}


def spent(gateway, before):
    """What gateway and server have used since processor_times said this."""
    own, others = processor_times(gateway)
    return own - before[0], sum(max(0, others[pid] - before[1].get(pid, 0)) for pid in others)


def pin(pids, cpus):
    for pid in pids:
        try:
            for thread in os.listdir('/proc/%d/task' % pid):
                os.sched_setaffinity(int(thread), cpus)
        except OSError:
            pass  # it has ended


def state(process):
    """Resident megabytes and open descriptors."""
    with open('/proc/%d/status' % process.pid) as file:
        resident = [line.split()[1] for line in file if line.startswith('VmRSS:')]
    return int(resident[0]) / 1024, len(os.listdir('/proc/%d/fd' % process.pid))


# --- streams -----------------------------------------------------------------

def run(session, query, *parameters):
    with session.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def iterators(session, table, kind):
    return [row[0] for row in run(session, """
        select ddbstreams.get_shard_iterator(arn, shard_id, %s)
        from ddbstreams.latest_stream_arn(%s) arn, ddbstreams.describe_stream(arn)""", kind, table)]


def make_streams(session):
    run(session, 'create extension ddbstreams')
    run(session, "select ddbstreams.enable_stream('items', shard_count => 1)")
    run(session, 'insert into items select * from source')
    run(session, 'create table quiet (id int primary key)')
    run(session, "select ddbstreams.enable_stream('quiet', shard_count => %s)", SHARDS)


# --- measures ----------------------------------------------------------------

def say(what, *values):
    print('%-58s' % what, *values, flush=True)


def read_once(way, port, gateway, first):
    """Reads all records; seconds: wall, client, gateway, backend."""
    before = processor_times(gateway) if gateway else None
    wall, own, backend, requests, size = client('read', way, port, RECORDS, first)
    its_own = 0
    if gateway:
        its_own, backend = spent(gateway, before)
    return {'wall': wall, 'client': own, 'gateway': its_own, 'backend': backend,
            'requests': requests, 'size': size}


def measure_reading(session, ports, gateways):
    """All ways in each round, in an order that changes; medians of the rounds' ratios."""
    first = iterators(session, 'items', 'TRIM_HORIZON')[0]
    ways = ['libpq', 'http', 'signed']
    found = {way: [] for way in ways}
    for way in ways:
        read_once(way, ports.get(way, 0), gateways.get(way), first)
    for i in range(ROUNDS):
        for way in ways[i % 3:] + ways[:i % 3]:
            found[way].append(read_once(way, ports.get(way, 0), gateways.get(way), first))
    base = found['libpq']
    pages, size = base[0]['requests'], base[0]['size']
    print('\nGetRecords, %d records in %d pages of %.0f kB, %d rounds:' %
          (RECORDS, pages, size / pages / 1000, ROUNDS))
    say('', '  records/s  ratio (least-most)       ms a page: wall  client  gateway  backend')
    for way in ways:
        ratios = [b['wall'] / r['wall'] for b, r in zip(base, found[way])]
        ms = ['%7.3f' % (statistics.median(r[part] for r in found[way]) / pages * 1000)
              for part in ('wall', 'client', 'gateway', 'backend')]
        say({'libpq': 'libpq', 'http': 'gateway, --no-auth', 'signed': 'gateway, signed requests'}[way],
            '%10d  %.2f (%.2f-%.2f)    ' % (RECORDS / statistics.median(r['wall'] for r in found[way]),
                                            statistics.median(ratios), min(ratios), max(ratios)), *ms)


def measure_empty(session, port):
    quiet = iterators(session, 'quiet', 'LATEST')[0]
    libpq_median, libpq_p99, median, p99 = client('empty', port, LATENCIES, quiet)
    print('\nEmpty GetRecords, %d of each in turns:' % LATENCIES)
    say('libpq', 'median %.3f ms   p99 %.3f ms' % (libpq_median, libpq_p99))
    say('gateway', 'median %.3f ms   p99 %.3f ms' % (median, p99))
    say('difference of the medians', '%.3f ms' % (median - libpq_median))


def measure_load(session, port, gateway, connections, count, one_cpu=False):
    quiet = iterators(session, 'quiet', 'LATEST')[:connections]
    # a few, so that the gateway has its connections
    client('load', port, 100 * connections, *quiet)
    cpus = os.sched_getaffinity(0)
    only = {min(cpus)} if one_cpu else cpus
    servers = backends()
    pin([gateway.pid] + servers, only)
    before = processor_times(gateway)
    seconds = client('load', port, count, *quiet, only_cpu=only)[0]
    own, others = spent(gateway, before)
    pin([gateway.pid] + servers, cpus)
    say('%d connection%s%s' % (connections, 's' if connections > 1 else '',
                               ', all of the programs on one core' if one_cpu else ''),
        '%7d requests/s   processor time of a request: gateway %.3f ms, backend %.3f ms' %
        (count / seconds, own / count * 1000, others / count * 1000))


def measure_memory(session, port, gateway):
    first = iterators(session, 'items', 'TRIM_HORIZON')[0]
    before = state(gateway)
    measure_load(session, port, gateway, SHARDS, REQUESTS)
    client('read', 'http', port, RECORDS, first)
    after = state(gateway)
    say('before: resident, descriptors', '%.1f MB  %d' % before)
    say('after %d requests and all of the pages' % REQUESTS, '%.1f MB  %d' % after)


def main():
    session = psycopg2.connect('')
    session.autocommit = True
    make_streams(session)
    keys = os.environ['PGDATA'] + '.keys'
    with open(keys, 'w', opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write('AKBENCH secret-of-the-benchmark postgres\n')
    ports, gateways = {}, {}
    gateways['http'], ports['http'] = start_gateway('--no-auth')
    gateways['signed'], ports['signed'] = start_gateway('--keys', keys)

    measure_reading(session, ports, gateways)
    measure_empty(session, ports['http'])
    print('\nEmpty GetRecords, as fast as they go:')
    measure_load(session, ports['http'], gateways['http'], 1, REQUESTS // 10)
    measure_load(session, ports['http'], gateways['http'], SHARDS, REQUESTS // 5)
    measure_load(session, ports['http'], gateways['http'], SHARDS, REQUESTS // 10, one_cpu=True)
    print("\nThe gateway's memory:")
    measure_memory(session, ports['http'], gateways['http'])


main()
