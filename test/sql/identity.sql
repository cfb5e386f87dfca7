-- ddbstreams.user_identity: on whose behalf a row was changed.
--
-- To see it fail: test/mutations/run identity-as-in-events
-- identity-not-captured.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';

set client_min_messages = warning;
create extension if not exists ddbstreams;
drop role if exists regress_identity;
reset client_min_messages;

create role regress_identity;
create schema identity;
grant usage, create on schema identity to regress_identity;
set search_path = identity;
\pset format unaligned
\pset tuples_only on
\pset null '(null)'

-- what an identity looks like
set ddbstreams.user_identity = 'ada';
set ddbstreams.user_identity = ':ada';
set ddbstreams.user_identity = 'User:';
set ddbstreams.user_identity = ':';
set ddbstreams.user_identity = 'User:ada';
show ddbstreams.user_identity;
set ddbstreams.user_identity = '';
select length(set_config('ddbstreams.user_identity', 'User:' || repeat('x', 507), false));
select set_config('ddbstreams.user_identity', 'User:' || repeat('x', 508), false);
reset ddbstreams.user_identity;
show ddbstreams.user_identity;

-- every role may set it
set role regress_identity;
create table t (id int primary key, note text, k int default 0);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON') as iterator
from ddbstreams.describe_stream(:'arn') \gset

create function show_new(iterator text) returns table (event_name text, id text, user_identity text)
language sql as $$
    select event_name, keys->'id'->>'N', user_identity::text from ddbstreams.get_records(iterator)
$$;

insert into t values (1), (2), (3);
set ddbstreams.user_identity = 'User:ada';
insert into t values (4);
update t set note = 'a' where id = 1;
-- the key changes: both halves have it
update t set id = 20 where id = 2;
-- one that has changed nothing is nobody's
update t set note = note where id = 3;
reset ddbstreams.user_identity;
delete from t where id = 4;
select * from show_new(:'iterator');

-- the value at the change counts, not the one at commit
truncate t;
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'LATEST') as iterator
from ddbstreams.describe_stream(:'arn') \gset
begin;
set local ddbstreams.user_identity = 'Service:dynamodb.amazonaws.com';
insert into t values (1);
set local ddbstreams.user_identity = 'AssumedRole:arn:aws:sts::1:role/x:y';
insert into t values (2);
savepoint s;
set local ddbstreams.user_identity = 'User:never';
insert into t values (3);
rollback to s;
insert into t values (4);
set local ddbstreams.user_identity = '';
insert into t values (5);
commit;
show ddbstreams.user_identity;
insert into t values (6);
-- what JSON escapes
set ddbstreams.user_identity = E'User:a"\\\n';
insert into t values (8);
reset ddbstreams.user_identity;
-- one function's setting
create function as_service() returns void language sql
set ddbstreams.user_identity = 'Service:dynamodb.amazonaws.com' as 'delete from t where id = 5';
select as_service();
select * from show_new(:'iterator');

-- TRUNCATE, COPY and records with everything aside
set ddbstreams.user_identity = 'User:eve';
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'LATEST') as iterator
from ddbstreams.describe_stream(:'arn') \gset
truncate t;
copy t (id, note) from stdin;
9	copied
\.
create table wide (id int primary key, a text, b text, c text);
alter table wide alter column a set storage external, alter column b set storage plain;
select ddbstreams.enable_stream('wide', shard_count => 1) as wide \gset
insert into wide select 1, repeat('a', 100000), repeat('b', 7000), repeat('c', 1000);
update wide set b = repeat('B', 7900);
reset ddbstreams.user_identity;
update wide set c = 'c';
select event_name, user_identity, md5(new_image::text) = md5(format('{"id":{"N":"1"},"a":{"S":"%s"},"b":{"S":"%s"},"c":{"S":"%s"}}',
           repeat('a', 100000), case event_name when 'INSERT' then repeat('b', 7000) else repeat('B', 7900) end,
           case when user_identity is null then 'c' else repeat('c', 1000) end)) as whole,
       length(old_image::text)
from ddbstreams.describe_stream(:'wide'), ddbstreams.get_records(ddbstreams.get_shard_iterator(:'wide', shard_id, 'TRIM_HORIZON'));
select count(*), count(distinct user_identity::text) from ddbstreams.get_records(:'iterator');

-- each view type
create table viewed (id int primary key, v int);
set ddbstreams.user_identity = 'User:ada';
do $$
declare
    view_type text;
    arn text;
begin
    foreach view_type in array array['KEYS_ONLY', 'NEW_IMAGE', 'OLD_IMAGE', 'NEW_AND_OLD_IMAGES'] loop
        perform ddbstreams.enable_stream('viewed', view_type, shard_count => 1);
        insert into viewed values (1, null);
        update viewed set v = 2;
        delete from viewed;
        commit;
        arn := ddbstreams.disable_stream('viewed');
        raise notice '%', (select string_agg(concat_ws(' ', event_name, user_identity ->> 'principalId', keys, new_image, old_image), ', ' order by sequence_number)
            from ddbstreams.describe_stream(arn), ddbstreams.get_records(ddbstreams.get_shard_iterator(arn, shard_id, 'TRIM_HORIZON')));
        commit;
    end loop;
end
$$;
reset ddbstreams.user_identity;

-- aws() has it as the API does
select r->>'eventName', r->'userIdentity', r->'dynamodb'->'Keys'
from json_array_elements(ddbstreams.aws('GetRecords', json_build_object('ShardIterator', :'iterator'))->'Records') as r;
-- poll too
select count(ddbstreams.create_consumer('identity', :'arn'));
select event_name, user_identity from ddbstreams.poll('identity', 'w') where user_identity is not null limit 2;
select count(ddbstreams.drop_consumer('identity'));

reset role;
set client_min_messages = warning;
drop schema identity cascade;
drop owned by regress_identity;
drop role regress_identity;
