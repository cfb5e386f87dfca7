-- Filter patterns: recorded answers, every operator, DynamoDB's peculiarities,
-- array elements, filter criteria of mappings, errors, hostile input.
--
-- To see it fail: test/mutations/run filter-any-element filter-first-way-only
-- filter-name-twice filter-numbers-as-text.

-- settings that the output below depends on
set standard_conforming_strings = on;

\pset format unaligned
\pset tuples_only on
create schema filter;
set search_path = filter, public;

-- MATCH, NO or INVALID
create function verdict(pattern text, record jsonb) returns text language plpgsql as $$
declare
    parsed jsonb;
begin
    begin
        parsed := pattern::jsonb;
    exception when invalid_text_representation then
        return 'INVALID';
    end;
    return case when ddbstreams.filter_matches(parsed, record) then 'MATCH' else 'NO' end;
exception when invalid_parameter_value then
    if sqlerrm <> 'Invalid filter pattern definition.' then
        raise;
    end if;
    return 'INVALID';
end $$;

--
-- Recorded answers
--

\set cases `cat "$PG_ABS_SRCDIR/data/filter-cases.jsonl"`
-- a case with characters that the database's encoding lacks is left out there
create function readable(line text) returns bool language plpgsql as $$
begin
    return line::jsonb is not null;
exception when untranslatable_character or feature_not_supported then
    if getdatabaseencoding() = 'UTF8' then
        raise;
    end if;
    return false;
end $$;
create table lines as
select line, substring(line from '"expect": "(\w+)"') as expected, readable(line) as readable
from regexp_split_to_table(trim(E'\n' from :'cases'), E'\n') as line;
create table cases as
select line::json->>'name' as name, line::json->'rule' as rule, (line::json->'event')::jsonb as event, expected
from lines where readable;
select expected, count(*) from lines group by expected order by expected;

