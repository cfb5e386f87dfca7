-- unmarshal: typed JSON to plain JSON, and what it refuses.

-- settings that the output below depends on
set standard_conforming_strings = on;
set array_nulls = on;

\pset format unaligned
\pset tuples_only on

--
-- Attribute values
--

select value, ddbstreams.unmarshal(value::json)
from unnest(array[
    '{"S":"text"}', '{"S":""}', '{"S":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"}', '{"S":"ß😀"}', '{"S":"{\"N\":\"1\"}"}',
    '{"S":"\u0000"}',
    '{"N":"0"}', '{"N":"-1.50"}', '{"N":"1e400"}', '{"N":"1E-130"}', '{"N":"-0"}',
    '{"N":"12345678901234567890123456789012345678901234567890.12345678901234567890"}',
    '{"B":"AAEC/w=="}', '{"B":""}',
    '{"BOOL":true}', '{"BOOL":false}',
    '{"NULL":true}',
    '{"SS":["b","a"]}', '{"NS":["2","-1.0"]}', '{"BS":["AA==","/w=="]}', '{"SS":[]}',
    '{"L":[]}', '{"L":[{"S":"a"},{"N":"1"},{"NULL":true},{"BOOL":false},{"L":[{"L":[]}]},{"M":{}}]}',
    '{"M":{}}', '{"M":{"a":{"S":"x"},"":{"N":"1"},"S":{"S":"S"}}}',
    '{"M":{"a":{"M":{"b":{"M":{"c":{"L":[{"M":{"d":{"NULL":true}}}]}}}}}}}'
]) as value;

--
-- Images
--

select value, ddbstreams.unmarshal(value::json)
from unnest(array[
    '{}',
    '{"id":{"N":"1"}}',
    '{"id":{"N":"1"},"word":{"S":"a"},"gone":{"NULL":true}}',
    '{"b":{"N":"2"},"a":{"N":"1"}}',
    -- columns named like tags
    '{"S":{"S":"x"}}', '{"N":{"N":"1"},"S":{"S":"x"}}', '{"L":{"L":[]}}', '{"NULL":{"NULL":true}}', '{"M":{"S":"x"}}',
    '{"M":{"M":{}}}', '{"M":{"M":{"M":{"M":{}}}}}', '{"BOOL":{"BOOL":false}}', '{"SS":{"SS":["a"]}}',
    '{"M":{"L":[{"S":"x"}]}}', '{"M":{"N":"1"},"x":{"N":"2"}}',
    -- names that need escapes stay as they are
    '{"a\"b\\c":{"S":"x"},"\u00e4":{"S":"y"},"ä":{"S":"z"}}',
    -- members twice: json keeps both
    '{"a":{"N":"1"},"a":{"N":"2"}}'
]) as value;

-- white space outside of values goes, inside it stays
select ddbstreams.unmarshal(E' {\n\t"id" : { "N" : "1" } ,\r\n"l":{"L": [ {"S" : " a  b "} , {"NULL": true} ] } } ');
select ddbstreams.unmarshal(E' {\n "S"\t:\r " x " } ');

-- deep and wide
select ddbstreams.unmarshal((repeat('{"L":[', 1000) || '{"N":"7"}' || repeat(']}', 1000))::json)::text
       = repeat('[', 1000) || '7' || repeat(']', 1000) as deep;
select ddbstreams.unmarshal((repeat('{"M":{"a":', 1001) || '{"N":"7"}' || repeat('}}', 1001))::json)::text
       = repeat('{"a":', 1001) || '7' || repeat('}', 1001) as deep;
select length(ddbstreams.unmarshal(json_build_object('a', json_build_object('S', repeat('x', 5000000))))::text) as long;
select ddbstreams.unmarshal((select json_object_agg('c' || i, json_build_object('N', i::text) order by i)
                             from generate_series(1, 1600) as i))::jsonb
       = (select jsonb_object_agg('c' || i, i) from generate_series(1, 1600) as i) as wide;
select json_array_length(ddbstreams.unmarshal(json_build_object('L',
    (select json_agg(json_build_object('N', i::text)) from generate_series(1, 100000) as i)))) as many;

