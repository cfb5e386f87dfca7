# shellcheck shell=bash
#
# pg_partman makes partitions ahead, and drops or detaches old ones.
#
# Package: postgresql-VERSION-partman
# Elsewhere: trixie
# Preload: pg_partman_bgw

new_database parts
sql -c 'create schema partman; create extension pg_partman schema partman'
version=$(sql -c "select extversion from pg_extension where extname = 'pg_partman'")
say "version $version"
sql -c "create table public.t (id int, at timestamptz not null, v int, primary key (id, at)) partition by range (at);
	select ddbstreams.enable_stream('t', shard_count => 2)" >/dev/null
if [ "${version%%.*}" -ge 5 ]; then
	works 'create_parent of a captured table' sql -c "select partman.create_parent('public.t', 'at', '1 day', p_premake => 2,
		p_start_partition => (now() - interval '5 days')::text)"
else
	works 'create_parent of a captured table' sql -c "select partman.create_parent('public.t', 'at', 'native', 'daily', p_premake => 2,
		p_start_partition => (now() - interval '5 days')::text)"
fi
sql -c "insert into t select i, now() - make_interval(days => i % 5), 0 from generate_series(1, 100) as i;
	update t set v = v + 1; insert into t values (1000, now() + interval '30 days', 0)"
agrees 'all partitions are captured' t
is 'each partition has both triggers, enabled always' t \
	"select bool_and((select count(*) = 2 and bool_and(tgenabled = 'A') from pg_trigger where tgrelid = inhrelid))
	from pg_inherits where inhparent = 't'::regclass"
works 'partition_data_proc moves rows out of the default partition' \
	sql -c "call partman.partition_data_proc('public.t')"
is 'they are moved' 0 "select count(*) from t_default"
agrees 'moving them makes no record that is not true' t
sql -c "update partman.part_config set retention = '2 days', retention_keep_table = false, infinite_time_partitions = true where parent_table = 'public.t'"
works 'maintenance with retention drops partitions' sql -c "call partman.run_maintenance_proc()"
is 'their rows are gone' t 'select count(*) between 1 and 80 from t'
says 'a notice says that their rows go without records' 'leave table "t" without REMOVE records'
before=$(sql -c "select count(*) from ddbstreams.changes(null::t) where event_name = 'MODIFY'")
sql -c 'update t set v = v + 1'
is 'what remains is captured' t "select count(*) - $before = (select count(*) from t)
	from ddbstreams.changes(null::t) where event_name = 'MODIFY'"
works 'the background worker runs beside those of ddbstreams' \
	sql -c "select partman.run_maintenance()"
is 'the stream is enabled' ENABLED "select stream_status from ddbstreams.list_streams('t')"