-- Disagreements: none
select name, expected, found
from cases, verdict(case when json_typeof(rule) = 'string' then rule #>> '{}' else rule::text end, event) as found
where case expected when 'VALID' then found = 'INVALID' else found is distinct from expected end;

--
-- Operators: which of these values match
--

create table vals (n serial, v jsonb);
insert into vals (v) values ('"open"'), ('"Open"'), ('""'), ('"reopened"'), ('"100"'), ('100'), ('100.0'), ('-1'), ('0.1'), ('1e400'),
    ('12345678901234567890'), ('true'), ('false'), ('null'), ('"null"'), ('"STRASSE"'), ('"10.1.2.3"'), ('"2001:db8::1"'), ('{"x":"open"}'), ('[]'), ('["open",100]');
-- 1e400 would be long
create function matching(vs text) returns text language sql as $$
    select string_agg(case when length(v::text) > 100 then '1e400' else v::text end, '  ' order by n)
    from filter.vals where ddbstreams.filter_matches(jsonb_build_object('k', vs::jsonb), jsonb_build_object('k', v))
$$;
select vs || ' -> ' || coalesce(matching(vs), 'nothing') from unnest(array[
    -- equals
    '["open"]', '["100"]', '[100]', '[100.0]', '[1e400]', '[true]', '[false]', '[null]', '["null"]', '[""]', '["open", null, -1]',
    '[{"exactly": "open"}]',
    -- equals-ignore-case
    '[{"equals-ignore-case": "oPEN"}]', '[{"equals-ignore-case": ""}]', '[{"equals-ignore-case": "strasse"}]', '[{"equals-ignore-case": "NULL"}]',
    -- prefix and suffix
    '[{"prefix": "o"}]', '[{"prefix": ""}]', '[{"prefix": "1"}]', '[{"prefix": "opened"}]', '[{"prefix": {"equals-ignore-case": "OP"}}]', '[{"prefix": {"equals-ignore-case": ""}}]',
    '[{"suffix": "en"}]', '[{"suffix": ""}]', '[{"suffix": "E"}]', '[{"suffix": {"equals-ignore-case": "PEN"}}]', '[{"suffix": {"equals-ignore-case": "se"}}]', '[{"suffix": {"equals-ignore-case": "xopen"}}]',
    -- anything-but
    '[{"anything-but": "open"}]', '[{"anything-but": ["open", "Open", ""]}]', '[{"anything-but": 100}]', '[{"anything-but": [100, -1]}]', '[{"anything-but": ""}]',
    '[{"anything-but": {"prefix": "o"}}]', '[{"anything-but": {"prefix": ["o", "re"]}}]', '[{"anything-but": {"suffix": "n"}}]', '[{"anything-but": {"suffix": ["n", "d"]}}]',
    '[{"anything-but": {"equals-ignore-case": "OPEN"}}]', '[{"anything-but": {"equals-ignore-case": ["OPEN", "Reopened"]}}]', '[{"anything-but": {"wildcard": "*open*"}}]', '[{"anything-but": {"wildcard": ["o*", "*d"]}}]',
    -- numeric
    '[{"numeric": ["=", 100]}]', '[{"numeric": ["=", 100.00]}]', '[{"numeric": ["=", 1e2]}]', '[{"numeric": [">", 0.1]}]', '[{"numeric": [">=", 0.1]}]', '[{"numeric": ["<", 0.1]}]', '[{"numeric": ["<=", 0.1]}]',
    '[{"numeric": [">", 0, "<", 100]}]', '[{"numeric": [">=", 0, "<=", 100]}]', '[{"numeric": [">", -1e308]}]', '[{"numeric": [">", 100]}, -1]', '[{"numeric": ["=", 12345678901234567000]}]',
    -- exists
    '[{"exists": true}]', '[{"exists": false}]', '[{"exists": false}, "open"]',
    -- wildcard
    '[{"wildcard": "*"}]', '[{"wildcard": "o*n"}]', '[{"wildcard": "*e*e*"}]', '[{"wildcard": "open"}]', '[{"wildcard": ""}]', '[{"wildcard": "*pe*"}]', '[{"wildcard": "open*open"}]', '[{"wildcard": "1*0"}]',
    -- cidr
    '[{"cidr": "10.0.0.0/8"}]', '[{"cidr": "10.1.2.3/32"}]', '[{"cidr": "10.1.2.4/32"}]', '[{"cidr": "0.0.0.0/0"}]', '[{"cidr": "2001:db8::/32"}]', '[{"cidr": "2001:db8::/128"}]', '[{"cidr": "10.1.255.255/16"}]'
]) as vs;

-- the record's own texts may have what wildcards mean
select pattern, string_agg(v, ' ' order by o) filter (where ddbstreams.filter_matches(jsonb_build_object('k', jsonb_build_array(jsonb_build_object('wildcard', pattern))), jsonb_build_object('k', v)))
from unnest(array['a*b', 'a\*b', 'a\\*', '\*', 'a*b*c', '*.x*.x']) as pattern, unnest(array['ab', 'a*b', 'aXb', 'a\', 'a\z', '*', 'aXbYc', '.x', '.x.x', 'q.xx.x']) with ordinality as u (v, o)
group by pattern order by pattern collate "C";

--
-- Objects
--

select verdict(pattern, record::jsonb) as v, pattern, record
from (values
    -- all keys, one member of each array
    ('{"a": [1], "b": ["x", "y"]}', '{"a": 1, "b": "y", "c": 3}'),
    ('{"a": [1], "b": ["x", "y"]}', '{"a": 1, "b": "z"}'),
    ('{"a": [1], "b": ["x", "y"]}', '{"b": "x"}'),
    -- of a key that is there twice, the last one counts
    ('{"a": [1], "a": [2]}', '{"a": 2}'),
    ('{"a": [1], "a": [2]}', '{"a": 1}'),
    -- leaves only
    ('{"a": [{"exists": true}]}', '{"a": {"b": 1}}'),
    ('{"a": [{"exists": false}]}', '{"a": {"b": 1}}'),
    ('{"a": {"b": [{"exists": false}]}}', '{"a": 1}'),
    ('{"a": {"b": [{"exists": false}]}}', '{}'),
    ('{"a": {"b": [{"exists": true}]}}', '{"a": 1}'),
    ('{"a": [{"exists": true}]}', '{"a": null}'),
    ('{"a": [{"exists": true}]}', '{"a": {}}'),
    -- names are joined by dots
    ('{"a.b": ["x"]}', '{"a": {"b": "x"}}'),
    ('{"a": {"b": ["x"]}}', '{"a.b": "x"}'),
    ('{"a": {"b": {"c": ["x"], "d": ["y"]}}}', '{"a.b": {"c": "x", "d": "y"}}'),
    ('{"a": {"b": {"c": ["x"], "d": ["y"]}}}', '{"a.b": [{"c": "x"}, {"d": "y"}]}'),
    ('{"a": {"b": ["x"]}}', '{"a.b": "y", "a": {"b": "x"}}'),
    ('{"a": {"b": ["x"]}}', '{"a.b": "x", "a": {"b": "y"}}'),
    ('{"a": {"b": [{"exists": false}]}}', '{"a.b": "y", "a": {"c": "x"}}'),
    ('{"a": {"b": [{"exists": false}]}}', '{"a.b": {"z": 1}, "a": {"b": {}}}'),
    ('{"": {"": ["x"]}}', '{"": {"": "x"}}'),
    ('{"": ["x"]}', '{"": "x"}'),
    ('{"a.": ["x"]}', '{"a": {"": "x"}}'),
    -- $or
    ('{"$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 0, "b": 2}'),
    ('{"$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 0, "b": 0}'),
    ('{"c": [3], "$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 1, "c": 0}'),
    ('{"c": [3], "$or": [{"a": [1]}, {"b": [2]}]}', '{"a": 1, "c": 3}'),
    ('{"x": {"$or": [{"a": [1], "b": [2]}, {"$or": [{"c": [3]}, {"d": [4]}]}], "z": [5]}}', '{"x": {"d": 4, "z": 5}}'),
    ('{"x": {"$or": [{"a": [1], "b": [2]}, {"$or": [{"c": [3]}, {"d": [4]}]}], "z": [5]}}', '{"x": {"a": 1, "z": 5}}'),
    ('{"a": [1, 2], "$or": [{"a": [2, 3]}, {"b": [1]}]}', '{"a": 1}'),
    ('{"a": [1, 2], "$or": [{"a": [2, 3]}, {"b": [1]}]}', '{"a": 2}'),
    ('{"$or": [{"a": [1]}, {"a": {"b": [1]}, "a-": [2]}]}', '{"a": {"b": 1}, "a-": 2}'),
    ('{"a": {"b": [1]}, "a-": [2], "$or": [{"a": [1]}, {"c": [1]}]}', '{"a": [{"b": 1}, 1], "a-": 2}'),
    ('{"a": {"b": [1]}, "a-": [2], "$or": [{"a": [1]}, {"c": [1]}]}', '{"a": [{"b": 1}], "a-": 2, "c": 1}'),
    -- otherwise $or is a name
    ('{"$or": ["x", "y"]}', '{"$or": "y"}'),
    ('{"$or": {"a": [1]}}', '{"$or": {"a": 1}}'),
    ('{"$or": [{"prefix": "x"}, {"suffix": "y"}]}', '{"$or": "ay"}'),
    ('{"$or": [{"prefix": "x"}]}', '{"$or": "xy"}'),
    ('{"$or": [{"a": [1]}]}', '{}'),
    ('{"$or": [{"a": [1]}, "x"]}', '{}'),
    ('{"$or": [{"a": [1]}, {"prefix": ["x"]}]}', '{}'),
    ('{"$or": []}', '{}'),
    ('{"$or": [{}, {}]}', '{}')
) as u (pattern, record);

--
-- Arrays: one element for all fields
--

select verdict(pattern, record::jsonb) as v, pattern, record
from (values
    ('{"a": [1]}', '{"a": [0, 1]}'),
    ('{"a": [1]}', '{"a": [[0], [[1]]]}'),
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [{"b": 1, "c": 0}, {"b": 1, "c": 2}]}'),
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]}'),
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [[{"b": 1}], [{"c": 2}]]}'),
    ('{"a": {"b": [1], "c": [2]}}', '{"a": [[{"b": 1}, {"b": 1, "c": 2}], []]}'),
    ('{"a": {"b": {"x": [1]}, "c": {"x": [2]}}}', '{"a": [{"b": [{"x": 0}, {"x": 1}], "c": [{"x": 2}]}]}'),
    ('{"a": {"b": {"x": [1]}, "c": {"x": [2]}}}', '{"a": [{"b": [{"x": 1}]}, {"c": [{"x": 2}]}]}'),
    -- arrays beside each other are independent
    ('{"a": {"b": [1]}, "c": {"b": [2]}}', '{"a": [{"b": 0}, {"b": 1}], "c": [{"b": 2}, {"b": 3}]}'),
    -- the choice is made once for each alternative of $or
    ('{"a": {"b": [1], "$or": [{"c": [2]}, {"d": [3]}]}}', '{"a": [{"b": 1}, {"c": 2}, {"b": 1, "d": 3}]}'),
    ('{"a": {"b": [1], "$or": [{"c": [2]}, {"d": [3]}]}}', '{"a": [{"b": 1}, {"c": 2}, {"d": 3}]}'),
    -- absence: from the element that an earlier name chose, else from all
    ('{"a": {"b": [1], "c": [{"exists": false}]}}', '{"a": [{"b": 1}, {"c": 1}]}'),
    ('{"a": {"b": [1], "c": [{"exists": false}]}}', '{"a": [{"b": 1, "c": 1}, {"b": 0}]}'),
    ('{"a": {"b": [1], "a": [{"exists": false}]}}', '{"a": [{"b": 1}, {"a": 1}]}'),
    ('{"a": {"b": [1], "a": [{"exists": false}]}}', '{"a": [{"b": 0}, {"b": 1}]}'),
    ('{"a": {"b": [{"exists": false}]}}', '{"a": [{"b": 1}, {"c": 1}]}'),
    ('{"a": {"b": [{"exists": false}]}}', '{"a": []}'),
    ('{"a": {"b": [{"exists": false}, 2]}}', '{"a": [{"b": 1}, {"c": 1}]}'),
    ('{"a": {"b": [{"exists": false}, 2]}}', '{"a": [{"b": 1}, {"b": 2}]}'),
    ('{"a": {"b": [{"exists": false}, 2], "c": [3]}}', '{"a": [{"b": 2}, {"c": 3}]}'),
    ('{"a": {"b": [{"exists": false}, 2], "c": [3]}}', '{"a": [{"b": 2, "c": 3}, {"b": 1}]}')
) as u (pattern, record);

