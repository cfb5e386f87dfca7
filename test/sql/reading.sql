-- Reading by iterators: positions, pages, the ends of shards, expiry, waiting.

-- settings that the output below depends on
set default_transaction_isolation = 'read committed';
set quote_all_identifiers = off;
set standard_conforming_strings = on;
set datestyle = postgres, mdy;
set intervalstyle = postgres_verbose;

\pset format unaligned
\pset tuples_only on
create schema reading;
set search_path = reading, public;

create table events (id int primary key, word text);
select ddbstreams.enable_stream('events', shard_count => 1) as arn \gset
select shard_id as shard, starting_sequence_number as starting from ddbstreams.describe_stream(:'arn') \gset

-- The first column of what an iterator of a type reads.
create function read(type text, number text default null, at timestamptz default null, max_records int default 1000)
returns text
language sql as $$
    select coalesce(string_agg(coalesce(keys #>> '{id,N}', '-'), ' ' order by sequence_number), 'nothing')
    from ddbstreams.get_records(
        (select ddbstreams.get_shard_iterator(stream_arn, shard_id, type, number, at)
         from ddbstreams.latest_stream_arn('reading.events') as stream_arn, ddbstreams.describe_stream(stream_arn)), max_records)
$$;
-- The same of an iterator.
create function read_on(iterator text, max_records int default 1000) returns text
language sql as $$
    select coalesce(string_agg(coalesce(keys #>> '{id,N}', '-'), ' ' order by sequence_number), 'nothing')
    from ddbstreams.get_records(iterator, max_records)
$$;

--
-- An empty shard
--

select type, read(type) from unnest(array['TRIM_HORIZON', 'LATEST']) as type;
select read('AT_SEQUENCE_NUMBER', :'starting'), read('AFTER_SEQUENCE_NUMBER', :'starting');
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'LATEST') as early_latest,
       ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON') as early_horizon,
       clock_timestamp() as before_all \gset
select read_on(:'early_latest'), read_on(:'early_horizon');
-- still the same position, as long as one polls
select ddbstreams.next_shard_iterator(:'early_latest') as early_next \gset
select :'early_next' like :'arn' || '|1|%' as form, length(:'early_next') <= 2048 as fits, :'early_next' <> :'early_latest' as issued_now;

--
-- The five types
--

insert into events select i, 'a' from generate_series(1, 3) as i;
select clock_timestamp() as between_commits \gset
insert into events select i, 'b' from generate_series(4, 6) as i;
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'LATEST') as latest, clock_timestamp() as after_all \gset
insert into events values (7, 'c');

select read('TRIM_HORIZON'), read('LATEST');
select read_on(:'early_latest'), read_on(:'early_horizon'), read_on(:'early_next'), read_on(:'latest');
-- as often as one likes
select read_on(:'latest'), read_on(:'latest');
select (keys #>> '{id,N}')::int as id, read('AT_SEQUENCE_NUMBER', sequence_number), read('AFTER_SEQUENCE_NUMBER', sequence_number)
from test.records('events');
-- any number in the range of the shard will do
select sequence_number as third from test.records('events') offset 2 limit 1 \gset
select sequence_number as last from test.records('events') offset 6 limit 1 \gset
select read('AT_SEQUENCE_NUMBER', lpad((:'last'::numeric + 1)::text, 21, '0')),
       read('AFTER_SEQUENCE_NUMBER', lpad((:'starting'::numeric + 1)::text, 21, '0')),
       read('AT_SEQUENCE_NUMBER', '0000000000' || :'third');
select read('AT_TIMESTAMP', at => :'before_all'), read('AT_TIMESTAMP', at => :'between_commits'), read('AT_TIMESTAMP', at => :'after_all'),
       read('AT_TIMESTAMP', at => clock_timestamp());
-- a time is that of the records
select read('AT_TIMESTAMP', at => approximate_creation_date_time) as at, (keys #>> '{id,N}') as id
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', :'third'), 1);
-- a time before the horizon is the horizon
select read('AT_TIMESTAMP', at => at)
from unnest(array['1999-12-31 23:59:59+00', '2000-01-01 00:00:00+00', '4713-01-01 00:00:00+00 BC', '2020-01-01', now() - interval '2 days']::timestamptz[]) as at;
-- 1 to max_records
select max_records, read('TRIM_HORIZON', max_records => max_records) from unnest(array[1, 2, 6, 7, 8, 1000]) as max_records;

-- LATEST: behind what the statement's snapshot sees; own changes are not written yet
begin;
insert into events values (8, 'd');
select read('TRIM_HORIZON'), read('LATEST');
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'LATEST') as latest \gset
commit;
select read_on(:'latest');
begin;
insert into events values (-1, 'x');
rollback;
select read_on(:'latest');

--
-- Errors of get_shard_iterator
--

create function iterator_fails(type text, number text default null, at timestamptz default null) returns text
language sql as $$
    select replace(test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L, %L, %L)', stream_arn, shard_id, type, number, at)), coalesce(number, ''), 'GIVEN')
    from ddbstreams.latest_stream_arn('reading.events') as stream_arn, ddbstreams.describe_stream(stream_arn)
$$;
select type, iterator_fails(type) from unnest(array['', 'latest', 'LATEST ', 'AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER', 'AT_TIMESTAMP']) as type;
select type, test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L, %L)', :'arn', :'shard', type, :'third'))
from unnest(array['TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP']) as type;
select type, test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L, at => %L)', :'arn', :'shard', type, :'between_commits'))
from unnest(array['TRIM_HORIZON', 'LATEST', 'AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER']) as type;
select test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L, %L, %L)', :'arn', :'shard', 'AT_SEQUENCE_NUMBER', :'third', :'between_commits'));
-- sequence numbers: garbage, short, long, signed, before the horizon, before the shard, in the future
select what, type, iterator_fails(type, number)
from (values ('empty', ''), ('letters', repeat('x', 21)), ('short', repeat('1', 20)), ('long', repeat('0', 41)), ('signed', '-' || :'third'),
             ('spaces', ' ' || :'third' || ' '), ('fraction', left(:'third', 20) || '.5'), ('wide', repeat('１', 21)),
             ('zero', repeat('0', 21)), ('huge', repeat('9', 40)), ('2^63', lpad('9223372036854775808', 21, '0')),
             ('future', lpad((:'last'::numeric * 2)::text, 21, '0')),
             ('before', lpad((:'starting'::numeric - 1)::text, 21, '0'))) as n (what, number),
     unnest(array['AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER']) as type;
-- times
select at, iterator_fails('AT_TIMESTAMP', at => at) from unnest(array['infinity', '-infinity', '294276-12-31']::timestamptz[]) as at;
select iterator_fails('AT_TIMESTAMP', at => clock_timestamp() + interval '1 minute');
-- streams and shards
select what, test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L)', :'arn', shard_id, 'LATEST'))
from (values ('unknown', 'shardId-00000000000000000000-00000000'), ('long', :'shard' || 'x'), ('upper', upper(:'shard')), ('blank', :'shard' || ' ')) as s (what, shard_id);
select what, test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L)', :'arn', shard_id, 'LATEST')) ~ '^(22023|42704): ' as refused
from (values ('empty', ''), ('short', 'x'), ('too long', repeat('x', 66)), ('very long', repeat('ü', 100000))) as s (what, shard_id);
select test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L)', stream_arn, :'shard', 'LATEST'))
from unnest(array['', 'x', 'arn:aws:dynamodb:ddblocal:000000000000:table/reading.events/stream/2026-01-01T00:00:00.000', :'arn' || 'x']) as stream_arn;
create table others (id int primary key, word text);
set ddbstreams.region = 'eu-west-1';
select ddbstreams.enable_stream('others', shard_count => 1) as other_arn \gset
-- records have the region of the ARN, whatever it is now
set ddbstreams.region = 'us-east-1';
select shard_id as other_shard from ddbstreams.describe_stream(:'other_arn') \gset
insert into others values (99);
-- the shard of another stream
select test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L)', :'arn', :'other_shard', 'LATEST'));
-- nulls
select test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L)', stream_arn, shard_id, type))
from (values (null, :'shard', 'LATEST'), (:'arn', null, 'LATEST'), (:'arn', :'shard', null)) as a (stream_arn, shard_id, type);

