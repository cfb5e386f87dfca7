#!/bin/bash
#
# dynamodb-data-types makes a set of a list, and a number set without numbers of
# an empty one.
#
# One would guess that wrap(unwrap(item)) is the item, at least for lists of
# strings and numbers, which JSON has as well.
#
# An array of nothing but strings, or of numbers, becomes an SS or NS, unless a
# list is asked for by name. An empty array is an NS as well, since all that it
# has are numbers. DynamoDB has no empty sets, and no sets with an element twice,
# and refuses such an item. What has mixed elements, or none of these, stays a
# list.
#
# Arrays in PostgreSQL and in jsonb are lists in a change stream, with their order,
# repeated and empty. A handler that copies images to DynamoDB by this library
# has to copy the typed JSON as it is, or name each list.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
npm_packages dynamodb-data-types@4.0.1
cat >"$node_project/run.cjs" <<'END'
const { AttributeValue } = require('dynamodb-data-types');

for (const L of [[{ S: 'b' }, { S: 'a' }, { S: 'b' }], [{ N: '1' }, { N: '1' }], [], [{ S: 'a' }, { N: '1' }], [{ BOOL: true }]]) {
	const item = AttributeValue.unwrap({ l: { L } });
	console.log(`${JSON.stringify(item.l)}\t${JSON.stringify(AttributeValue.wrap(item).l)}`);
	console.log(`${JSON.stringify(item.l)}, by name\t${JSON.stringify(AttributeValue.wrap(item, { types: { l: 'L' } }).l)}`);
}
END
seen=$(cd "$node_project" && node run.cjs)
expect_lines "$seen" <<'END'
["b","a","b"]	{"SS":["b","a","b"]}
["b","a","b"], by name	{"L":[{"S":"b"},{"S":"a"},{"S":"b"}]}
[1,1]	{"NS":["1","1"]}
[1,1], by name	{"L":[{"N":"1"},{"N":"1"}]}
[]	{"NS":[]}
[], by name	{"L":[]}
["a",1]	{"L":[{"S":"a"},{"N":"1"}]}
[true]	{"L":[{"BOOL":true}]}
END
finish
