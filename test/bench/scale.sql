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

-- The memory that this backend has taken, in MB, when it has written to a stream and
-- read one
create function bench.memory() returns numeric language plpgsql as $$
begin
	insert into t1 values (-1) on conflict do nothing;
	perform bench.latest('t1'), count(*) from ddbstreams.describe_stream(bench.arn('t1'));
	return (select round(sum(total_bytes) / 1048576, 1) from pg_backend_memory_contexts);
end $$;

-- Workers w1, w2 ... of consumer c share the leases of its stream, and have
-- checkpointed everything.
create procedure bench.share(shards int, workers int) language plpgsql as $$
declare
	r record;
begin
	loop
		for i in 1 .. workers loop
			for r in select shard_id, max(sequence_number) as n from ddbstreams.poll('c', 'w' || i, 10000) group by 1 loop
				perform ddbstreams.checkpoint('c', 'w' || i, r.shard_id, r.n);
			end loop;
			commit;
		end loop;
		exit when (select min(leases) = max(leases) and count(*) = workers from
			(select count(*) as leases from ddbstreams.leases('c') group by lease_owner) l)
			and not exists (select from ddbstreams.consumer_stats where lag_records > 0);
	end loop;
end $$;

-- The milliseconds of a poll
create procedure bench.polls(worker text, runs int, inout ms numeric) language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in 1 .. runs loop
		began := clock_timestamp();
		perform ddbstreams.poll('c', worker);
		commit;
		took := took || (extract(epoch from clock_timestamp() - began) * 1000)::float8;
	end loop;
	ms := (select round(percentile_cont(0.5) within group (order by t)::numeric, 3) from unnest(took) t);
end $$;

-- The microseconds of a row in a transaction of so many
create procedure bench.rows(table_name regclass, first int, count int, inout us numeric) language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in 1 .. case when count > 100000 then 1 when count > 1000 then 3 else 20 end loop
		began := clock_timestamp();
		execute format('insert into %s select generate_series(%s, %s)', table_name, first + (i - 1) * count, first + i * count - 1);
		commit;
		took := took || extract(epoch from clock_timestamp() - began)::float8 * 1000000 / count;
	end loop;
	us := (select round(percentile_cont(0.5) within group (order by t)::numeric, 2) from unnest(took) t);
end $$;

create function bench.make_wide(table_name text, streamed boolean) returns void language plpgsql as $$
begin
	execute format('create table %I (id int primary key, n int, v text)', table_name);
	execute format('alter table %I alter v set storage external', table_name);
	if streamed then
		perform ddbstreams.enable_stream(table_name::regclass, 'NEW_AND_OLD_IMAGES', shard_count => 1);
	end if;
end $$;

-- The microseconds of inserting a row with so many bytes; a hundred are inserted
create procedure bench.wide(table_name regclass, width int, inout us numeric) language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in 1 .. 100 loop
		began := clock_timestamp();
		execute format('insert into %s values (%s, 0, repeat(chr(65 + %s %% 26), %s))', table_name, i, i, width);
		commit;
		took := took || extract(epoch from clock_timestamp() - began)::float8 * 1000000;
	end loop;
	us := (select round(percentile_cont(0.5) within group (order by t)::numeric, 1) from unnest(took) t);
end $$;

-- The same for updating another column
create procedure bench.touch(table_name regclass, inout us numeric) language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in 1 .. 100 loop
		began := clock_timestamp();
		execute format('update %s set n = n + 1 where id = %s', table_name, i);
		commit;
		took := took || extract(epoch from clock_timestamp() - began)::float8 * 1000000;
	end loop;
	us := (select round(percentile_cont(0.5) within group (order by t)::numeric, 1) from unnest(took) t);
end $$;

create function bench.bytes_a_record(table_name regclass) returns bigint language sql as $$
	select sum(bytes)::bigint / greatest(sum(records)::bigint, 1) from ddbstreams.stream_stats
	where stream_arn = bench.arn(table_name) $$;

-- Reads a hundred records.
create function bench.read(table_name regclass) returns bigint language sql as $$
	select sum(length(new_image::text)) from ddbstreams.get_records(ddbstreams.get_shard_iterator(
		bench.arn(table_name), bench.shard(table_name), 'TRIM_HORIZON'), 100) $$;