--
-- Errors of get_records and next_shard_iterator
--

select max_records, test.fails(format('select ddbstreams.get_records(%L, %L)', :'latest', max_records))
from unnest(array[0, -1, 1001, 2147483647, -2147483648, null]) as max_records;
select test.fails('select ddbstreams.get_records(null)'), test.fails('select ddbstreams.next_shard_iterator(null)');
-- altered iterators, in each of their parts
select what, replace(split_part(test.fails(format('select ddbstreams.get_records(%L)', iterator)), E'\n', 1), repeat('A', 2049), 'AAA…') as get_records,
       test.fails(format('select ddbstreams.next_shard_iterator(%L)', iterator)) = test.fails(format('select ddbstreams.get_records(%L)', iterator))
       and test.fails(format('select ddbstreams.wait_for_records(%L, ''0'')', iterator)) = test.fails(format('select ddbstreams.get_records(%L)', iterator)) as same_elsewhere
from (select split_part(:'latest', '|', 3) as code) as l,
     lateral (values ('untouched', :'latest'), ('empty', ''), ('blank', ' '), ('garbage', 'garbage'), ('separators', '|1|'), ('arn', :'arn'), ('no code', :'arn' || '|1|'),
             ('code alone', code), ('short', left(:'latest', -1)), ('shorter', left(:'latest', -4)), ('long', :'latest' || 'A'), ('padded', :'latest' || '===='),
             ('blank before', ' ' || :'latest'), ('blank after', :'latest' || ' '), ('newline', :'latest' || E'\n'),
             ('region', replace(:'latest', 'ddblocal', 'eu-west-1')), ('table', replace(:'latest', 'events', 'Events')),
             ('other stream', replace(:'latest', :'arn', :'other_arn')), ('version', replace(:'latest', '|1|', '|2|')),
             ('not base64', :'arn' || '|1|' || '!' || substr(code, 2)), ('case', :'arn' || '|1|' || upper(code)),
             ('zeros', :'arn' || '|1|' || repeat('A', length(code))), ('2048', rpad(:'latest', 2048, 'A')), ('2049', rpad('', 2049, 'A'))
     ) as i (what, iterator);
