-- What a worker of consumer group billing does again and again: take records,
-- bill them, remember how far it is, in one transaction.

begin;
create temp table batch as select * from ddbstreams.poll('billing', :'worker', 1000, '1 s');
insert into billed select :'worker', (keys #>> '{id,N}')::int, sequence_number from batch;
select sum(records) as records
from (select shard_id, max(sequence_number) as last, count(*) as records from batch group by 1) as b,
     ddbstreams.checkpoint('billing', :'worker', shard_id, last);
commit;
