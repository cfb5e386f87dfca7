# shellcheck shell=bash
#
# hypopg: hypothetical indexes, by the utility and planner hooks
#
# Package: postgresql-VERSION-hypopg
# Elsewhere: trixie

new_database hypo
sql -c 'create extension hypopg'
say "version $(sql -c "select extversion from pg_extension where extname = 'hypopg'")"
sql -c "create table t (id int primary key, v int);
	select ddbstreams.enable_stream('t', shard_count => 2)" >/dev/null
start_writer
works 'hypothetical indexes on a captured table' sql -c "select hypopg_create_index('create index on t (v)')" \
	-c 'explain update t set v = v + 1 where v = 1' -c "update t set v = v + 1 where id < 10" -c 'select hypopg_reset()'
works 'and on own tables, which stay as they are' sql -c "select hypopg_create_index('create index on ddbstreams_shards.mapping (enabled)')" \
	-c "select * from ddbstreams.list_event_source_mappings()" -c "select * from ddbstreams.stream_stats"
stop_writer
agrees 'the stream agrees with the table' t
