-- What test/bench/scale calls: schema bench, in a database that has the extension.
create extension if not exists ddbstreams;
create schema bench;

-- The microseconds that a statement takes in the middle of some runs; $1 is the
-- number of the run, from first.  Each is a transaction of its own, if commits.
create procedure bench.median(statement text, runs int, first bigint, commits boolean, inout us numeric)
language plpgsql as $$
declare
	took float8[] := '{}';
	began timestamptz;
begin
	for i in first .. first + runs - 1 loop
		began := clock_timestamp();
		execute statement using i;
		if commits then
			commit;
		end if;
		took := took || extract(epoch from clock_timestamp() - began)::float8 * 1000000;
	end loop;
	us := (select round(percentile_cont(0.5) within group (order by t)::numeric, 1) from unnest(took) t);
end $$;

-- Makes tables with streams: t1, t2 ...
create procedure bench.enable(streams int, shards int) language plpgsql as $$
begin
	for i in 1 .. streams loop
		execute format('create table t%s (id bigint primary key)', i);
		perform ddbstreams.enable_stream(('t' || i)::regclass, 'KEYS_ONLY', shard_count => shards);
		commit;
	end loop;
end $$;

create function bench.arn(table_name text default 't1') returns text language sql as
	'select ddbstreams.latest_stream_arn(table_name::regclass)';

-- The statement that takes LATEST of the first open shard of t1
create function bench.latest() returns text language sql as $$
	select format('select ddbstreams.get_shard_iterator(%L, %L, ''LATEST'')', bench.arn(), min(shard_id))
	from ddbstreams.describe_stream(bench.arn()) where ending_sequence_number is null $$;

-- How many pages of the one shard of t1 LATEST reads
create function bench.latest_pages() returns bigint language plpgsql as $$
declare
	shard regclass := (select shard_table from ddbstreams.describe_stream(bench.arn()));
	before bigint := pg_stat_get_xact_blocks_fetched(shard);
begin
	execute bench.latest();
	return pg_stat_get_xact_blocks_fetched(shard) - before;
end $$;

create function bench.handler(event jsonb) returns void language sql as '';

