-- Keys under a nondeterministic collation, which PostgreSQL has with ICU only, and
-- not in SQL_ASCII databases.

\pset format unaligned
\pset tuples_only on
\pset null 'NULL'
select count(*) = 0 as no_icu from pg_collation where collname = 'und-x-icu' and getdatabaseencoding() <> 'SQL_ASCII' \gset
\if :no_icu
\quit
\endif
create schema collations;
set search_path = collations, public;
create collation ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

create table words (id text collate ignore_case primary key, n int);
select ddbstreams.enable_stream('words', shard_count => 16) <> '';
-- values that are equal are one key, however they are written
insert into words values ('word', 1);
update words set n = 2;
delete from words;
insert into words values ('WORD', 3);
delete from words;
insert into words values ('Word', 4);
delete from words;
select event_name, new_image, old_image from test.plain('words');
-- an update that changes how the key is written changes the key that records show; the shard is the same
insert into words values ('wOrD', 5);
update words set id = 'WoRd';
select event_name, new_image, old_image from test.plain('words') offset 7;
select count(distinct shard_id) from ddbstreams.changes(null::words);
-- different ones are spread
select ddbstreams.disable_stream('words') <> '', ddbstreams.enable_stream('words', shard_count => 16) <> '';
insert into words select 'key ' || i from generate_series(1, 200) as i;
select test.counts('words'), count(distinct shard_id) >= 16 as spread
from ddbstreams.changes(null::words, stream_arn => ddbstreams.latest_stream_arn('words'));

\set VERBOSITY terse
drop schema collations cascade;
