-- changes: the records of all shards as rows of the type that the table has now,
-- or with images in JSON.
--
-- To see it fail: test/mutations/run conversion-by-session converts-as-caller
-- converts-as-owner descriptor-not-pinned named-changes-as-new.

-- settings that the output below depends on
set bytea_output = hex;
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set array_nulls = on;
set xmloption = content;
set datestyle = postgres, mdy;
set intervalstyle = postgres_verbose;

\pset format unaligned
\pset tuples_only on
\pset null 'NULL'
create schema changes;
set search_path = changes, public;

--
-- Rows
--

create table orders (id int primary key, status text, amount numeric(8, 2));
select ddbstreams.enable_stream('orders') as arn \gset
select count(*) from ddbstreams.changes(null::orders);
insert into orders values (1, 'new', 9.50);
update orders set status = 'paid' where id = 1;
update orders set status = null, id = 2;
delete from orders;
select event_name, old_image, new_image from ddbstreams.changes(null::orders);
select event_name, (old_image).status as before, (new_image).status as after, (new_image).amount + 1 as amount, (new_image).*
from ddbstreams.changes(row_type => null::changes.orders);
-- a row instead of a null, or a domain over the type
select count(*) from ddbstreams.changes(row(1, 'x', 2)::orders);
select count(*) from orders, ddbstreams.changes(orders);
create domain order_row as orders;
select count(*) from ddbstreams.changes(null::order_row);
-- the columns
select pg_typeof(event_name), pg_typeof(sequence_number), pg_typeof(shard_id), pg_typeof(committed_at), pg_typeof(transaction_id),
       pg_typeof(old_image), pg_typeof(new_image) from ddbstreams.changes(null::orders) limit 1;
select event_name, sequence_number = r.sequence_number as number, c.transaction_id = r.transaction_id as transaction,
       to_jsonb(c.new_image) = ddbstreams.unmarshal(coalesce(r.new_image, '{"NULL":true}'))::jsonb as new,
       to_jsonb(c.old_image) = ddbstreams.unmarshal(coalesce(r.old_image, '{"NULL":true}'))::jsonb as old
from ddbstreams.changes(null::orders) as c full join test.records('orders') as r using (sequence_number, event_name)
order by sequence_number;
select bool_and(shard_id in (select shard_id from ddbstreams.describe_stream(:'arn'))) as of_the_stream,
       bool_and(committed_at between now() - interval '5 minutes' and clock_timestamp()) as near_now from ddbstreams.changes(null::orders);
-- images that the view type leaves out are null
create table viewed (id int primary key, word text);
select ddbstreams.enable_stream('viewed', 'KEYS_ONLY', shard_count => 1) <> '';
insert into viewed values (1, 'a'); update viewed set word = 'b'; delete from viewed;
select event_name, old_image, new_image from ddbstreams.changes(null::viewed);
select ddbstreams.disable_stream('viewed') <> ddbstreams.enable_stream('viewed', 'NEW_IMAGE', shard_count => 1);
insert into viewed values (1, 'a'); update viewed set word = 'b'; delete from viewed;
select event_name, old_image, new_image from ddbstreams.changes(null::viewed);
select ddbstreams.disable_stream('viewed') <> ddbstreams.enable_stream('viewed', 'OLD_IMAGE', shard_count => 1);
insert into viewed values (1, 'a'); update viewed set word = 'b'; delete from viewed;
select event_name, old_image, new_image from ddbstreams.changes(null::viewed);

--
-- since and until
--

create table ticks (id int primary key);
select ddbstreams.enable_stream('ticks') as ticks_arn \gset
create function ids(since timestamptz default null, until timestamptz default null) returns text
language sql as $$
    select coalesce(string_agg((new_image).id::text, ' ' order by sequence_number, shard_id), 'none') from ddbstreams.changes(null::ticks, since, until)