--
-- DynamoDB's records
--

create function record() returns jsonb immutable language sql as $$ select $j${
  "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "ddblocal",
  "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
  "dynamodb": {"ApproximateCreationDateTime": 1733418659, "Keys": {"id": {"N": "101"}},
    "NewImage": {"id": {"N": "101"}, "status": {"S": "open"}, "total": {"N": "12.50"}, "paid": {"BOOL": false}, "note": {"NULL": true},
                 "tags": {"L": [{"S": "red"}, {"S": "blue"}]}, "lines": {"L": [{"M": {"sku": {"S": "A"}, "n": {"N": "1"}}}, {"M": {"sku": {"S": "B"}, "n": {"N": "2"}}}]}},
    "OldImage": {"id": {"N": "101"}, "status": {"S": "new"}}, "SequenceNumber": "000000000000000000001", "SizeBytes": 59, "StreamViewType": "NEW_AND_OLD_IMAGES"}
}$j$::jsonb $$;
select ddbstreams.filter_matches(pattern::jsonb, record()), pattern from unnest(array[
    '{"eventName": ["INSERT", "MODIFY"]}',
    '{"eventName": ["INSERT"]}',
    '{"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}',
    '{"dynamodb": {"NewImage": {"status": {"S": ["open"]}}, "OldImage": {"status": {"S": [{"anything-but": "open"}]}}}}',
    -- without the type nothing matches
    '{"dynamodb": {"NewImage": {"status": ["open"]}}}',
    -- N is a string
    '{"dynamodb": {"Keys": {"id": {"N": ["101"]}}}}',
    '{"dynamodb": {"Keys": {"id": {"N": [101]}}}}',
    '{"dynamodb": {"Keys": {"id": {"N": [{"numeric": [">", 100]}]}}}}',
    '{"dynamodb": {"Keys": {"id": {"N": [{"anything-but": "42"}]}}}}',
    '{"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 1700000000]}]}}',
    '{"dynamodb": {"NewImage": {"paid": {"BOOL": [false]}, "note": {"NULL": [true]}}}}',
    -- exists: on leaves
    '{"dynamodb": {"NewImage": {"status": [{"exists": false}]}}}',
    '{"dynamodb": {"NewImage": {"status": {"S": [{"exists": false}]}}}}',
    '{"dynamodb": {"NewImage": {"status": {"S": [{"exists": true}]}, "closed": {"S": [{"exists": false}]}}}}',
    -- lists
    '{"dynamodb": {"NewImage": {"tags": {"L": {"S": ["blue"]}}}}}',
    '{"dynamodb": {"NewImage": {"lines": {"L": {"M": {"sku": {"S": ["A"]}, "n": {"N": ["1"]}}}}}}}',
    '{"dynamodb": {"NewImage": {"lines": {"L": {"M": {"sku": {"S": ["A"]}, "n": {"N": ["2"]}}}}}}}'
]) as pattern;

