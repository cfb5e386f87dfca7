# shellcheck shell=bash
#
# wal2json: logical decoding for clients that want JSON
#
# Package: postgresql-VERSION-wal2json
# Elsewhere: trixie
# Setting: wal_level = logical

# From the fixed releases of 2026 on, a server loads only the output plugins that
# it is told to.
if [ -n "$(sql -c "select 'x' from pg_settings where name = 'output_plugin_libraries'")" ]; then
	sql -c "alter system set output_plugin_libraries = 'wal2json'" -c 'select pg_reload_conf()' >/dev/null
	say '# output_plugin_libraries = wal2json'
fi
new_database decoded
say "version $(dpkg-query -W -f '${Version}' "postgresql-$PG_MAJOR-wal2json")"
sql -c "create table t (id int primary key, v int, pad text);
	select ddbstreams.enable_stream('t', shard_count => 2)" >/dev/null
for try in {1..100}; do
	output=$(sql -c "select pg_create_logical_replication_slot('w', 'wal2json')" 2>&1) && break
	sleep 0.1
done
start_writer
sleep 1
stop_writer
sql -c "insert into t select i, 0, repeat('x', 100000) from generate_series(2001, 2010) as i;
	begin; insert into t values (3001, 0); savepoint s; insert into t values (3002, 0); rollback to s; commit" \
	-c "select ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'));
	select ddbstreams.poll('c', 'w')" \
	-c "select ddbstreams.roll_over(ddbstreams.latest_stream_arn('t'))" >/dev/null
changes=$tmp/wal2json.json
sql -c "select data from pg_logical_slot_get_changes('w', null, null, 'format-version', '2', 'include-types', 'false')" >"$changes"
if grep -q '"schema":"public","table":"t"' "$changes"; then
	pass 'wal2json has the changes of the table'
else
	fail 'wal2json has the changes of the table'
	head -c 1000 "$changes"
fi
if grep -q ddbstreams_shards "$changes"; then
	fail 'wal2json has no row of ddbstreams'
	grep -m 3 ddbstreams_shards "$changes"
else
	pass 'wal2json has no row of ddbstreams'
fi
decoded=$(grep -c '"action":"[IUD]","schema":"public","table":"t"' "$changes")
is 'both have the same number of changes' "$decoded" 'select count(*) from ddbstreams.changes(null::t)'
agrees 'the stream agrees with the table' t
