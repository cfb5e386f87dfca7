#!/usr/bin/python3
"""Exactly once: event source mappings under kill -9.

16 writers change the counters of oracle.py; shards split and roll over.  Several
mappings follow, each with other parameters, and each with a handler that keeps a
copy of the counters in the database: a record must be the one that comes next
for its key.  One call in ten fails, after it has done something.  Meanwhile
handler workers are terminated or killed with -9, and so is the whole server,
again and again for STRESS_SECONDS.

At the end each copy must equal the table, no record may have come out of turn
(table faults), and no batch may have been given up.

To see it fail: test/mutations/run delivery-children-first
lanes-divided-at-once position-saved-apart.
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

MOST_OPEN = 8
DEADLINE = 120

MAPPINGS = {
    'plain': 'batch_size => 100',
    'lanes': 'batch_size => 50, parallelization_factor => 4',
    'halves': "batch_size => 10, bisect_batch_on_function_error => true, "
              "maximum_batching_window => '1 s'",
    'reports': "batch_size => 30, function_response_types => '{ReportBatchItemFailures}'",
    'windows': "batch_size => 200, tumbling_window => '1 s'"}

HANDLER = '''
create function {name}_handler(event jsonb) returns jsonb language plpgsql as $$
declare
    r jsonb; k_ int; n_ bigint; old_ bigint; now_ record; failed text;
    done int := 0; luck float8 := random() * 10;
begin
    for r in select * from jsonb_array_elements(event->'Records') loop
        if {reports} and luck < 1 and done > 0 and random() < 0.3 then
            failed := r->'dynamodb'->>'SequenceNumber';
            exit;
        end if;
        k_ := r->'dynamodb'->'Keys'->'k'->>'N';
        n_ := r->'dynamodb'->'NewImage'->'n'->>'N';
        old_ := r->'dynamodb'->'OldImage'->'n'->>'N';
        select n, there into now_ from {name} where k = k_;
        if r->>'eventName' = 'REMOVE' then
            if not now_.there or now_.n <> old_ then
                insert into faults values ('{name}', r, now_.n);
            end if;
            update {name} set there = false where k = k_;
        else
            if coalesce(now_.n, 0) + 1 <> n_ or coalesce(now_.there, false) <> (r->>'eventName' = 'MODIFY') then
                insert into faults values ('{name}', r, now_.n);
            end if;
            insert into {name} values (k_, n_, true)
            on conflict (k) do update set n = excluded.n, there = true;
        end if;
        done := done + 1;
        if not {reports} and luck < 1 and random() < 0.3 then
            raise 'unlucky';
        end if;
    end loop;
    if not {reports} and luck < 1 then
        raise 'unlucky in the end';
    end if;
    if (event->>'isFinalInvokeForWindow')::bool then
        update windows_sum set records = records + (event->'state'->>'records')::bigint;
    end if;
    return jsonb_build_object(
        'batchItemFailures', case when failed is not null then
            jsonb_build_array(jsonb_build_object('itemIdentifier', failed)) else '[]' end,
        'state', jsonb_build_object('records', coalesce((event->'state'->>'records')::bigint, 0) + done));
end $$'''


class DeliveryRun(oracle.Run):
    def make_mappings(self, role):
        with oracle.contextlib.closing(oracle.connect()) as session:
            oracle.rows(session, 'select ddbstreams.delete_event_source_mapping(uuid) '
                        'from ddbstreams.list_event_source_mappings()')
            oracle.rows(session, 'drop table if exists faults, windows_sum')
            oracle.rows(session, 'create table faults (mapping text, record jsonb, n bigint)')
            oracle.rows(session, 'create table windows_sum (records bigint)')
            oracle.rows(session, 'insert into windows_sum values (0)')
            for name, parameters in MAPPINGS.items():
                oracle.rows(session, 'drop function if exists %s_handler' % name)
                oracle.rows(session, 'drop table if exists %s' % name)
                oracle.rows(session, 'create table %s (k int primary key, n bigint, there bool)' % name)
                oracle.rows(session, HANDLER.format(
                    name=name, reports='true' if name == 'reports' else 'false'))
            oracle.rows(session, 'grant all on all tables in schema public to ' + role)
            oracle.rows(session, 'set role ' + role)
            for name, parameters in MAPPINGS.items():
                oracle.value(session, "select ddbstreams.create_event_source_mapping("
                             "'%s_handler', %%s, 'TRIM_HORIZON', %s)" % (name, parameters), self.arn)

    def now_and_then(self, seconds, work):
        """Does something again and again, while the server may be down."""
        session = None
        while not self.stop.wait(seconds * random.uniform(0.5, 1.5)):
            try:
                session = session or oracle.connect_patiently(self.stop)
                if session is not None:
                    work(session)
            except psycopg2.Error as error:
                if not oracle.is_gone(session, error):
                    raise
                session = None

    def shape(self, session):
        shaping.reshape(session, self.arn, MOST_OPEN)

    def change(self, session):
        """Another number of lanes; off and on again."""
        oracle.rows(session, "select ddbstreams.update_event_source_mapping(uuid, parallelization_factor => %s) "
                    "from ddbstreams.list_event_source_mappings(function_name => 'lanes_handler')",
                    random.randint(1, 6))
        self.switch(session, False)
        self.switch(session, True)

    def switch(self, session, enabled):
        oracle.rows(session, "select ddbstreams.update_event_source_mapping(uuid, enabled => %s) "
                    "from ddbstreams.list_event_source_mappings(function_name => 'plain_handler')", enabled)

    def terminate(self, session):
        oracle.rows(session, "select pg_terminate_backend(pid) from ddbstreams.workers "
                    "where worker_type in ('handler', 'dispatcher') order by random() limit 1")

    def kill(self):
        """-9 for a handler worker, which restarts the server, or for all of it."""
        if random.random() < 0.5:
            oracle.kill_server()
            oracle.start_server()
            return
        session = oracle.connect_patiently(self.stop)
        try:
            for (pid,) in oracle.rows(session, "select pid from ddbstreams.workers where worker_type = 'handler' "
                                      "and pid is not null order by random() limit 1"):
                os.kill(pid, signal.SIGKILL)
        except (psycopg2.Error, ProcessLookupError):
            pass

    def wait_for_delivery(self, session):
        begun = time.monotonic()
        # the last kill may have come between off and on
        self.switch(session, True)
        while time.monotonic() < begun + DEADLINE:
            left = oracle.value(session, "select count(*) from ddbstreams.mapping_stats "
                                "where state not in ('ready', 'finished') or lag_records > 0")
            open_windows = oracle.value(session, 'select count(*) from ddbstreams_shards.mapping_shard '
                                        'where window_end is not null')
            if left + open_windows == 0:
                return time.monotonic() - begun
            time.sleep(0.1)
        for row in oracle.rows(session, "select function_name, shard_id, lane, state, lag_records, attempts, last_error "
                               "from ddbstreams.mapping_stats where state not in ('ready', 'finished') or lag_records > 0"):
            self.fault('delivery', 'does not end: %s' % (row,))

    def compare(self, session):
        counters = dict(oracle.rows(session, 'select k, n from counters'))
        gone = dict(oracle.rows(session, 'select k, n from gone'))
        for name in MAPPINGS:
            copy = {k: (n, there) for k, n, there in oracle.rows(session, 'select k, n, there from %s' % name)}
            for k in range(1, oracle.KEYS + 1):
                truth = (counters[k], True) if k in counters else (gone[k], False) if k in gone else None
                if copy.get(k) != truth:
                    self.fault(name, 'key %d is %s, in the table %s' % (k, copy.get(k), truth))
        for fault in oracle.rows(session, 'select * from faults limit 10'):
            self.fault('order', '%s: %s %s %s after %s' % (
                fault[0], fault[1]['eventName'], fault[1]['dynamodb']['SequenceNumber'],
                oracle.brief(fault[1]['dynamodb'].get('NewImage')), fault[2]))
        for batch in oracle.rows(session, 'select failure, jsonb_array_length(records) from ddbstreams.failed_batches'):
            self.fault('failed_batches', oracle.brief(batch[0]['requestContext']))
        records = oracle.value(session, 'select records from windows_sum')
        truth = oracle.value(session, "select sum(records_delivered) from ddbstreams.mapping_stats "
                             "where function_name = 'public.plain_handler'")
        if records != truth:
            self.fault('windows', '%s records were counted in windows, not %s' % (records, truth))
        return truth

    def finish_delivery(self):
        self.ended = set()
        self.stop.set()
        self.collect(self.writers, 60)
        self.settled.set()
        self.collect(self.helpers, 60)
        try:
            with oracle.contextlib.closing(oracle.connect()) as session:
                waited = self.wait_for_delivery(session)
        except psycopg2.OperationalError:
            # the postmaster has noticed the last killed worker only now
            nobody = oracle.processes.Event()
            with oracle.contextlib.closing(oracle.connect_patiently(nobody)) as session:
                waited = self.wait_for_delivery(session)
        with oracle.contextlib.closing(oracle.connect()) as session:
            records = self.compare(session)
            calls = oracle.value(session, 'select sum(call_no) from ddbstreams_shards.mapping_shard')
            shards = oracle.value(session, 'select count(*) from ddbstreams.describe_stream(%s)', self.arn)
        print('%s: %d transactions, %s records to each of %d mappings in %s calls, %d shards; '
              '%d kills; %.0f s, %.1f s of them after the last write; %d faults' %
              (self.name, self.transactions.value, records, len(MAPPINGS), calls, shards,
               self.kills, time.monotonic() - self.started, waited or 0, self.faults), flush=True)
        return self.faults


def deliver(name, sync, role):
    run = DeliveryRun(name, 2, sync=sync)
    run.kills = 0
    run.make_tables()
    run.make_mappings(role)
    run.start_writers()
    run.spawn(run.helpers, 'shaper', lambda fault: run.now_and_then(2, run.shape))
    run.spawn(run.helpers, 'changer', lambda fault: run.now_and_then(1.5, run.change))
    run.spawn(run.helpers, 'terminator', lambda fault: run.now_and_then(1, run.terminate))
    until = time.monotonic() + oracle.SECONDS * 2
    while time.monotonic() < until:
        time.sleep(random.uniform(1, 4))
        run.kill()
        run.kills += 1
    return run.finish_delivery()


def main():
    with oracle.contextlib.closing(oracle.connect()) as session:
        for setting in ("max_worker_processes = 20", "ddbstreams.max_workers = 5",
                        "deadlock_timeout = '100ms'"):
            oracle.rows(session, 'alter system set ' + setting)
        oracle.rows(session, 'create role handler login in role pg_read_all_data')
        oracle.rows(session, 'create role careless login in role pg_read_all_data')
        oracle.rows(session, 'alter role careless set synchronous_commit = off')
    oracle.server('restart')
    faults = deliver('synchronous', lambda number: 'on', 'handler')
    faults += deliver('asynchronous', lambda number: 'off', 'careless')
    oracle.exit_with(faults)


main()