$$;
select clock_timestamp() as t0 \gset
insert into ticks values (1);
select clock_timestamp() as t1 \gset
insert into ticks values (2);
insert into ticks values (3);
select clock_timestamp() as t2 \gset
insert into ticks values (4);
select clock_timestamp() as t3 \gset
select ids(), ids(since => :'t0'), ids(since => :'t1'), ids(since => :'t2'), ids(since => :'t3');
select ids(until => :'t0'), ids(until => :'t1'), ids(until => :'t2'), ids(until => :'t3');
select ids(:'t0', :'t1'), ids(:'t1', :'t2'), ids(:'t2', :'t3'), ids(:'t0', :'t3'), ids(:'t1', :'t1'), ids(:'t3', :'t0');
-- since <= time < until
select (new_image).id, ids(since => committed_at), ids(until => committed_at), ids(committed_at, committed_at), ids(committed_at, committed_at + '1 us')
from ddbstreams.changes(null::ticks);
-- the ends of time
select since, ids(since => since)
from unnest(array['-infinity', '4713-01-01 00:00:00+00 BC', '1999-12-31 23:59:59.999999+00', '2000-01-01 00:00:00+00', '294276-12-31', 'infinity', null]::timestamptz[]) as since;
select until, ids(until => until)
from unnest(array['-infinity', '4713-01-01 00:00:00+00 BC', '1999-12-31 23:59:59.999999+00', '2000-01-01 00:00:00+00', '294276-12-31', 'infinity', null]::timestamptz[]) as until;
-- the time of all records of a transaction lies at its end, not at its start
begin;
select clock_timestamp() as t4 \gset
insert into ticks values (5), (6);
select pg_sleep(0.01) is null;
select clock_timestamp() as t5 \gset
commit;
select ids(since => :'t4'), ids(since => :'t5'), ids(until => :'t5');

--
-- Several shards: merged by number, ties by shard
--

create table spread (id int primary key, n int);
select ddbstreams.enable_stream('spread', shard_count => 8) as spread_arn \gset
insert into spread select i, 1 from generate_series(1, 300) as i;
update spread set n = 2;
select count(*), count(distinct shard_id) as shards,
       bool_and((sequence_number, shard_id collate "C") > (previous_number, previous_shard collate "C")) as merged,
       count(distinct (sequence_number, shard_id)) as distinct_places
from (select *, lag(sequence_number, 1, '') over w as previous_number, lag(shard_id, 1, '') over w as previous_shard
      from ddbstreams.changes(null::spread) with ordinality window w as (order by ordinality)) as c;
-- each key's changes are in order, and all of the stream's records are there
select count(*) from (select (new_image).id, array_agg((new_image).n order by ordinality) as ns
                      from ddbstreams.changes(null::spread) with ordinality group by 1) as k where ns = '{1,2}';