--
-- Bad patterns
--

\set VERBOSITY default
create function complaint(pattern text) returns text language plpgsql as $$
declare
    message text; detail text; state text;
begin
    return ddbstreams.filter_matches(pattern::jsonb, '{}');
exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail, state = returned_sqlstate;
    return case when message = 'Invalid filter pattern definition.' and state = '22023' then '' else state || ' ' || message || ' ' end || detail;
end $$;
select pattern || ' -> ' || complaint(pattern) from unnest(array[
    'null', '1', '"x"', '[]', '[{"a": [1]}]', '{}',
    '{"a": 1}', '{"a": "x"}', '{"a": null}', '{"a": {}}', '{"a": {"b": {}}}', '{"a": []}', '{"a": [[]]}', '{"a": [["x"]]}', '{"a": [{}]}',
    '{"a": [{"foo": "x"}]}', '{"a": [{"PREFIX": "x"}]}', '{"a": [{"prefix": "x", "suffix": "y"}]}', '{"a": {"b": [{"exists": true, "prefix": "x"}]}}',
    '{"$or": [{"a": [1]}]}', '{"$or": [{"a": [1]}, {"prefix": "x", "b": [1]}]}',
    '{"a": [{"exists": "true"}]}', '{"a": [{"exists": 1}]}', '{"a": [{"exists": null}]}', '{"a": [{"exists": [true]}]}',
    '{"a": [{"prefix": 1}]}', '{"a": [{"prefix": null}]}', '{"a": [{"prefix": ["x"]}]}', '{"a": [{"prefix": {}}]}', '{"a": [{"prefix": {"x": "y"}}]}', '{"a": [{"prefix": {"equals-ignore-case": 1}}]}', '{"a": [{"prefix": {"equals-ignore-case": ["x"]}}]}', '{"a": [{"prefix": {"equals-ignore-case": "x", "y": "z"}}]}',
    '{"a": [{"suffix": 1}]}', '{"a": [{"suffix": {"prefix": "x"}}]}',
    '{"a": [{"equals-ignore-case": 1}]}', '{"a": [{"equals-ignore-case": ["x"]}]}', '{"a": [{"exactly": 1}]}',
    '{"a": [{"anything-but": null}]}', '{"a": [{"anything-but": true}]}', '{"a": [{"anything-but": []}]}', '{"a": [{"anything-but": ["x", 1]}]}', '{"a": [{"anything-but": [1, "x"]}]}', '{"a": [{"anything-but": [null]}]}', '{"a": [{"anything-but": [["x"]]}]}', '{"a": [{"anything-but": {}}]}',
    '{"a": [{"anything-but": {"exists": true}}]}', '{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}', '{"a": [{"anything-but": {"prefix": ""}}]}', '{"a": [{"anything-but": {"suffix": ["x", ""]}}]}', '{"a": [{"anything-but": {"prefix": []}}]}', '{"a": [{"anything-but": {"prefix": 1}}]}', '{"a": [{"anything-but": {"equals-ignore-case": [1]}}]}', '{"a": [{"anything-but": {"wildcard": "**"}}]}',
    '{"a": [{"numeric": 1}]}', '{"a": [{"numeric": []}]}', '{"a": [{"numeric": ["="]}]}', '{"a": [{"numeric": [">", 1, "<"]}]}', '{"a": [{"numeric": ["=", "1"]}]}', '{"a": [{"numeric": ["!=", 1]}]}', '{"a": [{"numeric": [1, "="]}]}', '{"a": [{"numeric": ["=", 1, "<", 2]}]}', '{"a": [{"numeric": ["<", 1, ">", 0]}]}', '{"a": [{"numeric": [">", 1, "<", 1]}]}', '{"a": [{"numeric": [">=", 2, "<=", 1]}]}', '{"a": [{"numeric": [">", 1, "=", 2]}]}', '{"a": [{"numeric": [">", 0, "<", 1, "<", 2]}]}', '{"a": [{"numeric": ["=", 1e309]}]}', '{"a": [{"numeric": ["=", 12345678901234567890]}]}',
    '{"a": [{"wildcard": 1}]}', '{"a": [{"wildcard": "a**b"}]}', '{"a": [{"wildcard": "a\\b"}]}', '{"a": [{"wildcard": "a\\"}]}',
    '{"a": [{"cidr": 1}]}', '{"a": [{"cidr": "10.0.0.0"}]}', '{"a": [{"cidr": "10.0.0.0/"}]}', '{"a": [{"cidr": "10.0.0/8"}]}', '{"a": [{"cidr": "10.0.0.0/33"}]}', '{"a": [{"cidr": "10.0.0.0/x"}]}', '{"a": [{"cidr": "10.0.0.0/-1"}]}', '{"a": [{"cidr": "::/129"}]}', '{"a": [{"cidr": "10.0.0.0/99999999999"}]}', '{"a": [{"cidr": "/8"}]}', '{"a": [{"cidr": ""}]}'
]) as pattern;

