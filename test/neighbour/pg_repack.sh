# shellcheck shell=bash
#
# pg_repack copies a table with triggers of its own, and swaps the files.
#
# Package: postgresql-VERSION-repack
# Elsewhere: trixie

new_database repack
sql -c 'create extension pg_repack'
say "version $(sql -c "select extversion from pg_extension where extname = 'pg_repack'")"
sql -c "
	create table t (id int primary key, v int, pad text default repeat('x', 200));
	select ddbstreams.enable_stream('t', shard_count => 2);
	create table other (id int primary key);
	insert into other select generate_series(1, 100)" >/dev/null
shard=$(sql -c "select shard_table from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('t')) limit 1")

pg_repack()
{
	client timeout 300 pg_repack -d repack --no-order "$@"
}

# The captured table, under a writer: twice, so that what the first one has
# left is met.
start_writer
works 'pg_repack of a captured table works' pg_repack -t t
works 'and once more' pg_repack -t t
is 'its capture triggers are still enabled always' 'ddbstreams_capture|A
ddbstreams_capture_truncate|A' \
	"select tgname, tgenabled from pg_trigger where tgrelid = 't'::regclass order by 1"
is 'its stream is still enabled' ENABLED \
	"select stream_status from ddbstreams.list_streams('t')"
works 'pg_repack of the indexes of a captured table works' pg_repack -x -t t
stop_writer
agrees 'nothing was lost or doubled' t

# ddbstreams' own tables
before=$(sql -c "select array_agg(c.oid || ':' || relfilenode order by c.oid) from pg_class as c
	where relnamespace = 'ddbstreams_shards'::regnamespace")
for table in "$shard" ddbstreams_shards.stream ddbstreams_shards.shard \
	ddbstreams_shards.row_descriptor ddbstreams_shards.mapping \
	ddbstreams_shards.mapping_shard ddbstreams_shards.failed_batch \
	ddbstreams_shards.consumer ddbstreams_shards.consumer_lease; do
	output=$(pg_repack -t "$table" 2>&1) || true
	says "pg_repack of ${table/$shard/a shard} is refused" \
		'of ddbstreams cannot be altered|must have a primary key or not-null unique keys'
done
output=$(pg_repack 2>&1) || true
is 'pg_repack of the whole database leaves own tables as they are' "$before" \
	"select array_agg(c.oid || ':' || relfilenode order by c.oid) from pg_class as c
	where relnamespace = 'ddbstreams_shards'::regnamespace"
is 'and leaves nothing of its own on them' 0 \
	"select count(*) from pg_trigger where tgname like 'repack%'"
is 'and leaves no log table' 0 \
	"select count(*) from pg_class where relnamespace = 'repack'::regnamespace and relkind = 'r' and relname like 'log_%'"
works 'without the tables of ddbstreams the whole database is repacked' pg_repack -C ddbstreams
says 'the tables of the user' 'repacking table "public.other"'
sql -c 'insert into t (id, v) select generate_series(2001, 2100), 0; select ddbstreams.enable_stream($$other$$)' >/dev/null
is 'other streams can be enabled, and are found' 2 'select count(*) from ddbstreams.list_streams()'
agrees 'capture goes on' t
