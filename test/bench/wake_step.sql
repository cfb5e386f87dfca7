-- ... and one wait, many times.  Prints milliseconds from the commit to the
-- wake-up; the commit's moment is the record's number, given just before it.
select ddbstreams.wait_for_records(:'iterator', '10 s') as woken,
	clock_timestamp() as woken_at \gset
select extract(epoch from :'woken_at' - min(approximate_creation_date_time)) * 1000 as ms,
	(array_agg(next_shard_iterator order by sequence_number desc))[1] as iterator
from ddbstreams.get_records(:'iterator') \gset
\echo :ms