-- A long name is cut, an odd one shown
select complaint(json_build_object(repeat('u', 500), 1)::text);
select complaint('{"a%s%n": [{"%d%s": 1}]}');

-- Nulls, and what is no record
select ddbstreams.filter_matches(null, '{}');
select ddbstreams.filter_matches('{"a": [1]}', null);
select ddbstreams.filter_matches('{"a": [1]}', '[]');
select ddbstreams.filter_matches('{"a": [1]}', '"x"');
select ddbstreams.filter_matches('{"a": [1]}', 'null');
select ddbstreams.filter_matches(pattern => '{"a": [1]}', record => '{"a": 1}');

-- One expression, other patterns: each is taken as it is
select ddbstreams.filter_matches(jsonb_build_object('a', jsonb_build_array(i / 2)), '{"a": 1}') from generate_series(0, 5) as i;
create table patterns (p jsonb);
insert into patterns select jsonb_build_object('a', jsonb_build_array(i), repeat('x', 3000), jsonb_build_array(jsonb_build_object('exists', false))) from generate_series(1, 3) as i;
insert into patterns values ('{"a": [{"wildcard": "**"}]}');
select ddbstreams.filter_matches(p, '{"a": 2}') from patterns limit 3;
do $$
declare
    p jsonb;
begin
    foreach p in array array['{"a": [1]}', '{"a": 1}', '{"a": 1}', '{"a": [2]}', '{"a": [1]}']::jsonb[] loop
        begin
            raise notice '%', ddbstreams.filter_matches(p, '{"a": 1}');
        exception when invalid_parameter_value then
            raise notice '%', sqlerrm;
        end;
    end loop;
