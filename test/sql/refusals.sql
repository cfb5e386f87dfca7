-- Each SQLSTATE that the COMMENT of a function names can be had from it, and it
-- names each that can be had.  And no argument whose default is no null may be null.
--
-- To see it fail: test/mutations/run null-is-silent refusal-unnamed
-- statement-named-to-caller.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';

\pset format unaligned
\pset tuples_only on
create schema refusals;
set search_path = refusals, public;
set client_min_messages = error;

create role regress_refusals;
grant usage on schema refusals to regress_refusals;
create table orders (id int primary key, v text);
create table items (id int primary key);
create table taken (id int primary key);
create view seen as select 1 as id;
create type address as (street text);
create function handler(event jsonb) returns void language sql as 'select';
create function another(event jsonb) returns void language sql as 'select';
create function other(event jsonb) returns void language sql as 'select';
create function wrong(event text) returns int language sql as 'select 1';
revoke execute on function another(jsonb) from public;
create function nothing() returns trigger language plpgsql as 'begin return null; end';
create trigger ddbstreams_capture after insert on taken execute function nothing();

select ddbstreams.enable_stream('orders', shard_count => 1) as arn \gset
select shard_id as shard from ddbstreams.describe_stream(:'arn') \gset
insert into orders values (1, 'a');
select ddbstreams.create_event_source_mapping('handler', :'arn', 'LATEST', enabled => false) as mapping \gset
select ddbstreams.create_event_source_mapping('another', :'arn', 'LATEST', enabled => false) is not null;
select ddbstreams.create_consumer('refusals', :'arn');
select max(sequence_number) as number from ddbstreams.poll('refusals', 'w') \gset
-- a stream whose shard is closed, that of a table which is dropped, and one that
-- has expired
create table closed (id int primary key);
select ddbstreams.enable_stream('closed', shard_count => 1) as closed \gset
select ddbstreams.disable_stream('closed') is not null;
create table dropped (id int primary key);
select ddbstreams.enable_stream('dropped', shard_count => 1) as dropped \gset
select ddbstreams.get_shard_iterator(:'dropped', shard_id, 'TRIM_HORIZON') as dropped_iterator
from ddbstreams.describe_stream(:'dropped') \gset
drop table dropped;
create table gone (id int primary key);
select ddbstreams.enable_stream('gone', shard_count => 1, retention => '1 hour') as gone \gset
select ddbstreams.get_shard_iterator(:'gone', shard_id, 'TRIM_HORIZON') as gone_iterator
from ddbstreams.describe_stream(:'gone') \gset
select ddbstreams.create_consumer('gone', :'gone');
select ddbstreams.disable_stream('gone') is not null;
set ddbstreams.clock_offset = '2h';
select ddbstreams_shards.expire(:'gone');
reset ddbstreams.clock_offset;

