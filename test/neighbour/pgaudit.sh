# shellcheck shell=bash
#
# pgaudit logs statements; it takes the same hooks as ddbstreams.
#
# Package: postgresql-VERSION-pgaudit
# Elsewhere: trixie
# Preload: pgaudit
# Setting: pgaudit.log = 'all'
# Setting: pgaudit.log_relation = on
# Setting: pgaudit.log_catalog = on

new_database audited
sql -c 'create extension pgaudit'
say "version $(sql -c "select extversion from pg_extension where extname = 'pgaudit'")"
sql -c 'create role auditor' -c "alter system set pgaudit.role = 'auditor'" -c 'select pg_reload_conf()' >/dev/null
sql -c "create table t (id int primary key, v int);
	create table seen (n bigserial, event jsonb);
	grant select, insert, update, delete on t to auditor;
	create function handler(event jsonb) returns void language sql as 'insert into seen (event) values (event)';
	select ddbstreams.enable_stream('t', shard_count => 2);
	select ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('t'), 'TRIM_HORIZON');
	select ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'))" >/dev/null
start_writer
stop_writer
agrees 'nothing was lost or doubled' t
works 'a stream is followed by a consumer' sql -c "begin; select ddbstreams.poll('c', 'w', 10); commit"
works 'aws() answers' sql -c "select ddbstreams.aws('ListStreams', '{}')"
becomes 'the handler has every record' t \
	"select (select sum(jsonb_array_length(event->'Records')) from seen) = (select count(*) from ddbstreams.changes(null::t))"
works 'DDL on a captured table' sql -c 'alter table t add w int; update t set w = 1; truncate t'
refused 'DDL that would lose changes is refused' 'cannot disable trigger' sql -c 'alter table t disable trigger user'
works 'a split and a roll-over' sql -c "select ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))"
if grep -q 'AUDIT: .*public.t,' "$tmp/$server/log"; then
	pass 'the audit log has the statements'
else
	fail 'the audit log has the statements'
fi
works 'DROP EXTENSION leaves nothing' sql -c 'drop extension ddbstreams'
