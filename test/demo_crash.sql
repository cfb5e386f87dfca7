-- The third part of test/demo: after the crash.

call wait_for_delivery();
\echo
\echo '-- the server is up again; every revision of every order is in the audit table, once and in order:'
\echo
select (select sum(revision) from orders where id between 101 and 120) as changes_made,
       count(*) as changes_audited,
       count(*) filter (where revision <> nth) as out_of_place,
       (select count(*) from cache_invalidations where split_part(key, ':', 2)::int between 101 and 120) as invalidations
from (select revision, row_number() over (partition by id order by ctid) as nth
      from audit where id between 101 and 120) as a;

\echo
\echo '== The same stream for two workers of a consumer group, each a loop of psql'
\echo

create table billed (worker text, order_id int, sequence_number text);
select ddbstreams.create_consumer('billing', ddbstreams.latest_stream_arn('orders'));
