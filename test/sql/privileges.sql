-- Who may do what: no function lets a role read what it may not.
--
-- To see it fail: test/mutations/run 'definition-*' 'redrive-*'
-- failed-batches-without-select stats-for-everybody.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set row_security = on;
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create role regress_priv_owner;
create role regress_priv_reader;
create role regress_priv_other;
create role regress_priv_member in role regress_priv_owner;
create schema privileges authorization regress_priv_owner;
grant usage on schema privileges to public;
set search_path = privileges;

set role regress_priv_owner;
create table t (id int primary key, secret text);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
insert into t values (1, 'a'), (2, 'b');
select shard_id as shard, shard_table::oid as shard_oid from ddbstreams.describe_stream(:'arn') \gset
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON') as iterator \gset
select sequence_number as number from ddbstreams.get_records(:'iterator', 1) \gset
grant select on t to regress_priv_reader;

-- every call, by each role
reset role;
create function calls(arn text, shard text, iterator text, number text) returns table (call text)
language sql security definer as $$
    values (format('select ddbstreams.enable_stream(%L)', 'privileges.t')),
           (format('select ddbstreams.disable_stream(%L)', 'privileges.t')),
           (format('select ddbstreams.alter_stream(%L, %L)', arn, '1 day')),
           (format('select ddbstreams.latest_stream_arn(%L)', 'privileges.t')),
           (format('select ddbstreams.describe_stream(%L)', arn)),
           (format('select ddbstreams.get_shard_iterator(%L, %L, %L)', arn, shard, 'LATEST')),
           (format('select ddbstreams.get_shard_iterator(%L, %L, %L, %L)', arn, shard, 'AT_SEQUENCE_NUMBER', number)),
           (format('select ddbstreams.get_shard_iterator(%L, %L, %L)', arn, 'shardId-00000000000000000000-00000000', 'LATEST')),
           (format('select ddbstreams.next_shard_iterator(%L)', iterator)),
           (format('select ddbstreams.get_records(%L)', iterator)),
           (format('select ddbstreams.wait_for_records(%L, %L)', iterator, '1 s')),
           (format('select ddbstreams.changes(null::privileges.t)')),
           (format('select ddbstreams.changes(null::privileges.mine, stream_arn => %L)', arn)),
           (format('select ddbstreams.aws(%L, %L)', 'DescribeStream', json_build_object('StreamArn', arn))),
           (format('select ddbstreams.aws(%L, %L)', 'GetRecords', json_build_object('ShardIterator', iterator))),
           (format('select ddbstreams.aws(%L, %L)', 'DescribeTable', json_build_object('TableName', 'privileges.t')))
$$;
grant execute on function calls(text, text, text, text) to public;
create table mine (id int primary key, secret text);
grant select on mine to public;

-- The shape of a call without its arguments, and what comes of it
create function outcome(call text) returns text language sql as $$
    select substring(call from 'ddbstreams\.\w+') || ': ' || test.fails(call)
$$;
grant execute on function outcome(text) to public;
select outcome(call) from calls(:'arn', :'shard', :'iterator', :'number') where call !~ 'able_stream';
set role regress_priv_other;
select outcome(call) from calls(:'arn', :'shard', :'iterator', :'number');
select ddbstreams.aws('ListStreams', '{"TableName": "privileges.t"}')->'Streams';
select count(*) from ddbstreams.list_streams() where table_name like 'privileges.%';
set role regress_priv_reader;
select outcome(call) from calls(:'arn', :'shard', :'iterator', :'number');
set role regress_priv_member;
select outcome(call) from calls(:'arn', :'shard', :'iterator', :'number') where call !~ 'able_stream';
select test.fails($$ select ddbstreams.enable_stream('privileges.t') $$);
reset role;

