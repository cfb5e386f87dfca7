-- get_records of the last 1,000 records in a small and in a large shard.
-- Prints the median of each in milliseconds, and what the large one's
-- INSERT ... SELECT reached in rows per second.
\set QUIET on
create extension ddbstreams;
create table small (id int primary key);
create table large (id int primary key);
select ddbstreams.enable_stream('small', 'KEYS_ONLY', 1) as small_arn,
	ddbstreams.enable_stream('large', 'KEYS_ONLY', 1) as large_arn \gset

insert into small select generate_series(1, :small - 1000);
select extract(epoch from clock_timestamp()) as t0 \gset
insert into large select generate_series(1, :large - 1000);
select extract(epoch from clock_timestamp()) as t1 \gset
select (:large - 1000) / (:t1 - :t0) as rate \gset

create table place as
select name, arn, shard_id,
	ddbstreams.get_shard_iterator(arn, shard_id, 'LATEST') as iterator,
	''::text as sequence_number
from (values ('small', :'small_arn'), ('large', :'large_arn')) s (name, arn),
	ddbstreams.describe_stream(arn);
insert into small select generate_series(:small - 999, :small);
insert into large select generate_series(:large - 999, :large);
update place set sequence_number =
	(select min(r.sequence_number) from ddbstreams.get_records(iterator) r);

create function read_last(which text, out ms float, out records int)
language plpgsql as $$
declare
	place place;
	start timestamptz;
begin
	select * into place from place where name = which;
	start := clock_timestamp();
	select count(*) into records
	from ddbstreams.get_records(ddbstreams.get_shard_iterator(place.arn,
		place.shard_id, 'AT_SEQUENCE_NUMBER', place.sequence_number));
	ms := extract(epoch from clock_timestamp() - start) * 1000;
end $$;

-- warm, and right?
select ms from generate_series(1, 10), read_last('small') \g /dev/null
select ms from generate_series(1, 10), read_last('large') \g /dev/null
create table took (name text, ms float, records int);
insert into took
select name, r.* from generate_series(1, 200) n,
	(values ('small'), ('large')) s (name),
	lateral (select * from read_last(case when n > 0 then name end)) r;

select name || '_ms', percentile_cont(0.5) within group (order by ms)
from took group by name;
select 'bulk_rate', :rate;
select 'wrong', count(*) from took where records <> 1000;