end $$;

--
-- Filter criteria: verdicts by the event's name, by the key too, by everything
--

create function verdicts(criteria jsonb, record jsonb, event_name text, keys jsonb) returns text
    language c strict as 'ddbstreams', 'ddbstreams_filter_criteria_verdicts';
create function criteria(variadic patterns text[]) returns jsonb language sql as $$
    select jsonb_build_object('Filters', jsonb_agg(jsonb_build_object('Pattern', p) order by o)) from unnest(patterns) with ordinality as u (p, o)
$$;
create function judge(criteria jsonb) returns text language sql as $$
    select filter.verdicts(criteria, filter.record(), 'MODIFY', '{"id": {"N": "101"}}')
$$;
select judge(criteria(variadic patterns)), patterns from (values
    (array['{"eventName": ["MODIFY"]}']),
    (array['{"eventName": ["INSERT"]}']),
    (array['{"eventName": ["INSERT"]}', '{"eventName": [{"anything-but": "REMOVE"}]}']),
    (array['{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["open"]}}}}']),
    (array['{"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"status": {"S": ["open"]}}}}']),
    (array['{"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"status": {"S": ["shut"]}}}}']),
    (array['{"dynamodb": {"Keys": {"id": {"N": ["101"]}}}}']),
    (array['{"dynamodb": {"Keys": {"id": {"N": ["102"]}}}}']),
    (array['{"dynamodb": {"Keys": {"id": {"N": ["102"]}}, "NewImage": {"status": {"S": ["open"]}}}}']),
    (array['{"dynamodb": {"Keys": {"id": {"N": ["101"]}}, "NewImage": {"status": {"S": ["open"]}}}}']),
    (array['{"dynamodb.Keys.id.N": ["101"]}']),
    (array['{"dynamodb": {"KeysX": {"id": {"N": [{"exists": false}]}}}}']),
    (array['{"eventName": {"x": [{"exists": false}]}}']),
    (array['{"eventName": {"x": [{"exists": true}]}}']),
    (array['{"$or": [{"eventName": ["INSERT"]}, {"dynamodb": {"Keys": {"id": {"N": [{"prefix": "10"}]}}}}]}']),
    (array['{"eventName": ["x"]}', '{"a": [1]}', '{"b": [1]}', '{"c": [1]}', '{"userIdentity": {"type": ["Service"]}}'])
) as u (patterns);
-- no filters: everything
select judge('{}'), judge('{"Filters": []}'), judge('{"Filters": null}'), judge('{"Other": 1}');
-- a pattern that is an object
select judge('{"Filters": [{"Pattern": {"eventName": ["MODIFY"]}}]}');
select judge('{"Filters": [{"Pattern": "  {\"eventName\" : [\"MODIF\\u0059\"]}\n", "Other": 1}]}');