-- the tables beneath
set role regress_priv_owner;
select test.fails(format('select * from ddbstreams_shards.%I', c.relname)) from pg_class as c
where relnamespace = 'ddbstreams_shards'::regnamespace and relname in ('stream', 'shard', 'row_descriptor', 'secret', 'id_seq') order by relname;
select test.fails(format('select * from ddbstreams_shards.%I', (select relname from pg_class where oid = :shard_oid)));
select test.fails('select ddbstreams_shards.make_secret()');
reset role;
grant usage on schema ddbstreams_shards to regress_priv_other;
set role regress_priv_other;
select test.fails(format('select * from ddbstreams_shards.%I', c.relname)) from pg_class as c
where relnamespace = 'ddbstreams_shards'::regnamespace and relname in ('stream', 'shard', 'row_descriptor', 'secret', 'id_seq') order by relname;
select test.fails(format('select * from ddbstreams_shards.%I', (select relname from pg_class where oid = :shard_oid)));
select test.fails('select ddbstreams_shards.make_secret()');
select test.fails('select ddbstreams_shards.refuse_change()');
select test.fails('create table ddbstreams_shards.mine (id int)');
reset role;
revoke usage on schema ddbstreams_shards from regress_priv_other;
select distinct relowner::regrole = (select extowner::regrole from pg_extension where extname = 'ddbstreams') as owner, relacl is null as no_acl
from pg_class where oid = :shard_oid;
-- default privileges of the caller change nothing
set role regress_priv_owner;
alter default privileges grant all on tables to public;
create table defaults (id int primary key);
select ddbstreams.enable_stream('defaults', shard_count => 1) as arn_defaults \gset
reset role;
select distinct relacl is null as no_acl from pg_class where oid in (select shard_table from ddbstreams.describe_stream(:'arn_defaults'));
set role regress_priv_owner;
alter default privileges revoke all on tables from public;
reset role;
alter default privileges grant all on tables to public;
set role regress_priv_owner;
select ddbstreams.disable_stream('defaults') <> '';
select ddbstreams.enable_stream('defaults', shard_count => 1) as arn_defaults \gset
reset role;
alter default privileges revoke all on tables from public;
select distinct relacl is null as no_acl from pg_class where oid in (select shard_table from ddbstreams.describe_stream(:'arn_defaults'));

-- a right on some columns is not enough
grant select (id) on t to regress_priv_other;
set role regress_priv_other;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
reset role;
revoke select (id) on t from regress_priv_other;

-- revoked: an iterator that was got in time is of no use
revoke select on t from regress_priv_reader;
set role regress_priv_reader;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
reset role;
grant select on t to regress_priv_reader;

--
-- Row-level security
--

alter table t enable row level security;
create policy first_row on t for select using (id = 1);
set role regress_priv_reader;
select count(*) from t;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select test.fails('select ddbstreams.changes(null::privileges.t)');
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn'));
select count(*) from ddbstreams.list_streams('t');
set row_security = off;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
reset row_security;
set role regress_priv_owner;
select count(*) from ddbstreams.get_records(:'iterator');
alter table t force row level security;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
-- altering, disabling and enabling are the owner's, whatever he may read
select test.fails(format('select ddbstreams.alter_stream(%L, %L)', :'arn', '2 days'));
alter table t no force row level security;
alter table t disable row level security;
revoke select on t from regress_priv_owner;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select test.fails(format('select ddbstreams.alter_stream(%L, %L)', :'arn', '3 days'));
select test.fails($$ select ddbstreams.disable_stream('privileges.t') $$);
grant select on t to regress_priv_owner;
revoke trigger on t from regress_priv_owner;
select test.fails($$ select ddbstreams.enable_stream('privileges.t', shard_count => 1) $$);
select ddbstreams.latest_stream_arn('t') as arn \gset
insert into t values (3, 'c');
select shard_id as shard from ddbstreams.describe_stream(:'arn') \gset
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON') as iterator \gset
reset role;

--
-- Owner and dropped table
--

