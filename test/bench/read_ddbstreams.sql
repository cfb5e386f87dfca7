-- Reads all changes of table items in the server, in one statement, and tells
-- how many there were; wal2json's peek is one statement that only counts, too.
--
-- what   aws: the pages of aws('GetRecords'); rows: the rows of get_records

-- The end of a text, by bytes: right() would count the characters of 1 MB.
create or replace function tail(whole text, bytes int) returns text
language sql immutable as $$
	select convert_from(substring(textsend(whole)
		from greatest(1, octet_length(whole) - bytes)), 'UTF8')
$$;

-- All pages of a shard have 1,000 records, but for the last.
create or replace function aws() returns bigint language plpgsql as $$
declare
	iterator text;
	page text;
	last_page text;
	changes bigint := 0;
begin
	for iterator in
		select ddbstreams.get_shard_iterator(stream_arn, shard_id, 'TRIM_HORIZON')
		from ddbstreams.latest_stream_arn('items') as stream_arn,
			ddbstreams.describe_stream(stream_arn)
	loop
		last_page := null;
		loop
			page := ddbstreams.aws('GetRecords',
				json_build_object('ShardIterator', iterator))::text;
			exit when page like '{"Records":[]%';
			changes := changes + 1000;
			last_page := page;
			iterator := substring(tail(page, 1000) from '"NextShardIterator":"([^"]*)"');
		end loop;
		if last_page is not null then
			changes := changes - 1000 + json_array_length(last_page::json -> 'Records');
		end if;
	end loop;
	return changes;
end $$;

create or replace function rows() returns bigint language plpgsql as $$
declare
	arn text := ddbstreams.latest_stream_arn('items');
	shard text;
	iterator text;
	last_number text;
	page_rows bigint;
	bytes bigint;
	changes bigint := 0;
begin
	for shard in select shard_id from ddbstreams.describe_stream(arn) loop
		iterator := ddbstreams.get_shard_iterator(arn, shard, 'TRIM_HORIZON');
		loop
			select count(*), max(sequence_number),
				sum(octet_length(new_image::text) + octet_length(old_image::text))
				into page_rows, last_number, bytes
				from ddbstreams.get_records(iterator);
			exit when page_rows = 0;
			changes := changes + page_rows;
			iterator := ddbstreams.get_shard_iterator(arn, shard,
				'AFTER_SEQUENCE_NUMBER', last_number);
		end loop;
	end loop;
	return changes;
end $$;

select :what();