--
-- Refused
--

select value, split_part(test.fails(format('select ddbstreams.unmarshal(%L)', value)), E'\n', 1)
from unnest(array[
    null, '', ' ', 'x', '1', '"x"', 'null', 'true', '[]', '[{"S":"x"}]', '{"S":"x"', '{"S":"x"} x',
    '{"id":1}', '{"id":"x"}', '{"id":null}', '{"id":true}', '{"id":[]}', '{"id":{}}',
    '{"id":{"X":"1"}}', '{"id":{"s":"1"}}', '{"id":{"S":"1","N":"1"}}', '{"id":{"N":"1"},"x":1}',
    '{"S":1}', '{"S":null}', '{"S":["x"]}', '{"B":1}',
    '{"N":1}', '{"N":""}', '{"N":"x"}', '{"N":"NaN"}', '{"N":"Infinity"}', '{"N":" 1"}', '{"N":"1 "}', '{"N":"+1"}', '{"N":"01"}',
    '{"N":".5"}', '{"N":"1."}', '{"N":"0x1"}', '{"N":"1_000"}', '{"N":"1\u0030"}', '{"N":"1,2"}', '{"N":"1\",\"b\":\"2"}',
    '{"BOOL":"true"}', '{"BOOL":1}', '{"BOOL":null}',
    '{"NULL":false}', '{"NULL":null}', '{"NULL":"true"}',
    '{"L":{}}', '{"L":["x"]}', '{"L":[1]}', '{"L":[{"X":"1"}]}', '{"L":[{}]}', '{"L":[[]]}', '{"L":[{"S":"x"},null]}',
    '{"M":[]}', '{"M":"x"}', '{"M":{"a":1}}', '{"M":{"a":{"b":{"S":"x"}}}}',
    '{"SS":["a",1]}', '{"SS":"a"}', '{"SS":[{"S":"a"}]}', '{"NS":[1]}', '{"NS":["x"]}', '{"BS":[null]}',
    '{"a":{"N":"1"},"b":{"M":{"c":{"L":[{"N":"1"},{"N":"x"}]}}}}'
]) as value;
select test.fails('select ddbstreams.unmarshal(''{"id":1}'')');
-- an error shows what stands where it is
do $$
declare
    detail text;
    value text;
begin
    foreach value in array array['{"a":{"N":"1"},"b":{"X":"' || repeat('ä', 100) || '"}}', '[]', '{"a":{"N":"x"}}'] loop
        begin
            perform ddbstreams.unmarshal(value::json);
        exception when invalid_parameter_value then
            get stacked diagnostics detail = pg_exception_detail;
            raise notice using message = detail;
        end;
    end loop;
end
$$;
-- too deep to parse: an error, not a crash
select left(test.fails(format('select ddbstreams.unmarshal(%L)', repeat('{"L":[', 1000000) || repeat(']}', 1000000))), 5);

--
-- From records
--

create table unmarshal_types (
    id int primary key, "M" jsonb, "S" text, flag bool, bytes bytea, list int[], amount numeric, nothing text
);
select ddbstreams.enable_stream('unmarshal_types', shard_count => 1) <> '';
insert into unmarshal_types values (1, '{"M":{"S":"x"}}', 'S', true, '\x00ff', '{{1,2},{3,null}}', 1.50, null);
insert into unmarshal_types values (2, '{}', '', false, '', '{}', 'NaN', '{"S":"x"}');
insert into unmarshal_types values (3, '[1,"a",null,true,{}]', null, null, null, null, -0.0001, null);
select new_image from test.records('unmarshal_types');
select ddbstreams.unmarshal(new_image) from test.records('unmarshal_types');
-- the keys, and a single value
select ddbstreams.unmarshal(keys), ddbstreams.unmarshal(new_image -> 'list') from test.records('unmarshal_types');
-- a table of one column "M"
create table unmarshal_m ("M" int primary key);
select ddbstreams.enable_stream('unmarshal_m', shard_count => 1) <> '';
insert into unmarshal_m values (1);
select new_image, ddbstreams.unmarshal(new_image) from test.records('unmarshal_m');
drop table unmarshal_types, unmarshal_m;