create role regress_priv_new;
alter table t owner to regress_priv_new;
set role regress_priv_owner;
select test.fails(format('select ddbstreams.describe_stream(%L)', :'arn'));
reset role;
grant usage on schema privileges to regress_priv_new;
drop table t;
set role regress_priv_new;
select count(*) from ddbstreams.get_records(:'iterator');
select table_name, stream_status from ddbstreams.list_streams() where stream_arn = :'arn';
select ddbstreams.alter_stream(:'arn', '2 days') is null;
set role regress_priv_owner;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select count(*) from ddbstreams.list_streams() where stream_arn = :'arn';
set role regress_priv_reader;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select test.fails(format('select ddbstreams.alter_stream(%L, %L)', :'arn', '2 days'));
reset role;
-- a new table of the name gives no right to the old one's records
set role regress_priv_owner;
create table t (id int primary key, secret text);
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select test.fails(format('select ddbstreams.changes(null::privileges.t, stream_arn => %L)', :'arn'));
reset role;
-- nor does the role's name, once it is gone
set client_min_messages = warning;
drop owned by regress_priv_new;
drop role regress_priv_new;
create role regress_priv_new;
set role regress_priv_new;
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
reset role;
select count(*) from ddbstreams.list_streams() where stream_arn = :'arn';
select count(*) from ddbstreams.get_records(:'iterator');
-- a stream that was disabled before the drop belongs to the table's last owner, too
set role regress_priv_owner;
create table given (id int primary key, v text);
select ddbstreams.enable_stream('given', shard_count => 1) as given \gset
reset role;
alter table given owner to regress_priv_new;
grant usage on schema privileges to regress_priv_new;
set role regress_priv_new;
insert into given values (1, 'secret');
select ddbstreams.disable_stream('given') = :'given';
begin;
select ddbstreams.enable_stream('given', shard_count => 1) as again \gset
select ddbstreams.disable_stream('given') = :'again';
drop table given;
commit;
select count(*) from ddbstreams.newest_records(:'given');
select count(*) from ddbstreams.newest_records(:'again');
set role regress_priv_owner;
select test.fails(format('select ddbstreams.newest_records(%L)', :'given'));
select test.fails(format('select ddbstreams.newest_records(%L)', :'again'));
select test.fails(format('select ddbstreams.alter_stream(%L, %L)', :'given', '2 days'));
reset role;

--
-- The right TRIGGER is not enough to define a stream on somebody else's table
--

set role regress_priv_owner;
create table keyless (id int not null, v text);
create table keyed (id int primary key, v text);
grant trigger, select, insert on keyless, keyed to regress_priv_reader;
create function handler(event jsonb) returns void language sql as 'select null::void';
set role regress_priv_reader;
select test.fails(format('create trigger ddbstreams_capture after insert or update or delete on %s for each row execute function ddbstreams.capture(%s)', t, a))
from unnest(array['keyless', 'keyed']) t, unnest(array['', '''shard_count=3''', '''mapping={"role": "regress_priv_owner", "function_name": "privileges.handler", "starting_position": "LATEST"}''']) a;
-- other triggers are
create trigger other after insert on keyless for each row execute function suppress_redundant_updates_trigger();
set role regress_priv_owner;
alter table keyless add primary key (id);
select count(*) from ddbstreams.list_streams('keyless');
-- a definition that was there before the key is left alone
create table waits (id int not null);
create trigger ddbstreams_capture after insert or update or delete on waits for each row execute function ddbstreams.capture('shard_count=3');
alter table waits add primary key (id);
select count(*) from ddbstreams.list_streams('waits');
-- ... also if the transaction that adds the key does something to the trigger
create table touched (id int not null);
create trigger other_name after insert or update or delete on touched for each row execute function ddbstreams.capture('shard_count=3');
begin;
alter trigger other_name on touched rename to ddbstreams_capture;
alter table touched disable trigger user, enable trigger user, add primary key (id);
commit;
select count(*) from ddbstreams.list_streams('touched');
begin;
alter table waits disable trigger user;
savepoint s;
alter table waits enable trigger user;
release s;
alter table waits drop constraint waits_pkey;
alter table waits add primary key (id);
commit;
select count(*) from ddbstreams.list_streams('waits');
-- one that the owner makes now counts
create table defined (id int primary key);
create trigger ddbstreams_capture after insert or update or delete on defined for each row execute function ddbstreams.capture('shard_count=3');
select count(*) from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('defined'));
-- ... in this transaction, in an earlier subtransaction of it too
create table defined_in_parts (id int not null);
begin;
savepoint s;
create trigger ddbstreams_capture after insert or update or delete on defined_in_parts for each row execute function ddbstreams.capture('shard_count=3');
release s;
alter table defined_in_parts add primary key (id);
commit;
select count(*) from ddbstreams.describe_stream(ddbstreams.latest_stream_arn('defined_in_parts'));
reset role;

--
-- As whom a mapping runs: mapping_stats tells those who may see it
--

