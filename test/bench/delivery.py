"""What test/bench/delivery measures; see there.

Latency: one row is written and committed on an idle server; the effect is
committed by whoever follows, with a notification.  From the return of the
commit to the notification's arrival, so that it includes the wake-up of this
program.  Beside it, in turn, the commit of one row to a table without a stream,
and how many times as long the mapping takes.

Throughput: records that have been written before a mapping is enabled, until
their delivery is committed.
"""

import os
import random
import select
import statistics
import sys
import threading
import time

import psycopg2

SAMPLES = int(os.environ['SAMPLES'])
RECORDS = int(os.environ['RECORDS'])


def connect(dbname):
    session = psycopg2.connect(dbname=dbname)
    session.autocommit = True
    return session


def run(session, query, *parameters):
    with session.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def latencies(dbname, count, commits=None):
    """Commits one row after another; milliseconds until 'done' is notified.

    Where commits is a list, those of a single-row commit are appended to it.
    """
    writer, listener = connect(dbname), connect(dbname)
    run(listener, 'listen done')
    found = []
    for i in range(count):
        if commits is not None:
            time.sleep(random.uniform(0.005, 0.03))
            begun = time.perf_counter()
            run(writer, 'insert into plain (v) values (%s)', i)
            commits.append((time.perf_counter() - begun) * 1000)
        time.sleep(random.uniform(0.005, 0.03))
        run(writer, 'insert into hot (v) values (%s)', i)
        begun = time.perf_counter()
        while not listener.notifies:
            if not select.select([listener], [], [], 30)[0]:
                raise SystemExit('%s: no answer' % dbname)
            listener.poll()
        found.append((time.perf_counter() - begun) * 1000)
        listener.notifies.clear()
    return found


def say_latency(name, found):
    found.sort()
    print('%-44s median %8.2f ms   p99 %8.2f ms   max %8.2f ms   (%d)' %
          (name, statistics.median(found), found[int(len(found) * 0.99) - 1],
           found[-1], len(found)), flush=True)


def mapping_latency():
    session = connect('mapping')
    run(session, '''
        create extension ddbstreams;
        create table hot (id bigserial primary key, v int);
        create table plain (id bigserial primary key, v int);
        create table effects (id bigint, v int);
        create function note(event jsonb) returns void language plpgsql as $$
        begin
            insert into effects select (r->'dynamodb'->'Keys'->'id'->>'N')::bigint,
                (r->'dynamodb'->'NewImage'->'v'->>'N')::int from jsonb_array_elements(event->'Records') r;
            notify done;
        end $$;
        select ddbstreams.enable_stream('hot');
        select ddbstreams.create_event_source_mapping('note', ddbstreams.latest_stream_arn('hot'), 'TRIM_HORIZON')''')
    latencies('mapping', 20)
    commits = []
    found = latencies('mapping', SAMPLES, commits)
    say_latency('single-row commit', commits)
    say_latency('event source mapping', found)
    median = statistics.median(commits)
    print('%-44s median %8.2f      p99 %8.2f' % (
        '... times the median single-row commit', statistics.median(found) / median,
        found[int(len(found) * 0.99) - 1] / median), flush=True)