-- Bad criteria
create function criteria_complaint(criteria jsonb) returns text language plpgsql as $$
declare
    message text; detail text; state text; hint text;
begin
    return filter.judge(criteria);
exception when others then
    get stacked diagnostics message = message_text, detail = pg_exception_detail, state = returned_sqlstate, hint = pg_exception_hint;
    return concat_ws(' | ', state, left(message, 60) || case when length(message) > 60 then '…' || right(message, 150) else '' end, nullif(detail, ''), nullif(hint, ''));
end $$;
select criteria_complaint(c::jsonb) from unnest(array['[]', '1', 'null', '{"Filters": {}}', '{"Filters": "x"}', '{"Filters": [1]}', '{"Filters": [{}]}', '{"Filters": [{"Pattern": null}]}', '{"Filters": [{"Pattern": {"a": [1]}}, []]}',
    '{"Filters": [{"Pattern": 1}]}', '{"Filters": [{"Pattern": []}]}', '{"Filters": [{"Pattern": ""}]}', '{"Filters": [{"Pattern": "{"}]}', '{"Filters": [{"Pattern": "{\"a\": [1, 2 3]}"}]}',
    '{"Filters": [{"Pattern": "{\"a\": [\"\\u0000\"]}"}]}', '{"Filters": [{"Pattern": "{\"a\": [\"\\ud800\"]}"}]}', '{"Filters": [{"Pattern": "{\"a\": [1e999999]}"}]}', '{"Filters": [{"Pattern": "{\"a\": 1}"}]}', '{"Filters": [{"Pattern": "simple string"}]}', '{"Filters": [{"Pattern": "{\"eventSource\": \"aws:sqs\"}"}]}']) as c;
