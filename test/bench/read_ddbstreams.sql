-- Reads all changes of table items in the server, page by page of those that
-- read_pages.sql has noted, and tells how many there were.  wal2json's peek is
-- one statement that only counts what it has made, and so is this.
--
-- what   aws: the pages of aws('GetRecords'); rows: the rows of get_records;
--        loop: the same, with each page begun where the last one has ended, as
--        read_poll.sql does it with poll and checkpoint

create or replace function aws() returns bigint language sql as $$
	select sum(records) filter (where bytes = pg_column_size(
		ddbstreams.aws('GetRecords', json_build_object('ShardIterator', iterator))))
	from pages
$$;

create or replace function rows() returns bigint language sql as $$
	select count(coalesce(new_image, old_image))
	from pages, ddbstreams.get_records(iterator)
$$;

create or replace function loop() returns bigint language plpgsql as $$
declare
	arn text := ddbstreams.latest_stream_arn('items');
	shard text;
	iterator text;
	last_number text;
	page_changes bigint;
	changes bigint := 0;
begin
	for shard in select shard_id from ddbstreams.describe_stream(arn) loop
		iterator := ddbstreams.get_shard_iterator(arn, shard, 'TRIM_HORIZON');
		loop
			select count(coalesce(new_image, old_image)), max(sequence_number collate "C")
				into page_changes, last_number
				from ddbstreams.get_records(iterator);
			exit when page_changes = 0;
			changes := changes + page_changes;
			iterator := ddbstreams.get_shard_iterator(arn, shard,
				'AFTER_SEQUENCE_NUMBER', last_number);
		end loop;
	end loop;
	return changes;
end $$;

select :what();
