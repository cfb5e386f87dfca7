-- ddbstreams.dynamodb_numbers: numbers as DynamoDB can hold them.
--
-- To see it fail: test/mutations/run dynamodb-numbers-as-they-are
-- dynamodb-numbers-rendered-as-captured.

-- settings that the output below depends on
set standard_conforming_strings = on;
set array_nulls = on;

set client_min_messages = warning;
create extension if not exists ddbstreams;
reset client_min_messages;

create schema numbers;
set search_path = numbers;
\pset format unaligned
\pset tuples_only on

create domain price as numeric check (value is not null);
create type pair as (n numeric, s text);
create domain pair_domain as pair;
create table t (
    id int primary key,
    n  numeric,
    ns numeric[],
    j  json,
    jb jsonb,
    d  price default 0,
    p  pair,
    pd pair_domain,
    ps pair[],
    f4 real,
    f8 double precision,
    i8 bigint,
    r  numrange,
    s  text
);
select ddbstreams.enable_stream('t', shard_count => 1) as arn \gset
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON') as iterator
from ddbstreams.describe_stream(:'arn') \gset

-- Shows each number of numeric n as it is, and as DynamoDB can hold it.
create function shown(iterator text) returns table (number text, held json)
language plpgsql as $$
begin
    create temporary table plain on commit drop as
        select (new_image->'id'->>'N')::int as id, new_image->'n' as n from ddbstreams.get_records(iterator);
    set local ddbstreams.dynamodb_numbers = on;
    return query
        select plain.n->>'N', r.new_image->'n'
        from plain join ddbstreams.get_records(iterator) as r on r.new_image->'id'->>'N' = plain.id::text
        order by plain.id;
end
$$;

insert into t (id, n)
select row_number() over (), n
from unnest(array['0', '0.000', '-0.0', '1', '-1', '2.5', '2.500', '100', '-100.00', '1.50',
    '0.000001', '-0.0000010', '123456789012345678901234567890.12345678',
    '2.' || repeat('0', 37) || '5', '2.' || repeat('0', 36) || '5', '2.5' || repeat('0', 38),
    '1' || repeat('0', 37), '1' || repeat('0', 38), '1' || repeat('0', 41), '-123' || repeat('0', 100),
    repeat('9', 38), repeat('9', 39), repeat('9', 38) || '0', '-' || repeat('9', 38) || repeat('0', 88),
    repeat('9', 38) || repeat('0', 89), '1' || repeat('0', 125), '1' || repeat('0', 126),
    '0.' || repeat('0', 129) || '1', '0.' || repeat('0', 130) || '1', '0.' || repeat('0', 130) || '9',
    '-0.' || repeat('0', 129) || repeat('9', 38), '0.' || repeat('0', 36) || '1', '0.' || repeat('0', 37) || '1',
    '0.' || repeat('9', 37), '0.' || repeat('9', 38), '0.' || repeat('9', 39),
    '1' || repeat('0', 130000), '1.' || repeat('0', 16000) || '1', 'NaN', 'Infinity']::numeric[]) as n;
select case when length(number) > 60 then left(number, 20) || '… (' || length(number) || ')' else number end,
       case when length(held::text) > 160 then left(held::text, 30) || '… (' || length(held::text) || ')' else held::text end
from shown(:'iterator');

-- wherever a number stands
delete from t;
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'LATEST') as iterator
from ddbstreams.describe_stream(:'arn') \gset
insert into t values (1, 1e41, '{1e41,2.50,1e200,null}',
    '{"a": [1e41, 1E5, 2.50, -0, 1e-131, 1e999999999999999999999, 0e7, 1.0e+2, {"N": 1.0}], "N": {"N": "1.0"}, "s": "{\"N\":\"1.0\"}"}',
    '{"a": [1.0, 100000000000000000000000000000000000000000], "N": "1.0"}',
    2.50, row(1e41, '{"N":"1.0"}'), row(-2.50, null), array[row(1e200, 'a'), row(0.0, '"}')]::pair[],
    1e20, -1e22, 9223372036854775807, '[1.0,2.50)', '1.0');
select key, value from ddbstreams.get_records(:'iterator'), json_each(new_image);
set ddbstreams.dynamodb_numbers = on;
select key, value from ddbstreams.get_records(:'iterator'), json_each(new_image);
-- sizes go with what is written
select size_bytes from ddbstreams.get_records(:'iterator');
reset ddbstreams.dynamodb_numbers;
select size_bytes from ddbstreams.get_records(:'iterator');

-- what a record holds does not depend on the writer's setting
delete from t;
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'LATEST') as iterator
from ddbstreams.describe_stream(:'arn') \gset
set ddbstreams.dynamodb_numbers = on;
insert into t (id, n, p) values (2, 2.50, row(2.50, 'x'));
reset ddbstreams.dynamodb_numbers;
select new_image->'n', new_image->'p' from ddbstreams.get_records(:'iterator');

-- aws() and keys
create table k (id numeric primary key);
select ddbstreams.enable_stream('k', shard_count => 1) as arn \gset
insert into k values (1e41), (2.50), (1e126);
select ddbstreams.get_shard_iterator(:'arn', shard_id, 'TRIM_HORIZON') as iterator
from ddbstreams.describe_stream(:'arn') \gset
set ddbstreams.dynamodb_numbers = on;
select left((r->'dynamodb'->'Keys')::text, 40)
from json_array_elements(ddbstreams.aws('GetRecords', json_build_object('ShardIterator', :'iterator'))->'Records') as r;

set client_min_messages = warning;
drop schema numbers cascade;
