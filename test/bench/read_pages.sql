-- Notes the iterators of all pages of table items in table pages, with the
-- number of each page's records and its size: read_ddbstreams.sql reads the
-- same pages again.
--
-- A client finds the next iterator at the end of a page.  To do the same in SQL
-- makes four copies of a page of 700 kB, as a text, as a variable and as
-- bytes; wal2json's peek only counts, and makes none.

-- The end of a text, by bytes: right() would count the characters of 1 MB.
create or replace function tail(whole text, bytes int) returns text
language sql immutable as $$
	select convert_from(substring(textsend(whole)
		from greatest(1, octet_length(whole) - bytes)), 'UTF8')
$$;

create table if not exists pages (iterator text, records bigint, bytes bigint);
truncate pages;

do $$
declare
	iterator text;
	page json;
begin
	for iterator in
		select ddbstreams.get_shard_iterator(stream_arn, shard_id, 'TRIM_HORIZON')
		from ddbstreams.latest_stream_arn('items') as stream_arn,
			ddbstreams.describe_stream(stream_arn)
	loop
		loop
			page := ddbstreams.aws('GetRecords',
				json_build_object('ShardIterator', iterator));
			exit when page::text like '{"Records":[]%';
			insert into pages values (iterator, json_array_length(page -> 'Records'),
				pg_column_size(page));
			iterator := substring(tail(page::text, 1000) from '"NextShardIterator":"([^"]*)"');
		end loop;
	end loop;
end $$;
