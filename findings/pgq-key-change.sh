#!/bin/bash
#
# PgQ's triggers forbid changes of the primary key, and record what is no change.
#
# One would guess that a trigger which queues changes leaves the application's
# statements alone: a new key would be queued as an update, or as a deletion and
# an insertion.
#
# logutriga and jsontriga raise an error, and the application's UPDATE fails. An
# update that changes nothing is queued like any other.
#
# DynamoDB has no change of a key. A change stream in its form must turn one
# into REMOVE and INSERT, and must never fail the writer for it.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
debian_packages postgresql-15-pgq3
start_debian
sql <<'END' >/dev/null 2>&1
create extension pgq;
select pgq.create_queue('q');
create table t (id int primary key, v int);
create trigger queue after insert or update or delete on t for each row execute function pgq.logutriga('q');
create table j (id int primary key, v int);
create trigger queue after insert or update or delete on j for each row execute function pgq.jsontriga('q');
insert into t values (1, 1);
insert into j values (1, 1);
END
for table in t j; do
	expect "change of the key of $table" "$(sql -c "update $table set id = 2" 2>&1 || true)" \
		'ERROR:  primary key update not allowed'
	expect "key of $table" "$(sql -c "select id from $table")" 1
done
sql -c 'update t set v = v'
expect 'queued' "$(sql -c "select string_agg(ev_type, ' ' order by ev_id) from pgq.event_template where ev_extra1 = 'public.t'")" \
	'I:id U:id'
finish