alter role regress_priv_owner login;
set role regress_priv_owner;
select ddbstreams.create_event_source_mapping('handler', ddbstreams.latest_stream_arn('defined'), 'LATEST', enabled => false) is not null;
select distinct function_name, role_name from ddbstreams.mapping_stats where stream_arn = ddbstreams.latest_stream_arn('defined');
reset role;
grant select on defined to regress_priv_reader;
set role regress_priv_reader;
select count(*) from ddbstreams.mapping_stats;
reset role;
grant pg_monitor to regress_priv_reader;
set role regress_priv_reader;
select distinct function_name, role_name from ddbstreams.mapping_stats where stream_arn = ddbstreams.latest_stream_arn('defined');
reset role;
revoke pg_monitor from regress_priv_reader;
--
-- Mappings and failed batches of other roles: by aws(), redrive() and the view
--

reset role;
revoke execute on function handler(jsonb) from public;
grant execute on function handler(jsonb) to regress_priv_owner;
alter role regress_priv_other login;
alter role regress_priv_reader login;
select uuid as mapping from ddbstreams.list_event_source_mappings(ddbstreams.latest_stream_arn('defined')) \gset
select ddbstreams.latest_stream_arn('defined') as arn \gset
select test.own_sql(format($$insert into ddbstreams_shards.failed_batch
    (id, mapping_no, mapping, role_id, stream_arn, shard_id, table_oid, failure, records, failed_at)
    select gen_random_uuid(), mapping_no, uuid, role_id, event_source_arn, 'shardId-1', 'privileges.defined'::regclass, '{}', '[1]', now()
    from ddbstreams_shards.mapping where uuid = %L$$, :'mapping'));
create function attacks(arn text, mapping text) returns table (call text) language sql security definer as $$
    select format('select ddbstreams.aws(%L, %L)', operation, request)
    from (values ('UpdateTable', json_build_object('TableName', 'privileges.defined', 'StreamSpecification', json_build_object('StreamEnabled', false))),
        ('UpdateTable', json_build_object('TableName', 'privileges.keyed', 'StreamSpecification',
            json_build_object('StreamEnabled', true, 'StreamViewType', 'KEYS_ONLY'))),
        ('CreateEventSourceMapping', json_build_object('FunctionName', 'privileges.handler', 'EventSourceArn', arn, 'StartingPosition', 'LATEST')),
        ('GetEventSourceMapping', json_build_object('UUID', mapping)),
        ('UpdateEventSourceMapping', json_build_object('UUID', mapping, 'Enabled', true)),
        ('UpdateEventSourceMapping', json_build_object('UUID', mapping, 'FunctionName', 'privileges.mine')),
        ('DeleteEventSourceMapping', json_build_object('UUID', mapping)),
        ('ListEventSourceMappings', json_build_object('EventSourceArn', arn)),
        ('ListEventSourceMappings', '{}'),
        ('ListStreams', json_build_object('TableName', 'privileges.defined'))) r (operation, request)
    union all select format('select ddbstreams.%s', f) from unnest(array[
        format('redrive(%L)', mapping), format('update_event_source_mapping(%L, enabled => true)', mapping),
        format('delete_event_source_mapping(%L)', mapping),
        format('create_event_source_mapping(%L, %L, %L)', 'privileges.handler', arn, 'LATEST'),
        format('create_event_source_mapping(%L, %L, %L, on_failure => %L)', 'privileges.mine', arn, 'LATEST', 'privileges.handler')]) f
$$;
grant execute on function attacks(text, text) to public;
create function mine(event jsonb) returns void language sql as 'select null::void';
create function answers(call text) returns text language plpgsql as $$
declare
    answer text;
begin
    execute call into answer;
    return substring(call from 'ddbstreams\.(\w+(?:\(''[A-Z]\w+)?)') || ': ' || coalesce(answer, 'null');
exception when others then
    return substring(call from 'ddbstreams\.(\w+(?:\(''[A-Z]\w+)?)') || ': ' || sqlstate;
