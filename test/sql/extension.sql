-- The extension itself: what it makes, how it is documented, and to whom it
-- belongs. It runs first, and makes the helpers of the other tests (schema
-- test), which print nothing that differs from run to run.

-- settings that the output below depends on
set ddbstreams.buffer_memory = '64MB';
set ddbstreams.default_shard_count = 4;
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set intervalstyle = postgres_verbose;

create extension ddbstreams;

\pset format unaligned
\pset tuples_only on

select extname, extversion, extrelocatable, (select rolsuper from pg_roles where oid = extowner) as superuser
from pg_extension where extname = 'ddbstreams';
alter extension ddbstreams set schema public;

--
-- Public functions: names and order of arguments, results, properties
--

select p.oid::regprocedure::text || E'\n    '
       || pg_get_function_arguments(p.oid) || E'\n    returns '
       || pg_get_function_result(p.oid) || E'\n    '
       || case p.provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end
       || case p.proparallel when 'u' then ', unsafe' when 'r' then ', restricted' else ', safe' end
       || case when p.prosecdef then ', security definer' else '' end
       || case when p.proisstrict then ', strict' else '' end
from pg_proc as p
where p.pronamespace = 'ddbstreams'::regnamespace
order by p.oid::regprocedure::text collate "C";

-- everything in the schemas belongs to the extension
select pg_describe_object(classid, objid, 0) as stranger
from (select 'pg_proc'::regclass as classid, oid as objid from pg_proc
      where pronamespace in ('ddbstreams'::regnamespace, 'ddbstreams_shards'::regnamespace)
      union all
      select 'pg_class', oid from pg_class
      where relnamespace in ('ddbstreams'::regnamespace, 'ddbstreams_shards'::regnamespace)
        and relkind in ('r', 'v', 'S', 'p', 'm', 'f')
      union all
      select 'pg_namespace', oid from pg_namespace where nspname like 'ddbstreams%') as o
where not exists (select from pg_depend as d
                  where d.classid = o.classid and d.objid = o.objid and deptype = 'e');

-- a comment on every public object, and on the tables of the other schema
select pg_describe_object(d.classid, d.objid, 0) as undocumented
from pg_depend as d
where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
  and d.refobjid = (select oid from pg_extension where extname = 'ddbstreams')
  and obj_description(d.objid, d.classid::regclass::name) is null
  -- from 16 on a table's row type and array types are members, too
  and not (d.classid = 'pg_type'::regclass
           and exists (select from pg_type as t left join pg_class as c on c.oid = t.typrelid
                       where t.oid = d.objid and (t.typcategory = 'A' or c.relkind <> 'c')))
order by 1;
select obj_description(oid, 'pg_extension') is not null as described
from pg_extension where extname = 'ddbstreams';

-- arguments have names
select p.oid::regprocedure as nameless from pg_proc as p
where p.pronamespace = 'ddbstreams'::regnamespace and pronargs > 0
  and (proargnames is null or '' = any (proargnames));

--
-- Privileges
--

create role regress_ddbstreams_nobody;
select has_schema_privilege('regress_ddbstreams_nobody', 'ddbstreams', 'usage') as usage,
       has_schema_privilege('regress_ddbstreams_nobody', 'ddbstreams', 'create') as creates,
       has_schema_privilege('regress_ddbstreams_nobody', 'ddbstreams_shards', 'usage') as usage_of_shards,
       has_schema_privilege('regress_ddbstreams_nobody', 'ddbstreams_shards', 'create') as creates_shards;
select p.oid::regprocedure as not_executable from pg_proc as p
where p.pronamespace = 'ddbstreams'::regnamespace
  and not has_function_privilege('regress_ddbstreams_nobody', p.oid, 'execute');
select p.oid::regprocedure as executable from pg_proc as p
where p.pronamespace = 'ddbstreams_shards'::regnamespace
  and has_function_privilege('regress_ddbstreams_nobody', p.oid, 'execute')
order by p.proname collate "C";
select c.oid::regclass as readable from pg_class as c
where c.relnamespace = 'ddbstreams_shards'::regnamespace and relkind in ('r', 'S')
  and (relkind = 'r' and has_table_privilege('regress_ddbstreams_nobody', c.oid,
                         'select, insert, update, delete, truncate, references, trigger')
       or relkind = 'S' and has_sequence_privilege('regress_ddbstreams_nobody', c.oid, 'usage, select, update'));
select p.oid::regprocedure as unsafe_definer from pg_proc as p
where p.pronamespace in ('ddbstreams'::regnamespace, 'ddbstreams_shards'::regnamespace)
  and p.prosecdef and not coalesce(p.proconfig::text ~ 'search_path="?pg_catalog, pg_temp', false);
drop role regress_ddbstreams_nobody;

--
-- Settings
--

select name, boot_val, coalesce(unit, '-') as unit, context, min_val, max_val,
       short_desc is not null and short_desc <> '' as described
from pg_settings where name like 'ddbstreams.%' order by name collate "C";

