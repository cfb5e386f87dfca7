#!/bin/bash
#
# A replicated transaction's commit timestamp is that of the publisher.
#
# One would guess that pg_xact_commit_timestamp() tells when a transaction
# committed on this server, so that times rise as rows become visible.
#
# The apply worker gives the transaction the time at which it committed at its
# origin. If the subscription was disabled for a while, rows appear now with
# commit times of then, below those of transactions that committed here long
# before.
#
# A reader that asks for "everything committed since the last time that I
# looked" by commit timestamp misses such rows for good. A change stream needs
# numbers of its own, given at this server's commit.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
settings=(track_commit_timestamp=on)
start_postgresql
sql <<'END'
create table t (id int primary key);
END
publish
at_subscriber <<END
create table t (id int primary key);
END
subscribe ', enabled = false'
sql -c 'insert into t values (1)'
sleep 3
at_subscriber -c 'insert into t values (2)'
looked=$(at_subscriber -c 'select clock_timestamp()')
at_subscriber -c 'alter subscription s enable'
await_at_subscriber "count(*) = 2 from t"
expect 'rows' "$(at_subscriber -c "select string_agg(id::text, ' ' order by id) from t")" '1 2'
expect 'rows by commit time' "$(at_subscriber -c "
	select string_agg(id::text, ' ' order by pg_xact_commit_timestamp(xmin)) from t")" '1 2'
expect 'rows that were committed since the reader looked' "$(at_subscriber -c "
	select count(*) from t where pg_xact_commit_timestamp(xmin) > '$looked'")" 0
expect 'row 1 became visible after row 2, and its commit time is more than 2 s before' "$(at_subscriber -c "
	select max(pg_xact_commit_timestamp(xmin)) - min(pg_xact_commit_timestamp(xmin)) > '2 s' from t")" t
unsubscribe
finish
