# shellcheck shell=bash
#
# pg_rewrite copies a table into another one, and swaps their names.
#
# Package: postgresql-VERSION-pg-rewrite
# PostgreSQL: 18
# Elsewhere: forky
# Preload: pg_rewrite
# Setting: wal_level = logical

if [ -n "$(sql -c "select 'x' from pg_settings where name = 'output_plugin_libraries'")" ]; then
	sql -c "alter system set output_plugin_libraries = 'pg_rewrite'" -c 'select pg_reload_conf()' >/dev/null
fi
new_database rewritten
sql -c 'create extension pg_rewrite'
say "version $(sql -c "select extversion from pg_extension where extname = 'pg_rewrite'")"
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2);
	insert into t select i, 0 from generate_series(1, 100) as i;
	create table t_new (id int, v bigint, primary key (id)) partition by range (id);
	create table t_new_1 partition of t_new for values from (0) to (10000)" >/dev/null
works 'pg_rewrite partitions a table' sql -c "set statement_timeout = '120s'" -c "select rewrite_table('t', 't_new', 't_old')"
is 'the partitioned table has the name now' p "select relkind from pg_class where oid = 't'::regclass"
if grep -q 'WARNING: .*table "t" is now called "t_old", and its stream stays on it' "$tmp/$server/log" || \
	grep -q 'table "t" is now called "t_old", and its stream stays on it' <<<"$output"; then
	pass 'a warning says that the stream stays on the old table'
else
	fail 'a warning says that the stream stays on the old table'
fi
is 'the stream is on the old table' ENABLED "select stream_status from ddbstreams.list_streams('t_old')"
works 'it is moved as the warning says' sql -c "select ddbstreams.disable_stream('t_old')" -c "select ddbstreams.enable_stream('t', shard_count => 2)"
sql -c 'insert into t select i, 0 from generate_series(201, 300) as i; update t set v = v + 1 where id > 200; delete from t where id <= 100'
is 'and has the changes from then on' '100|100|100' "select count(*) filter (where event_name = 'INSERT'),
	count(*) filter (where event_name = 'MODIFY'), count(*) filter (where event_name = 'REMOVE')
	from ddbstreams.changes(null::t)"
