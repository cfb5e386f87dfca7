-- What depends on characters beyond ASCII: lengths, sizes, letters of both cases,
-- escapes, lines. The other tests do without them, so that they pass in databases
-- of every encoding; TAP test encodings has the conversions.
--
-- To see it fail: test/mutations/run lengths-in-bytes.

select getdatabaseencoding() <> 'UTF8' as not_unicode \gset
\if :not_unicode
\quit
\endif

-- settings that the output below depends on
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema characters;
set search_path = characters, public;

--
-- Records: names, images, sizes in bytes
--

create type mood as enum ('sad', 'ä');
create table "Größe/ß" ("Schlüssel" int primary key, "…" text, e mood, es mood[], js json, jb jsonb);
select ddbstreams.enable_stream('"Größe/ß"', shard_count => 1) as arn \gset
insert into "Größe/ß" values (1, E'é"\\\u2028😀', 'ä', '{sad,ä}', '"a\u0000b\ud83d\ude00\/"', '"\ud83d\ude00\/"'), (2, 'äö', null, null, '"\u00e4"', null);
select keys, new_image, size_bytes from test.records('"Größe/ß"');
select (new_image)."…", (new_image).e, (new_image).es from ddbstreams.changes(null::"Größe/ß");
-- an identity
set ddbstreams.user_identity = E'User:\u00e4"\\\n';
update "Größe/ß" set "…" = 'ÿ' || chr(127) || chr(1) where "Schlüssel" = 2;
reset ddbstreams.user_identity;
select r->>'eventName', r->'userIdentity', r->'dynamodb'->>'SizeBytes'
from ddbstreams.describe_stream(:'arn'), json_array_elements(ddbstreams.aws('GetRecords', json_build_object('ShardIterator',
         ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON')))->'Records') as r;

--
-- Lengths are counted in characters
--

select length, left(test.fails(format('select ddbstreams.aws(%L, %L)', 'DescribeTable', json_build_object('TableName', repeat('ä', length)))), 42)
from unnest(array[1024, 1025]) as length;
-- a long value is shown in part
select length(test.fails(format('select ddbstreams.aws(%L, %L)', 'DescribeTable', json_build_object('TableName', repeat('ä', 2000)))));
select test.fails(format('select ddbstreams.create_consumer(repeat(%L, %s), %L)', 'ä', length, :'arn')) from unnest(array[128, 129]) as length;
select ddbstreams.drop_consumer(repeat('ä', 128));
create function handler(event jsonb) returns void language sql as '';
select ddbstreams.create_event_source_mapping('handler', :'arn', 'LATEST', enabled => false) as uuid \gset
select ddbstreams.aws('GetEventSourceMapping', json_build_object('UUID', :'uuid'))->>'EventSourceMappingArn' as mapping_arn \gset
select right(test.fails(format('select ddbstreams.aws(%L, %L)', 'TagResource', json_build_object('Resource', :'mapping_arn', 'Tags', tags))), 90)
from unnest(array[jsonb_build_object(repeat('ä', 128), repeat('ö', 256)), jsonb_build_object(repeat('ä', 129), 'x'), jsonb_build_object('a', repeat('ö', 257))]) as tags;
select test.fails(format('select ddbstreams.aws(%L, %L)', 'GetEventSourceMapping', json_build_object('UUID', repeat('ä', 36))));
select right(split_part(test.fails(format('select ddbstreams.update_event_source_mapping(%L, filter_criteria => %L)', :'uuid',
                               json_build_object('Filters', json_build_array(json_build_object('Pattern', format('{"a": ["%s"]}', repeat('ü', length))))))), E'\n', 1), 150)
from unnest(array[4085, 4086]) as length;

--
-- Filters
--

-- a letter matches its upper and lower case by Unicode, whatever the locale
select p || v, ddbstreams.filter_matches(jsonb_build_object('k', jsonb_build_array(jsonb_build_object('equals-ignore-case', p))), jsonb_build_object('k', v))
from (values ('ä', 'Ä'), ('Ā', 'ā'), ('ж', 'Ж'), ('Σ', 'σ'), ('Σ', 'ς'), ('ς', 'Σ'), ('ß', 'SS'), ('ı', 'I'), ('I', 'ı'), ('𐐀', '𐐨'), ('ⅷ', 'Ⅷ'), ('a', 'à')) as u (p, v);
select test, ddbstreams.filter_matches(format('{"k": [%s]}', test)::jsonb, '{"k": "STRASSE ÄÉ"}')
from unnest(array['{"equals-ignore-case": "straße äé"}', '{"equals-ignore-case": "strasse äé"}', '{"prefix": {"equals-ignore-case": "straß"}}',
                  '{"suffix": "É"}', '{"suffix": "é"}', '{"suffix": {"equals-ignore-case": "äé"}}', '{"wildcard": "*Ä*"}', '{"wildcard": "*ä*"}']) as test;
select v, ddbstreams.filter_matches('{"k": [{"wildcard": "ä*ß"}]}', jsonb_build_object('k', v)) from unnest(array['äöüß', 'äß', 'ä', 'ß']) as v;
select ddbstreams.filter_matches('{"a": [{"suffix": {"equals-ignore-case": "ÄB"}}]}', jsonb_build_object('a', repeat('ä', 1000000) || 'b'));
-- a long name is cut between two characters
select ddbstreams.filter_matches(jsonb_build_object(repeat('ü', 500), 1), '{}');

--
-- A lineage is drawn with lines
--

create table tree (id int primary key);
select ddbstreams.enable_stream('tree', shard_count => 1) as arn \gset
select count(*) from ddbstreams.split_shard(:'arn', (select shard_id from ddbstreams.describe_stream(:'arn')));
select ddbstreams.roll_over(:'arn');
select regexp_replace(line, 'shardId-.*', 'shard') from ddbstreams.shard_tree(:'arn') as line;

set client_min_messages = warning;
drop schema characters cascade;
