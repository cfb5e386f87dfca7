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
END
publish
at_subscriber <<END
create table t (id int primary key);
create sequence calls;
create function call() returns trigger language plpgsql as
	\$\$ begin perform nextval('public.calls'); return null; end \$\$;
create trigger call after insert on t for each row execute function call();
alter table t enable always trigger call;
END
subscribe
expect 'default of streaming' "$(at_subscriber -c 'select substream from pg_subscription')" p

# The transaction ends when the trigger was seen to run, or after half a minute.
mkfifo "$scratch/statements"
sql <"$scratch/statements" &
exec 3>"$scratch/statements"
echo 'begin; insert into t select generate_series(1, 5000);' >&3
await_at_subscriber "(select is_called from calls)"
expect 'the trigger ran before the end of the transaction' "$(at_subscriber -c 'select is_called from calls')" t
echo 'rollback; insert into t values (0);' >&3
exec 3>&-
wait $!
await_at_subscriber "exists (select from t)"
expect 'rows in the end' "$(at_subscriber -c 'select count(*) from t')" 1
expect 'calls of the trigger for it exceed the rows by far' "$(at_subscriber -c 'select last_value > 1000 from calls')" t
unsubscribe
finish