def polling_latency(pause):
    """A loop over get_records, in its own transaction with the effect."""
    session, other = connect('polling'), connect('polling')
    run(session, '''
        create extension if not exists ddbstreams;
        drop table if exists hot, effects;
        create table hot (id bigserial primary key, v int);
        create table effects (id bigint);
        select ddbstreams.enable_stream('hot', shard_count => 1)''')
    stop = threading.Event()

    def loop():
        iterator = run(other, """select ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')
            from ddbstreams.latest_stream_arn('hot') arn, ddbstreams.describe_stream(arn)""")[0][0]
        while not stop.is_set():
            found = run(other, """with r as (select * from ddbstreams.get_records(%s)),
                e as (insert into effects select (keys->'id'->>'N')::bigint from r)
                select next_shard_iterator, pg_notify('done', '') from r""", iterator)
            if found:
                iterator = found[-1][0]
            else:
                time.sleep(pause)

    thread = threading.Thread(target=loop)
    thread.start()
    say_latency('loop over get_records, every %d ms' % (pause * 1000),
                latencies('polling', max(SAMPLES // 5, 20)))
    stop.set()
    thread.join()


def pgq_latency():
    """PgQ with its ticker, once per second, and a consumer that asks every 50 ms."""
    session, ticker, other = connect('pgq'), connect('pgq'), connect('pgq')
    try:
        run(session, 'create extension pgq')
    except psycopg2.Error:
        print('PgQ is not installed', flush=True)
        return
    run(session, '''
        create table hot (id bigserial primary key, v int);
        create table effects (id bigint);
        select pgq.create_queue('q');
        select pgq.register_consumer('q', 'c');
        create trigger t after insert on hot for each row execute function pgq.jsontriga('q')''')
    stop = threading.Event()

    def tick():
        while not stop.is_set():
            run(ticker, 'select pgq.ticker()')
            time.sleep(1)

    def consume():
        while not stop.is_set():
            batch = run(other, "select pgq.next_batch('q', 'c')")[0][0]
            if batch is None:
                time.sleep(0.05)
                continue
            run(other, "begin")
            run(other, 'insert into effects select ev_id from pgq.get_batch_events(%s)', batch)
            if run(other, 'select count(*) from pgq.get_batch_events(%s)', batch)[0][0] > 0:
                run(other, 'notify done')
            run(other, 'select pgq.finish_batch(%s)', batch)
            run(other, "commit")

    threads = [threading.Thread(target=tick), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    say_latency('PgQ, ticker once per second', latencies('pgq', max(SAMPLES // 50, 10)))
    stop.set()
    for thread in threads:
        thread.join()


HANDLERS = {
    'nothing (SQL)': "language sql as 'select null::jsonb'",
    'counts (PL/pgSQL)': '''language plpgsql as $$
        begin
            update total set n = n + jsonb_array_length(event->'Records');
            return null;
        end $$''',
    'sums a column (PL/pgSQL)': '''language plpgsql as $$
        begin
            update total set n = n + (select sum((r->'dynamodb'->'NewImage'->'v'->>'N')::bigint)
                from jsonb_array_elements(event->'Records') r);
            return null;
        end $$'''}


def throughput(shards):
    session = connect('throughput')
    run(session, '''
        create extension if not exists ddbstreams;
        create or replace function own_sql(statement text) returns void
            language c strict as 'ddbstreams', 'ddbstreams_run_own_sql';
        drop table if exists hot, total;
        create table hot (id bigserial primary key, v int, name text, at timestamptz default now());
        create unlogged table total (n bigint)''')
    run(session, "select ddbstreams.enable_stream('hot', shard_count => %s)", shards)
    run(session, "insert into hot (v, name) select i, 'name ' || i from generate_series(1, %s) i", RECORDS)
    for name, body in HANDLERS.items():
        run(session, 'drop function if exists handle; truncate total; insert into total values (0); checkpoint')
        run(session, 'create function handle(event jsonb) returns jsonb ' + body)
        begun = time.perf_counter()
        run(session, "select ddbstreams.create_event_source_mapping('handle', "
            "ddbstreams.latest_stream_arn('hot'), 'TRIM_HORIZON', batch_size => 1000)")
        while run(session, 'select coalesce(sum(records_delivered), 0) from '
                  'ddbstreams_shards.mapping_shard')[0][0] < RECORDS:
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        run(session, 'select ddbstreams.delete_event_source_mapping(uuid) from ddbstreams.list_event_source_mappings()')
        time.sleep(0.2)
        run(session, "select own_sql('delete from ddbstreams_shards.mapping_shard')")
        print('%-32s %2d shard%s  %9d records/s' %
              (name, shards, 's' if shards > 1 else ' ', RECORDS / seconds), flush=True)


def main():
    print('Latency, from the commit of one row to the notification of its effect, idle server:')
    mapping_latency()
    for pause in 0.1, 0.01:
        polling_latency(pause)
    pgq_latency()
    print('Throughput of a mapping with batches of 1,000:')
    for shards in 1, 2:
        throughput(shards)


main()
