#!/bin/bash
#
# postgres.js reads no NULL in an array.
#
# One would guess that a NULL element is null, as a NULL column is.
#
# It hands the word NULL to the parser of the element's type: text and numeric
# become the text "NULL", which a real text NULL reads as too, integers NaN,
# booleans false, and timestamps an invalid date. No error is raised.
#
# A change stream writes such an element as {"NULL":true}. What a consumer
# rebuilds from the image is right, and the row that postgres.js reads is not;
# who compares the two looks for the fault in the wrong place.

# shellcheck source=findings/lib.sh
. "$(dirname "$0")/lib.sh"
start_postgresql
npm_packages postgres@3.4.9
cat >"$node_project/run.cjs" <<'END'
const postgres = require('postgres');
(async () => {
	const sql = postgres();
	const show = (what, value) => console.log(what + '\t' + value.map(String).join(' '));
	const [row] = await sql`select
		array[true, null] as bool,
		array[1, null] as int4,
		array[1.50, null] as numeric,
		array['a', null, 'NULL'] as text,
		array[timestamptz '2026-01-02 03:04:05+00', null] as timestamptz,
		null::int4 as plain`;
	for (const type of ['bool', 'int4', 'numeric', 'text'])
		show(type, row[type]);
	show('timestamptz', row.timestamptz.map(Number));
	show('no array', [row.plain]);
	await sql.end();
})();
END
seen=$(node "$node_project/run.cjs")
expect_lines "$seen" <<'END'
bool	true false
int4	1 NaN
numeric	1.50 NULL
text	a NULL NULL
timestamptz	1767323045000 NaN
no array	null
END
finish
