#!/bin/bash
# Writes each change of table orders to table audit, exactly once.
#
#     consumer.sh NAME
#
# This is one worker of the consumer group "audit". Start as many as you like,
# each with its own NAME. PGHOST, PGDATABASE, PGUSER and so on say where the
# database is. The program ends with an error when it loses the database; start
# it again, and it goes on where it was.

# one statement is one transaction: records, their effects and the checkpoints
while psql -X -q -t -A -o /dev/null -v ON_ERROR_STOP=1 -v worker="$1" <<'SQL'
with records as (
    select * from ddbstreams.poll('audit', :'worker', max_wait => '10 s')
), effects as (
    insert into audit (event, order_id, status)
    select event_name, (keys #>> '{id,N}')::int, new_image #>> '{status,S}'
    from records order by shard_id, sequence_number
)
select ddbstreams.checkpoint('audit', :'worker', shard_id, max(sequence_number))
from records group by shard_id
SQL
do :; done
exit 1
