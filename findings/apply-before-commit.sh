#!/bin/bash
#
# On PostgreSQL 18, a subscriber's triggers run for transactions that the
# publisher rolls back.
#
# One would guess that a transaction is applied once it has committed on the
# publisher: this is what replication of commits means, and what a subscription
# made with the defaults did before.
#
# The default of CREATE SUBSCRIPTION's streaming is parallel since 18. A large
# transaction, beyond logical_decoding_work_mem, is then applied while it is
# still open, by a worker of another type, and rolled back there if it is rolled
# back here. Its rows are never seen, but triggers that are enabled always have
# run, and what they did outside of the transaction stays: numbers from
# sequences, messages, calls to other servers.
#
# A change stream on a subscriber must keep all that it does for a row inside of
# the transaction, and give its numbers at commit. A trigger that hands changes
# to anything outside announces what never happened.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
settings=(logical_decoding_work_mem=64kB)
start_postgresql
sql <<'END'
create table t (id int primary key);
create publication p for table t;
create database subscriber;
select from pg_create_logical_replication_slot('s', 'pgoutput');
END
sql -d subscriber <<END
create table t (id int primary key);
create sequence calls;
create function call() returns trigger language plpgsql as
	\$\$ begin perform nextval('public.calls'); return null; end \$\$;
create trigger call after insert on t for each row execute function call();
alter table t enable always trigger call;
create subscription s connection 'dbname=postgres host=127.0.0.1 port=$PGPORT user=postgres'
	publication p with (create_slot = false, slot_name = s, copy_data = false);
END
expect 'default of streaming' "$(sql -d subscriber -c 'select substream from pg_subscription')" p

# The transaction ends when the trigger was seen to run, or after half a minute.
mkfifo "$scratch/statements"
sql <"$scratch/statements" &
exec 3>"$scratch/statements"
echo 'begin; insert into t select generate_series(1, 5000);' >&3
for _ in $(seq 300); do
	[ "$(sql -d subscriber -c 'select is_called from calls')" != t ] || break
	sleep 0.1
done
expect 'the trigger ran before the end of the transaction' "$(sql -d subscriber -c 'select is_called from calls')" t
echo 'rollback; insert into t values (0);' >&3
exec 3>&-
wait $!
for _ in $(seq 300); do
	[ "$(sql -d subscriber -c 'select count(*) from t')" = 0 ] || break
	sleep 0.1
done
expect 'rows in the end' "$(sql -d subscriber -c 'select count(*) from t')" 1
expect 'calls of the trigger for it exceed the rows by far' "$(sql -d subscriber -c 'select last_value > 1000 from calls')" t
sql -d subscriber -c 'drop subscription s' >/dev/null 2>&1
finish
