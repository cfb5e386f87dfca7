-- What test/bench/scale calls: schema bench, in a database that has the extension.
create extension if not exists ddbstreams;
create schema bench;

-- The milliseconds that a query takes in the middle of some runs
create function bench.ms(query text, runs int default 9) returns numeric language plpgsql as $$
declare
	began timestamptz;
	took float8[] := '{}';
begin
	for i in 1 .. runs loop
		began := clock_timestamp();
		execute query;
		took := took || (extract(epoch from clock_timestamp() - began) * 1000)::float8;
	end loop;
	return (select round(percentile_cont(0.5) within group (order by t)::numeric, 3) from unnest(took) t);
end $$;

-- The microseconds of a transaction that inserts a row
create procedure bench.commits(table_name regclass, first int, inout us numeric) language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in first .. first + 300 loop
		began := clock_timestamp();
		execute format('insert into %s values (%s)', table_name, i);
		commit;
		took := took || extract(epoch from clock_timestamp() - began)::float8 * 1000000;
	end loop;
	us := (select round(percentile_cont(0.5) within group (order by t)::numeric, 1) from unnest(took) t);
end $$;

create function bench.enable(table_name text, shards int, view_type text default 'KEYS_ONLY') returns void
language plpgsql as $$
begin
	execute format('create table %I (id int primary key)', table_name);
	perform ddbstreams.enable_stream(table_name::regclass, view_type, shard_count => shards);
end $$;

create function bench.arn(table_name regclass) returns text language sql as
	'select ddbstreams.latest_stream_arn(table_name)';

-- The first open shard of a stream
create function bench.shard(table_name regclass) returns text language sql as $$
	select shard_id from ddbstreams.describe_stream(bench.arn(table_name))
	where ending_sequence_number is null order by 1 limit 1 $$;

create function bench.latest(table_name regclass) returns text language sql as
	$$select ddbstreams.get_shard_iterator(bench.arn(table_name), bench.shard(table_name), 'LATEST')$$;

-- How many pages of a stream's one shard LATEST reads
create function bench.latest_pages(table_name regclass) returns bigint language plpgsql as $$
declare
	shard regclass := (select shard_table from ddbstreams.describe_stream(bench.arn(table_name)));
	before bigint := pg_stat_get_xact_blocks_fetched(shard);
begin
	perform bench.latest(table_name);
	return pg_stat_get_xact_blocks_fetched(shard) - before;
end $$;

create function bench.handler(event jsonb) returns void language sql as '';