select test.fails('select ddbstreams.get_records(''garbage'')');
-- each character of the code
select count(*) as characters, count(*) filter (where test.fails(format('select ddbstreams.get_records(%L)', overlay(:'latest' placing
           case substr(:'latest', i, 1) when 'A' then 'B' else 'A' end from i))) like '22023: Invalid ShardIterator%') as refused
from generate_series(length(:'arn') + 4, length(:'latest')) as i;
-- An iterator of version 1.0, which has a longer signature, is still good; each character of its code counts, too.
create function hmac(key bytea, message bytea) returns bytea language sql as $$
    select sha256(string_agg(set_byte('\x00', 0, get_byte(padded, i) # 92), '' order by i)
                  || sha256(string_agg(set_byte('\x00', 0, get_byte(padded, i) # 54), '' order by i) || message))
    from (select key || decode(repeat('00', 64 - length(key)), 'hex') as padded) as k, generate_series(0, 63) as i
$$;
select :'arn' || '|1|' || replace(encode(payload || hmac(secret, convert_to(:'arn', 'UTF8') || payload), 'base64'), E'\n', '') as old
from ddbstreams_shards.secret, substr(decode(split_part(:'latest', '|', 3), 'base64'), 1, 25) as payload \gset
select length(:'old') - length(:'latest') as longer, read_on(:'old') is not distinct from read_on(:'latest') as same;
select count(*) as characters, count(*) filter (where test.fails(format('select ddbstreams.get_records(%L)', overlay(:'old' placing
           case substr(:'old', i, 1) when 'A' then 'B' else 'A' end from i))) like '22023: Invalid ShardIterator%') as refused
from generate_series(length(:'arn') + 4, length(:'old')) as i;

--
-- Columns of records
--

update events set word = 'dd' where id = 8;
select pg_current_xact_id() as before \gset
insert into others values (1, 'one'), (2, 'two');
delete from others where id = 1;
select event_name, keys, new_image, old_image, size_bytes, event_version, event_source, aws_region, stream_view_type, user_identity is null as nobody
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON'));
-- what the item-size rules say: names, texts in bytes, numbers, keys twice
select keys #>> '{id,N}' as id, event_name, size_bytes from test.records('events') offset 7;
select count(*), count(distinct event_id) as ids, bool_and(event_id ~ '^[0-9a-f]{32}$') as form,
       count(distinct sequence_number) as numbers, bool_and(sequence_number ~ '^\d{21}$') as number_form
from (select * from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON'))
      union all
      select * from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON'))) as r;
-- the same record is the same each time
select count(distinct event_id), count(distinct r::text)
from (select event_id, event_name, keys::text, sequence_number, approximate_creation_date_time, size_bytes, transaction_id
      from (values (1), (2)) as twice,
           ddbstreams.get_records(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON')) where twice is not null) as r;
select keys #>> '{id,N}' as id, event_name, transaction_id = o.xmin::text::xid8 as by_xmin,
       transaction_id > :'before'::xid8 as later
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON')) as r
     left join others as o on o.id = (keys #>> '{id,N}')::int
order by sequence_number;
-- the time is the number's
select bool_and(approximate_creation_date_time between clock_timestamp() - interval '10 minutes' and clock_timestamp() + interval '1 second') as near_now,
       bool_and(approximate_creation_date_time = committed_at) as of_changes, bool_and(r.transaction_id = c.transaction_id) as transaction,
       count(*)
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON')) as r
     full join ddbstreams.changes(null::events) as c using (sequence_number);
select bool_and(before <= approximate_creation_date_time and sequence_number > previous) as rising
from (select approximate_creation_date_time, sequence_number, lag(sequence_number, 1, '') over w as previous,
             lag(approximate_creation_date_time, 1, '-infinity') over w as before
      from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON')) window w as (order by sequence_number)) as r;
select approximate_creation_date_time between :'between_commits' and :'after_all' as within
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', :'third'), 3);

--
-- Pages
--

-- the iterator of each row stands just after it
select keys #>> '{id,N}' as id, read_on(next_shard_iterator, 1000) from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON'), 9);
-- 1,000 records
truncate others;
select ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'LATEST') as behind \gset
insert into others select i from generate_series(1, 1500) as i;
select count(*), min((keys #>> '{id,N}')::int), max((keys #>> '{id,N}')::int) from ddbstreams.get_records(:'behind');
select page_size, count(*), count(distinct sequence_number), bool_and(ordered)
from unnest(array[1000, 999, 7]) as page_size,
     lateral (select sequence_number, sequence_number > lag(sequence_number, 1, '') over () as ordered
              from test.records('others', page_size => page_size)) as r
group by 1 order by 1;

-- 1 MB: names and values of keys and images. Three values of 300 kB fit, not the fourth.
create table large (id int primary key, value text);
select ddbstreams.enable_stream('large', shard_count => 1) as large_arn \gset
select shard_id as large_shard from ddbstreams.describe_stream(:'large_arn') \gset
create function pages(stream_arn text, max_records int default 1000) returns setof text
language plpgsql as $$
declare
    iterator text := ddbstreams.get_shard_iterator(stream_arn, (select shard_id from ddbstreams.describe_stream(stream_arn)), 'TRIM_HORIZON');
    page record;
begin
    loop
        select string_agg(event_name || ' ' || (keys #>> '{id,N}') || ' ' || size_bytes, ', ' order by sequence_number) as list,
               (array_agg(next_shard_iterator order by sequence_number desc))[1] as next
        into page from ddbstreams.get_records(iterator, max_records);
        exit when page.list is null;
        return next page.list;
        iterator := page.next;
        exit when iterator is null;
    end loop;
end
$$;
alter table large alter value set storage external;
insert into large select i, repeat(chr(64 + i), 300000) from generate_series(1, 7) as i;
select pages(:'large_arn');
select pages(:'large_arn', 2);
-- one of 3 MB comes alone; and both images count
insert into large values (8, repeat('x', 3000000)), (9, 'y');
update large set value = repeat('z', 500000) where id in (1, 2, 9);
delete from large where id = 8;
select pages(:'large_arn');
select (keys #>> '{id,N}'), length(new_image #>> '{value,S}'), length(old_image #>> '{value,S}'), md5(new_image #>> '{value,S}') = md5(repeat('z', 500000)) as whole
from test.records('large') where event_name <> 'INSERT';
-- exactly 1 MB, and a byte more
create table exact (id int primary key, value text);
select ddbstreams.enable_stream('exact', shard_count => 1) as exact_arn \gset
insert into exact values (1, ''), (2, '');
select size_bytes from test.records('exact') limit 1 \gset
insert into exact values (3, repeat('x', 500000)), (4, repeat('x', 1048576 - 500000 - 4 * :size_bytes)), (5, '');
insert into exact values (6, repeat('x', 500000)), (7, repeat('x', 1048577 - 500000 - 3 * :size_bytes)), (8, '');
select pages(:'exact_arn');

--
-- The end of a shard
--

-- open: an empty page can be polled for ever
select ddbstreams.get_shard_iterator(:'arn', :'shard', 'LATEST') as latest \gset
select read_on(:'latest'), ddbstreams.next_shard_iterator(:'latest') is not null as goes_on;
select next_shard_iterator is not null as goes_on from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AT_SEQUENCE_NUMBER', :'last'));
select ddbstreams.disable_stream('events') = :'arn';
select ddbstreams.next_shard_iterator(:'latest') is null as ended;
select read_on(:'latest');
-- null on the last row alone, on whichever page that is
select keys #>> '{id,N}' as id, event_name, next_shard_iterator is null as ended
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', :'third'));
select count(*), count(next_shard_iterator) from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON'), 8);
select ending_sequence_number as ending from ddbstreams.describe_stream(:'arn') \gset
select count(*), count(next_shard_iterator) from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AT_SEQUENCE_NUMBER', :'ending'), 1);
select keys #>> '{id,N}' as id, ddbstreams.next_shard_iterator(ddbstreams.get_shard_iterator(:'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', sequence_number)) is null as ended
from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'arn', :'shard', 'TRIM_HORIZON'));
-- old and new iterators of a disabled stream read on
select read('TRIM_HORIZON'), read('LATEST'), read_on(:'early_latest'), read('AT_TIMESTAMP', at => :'between_commits'), read('AT_TIMESTAMP', at => clock_timestamp());
select test.fails(format('select ddbstreams.get_shard_iterator(%L, %L, %L, %L)', :'arn', :'shard', 'AFTER_SEQUENCE_NUMBER', lpad((:'ending'::numeric + 1)::text, 21, '0')))
       ~ '^22023: Invalid SequenceNumber' as beyond_the_end;
-- changes made later are not in it, and a new stream has its own
insert into events values (10, 'x');
select ddbstreams.enable_stream('events', shard_count => 1) as arn2 \gset
insert into events values (11, 'y');
select read('TRIM_HORIZON'), read_on(:'early_latest');
select ddbstreams.disable_stream('events') = :'arn2';
-- empty and closed: no row, no next iterator
create table empty (id int primary key);
select ddbstreams.enable_stream('empty', shard_count => 2) as empty_arn \gset
select count(ddbstreams.get_shard_iterator(:'empty_arn', shard_id, 'LATEST')) from ddbstreams.describe_stream(:'empty_arn');
select ddbstreams.disable_stream('empty') = :'empty_arn';
select type, count(*), count(r), count(ddbstreams.next_shard_iterator(i))
from ddbstreams.describe_stream(:'empty_arn'), unnest(array['TRIM_HORIZON', 'LATEST']) as type,
     lateral ddbstreams.get_shard_iterator(:'empty_arn', shard_id, type) as i left join lateral ddbstreams.get_records(i) as r on true
group by type order by type collate "C";
select type, count(ddbstreams.get_shard_iterator(:'empty_arn', shard_id, type, ending_sequence_number))
from ddbstreams.describe_stream(:'empty_arn'), unnest(array['AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER']) as type
group by type order by type collate "C";

--
-- Waiting
--

select ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON') as first,
       ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'LATEST') as latest, clock_timestamp() as started \gset
select ddbstreams.wait_for_records(:'first', '1 hour'), ddbstreams.wait_for_records(:'first', '0');
select clock_timestamp() - :'started' < interval '30 seconds' as at_once;
select clock_timestamp() as started \gset
select ddbstreams.wait_for_records(:'latest', '0'), ddbstreams.wait_for_records(:'latest', '1 us'), ddbstreams.wait_for_records(:'latest', '0.2 s');
select clock_timestamp() - :'started' between '0.2 s' and '1 minute' as waited;
insert into others values (2000);
select ddbstreams.wait_for_records(:'latest', '1 day');
-- a closed shard
select ddbstreams.wait_for_records(ddbstreams.get_shard_iterator(:'arn', :'shard', type), '1 day') from unnest(array['LATEST', 'TRIM_HORIZON']) as type;
select ddbstreams.wait_for_records(ddbstreams.get_shard_iterator(:'empty_arn', shard_id, 'LATEST'), '24:00') from ddbstreams.describe_stream(:'empty_arn');
-- refused
select timeout, test.fails(format('select ddbstreams.wait_for_records(%L, %L)', :'first', timeout))
from unnest(array['-1 us', '-1 day', '1 day 1 us', '1 mon', '178000000 years', '-178000000 years', null]::interval[]) as timeout;
select test.fails('select ddbstreams.wait_for_records(null, ''0'')'), test.fails('select ddbstreams.wait_for_records(null, null)');
begin isolation level repeatable read;
select test.fails(format('select ddbstreams.wait_for_records(%L, ''0'')', :'first'));
select count(*) > 0 as but_reads from ddbstreams.get_records(:'first');
commit;
begin isolation level serializable;
select test.fails(format('select ddbstreams.wait_for_records(%L, ''0'')', :'first'));
commit;
begin read only;
select ddbstreams.wait_for_records(:'first', '1 s'), ddbstreams.next_shard_iterator(:'first') is not null;
select count(*) from ddbstreams.get_records(:'first', 10);
commit;

--
-- A repeatable snapshot reads what it saw, and no transaction its own changes
--

begin isolation level repeatable read;
select count(*) from ddbstreams.get_records(:'first', 1);
insert into others values (2001);
select count(*) from ddbstreams.get_records(:'latest');
commit;
select count(*) from ddbstreams.get_records(:'latest');

--
-- Expiry
--

set ddbstreams.iterator_lifetime = '1 s';
select ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'LATEST') as iterator \gset
select read_on(:'iterator');
select pg_sleep(1.1);
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator'));
select test.fails(format('select ddbstreams.next_shard_iterator(%L)', :'iterator'));
select test.fails(format('select ddbstreams.wait_for_records(%L, ''0'')', :'iterator'));
-- an altered one is invalid before it is old
select test.fails(format('select ddbstreams.get_records(%L)', :'iterator' || 'A'));
-- each next one is issued anew
insert into others values (2002), (2003);
select next_shard_iterator as iterator from ddbstreams.get_records(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'TRIM_HORIZON'), 1) \gset
select ddbstreams.next_shard_iterator(:'iterator') is not null;
-- the setting at the time of use counts; 0 is for ever
set ddbstreams.iterator_lifetime = 0;
select count(*) > 0 as for_ever from ddbstreams.get_records(:'first');
select read_on(:'latest');
reset ddbstreams.iterator_lifetime;
select read_on(:'latest');

--
-- Older than the retention
--

select ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'AT_SEQUENCE_NUMBER', starting_sequence_number) is not null as within
from ddbstreams.describe_stream(:'other_arn');
select iterator_fails('AT_SEQUENCE_NUMBER', lpad(trunc(:'last'::numeric / 2)::text, 21, '0'));

--
-- After DROP TABLE
--

select ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'LATEST') as latest \gset
begin;
insert into others values (3000);
drop table others;
commit;
select read_on(:'latest');
select ddbstreams.next_shard_iterator(:'latest') is not null as has_more;
select next_shard_iterator is null as ended from ddbstreams.get_records(:'latest');
select ddbstreams.wait_for_records(:'latest', '1 day'), ddbstreams.next_shard_iterator(ddbstreams.get_shard_iterator(:'other_arn', :'other_shard', 'LATEST')) is null as ended;

\set VERBOSITY terse
set client_min_messages = warning;
drop schema reading cascade;
