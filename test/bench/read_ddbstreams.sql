-- Reads all changes of table items in one statement, so that a busy machine
-- does not make a client wait for its turn at every page; wal2json's peek is
-- one statement, too.
--
-- what   aws: the pages of aws('GetRecords'); rows: the rows of get_records

create or replace function iterators() returns setof text language sql as $$
	select ddbstreams.get_shard_iterator(stream_arn, shard_id, 'TRIM_HORIZON')
	from ddbstreams.latest_stream_arn('items') as stream_arn,
		ddbstreams.describe_stream(stream_arn)
$$;

-- The end of a text, by bytes: right() would count the characters of 1 MB.
create or replace function tail(whole text, bytes int) returns text
language sql immutable as $$
	select convert_from(substring(b from greatest(1, length(b) - bytes)), 'UTF8')
	from convert_to(whole, 'UTF8') b
$$;

create or replace function aws() returns setof text language plpgsql as $$
declare
	iterator text;
	page text;
begin
	for iterator in select iterators() loop
		loop
			page := ddbstreams.aws('GetRecords',
				json_build_object('ShardIterator', iterator))::text;
			exit when page like '{"Records":[]%';
			return next page;
			iterator := substring(tail(page, 1000) from '"NextShardIterator":"([^"]*)"');
			exit when iterator is null;
		end loop;
	end loop;
end $$;

create or replace function rows()
returns table (sequence_number text, event_name text, keys json,
	new_image json, old_image json, next_iterator text)
language plpgsql as $$
declare
	iterator text;
begin
	for iterator in select iterators() loop
		loop
			next_iterator := null;
			for sequence_number, event_name, keys, new_image, old_image, next_iterator in
				select r.sequence_number, r.event_name, r.keys, r.new_image,
					r.old_image, r.next_shard_iterator
				from ddbstreams.get_records(iterator) r
			loop
				return next;
			end loop;
			iterator := next_iterator;
			exit when iterator is null;
		end loop;
	end loop;
end $$;

select * from :what();
