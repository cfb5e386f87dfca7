-- Reads all changes of table items by one worker of a consumer: a transaction
-- polls records and checkpoints each shard that they are of.  Tells how many
-- there were.
--
-- records   of a poll, at most

create or replace procedure poll(max_records int, inout changes bigint)
language plpgsql as $$
declare
	polled bigint;
begin
	loop
		with shards as materialized (
			select shard_id, count(coalesce(new_image, old_image)) as records,
				max(sequence_number collate "C") as last_number
			from ddbstreams.poll('bench', 'worker', max_records) group by shard_id)
		select sum(records) into polled
		from shards, lateral (
			select ddbstreams.checkpoint('bench', 'worker', shard_id, last_number)) done;
		commit;
		exit when polled is null;
		changes := changes + polled;
	end loop;
end $$;

select ddbstreams.create_consumer('bench', ddbstreams.latest_stream_arn('items'),
	'TRIM_HORIZON') \g /dev/null
call poll(:records, 0);
select ddbstreams.drop_consumer('bench') \g /dev/null