-- A stream whose mapping notes when it gets a record
create procedure bench.enable_delayed() language plpgsql as $$
begin
	create table bench.seen (id bigint, written timestamptz, at timestamptz);
	create function bench.note(event jsonb) returns void language sql as
		'insert into bench.seen select (r#>>''{dynamodb,NewImage,id,N}'')::bigint,
			(r#>>''{dynamodb,NewImage,at,S}'')::timestamptz, clock_timestamp()
		from jsonb_array_elements(event->''Records'') r';
	create table delayed (id bigint primary key, at timestamptz);
	perform ddbstreams.enable_stream('delayed', 'NEW_IMAGE', shard_count => 1);
	commit;
	perform ddbstreams.create_event_source_mapping('bench.note', bench.arn('delayed'), 'LATEST');
end $$;

-- Writes rows of these numbers into that stream, some milliseconds apart, and returns
-- how long the last of a hundred waited for its handler's call, in milliseconds.
create procedure bench.delay(first bigint, last bigint, inout ms numeric) language plpgsql as $$
begin
	for i in first .. last loop
		insert into delayed values (i, clock_timestamp());
		commit;
		perform pg_sleep(0.005);
	end loop;
	loop
		exit when (select count(*) from bench.seen where id between first and last) = last - first + 1;
		commit;
		perform pg_sleep(0.02);
	end loop;
	ms := (select round(1000 * percentile_cont(0.99) within group (order by extract(epoch from at - written))::numeric, 1)
		from bench.seen where id between first and last);
end $$;

-- A worker of consumer c reads all there is.
create procedure bench.drain(worker text) language plpgsql as $$
declare
	polled bigint;
begin
	loop
		select sum(n) into polled from (
			select count(*) as n, ddbstreams.checkpoint('c', worker, shard_id, max(sequence_number))
			from ddbstreams.poll('c', worker, 10000) group by shard_id) r;
		commit;
		exit when polled is null;
	end loop;
end $$;

-- Workers w1, w2 ... of consumer c share the leases of its stream, and have
-- checkpointed everything.
create procedure bench.share(workers int) language plpgsql as $$
begin
	loop
		for i in 1 .. workers loop
			call bench.drain('w' || i);
		end loop;
		exit when (select min(leases) = max(leases) and count(*) = workers from
			(select count(*) as leases from ddbstreams.leases('c') group by lease_owner) l)
			and not exists (select from ddbstreams.consumer_stats where lag_records > 0);
	end loop;
end $$;

-- A thousand records in one shard of t1, of one key, and the statement that reads them
create procedure bench.write_last(key bigint, inout statement text) language plpgsql as $$
begin
	for i in 1 .. 500 loop
		insert into t1 values (key);
		delete from t1 where id = key;
	end loop;
	commit;
	statement := (select format('select count(*) from ddbstreams.get_records(ddbstreams.get_shard_iterator(%L, %L, ''AT_SEQUENCE_NUMBER'', %L))',
			bench.arn(), shard_id, min(sequence_number))
		from ddbstreams.newest_records(bench.arn(), 1000) group by shard_id order by count(*) desc limit 1);
end $$;

-- What is measured beside all numbers, for stream t1 and a table without a stream:
-- commits (us), LATEST, the last 1,000 records, describe_stream, poll (ms), memory of
-- this backend (MB), relations
create procedure bench.figures(first bigint, inout figures text) language plpgsql as $$
declare
	statements text[];
	last_records text;
	statement text;
	us numeric;
begin
	set local client_min_messages = warning;
	create table if not exists plain (id bigint primary key);
	if not exists (select from ddbstreams.consumer_stats) then
		perform ddbstreams.create_consumer('c', bench.arn(), 'LATEST');
	end if;
	commit;
	call bench.median('insert into plain values ($1)', 301, first, true, us);
	figures := us;
	call bench.median('insert into t1 values ($1)', 301, first, true, us);
	figures := concat_ws('|', figures, us);
	call bench.write_last(-1, last_records);
	call bench.drain('w');
	statements := array[bench.latest(), last_records,
		format('select count(*) from ddbstreams.describe_stream(%L)', bench.arn()),
		'select ddbstreams.poll(''c'', ''w'')'];
	foreach statement in array statements loop
		call bench.median(statement, 51, 1, true, us);
		figures := concat_ws('|', figures, round(us / 1000, 3));
	end loop;
	figures := concat_ws('|', figures,
		(select round(sum(total_bytes) / 1048576, 1) from pg_backend_memory_contexts),
		(select count(*) from pg_class));
end $$;

-- A table of wide rows
create procedure bench.make_wide(name text, width int, streamed boolean) language plpgsql as $$
begin
	execute format('create table %I (id bigint primary key, n int default 0, v text default repeat(''x'', %s))', name, width);
	execute format('alter table %I alter v set storage external', name);
	if streamed then
		perform ddbstreams.enable_stream(name::regclass, 'NEW_AND_OLD_IMAGES', shard_count => 1);
	end if;
end $$;

create function bench.bytes_a_record() returns bigint language sql as $$
	select sum(bytes)::bigint / greatest(sum(records)::bigint, 1) from ddbstreams.stream_stats
	where stream_arn = bench.arn() $$;

-- Reads a hundred records, or as many as a page of 1 MB has; returns how many.
create function bench.read() returns bigint language sql as $$
	select count(length(new_image::text)) from ddbstreams.get_records(ddbstreams.get_shard_iterator(
		bench.arn(), (select min(shard_id) from ddbstreams.describe_stream(bench.arn())),
		'TRIM_HORIZON'), 100) $$;

create function bench.poll() returns bigint language sql as $$
	select count(length(new_image::text)) from ddbstreams.poll('c', 'w', 100) $$;
