#!/bin/bash
#
# A login trigger runs for a subscription's connection to the publisher, and not
# for the worker that applies changes.
#
# One would guess that it runs for whatever works in the database on behalf of a
# role, and that replication, whose connections are of their own kind, is left
# alone.
#
# A walsender of a database fires it as a client does, one of physical
# replication does not. If the trigger refuses the role, or fails, the
# subscription stays behind, and its worker tries again for ever. Background
# workers do not fire it: the changes of a subscriber are made in sessions that
# no login trigger has prepared.
#
# A login trigger that tells a change stream who the user is, or sets what rules
# look at, does so for clients and gateways. What background workers change or
# handle is without it, unless the settings come from ALTER ROLE. One that writes
# into a table lets readers of slots write it, too.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
login_trigger()
{
	sql -d "$1" <<'END'
create table logins (what text);
create function note_login() returns event_trigger security definer language plpgsql as $$
begin
	if session_user = 'refused' then
		raise exception 'not you';
	end if;
	insert into logins select backend_type from pg_stat_activity where pid = pg_backend_pid();
end $$;
create event trigger l on login execute function note_login();
END
}
logins()
{
	sql -d "$1" -c "select count(*) > 0 from logins where what = '$2'"
}
sql -c 'create table t (id int primary key)' -c 'create role refused login replication'
publish >/dev/null
at_subscriber <<'END'
create table t (id int primary key);
create table workers (what text);
create function note_worker() returns trigger language plpgsql as $$
begin
	insert into public.workers select backend_type from pg_stat_activity where pid = pg_backend_pid();
	return null;
end $$;
create trigger w after insert on t for each row execute function note_worker();
alter table t enable always trigger w;
END
login_trigger postgres
login_trigger subscriber
psql -X -q "dbname=postgres replication=true" -c 'IDENTIFY_SYSTEM' >/dev/null
expect 'physical replication fires it' "$(logins postgres walsender)" f
subscribe >/dev/null 2>&1
sql -c 'insert into t values (1)'
await_at_subscriber 'exists (select from t)'
expect 'a client fires it' "$(logins postgres 'client backend')" t
expect 'a subscription fires it at the publisher' "$(logins postgres walsender)" t
expect 'who applied' "$(at_subscriber -c 'select what from workers')" 'logical replication apply worker'
expect 'it fires it at the subscriber' "$(logins subscriber 'logical replication apply worker')" f
expect 'a walsender that is refused' \
	"$(psql -X -q "dbname=postgres replication=database user=refused" -c 'IDENTIFY_SYSTEM' 2>&1 | grep -o 'not you' || true)" 'not you'
unsubscribe
finish
