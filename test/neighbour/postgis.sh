# shellcheck shell=bash
#
# PostGIS: geometries in a captured table, and in its key
#
# Package: postgresql-VERSION-postgis-3 postgresql-VERSION-postgis-3-scripts
# Elsewhere: trixie

new_database gis
sql -c 'create extension postgis'
say "version $(sql -c "select extversion from pg_extension where extname = 'postgis'")"
sql -c "create table t (id int primary key, v int, place geometry(Point, 4326), area geography);
	create table k (place geometry(Point, 4326), id int, v int, primary key (place, id));
	select ddbstreams.enable_stream('t', shard_count => 2), ddbstreams.enable_stream('k', shard_count => 4, partition_key => '{place}');
	insert into t select i, 0, st_setsrid(st_makepoint(i, i), 4326), st_buffer(st_makepoint(i, i)::geography, 1000) from generate_series(1, 80) as i;
	update t set v = v + 1, place = st_translate(place, 0.5, 0);
	delete from t where id > 70;
	insert into k select st_setsrid(st_makepoint(i % 5, 0), 4326), i, 0 from generate_series(1, 50) as i;
	update k set v = v + 1; delete from k where id > 40" >/dev/null
is 'a geometry in an image reads back as it was' '0' \
	"select count(*) from ddbstreams.changes(null::t) as c where event_name = 'INSERT' and
		not st_equals((new_image).place, st_setsrid(st_makepoint((new_image).id, (new_image).id), 4326))"
is 'images have the text of a geometry' t \
	"select bool_and(new_image->'place'->>'S' = st_setsrid(st_makepoint((new_image->'id'->>'N')::int, (new_image->'id'->>'N')::int), 4326)::text)
	from ddbstreams.latest_stream_arn('t') as arn, ddbstreams.describe_stream(arn),
		ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')) where event_name = 'INSERT'"
agrees 'a table with geometries is captured' t
agrees 'a table with a geometry in its key, too' k
is 'what has one partition key is in one shard' 5 \
	"select count(distinct (shard_id, keys->'place'->>'S'))
	from ddbstreams.latest_stream_arn('k') as arn, ddbstreams.describe_stream(arn),
		ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON'))"
works 'changing the type modifier of the geometry in the key is allowed or refused' \
	sql -c "do \$\$ begin alter table k alter place type geometry(Point, 3857) using st_transform(place, 3857); exception when object_in_use then null; end \$\$"
works 'ALTER EXTENSION postgis UPDATE' sql -c 'alter extension postgis update'
sql -c "insert into t values (101, 0, st_setsrid(st_makepoint(1, 2), 4326), null)"
agrees 'capture goes on' t
works 'a dump can be restored' client bash -ec "
	pg_dump gis >$tmp/gis.sql; createdb again; psql -qX -v ON_ERROR_STOP=1 -d again -f $tmp/gis.sql >/dev/null"
database=again
is 'with both streams' 2 'select count(*) from ddbstreams.list_streams()'
sql -c "update k set v = v + 1"
is 'which are captured' 40 'select count(*) from ddbstreams.changes(null::k)'
