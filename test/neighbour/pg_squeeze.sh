# shellcheck shell=bash
#
# pg_squeeze copies a table, catches up by logical decoding, and swaps the files.
#
# Package: postgresql-VERSION-squeeze
# Elsewhere: trixie
# Preload: pg_squeeze
# Setting: wal_level = logical

if [ -n "$(sql -c "select 'x' from pg_settings where name = 'output_plugin_libraries'")" ]; then
	sql -c "alter system set output_plugin_libraries = 'pg_squeeze'" -c 'select pg_reload_conf()' >/dev/null
fi
new_database squeezed
sql -c 'create extension pg_squeeze'
say "version $(sql -c "select extversion from pg_extension where extname = 'pg_squeeze'")"
sql -c "create table t (id int primary key, v int, pad text default repeat('x', 200));
	select ddbstreams.enable_stream('t', shard_count => 2);
	select ddbstreams.create_consumer('c', ddbstreams.latest_stream_arn('t'))" >/dev/null
shard=$(sql -c "select shard_table from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) limit 1")

start_writer
works 'pg_squeeze of a captured table works' \
	sql -c "set statement_timeout = '120s'" -c "select squeeze.squeeze_table('public', 't')"
is 'its capture triggers are still enabled always' 'ddbstreams_capture|A
ddbstreams_capture_truncate|A' \
	"select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass order by 1"
stop_writer
agrees 'nothing was lost or doubled' t

files="select array_agg(c.oid || ':' || relfilenode order by c.oid) from pg_class as c
	where relnamespace = 'ddbstreams_shards'::regnamespace and relkind = 'r'"
before=$(sql -c "$files")
for table in $(sql -c "select relname from pg_class where relnamespace = 'ddbstreams_shards'::regnamespace
		and relkind = 'r' and relname !~ '_[0-9]+$' order by 1") "${shard#*.}"; do
	output=$(sql -c "set statement_timeout = '60s'" -c "select squeeze.squeeze_table('ddbstreams_shards', '$table')" 2>&1) || true
	if grep -qE 'ERROR' <<<"$output"; then
		pass "pg_squeeze of ${table/${shard#*.}/a shard} is refused"
	else
		fail "pg_squeeze of ${table/${shard#*.}/a shard} is refused"
	fi
	say "# $(grep ERROR <<<"$output" | head -n 1)"
done
is 'own tables are as they were' "$before" "$files"
sql -c 'insert into t (id, v) select generate_series(2001, 2100), 0'
agrees 'capture goes on' t
works 'the consumer goes on' sql -c "select count(*) from ddbstreams.poll('c', 'w')"
