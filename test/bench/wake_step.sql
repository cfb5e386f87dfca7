select ddbstreams.wait_for_records(:'iterator', '10 s') as woken, clock_timestamp() as at \gset
select extract(epoch from :'at' - min(approximate_creation_date_time)) * 1000 as ms, (array_agg(next_shard_iterator order by sequence_number desc))[1] as iterator from ddbstreams.get_records(:'iterator') \gset
\echo :ms