select count(*) from ddbstreams.changes(null::spread) as c full join test.records('spread') as r
    on c.sequence_number = r.sequence_number and (c.new_image).id = (r.keys #>> '{id,N}')::int
where c.sequence_number is null or r.sequence_number is null;
-- more shards than readers are allowed
set ddbstreams.max_readers_per_shard = 1;
select count(*) from ddbstreams.changes(null::spread);
reset ddbstreams.max_readers_per_shard;

--
-- Columns added, dropped and renamed
--

create table shape (id int primary key, a text, b text);
select ddbstreams.enable_stream('shape', shard_count => 1) as shape_arn \gset
insert into shape values (1, 'a1', 'b1');
alter table shape rename a to renamed;
select new_image from ddbstreams.changes(null::shape);
select (new_image).renamed from ddbstreams.changes(null::shape);
alter table shape drop b;
select new_image from ddbstreams.changes(null::shape);
-- a new column of an old name is another one
alter table shape add b text;
select new_image from ddbstreams.changes(null::shape);
-- added with a default: what the old row shows in the table, too
alter table shape add c int default 7, add d timestamptz default '2026-01-02 03:04:05+00', add e text default 'missing' not null, add f numeric;
select new_image = shape.*, new_image from ddbstreams.changes(null::shape), shape;
alter table shape alter c set default 8;
select (new_image).c from ddbstreams.changes(null::shape);
update shape set b = 'b2';
insert into shape (id) values (2);
select event_name, old_image, new_image from ddbstreams.changes(null::shape);
-- a rewrite takes the missing values away
alter table shape alter f type numeric(10, 2), alter c type bigint;
select event_name, (new_image).id, (new_image).c, (new_image).e from ddbstreams.changes(null::shape);
-- records of a column that is gone now
alter table shape drop c, drop d, drop e, drop f;
select event_name, old_image, new_image from ddbstreams.changes(null::shape);
-- a default that needs a rewrite has no missing value
alter table shape add r int default (random() * 0)::int + 5;
select (new_image).r from ddbstreams.changes(null::shape);

--
-- Changed types: by assignment cast, else null with a warning for each column
--

create table typed (
    id int primary key, small int, big bigint, num numeric, txt text, num_text text, day date, flag text, len text, arr int[], js text, impossible int4range, stamp timestamptz
);
select ddbstreams.enable_stream('typed', shard_count => 1) as typed_arn \gset
insert into typed values (1, 1, 2, 3.75, 'x', '42', '2026-01-02', 'true', 'abc', '{1,2}', '{"a":1}', '[1,2)', '2026-01-02 03:04:05+00');
insert into typed values (2, null, 300000, -3.75, null, 'no number', null, 'maybe', 'abcdefgh', '{{1},{null}}', 'no json', 'empty', 'infinity');
insert into typed (id) values (3);
delete from typed;
select ddbstreams.disable_stream('typed') = :'typed_arn';
alter table typed
    alter small type bigint, alter big type smallint, alter num type int, alter txt type varchar(10), alter num_text type int using null,
    alter day type timestamp, alter flag type bool using null, alter len type varchar(4), alter arr type text[], alter js type jsonb using null,
    alter impossible type int using null, alter stamp type date;
select event_name, new_image, old_image from ddbstreams.changes(null::typed);
-- what a narrower type would refuse, or round, at assignment
create table narrow (id int primary key, vc varchar(8), n numeric(8, 2), ts timestamptz, ch text, b bit(8), d text, vb bit varying, arr varchar(8)[], iv interval);
select ddbstreams.enable_stream('narrow', shard_count => 1) as narrow_arn \gset
insert into narrow values (1, 'ab', 1.25, '2026-01-02 03:04:05.678+00', 'ab', b'10101010', 'fine', b'101', '{ab}', '1.26 s'),
                          (2, 'abcdefgh', 123456.78, 'infinity', 'abcdefgh', b'11111111', 'forbidden', b'10101', '{abcdefgh}', '1 day');
truncate narrow;
select ddbstreams.disable_stream('narrow') = :'narrow_arn';
create domain allowed as text check (value <> 'forbidden');
alter table narrow alter vc type varchar(4), alter n type numeric(5, 1), alter ts type timestamptz(0), alter ch type char(4), alter b type bit(9), alter d type allowed,
    alter vb type bit varying(4), alter arr type varchar(4)[], alter iv type interval second (1);
select event_name, new_image from ddbstreams.changes(null::narrow) where event_name = 'INSERT';
-- again: one warning per column and call
select count(*) from ddbstreams.changes(null::typed);
set client_min_messages = error;
select (new_image).big, (new_image).big is null as null from ddbstreams.changes(null::typed) where event_name = 'INSERT';
reset client_min_messages;
-- in a transaction, after a failed conversion, all goes on
begin;
set local client_min_messages = error;
select count(*) from ddbstreams.changes(null::typed);
insert into orders values (50, 'after');
commit;
select count(*) from ddbstreams.changes(null::orders) where (new_image).id = 50;

--
-- Domains, enums, composites, arrays, ranges
--

create domain word as text check (value <> 'forbidden');
create domain words as word[];
create type mood as enum ('sad', 'ok', 'happy');
create type address as (street text, number int);
create table rich (
    id int primary key, w word, ws words, m mood, ms mood[], a address, aa address[], r numrange, mr int4multirange,
    j jsonb, b bytea, u uuid, i interval, n int[], t text[], bit_s bit(3), c "char", p point, tz timetz, x text
);
select ddbstreams.enable_stream('rich', shard_count => 1) as rich_arn \gset
insert into rich values (1, 'w', '{a,b}', 'ok', '{sad,NULL}', row('Main "St"', 1), array[row('a', null)::address, null, row('', 2)::address], '[1.5,2)', '{[1,3),[5,7)}',
                         '{"a": [1, null]}', '\x00ff', '00112233-4455-6677-8899-aabbccddeeff', '1 mon -2 days 03:04:05.6', '[0:1]={1,NULL}', '{"a b",NULL,""}',
                         b'101', 'c', '(1.5,-2)', '01:02:03+04', null);
insert into rich (id) values (2);
select (to_jsonb(new_image) = to_jsonb(rich.*)) as same, new_image::text = rich::text as same_text
from ddbstreams.changes(null::rich) join rich on rich.id = (new_image).id;
select new_image from ddbstreams.changes(null::rich);
select (new_image).a.street, (new_image).aa[3].number, (new_image).m > 'sad' as happier, (new_image).r @> 1.7 as contains from ddbstreams.changes(null::rich);
-- the same in a session of other settings
set datestyle = 'SQL, DMY'; set intervalstyle = iso_8601; set timezone = 'Asia/Tokyo'; set bytea_output = escape; set extra_float_digits = -15;
select new_image::text = rich::text as same_text from ddbstreams.changes(null::rich) join rich on rich.id = (new_image).id;
set datestyle = postgres, mdy; set intervalstyle = postgres_verbose; reset timezone; set bytea_output = hex; reset extra_float_digits;
-- labels and attributes of today
alter type mood rename value 'ok' to 'fine';
alter type address rename attribute number to no;
alter type address add attribute town text;
select event_name, (new_image).m, (new_image).ms, (new_image).a, (new_image).aa from ddbstreams.changes(null::rich);
-- a domain that has become stricter
alter domain word add constraint short check (length(value) < 1) not valid;
select event_name, (new_image).w, (new_image).ws from ddbstreams.changes(null::rich);
alter domain word drop constraint short;
-- a type that is gone, with its columns
alter table rich drop m, drop ms;
drop type mood;
select new_image from ddbstreams.changes(null::rich);

--
-- stream_arn: an old stream, a dropped table's, another row type
--

select ddbstreams.disable_stream('orders') = :'arn';
select count(*) as still from ddbstreams.changes(null::orders);
select ddbstreams.enable_stream('orders', shard_count => 1) as new_arn \gset
insert into orders values (9, 'again', 1);
select event_name, new_image from ddbstreams.changes(null::orders);
select event_name, new_image from ddbstreams.changes(null::orders, stream_arn => :'new_arn');
select event_name, new_image from ddbstreams.changes(null::orders, stream_arn => :'arn');
select count(*) from ddbstreams.changes(null::orders, now() - interval '1 hour', now() + interval '1 hour', :'arn');
-- of a table that has no stream, but the columns
create table archive (id int, status text, amount text);
select event_name, new_image from ddbstreams.changes(null::archive, stream_arn => :'new_arn');
create type order_type as (id int, status text);
select event_name, new_image from ddbstreams.changes(null::order_type, stream_arn => :'new_arn');
drop domain order_row;
drop table orders;
select event_name, (new_image).* from ddbstreams.changes(null::archive, stream_arn => :'new_arn');
select count(*) from ddbstreams.changes(null::archive, stream_arn => :'arn');
create table orders (id int primary key, status text, amount numeric(8, 2));
select test.fails('select ddbstreams.changes(null::orders)');
select event_name, new_image from ddbstreams.changes(null::orders, stream_arn => :'new_arn');
-- a partition's rows are in its root's stream
create table parts (id int primary key, w text) partition by range (id);
create table part_1 (w text, id int not null);
alter table parts attach partition part_1 for values from (0) to (10);
select ddbstreams.enable_stream('parts') as parts_arn \gset
insert into parts values (1, 'one');
update part_1 set w = 'uno';
select event_name, old_image, new_image from ddbstreams.changes(null::parts);

--
-- A table that is named, and images in JSON
--

create table "Named. table" (id int primary key, word text, doc jsonb);
select ddbstreams.enable_stream('"Named. table"', shard_count => 1) as named_arn \gset
insert into "Named. table" values (1, 'a', '{"b": [1]}');
update "Named. table" set word = null;
delete from "Named. table";
select event_name, old_image, new_image from ddbstreams.changes('"Named. table"');
select event_name, ddbstreams.unmarshal(new_image) ->> 'word' as word from ddbstreams.changes('changes."Named. table"') where new_image is not null;
select count(*) as records, count(*) filter (where c.old_image::text is distinct from r.old_image::text
    or c.new_image::text is distinct from r.new_image::text or c.shard_id <> r.shard_id or c.transaction_id <> r.transaction_id) as others
from ddbstreams.changes('"Named. table"') as c full join ddbstreams.newest_records(:'named_arn') as r using (sequence_number, event_name);
select count(*) from ddbstreams.changes(table_name => 'orders', stream_arn => :'named_arn');
select count(*) from ddbstreams.changes(table_name => '"Named. table"', until => now() - interval '1 hour');

--
-- Errors
--

select command, test.fails(command) from unnest(array[
    'select ddbstreams.changes(1)', 'select ddbstreams.changes(null::int)', 'select ddbstreams.changes(''x''::text)', 'select ddbstreams.changes(null)', 'select ddbstreams.changes(''changes.orders''::regclass)',
    'select ddbstreams.changes(row(1))', 'select ddbstreams.changes(null::record)', 'select ddbstreams.changes(array[null::changes.orders])', 'select ddbstreams.changes(null::changes.word)',
    'select ddbstreams.changes(null::changes.orders)', 'select ddbstreams.changes(null::changes.archive)', 'select ddbstreams.changes(null::changes.order_type)',
    'select ddbstreams.changes(null::pg_class)', 'select ddbstreams.changes(null::changes.part_1)',
    'select ddbstreams.changes(null::changes.ticks, stream_arn => '''')', 'select ddbstreams.changes(null::changes.ticks, stream_arn => ''x'')',
    'select ddbstreams.changes(null::changes.ticks, stream_arn => ''arn:aws:dynamodb:ddblocal:000000000000:table/x/stream/2026-01-01T00:00:00.000'')',
    'select ddbstreams.changes(1, stream_arn => ''x'')'
]) as command;

--
-- The same rows under every setting that in- and output functions read
--

create domain label as text;
create type weekday as enum ('mon', 'tue');
create table settings (id int primary key, ws label[], ms changes.weekday[], x xml, d date, tz timestamptz, i interval, f float8, b bytea, m money, c regclass);
select ddbstreams.enable_stream('settings', shard_count => 1) as settings_arn \gset
insert into settings values (1, '{a,NULL}', '{mon,NULL}', 'a<b/>', '2026-02-03', '2026-02-03 04:05:06+00', '1 year -2 days 03:04:05.6', 0.1::float8 + 0.2,
                             '\x00ff', '1234.5', 'pg_class');
-- converted when they are read: by casts and by input functions
alter table settings alter d type text, alter f type text, alter b type text, alter i type text;
create table expected as select new_image from ddbstreams.changes(null::settings);
select new_image from expected;
create table got (like expected);
create procedure under(name text, value text) language plpgsql as $$
declare
    same bool;
begin
    perform set_config(name, value, true);
    delete from changes.got;
    insert into changes.got select new_image from ddbstreams.changes(null::changes.settings);
    commit;
    select got.new_image::text = expected.new_image::text into same from changes.got, changes.expected;
    if same is distinct from true then
        raise notice 'not the same under % = %', name, value;
    end if;
end $$;
call under('array_nulls', 'off');
call under('xmloption', 'document');
call under('quote_all_identifiers', 'on');
call under('search_path', 'changes');
call under('datestyle', 'German, DMY');
call under('intervalstyle', 'sql_standard');
call under('timezone', 'Asia/Tokyo');
call under('extra_float_digits', '-15');
call under('bytea_output', 'escape');
call under('lc_monetary', 'C');

--
-- Casts and domains never run as a role that the caller could not become
--

create role regress_changes_dev;
create role regress_changes_other;
create role regress_changes_member in role regress_changes_other;
grant all on schema changes to public;
create table ran_as (role name, caller text);
grant all on ran_as to public;
set role regress_changes_dev;
create domain email as text check (value <> '');
create table mine (id int primary key, mail text);
select ddbstreams.enable_stream('mine', shard_count => 1) as mine_arn \gset
insert into mine values (1, 'x@y');
create function tell(text) returns boolean language plpgsql as $$
begin
    insert into changes.ran_as values (current_user, current_setting('changes.caller'));
    return true;
end $$;
reset role;
-- a superuser's table with a column of that domain, and another role's; by a composite type, too
create table users (id int primary key, mail email);
set role regress_changes_other;
create table others (id int primary key, mail email);
set role regress_changes_dev;
alter domain email add constraint c check (changes.tell(value));
set role regress_changes_other;
create type wrapped as (mail email);
create table wraps (id int primary key, mail wrapped);
set role regress_changes_dev;
create table composite (id int primary key, mail wrapped);
select ddbstreams.enable_stream('composite', shard_count => 1) as composite_arn \gset
set changes.caller = 'writer';
insert into composite values (1, row('x@y'));
set changes.caller = 'dev';
select new_image from ddbstreams.changes(null::users, stream_arn => :'mine_arn');
select new_image from ddbstreams.changes(null::others, stream_arn => :'mine_arn');
select new_image from ddbstreams.changes(null::wraps, stream_arn => :'composite_arn');
-- a cast of dev's
create type dev_type as (mail text);
create function to_dev_type(text) returns dev_type language plpgsql as $$
begin
    perform changes.tell($1);
    return row($1)::changes.dev_type;
end $$;
create cast (text as dev_type) with function to_dev_type(text) as assignment;
reset role;
create table casts (id int primary key, mail dev_type);
set role regress_changes_dev;
select new_image from ddbstreams.changes(null::casts, stream_arn => :'mine_arn');
reset role;
-- the owner's code runs as the owner for a superuser and for a member, as the caller for a mere reader
set role regress_changes_dev;
alter table mine alter mail type email;
grant select on mine to public;
reset role;
set changes.caller = 'superuser';
select new_image from ddbstreams.changes(null::mine);
set role regress_changes_other;
set changes.caller = 'other';
select new_image from ddbstreams.changes(null::mine);
reset role;
grant regress_changes_dev to regress_changes_member;
set role regress_changes_member;
set changes.caller = 'member';
select new_image from ddbstreams.changes(null::mine);
reset role;
select distinct caller, role from ran_as order by 1, 2;

--
-- Code of users that reads other streams, between the two images of a record
--

create table many (id int primary key, v int);
select count(*) from (select ddbstreams.enable_stream('many', shard_count => 1)) as s;
-- more row descriptors than a session keeps
do $$ begin for i in 1 .. 1001 loop
    execute format('alter table many rename column v to v%s', i);
    insert into many values (i);
    execute format('alter table many rename column v%s to v', i);
end loop; end $$;
create function read_many(value text) returns bool language plpgsql as $$ begin
    if current_setting('changes.reads', true) = 'yes' then
        perform count(*) from ddbstreams.changes(null::changes.many);
    end if;
    return true;
end $$;
create domain reading as text check (changes.read_many(value));
create table nested (id int primary key, number bigint, note reading);
select count(*) from (select ddbstreams.enable_stream('nested', shard_count => 1)) as s;
insert into nested values (1, 1, 'one');
update nested set number = 2, note = 'two';
set changes.reads = 'yes';
select event_name, old_image, new_image from ddbstreams.changes(null::nested);
reset changes.reads;

\set VERBOSITY terse
set client_min_messages = warning;
drop schema changes cascade;
drop role regress_changes_member;
drop role regress_changes_other;
drop role regress_changes_dev;