end $$;
-- one that may not read the table
set role regress_priv_other;
select test.mask(answers(call)) from attacks(:'arn', :'mapping');
select count(*) from ddbstreams.failed_batches;
select ddbstreams.redrive();
-- one that may read it, and may not call the function
set role regress_priv_reader;
select test.mask(answers(call)) from attacks(:'arn', :'mapping');
select count(*) from ddbstreams.failed_batches;
select ddbstreams.redrive();
select ddbstreams.create_event_source_mapping('mine', :'arn', 'LATEST', enabled => false) is not null;
-- the mapping's own, while it may read the table
set role regress_priv_owner;
select count(*) from ddbstreams.failed_batches;
revoke select on defined from regress_priv_owner;
select count(*) from ddbstreams.failed_batches;
grant select on defined to regress_priv_owner;
select ddbstreams.redrive();
select redrive_pending, redriven_at is null from ddbstreams.failed_batches;
select enabled, function_name from ddbstreams.list_event_source_mappings(:'arn');
reset role;
-- nothing waits for ever for a stream that has expired
select test.own_sql('update ddbstreams_shards.failed_batch set redrive_at = null');
begin;
select test.own_sql('delete from ddbstreams_shards.stream where stream_arn = ' || quote_literal(:'arn'));
select ddbstreams.redrive(), ddbstreams.redrive(:'mapping');
rollback;

--
-- A conversion in changes() is code of other roles: it leaves no setting
-- behind in the session that reads
--

set role regress_priv_owner;
create table settings (id int primary key, v text);
select ddbstreams.enable_stream('settings', shard_count => 1) is not null;
insert into settings values (1, 'a');
create function sets(text) returns boolean language plpgsql as $$
begin
    perform set_config('search_path', 'trap', false), set_config('row_security', 'off', false);
    return true;
end $$;
create domain setting as text check (sets(value));
alter table settings alter v type setting;
reset role;
set search_path = privileges, public;
set row_security = on;
select new_image from ddbstreams.changes(null::settings);
show search_path;
show row_security;

--
-- ... and calls the function of a cast only for those who may call it
--

set role regress_priv_owner;
create type mood as enum ('calm', 'merry');
create function to_mood(text) returns mood language sql as 'select ''merry''::privileges.mood';
revoke execute on function to_mood(text) from public;
create cast (text as mood) with function to_mood(text) as assignment;
create table casts (id int primary key, v text);
select ddbstreams.enable_stream('casts', shard_count => 1) is not null;
insert into casts values (1, 'a');
alter table casts alter v type mood using 'calm';
grant select on casts to regress_priv_reader;
select new_image from ddbstreams.changes(null::casts);
set role regress_priv_reader;
select test.fails($$select 'a'::text::privileges.mood$$);
select new_image from ddbstreams.changes(null::casts);
reset role;

--
-- A definition that waits, for a key or for a dump and its restore, holds no
-- mapping of a role that its maker cannot become: a superuser may restore it
--

set role regress_priv_owner;
create table planted (id int not null);
create trigger ddbstreams_capture after insert or update or delete on planted for each row execute function
    ddbstreams.capture('shard_count=3', 'mapping={"role": "regress_priv_reader", "function_name": "privileges.handler", "starting_position": "LATEST"}',
    'mapping={"role": "regress_priv_owner", "function_name": "privileges.handler", "starting_position": "LATEST"}');
select tgnargs, encode(tgargs, 'escape') from pg_trigger where tgrelid = 'planted'::regclass;
-- ... nor one that gets there under another name
drop trigger ddbstreams_capture on planted;
create trigger other after insert or update or delete on planted for each row execute function
    ddbstreams.capture('mapping={"role": "regress_priv_reader", "function_name": "privileges.handler", "starting_position": "LATEST"}');
alter trigger other on planted rename to ddbstreams_capture;
select tgnargs, encode(tgargs, 'escape') from pg_trigger where tgrelid = 'planted'::regclass;
reset role;

--
-- What each kind of role sees of a stream, and may do with it
--

create role regress_priv_all login in role pg_read_all_data;
create role regress_priv_monitor login in role pg_monitor;
grant create on schema privileges to public;
set role regress_priv_owner;
create table shown (id int primary key, v text);
select ddbstreams.enable_stream('shown', shard_count => 1) as shown \gset
insert into shown values (1, 'a');
grant select on shown to regress_priv_reader;
select ddbstreams.create_event_source_mapping('handler', :'shown', 'LATEST', enabled => false) as mapping \gset
select ddbstreams.create_consumer('privileges', :'shown');
reset role;
select test.own_sql(format($$insert into ddbstreams_shards.failed_batch
    (id, mapping_no, mapping, role_id, stream_arn, shard_id, table_oid, failure, records, failed_at)
    select gen_random_uuid(), mapping_no, uuid, role_id, event_source_arn, 'shardId-1', 'privileges.shown'::regclass, '{}', '[1]', now()
    from ddbstreams_shards.mapping where uuid = %L$$, :'mapping'));
