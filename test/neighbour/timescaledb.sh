# shellcheck shell=bash
#
# TimescaleDB keeps the rows of a hypertable in chunks, to which it copies the
# triggers, and rewrites them in ways of its own.
#
# Package: postgresql-VERSION-timescaledb
# Elsewhere: trixie
# Preload: timescaledb
# Setting: timescaledb.telemetry_level = off

new_database timescale
sql -c 'create extension timescaledb' >/dev/null 2>&1
say "version $(sql -c "select extversion from pg_extension where extname = 'timescaledb'")"

make_table()
{
	sql -c "create table $1 (at timestamptz, id int, v int, primary key (id, at))"
}

# A hypertable and its chunks
make_table hyper
sql -c "select create_hypertable('hyper', 'at'); insert into hyper values ('2026-01-01', 1, 0)" >/dev/null
chunk=$(sql -c "select show_chunks('hyper')")
refused 'a hypertable gets no stream' 'it is a hypertable' \
	sql -c "select ddbstreams.enable_stream('hyper')"
refused 'nor does a chunk' 'it is a chunk of a hypertable' \
	sql -c "select ddbstreams.enable_stream('$chunk')"
works 'a common table beside it has one' \
	sql -c "create table plain (id int primary key, v int); select ddbstreams.enable_stream('plain');
		insert into plain values (1, 0); update plain set v = v + 1"
agrees 'and all changes are in it' plain

# A table that has a stream becomes a hypertable.
make_table empty
sql -c "select ddbstreams.enable_stream('empty', shard_count => 1)" >/dev/null
works 'an empty table with a stream may become a hypertable' \
	sql -c "select create_hypertable('empty', 'at')"
says 'a warning says that its stream ends' 'WARNING: +the stream of table "empty" ends'
is 'the stream is disabled' DISABLED "select stream_status from ddbstreams.list_streams('empty')"
works 'rows can be inserted, also where a new chunk is made for them' \
	sql -c "insert into empty values ('2026-01-01', 1, 0), ('2026-03-01', 2, 0)" \
	-c "insert into empty values ('2026-05-01', 3, 0)" \
	-c "update empty set v = v + 1" -c "delete from empty where id = 1"
is 'the rows are as they must be' 2 'select count(*) from empty'

make_table filled
sql -c "select ddbstreams.enable_stream('filled', shard_count => 1);
	insert into filled values ('2026-01-01', 1, 0)" >/dev/null
output=$(sql -c "select create_hypertable('filled', 'at', migrate_data => true)" 2>&1) || true
says 'a table with rows and a stream does not become one unseen' \
	'WARNING: +the stream of table "filled" ends|ERROR: .*whose stream does not have its changes'
is 'the stream is disabled, or the table is none' t \
	"select (select stream_status from ddbstreams.list_streams('filled')) = 'DISABLED' or
		not exists (select from timescaledb_information.hypertables where hypertable_name = 'filled')"
is 'and its rows are there' 1 'select count(*) from filled'

# An earlier stream has left its triggers, disabled.
make_table earlier
sql -c "select ddbstreams.enable_stream('earlier', shard_count => 1);
	insert into earlier values ('2026-01-01', 1, 0)" -c "select ddbstreams.disable_stream('earlier')" >/dev/null
works 'a table whose stream is disabled becomes a hypertable with its rows' \
	sql -c "select create_hypertable('earlier', 'at', migrate_data => true)"
works 'and takes rows in new chunks, one by one and many' \
	sql -c "insert into earlier values ('2026-02-01', 2, 0)" \
	-c "insert into earlier select timestamptz '2026-01-01' + make_interval(days => i), i, 0 from generate_series(3, 200) as i" \
	-c "update earlier set v = v + 1" -c "truncate earlier" -c "insert into earlier values ('2026-02-01', 2, 0)"
works 'its leftovers can be dropped' \
	sql -c "drop trigger ddbstreams_capture on earlier" \
	-c "insert into earlier values ('2027-02-01', 2, 0)"

# Dump and restore of hypertables beside streams
works 'the database can be dumped and restored' client bash -ec "
	pg_dump -Fc timescale >$tmp/timescale.dump 2>/dev/null
	createdb restored
	psql -qX -v ON_ERROR_STOP=1 -d restored -c 'create extension timescaledb' >/dev/null 2>&1
	psql -qX -d restored -c 'select timescaledb_pre_restore()' >/dev/null
	pg_restore -d restored $tmp/timescale.dump 2>&1 | grep -v -e 'already exists' -e '^pg_restore: warning: errors ignored' >&2 || true
	psql -qX -d restored -c 'select timescaledb_post_restore()' >/dev/null"
database=restored
is 'the stream is there again' plain "select table_name from ddbstreams.list_streams('plain')"
is 'and the rows' '2|1' 'select (select count(*) from empty), (select count(*) from plain)'
