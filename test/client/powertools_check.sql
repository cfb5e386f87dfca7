-- Each change was processed, and those of a key in their order. As at AWS, what
-- follows a failed record in its batch is processed again: the last time counts.
with truth as (
	select (coalesce(new_image, old_image)).id, array_agg(event_name || ' ' || (coalesce(new_image, old_image)).n order by place) as history
	from (select *, row_number() over () as place
		from ddbstreams.changes(null::public."Orders", stream_arn => :'arn')) c
	group by 1
), seen as (
	select id, array_agg(event || ' ' || n order by no) as history
	from (select distinct on (number, id) * from processed order by number, id, no desc) p group by 1
)
select case when (select count(*) from truth) >= 50
	and not exists ((select * from truth except select * from seen) union all (select * from seen except select * from truth))
	then 'ok' else 'not ok' end || ' every change is processed, in order';
select case when (select count(*) from tried) > 0 then 'ok' else 'not ok' end || ' some records failed at their first try';
select case when not exists (select from ddbstreams.failed_batches) then 'ok' else 'not ok' end || ' no batch is given up';