-- Each is a query that returns one row if the role may
create table question (no int generated always as identity, name text, query text);
grant select on question to public;
insert into question (name, query) values
    ('list_streams', $$from ddbstreams.list_streams() where stream_arn = $1$$),
    ('describe_stream', $$from ddbstreams.describe_stream($1)$$),
    ('shard_tree', $$from ddbstreams.shard_tree($1)$$),
    ('get_records', $$from ddbstreams.describe_stream($1), ddbstreams.get_records(ddbstreams.get_shard_iterator($1, shard_id, 'TRIM_HORIZON'))$$),
    ('newest_records', $$from ddbstreams.newest_records($1)$$),
    ('changes', $$from ddbstreams.changes(null::privileges.shown)$$),
    ('ListTables', $$from json_array_elements_text(ddbstreams.aws('ListTables')->'TableNames') as name where name = 'privileges.shown'$$),
    ('DescribeTable', $$from ddbstreams.aws('DescribeTable', '{"TableName": "privileges.shown"}')$$),
    ('create_consumer', $$from ddbstreams.create_consumer('privileges 2', $1)$$),
    ('poll', $$from ddbstreams.poll('privileges', 'w')$$),
    ('leases', $$from ddbstreams.leases('privileges')$$),
    ('create_event_source_mapping', $$from ddbstreams.create_event_source_mapping('privileges.mine', $1, 'LATEST')$$),
    ('list_event_source_mappings', $$from ddbstreams.list_event_source_mappings($1)$$),
    ('alter_stream', $$from ddbstreams.alter_stream($1, '1 day')$$),
    ('disable_stream', $$from ddbstreams.disable_stream('privileges.shown')$$),
    ('list_stream_stats', $$from ddbstreams.list_stream_stats($1)$$),
    ('stream_stats', $$from ddbstreams.stream_stats where stream_arn = $1$$),
    ('append_stats', $$from ddbstreams.append_stats where stream_arn = $1$$),
    ('mapping_stats', $$from ddbstreams.mapping_stats where stream_arn = $1$$),
    ('consumer_stats', $$from ddbstreams.consumer_stats where stream_arn = $1$$),
    ('failed_batches', $$from ddbstreams.failed_batches where stream_arn = $1$$);
create function answer(role name, query text, arn text) returns text language plpgsql as $$
declare
    rows text;
begin
    perform set_config('role', role, true);
    execute 'select count(*)' || query using arn into rows;
    raise exception '%', case when rows::int > 0 then 'yes' else 'nothing' end;
exception when others then
    return case when sqlstate = '42501' then '-' else sqlerrm end;
end $$;
grant execute on function answer(name, text, text) to public;
\pset tuples_only off
select name, answer('regress_priv_owner', query, :'shown') as owner, answer('regress_priv_reader', query, :'shown') as reader,
    answer('regress_priv_all', query, :'shown') as read_all_data, answer('regress_priv_monitor', query, :'shown') as monitor,
    answer('regress_priv_other', query, :'shown') as nobody
from question order by no;
-- the mapping's role, without the right to read the table
set role regress_priv_owner;
revoke select on shown from regress_priv_owner;
reset role;
select name, answer('regress_priv_owner', query, :'shown') as owner from question
where name in ('get_records', 'list_event_source_mappings', 'mapping_stats', 'consumer_stats', 'failed_batches', 'alter_stream') order by no;
\pset tuples_only on
select ddbstreams.drop_consumer('privileges');

\set VERBOSITY terse
drop schema privileges cascade;
drop owned by regress_priv_owner, regress_priv_reader, regress_priv_other, regress_priv_member, regress_priv_new,
    regress_priv_all, regress_priv_monitor;
drop role regress_priv_member, regress_priv_all, regress_priv_monitor;
drop role regress_priv_owner, regress_priv_reader, regress_priv_other, regress_priv_new;