-- the texts of out-of-range errors differ between versions
\set VERBOSITY sqlstate
set ddbstreams.region = '';
set ddbstreams.region = 'EU West';
set ddbstreams.region = 'eu/west';
set ddbstreams.account_id = '1';
set ddbstreams.account_id = '12345678901a';
set ddbstreams.account_id = '';
set ddbstreams.default_shard_count = 0;
set ddbstreams.default_shard_count = 1025;
set ddbstreams.iterator_lifetime = -1;
set ddbstreams.iterator_lifetime = '2 min';
show ddbstreams.iterator_lifetime;
set ddbstreams.max_readers_per_shard = -1;
set ddbstreams.buffer_memory = 0;
set ddbstreams.buffer_memory = '1MB';
set ddbstreams.nonsense = 1;
\set VERBOSITY default

--
-- What is not to be called
--

select ddbstreams.capture();
select ddbstreams.capture_truncate();
select ddbstreams_shards.make_secret();
select ddbstreams_shards.refuse_change();
create table own_trigger (id int primary key);
create trigger mine after insert on own_trigger
    for each row execute function ddbstreams.capture();
insert into own_trigger values (1);
drop trigger mine on own_trigger;
create trigger mine before truncate on own_trigger
    for each statement execute function ddbstreams.capture_truncate();
truncate own_trigger;
drop trigger mine on own_trigger;
drop table own_trigger;

--
-- Helpers of the other tests
--

create schema test;
grant usage on schema test to public;

-- Hides what differs from run to run.
create function test.mask(value text) returns text
language sql immutable as $$
    select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
           value,
           '[|]1[|][A-Za-z0-9+/=]+', '|1|…', 'g'),
           '\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}', 'LABEL', 'g'),
           'shardId-\d{20}-[0-9a-f]{8}', 'SHARD', 'g'),
           'shard_\d+', 'shard_N', 'g'),
           'side_\d+', 'side_N', 'g'),
           '\m\d{21}\M', 'NUMBER', 'g')
$$;

-- Runs a statement that may write to the tables of ddbstreams.
create function test.own_sql(statement text) returns void
language c strict as 'ddbstreams', 'ddbstreams_run_own_sql';
revoke all on function test.own_sql(text) from public;

-- Runs a command that ought to fail; returns the SQLSTATE and the message, and
-- the hint if there is one.
create function test.fails(command text) returns text
language plpgsql as $$
declare
    message text;
    hint text;
    state text;
begin
    execute command;
    return 'no error';
exception when others then
    get stacked diagnostics message = message_text, hint = pg_exception_hint,
                            state = returned_sqlstate;
    return test.mask(state || ': ' || message || coalesce(E'\n  hint: ' || nullif(hint, ''), ''));
end
$$;

-- The records of a stream, the latest of its table, from the oldest on, shard
-- by shard, read in pages of page_size.
create function test.records(table_name regclass, stream_arn text default null,
                             page_size int default 1000)
returns table (event_name text, keys json, new_image json, old_image json,
               size_bytes bigint, transaction_id xid8, sequence_number text)
language plpgsql as $$
declare
    arn text := coalesce(stream_arn, ddbstreams.latest_stream_arn(table_name));
    shard text;
    iterator text;
    r record;
    n int;
begin
    for shard in select shard_id from ddbstreams.describe_stream(arn) loop
        iterator := ddbstreams.get_shard_iterator(arn, shard, 'TRIM_HORIZON');
        while iterator is not null loop
            n := 0;
            for r in select * from ddbstreams.get_records(iterator, page_size) loop
                n := n + 1;
                event_name := r.event_name;
                keys := r.keys;
                new_image := r.new_image;
                old_image := r.old_image;
                size_bytes := r.size_bytes;
                transaction_id := r.transaction_id;
                sequence_number := r.sequence_number;
                iterator := r.next_shard_iterator;
                return next;
            end loop;
            exit when n = 0;
        end loop;
    end loop;
end
$$;

-- The same, plain JSON: event, new and old image (for want of both, the
-- keys as new image).
create function test.plain(table_name regclass, stream_arn text default null)
returns table (event_name text, new_image json, old_image json)
language sql as $$
    select event_name,
           case when new_image is not null then ddbstreams.unmarshal(new_image)
                when old_image is null then ddbstreams.unmarshal(keys) end,
           case when old_image is not null then ddbstreams.unmarshal(old_image) end
    from test.records(table_name, stream_arn)
$$;

-- How many records there are of each kind.
create function test.counts(table_name regclass) returns text
language sql as $$
    select coalesce(string_agg(event_name || ' ' || n, ', ' order by event_name collate "C"), 'none')
    from (select event_name, count(*) as n from test.records(table_name) group by 1) as c
$$;

grant execute on all functions in schema test to public;

-- one shard is one order
create table hello (id int primary key, word text);
select test.mask(ddbstreams.enable_stream('hello', shard_count => 1));
insert into hello values (1, 'hello'), (2, 'world');
update hello set word = 'hi' where id = 1;
delete from hello where id = 2;
select * from test.plain('hello');
select test.counts('hello');
select test.fails('select 1/0'), test.fails('select 1');
drop table hello;
