-- A reader that waits; run prints how long after its commit each record wakes
-- it.  The moment of the commit is taken from the record's number, which is
-- given just before.
create extension ddbstreams;
create table woken (id bigserial primary key);
select ddbstreams.enable_stream('woken', 'NEW_IMAGE', 1) as arn \gset
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'LATEST') as iterator
from ddbstreams.describe_stream(:'arn') \gset
