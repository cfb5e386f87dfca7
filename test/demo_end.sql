-- The last part of test/demo: what the two workers have done.

select worker, count(*) as records, count(distinct (order_id, sequence_number)) as distinct_records from billed group by 1 order by 1;
select (select count(*) from billed) as billed, (select count(*) from ddbstreams.changes(null::orders)) as in_the_stream;
\echo '-- who has which shard, and how far it is:'
select shard_id, lease_owner, lease_counter, checkpoint from ddbstreams.leases('billing') where lease_owner is not null;

\echo
\echo '== Watching'
\echo

select shard_id, records, bytes, newest, records_per_second from ddbstreams.stream_stats order by newest desc nulls last limit 3;
select function_name, sum(lag_records) as lag, sum(records_delivered) as delivered, sum(records_filtered) as filtered
from ddbstreams.mapping_stats group by 1 order by 1;
select worker_type, database, state from ddbstreams.workers order by pid;