-- What <...> stands for in a call
create table argument as
select * from (values ('arn', :'arn'), ('shard', :'shard'), ('number', :'number'), ('mapping', :'mapping'),
    ('iterator', ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON')),
    ('at number', ddbstreams.get_shard_iterator(:'arn', :'shard', 'AT_SEQUENCE_NUMBER', :'number')),
    ('closed', :'closed'), ('gone', :'gone'), ('gone iterator', :'gone_iterator'),
    ('dropped', :'dropped'), ('dropped iterator', :'dropped_iterator'),
    ('malformed', 'arn:aws:dynamodb:'), ('no stream', regexp_replace(:'arn', '/stream/.*', '/stream/2001-01-01T00:00:00.000')),
    ('no shard', 'shardId-00000000000000000000-00000000'), ('no uuid', '00000000-0000-0000-0000-000000000000')) as a (name, value);

-- What is tried: the arguments of a call, or a command, given one of the states
-- below.
create table refusal (function name, state text, given text, call text);
create table given (name text, command text);
grant select on argument, refusal, given to public;
insert into given values
    ('nobody', 'set local role regress_refusals'),
    ('reader', 'grant select on orders to regress_refusals; set local role regress_refusals'),
    ('read only', 'set local transaction_read_only = on'),
    ('changed', 'insert into orders values (2)'),
    ('mine', 'create trigger mine after insert on items for each row execute function ddbstreams.capture();'
             'create trigger mine_2 before truncate on items execute function ddbstreams.capture_truncate()'),
    ('enabled', 'set local allow_system_table_mods = on;'
                'update pg_trigger set tgenabled = ''A'' where tgrelid = ''closed''::regclass;'
                'update pg_class set relname = relname where oid = ''closed''::regclass'),
    ('later', 'set local ddbstreams.clock_offset = ''2d'''),
    ('old', 'set local ddbstreams.iterator_lifetime = ''1s''');

copy refusal from stdin delimiter '|';
enable_stream|22023||'orders'
enable_stream|22023||'items', 'ALL'
enable_stream|22023||'items', retention => '1 s'
enable_stream|42809||'seen'
enable_stream|42501|nobody|'items'
enable_stream|42704||0
enable_stream|42710||'taken'
enable_stream|55006||select ddbstreams.enable_stream('items') from items right join (select 1) as one on true
enable_stream|25006|read only|'items'
disable_stream|22023||'items'
disable_stream|42501|nobody|'orders'
disable_stream|42704||0
disable_stream|55006|changed|'orders'
disable_stream|55006||select ddbstreams.disable_stream('orders') from orders
disable_stream|25006|read only|'orders'
alter_stream|22023||'<malformed>', '1 day'
alter_stream|22023||'<arn>', '101 years'
alter_stream|42704||'<no stream>', '1 day'
alter_stream|42501|nobody|'<arn>', '1 day'
alter_stream|25006|read only|'<arn>', '1 day'
latest_stream_arn|42501|nobody|'orders'
latest_stream_arn|42704||0
list_streams|42704||0
describe_stream|22023||'<malformed>'
describe_stream|42704||'<no stream>'
describe_stream|42704||'<gone>'
describe_stream|42501|nobody|'<arn>'
describe_stream|42501|nobody|'<dropped>'
get_shard_iterator|22023||'<arn>', '<shard>', 'NEWEST'
get_shard_iterator|22023||'<arn>', '<shard>', 'AT_SEQUENCE_NUMBER', '1'
get_shard_iterator|22023||'<arn>', '<shard>', 'AT_SEQUENCE_NUMBER'
get_shard_iterator|22023||'<arn>', '<shard>', 'LATEST', '<number>'
get_shard_iterator|22023||'<arn>', '<shard>', 'AT_TIMESTAMP', at => 'infinity'
get_shard_iterator|42704||'<no stream>', '<shard>', 'LATEST'
get_shard_iterator|42704||'<arn>', '<no shard>', 'LATEST'
get_shard_iterator|42501|nobody|'<arn>', '<shard>', 'LATEST'
get_shard_iterator|ZS002|later|'<arn>', '<shard>', 'AT_SEQUENCE_NUMBER', '<number>'
get_records|22023||'<iterator>x'
get_records|22023||'<iterator>', 1001
get_records|ZS001|old|'<iterator>'
get_records|ZS002|later|'<at number>'
get_records|42704||'<gone iterator>'
get_records|42501|nobody|'<iterator>'
get_records|42501|nobody|'<dropped iterator>'
next_shard_iterator|22023||'<iterator>x'
next_shard_iterator|ZS001|old|'<iterator>'
next_shard_iterator|42704||'<gone iterator>'
next_shard_iterator|42501|nobody|'<iterator>'
wait_for_records|22023||'<iterator>x', '0'
wait_for_records|22023||'<iterator>', '25 hours'
wait_for_records|ZS001|old|'<iterator>', '0'
wait_for_records|25001||'<iterator>', '0'
wait_for_records|42704||'<gone iterator>', '0'
wait_for_records|42501|nobody|'<iterator>', '0'
newest_records|22023||'<malformed>'
newest_records|22023||'<arn>', 0
newest_records|42704||'<no stream>'
newest_records|42501|nobody|'<arn>'
changes|42809||1
changes|42P01||'nowhere'
changes|42704||null::items
changes|42704||null::address
changes|42704||null::orders, stream_arn => '<no stream>'
changes|42501|nobody|null::orders
changes|22023||null::orders, stream_arn => '<malformed>'
unmarshal|22023||null
unmarshal|22023||'[]'
split_shard|55006||'<arn>', '<shard>'
split_shard|42704||'<no stream>', '<shard>'
split_shard|42704||'<arn>', '<no shard>'
split_shard|42501|nobody|'<arn>', '<shard>'
split_shard|25006|read only|'<arn>', '<shard>'
roll_over|55006||'<arn>'
roll_over|55006|changed|'<arn>'
roll_over|22023||'<malformed>'
roll_over|42704||'<no stream>'
roll_over|42501|nobody|'<arn>'
roll_over|25006|read only|'<arn>'
shard_tree|22023||'<malformed>'
shard_tree|42704||'<no stream>'
shard_tree|42501|nobody|'<arn>'
shard_graph|22023||'<malformed>'
shard_graph|42704||'<no stream>'
shard_graph|42501|nobody|'<arn>'
list_stream_stats|22023||'<malformed>'
list_stream_stats|42704||'<no stream>'
list_stream_stats|42501|nobody|'<arn>'
create_event_source_mapping|22023||'other', '<arn>', 'LATEST', batch_size => 0
create_event_source_mapping|22023||'other', '<no stream>', 'LATEST'
create_event_source_mapping|22023||0, '<arn>', 'LATEST'
create_event_source_mapping|42809||'wrong', '<arn>', 'LATEST'
create_event_source_mapping|42710||'handler', '<arn>', 'LATEST'
create_event_source_mapping|42501|nobody|'other', '<arn>', 'LATEST'
create_event_source_mapping|42501|reader|'another', '<arn>', 'LATEST'
create_event_source_mapping|25006|read only|'other', '<arn>', 'LATEST'
update_event_source_mapping|22023||'<mapping>', batch_size => 0
update_event_source_mapping|22023||'<mapping>', 0
update_event_source_mapping|42809||'<mapping>', 'wrong'
update_event_source_mapping|42704||'<no uuid>'
update_event_source_mapping|42710||'<mapping>', 'another'
update_event_source_mapping|42501|nobody|'<mapping>', batch_size => 1
update_event_source_mapping|25006|read only|'<mapping>', batch_size => 1
delete_event_source_mapping|42704||'<no uuid>'
delete_event_source_mapping|42501|nobody|'<mapping>'
delete_event_source_mapping|25006|read only|'<mapping>'
list_event_source_mappings|22023||'<malformed>'
list_event_source_mappings|42704||function_name => 0
filter_matches|22023||'{"a": 1}', '{}'
filter_matches|22023||'{"a": [1]}', '[]'
redrive|42704||'<no uuid>'
redrive|42704|nobody|'<mapping>'
redrive|25006|read only|null
create_consumer|22023||'', '<arn>'
create_consumer|22023||'c', '<malformed>'
create_consumer|22023||'c', '<arn>', lease_duration => '0.9 s'
create_consumer|42710||'refusals', '<arn>'
create_consumer|42704||'c', '<no stream>'
create_consumer|42501|nobody|'c', '<arn>'
create_consumer|25006|read only|'c', '<arn>'
drop_consumer|42704||'none'
drop_consumer|42501|nobody|'refusals'
drop_consumer|25006|read only|'refusals'
poll|22023||'refusals', 'w', 0
poll|22023||'refusals', ''
poll|42704||'none', 'w'
poll|42704||'gone', 'w'
poll|42501|nobody|'refusals', 'w'
poll|25001||'refusals', 'w'
poll|25006|read only|'refusals', 'w'
checkpoint|55006||'refusals', 'v', '<shard>', '<number>'
checkpoint|22023||'refusals', 'w', '<shard>', '1'
checkpoint|22023||'refusals', 'w', '<shard>', '000000000000000000001'
checkpoint|22023||'refusals', 'w', '<shard>', repeat('9', 21)
checkpoint|42704||'none', 'w', '<shard>', '<number>'
checkpoint|42704||'refusals', 'w', '<no shard>', '<number>'
checkpoint|42704||'gone', 'w', '<shard>', '<number>'
checkpoint|42501|nobody|'refusals', 'w', '<shard>', '<number>'
checkpoint|25006|read only|'refusals', 'w', '<shard>', '<number>'
leases|42704||'none'
leases|42704||'gone'
leases|42501|nobody|'refusals'
aws|22023||'PutItem'
aws|22023||'ListStreams', '[]'
capture|39P01|mine|insert into items values (1)
capture|55000|enabled|insert into closed values (1)
capture_truncate|39P01|mine|truncate items
capture_truncate|55000|enabled|truncate closed
\.

-- Tries a call, takes back what it has done, and says what it was told.
create function try(called refusal) returns text language plpgsql as $$
declare
    command text := case when called.call ~ '^[a-z]+ ' then called.call
                    else format('select ddbstreams.%s(%s)', called.function, called.call) end;
    a argument;
begin
    for a in select * from argument loop
        command := replace(command, '<' || a.name || '>', a.value);
    end loop;
    execute concat_ws(';', (select g.command from given as g where g.name = called.given), command);
    raise exception 'no error';
exception when others then
    perform set_config('refusals.message', sqlerrm, false);
    -- a caller knows the function, and not the statements in it
    return case when sqlstate = 'P0001' or sqlstate = '25006' and strpos(sqlerrm, called.function || '()') = 0
                then sqlerrm else sqlstate end;
end $$;

-- iterators grow old
select pg_sleep(1.1);
create table tried as select *, try(r) as told from refusal as r where state <> '25001';
begin isolation level repeatable read;
insert into tried select *, try(r) from refusal as r where state = '25001';
commit;
-- what is had by other tests, and what cannot be had in a function
insert into tried (function, state, call) values
    ('get_records', 'ZS003', 'isolation readers'),
    ('split_shard', 'ZS003', 'regress streams'),
    ('create_event_source_mapping', 'ZS003', 'regress mapping'),
    ('create_consumer', 'ZS003', 'regress consumer'),
    ('delete_event_source_mapping', '55006', 'tap mapping');
\set VERBOSITY sqlstate
select min(shard_id) as shard from ddbstreams.describe_stream(:'arn') where ending_sequence_number is null \gset
select ddbstreams.split_shard(:'arn', :'shard') is not null as split;
select ddbstreams.split_shard(:'arn', :'shard');
insert into tried (function, state, told) values ('split_shard', '22023', :'LAST_ERROR_SQLSTATE');
select ddbstreams.roll_over(:'closed');
insert into tried (function, state, told) values ('roll_over', '22023', :'LAST_ERROR_SQLSTATE');
\set VERBOSITY default
select function, state, told, given, call from tried where told <> state;

-- What COMMENTs name
create function named(function regproc) returns setof text language sql as $$
    select (regexp_matches(regexp_replace(obj_description(function, 'pg_proc'), '^.*\nErrors:', ''), '^([0-9A-Z]{5}): ', 'gn'))[1]
$$;
create table named as
select distinct proname as function, state
from pg_proc, lateral named(pg_proc.oid) as state where pronamespace = 'ddbstreams'::regnamespace;
select 'not named', function, state, call from tried
where state not in (select n.state from named as n where n.function = tried.function);
select 'not tried', function, state from named
where (function, state) not in (select function, state from tried)
order by function, state;

--
-- A null where no default is null is an error, never a silent empty answer
--

create table called (function name, arguments text);
copy called from stdin delimiter '|';
enable_stream|'items'; 'KEYS_ONLY'; 1; '{id}'; '1 day'
disable_stream|'orders'
alter_stream|'<arn>'; '1 day'
latest_stream_arn|'orders'
list_streams|'orders'
describe_stream|'<arn>'; '<shard>'
get_shard_iterator|'<arn>'; '<shard>'; 'LATEST'; null; null
get_records|'<iterator>'; 10
next_shard_iterator|'<iterator>'
wait_for_records|'<iterator>'; '0'
newest_records|'<arn>'; 10
unmarshal|'{}'
split_shard|'<arn>'; '<shard>'
roll_over|'<arn>'
shard_tree|'<arn>'
shard_graph|'<arn>'
create_event_source_mapping|'other'; '<arn>'; 'LATEST'; 1; '0'; 1; null; -1; false; null; null; '{}'; null; false
update_event_source_mapping|'<mapping>'; null; null; null; null; null; null; null; null; null; null; null; null
delete_event_source_mapping|'<mapping>'
list_event_source_mappings|null; null
filter_matches|'{"a": [1]}'; '{}'
redrive|null
create_consumer|'c'; '<arn>'; 'LATEST'; '1 s'
drop_consumer|'refusals'
poll|'refusals'; 'w'; 1; '0'
checkpoint|'refusals'; 'w'; '<shard>'; '<number>'
leases|'refusals'
aws|'ListTables'; '{}'
list_stream_stats|'<arn>'
\.

-- What a call says with a null in one place
create function try_null(function name, arguments text[], place int) returns text language plpgsql as $$
begin
    arguments[place] := 'null';
    return concat_ws(' ', try((function, null, null, array_to_string(arguments, ', '))::refusal),
        substring(current_setting('refusals.message')
                  from '^1 validation error detected: (Value null at ''[a-zA-Z._]+'') failed to satisfy constraint: Member must not be null$'));
end $$;
select p.proname as function, place, try_null(p.proname, string_to_array(arguments, '; '), place) as told
from called join pg_proc as p on p.proname = called.function and p.pronamespace = 'ddbstreams'::regnamespace,
    generate_series(1, p.pronargs) as place
where pg_get_function_arg_default(p.oid, place) is null or pg_get_function_arg_default(p.oid, place) !~ '^NULL'
order by p.proname, place;
-- what is not called: triggers, and changes(), whose null has a type
select distinct proname from pg_proc where pronamespace = 'ddbstreams'::regnamespace and pronargs > 0
except select function from called;

select ddbstreams.delete_event_source_mapping(uuid) from ddbstreams.list_event_source_mappings(:'arn');
select ddbstreams.drop_consumer(consumer_name) from unnest(array['refusals', 'gone']) as consumer_name;
drop owned by regress_refusals;
drop role regress_refusals;

\set VERBOSITY terse
drop schema refusals cascade;
