# shellcheck shell=bash
#
# pglogical: logical replication by an extension
#
# Package: postgresql-VERSION-pglogical
# Elsewhere: trixie
# Preload: pglogical
# Setting: wal_level = logical
# Setting: track_commit_timestamp = on

if [ -n "$(sql -c "select 'x' from pg_settings where name = 'output_plugin_libraries'")" ]; then
	sql -c "alter system set output_plugin_libraries = 'pglogical_output'" -c 'select pg_reload_conf()' >/dev/null
fi
new_database provider
sql -c 'create extension pglogical' >/dev/null 2>&1
say "version $(sql -c "select extversion from pg_extension where extname = 'pglogical'")"
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2);
	insert into t select i, 0 from generate_series(1, 50) as i;
	select pglogical.create_node('provider', 'host=$tmp/$server port=$port user=postgres dbname=provider')" >/dev/null
works 'a replication set of schema public' sql -c "select pglogical.replication_set_add_all_tables('default', '{public}')"
output=$(sql -c "select pglogical.replication_set_add_all_tables('default', '{ddbstreams_shards}')" 2>&1) || true
say "# $output"
new_database receiver
sql -c 'create extension pglogical' >/dev/null 2>&1
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2);
	select pglogical.create_node('receiver', 'host=$tmp/$server port=$port user=postgres dbname=receiver')" >/dev/null
sql -c "select pglogical.create_subscription('s', 'host=$tmp/$server port=$port user=postgres dbname=provider', '{default}')" >/dev/null
becomes 'rows are copied' 50 'select count(*) from t'
database=provider sql -c "update t set v = v + 1; delete from t where id <= 10; insert into t select i, 0 from generate_series(51, 60) as i"
becomes 'changes are applied' 50 "select count(*) from t where (id > 50) = (v = 0)"
becomes 'and captured' '0|0' "select * from oracle.replay('t')"
database=provider
agrees 'the provider has all changes' t
database=receiver
sql -c "select pglogical.drop_subscription('s')" >/dev/null
