-- A tool that makes a table anew copies its triggers one by one, as
-- undistribute_table of Citus does: the first one brings the stream, which makes
-- the second.
--
-- To see it fail: test/mutations/run copied-trigger-is-made-twice.

-- settings that the output below depends on
set quote_all_identifiers = off;
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema copied_triggers;
set search_path = copied_triggers, public;

create table t (id int primary key, v text);
select ddbstreams.enable_stream('t', 'KEYS_ONLY', shard_count => 3) as arn \gset
create function copy_triggers(source regclass, target text, backwards bool default false) returns void language plpgsql as $$
declare
    command text;
begin
    for command in select regexp_replace(pg_get_triggerdef(oid), ' ON \S+ ', format(' ON %s ', target))
        from pg_trigger where tgrelid = source and not tgisinternal
        order by case when backwards then -oid::int8 else oid::int8 end loop
        execute command;
    end loop;
end $$;
create view triggers as
select tgrelid::regclass as name, tgname, tgenabled from pg_trigger where tgrelid::regclass::text like 't%' and not tgisinternal;

-- in a transaction that puts the copy in the place of the table
\set VERBOSITY terse
begin;
create table t_copy (like t including all);
select copy_triggers('copied_triggers.t', 'copied_triggers.t_copy');
insert into t_copy select * from t;
alter table t_copy enable always trigger ddbstreams_capture;
alter table t_copy enable always trigger ddbstreams_capture_truncate;
alter trigger ddbstreams_capture_truncate on t_copy depends on extension ddbstreams;
drop table t;
alter table t_copy rename to t;
commit;
select * from triggers order by 1, 2;
select stream_view_type, stream_status, (select count(*) from ddbstreams.describe_stream(stream_arn)) from ddbstreams.list_streams('t');
insert into t values (1, 'a');
truncate t;
select event_name, keys from test.records('t');

-- in the other order, and one by one
create table t_backwards (like t including all);
select copy_triggers('t', 'copied_triggers.t_backwards', true);
select * from triggers where name = 't_backwards'::regclass order by 2;
insert into t_backwards values (1, 'a');
truncate t_backwards;
select event_name, keys from test.records('t_backwards');

-- what is not the same trigger is not passed over
create table t_other (id int primary key);
select ddbstreams.enable_stream('t_other', shard_count => 1) is not null;
create trigger ddbstreams_capture_truncate before truncate on t_other for each statement execute function ddbstreams.capture_truncate();
select c || ': ' || test.fails('create trigger ddbstreams_capture_truncate ' || c) from unnest(array[
    'after truncate on copied_triggers.t_other for each statement execute function ddbstreams.capture_truncate()',
    'before truncate or delete on copied_triggers.t_other for each statement execute function ddbstreams.capture_truncate()',
    'before truncate on copied_triggers.t_other for each statement execute function suppress_redundant_updates_trigger()',
    'before delete on copied_triggers.t_other for each row execute function ddbstreams.capture_truncate()']) c;
create role regress_copier;
grant usage on schema copied_triggers to regress_copier;
set role regress_copier;
select test.fails('create trigger ddbstreams_capture_truncate before truncate on copied_triggers.t_other for each statement execute function ddbstreams.capture_truncate()');
reset role;
revoke usage on schema copied_triggers from regress_copier;
drop role regress_copier;

set client_min_messages = warning;
drop schema copied_triggers cascade;