select criteria_complaint(criteria('{"a": [1]}', '{"a": [1]}', '{"a": [1]}', '{"a": [1]}', '{"a": [1]}', '{"a": [1]}'));
-- 4096 characters are enough
select criteria_complaint(criteria('{"a": ["' || repeat('u', 4085) || '"]}'));
select criteria_complaint(criteria('{"a": [1]}', '{"a": ["' || repeat('u', 4086) || '"]}'));
select criteria_complaint(jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', jsonb_build_object('a', jsonb_build_array(repeat('x', 4086)))))));
-- names that stand twice in one object, of which jsonb keeps the last one; colons and quotes in strings are no names
select p, criteria_complaint(jsonb_build_object('Filters', jsonb_build_array(jsonb_build_object('Pattern', p))))
from unnest(array['{"dynamodb": {"Keys": {"id": {"S": ["x"]}}}, "dynamodb": {"NewImage": {"v": {"S": ["y"]}}}}',
    '{"eventName": ["INSERT"], "eventName": ["MODIFY"]}', '{"a": {"b": [1], "c": {"d": [1], "d": [1]}}}', '{"a": [1], "\u0061": [2]}',
    '{"a": [{"prefix": "x", "prefix": "y"}]}', '{"a": ["b:c", "\":\"", "\\"], "d:e": [":"]}', '{"a": {"b": [1]}, "b": {"b": [1]}}']) as p;

--
-- Hostile input
--

-- deep patterns and records
select ddbstreams.filter_matches((repeat('{"a":', 2000) || '["x"]' || repeat('}', 2000))::jsonb, (repeat('{"a":', 2000) || '"x"' || repeat('}', 2000))::jsonb);
select ddbstreams.filter_matches((repeat('{"a":', 2000) || '["x"]' || repeat('}', 2000))::jsonb, (repeat('[{"a":[', 1) || '1' || repeat(']}]', 1))::jsonb -> 0);
select ddbstreams.filter_matches('{"a": ["x"]}', ('{"a": ' || repeat('[', 3000) || '"x"' || repeat(']', 3000) || '}')::jsonb);
select ddbstreams.filter_matches('{"a": [{"exists": false}]}', ('{"a": ' || repeat('[[],', 3000) || '[]' || repeat(']', 3000) || '}')::jsonb);
select ddbstreams.filter_matches('{"a": {"b": [{"exists": false}], "c": [1]}}', ('{"a": ' || repeat('[0,', 3000) || '{"c": 1}' || repeat(']', 3000) || '}')::jsonb);
do $$
begin
    perform ddbstreams.filter_matches((repeat('{"$or":[{"a":[1]},', 50000) || '{"b":[1]}' || repeat(']}', 50000))::jsonb, '{}');
    raise notice 'not expected';
exception when statement_too_complex then raise notice 'stack';
end $$;
-- wide ones
select ddbstreams.filter_matches(jsonb_object_agg('k' || i, jsonb_build_array(i)), jsonb_object_agg('k' || i, i)) from generate_series(1, 100000) as i;
select ddbstreams.filter_matches(jsonb_object_agg('k' || i, jsonb_build_array(i)), jsonb_object_agg('k' || i, nullif(i, 99999))) from generate_series(1, 100000) as i;
select ddbstreams.filter_matches(jsonb_build_object('a', jsonb_agg(i)), '{"a": 100000}') from generate_series(1, 100000) as i;
select ddbstreams.filter_matches(jsonb_build_object(repeat('a.', 100000), '["x"]'::jsonb), '{"a": {"a": 1}}');
select ddbstreams.filter_matches('{"a": {"x": [{"exists": true}]}, "b": {"x": [{"exists": true}]}, "c": {"x": [{"exists": true}], "y": ["no"]}}',
    jsonb_build_object('a', many, 'b', many, 'c', many)) from (select jsonb_agg(jsonb_build_object('x', i)) as many from generate_series(1, 10000) as i) as s;
-- many ways to one path
select ddbstreams.filter_matches('{"a.a.a.a.a.a.a.a.a.a.a.a": ["x"]}', s) from (
    with recursive r (n, j) as (values (0, '{"a": 1, "a.a": 1}'::jsonb) union all
        select n + 1, jsonb_build_object('a', j, 'a.a', j) from r where n < 10)
    select j as s from r where n = 10) as q;
-- combinations of $or
select complaint('{"a": {"$or": [{"x": [1]}, {"y": [1]}]}, "b": {"$or": [{"x": [1]}, {"y": [1]}]}}');
select complaint((select jsonb_object_agg('k' || i, '{"$or": [{"x": [1]}, {"y": [1]}]}'::jsonb) from generate_series(1, 10) as i)::text);
select complaint((select jsonb_object_agg('k' || i, '{"$or": [{"x": [1]}, {"y": [1]}]}'::jsonb) from generate_series(1, 9) as i)::text);
select complaint(jsonb_build_object('$or', (select jsonb_agg('{"x": [1]}'::jsonb) from generate_series(1, 1000)))::text);
select complaint(jsonb_build_object('$or', (select jsonb_agg('{"x": [1]}'::jsonb) from generate_series(1, 1001)))::text);
select complaint(((select jsonb_object_agg('k' || i, '[1]'::jsonb) from generate_series(1, 2000) as i) || jsonb_build_object('$or', (select jsonb_agg('{"x": [1]}'::jsonb) from generate_series(1, 900))))::text);
-- wildcards do not go back and forth
select ddbstreams.filter_matches(jsonb_build_object('a', jsonb_build_array(jsonb_build_object('wildcard', repeat('*a', 2000) || '*b'))), jsonb_build_object('a', repeat('a', 1000000)));
select ddbstreams.filter_matches(jsonb_build_object('a', jsonb_build_array(jsonb_build_object('wildcard', repeat('*a', 2000) || '*'))), jsonb_build_object('a', repeat('a', 1000000)));
select ddbstreams.filter_matches('{"a": [{"suffix": {"equals-ignore-case": "AB"}}]}', jsonb_build_object('a', repeat('a', 1000000) || 'b'));

set client_min_messages = warning;
drop schema filter cascade;
